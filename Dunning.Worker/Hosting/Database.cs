using Dunning.Postgres;
using Dunning.Postgres.Embedded;
using Npgsql;

namespace Dunning.Hosting;

/// <summary>The database to work on: the configured one, or one on the private server that is started for it.</summary>
public sealed class Database : IAsyncDisposable
{
    /// <summary>The demo's database, made anew each time.</summary>
    public const string DemoName = "dunning_demo";

    // The comment on a database that we made beside the configured one, and may drop again.
    internal const string MadeByUs = "made by dunning, for a simulation";

    private readonly EmbeddedServer? _server;
    private readonly Func<CancellationToken, Task>? _drop;

    /// <summary>The folder of the private server; null: the server is somebody else's.</summary>
    public string? Folder => _server?.Folder;

    private Database(string connectionString, EmbeddedServer? server, Func<CancellationToken, Task>? drop)
    {
        (ConnectionString, _server, _drop) = (connectionString, server, drop);
        Source = PostgresSource.Create(connectionString);
    }

    /// <summary>One for the process; a connection lives for one save.</summary>
    public NpgsqlDataSource Source { get; }

    /// <summary>For those that make connections of their own, such as a job host.</summary>
    public string ConnectionString { get; }

    /// <summary>For people: where the data is. No password.</summary>
    public string Description
    {
        get
        {
            var builder = new NpgsqlConnectionStringBuilder(ConnectionString);
            return _server is null
                ? $"database {builder.Database} on {builder.Host}"
                : $"database {builder.Database} on the private PostgreSQL {_server.Version} in {_server.Folder}";
        }
    }

    /// <summary>Opens the database of the settings; a private server and its database are made when they are missing.</summary>
    /// <exception cref="NoPostgresException">No connection string, and no PostgreSQL on this machine.</exception>
    public static async Task<Database> OpenAsync(WorkerSettings settings, CancellationToken ct, string? name = null, bool anew = false)
    {
        if (settings.ConnectionString is { } configured)
        {
            if (name is not null && anew)
            {
                await DropMadeAnewAsync(configured, name, ct);
            }
            return name is null
                ? new Database(configured, null, null)
                : new Database(await ScratchOnAsync(configured, name, ct), null, null);
        }
        var server = await StartAsync(settings, scratch: false, ct);
        try
        {
            name ??= settings.DatabaseName;
            if (anew)
            {
                await server.DropDatabaseAsync(name, ct);
            }
            await server.EnsureDatabaseAsync(name, ct);
            return new Database(server.ConnectionString(name), server, null);
        }
        catch
        {
            // Who asked has nothing to close: the server must not outlive the question.
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>
    /// A database for a simulation, gone afterwards: on the configured server, else on a throwaway server. Null when there is neither.
    /// </summary>
    public static async Task<Database?> OpenScratchAsync(WorkerSettings settings, CancellationToken ct)
    {
        var name = "dunning_scratch_" + Guid.NewGuid().ToString("N");
        if (settings.ConnectionString is { } configured)
        {
            return new Database(await ScratchOnAsync(configured, name, ct), null, token => DropOnAsync(configured, name, token));
        }
        if (await PostgresBinaries.FindAsync(settings.DatabaseBinaries, ct: ct) is null)
        {
            return null;
        }
        var server = await StartAsync(settings, scratch: true, ct);
        try
        {
            await server.CreateDatabaseAsync(name, ct);
            return new Database(server.ConnectionString(name), server, null);
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await Source.DisposeAsync();
        if (_drop is not null)
        {
            await _drop(CancellationToken.None);
        }
        if (_server is not null)
        {
            await _server.DisposeAsync();
        }
    }

    private static async Task<EmbeddedServer> StartAsync(WorkerSettings settings, bool scratch, CancellationToken ct)
    {
        if (await PostgresBinaries.FindAsync(settings.DatabaseBinaries, ct: ct) is null)
        {
            throw new NoPostgresException();
        }
        return await EmbeddedServer.StartAsync(
            new EmbeddedOptions { Folder = scratch ? null : settings.DatabaseFolder, BinariesFolder = settings.DatabaseBinaries, Scratch = scratch }, ct);
    }

    private static async Task<string> ScratchOnAsync(string configured, string name, CancellationToken ct)
    {
        await using (var connection = new NpgsqlConnection(configured))
        {
            await connection.OpenAsync(ct);
            await using var command = new NpgsqlCommand($"create database \"{name}\"", connection);
            await command.ExecuteNonQueryAsync(ct);
            await using var comment = new NpgsqlCommand($"comment on database \"{name}\" is '{MadeByUs}'", connection);
            await comment.ExecuteNonQueryAsync(ct);
        }
        return new NpgsqlConnectionStringBuilder(configured) { Database = name }.ConnectionString;
    }

    // On a server that is not ours, a database of that name may be anybody's: only one that says it was made by us goes.
    private static async Task DropMadeAnewAsync(string configured, string name, CancellationToken ct)
    {
        if (name != DemoName)
        {
            throw new ArgumentException($"only {DemoName} is ever made anew on a configured server, not {name}", nameof(name));
        }
        string? comment;
        await using (var connection = new NpgsqlConnection(configured))
        {
            await connection.OpenAsync(ct);
            await using var question = new NpgsqlCommand(
                "select coalesce(shobj_description(oid, 'pg_database'), '') from pg_database where datname = $1", connection);
            question.Parameters.Add(new NpgsqlParameter<string> { TypedValue = name });
            comment = (string?)await question.ExecuteScalarAsync(ct);
        }
        if (comment is null)
        {
            return;
        }
        if (comment != MadeByUs)
        {
            throw new InvalidDatabaseException(
                $"the server has a database '{name}' that no demo made: it is left as it is. If it may go: drop database {name}");
        }
        await DropOnAsync(configured, name, ct);
    }

    private static async Task DropOnAsync(string configured, string name, CancellationToken ct)
    {
        await using var connection = new NpgsqlConnection(configured);
        await connection.OpenAsync(ct);
        await using var command = new NpgsqlCommand($"drop database if exists \"{name}\" with (force)", connection);
        await command.ExecuteNonQueryAsync(ct);
    }
}

/// <summary>No connection string is configured, and this machine has no PostgreSQL to start a private server from.</summary>
public sealed class NoPostgresException() : Exception(
    "no connection string is configured (ConnectionStrings:Dunning), and there is no PostgreSQL 15 or newer on this machine for a private server. " +
    "Install it with: " + PostgresInstall.Command());

/// <summary>A database that must be left as it is.</summary>
public sealed class InvalidDatabaseException(string message) : Exception(message);
