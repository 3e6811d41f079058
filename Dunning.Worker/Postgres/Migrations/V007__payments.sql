-- oldest-program: 1
-- What card networks limit, pauses that gateways ask for, disputes, debits that are returned or announced, and amounts too small to be charged. A
-- program that does not know them leaves them as they are, and charges as it always did.

alter table dunning.account add column carried bigint not null default 0 check (carried >= 0);

-- Declines since the last success and the attempts that followed: minor units and seconds since 1970, as '2900@1767258000 2900@1767430800'.
alter table dunning.payment_method add column tries text not null default '';

alter table dunning.invoice
    add column carried_in bigint not null default 0 check (carried_in >= 0),
    add column carried_out bigint not null default 0 check (carried_out >= 0),
    drop constraint invoice_adds_up,
    add constraint invoice_adds_up check (amount_due = subtotal + tax - credit_applied + carried_in - carried_out);

alter table dunning.receivable
    add column not_before timestamptz,
    add column disputed boolean not null default false,
    add column case_announced_for date,
    add constraint receivable_announced_has_case check (case_announced_for is null or case_schedule is not null);

alter table dunning.charge
    add column missed_since timestamptz,
    add column resolution text not null default 'none' check (resolution in ('none', 'never_made', 'failed')),
    add column refunded bigint not null default 0 check (refunded >= 0),
    drop constraint charge_state_check,
    add constraint charge_state_check
        check (state in ('in_flight', 'unknown', 'pending', 'succeeded', 'failed', 'abandoned', 'refused', 'reversed'));
