-- oldest-program: 1
-- What keeps charges safe when the gateway or the database is not what it was. A program that does not know it charges as it did before.

-- Spans in which the gateway answered too few: no server attempts a charge while one is open. Ended ones stay, for operators.
create table dunning.outage (
    id            bigint generated always as identity primary key,
    began_at      timestamptz not null,
    calls         int not null check (calls > 0),
    failures      int not null check (failures > 0),
    probes        int not null default 0 check (probes >= 0),
    next_probe_at timestamptz not null,
    ended_at      timestamptz check (ended_at >= began_at),
    constraint outage_fails_of_calls check (failures <= calls)
);

create unique index outage_one_open on dunning.outage ((true)) where ended_at is null;

-- Where this database was last worked with: a copy of it finds itself elsewhere, and one that was restored finds a mark below the one that is kept
-- outside of it. No row: it never charged through a real gateway.
create table dunning.environment (
    is_only           boolean primary key default true check (is_only),
    mark              bigint not null check (mark > 0),
    marked_at         timestamptz not null,
    gateway_account   text,
    system_identifier text,
    database_oid      bigint not null,
    reconciled_for    text
);

-- Charges that the gateway knows and this database does not, as after a restored backup. An attempt that is decided again takes its outcome here.
create table dunning.adopted_charge (
    key             text collate "C" primary key,
    account_id      text collate "C" not null,
    subscription_id text collate "C" not null,
    period_start    date not null,
    amount          bigint not null check (amount > 0),
    currency        text not null check (char_length(currency) = 3),
    outcome         text not null check (outcome in ('succeeded', 'pending', 'declined')),
    code            text,
    reference       text not null,
    created_at      timestamptz not null,
    adopted_at      timestamptz not null,
    told_at         timestamptz,
    constraint adopted_charge_code check ((outcome = 'declined') = (code is not null))
);

create index adopted_charge_invoice on dunning.adopted_charge (subscription_id, period_start);
