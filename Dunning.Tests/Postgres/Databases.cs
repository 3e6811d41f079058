using Npgsql;

namespace Dunning.Tests.Postgres;

/// <summary>Fresh databases for tests.</summary>
internal static class Databases
{
    private static int s_count;

    public static async Task<string> NewAsync()
    {
        var server = Environment.GetEnvironmentVariable("DUNNING_TEST_PG") ?? throw new InvalidOperationException("DUNNING_TEST_PG is not set");
        var name = FormattableString.Invariant($"test_{Environment.ProcessId}_{Interlocked.Increment(ref s_count)}");
        await using var connection = new NpgsqlConnection(server);
        await connection.OpenAsync();
        await using var create = new NpgsqlCommand($"create database {name}", connection);
        await create.ExecuteNonQueryAsync();
        return new NpgsqlConnectionStringBuilder(server) { Database = name, MaxPoolSize = 20 }.ConnectionString;
    }
}
