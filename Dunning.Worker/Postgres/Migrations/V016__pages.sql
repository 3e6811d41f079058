-- oldest-program: 1
-- indexes: concurrently
-- What the operators' pages ask of millions of rows. Each index is of few rows, or of values that never change, or of a few bytes for many pages: a
-- renewal pays next to nothing for them.

create index concurrently account_suspended on dunning.account (purge_on, id) where access <> 'active';
create index concurrently account_words on dunning.account using gin (to_tsvector('simple', name || ' ' || legal_name));

create index concurrently receivable_case on dunning.receivable (case_opened_at, subscription_id, period_start) where case_schedule is not null;

-- Charges stand in the order in which they were made.
create index concurrently charge_time on dunning.charge using brin (first_called_at) with (pages_per_range = 16, autosummarize = on);
create index concurrently charge_failed on dunning.charge (subscription_id, period_start, first_called_at) include (code) where state = 'failed';

create index concurrently outbox_decided on dunning.outbox (decided_at);

-- Acts of operators among the events: few of millions.
create index concurrently event_acts on dunning.event (at, account_id, seq) where type in ('operator.acted', 'action.rejected');

-- Events come in the order of their time, so a few pages of summaries find those that are past their age.
create index concurrently event_age on dunning.event using brin (at);
