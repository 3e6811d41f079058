using Dapper;
using Npgsql;

namespace Dunning.Postgres;

/// <summary>What the database knows about itself: key and value.</summary>
public sealed class PostgresSettings(NpgsqlDataSource source)
{
    /// <summary>Names this database in idempotency keys; made by <c>migrate</c>.</summary>
    public const string Installation = "installation";

    /// <summary>Fingerprint of the rules' configuration that <c>due</c> was worked out with.</summary>
    public const string Rules = "rules";

    /// <summary>Set while <c>due</c> is being worked out anew: no pass runs.</summary>
    public const string Rework = "rework";

    /// <summary>The kind of gateway that the tokens belong to.</summary>
    public const string Gateway = "gateway";

    /// <summary>Set when the database belongs to a simulation: the simulated instant that it has come to.</summary>
    public const string Simulation = "simulation";

    public async Task<string?> GetAsync(string key, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return await connection.ExecuteScalarAsync<string?>(
            new CommandDefinition("select value from dunning.setting where key = @key", new { key }, cancellationToken: ct));
    }

    public async Task<string> InstallationAsync(CancellationToken ct) =>
        await GetAsync(Installation, ct) ?? throw new SchemaException("the database has no installation id: run 'dunning migrate'");

    /// <summary>Sets a value, or removes it with null.</summary>
    public async Task SetAsync(string key, string? value, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        await connection.ExecuteAsync(new CommandDefinition(
            value is null
                ? "delete from dunning.setting where key = @key"
                : "insert into dunning.setting (key, value) values (@key, @value) on conflict (key) do update set value = excluded.value",
            new { key, value },
            cancellationToken: ct));
    }

    /// <summary>Sets a value unless there is one, and returns the one that holds: the first caller binds the database for good.</summary>
    public async Task<string> BindAsync(string key, string value, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return await connection.ExecuteScalarAsync<string>(new CommandDefinition(
            """
            insert into dunning.setting as s (key, value) values (@key, @value)
            on conflict (key) do update set value = s.value
            returning value
            """,
            new { key, value },
            cancellationToken: ct)) ?? value;
    }
}

/// <summary>The database's rules are not this server's: it does no work until it is restarted, or until the rework of <c>due</c> is complete.</summary>
public sealed class ConfigurationMismatchException(string message) : Exception(message);
