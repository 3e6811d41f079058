-- oldest-program: 1
-- What operators do (RULES 14). A program that does not know pauses and exemptions does not heed them: give none before every server is upgraded.

-- In the order in which passes take them.
alter table dunning.account add column exempt boolean not null default false;

alter table dunning.receivable
    add column paused_until date,
    add column exempt boolean not null default false;

-- It succeeded for an invoice that had its outcome already: it has paid nothing, and a void gives nothing of it back.
alter table dunning.charge add column duplicate boolean not null default false;

-- Acts that belong to no account: a pass that was run by hand, mails sent again, a guard that was approved, a user. Those on an account are its events.
create table dunning.audit (
    id       bigint generated always as identity primary key,
    at       timestamptz not null,
    operator text not null check (char_length(operator) between 1 and 100),
    act      text not null,
    subject  text,
    reason   text not null check (char_length(reason) between 1 and 500)
);

create index audit_at on dunning.audit (at, id);

create trigger audit_append_only before update or delete or truncate on dunning.audit
    for each statement execute function dunning.refuse_change();
