using System.Globalization;
using Dapper;
using Dunning.Jobs;
using Dunning.Postgres;
using NodaTime;
using Npgsql;

namespace Dunning.Hosting.Doctor;

/// <summary>The database: version, schema, rights, clock, and whether it keeps what it was told to.</summary>
internal static class DatabaseCheck
{
    private const int OldestServer = 150_000;

    /// <summary>The clocks' difference from which on somebody should look, and from which on dates and mails go wrong.</summary>
    internal static readonly (Duration Warning, Duration Fault) Skew = (Duration.FromSeconds(2), Duration.FromSeconds(60));

    // What the service does in its work, as (table, right).
    private static readonly (string Table, string Right)[] s_needs =
    [
        ("dunning.account", "select"), ("dunning.account", "update"), ("dunning.event", "insert"), ("dunning.invoice", "insert"), ("dunning.due", "delete"),
        ("dunning.outbox", "update"), ("dunning.charge", "update"), ("dunning.setting", "insert"), ("dunning.setting", "delete"),
    ];

    /// <summary>Looks at all of it.</summary>
    public static async Task<IReadOnlyList<Finding>> LookAsync(Database database, WorkerSettings settings, TimeProvider time, CancellationToken ct)
    {
        var findings = new List<Finding>();
        await using var connection = await database.Source.OpenConnectionAsync(ct);
        var server = await connection.QuerySingleAsync<Server>(new CommandDefinition(
            """
            select current_setting('server_version') as version, current_setting('server_version_num')::int as number, current_setting('fsync') as fsync,
                current_setting('synchronous_commit') as commits, pg_is_in_recovery() as is_standby, current_user::text as role,
                current_setting('max_connections')::int as connections, current_setting('server_encoding') as encoding
            """, cancellationToken: ct));
        findings.Add(server.Number >= OldestServer ? Finding.Ok("database", $"{database.Description}, PostgreSQL {server.Version}, as {server.Role}")
            : Finding.Fault("database", $"PostgreSQL {server.Version} is too old", "PostgreSQL 15 or newer"));
        Check(server.IsStandby, "database", "it is a standby, which can't be written", "name the primary in ConnectionStrings:Dunning");
        Check(server.Fsync == "off", "database", "fsync is off: a crash of its machine loses charges that were made", "alter system set fsync = on, then restart PostgreSQL");
        Check(server.Commits == "off", "database", "synchronous_commit is off: a crash loses the last charges", "alter system set synchronous_commit = on; select pg_reload_conf()");
        Check(server.Encoding != "UTF8", "database", $"its encoding is {server.Encoding}", "make it anew: createdb -E UTF8 dunning");
        findings.Add(await ClockAsync(connection, time, ct));
        findings.AddRange(await SchemaAsync(database, connection, settings, time, server.Role, ct));
        return findings;

        void Check(bool isWrong, string area, string says, string fix)
        {
            if (isWrong)
            {
                findings.Add(Finding.Fault(area, says, fix));
            }
        }
    }

    private static async Task<Finding> ClockAsync(NpgsqlConnection connection, TimeProvider time, CancellationToken ct)
    {
        var before = time.GetUtcNow();
        var there = await connection.ExecuteScalarAsync<DateTime>(new CommandDefinition("select clock_timestamp()", cancellationToken: ct));
        var after = time.GetUtcNow();
        // Read somewhere between the two.
        var skew = Duration.FromTimeSpan(new DateTimeOffset(there, TimeSpan.Zero) - (before + ((after - before) / 2)));
        return SkewFinding(skew);
    }

    /// <summary>What a difference of the clocks means.</summary>
    internal static Finding SkewFinding(Duration skew)
    {
        var size = skew < Duration.Zero ? -skew : skew;
        var says = string.Create(CultureInfo.InvariantCulture, $"the database's clock is {skew.TotalSeconds:+0.0;-0.0;0.0} s from this machine's");
        const string Fix = "let both be set by NTP (timedatectl set-ntp true)";
        return size >= Skew.Fault ? Finding.Fault("clock", says, Fix) : size >= Skew.Warning ? Finding.Warning("clock", says, Fix) : Finding.Ok("clock", says);
    }

    private static async Task<IReadOnlyList<Finding>> SchemaAsync(
        Database database, NpgsqlConnection connection, WorkerSettings settings, TimeProvider time, string role, CancellationToken ct)
    {
        try
        {
            await new Migrator(database.Source, time).CheckAsync(ct);
            await JobSchema.CheckAsync(connection, ct);
        }
        catch (SchemaException e)
        {
            return [settings.MigratesAtStart ? Finding.Warning("schema", e.Message, "'run' and 'migrate' bring it up to date") : Finding.Fault("schema", e.Message, "run 'migrate' as the schema's owner")];
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.InsufficientPrivilege)
        {
            return [Finding.Fault("schema", $"{role} may not read it: {e.MessageText}", "run deploy/postgres/roles.sql in the database")];
        }
        var findings = new List<Finding> { Finding.Ok("schema", "up to date") };
        var lacking = new List<string>();
        foreach (var (table, right) in s_needs)
        {
            if (!await connection.ExecuteScalarAsync<bool>(new CommandDefinition("select has_table_privilege(@table, @right)", new { table, right }, cancellationToken: ct)))
            {
                lacking.Add($"{right} on {table}");
            }
        }
        if (lacking.Count > 0)
        {
            findings.Add(Finding.Fault("rights", $"{role} lacks {string.Join(", ", lacking)}", "run deploy/postgres/roles.sql in the database, then use the role dunning_app"));
        }
        else if (settings.ConnectionString is not null && await connection.ExecuteScalarAsync<bool>(new CommandDefinition(
            "select has_table_privilege('dunning.event', 'delete') or pg_has_role((select relowner from pg_class where oid = 'dunning.event'::regclass), 'member')", cancellationToken: ct)))
        {
            findings.Add(Finding.Warning("rights", $"{role} may change the schema and the history", "use the role dunning_app of deploy/postgres/roles.sql, with Database:Migrate=false"));
        }
        else
        {
            findings.Add(Finding.Ok("rights", $"{role} has what it needs"));
        }
        return findings;
    }

    private sealed record Server(string Version, int Number, string Fsync, string Commits, bool IsStandby, string Role, int Connections, string Encoding);
}
