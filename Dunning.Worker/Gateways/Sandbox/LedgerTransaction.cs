using System.Data;
using Dapper;
using Dunning.Model;
using Dunning.Ports;
using Npgsql;

namespace Dunning.Gateways.Sandbox;

/// <summary>
/// One group of calls in one transaction. Concurrent groups count right because each first locks the methods that it counts on, in one
/// order for all, and only a later statement reads the keys: at READ COMMITTED that one sees what the lock's last holder has committed. A
/// fence locks the method of the call that it is to keep out, and so comes either before it or after it.
/// </summary>
/// <remarks>
/// Locks are taken in order of method, then in order of key, so that groups don't deadlock. Two groups can have one key on different
/// methods, hence on different locks. Then the unique key lets one of them win, and the other decides anew.
/// </remarks>
internal static class LedgerTransaction
{
    /// <summary>Selects <see cref="CallRow"/>s; add conditions on <c>c</c>.</summary>
    public const string SelectCalls =
        """
        select c.key, c.account_id as account, c.method_id as method, c.generation, c.amount, c.currency, c.code,
               c.call_number as callnumber, r.key as refundkey
        from sandbox.call c left join sandbox.refund r on r.charge_key = c.key
        """;

    private const string SelectByKey =
        """
        select key, account_id as account, method_id as method, generation, amount, currency, code,
               call_number as callnumber, null::text as refundkey
        from sandbox.call where key = any(@keys)
        """;

    // Counts as if all were calls, so that a group without replays writes each method once. Everything is reached by an index, whatever
    // the planner believes of a table that was empty a moment ago: it read all of a middling one for a group of 500 keys.
    private const string LockAndRead =
        $"""
        set local plan_cache_mode = force_custom_plan;
        set local enable_seqscan = off;

        insert into sandbox.method as m (account_id, id, generation, calls)
        select * from unnest(@accounts, @ids, @generations, @counts) as u(account_id, id, generation, calls)
        order by account_id, id, generation
        on conflict (account_id, id, generation) do update set calls = m.calls + excluded.calls
        returning account_id as account, id, generation, calls, detached;

        {SelectByKey};

        select key from sandbox.fence where key = any(@keys);
        """;

    private const string SetCounts =
        """
        insert into sandbox.method (account_id, id, generation, calls)
        select * from unnest(@accounts, @ids, @generations, @counts)
        on conflict (account_id, id, generation) do update set calls = excluded.calls
        """;

    private const string InsertCalls =
        """
        insert into sandbox.call (key, account_id, method_id, generation, amount, currency, outcome, code, call_number)
        select key, account_id, method_id, generation, amount, currency,
               case when code is null then 'succeeded' else 'declined' end, code, call_number
        from unnest(@keys, @accounts, @methods, @generations, @amounts, @currencies, @codes, @numbers)
            as u(key, account_id, method_id, generation, amount, currency, code, call_number)
        order by key
        on conflict (key) do nothing
        """;

    private const string InsertFences = "insert into sandbox.fence (key) select * from unnest(@keys) as u(key) order by key on conflict (key) do nothing";

    /// <summary>
    /// Decides the group in its order and commits it. Null: another transaction has taken one of its keys meanwhile, and nothing was done.
    /// </summary>
    public static async Task<GatewayOutcome?[]?> TrySettleAsync(NpgsqlConnection connection, IReadOnlyList<PostgresLedger.Job> group)
    {
        var keys = group.Select(job => job.Key).ToArray();
        if (group.All(job => job is { Order: null, Fence: null }))
        {
            var found = ByKey(await connection.QueryAsync<CallRow>(SelectByKey, new { keys }));
            return [.. keys.Select(key => found.GetValueOrDefault(key)?.Outcome)];
        }

        await using var transaction = await connection.BeginTransactionAsync(IsolationLevel.ReadCommitted);
        var (methods, calls, fences) = await LockAndReadAsync(connection, transaction, group, keys);
        var answers = new GatewayOutcome?[group.Count];
        var recorded = new List<SandboxCall>(group.Count);
        var spent = new List<string>();
        for (var i = 0; i < group.Count; i++)
        {
            answers[i] = group[i].Order is { } order ? Take(order, methods, calls, fences, recorded) : calls.GetValueOrDefault(keys[i])?.Outcome;
            if (group[i].Fence is not null && answers[i] is null && fences.Add(keys[i]))
            {
                spent.Add(keys[i]);
            }
        }
        if (spent.Count > 0)
        {
            await connection.ExecuteAsync(InsertFences, new { keys = spent.ToArray() }, transaction);
        }
        if (!await SaveAsync(connection, transaction, [.. methods.Where(method => method.Value.Calls != method.Value.Stored)], recorded))
        {
            await transaction.RollbackAsync();
            return null;
        }
        await transaction.CommitAsync();
        return answers;
    }

