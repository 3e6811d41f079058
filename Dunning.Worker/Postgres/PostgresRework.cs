using Dapper;
using Dunning.Model;
using Dunning.Passes;
using Npgsql;

namespace Dunning.Postgres;

/// <summary>
/// Works <c>due</c> out anew for all accounts when what rules read has changed (RULES 13). While it runs no pass does, on any server; servers with
/// the configuration of before do nothing more until they are restarted. Killed, it is begun again by the next server that starts.
/// </summary>
public sealed class PostgresRework(NpgsqlDataSource source)
{
    // "rework" in ASCII: one server does it, the others wait for it.
    private const long LockKey = 0x7265776f726b;

    /// <summary>
    /// Does what is needed for a server with these rules to start: nothing when the database has them already. Returns how many accounts it worked out.
    /// </summary>
    public async Task<long> EnsureAsync(string rules, Func<AccountFile, DueTimes> due, CancellationToken ct, int batch = 500)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        await connection.ExecuteAsync(new CommandDefinition("select pg_advisory_lock(@LockKey)", new { LockKey }, commandTimeout: 0, cancellationToken: ct));
        try
        {
            var settings = (await connection.QueryAsync<(string Key, string Value)>(new CommandDefinition(
                "select key, value from dunning.setting where key in ('rules', 'rework')", cancellationToken: ct)))
                .ToDictionary(s => s.Key, s => s.Value, StringComparer.Ordinal);
            if (settings.GetValueOrDefault(PostgresSettings.Rules) == rules && !settings.ContainsKey(PostgresSettings.Rework))
            {
                return 0;
            }
            // Both marks in one commit, before the first account is touched: a claim looks at them after it has its locks.
            await connection.ExecuteAsync(new CommandDefinition(
                """
                insert into dunning.setting (key, value) values ('rules', @rules), ('rework', 'pending')
                on conflict (key) do update set value = excluded.value
                """,
                new { rules },
                cancellationToken: ct));
            var done = await RecomputeDueAsync(due, batch, ct);
            await connection.ExecuteAsync(new CommandDefinition("delete from dunning.setting where key = 'rework'", cancellationToken: ct));
            return done;
        }
        finally
        {
            await connection.ExecuteAsync("select pg_advisory_unlock(@LockKey)", new { LockKey });
        }
    }

    /// <summary>Works the rows of <c>due</c> out anew for every account, a batch a commit. Returns how many accounts there are.</summary>
    public async Task<long> RecomputeDueAsync(Func<AccountFile, DueTimes> due, int batch, CancellationToken ct)
    {
        var (after, done) = ("", 0L);
        while (true)
        {
            await using var connection = await source.OpenConnectionAsync(ct);
            await using var transaction = await connection.BeginTransactionAsync(ct);
            var ids = (await connection.QueryAsync<string>(new CommandDefinition(
                Files.OnlyProbes + "select id from dunning.account where id > @after order by id limit @batch for no key update",
                new { after, batch },
                transaction,
                cancellationToken: ct))).ToArray();
            if (ids.Length == 0)
            {
                return done;
            }
            var read = await Files.ReadAsync(connection, transaction, ids, [], [], ct);
            if (read.Faults.Count > 0)
            {
                throw new InvalidOperationException($"the rows of account '{read.Faults[0].Account}' make no file", read.Faults[0].Exception);
            }
            var changes = new Changes();
            foreach (var file in read.Files)
            {
                changes.CompareDue(file, due(file.File));
            }
            await Save.WriteDueAsync(connection, transaction, changes, ct);
            await transaction.CommitAsync(ct);
            done += ids.Length;
            after = ids[^1];
        }
    }
}
