using System.Data;
using Dunning.Model;
using NodaTime;
using Npgsql;

namespace Dunning.Postgres;

/// <summary>Reads an account's file as decisions read it, without its lock: for people to look at. Nothing is decided on it.</summary>
public sealed class PostgresFiles(NpgsqlDataSource source)
{
    /// <summary>The file, with that invoice even if it is settled, or null when there is no account of that id.</summary>
    public async Task<AccountFile?> FileAsync(string id, CancellationToken ct, (string Subscription, LocalDate PeriodStart)? invoice = null)
    {
        var read = await ReadAsync([id], ct, invoice);
        return read.Faults.Count > 0
            ? throw new InvalidOperationException($"the rows of the account '{id}' make no account", read.Faults[0].Exception)
            : read.Files.Count == 0 ? null : read.Files[0].File;
    }

    /// <summary>The files of some accounts, by id; one whose rows make no account is not among them.</summary>
    public async Task<IReadOnlyDictionary<string, AccountFile>> FilesAsync(IEnumerable<string> ids, CancellationToken ct) =>
        (await ReadAsync([.. ids], ct, null)).Files.ToDictionary(f => f.File.Id, f => f.File, StringComparer.Ordinal);

    private async Task<ReadFiles> ReadAsync(string[] ids, CancellationToken ct, (string Subscription, LocalDate PeriodStart)? settled)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        // One snapshot for all of its tables: without the lock a pass may save between two of them.
        await using var transaction = await connection.BeginTransactionAsync(IsolationLevel.RepeatableRead, ct);
        return await Files.ReadAsync(connection, transaction, ids, [], settled is { } invoice ? [invoice] : [], ct);
    }
}
