using System.Diagnostics;
using System.Text.Json;
using Dapper;
using Dunning.Commands;
using Dunning.Postgres.Embedded;
using Dunning.Tests.Gateways;
using Dunning.Tests.Postgres;
using Npgsql;

namespace Dunning.Tests.Commands;

/// <summary>The drill of docs/backup.md: a dump that was taken while passes ran, restored, and pointed at live keys.</summary>
public sealed class BackupDrillTests
{
    private const string LiveKey = "sk_live_51StandInStandInStandIn";

    [Fact]
    public async Task A_backup_restored_and_pointed_at_live_keys_charges_nothing_until_somebody_confirms()
    {
        var binaries = await PostgresBinaries.FindAsync();
        var folder = new[] { binaries!.Folder, $"/usr/lib/postgresql/{binaries.Major}/bin", "/usr/bin" }.FirstOrDefault(f => File.Exists(Path.Combine(f, "pg_dump")));
        if (folder is null)
        {
            // Other sources of PostgreSQL's server programs than a system's packages bring no pg_dump.
            return;
        }
        await using var live = await LiveStripe.NewAsync(3);
        live.Time.Advance(TimeProvider.System.GetUtcNow() - live.Time.GetUtcNow());
        live.Stripe.Keys[LiveKey] = "acct_standin";
        await using (var connection = new NpgsqlConnection(live.ConnectionString))
        {
            await connection.ExecuteAsync("update dunning.setting set value = 'stripe live' where key = 'gateway'");
        }
        Assert.Equal(0, (await RunAsync(live, live.ConnectionString, "pass", "endaccess")).Code);

        var file = Path.GetTempFileName();
        try
        {
            await CallAsync(Path.Combine(folder, "pg_dump"), live.ConnectionString, "-Fc", "-f", file);
            Assert.Contains("3 charge.succeeded", (await RunAsync(live, live.ConnectionString, "pass", "all")).Output, StringComparison.Ordinal);
            var restored = await TestServer.NewDatabaseAsync();
            await CallAsync(Path.Combine(folder, "pg_restore"), restored, "--no-owner", file);
            var requests = live.Stripe.Requests.Count(r => r.Method == "POST");

            foreach (var command in (string[][])[["pass", "all"], ["pass", "renew"], ["run"]])
            {
                var (code, _, error) = await RunAsync(live, restored, command);
                Assert.Equal(2, code);
                Assert.Contains("nothing is charged or mailed until an operator confirms this database", error, StringComparison.Ordinal);
            }
            Assert.Equal(3, live.Stripe.Intents.Count);
            Assert.Equal(requests, live.Stripe.Requests.Count(r => r.Method == "POST"));

            var (wanting, findings, _) = await RunAsync(live, restored, "doctor", "--json");
            var finding = Assert.Single(JsonDocument.Parse(findings).RootElement.EnumerateArray(), f => f.GetProperty("area").GetString() == "environment");
            Assert.Equal((1, "fault", "gateway reconcile --adopt, then environment confirm"), (wanting, finding.GetProperty("level").GetString(), finding.GetProperty("fix").GetString()));

            Assert.Equal(0, (await RunAsync(live, restored, "gateway", "reconcile", "--adopt")).Code);
            Assert.Equal(0, (await RunAsync(live, restored, "environment", "confirm")).Code);
            Assert.Contains("3 charge.succeeded", (await RunAsync(live, restored, "pass", "all")).Output, StringComparison.Ordinal);
            // They were what had been charged before: nothing was charged again.
            Assert.Equal(3, live.Stripe.Intents.Count);
        }
        finally
        {
            File.Delete(file);
        }
    }

    private static async Task CallAsync(string program, string connectionString, params string[] arguments)
    {
        var builder = new NpgsqlConnectionStringBuilder(connectionString);
        var start = new ProcessStartInfo(program, ["-h", builder.Host!, "-p", builder.Port.ToString(), "-U", builder.Username!, "-d", builder.Database!, .. arguments])
        {
            RedirectStandardError = true,
        };
        start.Environment["PGPASSWORD"] = builder.Password;
        using var process = Process.Start(start)!;
        var error = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(60));
        Assert.True(process.ExitCode == 0, error);
    }

    private static async Task<(int Code, string Output, string Error)> RunAsync(LiveStripe live, string connectionString, params string[] args)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        string[] settings =
        [
            "ConnectionStrings:Dunning=" + connectionString, "Payments:Gateway=stripe", "Payments:Stripe:SecretKey=" + LiveKey, "Mail:AllowPickup=true",
            "Payments:Stripe:BaseUrl=" + live.Stripe.Url, "Environment:File=" + live.EnvironmentFile, "Mail:Pickup=" + live.MailFolder, "Http:Urls=http://127.0.0.1:0",
        ];
        var code = await CommandLine.RunAsync([.. args, .. settings.SelectMany(s => new[] { "--set", s })], output, error);
        return (code, output.ToString().ReplaceLineEndings("\n"), error.ToString().ReplaceLineEndings("\n"));
    }
}
