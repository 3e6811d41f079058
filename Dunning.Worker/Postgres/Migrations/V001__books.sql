-- oldest-program: 1
-- The books: accounts and their things, the trail of events, the outbox and the table of what is due.
-- Ids are the application's own. They and everything ordered are collate "C": the rules order by ordinal comparison.
-- Hot tables (written by every renewal) have no foreign keys: a check a row would cost as much as the row. Their parents are written in the
-- same statement batch under the account's lock, and accounts, subscriptions and invoices are never deleted.

create table dunning.setting (
    key   text primary key,
    value text not null
);

create table dunning.tax_rate (
    country text collate "C" primary key,
    rate_bp int not null check (rate_bp between 0 and 10000),
    eu      boolean not null
);

-- A changed price, name or interval is a new version; invoices name the version they were made from.
create table dunning.plan_version (
    code           text collate "C" not null check (char_length(code) between 1 and 200),
    version        int not null check (version > 0),
    names          jsonb not null,
    interval_unit  text not null check (interval_unit in ('day', 'week', 'month', 'year')),
    interval_count int not null check (interval_count > 0),
    prices         jsonb not null,
    known_at       timestamptz not null,
    primary key (code, version)
);

-- A case keeps the schedule with which it began.
create table dunning.dunning_schedule (
    fingerprint text collate "C" primary key,
    steps       text not null
);

-- What changes at every save stands first: the rest of the row is then a common tail that the write-ahead log leaves out.
create table dunning.account (
    version              bigint not null default 0 check (version >= 0),
    event_count          bigint not null default 0 check (event_count >= 0),
    lease_version        bigint not null default 0,
    lease_until          timestamptz,
    last_event_at        timestamptz not null,
    mail_count           int not null default 0 check (mail_count >= 0),
    contact_count        int not null default 0 check (contact_count >= 0),
    credit               bigint not null default 0 check (credit >= 0),
    purge_reminders_sent int not null default 0,
    access               text not null default 'active' check (access in ('active', 'suspended', 'limited')),
    legal_hold           boolean not null default false,
    closed               boolean not null default false,
    suspended_on         date,
    suspended_at         timestamptz,
    purge_on             date,
    access_until         timestamptz,
    purged_at            timestamptz,
    erased_at            timestamptz,
    purge_warnings_left  date[] not null default '{}',
    id                   text collate "C" primary key check (char_length(id) between 1 and 200),
    name                 text not null,
    legal_name           text not null,
    country              text not null,
    time_zone            text not null,
    currency             text not null check (currency ~ '^[A-Z]{3}$'),
    locale               text not null,
    line1                text not null,
    line2                text,
    postal_code          text not null,
    city                 text not null,
    vat_number           text,
    gateway_customer     text,
    import_hash          text,
    constraint account_access_consistent check (
        purged_at is not null
        or case access
            when 'active' then suspended_on is null and suspended_at is null and purge_on is null and access_until is null
            when 'suspended' then suspended_on is not null and suspended_at is not null and purge_on is not null and access_until is null
            else suspended_on is not null and suspended_at is not null and purge_on is not null and access_until is not null
        end),
    constraint account_erased_after_purge check (erased_at is null or purged_at is not null)
) with (fillfactor = 60);

-- Events and mails hold a contact's number; the address stands here alone. No address: erased.
create table dunning.contact (
    account_id text collate "C" not null references dunning.account,
    number     int not null check (number > 0),
    email      text,
    name       text not null,
    role       text not null check (role in ('owner', 'billing', 'admin')),
    locale     text,
    removed    boolean not null default false,
    primary key (account_id, number),
    constraint contact_in_use_has_address check (removed or email is not null)
);

create unique index contact_address_once on dunning.contact (account_id, email) where not removed;

-- Events and charges hold a method's id and generation; the token stands here alone. No token: erased.
create table dunning.payment_method (
    account_id           text collate "C" not null references dunning.account,
    id                   text collate "C" not null check (char_length(id) between 1 and 200),
    generation           int not null check (generation >= 0),
    token                text,
    expires              date check (extract(day from expires) = 1),
    is_default           boolean not null,
    is_backup            boolean not null,
    brand                text,
    last4                text,
    state                text not null check (state in ('ok', 'blocked', 'waiting')),
    authenticated        boolean not null,
    known_at             timestamptz not null,
    expiry_reminder_sent boolean not null,
    retired              boolean not null default false,
    primary key (account_id, id, generation),
    constraint method_in_use_has_token check (retired or token is not null)
);

