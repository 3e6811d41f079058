-- oldest-program: 4
-- What is not urgent is held for contacts who want it once a day or a week. An older program would not see what is held: it must not work beside.

alter table dunning.contact add column frequency text not null default 'at_once' check (frequency in ('at_once', 'daily', 'weekly'));

-- A digest is a mail of its own; what it tells is settled as digested.
alter table dunning.outbox
    drop constraint outbox_state_check,
    drop constraint outbox_settled,
    drop constraint outbox_pending_has_address,
    add constraint outbox_state_check check (state in ('pending', 'held', 'digested', 'accepted', 'dead', 'dropped')),
    add constraint outbox_settled check ((state in ('pending', 'held')) = (settled_at is null)),
    add constraint outbox_pending_has_address check (state not in ('pending', 'held') or (email is not null and name is not null)),
    add constraint outbox_held_has_no_try check (state not in ('held', 'digested') or (tries = 0 and next_try_at is null));

drop index dunning.outbox_pending;
create index outbox_open on dunning.outbox (account_id) where state in ('pending', 'held');

create or replace function dunning.erase_account(which text) returns void language plpgsql security definer set search_path = dunning, pg_temp as $$
begin
    if exists (select from outbox where account_id = which and state in ('pending', 'held')) then
        raise exception 'a mail of the account has not left' using errcode = 'object_not_in_prerequisite_state';
    end if;
    update account set name = '', legal_name = '', line1 = '', line2 = null, postal_code = '', city = '',
        vat_number = null, gateway_customer = null, import_hash = null
        where id = which;
    update contact set email = null, name = '', locale = null, removed = true where account_id = which;
    update payment_method set token = null, brand = null, last4 = null, expires = null, is_default = false, is_backup = false, retired = true
        where account_id = which;
    update outbox set email = null, name = null, facts = '{}' where account_id = which;
end $$;
