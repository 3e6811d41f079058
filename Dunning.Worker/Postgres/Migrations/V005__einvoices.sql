-- oldest-program: 1
-- Which invoices and credit notes an e-invoicing platform has, and which it still has to get. Nothing is written here while none is configured.

create table dunning.einvoice (
    series          text collate "C" not null,
    year            int not null,
    number          bigint not null check (number > 0),
    kind            text not null check (kind in ('invoice', 'credit_note')),
    subscription_id text collate "C" not null,
    period_start    date not null,
    state           text not null check (state in ('pending', 'handed_in', 'inexpressible')),
    tries           int not null check (tries >= 0),
    next_try_at     timestamptz,
    settled_at      timestamptz,
    fault           text,
    primary key (series, year, number),
    foreign key (subscription_id, period_start) references dunning.invoice,
    constraint einvoice_settled check ((state = 'pending') = (settled_at is null) and (state = 'pending') = (next_try_at is not null)),
    constraint einvoice_fault_told check (state <> 'inexpressible' or fault is not null)
);

create index einvoice_pending on dunning.einvoice (next_try_at) where state = 'pending';
create index einvoice_invoice on dunning.einvoice (subscription_id, period_start);

-- How far each series has been listed in einvoice, and from which date of issue on. Numbers have no gaps and are committed in their order, so nothing
-- below the last one can still come.
create table dunning.einvoice_cursor (
    series      text collate "C" not null,
    year        int not null,
    last_number bigint not null check (last_number > 0),
    since       date not null,
    primary key (series, year)
);
