using Dapper;
using Dunning.Documents;
using Dunning.Postgres;
using NodaTime;
using Npgsql;

namespace Dunning.Ops.Queries;

#pragma warning disable CS1591 // rows for one page; their names say what they are

/// <summary>An unpaid invoice whose attempt has no outcome, or that has had none. Amounts are minor units.</summary>
internal sealed record OpenChargeRow(
    string Account, string Subscription, DateOnly PeriodStart, string Series, int Year, long Count, string Currency, long Amount, string? State, bool Stuck, DateTime Since, string? Key)
{
    public string Number => DocumentNumber.Of(Series, Year, Count);
}

#pragma warning restore CS1591

/// <summary>Money that is neither in nor out: what operators look at first when an alert says so.</summary>
internal sealed class OpenChargeQueries(NpgsqlDataSource source)
{
    /// <summary>
    /// Of <c>receivable r</c> and its <c>invoice i</c>: unpaid, issued before @before, with no charge under way, no dunning case, and nothing by which it is
    /// meant to wait. The page and the alert that leads to it have the same condition.
    /// </summary>
    public const string Untried =
        """
        r.state = 'open' and r.case_schedule is null and i.issued_at < @before and not r.disputed and not r.exempt
            and (r.not_before is null or r.not_before < @before) and (r.paused_until is null or r.paused_until < @day)
            and not exists (
                select from dunning.charge c
                where c.account_id = r.account_id and c.subscription_id = r.subscription_id and c.period_start = r.period_start and c.state in ('in_flight', 'unknown', 'pending'))
        """;

    /// <summary>Charges without an outcome: stuck ones first, then the oldest.</summary>
    public Task<IReadOnlyList<OpenChargeRow>> ChargesAsync(int limit, CancellationToken ct) => ReadAsync(
        """
        select c.account_id as account, c.subscription_id as subscription, c.period_start, i.series, i.year, i.number as count, c.currency, c.amount, c.state, c.stuck, c.first_called_at as since, c.key
        from dunning.charge c
        join dunning.invoice i using (subscription_id, period_start)
        where c.state in ('in_flight', 'unknown', 'pending')
        order by c.stuck desc, c.first_called_at, c.key
        limit @limit
        """,
        new { limit }, ct);

    /// <summary>Unpaid invoices, issued so long before now, that are <see cref="Untried"/>: something keeps the passes from them.</summary>
    public Task<IReadOnlyList<OpenChargeRow>> WithoutAttemptAsync(Instant now, Duration patience, int limit, CancellationToken ct) => ReadAsync(
        $"""
        select r.account_id as account, r.subscription_id as subscription, r.period_start, i.series, i.year, i.number as count, i.currency, i.amount_due as amount, null as state, false as stuck,
               i.issued_at as since, null as key
        from dunning.receivable r
        join dunning.invoice i using (subscription_id, period_start)
        where {Untried}
        order by i.issued_at, r.subscription_id, r.period_start
        limit @limit
        """,
        new { before = (now - patience).Utc(), day = now.InUtc().Date.Date(), limit }, ct);

    /// <summary>Charges whose money is to go back and has not, the oldest first: since their invoice was voided, or since they were found to have taken it twice.</summary>
    public Task<IReadOnlyList<OpenChargeRow>> RefundsAsync(int limit, CancellationToken ct) => ReadAsync(
        $"""
        select c.account_id as account, c.subscription_id as subscription, c.period_start, i.series, i.year, i.number as count, c.currency, c.amount - c.refunded as amount, 'refund' as state, false as stuck,
               {PostgresQueries.RefundAt} as since, c.key
        from dunning.charge c
        join dunning.invoice i using (subscription_id, period_start)
        left join dunning.receivable r using (subscription_id, period_start)
        where c.refund_due
        order by since, c.key
        limit @limit
        """,
        new { limit }, ct);

    private async Task<IReadOnlyList<OpenChargeRow>> ReadAsync(string sql, object values, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return (await connection.QueryAsync<OpenChargeRow>(new CommandDefinition(sql, values, cancellationToken: ct))).AsList();
    }
}
