-- oldest-program: 1
-- Guards against harm to many: how much was done in the last 24 hours, and what waits for an operator's word. A program that does not know them counts
-- nothing and waits for nothing: upgrade every server.

-- By the minute, so that the window slides. Room that turns out not to be needed is given back where it was taken.
create table dunning.guard_bucket (
    kind   text collate "C" not null check (kind in ('suspensions', 'purges', 'mails')),
    minute timestamptz not null,
    taken  int not null check (taken >= 0),
    primary key (kind, minute)
) with (fillfactor = 50);

-- A limit that was met: nothing more of its kind is done by any server until somebody approves. Approved ones stay, for operators.
create table dunning.guard_trip (
    id              bigint generated always as identity primary key,
    kind            text collate "C" not null check (kind in ('suspensions', 'purges', 'mails')),
    tripped_at      timestamptz not null,
    allowed         int not null check (allowed >= 0),
    wanted          int not null,
    approved_at     timestamptz,
    approved_by     text,
    approved_reason text,
    constraint guard_trip_wanted_more check (wanted > allowed),
    constraint guard_trip_approval_whole check (num_nulls(approved_at, approved_by, approved_reason) in (0, 3))
);

create unique index guard_trip_one_open on dunning.guard_trip (kind) where approved_at is null;
