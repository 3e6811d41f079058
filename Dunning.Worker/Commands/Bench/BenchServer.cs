using System.Data;
using System.Globalization;
using Dapper;
using Dunning.Hosting;
using Dunning.Postgres.Embedded;
using Npgsql;

namespace Dunning.Commands.Bench;

/// <summary>
/// The server that is measured: a private one with the settings of a real one in a folder of its own, or the configured one. Databases made here
/// are gone with it.
/// </summary>
internal sealed class BenchServer : IAsyncDisposable
{
    private readonly string _prefix = "dunning_bench_" + Guid.NewGuid().ToString("N")[..12] + "_";
    private readonly HashSet<string> _made = new(StringComparer.Ordinal);
    private readonly string _admin;
    private readonly EmbeddedServer? _server;
    private readonly string? _folder;

    private BenchServer(string admin, EmbeddedServer? server, string? folder) => (_admin, _server, _folder) = (admin, server, folder);

    /// <summary>Starts a private server, or connects to the configured one.</summary>
    public static async Task<BenchServer> StartAsync(WorkerSettings settings, CancellationToken ct)
    {
        if (settings.ConnectionString is { } configured)
        {
            return new BenchServer(configured, null, null);
        }
        if (await PostgresBinaries.FindAsync(settings.DatabaseBinaries, ct: ct) is null)
        {
            throw new NoPostgresException();
        }
        var folder = Path.Combine(Path.GetTempPath(), "dunning-bench-" + Guid.NewGuid().ToString("N")[..8]);
        try
        {
            // Not a scratch server: that one flushes nothing, and what it says of speed is no use to anybody.
            var server = await EmbeddedServer.StartAsync(new EmbeddedOptions { Folder = folder, BinariesFolder = settings.DatabaseBinaries }, ct);
            return new BenchServer(server.ConnectionString(EmbeddedServer.MaintenanceDatabase), server, folder);
        }
        catch
        {
            Delete(folder);
            throw;
        }
    }

    /// <summary>Connects to a database made here.</summary>
    public string ConnectionString(string name, int connections = 100) => new NpgsqlConnectionStringBuilder(_admin)
    {
        Database = _prefix + name,
        MaxPoolSize = connections,
        MinPoolSize = 0,
    }.ConnectionString;

    /// <summary>Makes a database anew, empty or as a copy of another made here that nobody is connected to.</summary>
    public async Task CreateAsync(string name, string? template, CancellationToken ct)
    {
        await DropAsync(name, ct);
        _made.Add(name);
        // Copied as files: through the write-ahead log the copy would leave its own checkpoint's work to whoever is measured next.
        await ExecuteAsync(template is null
            ? $"create database \"{_prefix}{name}\" template template0"
            : $"create database \"{_prefix}{name}\" template \"{_prefix}{template}\" strategy file_copy", ct);
    }

    /// <summary>Drops a database made here.</summary>
    public async Task DropAsync(string name, CancellationToken ct)
    {
        if (_made.Remove(name))
        {
            await ExecuteAsync($"drop database if exists \"{_prefix}{name}\" with (force)", ct);
        }
    }

    /// <summary>Writes out what is dirty, so that no run pays for the one before.</summary>
    public async Task CheckpointAsync(CancellationToken ct)
    {
        try
        {
            await ExecuteAsync("checkpoint", ct);
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.InsufficientPrivilege)
        {
            // On somebody's own server it comes when it comes; the runs alternate.
        }
    }

    /// <summary>What one must know of the server to read figures.</summary>
    public async Task<ServerFacts> FactsAsync(CancellationToken ct)
    {
        await using var connection = await OpenAsync(ct);
        var settings = (await connection.QueryAsync<(string Name, string Value)>(new CommandDefinition(
            """
            select name, current_setting(name) from pg_settings
            where name in ('server_version', 'fsync', 'synchronous_commit', 'full_page_writes', 'shared_buffers', 'max_wal_size', 'wal_sync_method')
            """,
            cancellationToken: ct))).ToDictionary(s => s.Name, s => s.Value, StringComparer.Ordinal);
        return new ServerFacts(
            settings["server_version"], settings["fsync"], settings["synchronous_commit"], settings["full_page_writes"], settings["shared_buffers"],
            settings["max_wal_size"], settings["wal_sync_method"], _server is not null);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
        {
            await _server.DisposeAsync();
            Delete(_folder!);
            return;
        }
        foreach (var name in _made.ToArray())
        {
            await DropAsync(name, CancellationToken.None);
        }
    }

    private static void Delete(string folder)
    {
        try
        {
            Directory.Delete(folder, recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // In the system's folder for temporary files.
        }
    }

    private async Task ExecuteAsync(string sql, CancellationToken ct)
    {
        await using var connection = await OpenAsync(ct);
        await connection.ExecuteAsync(new CommandDefinition(sql, commandTimeout: 0, commandType: CommandType.Text, cancellationToken: ct));
    }

    private async Task<NpgsqlConnection> OpenAsync(CancellationToken ct)
    {
        var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(_admin) { Pooling = false }.ConnectionString);
        await connection.OpenAsync(ct);
        return connection;
    }
}

/// <summary>The server's settings that decide how fast it is.</summary>
internal sealed record ServerFacts(
    string Version, string Fsync, string SynchronousCommit, string FullPageWrites, string SharedBuffers, string MaxWalSize, string WalSyncMethod,
    bool IsPrivate)
{
    /// <summary>What it has confirmed survives a power cut. Figures of a server of which that is not so are no use.</summary>
    public bool IsDurable => Fsync == "on" && SynchronousCommit != "off" && FullPageWrites == "on";

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"PostgreSQL {Version}, fsync {Fsync}, synchronous_commit {SynchronousCommit}, full_page_writes {FullPageWrites}, ")
        + $"wal_sync_method {WalSyncMethod}, shared_buffers {SharedBuffers}, max_wal_size {MaxWalSize}"
        + (IsPrivate ? " (private)" : " (configured)") + (IsDurable ? "" : Environment.NewLine + "NOT DURABLE: these figures mean nothing");
}

/// <summary>What one must know of the machine.</summary>
internal sealed record MachineFacts(int Cores, string Runtime, string GarbageCollector, string? Load)
{
    /// <summary>As it is now.</summary>
    public static MachineFacts Now() => new(
        Environment.ProcessorCount,
        System.Runtime.InteropServices.RuntimeInformation.FrameworkDescription,
        (System.Runtime.GCSettings.IsServerGC ? "server" : "workstation")
            + (System.Runtime.GCSettings.LatencyMode == System.Runtime.GCLatencyMode.Batch ? "" : ", concurrent"),
        File.Exists("/proc/loadavg") ? string.Join(' ', File.ReadAllText("/proc/loadavg").Split(' ').Take(3)) : null);

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Cores} cores, {Runtime}, {GarbageCollector} GC")
        + (Load is null ? "" : $", load before the first run {Load}");
}
