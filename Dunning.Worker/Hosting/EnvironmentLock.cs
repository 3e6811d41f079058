using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using Dapper;
using Dunning.Ports;
using Dunning.Postgres;
using Dunning.Postgres.Embedded;
using NodaTime;
using Npgsql;

namespace Dunning.Hosting;

/// <summary>The database may be a copy, or older than what was charged out of it: nothing is charged or mailed until an operator confirms it.</summary>
public sealed class EnvironmentException(string message) : Exception(message);

/// <summary>What is kept outside of the database.</summary>
/// <param name="Installation">The database's installation id.</param>
/// <param name="Gateway">Gateway and mode.</param>
/// <param name="Account">The gateway's account, where it is known.</param>
/// <param name="Mark">The database's mark when this machine last worked with it.</param>
public sealed record EnvironmentRecord(string Installation, string Gateway, string? Account, long Mark);

/// <summary>Where a database was worked with.</summary>
/// <param name="Account">The gateway's account.</param>
/// <param name="System">PostgreSQL's own number of the cluster, which a standby shares and a dump does not carry.</param>
/// <param name="Database">The database's number in it.</param>
public sealed record EnvironmentPlace(string? Account, string? System, long Database);

/// <summary>What is known of the environment, and where that differs from what is found.</summary>
/// <param name="Known">Where the database was last worked with; null: never through a real gateway.</param>
/// <param name="Mark">The database's mark.</param>
/// <param name="MarkedAt">When it was made.</param>
/// <param name="ReconciledFor">For which finding charges were last brought in.</param>
/// <param name="Outside">What is kept outside; null: nothing.</param>
/// <param name="Found">Where it is worked with now.</param>
/// <param name="Differences">What an operator must confirm, one sentence each.</param>
public sealed record EnvironmentState(
    EnvironmentPlace? Known, long Mark, Instant? MarkedAt, string? ReconciledFor, EnvironmentRecord? Outside, EnvironmentPlace Found, ImmutableArray<string> Differences)
{
    /// <summary>Names what was found, so that charges that are brought in for it don't count for another.</summary>
    public string Finding => string.Create(CultureInfo.InvariantCulture,
        $"{Found.System}|{Found.Database}|{Found.Account}|{Outside?.Installation}|{Outside?.Mark}|{Mark}");
}

