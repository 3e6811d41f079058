using System.Collections.Immutable;
using System.Text.Json;
using Dapper;
using Dunning.Hosting;
using Dunning.Postgres;
using NodaTime;
using Npgsql;

namespace Dunning.Housekeeping;

/// <summary>What a run of housekeeping came to.</summary>
/// <param name="Removed">Rows by kind, also where there were none.</param>
/// <param name="IsOutOfTime">Some are left for the next run.</param>
public sealed record HousekeepingReport(ImmutableSortedDictionary<string, long> Removed, bool IsOutOfTime)
{
    /// <summary>What is set, and could not be done; null: nothing.</summary>
    public string? Fault { get; init; }
}

/// <summary>
/// Deletes what is older than it need be, a thousand rows at a time: each batch is a transaction of its own, so no lock is held for long and a run that is
/// stopped has done what it has done. One server at a time.
/// </summary>
/// <param name="source">The database.</param>
/// <param name="settings">What is kept for how long.</param>
/// <param name="clock">The present instant.</param>
public sealed class Housekeeper(NpgsqlDataSource source, RetentionSettings settings, Func<Instant> clock)
{
    /// <summary>Rows deleted in one transaction.</summary>
    internal const int Batch = 1000;

    // "tidies" in ASCII.
    private const long LockKey = 0x746964696573;

    private static readonly Duration s_budget = Duration.FromMinutes(20);

    /// <summary>How many rows a run would delete now.</summary>
    public async Task<ImmutableSortedDictionary<string, long>> CountAsync(CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        var counts = ImmutableSortedDictionary.CreateBuilder<string, long>(StringComparer.Ordinal);
        foreach (var chore in Chore.All(settings, clock()))
        {
            counts[chore.Name] = !await IsThereAsync(connection, chore, ct) ? 0 : await connection.ExecuteScalarAsync<long>(new CommandDefinition(
                $"select count(*) from {chore.Table} t where {chore.Old}", new { before = chore.Before!.Value.Utc() }, commandTimeout: 0, cancellationToken: ct));
        }
        return counts.ToImmutable();
    }

    /// <summary>When the last run that came to its end began; where none has, when the database came to know of housekeeping.</summary>
    public async Task<Instant> LastRunAsync(CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return (await connection.ExecuteScalarAsync<DateTime>(new CommandDefinition(
            """
            select coalesce(
                (select max(started_at) from dunning.housekeeping_run where ended_at is not null and error is null),
                (select applied_at from dunning.migration where version = 15))
            """,
            cancellationToken: ct))).Instant();
    }

    /// <summary>Tidies up. Null: another server is at it.</summary>
    /// <param name="ct">Stops between two batches.</param>
    public async Task<HousekeepingReport?> RunAsync(CancellationToken ct)
    {
        var startedAt = clock();
        // It holds the lock, and nothing else: the batches have connections of their own.
        await using var holder = await source.OpenConnectionAsync(ct);
        if (!await holder.ExecuteScalarAsync<bool>(new CommandDefinition("select pg_try_advisory_lock(@LockKey)", new { LockKey }, cancellationToken: ct)))
        {
            return null;
        }
        try
        {
            var run = await holder.ExecuteScalarAsync<long>(new CommandDefinition(
                "insert into dunning.housekeeping_run (server, started_at) values (@server, @at) returning id",
                new { server = Environment.MachineName, at = startedAt.Utc() }, cancellationToken: ct));
            var removed = new SortedDictionary<string, long>(StringComparer.Ordinal);
            var isOutOfTime = false;
            string? fault = null;
            string? error = null;
            try
            {
                foreach (var chore in Chore.All(settings, startedAt))
                {
                    removed[chore.Name] = 0;
                    if (chore is { Before: not null, Right: { } right } && !await holder.ExecuteScalarAsync<bool>(new CommandDefinition(
                        "select has_function_privilege(@right, 'execute')", new { right }, cancellationToken: ct)))
                    {
                        fault = $"{chore.Name}: the database's owner must allow it: grant execute on function {right} to the role of the service";
                        continue;
                    }
                    await foreach (var count in DeleteAsync(chore, ct))
                    {
                        removed[chore.Name] += count;
                        ct.ThrowIfCancellationRequested();
                        if (clock() - startedAt > s_budget)
                        {
                            isOutOfTime = true;
                            break;
                        }
                    }
                    if (isOutOfTime)
                    {
                        break;
                    }
                }
            }
            catch (Exception e)
            {
                error = e.GetType().Name;
                throw;
            }
            finally
            {
                await holder.ExecuteAsync(
                    "update dunning.housekeeping_run set ended_at = greatest(started_at, @at), removed = @removed::jsonb, error = @error where id = @run",
                    new { at = clock().Utc(), removed = JsonSerializer.Serialize(removed), error, run });
            }
            return new HousekeepingReport(removed.ToImmutableSortedDictionary(StringComparer.Ordinal), isOutOfTime) { Fault = fault };
        }
        finally
        {
            await holder.ExecuteAsync("select pg_advisory_unlock(@LockKey)", new { LockKey });
        }
    }

    private async IAsyncEnumerable<long> DeleteAsync(Chore chore, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        if (!await IsThereAsync(connection, chore, ct))
        {
            yield break;
        }
        foreach (var (since, until) in await SlicesAsync(connection, chore, ct))
        {
            long count;
            do
            {
                // A statement alone is a transaction.
                count = chore.Function is { } function
                    ? await connection.ExecuteScalarAsync<int>(Command($"select {function}"))
                    : await connection.ExecuteAsync(Command(
                        $"""
                        delete from {chore.Table} where ctid = any(array(
                            select t.ctid from {chore.Table} t
                            where {chore.Old}{(chore.Slice is null ? "" : $" and t.{chore.Slice} >= @since and t.{chore.Slice} < @until")}
                            limit @batch for update skip locked))
                        """));
                yield return count;
            }
            while (count == Batch);

            CommandDefinition Command(string sql) => new(
                sql, new { before = chore.Before!.Value.Utc(), since = since.Utc(), until = until.Utc(), batch = Batch }, commandTimeout: 300, cancellationToken: ct);
        }
    }

    // Days from the oldest row to the limit; one span for everything where a table stays small.
    private static async Task<IReadOnlyList<(Instant Since, Instant Until)>> SlicesAsync(NpgsqlConnection connection, Chore chore, CancellationToken ct)
    {
        var before = chore.Before!.Value;
        if (chore.Slice is null)
        {
            return [(before, before)];
        }
        var oldest = (await connection.ExecuteScalarAsync<DateTime?>(new CommandDefinition(
            $"select min({chore.Slice}) from {chore.Table}", commandTimeout: 0, cancellationToken: ct))).Instant();
        var slices = new List<(Instant, Instant)>();
        for (var since = oldest; since < before; since += Duration.FromDays(1))
        {
            slices.Add((since.Value, Instant.Min(since.Value + Duration.FromDays(1), before)));
        }
        return slices;
    }

    // Another job host has no such table.
    private static async Task<bool> IsThereAsync(NpgsqlConnection connection, Chore chore, CancellationToken ct) =>
        chore.Before is not null
        && await connection.ExecuteScalarAsync<bool>(new CommandDefinition("select to_regclass(@Table) is not null", new { chore.Table }, cancellationToken: ct));
}