    private static GatewayOutcome Take(
        SandboxOrder order, Dictionary<MethodKey, MethodCount> methods, Dictionary<string, SandboxCall> calls, HashSet<string> fences,
        List<SandboxCall> recorded)
    {
        var method = methods[MethodKey.Of(order)];
        var ruling = SandboxRules.Decide(order, calls.GetValueOrDefault(order.Key), method.Calls, method.IsDetached, fences.Contains(order.Key));
        if (ruling.Counts)
        {
            method.Calls++;
        }
        if (ruling.Recorded is not null)
        {
            calls.Add(order.Key, ruling.Recorded);
            recorded.Add(ruling.Recorded);
        }
        return ruling.Answer;
    }

    private static async Task<(Dictionary<MethodKey, MethodCount> Methods, Dictionary<string, SandboxCall> Calls, HashSet<string> Fences)> LockAndReadAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, IReadOnlyList<PostgresLedger.Job> group, string[] keys)
    {
        var wanted = group.Where(job => job is not { Order: null, Fence: null })
            .GroupBy(MethodKey.Of)
            .ToDictionary(method => method.Key, method => method.LongCount(job => job.Order is not null));
        await using var read = await connection.QueryMultipleAsync(
            LockAndRead,
            new
            {
                accounts = wanted.Keys.Select(method => method.Account).ToArray(),
                ids = wanted.Keys.Select(method => method.Id).ToArray(),
                generations = wanted.Keys.Select(method => method.Generation).ToArray(),
                counts = wanted.Values.ToArray(),
                keys,
            },
            transaction);
        var methods = (await read.ReadAsync<MethodRow>()).ToDictionary(
            row => new MethodKey(row.Account, row.Id, row.Generation),
            row => new MethodCount
            {
                Stored = row.Calls,
                Calls = row.Calls - wanted[new MethodKey(row.Account, row.Id, row.Generation)],
                IsDetached = row.Detached,
            });
        var calls = ByKey(await read.ReadAsync<CallRow>());
        return (methods, calls, (await read.ReadAsync<string>()).ToHashSet(StringComparer.Ordinal));
    }

    private static async Task<bool> SaveAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction,
        KeyValuePair<MethodKey, MethodCount>[] miscounted, List<SandboxCall> recorded)
    {
        if (miscounted.Length > 0)
        {
            await connection.ExecuteAsync(
                SetCounts,
                new
                {
                    accounts = miscounted.Select(method => method.Key.Account).ToArray(),
                    ids = miscounted.Select(method => method.Key.Id).ToArray(),
                    generations = miscounted.Select(method => method.Key.Generation).ToArray(),
                    counts = miscounted.Select(method => method.Value.Calls).ToArray(),
                },
                transaction);
        }
        if (recorded.Count == 0)
        {
            return true;
        }
        var inserted = await connection.ExecuteAsync(
            InsertCalls,
            new
            {
                keys = recorded.Select(call => call.Key).ToArray(),
                accounts = recorded.Select(call => call.Account).ToArray(),
                methods = recorded.Select(call => call.Method.Id).ToArray(),
                generations = recorded.Select(call => call.Method.Generation).ToArray(),
                amounts = recorded.Select(call => call.Amount.Minor).ToArray(),
                currencies = recorded.Select(call => call.Amount.Currency.Code).ToArray(),
                codes = recorded.Select(call => call.Code).ToArray(),
                numbers = recorded.Select(call => call.CallNumber).ToArray(),
            },
            transaction);
        return inserted == recorded.Count;
    }

    private static Dictionary<string, SandboxCall> ByKey(IEnumerable<CallRow> rows) =>
        rows.ToDictionary(row => row.Key, row => row.ToCall(), StringComparer.Ordinal);

    /// <summary>A row of <see cref="SelectCalls"/>.</summary>
    internal sealed record CallRow(
        string Key, string Account, string Method, int Generation, long Amount, string Currency, string? Code, long CallNumber, string? RefundKey)
    {
        public SandboxCall ToCall() => new(
            Key, Account, new MethodRef(Method, Generation), new Money(Amount, Model.Currency.Of(Currency)), Code, CallNumber, RefundKey);
    }

    private sealed record MethodRow(string Account, string Id, int Generation, long Calls, bool Detached);

    private readonly record struct MethodKey(string Account, string Id, int Generation)
    {
        public static MethodKey Of(SandboxOrder order) => new(order.Account, order.Method.Id, order.Method.Generation);

        public static MethodKey Of(PostgresLedger.Job job) =>
            job.Order is { } order ? Of(order) : new(job.Fence!.Account, job.Fence.Method.Id, job.Fence.Method.Generation);
    }

    private sealed class MethodCount
    {
        /// <summary>What the row says in this transaction.</summary>
        public required long Stored { get; init; }

        /// <summary>Calls so far.</summary>
        public required long Calls { get; set; }

        public required bool IsDetached { get; init; }
    }
}
