using Dunning.Commands;
using Dunning.Tests.Gateways;
using Dunning.Tests.Gateways.StripeStandIn;
using Dunning.Tests.Postgres;
using Npgsql;

namespace Dunning.Tests.Commands;

/// <summary>What an operator types after a backup was restored, from the refusal to the first pass.</summary>
public sealed class GatewayCommandTests
{
    [Fact]
    public async Task A_restored_backup_is_refused_reconciled_confirmed_and_run()
    {
        await using var live = await LiveStripe.NewAsync(3);
        live.Time.Advance(TimeProvider.System.GetUtcNow() - live.Time.GetUtcNow());
        Assert.Equal(0, (await RunAsync(live, live.ConnectionString, "pass", "endaccess")).Code);
        NpgsqlConnection.ClearAllPools();
        var backup = await TestServer.NewDatabaseAsync(new NpgsqlConnectionStringBuilder(live.ConnectionString).Database);
        var before = await RunAsync(live, live.ConnectionString, "pass", "all");
        Assert.Contains("3 charge.succeeded", before.Output, StringComparison.Ordinal);
        Assert.Equal((0, ""), ((await RunAsync(live, live.ConnectionString, "environment", "show")).Code, before.Error));
        Assert.EndsWith("3 charges at the gateway, 3 here; no difference", (await RunAsync(live, live.ConnectionString, "gateway", "reconcile")).Output.Trim(), StringComparison.Ordinal);

        var refused = await RunAsync(live, backup, "pass", "all");
        Assert.Equal(2, refused.Code);
        Assert.Contains("nothing is charged or mailed until an operator confirms this database", refused.Error, StringComparison.Ordinal);
        Assert.Equal(2, (await RunAsync(live, backup, "run")).Code);
        var shown = await RunAsync(live, backup, "environment", "show");
        Assert.Equal(1, shown.Code);
        Assert.Contains("acct_standin", shown.Output, StringComparison.Ordinal);
        Assert.Contains("differs: this database is older than what was done with it", shown.Output, StringComparison.Ordinal);
        var early = await RunAsync(live, backup, "environment", "confirm");
        Assert.Equal((1, "first bring in every charge that the gateway knows and this database doesn't: gateway reconcile --adopt"), (early.Code, early.Error.Trim()));

        var seen = await RunAsync(live, backup, "gateway", "reconcile");
        Assert.Equal(1, seen.Code);
        Assert.Equal(3, seen.Output.Split('\n').Count(l => l.StartsWith("missing here: dun_", StringComparison.Ordinal) && l.Contains("there succeeded 17.99 EUR (pi_", StringComparison.Ordinal)));
        // A span that leaves out what may have been lost is no ground for a word.
        Assert.Equal(0, (await RunAsync(live, backup, "gateway", "reconcile", "--adopt", "--from", "2026-01-01", "--to", "2026-01-02")).Code);
        Assert.Equal(1, (await RunAsync(live, backup, "environment", "confirm")).Code);
        var adopted = await RunAsync(live, backup, "gateway", "reconcile", "--adopt");
        Assert.Equal(0, adopted.Code);
        Assert.EndsWith("3 charges at the gateway, 0 here, 3 brought in; no difference", adopted.Output.Trim(), StringComparison.Ordinal);
        Assert.Equal(0, (await RunAsync(live, backup, "environment", "confirm")).Code);

        var after = await RunAsync(live, backup, "pass", "all");
        Assert.Contains("3 charge.succeeded", after.Output, StringComparison.Ordinal);
        Assert.Equal(3, live.Stripe.Intents.Count);
        Assert.Equal(0, (await RunAsync(live, backup, "gateway", "reconcile", "--json")).Code);
        // The database that it was made from is the older one now.
        Assert.Equal(2, (await RunAsync(live, live.ConnectionString, "pass", "all")).Code);
    }

    [Theory]
    [InlineData("--from", "yesterday", "--from is 'yesterday', but must be a date or an instant, such as 2026-03-01 or 2026-03-01T08:00:00Z")]
    [InlineData("--from", "2099-01-01", "--from (2099-01-01T00:00:00Z) must lie before --to")]
    public async Task Wrong_spans_are_told(string option, string value, string message)
    {
        await using var live = await LiveStripe.NewAsync(0);
        var (code, _, error) = await RunAsync(live, live.ConnectionString, "gateway", "reconcile", option, value);
        Assert.Equal(2, code);
        Assert.Contains(message, error, StringComparison.Ordinal);
    }

    private static async Task<(int Code, string Output, string Error)> RunAsync(LiveStripe live, string connectionString, params string[] args)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        string[] settings =
        [
            "ConnectionStrings:Dunning=" + connectionString, "Payments:Gateway=stripe", "Payments:Stripe:SecretKey=" + StandIn.SecretKey,
            "Payments:Stripe:BaseUrl=" + live.Stripe.Url, "Environment:File=" + live.EnvironmentFile, "Mail:Pickup=" + live.MailFolder, "Http:Urls=http://127.0.0.1:0",
        ];
        var code = await CommandLine.RunAsync([.. args, .. settings.SelectMany(s => new[] { "--set", s })], output, error);
        return (code, output.ToString().ReplaceLineEndings("\n"), error.ToString().ReplaceLineEndings("\n"));
    }
}
