using Hangfire.PostgreSql;
using Npgsql;

namespace Dunning.Jobs.HangfireHost;

/// <summary>Hangfire's tables.</summary>
internal static class HangfireSchema
{
    public const string Name = "hangfire";

    public static void Create(NpgsqlConnection connection) => PostgreSqlObjectsInstaller.Install(connection, Name);
}
