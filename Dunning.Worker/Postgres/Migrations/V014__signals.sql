-- oldest-program: 1
-- How passes went, and what operators were warned of. Nothing here is part of the books: rows may be deleted, and a program that does not know them writes none.

-- The last run of each pass on each server; written in place, so that passes that find nothing for years leave nothing behind.
create table dunning.pass_state (
    pass        text collate "C" not null check (pass in ('reconcile', 'renew', 'dun', 'end_access', 'purge', 'remind', 'mail')),
    server      text collate "C" not null,
    started_at  timestamptz not null,
    -- Null: it runs, or its server died in the middle.
    ended_at    timestamptz check (ended_at >= started_at),
    -- The last that came to its end, whatever came of it.
    outcome     text check (outcome in ('done', 'faults', 'failed', 'refused', 'out_of_time', 'stopped', 'blocked')),
    -- The last that did not fail as a whole.
    succeeded_at timestamptz,
    -- Failures as a whole, one after another.
    failures    int not null default 0 check (failures >= 0),
    runs        bigint not null default 0 check (runs >= 0),
    error       text,
    primary key (pass, server)
) with (fillfactor = 50);

-- Runs that did something, or failed.
create table dunning.pass_run (
    id                bigint generated always as identity primary key,
    pass              text collate "C" not null check (pass in ('reconcile', 'renew', 'dun', 'end_access', 'purge', 'remind', 'mail')),
    server            text collate "C" not null,
    started_at        timestamptz not null,
    ended_at          timestamptz not null check (ended_at >= started_at),
    outcome           text not null check (outcome in ('done', 'faults', 'failed', 'refused', 'out_of_time', 'stopped', 'blocked')),
    accounts          int not null check (accounts >= 0),
    faults            int not null check (faults >= 0),
    charges_succeeded int not null check (charges_succeeded >= 0),
    charges_failed    int not null check (charges_failed >= 0),
    charges_unknown   int not null check (charges_unknown >= 0),
    charges_pending   int not null check (charges_pending >= 0),
    mails_sent        int not null check (mails_sent >= 0),
    -- The class of what went wrong, never its message: that might hold something of a customer's.
    error             text
);

create index pass_run_started on dunning.pass_run (started_at);
create index pass_run_pass on dunning.pass_run (pass, started_at);

-- What operators were warned of: one open row for a cause, resolved when it has gone. No text here holds anything of a customer's but account ids.
create table dunning.alert (
    id           bigint generated always as identity primary key,
    key          text collate "C" not null,
    rule         text collate "C" not null,
    severity     text not null check (severity in ('warning', 'critical')),
    summary      text not null,
    page         text not null,
    raised_at    timestamptz not null,
    last_seen_at timestamptz not null,
    told_at      timestamptz not null,
    resolved_at  timestamptz check (resolved_at >= raised_at)
);

create unique index alert_one_open on dunning.alert (key) where resolved_at is null;
create index alert_raised on dunning.alert (raised_at);

-- Messages about them that are to leave, each by each way; a failed one is tried again.
create table dunning.alert_message (
    id          bigint generated always as identity primary key,
    alert_id    bigint not null references dunning.alert on delete cascade,
    way         text not null check (way in ('mail', 'webhook')),
    what        text not null check (what in ('raised', 'reminder', 'resolved')),
    decided_at  timestamptz not null,
    summary     text not null,
    tries       int not null default 0 check (tries >= 0),
    next_try_at timestamptz,
    sent_at     timestamptz,
    error       text,
    constraint alert_message_ends check (num_nonnulls(next_try_at, sent_at) <= 1)
);

create index alert_message_waiting on dunning.alert_message (next_try_at) where next_try_at is not null;
create index alert_message_alert on dunning.alert_message (alert_id);
