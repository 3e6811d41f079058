using Dapper;
using Dunning.Postgres;
using Npgsql;

namespace Dunning.Jobs;

/// <summary>The job host's own schema, made under our migration lock: several servers that start on an empty database would collide in making it.</summary>
public static class JobSchema
{
#if JOBHOST_HANGFIRE
    public static Task CreateAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        HangfireHost.HangfireSchema.Create(connection);
        return Task.CompletedTask;
    }

    /// <summary>Throws unless it is there.</summary>
    public static async Task CheckAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        if (await connection.ExecuteScalarAsync<string?>(
            new CommandDefinition("select to_regclass('hangfire.job')::text", cancellationToken: ct)) is null)
        {
            throw new SchemaException("the database has no schema 'hangfire' for the job host yet: run 'dunning migrate'");
        }
    }
#elif JOBHOST_QUARTZ
    // Quartz keeps its triggers in memory.
    public static Task CreateAsync(NpgsqlConnection connection, CancellationToken ct) => Task.CompletedTask;

    public static Task CheckAsync(NpgsqlConnection connection, CancellationToken ct) => Task.CompletedTask;
#endif
}
