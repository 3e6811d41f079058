-- oldest-program: 1
-- Disputes that are not over hold off the erasing of a closed account. A program that does not know the column leaves it as it is, and counts none.

-- Counted before the account's table is taken: that is held for a moment only. What was lost went back whole.
create temporary table open_dispute on commit drop as
select r.account_id, count(*)::int as disputes from dunning.receivable r
where r.disputed and exists (
    select from dunning.charge c
    where c.subscription_id = r.subscription_id and c.period_start = r.period_start and c.state in ('succeeded', 'reversed') and c.refunded < c.amount)
group by r.account_id;

alter table dunning.account add column open_disputes int not null default 0 check (open_disputes >= 0);
update dunning.account a set open_disputes = d.disputes from pg_temp.open_dispute d where a.id = d.account_id;