/// <summary>
/// Remembers where a database belongs: to an account of the gateway, to a place in a PostgreSQL, and to the mark that each pass raises here and in a file
/// outside. A copy finds itself elsewhere; a database that was restored finds its mark below the file's. A promoted standby that has all that was
/// charged finds nothing.
/// </summary>
public sealed class EnvironmentLock : IAsyncDisposable
{
    // Held, shared, by every server at work on the database: the letters "dun-env".
    private const long PresenceKey = 0x64756e2d656e76;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);

    private static readonly JsonSerializerOptions s_json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, WriteIndented = true };

    private readonly NpgsqlDataSource _source;
    private readonly string _installation;
    private readonly string _gateway;
    private readonly bool _isLive;
    private readonly IGatewayAccount? _account;
    private readonly Func<Instant> _clock;
    private readonly ILogger<EnvironmentLock> _logger;
    private readonly SemaphoreSlim _one = new(1);
    private NpgsqlConnection? _presence;
    private bool _stays;
    private bool _hasToldOfAccount;

    /// <summary>Makes the lock of a database.</summary>
    /// <param name="source">The database.</param>
    /// <param name="file"><c>Environment:File</c>; null: one named after the installation, in the state folder of this user.</param>
    /// <param name="installation">The database's installation id.</param>
    /// <param name="gateway">Gateway and mode.</param>
    /// <param name="isLive">It moves real money.</param>
    /// <param name="account">Tells the gateway's account; null: it has no way to.</param>
    /// <param name="clock">The clock.</param>
    /// <param name="logger">What can't be told otherwise.</param>
    public EnvironmentLock(
        NpgsqlDataSource source, string? file, string installation, string gateway, bool isLive, IGatewayAccount? account, Func<Instant> clock,
        ILogger<EnvironmentLock> logger)
    {
        (_source, _installation, _gateway, _isLive, _account, _clock, _logger) = (source, installation, gateway, isLive, account, clock, logger);
        File = file ?? Path.Combine(Path.GetDirectoryName(EmbeddedOptions.DefaultFolder)!, $"environment-{installation}.json");
    }

    /// <summary>The file outside.</summary>
    public string File { get; }

    /// <summary>Looks, and changes nothing.</summary>
    public async Task<EnvironmentState> LookAsync(CancellationToken ct)
    {
        // The file first: others may raise both meanwhile, the database's before the file's.
        var (outside, isBroken) = await ReadFileAsync(ct);
        await using var connection = await _source.OpenConnectionAsync(ct);
        var row = await connection.QuerySingleOrDefaultAsync<Row>(new CommandDefinition(
            "select mark, marked_at, gateway_account, system_identifier, database_oid, reconciled_for from dunning.environment", cancellationToken: ct));
        var found = new EnvironmentPlace(
            await AccountAsync(ct), await SystemAsync(connection, ct),
            await connection.ExecuteScalarAsync<long>(new CommandDefinition("select oid::bigint from pg_database where datname = current_database()", cancellationToken: ct)));
        var known = row is null ? null : new EnvironmentPlace(row.GatewayAccount, row.SystemIdentifier, row.DatabaseOid);
        var differences = ImmutableArray.CreateBuilder<string>();
        if (isBroken)
        {
            differences.Add($"{File} can't be read");
        }
        if (outside is not null && outside.Installation != _installation)
        {
            differences.Add($"{File} belongs to the installation {outside.Installation}, this database is {_installation}");
        }
        if (outside is not null && outside.Gateway != _gateway)
        {
            differences.Add($"this machine charged through {outside.Gateway}, not {_gateway}");
        }
        foreach (var account in new[] { known?.Account, outside?.Account }.OfType<string>().Where(a => found.Account is { } now && now != a).Distinct())
        {
            differences.Add($"the charges belong to the gateway's account {account}, but the key is one of {found.Account}");
        }
        if (known is not null && (known.Database != found.Database || (known.System is { } system && found.System is { } here && system != here)))
        {
            differences.Add("this database is a copy, restored or moved: it was last worked with in another place");
        }
        if (outside is not null && outside.Installation == _installation && outside.Mark > (row?.Mark ?? 0))
        {
            differences.Add(string.Create(CultureInfo.InvariantCulture,
                $"this database is older than what was done with it: its mark is {row?.Mark ?? 0}, this machine has seen {outside.Mark} ({File})"));
        }
        if (known is not null && outside is null && !isBroken && _isLive && differences.Count == 0 && !await AreOthersAtWorkAsync(connection, ct))
        {
            differences.Add($"this machine has not worked with this database before ({File} is not there), and no other server is at work on it");
        }
        return new EnvironmentState(known, row?.Mark ?? 0, row?.MarkedAt.Instant(), row?.ReconciledFor, outside, found, differences.ToImmutable());
    }

    /// <summary>Lets a pass begin: raises the mark here and outside. A database that never charged through a real gateway is taken over.</summary>
    /// <exception cref="EnvironmentException">An operator must confirm first, or the file outside can't be written.</exception>
    public async Task EnterAsync(CancellationToken ct)
    {
        await _one.WaitAsync(ct);
        try
        {
            var state = await LookAsync(ct);
            if (!state.Differences.IsEmpty)
            {
                throw new EnvironmentException(
                    "nothing is charged or mailed until an operator confirms this database: " + string.Join("; ", state.Differences)
                    + ". Bring in what the gateway knows with 'gateway reconcile --adopt', then 'environment confirm'.");
            }
            if (state.Found.Account is null && !_hasToldOfAccount)
            {
                _hasToldOfAccount = true;
                _logger.LogWarning("the gateway does not tell its account to this key, so that a key of another account would not be noticed");
            }
            await RaiseAsync(state, 1, ct);
            if (_stays)
            {
                await StandAsync(ct);
            }
        }
        finally
        {
            _one.Release();
        }
    }

    /// <summary>Tells other servers that this one is at work, until the lock is disposed of.</summary>
    public async Task StayAsync(CancellationToken ct)
    {
        _stays = true;
        await StandAsync(ct);
    }

    // The lock goes with its connection, which a restart of PostgreSQL ends.
    private async Task StandAsync(CancellationToken ct)
    {
        if (_presence is not null)
        {
            try
            {
                await _presence.ExecuteAsync(new CommandDefinition("select 1", cancellationToken: ct));
                return;
            }
            catch (Exception e) when (e is NpgsqlException or InvalidOperationException)
            {
                await _presence.DisposeAsync();
                _presence = null;
            }
        }
        _presence = await _source.OpenConnectionAsync(ct);
        await _presence.ExecuteAsync(new CommandDefinition("select pg_advisory_lock_shared(@PresenceKey)", new { PresenceKey }, cancellationToken: ct));
    }

    /// <summary>Records that the gateway's charges were brought in for what was found.</summary>
    public async Task ReconciledAsync(EnvironmentState state, CancellationToken ct)
    {
        await using var connection = await _source.OpenConnectionAsync(ct);
        await connection.ExecuteAsync(new CommandDefinition(
            """
            insert into dunning.environment as e (mark, marked_at, gateway_account, system_identifier, database_oid, reconciled_for)
            values (1, @now, @Account, @System, @Database, @Finding)
            on conflict (is_only) do update set reconciled_for = excluded.reconciled_for
            """,
            new { now = _clock().Utc(), state.Found.Account, state.Found.System, state.Found.Database, state.Finding }, cancellationToken: ct));
    }

    /// <summary>An operator has confirmed: the database belongs here from now on, and its mark is above every one that this machine has seen.</summary>
    public async Task ConfirmAsync(EnvironmentState state, CancellationToken ct)
    {
        await _one.WaitAsync(ct);
        try
        {
            await RaiseAsync(state, Math.Max(1, (state.Outside?.Mark ?? 0) - state.Mark + 1), ct);
            await using var connection = await _source.OpenConnectionAsync(ct);
            // What was brought in counts for this once, also in a backup that is made from now on.
            await connection.ExecuteAsync(new CommandDefinition("update dunning.environment set reconciled_for = null", cancellationToken: ct));
        }
        finally
        {
            _one.Release();
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_presence is not null)
        {
            await _presence.DisposeAsync();
        }
        _one.Dispose();
    }

    private async Task RaiseAsync(EnvironmentState state, long by, CancellationToken ct)
    {
        await using var connection = await _source.OpenConnectionAsync(ct);
        // What the gateway does not tell at the moment stays known.
        var account = state.Found.Account ?? state.Known?.Account;
        var mark = await connection.QuerySingleAsync<long>(new CommandDefinition(
            """
            insert into dunning.environment as e (mark, marked_at, gateway_account, system_identifier, database_oid) values (@by, @now, @account, @System, @Database)
            on conflict (is_only) do update set mark = e.mark + @by, marked_at = @now, gateway_account = @account, system_identifier = excluded.system_identifier,
                database_oid = excluded.database_oid
            returning mark
            """,
            new { by, now = _clock().Utc(), account, state.Found.System, state.Found.Database }, cancellationToken: ct));
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(File))!);
            await WholeFile.WriteAsync(File, JsonSerializer.SerializeToUtf8Bytes(new EnvironmentRecord(_installation, _gateway, account, mark), s_json), ct);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new EnvironmentException(
                $"{File} can't be written ({e.Message}), and without it a restored database would charge again. Name another with Environment:File, such as /var/lib/dunning/environment.json");
        }
    }

    private async Task<(EnvironmentRecord? Record, bool IsBroken)> ReadFileAsync(CancellationToken ct)
    {
        try
        {
            await using var file = System.IO.File.OpenRead(File);
            return (await JsonSerializer.DeserializeAsync<EnvironmentRecord>(file, s_json, ct), false);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return (null, false);
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            return (null, true);
        }
    }

    // A gateway that is out holds no pass up: it is asked again by the next.
    private async Task<string?> AccountAsync(CancellationToken ct)
    {
        if (_account is null)
        {
            return null;
        }
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(ct);
        patience.CancelAfter(s_patience);
        return await _account.AccountAsync(patience.Token);
    }

    private static async Task<string?> SystemAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        try
        {
            return await connection.ExecuteScalarAsync<string>(new CommandDefinition("select system_identifier::text from pg_control_system()", cancellationToken: ct));
        }
        catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.InsufficientPrivilege or PostgresErrorCodes.UndefinedFunction)
        {
            // Some providers keep it to themselves: the database's number and the mark must do.
            return null;
        }
    }

    private static async Task<bool> AreOthersAtWorkAsync(NpgsqlConnection connection, CancellationToken ct) =>
        !await connection.ExecuteScalarAsync<bool>(new CommandDefinition("select pg_try_advisory_xact_lock(@PresenceKey)", new { PresenceKey }, cancellationToken: ct));

    private sealed record Row(long Mark, DateTime MarkedAt, string? GatewayAccount, string? SystemIdentifier, long DatabaseOid, string? ReconciledFor);
}
