-- oldest-program: 1
-- indexes: concurrently
-- Cases by amount, whatever became of them: one in ten invoices or so has a case, so the largest are found within a few pages of this, where all would be read.

create index concurrently invoice_amount on dunning.invoice (currency, amount_due, subscription_id, period_start);
