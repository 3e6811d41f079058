-- oldest-program: 1
-- Charges that the gateway has taken and whose outcome comes days later. A program that does not know them never meets them: it knows no
-- gateway that has any, and a database belongs to one gateway.

alter table dunning.charge
    drop constraint charge_state_check,
    add constraint charge_state_check check (state in ('in_flight', 'unknown', 'pending', 'succeeded', 'failed', 'abandoned', 'refused'));

drop index dunning.charge_one_open;
create unique index charge_one_open on dunning.charge (account_id, subscription_id, period_start) where state in ('in_flight', 'unknown', 'pending');