create unique index payment_method_one_default on dunning.payment_method (account_id) where is_default and not retired;
create unique index payment_method_one_generation on dunning.payment_method (account_id, id) where not retired;

create table dunning.subscription (
    id                   text collate "C" primary key check (char_length(id) between 1 and 200),
    account_id           text collate "C" not null references dunning.account,
    plan_code            text collate "C" not null,
    interval_unit        text not null check (interval_unit in ('day', 'week', 'month', 'year')),
    interval_count       int not null check (interval_count > 0),
    quantity             int not null check (quantity > 0),
    anchor               date not null,
    renews_on            date not null,
    renews_on_known_at   timestamptz not null,
    auto_renew           boolean not null,
    cancel_at_period_end boolean not null,
    state                text not null check (state in ('live', 'canceled', 'expired')),
    pending_plan         text,
    last_renewed_on      date,
    reminders_sent       int not null default 0,
    cancel_kept          boolean not null default false
) with (fillfactor = 70);

create index subscription_account on dunning.subscription (account_id);

-- Who issued an invoice, as it was then; one row for each identity the seller has had.
create table dunning.seller (
    fingerprint text collate "C" primary key,
    identity    jsonb not null
);

-- The last number given in a series and year. Taken last in a transaction, in its commit order: no gaps.
create table dunning.invoice_series (
    series      text collate "C" not null,
    year        int not null check (year between 2000 and 9999),
    last_number bigint not null check (last_number > 0),
    primary key (series, year)
) with (fillfactor = 10);

-- An issued invoice never changes: what does change about it stands in receivable. The buyer is as it was on issue, also after erasure.
create table dunning.invoice (
    subscription_id text collate "C" not null,
    period_start    date not null,
    period_end      date not null,
    account_id      text collate "C" not null,
    series          text collate "C" not null,
    year            int not null,
    number          bigint not null check (number > 0),
    issued_at       timestamptz not null,
    issued_on       date not null,
    plan_code       text not null,
    plan_version    int not null,
    quantity        int not null check (quantity > 0),
    currency        text not null check (char_length(currency) = 3),
    unit_price      bigint not null,
    subtotal        bigint not null,
    tax_treatment   text not null check (tax_treatment in ('domestic', 'eu_consumer', 'reverse_charge', 'export')),
    tax_rate_bp     int not null check (tax_rate_bp between 0 and 10000),
    tax             bigint not null,
    credit_applied  bigint not null check (credit_applied >= 0),
    amount_due      bigint not null check (amount_due >= 0),
    seller          text not null,
    buyer           jsonb not null,
    primary key (subscription_id, period_start),
    unique (series, year, number),
    constraint invoice_adds_up check (amount_due = subtotal + tax - credit_applied),
    constraint invoice_period check (period_end > period_start),
    constraint invoice_untaxed check (tax_treatment not in ('reverse_charge', 'export') or (tax = 0 and tax_rate_bp = 0))
);

-- What is still to happen with an invoice: its state, its attempts and, once the first has failed, its dunning case.
create table dunning.receivable (
    subscription_id   text collate "C" not null,
    period_start      date not null,
    account_id        text collate "C" not null,
    state             text not null check (state in ('open', 'paid', 'voided', 'written_off')),
    settled_at        timestamptz,
    attempts          int not null check (attempts >= 0),
    attempted_at      timestamptz,
    reconciled_at     timestamptz,
    recharge_due      boolean not null,
    case_schedule     text collate "C" references dunning.dunning_schedule,
    case_opened_at    timestamptz,
    case_day_zero     date,
    case_last_step    int check (case_last_step >= 0),
    case_last_step_on date,
    case_warned_on    date,
    case_warning_left_on date,
    case_exhausted    boolean,
    case_has_notices  boolean,
    primary key (subscription_id, period_start),
    constraint receivable_settled check ((state = 'open') = (settled_at is null)),
    constraint receivable_case_whole check (
        num_nulls(case_schedule, case_opened_at, case_day_zero, case_last_step, case_last_step_on, case_exhausted, case_has_notices) in (0, 7)
        and (case_schedule is not null or num_nonnulls(case_warned_on, case_warning_left_on) = 0))
) with (fillfactor = 80);

create index receivable_open on dunning.receivable (account_id) where state = 'open';

