using System.Runtime.CompilerServices;
using Dapper;
using Dunning.Commands;
using Dunning.Hosting;
using Dunning.Tests.Jobs;
using Microsoft.Extensions.Configuration;
using Npgsql;

namespace Dunning.Tests.Postgres;

/// <summary>The roles of deploy/postgres/roles.sql: the service works as one that can neither change the schema nor its history.</summary>
[Collection(nameof(ServiceRig))]
public sealed class RolesTests
{
    private const string Password = "of-a-test";

    [Fact]
    public async Task The_service_runs_all_passes_as_a_role_that_cannot_change_schema_or_history()
    {
        await using var rig = await ServiceRig.NewAsync(accounts: 3, ("Jobs:TimeZone", "Etc/UTC"));
        // Twice: it is run again after each migrate.
        await RunScriptAsync(rig.ConnectionString);
        await RunScriptAsync(rig.ConnectionString);
        await using (var database = await Database.OpenAsync(Settings(rig, "dunning_owner"), default))
        {
            Assert.Empty(await MigrateCommand.MigrateAsync(database, TimeProvider.System, default));
        }

        var (configuration, settings) = (Configuration(rig, "dunning_app"), Settings(rig, "dunning_app"));
        await using (var database = await Database.OpenAsync(settings, default))
        {
            await using var service = await Service.StartAsync(database, settings, configuration, TimeProvider.System, default);
            await rig.WaitAsync(async () => await rig.ScalarAsync<long>("select count(*) from dunning.event where type = 'invoice.paid'") == 3);
            Assert.Equal(0, await CommandLine.RunAsync(["health", "--set", "Http:Urls=" + service.Addresses.Single()], TextWriter.Null, TextWriter.Null));
            await service.StopAsync();
            Assert.Equal(1, await CommandLine.RunAsync(["health", "--set", "Http:Urls=" + service.Addresses.Single()], TextWriter.Null, TextWriter.Null));
        }
        var (output, error) = (new StringWriter(), new StringWriter());
        foreach (var command in (string[][])[["pass", "all"], ["show", "a1"], ["housekeeping"], ["act", "a2", "credit", "--amount", "100", "--reason", "goodwill"]])
        {
            var code = await CommandLine.RunAsync(
                [.. command, "--set", "ConnectionStrings:Dunning=" + As(rig, "dunning_app"), "--set", "Mail:Pickup=" + rig.MailFolder], output, error);
            Assert.True(code == 0 || command[0] == "act", $"{string.Join(' ', command)}: {error}");
        }
        // By the passes of the command: the service's would wait for the next minute.
        Assert.Equal(3, await rig.ScalarAsync<long>("select count(*) from dunning.event where type = 'email.sent'"));

        await using var app = new NpgsqlConnection(As(rig, "dunning_app"));
        foreach (var refused in (string[])
        [
            "drop table dunning.event", "alter table dunning.event disable trigger all", "alter table dunning.account add column x int", "create table dunning.x (i int)",
            "create schema x", "create table public.x (i int)", "delete from dunning.event", "update dunning.event set type = 'x'", "truncate dunning.event",
            "select dunning.prune_events('2000-01-01', '2001-01-01', 10)", "delete from dunning.audit", "update dunning.audit set reason = 'x'", "delete from dunning.invoice", "update dunning.invoice set amount_due = 0",
            "delete from dunning.charge", "delete from dunning.account", "delete from dunning.migration", "insert into dunning.migration values (99, 'x', 'x', 1, now())",
            "drop schema dunning cascade", "set role dunning_owner", "set session_replication_role = replica", "alter role dunning_app superuser",
            "create or replace function dunning.refuse_change() returns trigger language plpgsql as 'begin return null; end'",
            "drop table hangfire.job", "copy (select 1) to program 'true'",
        ])
        {
            if (refused.Contains("hangfire", StringComparison.Ordinal) && BuildInfo.JobHost != "Hangfire")
            {
                continue;
            }
            var refusal = await Assert.ThrowsAsync<PostgresException>(() => app.ExecuteAsync(refused));
            Assert.True(refusal.SqlState is "42501", $"{refused}: {refusal.SqlState} {refusal.MessageText}");
        }
        // Erasing a person goes by the function that does nothing else.
        await app.ExecuteAsync("select dunning.erase_account('nobody')");

        // What the owner has allowed stays allowed when the script is run again, as after each migrate.
        await rig.ScalarAsync<int?>("grant execute on function dunning.prune_events(timestamptz, timestamptz, int) to dunning_app");
        await RunScriptAsync(rig.ConnectionString);
        await app.ExecuteAsync("select dunning.prune_events('2000-01-01', '2001-01-01', 10)");

        await using var report = new NpgsqlConnection(As(rig, "dunning_report"));
        Assert.Equal(3, await report.ExecuteScalarAsync<long>("select count(*) from dunning.receivable where state = 'paid'"));
        Assert.Equal(3, await report.ExecuteScalarAsync<long>("select count(amount_due) from dunning.invoice"));
        foreach (var refused in (string[])
        [
            "select email from dunning.contact", "select token from dunning.payment_method", "select * from dunning.account", "select * from dunning.link_key", "select buyer from dunning.invoice",
            "select * from dunning.webhook", "select * from dunning.document", "update dunning.receivable set state = 'paid'", "select dunning.erase_account('a1')",
        ])
        {
            var refusal = await Assert.ThrowsAsync<PostgresException>(() => report.ExecuteAsync(refused));
            Assert.True(refusal.SqlState is "42501" or "25006", $"{refused}: {refusal.SqlState} {refusal.MessageText}");
        }
    }

