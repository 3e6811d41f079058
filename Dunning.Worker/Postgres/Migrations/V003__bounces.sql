-- oldest-program: 1
-- Addresses that mail does not reach, and what a mail server said: codes, nothing personal.

alter table dunning.contact
    add column bounced_at      timestamptz,
    add column bounce_reason   text,
    add column bounce_reported boolean not null default false,
    add constraint contact_bounce check ((bounced_at is null) = (bounce_reason is null) and (bounced_at is not null or not bounce_reported));

alter table dunning.outbox add column detail text;

-- What operators look for among millions.
create index contact_bouncing on dunning.contact (account_id) where bounced_at is not null;
create index outbox_dead on dunning.outbox (decided_at desc, account_id, mail_number, contact) where state = 'dead';

-- Whose address a delivery status notification names.
create index contact_email on dunning.contact (lower(email)) where not removed;
