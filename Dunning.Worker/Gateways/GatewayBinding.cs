using Dapper;
using Npgsql;

namespace Dunning.Gateways;

/// <summary>
/// Binds a database to its gateway, for good. The sandbox would take real customers' renewals for paid without money, and a live key on a copy made
/// for tests would charge them twice, so that a database that was ever bound to another gateway refuses it.
/// </summary>
public static class GatewayBinding
{
    /// <summary>Key of the setting.</summary>
    public const string SettingKey = "gateway";

    /// <summary>Binds the database of that connection, or finds it bound already. Run it before the first pass.</summary>
    /// <exception cref="GatewayBindingException">The database belongs to another gateway.</exception>
    public static async Task BindAsync(NpgsqlConnection connection, string gateway, CancellationToken ct)
    {
        // Two servers that start at once with different gateways: the primary key lets one of them win, and the other reads it.
        await connection.ExecuteAsync(new CommandDefinition(
            "insert into dunning.setting (key, value) values (@SettingKey, @gateway) on conflict (key) do nothing",
            new { SettingKey, gateway }, cancellationToken: ct));
        var bound = await connection.QuerySingleAsync<string>(new CommandDefinition(
            "select value from dunning.setting where key = @SettingKey", new { SettingKey }, cancellationToken: ct));
        if (!string.Equals(bound, gateway, StringComparison.Ordinal))
        {
            throw new GatewayBindingException(
                $"this database is bound to the gateway '{bound}': it is never used with '{gateway}'",
                $"Point {gateway} at a database of its own (ConnectionStrings:Dunning), or set Payments:Gateway and its key to what this one was made with.");
        }
    }
}

/// <summary>A database belongs to another gateway than the one it was to be used with.</summary>
public sealed class GatewayBindingException(string says, string fix) : Exception($"{says}. {fix}")
{
    /// <summary>What is wrong.</summary>
    public string Says => says;

    /// <summary>What to do about it.</summary>
    public string Fix => fix;
}
