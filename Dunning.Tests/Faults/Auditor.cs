using Dapper;
using Npgsql;

namespace Dunning.Tests.Faults;

/// <summary>
/// Checks what a run has left behind. It knows the tables and the sandbox's own record, and none of the code that wrote them: every check is one
/// statement that selects what is wrong.
/// </summary>
internal static class Auditor
{
    // Each goes through all there is, beside other tests.
    private const int PatienceSeconds = 300;

    private static readonly (string What, string Sql)[] Always =
    [
        ("an invoice was charged twice",
            """
            select c.subscription_id || ' ' || c.period_start || ' x' || count(*)
            from dunning.charge c join sandbox.call s using (key) left join sandbox.refund r on r.charge_key = s.key
            where s.outcome = 'succeeded' and r.key is null
            group by c.subscription_id, c.period_start having count(*) > 1
            """),
        ("the sandbox knows a call that we don't",
            "select s.key from sandbox.call s where not exists (select from dunning.charge c where c.key = s.key)"),
        ("a call is for an invoice that was never issued, or before it was due",
            """
            select s.key from sandbox.call s join dunning.charge c using (key)
            left join dunning.invoice i using (subscription_id, period_start)
            where i.subscription_id is null or c.first_called_at < i.issued_at
            """),
        ("the sandbox was asked for another amount than the invoice's",
            """
            select s.key from sandbox.call s join dunning.charge c using (key) join dunning.invoice i using (subscription_id, period_start)
            where (s.amount, s.currency) is distinct from (i.amount_due, i.currency) or (c.amount, c.currency) is distinct from (i.amount_due, i.currency)
            """),
        ("we believe another outcome than the sandbox's",
            """
            select c.key || ' ' || c.state || ' but ' || coalesce(s.outcome, 'no call') from dunning.charge c left join sandbox.call s using (key)
            where c.state = 'succeeded' and s.outcome is distinct from 'succeeded'
               or c.state = 'failed' and (s.outcome is distinct from 'declined' or s.code is distinct from c.code)
               or c.state in ('abandoned', 'refused') and s.outcome = 'succeeded'
            """),
        ("a paid invoice has neither a success, nor credit, or it has both",
            """
            select i.subscription_id || ' ' || i.period_start || ' ' || p.successes || ' ' || p.credits
            from dunning.invoice i join dunning.receivable r using (subscription_id, period_start)
            cross join lateral (
                select (select count(*) from dunning.charge c join sandbox.call s using (key) left join sandbox.refund f on f.charge_key = s.key
                        where c.account_id = i.account_id and c.subscription_id = i.subscription_id and c.period_start = i.period_start
                          and s.outcome = 'succeeded' and f.key is null) as successes,
                    (select count(*) from dunning.event e
                        where e.account_id = i.account_id and e.subscription_id = i.subscription_id and e.period_start = i.period_start
                          and e.type = 'credit.applied') as credits) p
            where r.state = 'paid' and p.successes + p.credits <> (case when i.amount_due = 0 then 0 else 1 end)
            """),
        ("money was taken for an invoice that is not paid, and the charge isn't open",
            """
            select c.key || ' ' || r.state from dunning.charge c join sandbox.call s using (key) left join sandbox.refund f on f.charge_key = s.key
            join dunning.receivable r using (subscription_id, period_start)
            where s.outcome = 'succeeded' and f.key is null and r.state <> 'paid' and c.state not in ('in_flight', 'unknown')
            """),
        ("numbers of invoices have gaps",
            """
            select series || ' ' || year || ': ' || count(*) || ' but ' || min(number) || ' to ' || max(number)
            from dunning.invoice group by series, year having min(number) <> 1 or max(number) <> count(*)
            """),
        ("numbers of credit notes have gaps",
            """
            select series || ' ' || year || ': ' || count(*) from dunning.credit_note
            group by series, year having min(number) <> 1 or max(number) <> count(*)
            """),
        ("the trail has gaps",
            """
            select a.id from dunning.account a left join dunning.event e on e.account_id = a.id
            group by a.id, a.event_count having count(e.seq) <> a.event_count or coalesce(max(e.seq), 0) <> a.event_count
            """),
        ("a mail has left without its event, twice, or an event has no mail",
            """
            with told as (
                select e.account_id, e.data ->> 'template' as template, t.contact::int as contact, count(*) as n
                from dunning.event e cross join jsonb_array_elements_text(e.data -> 'to') t(contact)
                where e.type = 'email.sent' group by 1, 2, 3),
            left_box as (
                select account_id, template, contact, count(*) as n from dunning.outbox where state = 'accepted' group by 1, 2, 3)
            select coalesce(t.account_id, l.account_id) || ' ' || coalesce(t.template, l.template) || ' ' || coalesce(t.n, 0) || ' told, ' || coalesce(l.n, 0)
            from told t full join left_box l using (account_id, template, contact) where t.n is distinct from l.n
            """),
        ("a receipt or another mail about one invoice was decided twice",
            """
            select account_id || ' ' || template || ' ' || (facts ->> 'subscription') || ' ' || (facts ->> 'period_start')
            from dunning.outbox where template in ('receipt', 'payment_recovered', 'account_suspended')
                and facts ->> 'subscription' is not null -- what was erased no longer says which invoice it was about
            group by account_id, template, contact, facts ->> 'subscription', facts ->> 'period_start' having count(*) > 1
            """),
        ("an invoice has events of two ends",
            """
            select account_id || ' ' || subscription_id || ' ' || period_start from dunning.event
            where type in ('invoice.paid', 'invoice.voided', 'invoice.written_off')
            group by account_id, subscription_id, period_start having count(*) > 1
            """),
        ("periods of a subscription overlap",
            """
            select subscription_id || ' ' || period_start from (
                select subscription_id, period_start, lag(period_end) over (partition by subscription_id order by period_start) as before
                from dunning.invoice) i
            where before > period_start
            """),
    ];

