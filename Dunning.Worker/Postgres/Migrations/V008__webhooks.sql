-- oldest-program: 1
-- What gateways tell by themselves, until it is worked off. Only references are kept, never the body: the object is read anew at the gateway. What
-- is settled has no reference to it any more, for that may be a token.

create table dunning.webhook (
    gateway     text collate "C" not null,
    event_id    text collate "C" not null check (char_length(event_id) between 1 and 255),
    type        text not null,
    object_id   text,
    charge_key  text collate "C",
    received_at timestamptz not null,
    state       text not null check (state in ('pending', 'done', 'ignored', 'failed')),
    tries       int not null check (tries >= 0),
    next_try_at timestamptz,
    settled_at  timestamptz,
    fault       text,
    primary key (gateway, event_id),
    constraint webhook_settled check ((state = 'pending') = (settled_at is null) and (state = 'pending') = (next_try_at is not null)),
    constraint webhook_object check ((state in ('done', 'ignored')) = (object_id is null)),
    constraint webhook_fault_told check (state <> 'failed' or fault is not null)
);

create index webhook_pending on dunning.webhook (gateway, next_try_at) where state = 'pending';
create index webhook_failed on dunning.webhook (received_at) where state = 'failed';
create index webhook_settled on dunning.webhook (settled_at) where settled_at is not null;

-- A gateway names a method by its token alone.
create index payment_method_token on dunning.payment_method (token) where not retired;
