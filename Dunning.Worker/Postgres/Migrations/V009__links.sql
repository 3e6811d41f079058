-- oldest-program: 1
-- Links in mails: the keys that sign them, whose are revoked, and what customers did with them at the gateway. No token of a method stands here, and
-- nothing personal.

create table dunning.link_key (
    number  int primary key check (number between 1 and 65535),
    secret  bytea not null check (octet_length(secret) = 32),
    made_at timestamptz not null
);

-- Links of mails that were decided up to then are dead.
create table dunning.link_revocation (
    account_id text collate "C" primary key references dunning.account,
    revoked_at timestamptz not null
);

-- A visit to a page of the gateway's, from the button to what came of it. The row is older than the page.
create table dunning.card_session (
    id                text collate "C" primary key,
    account_id        text collate "C" not null references dunning.account,
    contact           int not null,
    method_id         text collate "C",
    method_generation int,
    reference         text unique,
    state             text not null check (state in ('open', 'done', 'failed', 'closed')),
    handed_in         boolean not null default false,
    code              text,
    started_at        timestamptz not null,
    settled_at        timestamptz,
    tries             int not null default 0 check (tries >= 0),
    next_look_at      timestamptz,
    lease_until       timestamptz,
    constraint card_session_settled check ((state = 'open') = (settled_at is null) and (state = 'open') = (next_look_at is not null)),
    constraint card_session_code check (code is null or state = 'failed'),
    constraint card_session_method check ((method_id is null) = (method_generation is null))
);

create index card_session_open on dunning.card_session (next_look_at) where state = 'open';
create index card_session_account on dunning.card_session (account_id, started_at);

-- A reservation made to verify a new method: written before it is asked for, so that whatever becomes of the answer it is given back.
create table dunning.card_hold (
    session_id  text collate "C" primary key references dunning.card_session,
    account_id  text collate "C" not null references dunning.account,
    currency    text not null check (char_length(currency) = 3),
    asked_at    timestamptz not null,
    reference   text,
    state       text not null check (state in ('held', 'declined', 'voided')),
    tries       int not null default 0 check (tries >= 0),
    void_at     timestamptz,
    settled_at  timestamptz,
    constraint card_hold_settled check ((state = 'held') = (settled_at is null) and (state = 'held') = (void_at is not null))
);

create index card_hold_held on dunning.card_hold (void_at) where state = 'held';
create index card_hold_account on dunning.card_hold (account_id);
