using System.Runtime.CompilerServices;
using Dapper;
using Npgsql;

namespace Dunning.Ops.Queries;

/// <summary>Which acts are asked for; null asks for any.</summary>
/// <param name="Operator">Who.</param>
/// <param name="Account">On this account.</param>
/// <param name="Act">One of <see cref="Model.ActionNames"/> or <see cref="AuditAct"/>.</param>
/// <param name="Since">Not before, UTC.</param>
internal sealed record AuditFilter(string? Operator = null, string? Account = null, string? Act = null, DateTime? Since = null);

/// <summary>Where a page of the audit ends.</summary>
internal sealed record AuditCursor(DateTime At, string Account, long Seq);

/// <summary>What an operator did.</summary>
/// <param name="At">When, UTC.</param>
/// <param name="Account">On which account; empty: it belongs to none.</param>
/// <param name="Seq">Number of the account's event, or of the row of the audit.</param>
/// <param name="By">Who.</param>
/// <param name="Act">What.</param>
/// <param name="Subject">To what, where it belongs to no account.</param>
/// <param name="Reason">Why.</param>
/// <param name="IsRejected">It could not be done.</param>
/// <param name="Subscription">Of the invoice that it was done to; null: to none.</param>
/// <param name="PeriodStart">Of that invoice.</param>
/// <param name="Amount">Minor units, of credit.</param>
/// <param name="Code">How a stuck charge was resolved, or why it could not be done, one of <see cref="Model.RejectionCause"/>.</param>
/// <param name="Until">Of a pause.</param>
/// <param name="Days">Of temporary access.</param>
/// <param name="Series">Of the invoice's number; null: it belongs to none.</param>
/// <param name="Currency">The account's.</param>
internal sealed record AuditRow(
    DateTime At, string Account, long Seq, string By, string Act, string? Subject, string? Reason, bool IsRejected, string? Subscription, DateOnly? PeriodStart,
    long? Amount, string? Code, string? Until, int? Days, string? Series, int? Year, long? Count, string? Currency)
{
    /// <summary>The number of the invoice that it was done to; null: to none.</summary>
    public string? Number => Series is { } series ? Documents.DocumentNumber.Of(series, Year!.Value, Count!.Value) : null;

    public AuditCursor Cursor => new(At, Account, Seq);
}

/// <summary>Who did what, when and why: acts on accounts from their events, the others from the audit, as one list.</summary>
internal sealed class AuditQueries(NpgsqlDataSource source)
{
    /// <summary>The latest first, one more than <paramref name="limit"/> where there are more.</summary>
    public async Task<IReadOnlyList<AuditRow>> ListAsync(AuditFilter filter, AuditCursor? after, int limit, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return (await connection.QueryAsync<AuditRow>(new CommandDefinition(Sql(filter, after, " limit @limit"), Values(filter, after, limit + 1), cancellationToken: ct))).AsList();
    }

    /// <summary>All of them, as the server sends them: one is in memory.</summary>
    public async IAsyncEnumerable<AuditRow> ReadAsync(AuditFilter filter, [EnumeratorCancellation] CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        await foreach (var row in connection.QueryUnbufferedAsync<AuditRow>(Sql(filter, null, ""), Values(filter, null, 0), commandTimeout: 0).WithCancellation(ct))
        {
            yield return row;
        }
    }

    private static string Sql(AuditFilter filter, AuditCursor? after, string limit)
    {
        var ofEvents = string.Concat(new[]
        {
            filter.Operator is null ? null : " and data->>'by' = @Operator",
            filter.Account is null ? null : " and account_id = @Account",
            filter.Act is null ? null : " and data->>'do' = @Act",
            filter.Since is null ? null : " and at >= @Since",
            after is null ? null : " and (at, account_id, seq) < (@AfterAt, @AfterAccount, @AfterSeq)",
        });
        var ofOthers = string.Concat(new[]
        {
            filter.Operator is null ? null : " and operator = @Operator",
            // A mail that is sent again is named by its account and number.
            filter.Account is null ? null : " and starts_with(subject, @Account || ' ')",
            filter.Act is null ? null : " and act = @Act",
            filter.Since is null ? null : " and at >= @Since",
            after is null ? null : " and (at, ''::text collate \"C\", id) < (@AfterAt, @AfterAccount, @AfterSeq)",
        });
        return $"""
            select acts.at, acts.account, acts.seq, acts.by, acts.act, acts.subject, acts.reason, acts.is_rejected, acts.subscription, acts.period_start,
                   (acts.data->>'amount')::bigint as amount, acts.data->>'code' as code, acts.data->>'ends_on' as until, (acts.data->>'days')::int as days,
                   i.series, i.year, i.number as count, a.currency
            from (
                (select at, account_id as account, seq, data->>'by' as by, data->>'do' as act, null::text as subject, data->>'reason' as reason,
                        type = 'action.rejected' as is_rejected, subscription_id as subscription, period_start, data
                 from dunning.event where type in ('operator.acted', 'action.rejected') and data->>'by' is not null{ofEvents}
                 order by at desc, account_id desc, seq desc{limit})
                union all
                (select at, '', id, operator, act, subject, reason, false, null, null, null
                 from dunning.audit where true{ofOthers}
                 order by at desc, id desc{limit})) acts
            left join dunning.invoice i on i.subscription_id = acts.subscription and i.period_start = acts.period_start
            left join dunning.account a on a.id = acts.account
            order by acts.at desc, acts.account collate "C" desc, acts.seq desc{limit}
            """;
    }

    private static object Values(AuditFilter filter, AuditCursor? after, int limit) => new
    {
        filter.Operator, filter.Account, filter.Act, filter.Since, AfterAt = after?.At, AfterAccount = after?.Account, AfterSeq = after?.Seq, limit,
    };
}
