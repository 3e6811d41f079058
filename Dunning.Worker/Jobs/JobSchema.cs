using Npgsql;

namespace Dunning.Jobs;

/// <summary>The job host's own schema, made under our migration lock.</summary>
public static class JobSchema
{
    public static Task CreateAsync(NpgsqlConnection connection, CancellationToken ct) => Task.CompletedTask;
}