    [Fact]
    public async Task An_empty_database_is_migrated_by_the_owner_and_used_at_once()
    {
        var connectionString = await TestServer.NewDatabaseAsync();
        await RunScriptAsync(connectionString);
        var owner = new ConfigurationBuilder().AddInMemoryCollection([new("ConnectionStrings:Dunning", As(connectionString, "dunning_owner"))]).Build();
        await using (var database = await Database.OpenAsync(WorkerSettings.Read(owner).Settings!, default))
        {
            Assert.NotEmpty(await MigrateCommand.MigrateAsync(database, TimeProvider.System, default));
        }
        foreach (var command in (string[][])[["import", Path.Combine(AppContext.BaseDirectory, "books", "tour"), "--allow-overdue", "--skip-missed"], ["pass", "reconcile"]])
        {
            var error = new StringWriter();
            var code = await CommandLine.RunAsync([.. command, "--set", "ConnectionStrings:Dunning=" + As(connectionString, "dunning_app")], TextWriter.Null, error);
            Assert.True(code == 0, error.ToString());
        }
    }

    private static IConfiguration Configuration(ServiceRig rig, string role) => new ConfigurationBuilder().AddConfiguration(rig.Configuration)
        .AddInMemoryCollection([new("ConnectionStrings:Dunning", As(rig, role)), new("Database:Migrate", "false")]).Build();

    private static WorkerSettings Settings(ServiceRig rig, string role) => WorkerSettings.Read(Configuration(rig, role)).Settings!;

    private static string As(ServiceRig rig, string role) => As(rig.ConnectionString, role);

    private static string As(string connectionString, string role) =>
        new NpgsqlConnectionStringBuilder(connectionString) { Username = role, Password = Password }.ConnectionString;

    private static async Task RunScriptAsync(string connectionString)
    {
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync();
        // Not through Dapper, which would read its colons.
        await using var script = new NpgsqlCommand(await File.ReadAllTextAsync(Path.Combine(Root(), "deploy", "postgres", "roles.sql")), connection);
        await script.ExecuteNonQueryAsync();
        foreach (var role in (string[])["dunning_owner", "dunning_app", "dunning_report"])
        {
            await connection.ExecuteAsync($"alter role {role} password '{Password}'");
        }
    }

    private static string Root([CallerFilePath] string here = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "..", ".."));
}
