using System.Collections.Immutable;
using System.Globalization;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Dapper;
using NodaTime;
using Npgsql;

namespace Dunning.Postgres;

/// <summary>A database that this program must not work on, with what to do about it.</summary>
public sealed class SchemaException(string message) : Exception(message);

/// <summary>
/// Brings a database to this program's schema: numbered files, forward only, each with its journal row in its own transaction, all under one
/// advisory lock, so that any number of servers may start at once. An applied file must not have changed since. A file of indexes of large tables
/// says <c>-- indexes: concurrently</c>: each is built by itself, in no transaction, while servers write.
/// A database with files that this program does not know is fine as long as they work with it; a breaking change takes two releases.
/// </summary>
public sealed partial class Migrator
{
    // The lock is by number in the whole database: "dunning" in ASCII.
    private const long LockKey = 0x64756e6e696e67;

    private const int MaxTries = 30;

    private static readonly TimeSpan s_pause = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_lockPause = TimeSpan.FromMilliseconds(100);

    private readonly NpgsqlDataSource _source;
    private readonly TimeProvider _time;
    private readonly IReadOnlyList<Migration> _migrations;

    public Migrator(NpgsqlDataSource source, TimeProvider time)
        : this(source, time, Embedded())
    {
    }

    internal Migrator(NpgsqlDataSource source, TimeProvider time, IReadOnlyList<Migration> migrations)
    {
        _source = source;
        _time = time;
        _migrations = migrations;
    }

    /// <summary>The schema that this program knows.</summary>
    public int Latest => _migrations[^1].Version;

    /// <summary>
    /// Applies what is missing and returns the versions applied. <paramref name="underLock"/> makes what else needs making once, such as a job
    /// host's own schema, while other servers wait.
    /// </summary>
    public async Task<IReadOnlyList<int>> MigrateAsync(CancellationToken ct, Func<CancellationToken, Task>? underLock = null)
    {
        await using var connection = await _source.OpenConnectionAsync(ct);
        // Asked for again and again: a statement that waits for the lock is a transaction that an index built by the lock's holder waits for.
        while (!await connection.ExecuteScalarAsync<bool>(new CommandDefinition("select pg_try_advisory_lock(@LockKey)", new { LockKey }, cancellationToken: ct)))
        {
            await Task.Delay(s_lockPause, _time, ct);
        }
        try
        {
            await connection.ExecuteAsync(
                """
                create schema if not exists dunning;
                create table if not exists dunning.migration (
                    version        int primary key check (version > 0),
                    name           text not null,
                    hash           text not null,
                    oldest_program int not null,
                    applied_at     timestamptz not null
                )
                """);
            var applied = await AppliedAsync(connection);
            Check(applied);
            var done = new List<int>();
            foreach (var migration in _migrations.Where(m => !applied.ContainsKey(m.Version)))
            {
                await ApplyAsync(connection, migration, ct);
                done.Add(migration.Version);
            }
            await connection.ExecuteAsync(
                "insert into dunning.setting (key, value) values ('installation', @id) on conflict do nothing",
                new { id = Guid.NewGuid().ToString("n") });
            if (underLock is not null)
            {
                await underLock(ct);
            }
            return done;
        }
        finally
        {
            await connection.ExecuteAsync("select pg_advisory_unlock(@LockKey)", new { LockKey });
        }
    }

    /// <summary>Throws unless the database is one that this program works with; changes nothing.</summary>
    public async Task CheckAsync(CancellationToken ct)
    {
        await using var connection = await _source.OpenConnectionAsync(ct);
        if (await connection.ExecuteScalarAsync<string?>("select to_regclass('dunning.migration')::text") is null)
        {
            throw new SchemaException("the database has no schema 'dunning' yet: run 'dunning migrate'");
        }
        var applied = await AppliedAsync(connection);
        Check(applied);
        if (_migrations.FirstOrDefault(m => !applied.ContainsKey(m.Version)) is { } missing)
        {
            throw new SchemaException($"the database lacks {missing.Name}: run 'dunning migrate'");
        }
    }

    private static async Task<IReadOnlyDictionary<int, AppliedRow>> AppliedAsync(NpgsqlConnection connection) =>
        (await connection.QueryAsync<AppliedRow>("select version, name, hash, oldest_program from dunning.migration")).ToDictionary(r => r.Version);

    private void Check(IReadOnlyDictionary<int, AppliedRow> applied)
    {
        foreach (var migration in _migrations)
        {
            if (applied.TryGetValue(migration.Version, out var row) && row.Hash != migration.Hash)
            {
                throw new SchemaException($"{migration.Name} was applied with another content than this program has: applied files never change, add a new one");
            }
        }
        if (applied.Values.Where(r => r.OldestProgram > Latest).MaxBy(r => r.Version) is { } breaking)
        {
            throw new SchemaException(string.Create(CultureInfo.InvariantCulture,
                $"the database has {breaking.Name}, which needs a program of schema {breaking.OldestProgram} or newer; this one knows {Latest}: update it"));
        }
    }

