using System.Globalization;
using Dunning.Postgres.Embedded;
using Npgsql;

namespace Dunning.Tests.Postgres;

/// <summary>
/// One throwaway PostgreSQL server for all tests of this process, started by the first that asks.
/// Each test takes a database of its own, so test classes may run beside each other.
/// </summary>
public static class TestServer
{
    private static readonly Lazy<Task<EmbeddedServer>> Server =
        new(() => EmbeddedServer.StartAsync(new EmbeddedOptions { Scratch = true }));

    private static int _databases;

    /// <summary>The connection string of a fresh database: empty, or a copy of <paramref name="template"/>.</summary>
    public static async Task<string> NewDatabaseAsync(string? template = null)
    {
        var server = await Server.Value;
        var name = string.Create(CultureInfo.InvariantCulture, $"test_{Interlocked.Increment(ref _databases)}");
        await server.CreateDatabaseAsync(name, template: template);

        // Every database has its own pool: idle connections go back soon, or hundreds of tests would fill the server.
        return new NpgsqlConnectionStringBuilder(server.ConnectionString(name))
        {
            MaxPoolSize = 20,
            ConnectionIdleLifetime = 2,
            ConnectionPruningInterval = 1,
        }.ConnectionString;
    }

    /// <summary>Stops the server if a test started it. Called once, when all tests have run.</summary>
    internal static async Task StopAsync()
    {
        if (Server.IsValueCreated && Server.Value.IsCompletedSuccessfully)
        {
            await (await Server.Value).DisposeAsync();
        }
    }
}
