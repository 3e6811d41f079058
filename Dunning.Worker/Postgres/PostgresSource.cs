using Dapper;
using Npgsql;

namespace Dunning.Postgres;

/// <summary>Makes the data source that everything here uses; one for a process, a connection lives for one save.</summary>
public static class PostgresSource
{
    /// <summary>
    /// A data source for that connection string. Its sessions plan each statement for its actual arrays: a plan cached while the tables were small
    /// turns into sequential scans when they are not (ARCHITECTURE: 4,100 fell to 292 renewals a second).
    /// </summary>
    public static NpgsqlDataSource Create(string connectionString)
    {
        // Row types are positional records with the columns' names and order; Dapper fails on any mismatch.
        DefaultTypeMap.MatchNamesWithUnderscores = true;
        var builder = new NpgsqlConnectionStringBuilder(connectionString);
        builder.ApplicationName ??= "dunning";
        // The detail of a refused row is the row: addresses and names, in logs and job stores.
        builder.IncludeErrorDetail = false;
        builder.Options = string.Join(' ', builder.Options, "-c plan_cache_mode=force_custom_plan -c TimeZone=UTC -c DateStyle=ISO").Trim();
        return new NpgsqlDataSourceBuilder(builder.ConnectionString).Build();
    }
}
