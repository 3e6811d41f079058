using Dapper;
using Npgsql;

namespace Dunning.Commands.Bench;

/// <summary>What a run left in a table.</summary>
/// <param name="Rows">How many rows.</param>
/// <param name="Digest">A sum over the contents of all of them, but for the numbers of invoices, which depend on who came first.</param>
internal sealed record TableState(long Rows, string Digest);

/// <summary>Looks at what a run has left.</summary>
internal static class RowCheck
{
    private static readonly string[] Tables =
    [
        "account", "contact", "payment_method", "subscription", "invoice", "receivable", "charge", "outbox", "event", "notice", "due",
        "invoice_series", "seller",
    ];

    /// <summary>The state of every table that a renewal might write.</summary>
    public static async Task<IReadOnlyDictionary<string, TableState>> StateAsync(NpgsqlDataSource source, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        var states = new SortedDictionary<string, TableState>(StringComparer.Ordinal);
        foreach (var table in Tables)
        {
            states[table] = await connection.QuerySingleAsync<TableState>(new CommandDefinition(
                $"""
                select count(*) as rows, coalesce(sum(hashtextextended((to_jsonb(t) - 'number')::text, 0)::numeric), 0)::text as digest
                from dunning.{table} t
                """,
                commandTimeout: 0,
                cancellationToken: ct));
        }
        return states;
    }

    /// <summary>Whether each subscription was renewed once, paid and charged once, and nothing is left in flight. What is not so, as text.</summary>
    public static async Task<IReadOnlyList<string>> VerifyAsync(NpgsqlDataSource source, int accounts, BenchGateway? gateway, CancellationToken ct)
    {
        var faults = new List<string>();
        await using var connection = await source.OpenConnectionAsync(ct);
        var next = BenchBook.RenewsOn.PlusMonths(1).ToDateOnly();
        var today = BenchBook.RenewsOn.ToDateOnly();
        await IsAsync("subscriptions renewed once", accounts,
            "select count(*) from dunning.subscription where renews_on = @next and last_renewed_on = @today and state = 'live'");
        await IsAsync("invoices", accounts, "select count(*) from dunning.invoice");
        await IsAsync("invoices of their period", accounts,
            "select count(distinct subscription_id) from dunning.invoice where period_start = @today and period_end = @next");
        await IsAsync("the last invoice number", accounts, "select coalesce(max(number), 0) from dunning.invoice");
        await IsAsync("invoices paid at the first attempt", accounts, "select count(*) from dunning.receivable where state = 'paid' and attempts = 1");
        await IsAsync("charges", accounts, "select count(*) from dunning.charge");
        await IsAsync("accounts with a charge that succeeded", accounts, "select count(distinct account_id) from dunning.charge where state = 'succeeded'");
        await IsAsync("charges in flight or unknown", 0, "select count(*) from dunning.charge where state in ('in_flight', 'unknown')");
        await IsAsync("accounts still claimed", 0, "select count(*) from dunning.account where lease_until is not null");
        await IsAsync("accounts still due to renew", 0,
            "select count(*) from dunning.due where pass = 'reconcile' or (pass = 'renew' and at < @next::timestamptz)");
        if (gateway is not null)
        {
            var wrong = gateway.Calls.Count(calls => calls != 1);
            if (wrong > 0)
            {
                faults.Add(FormattableString.Invariant($"accounts that the gateway was not called for exactly once: {wrong}"));
            }
            await IsAsync("the sum of the keys at the gateway", gateway.KeySum, BenchGateway.KeySumSql);
        }
        return faults;

        async Task IsAsync(string what, long expected, string sql)
        {
            var found = await connection.ExecuteScalarAsync<long>(
                new CommandDefinition(sql, new { next, today }, commandTimeout: 0, cancellationToken: ct));
            if (found != expected)
            {
                faults.Add(FormattableString.Invariant($"{what}: {found} instead of {expected}"));
            }
        }
    }
}
