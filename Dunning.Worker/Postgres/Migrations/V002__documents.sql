-- oldest-program: 1
-- Documents as they were first made: what a customer was sent is what is sent again, whatever logo, words or renderer come later.
-- They hold the buyer's name and address as the law asks, also after the account's erasure.

create table dunning.document (
    key             text collate "C" not null check (char_length(key) between 1 and 200),
    language        text collate "C" not null,
    kind            text not null check (kind in ('invoice', 'receipt', 'credit_note')),
    account_id      text collate "C" not null,
    subscription_id text collate "C" not null,
    period_start    date not null,
    bytes           bytea not null,
    sha256          bytea not null,
    made_at         timestamptz not null,
    primary key (key, language),
    foreign key (subscription_id, period_start) references dunning.invoice,
    constraint document_hash check (sha256 = sha256(bytes))
);

-- A PDF is compressed already.
alter table dunning.document alter column bytes set storage external;

create index document_account on dunning.document (account_id);

create trigger document_append_only before update or delete or truncate on dunning.document
    for each statement execute function dunning.refuse_change();
