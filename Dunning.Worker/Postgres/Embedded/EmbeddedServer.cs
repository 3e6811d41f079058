using Npgsql;

namespace Dunning.Postgres.Embedded;

/// <summary>
/// A private PostgreSQL server, for whoever has none to connect to. Processes that name the same folder share one server,
/// and the last of them stops it. If they are killed it stays, and the next start takes it over.
/// </summary>
public sealed class EmbeddedServer : IAsyncDisposable
{
    /// <summary>Exists in every server; used to make and drop the others.</summary>
    internal const string MaintenanceDatabase = "postgres";

    // Another database of the name was there first; which of the two is reported depends on how close the race was.
    private static readonly string[] DatabaseExists = [PostgresErrorCodes.DuplicateDatabase, PostgresErrorCodes.UniqueViolation];

    private readonly ServerFolder _folder;
    private readonly ServerControl _control;
    private readonly Endpoint _endpoint;
    private readonly FileLease _lease;
    private readonly TimeSpan _timeout;
    private readonly bool _isOwnScratch;
    private int _isDisposed;

    private EmbeddedServer(
        ServerFolder folder, ServerControl control, Endpoint endpoint, string version, FileLease lease, TimeSpan timeout, bool isOwnScratch)
    {
        _folder = folder;
        _control = control;
        _endpoint = endpoint;
        _lease = lease;
        _timeout = timeout;
        _isOwnScratch = isOwnScratch;
        Version = version;
    }

    /// <summary>The server's version, as in <c>17.2</c>.</summary>
    public string Version { get; }

    /// <summary>The folder that was named, or the default one.</summary>
    public string Folder => _folder.Root;

    /// <summary>PostgreSQL's own data directory, inside <see cref="Folder"/>.</summary>
    public string DataDirectory => _folder.Data;

    /// <summary>
    /// Makes the server's data if there is none, starts it if it does not run, and returns when it takes connections.
    /// </summary>
    /// <exception cref="EmbeddedServerException">It cannot be done; the message says what to do.</exception>
    public static async Task<EmbeddedServer> StartAsync(EmbeddedOptions options, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        try
        {
            return options is { Scratch: true, Folder: null }
                ? await StartOnOwnScratchAsync(options, ct)
                : await StartOnSharedFolderAsync(options, ct);
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException)
        {
            throw new EmbeddedServerException(
                $"The folder of the embedded PostgreSQL server, '{options.Folder ?? EmbeddedOptions.DefaultFolder}', cannot be used. {e.Message} " +
                "If another user made it, start Dunning as that user; else make room for it, or name another folder.",
                e);
        }
    }

    /// <summary>The connection string of one of the server's databases.</summary>
    public string ConnectionString(string database) => Settings(_endpoint, database).ConnectionString;

    /// <summary>Makes a database, empty or as a copy of <paramref name="template"/>, which nobody may be connected to.</summary>
    public async Task CreateDatabaseAsync(string name, CancellationToken ct = default, string? template = null) =>
        await ExecuteAsync($"create database {QuotedName(name)} template {QuotedName(template ?? "template0")}", ct);

    /// <summary>Makes an empty database unless it is there. Safe when several processes do so at once.</summary>
    /// <returns>True when this call made it.</returns>
    public async Task<bool> EnsureDatabaseAsync(string name, CancellationToken ct = default)
    {
        await using var connection = await OpenAsync(_endpoint, ct);
        await using var question = new NpgsqlCommand("select exists (select from pg_database where datname = $1)", connection);
        question.Parameters.Add(new NpgsqlParameter { Value = name });
        if (await question.ExecuteScalarAsync(ct) is true)
        {
            return false;
        }

        try
        {
            await CreateDatabaseAsync(name, ct);
            return true;
        }
        catch (PostgresException e) when (DatabaseExists.Contains(e.SqlState, StringComparer.Ordinal))
        {
            return false;
        }
    }

    /// <summary>Drops a database, if it is there, and ends the sessions in it.</summary>
    public async Task DropDatabaseAsync(string name, CancellationToken ct = default) =>
        await ExecuteAsync($"drop database if exists {QuotedName(name)} with (force)", ct);

    /// <summary>Gives the server up. It stops unless another process uses it; a scratch server without a named folder is deleted.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) != 0)
        {
            return;
        }

        if (_isOwnScratch)
        {
            await _control.StopAsync(ShutdownMode.Immediate, CancellationToken.None);
            _folder.DeleteEndpoint();
            await ScratchFolders.DeleteAsync(_folder, _lease, _timeout, CancellationToken.None);
            return;
        }

        // Under the lock nobody can start to use the server between the question and the stop.
        FileLease stopping;
        try
        {
            stopping = await FileLease.ExclusiveAsync(_folder.LockFile, _timeout, CancellationToken.None);
        }
        finally
        {
            _lease.Dispose();
        }

