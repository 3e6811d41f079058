using System.Data;
using Dapper;
using Dunning.Model;
using Dunning.Passes;
using Dunning.Postgres;
using Dunning.Rules;
using NodaTime;
using Npgsql;

namespace Dunning.Ops.Queries;

/// <summary>
/// What purges would erase, and when: the dry run. Candidates are found by their dates; what becomes of each is worked out by the rules that will decide it,
/// on its file as it stands. Nothing is locked or changed.
/// </summary>
/// <param name="source">The database.</param>
public sealed class PurgePreview(NpgsqlDataSource source)
{
    private const int AtOnce = 500;

    /// <summary>
    /// What the purge pass would do now and within a time, soonest first; what waits for an obstacle comes last. <paramref name="limit"/> bounds the answer,
    /// not the search.
    /// </summary>
    public async Task<IReadOnlyList<PurgeAhead>> ListAsync(Rulebook book, Instant now, Duration within, int limit, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(IsolationLevel.RepeatableRead, ct);
        // A day more than is asked for, since dates are local.
        var until = now + within + Duration.FromDays(1);
        var ids = (await connection.QueryAsync<string>(new CommandDefinition(
            """
            select id from dunning.account
            where erased_at is null and (purge_on <= @date or purged_at is not null)
            union
            select d.account_id from dunning.due d where d.pass = 'purge' and d.at <= @until
            order by 1
            """,
            new { date = until.InUtc().Date.Date(), until = until.Utc() }, transaction, cancellationToken: ct))).ToList();
        var ahead = new List<PurgeAhead>();
        foreach (var some in ids.Chunk(AtOnce))
        {
            var read = await Files.ReadAsync(connection, transaction, some, [], [], ct);
            if (read.Faults.Count > 0)
            {
                throw new InvalidOperationException($"the rows of the account '{read.Faults[0].Account}' make no account", read.Faults[0].Exception);
            }
            ahead.AddRange(read.Files.Select(f => PurgeForecast.Of(f.File, now, book)).OfType<PurgeAhead>()
                .Where(a => a.DueAt <= now + within));
        }
        return [.. ahead.OrderBy(a => a.At ?? Instant.MaxValue).ThenBy(a => a.Date).ThenBy(a => a.Account, StringComparer.Ordinal).Take(limit)];
    }
}
