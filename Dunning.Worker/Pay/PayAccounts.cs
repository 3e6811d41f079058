using Dapper;
using Dunning.Documents;
using Dunning.Model;
using Dunning.Postgres;
using NodaTime;
using Npgsql;

namespace Dunning.Pay;

/// <summary>What pages tell of an account beside its file.</summary>
/// <param name="Numbers">The numbers of its unpaid invoices.</param>
/// <param name="HasPaid">A charge has succeeded since.</param>
/// <param name="Code">Why the last charge since was declined; null: none was.</param>
internal sealed record PayFacts(IReadOnlyDictionary<(string Subscription, LocalDate Start), string> Numbers, bool HasPaid, string? Code);

/// <summary>Reads accounts for their pages. Nothing is decided on it.</summary>
internal sealed class PayAccounts(NpgsqlDataSource source)
{
    // Why the last payment failed is told for as long as a case lasts.
    private static readonly Duration s_memory = Duration.FromDays(120);

    private readonly PostgresFiles _files = new(source);

    /// <summary>The file, or null when there is no such account, or its end has come.</summary>
    public async Task<AccountFile?> FileAsync(string account, CancellationToken ct) =>
        await _files.FileAsync(account, ct) is { PurgedAt: null, ErasedAt: null } file ? file : null;

    /// <summary>What happened since an instant; null: lately.</summary>
    public async Task<PayFacts> FactsAsync(AccountFile file, Instant now, Instant? since, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        await using var read = await connection.QueryMultipleAsync(new CommandDefinition(
            """
            select i.subscription_id, i.period_start, i.series, i.year, i.number
            from dunning.receivable r join dunning.invoice i using (subscription_id, period_start)
            where r.account_id = @id and r.state = 'open';

            select state, code from dunning.charge
            where account_id = @id and last_called_at >= @since and state in ('succeeded', 'failed') order by last_called_at desc, key desc;
            """,
            new { id = file.Id, since = (since ?? now - s_memory).Utc() }, cancellationToken: ct));
        var numbers = (await read.ReadAsync<NumberRow>()).ToDictionary(
            r => (r.SubscriptionId, r.PeriodStart.Local()), r => DocumentNumber.Of(r.Series, r.Year, r.Number));
        var charges = (await read.ReadAsync<OutcomeRow>()).AsList();
        return new PayFacts(numbers, charges.Any(c => c.State == "succeeded"), charges.FirstOrDefault(c => c.State == "failed")?.Code);
    }

    private sealed record NumberRow(string SubscriptionId, DateOnly PeriodStart, string Series, int Year, long Number);

    private sealed record OutcomeRow(string State, string? Code);
}