        using (stopping)
        {
            using var all = FileLease.TryExclusive(_folder.LeaseFile);
            if (all is not null)
            {
                await _control.StopAsync(ShutdownMode.Fast, CancellationToken.None);
                _folder.DeleteEndpoint();
            }
        }
    }

    internal static NpgsqlConnectionStringBuilder Settings(Endpoint endpoint, string database) => new()
    {
        Host = endpoint.Host,
        Port = endpoint.Port,
        Username = ServerFolder.Role,
        Password = endpoint.Password,
        Database = database,
        // It never leaves the machine; asking costs a round trip.
        SslMode = SslMode.Disable,
        GssEncryptionMode = GssEncryptionMode.Disable,
    };

    private static async Task<EmbeddedServer> StartOnOwnScratchAsync(EmbeddedOptions options, CancellationToken ct)
    {
        var binaries = await RequireBinariesAsync(options, major: null, ct);
        var (folder, lease) = await ScratchFolders.CreateAsync(binaries, options.StartTimeout, ct);
        return await StartAsync(folder, lease, isAlone: true, binaries, options, ct);
    }

    private static async Task<EmbeddedServer> StartOnSharedFolderAsync(EmbeddedOptions options, CancellationToken ct)
    {
        var folder = new ServerFolder(options.Folder ?? EmbeddedOptions.DefaultFolder);
        await folder.PrepareAsync(ct);
        using var starting = await FileLease.ExclusiveAsync(folder.LockFile, options.StartTimeout, ct);

        // Asked before we become a user ourselves. Nobody else can in between: that takes the lock.
        bool isAlone;
        using (var all = FileLease.TryExclusive(folder.LeaseFile))
        {
            isAlone = all is not null;
        }

        var lease = FileLease.TryShared(folder.LeaseFile)
            ?? throw new EmbeddedServerException($"'{folder.LeaseFile}' is held by a program that is not Dunning. End it and start again.");
        return await StartAsync(folder, lease, isAlone, binaries: null, options, ct);
    }

    private static async Task<EmbeddedServer> StartAsync(
        ServerFolder folder, FileLease lease, bool isAlone, PostgresBinaries? binaries, EmbeddedOptions options, CancellationToken ct)
    {
        ServerControl? control = null;
        var isStarted = false;
        try
        {
            binaries ??= await RequireBinariesAsync(options, folder.DataMajor(), ct);
            control = new ServerControl(folder, binaries);
            var found = await control.FindRunningAsync(options.StartTimeout, ct);
            if (found is { } adopted && !options.Scratch && !await IsDurableAsync(adopted.Endpoint, ct))
            {
                // A server of a simulation must not be taken for one that keeps what it has confirmed.
                if (!isAlone)
                {
                    throw new EmbeddedServerException(
                        $"Another process runs the server in '{folder.Root}' without flushing to disk. End that process, or name another folder.");
                }

                await control.StopAsync(ShutdownMode.Fast, ct);
                found = null;
            }

            if (found is not { } running)
            {
                await folder.PrepareServerFoldersAsync(ct);
                if (folder.DataMajor() is null)
                {
                    await control.InitializeAsync(options.Scratch, options.LoopbackTcp, ct);
                }

                running = await control.StartAsync(options.Scratch, options.LoopbackTcp, options.StartTimeout, ct);
            }

            var server = new EmbeddedServer(
                folder, control, running.Endpoint, running.Version, lease, options.StartTimeout, options is { Scratch: true, Folder: null });
            isStarted = true;
            return server;
        }
        finally
        {
            if (!isStarted)
            {
                // Cancelled or failed: a server that nobody uses must not stay.
                if (isAlone && control is not null)
                {
                    await control.StopAsync(ShutdownMode.Fast, CancellationToken.None);
                }

                lease.Dispose();
            }
        }
    }

    private static async Task<PostgresBinaries> RequireBinariesAsync(EmbeddedOptions options, int? major, CancellationToken ct)
    {
        if (await PostgresBinaries.FindAsync(options.BinariesFolder, major, ct) is { } found)
        {
            return found;
        }

        var where = options.BinariesFolder is { } folder ? $"in '{folder}'" : "on this machine";
        throw new EmbeddedServerException(major is null
            ? $"No PostgreSQL server (version {PostgresBinaries.OldestMajor} or newer) was found {where}. " +
              $"Install one with: {PostgresInstall.Command()}  Or name a server of your own with a connection string."
            : $"The data was made by PostgreSQL {major}, and no server of that version was found {where}. " +
              $"Install PostgreSQL {major} again, or move the data to a newer version with pg_upgrade.");
    }

    private static async Task<bool> IsDurableAsync(Endpoint endpoint, CancellationToken ct)
    {
        await using var connection = await OpenAsync(endpoint, ct);
        await using var question = new NpgsqlCommand("show fsync", connection);
        return await question.ExecuteScalarAsync(ct) is "on";
    }

    private static async Task<NpgsqlConnection> OpenAsync(Endpoint endpoint, CancellationToken ct)
    {
        var settings = Settings(endpoint, MaintenanceDatabase);
        // A pool would hold sessions to a server that is about to stop.
        settings.Pooling = false;
        var connection = new NpgsqlConnection(settings.ConnectionString);
        await connection.OpenAsync(ct);
        return connection;
    }

    private async Task ExecuteAsync(string sql, CancellationToken ct)
    {
        await using var connection = await OpenAsync(_endpoint, ct);
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(ct);
    }

    private static string QuotedName(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        return "\"" + name.Replace("\"", "\"\"", StringComparison.Ordinal) + "\"";
    }
}