-- Of a voided invoice; numbered without gaps in a series of its own.
create table dunning.credit_note (
    series          text collate "C" not null,
    year            int not null,
    number          bigint not null check (number > 0),
    account_id      text collate "C" not null,
    subscription_id text collate "C" not null,
    period_start    date not null,
    issued_at       timestamptz not null,
    issued_on       date not null,
    seller          text not null,
    primary key (series, year, number),
    unique (subscription_id, period_start),
    foreign key (subscription_id, period_start) references dunning.invoice
);

create table dunning.charge (
    key                  text collate "C" primary key,
    account_id           text collate "C" not null,
    subscription_id      text collate "C" not null,
    period_start         date not null,
    attempt              int not null check (attempt > 0),
    kind                 text not null check (kind in ('first', 'step', 'recharge')),
    method_id            text collate "C" not null,
    method_generation    int not null,
    amount               bigint not null check (amount > 0),
    currency             text not null check (char_length(currency) = 3),
    state                text not null check (state in ('in_flight', 'unknown', 'succeeded', 'failed', 'abandoned', 'refused')),
    first_called_at      timestamptz not null,
    last_called_at       timestamptz not null,
    looked_up_at         timestamptz,
    stuck                boolean not null,
    method_updated_since boolean not null,
    code                 text,
    refund_due           boolean not null,
    constraint charge_code check (state = 'failed' or code is null)
) with (fillfactor = 80);

-- An invoice has at most one charge without an outcome; led by the account, because that is how files are read.
create unique index charge_one_open on dunning.charge (account_id, subscription_id, period_start) where state in ('in_flight', 'unknown');
create index charge_refund_due on dunning.charge (account_id) where refund_due;
create index charge_account on dunning.charge (account_id);

-- One row a mail and recipient. No address: erased.
create table dunning.outbox (
    account_id  text collate "C" not null,
    mail_number int not null check (mail_number > 0),
    contact     int not null check (contact > 0),
    mail_key    text collate "C" not null unique,
    template    text not null,
    decided_at  timestamptz not null,
    facts       jsonb not null,
    email       text,
    name        text,
    locale      text not null,
    state       text not null check (state in ('pending', 'accepted', 'dead', 'dropped')),
    tries       int not null check (tries >= 0),
    next_try_at timestamptz,
    settled_at  timestamptz,
    primary key (account_id, mail_number, contact),
    constraint outbox_settled check ((state = 'pending') = (settled_at is null)),
    constraint outbox_pending_has_address check (state <> 'pending' or (email is not null and name is not null))
) with (fillfactor = 80);

create index outbox_pending on dunning.outbox (account_id) where state = 'pending';

-- In-app notices, made from notice.posted and taken down by notice.cleared.
create table dunning.notice (
    account_id      text collate "C" not null,
    seq             bigint not null,
    subscription_id text collate "C" not null,
    period_start    date not null,
    kind            text not null,
    audience        text not null check (audience in ('owner_admins', 'all_agents')),
    posted_at       timestamptz not null,
    cleared_at      timestamptz check (cleared_at >= posted_at),
    primary key (account_id, seq)
);

-- The trail. It holds numbers of contacts, and ids and generations of methods: erasing a person leaves it whole.
create table dunning.event (
    account_id      text collate "C" not null,
    seq             bigint not null check (seq > 0),
    at              timestamptz not null,
    period_start    date,
    type            text not null,
    subscription_id text collate "C",
    data            jsonb,
    primary key (account_id, seq)
);

create function dunning.refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only: % refused', tg_table_name, lower(tg_op) using errcode = 'restrict_violation';
end $$;

create trigger event_append_only before update or delete or truncate on dunning.event
    for each statement execute function dunning.refuse_change();
create trigger invoice_append_only before update or delete or truncate on dunning.invoice
    for each statement execute function dunning.refuse_change();
create trigger credit_note_append_only before update or delete or truncate on dunning.credit_note
    for each statement execute function dunning.refuse_change();

-- When which pass next has something to do for an account; derived, written with the file.
create table dunning.due (
    account_id text collate "C" not null,
    pass       text collate "C" not null check (pass in ('reconcile', 'renew', 'dun', 'end_access', 'purge', 'remind', 'mail')),
    at         timestamptz not null,
    primary key (account_id, pass)
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);

create index due_scan on dunning.due (pass, at, account_id);

-- The one way in which addresses and tokens are lost. Invoices stay as the law asks; events never held any.
create function dunning.erase_account(which text) returns void language plpgsql security definer set search_path = dunning, pg_temp as $$
begin
    if exists (select from outbox where account_id = which and state = 'pending') then
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

revoke all on function dunning.erase_account(text) from public;