    private static readonly (string What, string Sql)[] AtRest =
    [
        ("a charge has no outcome", "select key || ' ' || state from dunning.charge where state in ('in_flight', 'unknown')"),
        ("an account is leased still", "select id from dunning.account where lease_until is not null"),
        ("something is due in the past", "select account_id || ' ' || pass || ' ' || at from dunning.due where at <= @now"),
        ("a mail has not left", "select account_id || ' ' || template from dunning.outbox where state = 'pending'"),
        ("money must go back still", "select key from dunning.charge where refund_due"),
        ("a kept cancel is left", "select id from dunning.subscription where cancel_kept"),
    ];

    /// <summary>Everything that is wrong at any moment between two passes; empty when nothing is.</summary>
    public static Task<string> FaultsAsync(NpgsqlDataSource source) => RunAsync(source, Always, null);

    /// <summary>Everything that is wrong when nothing is due any more at <paramref name="now"/>.</summary>
    public static Task<string> FaultsAtRestAsync(NpgsqlDataSource source, NodaTime.Instant now) => RunAsync(source, [.. Always, .. AtRest], now);

    /// <summary>
    /// Accounts whose credit is not what was put in (at import and since, by account) and given back, less what was taken out of it.
    /// </summary>
    public static async Task<string> CreditFaultsAsync(NpgsqlDataSource source, IReadOnlyDictionary<string, long> putIn)
    {
        await using var connection = await source.OpenConnectionAsync();
        var rows = await connection.QueryAsync<(string Account, long Credit, long Taken)>(
            """
            select a.id, a.credit,
                coalesce((select sum(i.credit_applied) from dunning.invoice i join dunning.receivable r using (subscription_id, period_start)
                    where i.account_id = a.id and r.state <> 'voided'), 0)::bigint
                + coalesce((select sum((e.data ->> 'amount')::bigint) from dunning.event e where e.account_id = a.id and e.type = 'credit.applied'), 0)::bigint
            from dunning.account a
            """, commandTimeout: PatienceSeconds);
        return string.Join('\n', rows.Where(r => r.Credit + r.Taken != putIn.GetValueOrDefault(r.Account))
            .Select(r => $"{r.Account} has a credit of {r.Credit} and took {r.Taken}, but was given {putIn.GetValueOrDefault(r.Account)}"));
    }

    private static async Task<string> RunAsync(NpgsqlDataSource source, IEnumerable<(string What, string Sql)> checks, NodaTime.Instant? now)
    {
        await using var connection = await source.OpenConnectionAsync();
        var faults = new List<string>();
        foreach (var (what, sql) in checks)
        {
            var found = (await connection.QueryAsync<string>(sql, now is { } at ? new { now = at.ToDateTimeUtc() } : null, commandTimeout: PatienceSeconds)).ToList();
            if (found.Count > 0)
            {
                faults.Add($"{what} ({found.Count}): {string.Join("; ", found.Take(5))}");
            }
        }
        return string.Join('\n', faults);
    }
}