    // An older program may be at work meanwhile: whoever holds a table for long, such as a backup, must not make it stand still behind us.
    private async Task ApplyAsync(NpgsqlConnection connection, Migration migration, CancellationToken ct)
    {
        for (var tries = 1; ; tries++)
        {
            try
            {
                await (migration.Indexes.IsEmpty ? ApplyOnceAsync(connection, migration, ct) : BuildAsync(connection, migration, ct));
                return;
            }
            catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.DeadlockDetected)
            {
                if (tries == MaxTries)
                {
                    throw new SchemaException($"{migration.Name} found no moment in which the tables were free: {e.MessageText}. Nothing was changed by it; try again when less goes on, or stop the older servers");
                }
                await Task.Delay(s_pause, _time, ct);
            }
        }
    }

    private async Task ApplyOnceAsync(NpgsqlConnection connection, Migration migration, CancellationToken ct)
    {
        await using var transaction = await connection.BeginTransactionAsync(ct);
        try
        {
            // Not through Dapper: its parameter scan would read colons and at signs of the script.
            await using (var script = new NpgsqlCommand("set local lock_timeout = '4s';\n" + migration.Sql, connection, transaction) { CommandTimeout = 0 })
            {
                await script.ExecuteNonQueryAsync(ct);
            }
        }
        catch (PostgresException e) when (e.SqlState is not (PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.DeadlockDetected))
        {
            throw new SchemaException($"{migration.Name} failed and was rolled back: {e.MessageText}");
        }
        await NoteAsync(connection, migration, transaction);
        await transaction.CommitAsync(ct);
    }

    // What was built before it was cut off stays; the one that was not finished is of no use to anybody and is built anew.
    private async Task BuildAsync(NpgsqlConnection connection, Migration migration, CancellationToken ct)
    {
        // It waits for transactions that were begun before it, such as a backup's, and keeps nobody from writing meanwhile.
        await connection.ExecuteAsync("set lock_timeout = 0; set statement_timeout = 0");
        foreach (var (name, sql) in migration.Indexes)
        {
            var isValid = await connection.ExecuteScalarAsync<bool?>(
                "select indisvalid from pg_index where indexrelid = to_regclass(@name)", new { name = "dunning." + name });
            if (isValid == false)
            {
                await RunAsync($"drop index concurrently dunning.{name}");
            }
            if (isValid != true)
            {
                await RunAsync(sql);
            }
        }
        await NoteAsync(connection, migration, null);

        async Task RunAsync(string statement)
        {
            try
            {
                await using var command = new NpgsqlCommand(statement, connection) { CommandTimeout = 0 };
                await command.ExecuteNonQueryAsync(ct);
            }
            catch (PostgresException e) when (e.SqlState != PostgresErrorCodes.DeadlockDetected)
            {
                throw new SchemaException($"{migration.Name} failed at '{statement}': {e.MessageText}. The indexes before it are built; it goes on from there the next time");
            }
        }
    }

    private async Task NoteAsync(NpgsqlConnection connection, Migration migration, NpgsqlTransaction? transaction) => await connection.ExecuteAsync(
        "insert into dunning.migration (version, name, hash, oldest_program, applied_at) values (@Version, @Name, @Hash, @OldestProgram, @at)",
        new { migration.Version, migration.Name, migration.Hash, migration.OldestProgram, at = Instant.FromDateTimeOffset(_time.GetUtcNow()).Utc() },
        transaction);

    internal static IReadOnlyList<Migration> Embedded()
    {
        var assembly = Assembly.GetExecutingAssembly();
        var all = assembly.GetManifestResourceNames()
            .Select(name => (Resource: name, Match: FileName().Match(name)))
            .Where(r => r.Match.Success)
            .Select(r =>
            {
                using var reader = new StreamReader(assembly.GetManifestResourceStream(r.Resource)!, Encoding.UTF8);
                return Migration.Read(r.Match.Groups["name"].Value, reader.ReadToEnd());
            })
            .OrderBy(m => m.Version).ToList();
        // A number may be missing: one that was given and not needed.
        return all.Select(m => m.Version).Distinct().Count() == all.Count ? all
            : throw new InvalidOperationException("two embedded migrations have one number");
    }

    [GeneratedRegex(@"(?<name>V\d{3}__\w+\.sql)$", RegexOptions.CultureInvariant)]
    private static partial Regex FileName();

    private sealed record AppliedRow(int Version, string Name, string Hash, int OldestProgram);
}

/// <summary>One embedded file.</summary>
internal sealed partial record Migration(int Version, string Name, string Sql, string Hash, int OldestProgram)
{
    /// <summary>The statements of a file that builds indexes while servers write, by the index's name; empty: the file is one transaction.</summary>
    public ImmutableArray<(string Name, string Sql)> Indexes { get; private init; } = [];

    public static Migration Read(string name, string text)
    {
        // A checkout may turn line ends; the content is the same.
        var sql = text.ReplaceLineEndings("\n");
        var oldest = OldestProgramLine().Match(sql);
        return oldest.Success
            ? new Migration(
                int.Parse(name.AsSpan(1, 3), NumberStyles.None, CultureInfo.InvariantCulture),
                name,
                sql,
                Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(sql))),
                int.Parse(oldest.Groups["number"].Value, NumberStyles.None, CultureInfo.InvariantCulture))
            {
                Indexes = oldest.Groups["concurrently"].Success ? IndexesOf(name, sql) : [],
            }
            : throw new InvalidOperationException($"{name} does not begin with '-- oldest-program: N'");
    }

    private static ImmutableArray<(string, string)> IndexesOf(string name, string sql) =>
    [
        .. CommentLine().Replace(sql, "").Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
            .Select(s => IndexStatement().Match(s) is { Success: true } match ? (match.Groups["name"].Value, s)
                : throw new InvalidOperationException($"{name} has something else than 'create index concurrently': {s}")),
    ];

    [GeneratedRegex(@"\A-- oldest-program: (?<number>\d+)\n(?<concurrently>-- indexes: concurrently\n)?", RegexOptions.CultureInvariant)]
    private static partial Regex OldestProgramLine();

    [GeneratedRegex(@"^--.*$", RegexOptions.Multiline | RegexOptions.CultureInvariant)]
    private static partial Regex CommentLine();

    [GeneratedRegex(@"^create (unique )?index concurrently (?<name>\w+) on dunning\.", RegexOptions.CultureInvariant)]
    private static partial Regex IndexStatement();
}
