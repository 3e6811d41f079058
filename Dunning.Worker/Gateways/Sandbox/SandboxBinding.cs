using Dapper;
using Npgsql;

namespace Dunning.Gateways.Sandbox;

/// <summary>
/// Binds a database to the sandbox, for good. The sandbox would take real customers' renewals for paid without money, so that a database
/// that was ever bound to another gateway refuses it.
/// </summary>
public static class SandboxBinding
{
    /// <summary>Key of the setting.</summary>
    public const string SettingKey = "gateway";

    /// <summary>Its value here.</summary>
    public const string Gateway = "sandbox";

    /// <summary>Binds the database of that connection, or finds it bound already. Run it before the first pass.</summary>
    /// <exception cref="SandboxBindingException">The database belongs to another gateway.</exception>
    public static async Task BindAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        // Two servers that start at once with different gateways: the primary key lets one of them win, and the other reads it.
        await connection.ExecuteAsync(new CommandDefinition(
            "insert into dunning.setting (key, value) values (@SettingKey, @Gateway) on conflict (key) do nothing",
            new { SettingKey, Gateway }, cancellationToken: ct));
        var bound = await connection.QuerySingleAsync<string>(new CommandDefinition(
            "select value from dunning.setting where key = @SettingKey", new { SettingKey }, cancellationToken: ct));
        if (!string.Equals(bound, Gateway, StringComparison.Ordinal))
        {
            throw new SandboxBindingException(
                $"this database is bound to the gateway '{bound}': it is never used with the sandbox. " +
                "Point the sandbox at a database of its own, or set Payments:Gateway to what this one was made with.");
        }
    }
}

/// <summary>A database belongs to another gateway than the one it was to be used with.</summary>
public sealed class SandboxBindingException(string message) : Exception(message);
