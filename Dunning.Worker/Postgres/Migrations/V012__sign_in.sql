-- oldest-program: 1
-- Who may see the operators' pages, and who is signed in. No password stands here, no session's id and no address: only what they are checked against.

create table dunning.ops_user (
    name        text collate "C" primary key check (name ~ '^[a-z0-9][a-z0-9._@-]{0,63}$'),
    role        text not null check (role in ('viewer', 'operator', 'admin')),
    password    text not null check (char_length(password) between 1 and 500),
    is_disabled boolean not null default false,
    made_at     timestamptz not null,
    changed_at  timestamptz not null
);

-- The id is known to the browser only; here is its SHA-256. A local user's role is the one that the user has now, whatever it was at sign-in.
create table dunning.ops_session (
    id_hash   bytea primary key check (octet_length(id_hash) = 32),
    kind      text not null check (kind in ('password', 'oidc', 'token')),
    name      text not null check (char_length(name) between 1 and 100),
    local_user text collate "C" references dunning.ops_user on delete cascade,
    role      text not null check (role in ('viewer', 'operator', 'admin')),
    language  text not null check (char_length(language) = 2),
    flash     text check (char_length(flash) <= 1000),
    is_fault  boolean not null default false,
    began_at  timestamptz not null,
    seen_at   timestamptz not null,
    ends_at   timestamptz not null,
    constraint ops_session_local check ((kind = 'password') = (local_user is not null))
);

create index ops_session_user on dunning.ops_session (local_user) where local_user is not null;
create index ops_session_ends on dunning.ops_session (ends_at);

-- Forms that were sent: each is carried out once, however often it is clicked.
create table dunning.ops_form (
    session bytea not null references dunning.ops_session on delete cascade,
    form    bytea not null check (octet_length(form) = 16),
    primary key (session, form)
);

-- Failed tries of a name (known or not) and of an address, by SHA-256 of what they are of.
create table dunning.ops_failure (
    subject       bytea primary key check (octet_length(subject) = 32),
    failures      int not null check (failures > 0),
    last_at       timestamptz not null,
    blocked_until timestamptz
);

create index ops_failure_last on dunning.ops_failure (last_at);

-- Sign-ins at an identity provider that have begun: each is good for one answer, in the browser that began it.
create table dunning.ops_oidc (
    state_hash   bytea primary key check (octet_length(state_hash) = 32),
    browser_hash bytea not null check (octet_length(browser_hash) = 32),
    nonce        text not null,
    verifier     text not null,
    back         text not null check (char_length(back) <= 2000),
    -- SHA-256 of the address that has begun it: nobody may begin them all.
    address      bytea not null check (octet_length(address) = 32),
    ends_at      timestamptz not null
);

create index ops_oidc_address on dunning.ops_oidc (address);

create index ops_oidc_ends on dunning.ops_oidc (ends_at);
