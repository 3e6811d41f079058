-- oldest-program: 1
-- What is kept no longer than it is needed. Nothing here touches invoices, credit notes or documents.

-- One row a run; the last one says when the next is due, whatever server did it.
create table dunning.housekeeping_run (
    id         bigint generated always as identity primary key,
    server     text not null,
    started_at timestamptz not null,
    ended_at   timestamptz check (ended_at >= started_at),
    removed    jsonb,
    error      text,
    constraint housekeeping_run_ended check ((ended_at is null) = (removed is null))
);

create index housekeeping_run_started on dunning.housekeeping_run (started_at);

-- Events stay as they are. The one way out is by age, and only where somebody has set an age.
create function dunning.refuse_change_of_events() returns trigger language plpgsql as $$
begin
    if tg_op <> 'DELETE' or current_setting('dunning.prunes_events', true) is distinct from 'on' then
        raise exception '% is append-only: % refused', tg_table_name, lower(tg_op) using errcode = 'restrict_violation';
    end if;
    return null;
end $$;

drop trigger event_append_only on dunning.event;
create trigger event_append_only before update or delete or truncate on dunning.event
    for each statement execute function dunning.refuse_change_of_events();

-- At most so many of a span, all older than a year; none of an account that owes something, for its case is told from them.
create function dunning.prune_events(since timestamptz, until timestamptz, most int) returns int
    language plpgsql security definer set search_path = dunning, pg_temp as $$
declare
    gone int;
begin
    if until > now() - interval '1 year' then
        raise exception 'events stay for a year at least' using errcode = 'restrict_violation';
    end if;
    perform set_config('dunning.prunes_events', 'on', true);
    delete from event e using (
        select o.account_id, o.seq from event o
        where o.at >= since and o.at < until and not exists (select from receivable r where r.account_id = o.account_id and r.state = 'open')
        limit most) g
    where e.account_id = g.account_id and e.seq = g.seq;
    get diagnostics gone = row_count;
    perform set_config('dunning.prunes_events', 'off', true);
    return gone;
end $$;

revoke all on function dunning.prune_events(timestamptz, timestamptz, int) from public;
-- Where deploy/postgres/roles.sql was run before, what is made now is allowed to the service; this is for its owner to allow.
do $$
begin
    if exists (select from pg_roles where rolname = 'dunning_app') then
        revoke all on function dunning.prune_events(timestamptz, timestamptz, int) from dunning_app;
    end if;
end $$;

-- What mail servers and gateways said about a person goes with the person.
create or replace function dunning.erase_account(which text) returns void language plpgsql security definer set search_path = dunning, pg_temp as $$
begin
    if exists (select from outbox where account_id = which and state in ('pending', 'held')) then
        raise exception 'a mail of the account has not left' using errcode = 'object_not_in_prerequisite_state';
    end if;
    -- By their names at the gateway, while these are known here. What waits is worked off, and has no name any more then.
    delete from webhook w where w.state <> 'pending' and (
        w.charge_key in (select key from charge where account_id = which)
        or w.object_id in (select token from payment_method where account_id = which and token is not null)
        or w.object_id = (select gateway_customer from account where id = which));
    update account set name = '', legal_name = '', line1 = '', line2 = null, postal_code = '', city = '',
        vat_number = null, gateway_customer = null, import_hash = null
        where id = which;
    update contact set email = null, name = '', locale = null, removed = true, bounced_at = null, bounce_reason = null, bounce_reported = false
        where account_id = which;
    update payment_method set token = null, brand = null, last4 = null, expires = null, is_default = false, is_backup = false, retired = true
        where account_id = which;
    update outbox set email = null, name = null, facts = '{}', detail = null where account_id = which;
    update card_session set reference = null where account_id = which and state <> 'open';
    update card_hold set reference = null where account_id = which and state <> 'held';
    update einvoice e set fault = 'erased' from invoice i
        where i.account_id = which and e.subscription_id = i.subscription_id and e.period_start = i.period_start and e.fault is not null;
end $$;
