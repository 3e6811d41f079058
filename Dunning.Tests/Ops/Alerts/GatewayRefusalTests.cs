using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json;
using Dunning.Hosting;
using Dunning.Jobs;
using Dunning.Passes;
using Dunning.Postgres;
using Dunning.Tests.Gateways.StripeStandIn;
using Dunning.Tests.Jobs;
using Dunning.Tests.Ops.SignIn;
using Microsoft.Extensions.Logging.Abstractions;
using NodaTime;

namespace Dunning.Tests.Ops.Alerts;

/// <summary>A key that was revoked: the real adapter is answered 401, operators are told, and once more when charges go out again.</summary>
[Collection(nameof(ServiceRig))]
public sealed class GatewayRefusalTests : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("dunning-refusal-").FullName;
    private StandIn _stripe = null!;

    private static readonly (string, string)[] s_noPasses = [.. JobSettings.Passes.Select(p => ($"Jobs:{p}:Cron", "off"))];

    private (string, string)[] Keys =>
    [
        ("Payments:Gateway", "stripe"), ("Payments:Stripe:BaseUrl", _stripe.Url.ToString()),
        ("Payments:Stripe:SecretKey", StandIn.SecretKey), ("Environment:File", Path.Combine(_folder, "environment.json")),
    ];

    public async Task InitializeAsync() => _stripe = await StandIn.StartAsync(() => Instant.FromDateTimeOffset(TimeProvider.System.GetUtcNow()));

    public async Task DisposeAsync()
    {
        await _stripe.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task It_is_told_after_three_runs_and_taken_back_when_a_charge_is_answered()
    {
        await using var rig = await AlertRig.NewAsync(2, null, [.. s_noPasses, .. Keys]);
        Revoke();
        await PassAsync(rig);
        for (var run = 0; run < 2; run++)
        {
            Assert.Empty(await rig.TellAsync());
            rig.Time.Ahead += TimeSpan.FromMinutes(1);
            Assert.Equal("Stripe answers 401 api_key_invalid", (await PassAsync(rig)).StoppedBy);
        }

        Assert.Equal(["raised gateway_refuses"], await rig.TellAsync());
        Assert.Empty(await rig.TellAsync());
        var told = JsonDocument.Parse(rig.Sink.Taken.Last().Body).RootElement;
        Assert.Equal(("critical", "https://127.0.0.1:9/ops"), (told.GetProperty("severity").GetString(), told.GetProperty("page").GetString()));
        Assert.StartsWith("The gateway refuses our key (401): Stripe answers 401 api_key_invalid. Nothing has been charged for ", told.GetProperty("summary").GetString(), StringComparison.Ordinal);
        // A run with nothing to charge says nothing of the key.
        await rig.Engine.RunAsync(PassKind.Purge, default);
        Assert.Empty(await rig.TellLaterAsync());

        Restore();
        Assert.Null((await PassAsync(rig)).StoppedBy);
        Assert.Equal(["resolved gateway_refuses"], await rig.TellLaterAsync());
    }

    [Fact]
    public async Task One_refusal_is_told_after_ten_minutes_though_nothing_more_is_due()
    {
        await using var rig = await AlertRig.NewAsync(1, null, [.. s_noPasses, .. Keys]);
        Revoke();
        var worker = new PassWorker((pass, onSaved, ct) => rig.Engine.RunAsync(pass, ct, onSaved: onSaved), new NoHelpers(), rig.Time, NullLogger<PassWorker>.Instance,
            new PostgresPassLog(rig.Rig.Database.Source, "s1", NullLogger<PostgresPassLog>.Instance));
        await worker.RunAsync(PassKind.Renew, default);
        // What the page Passes shows.
        Assert.Equal("refused Stripe answers 401 api_key_invalid", await rig.Rig.ScalarAsync<string>("select outcome || ' ' || error from dunning.pass_run"));
        Assert.Empty(await rig.TellAsync());
        rig.Time.Ahead += TimeSpan.FromMinutes(10);
        Assert.Equal(["raised gateway_refuses"], await rig.TellAsync());
    }

    [Fact]
    public async Task An_outage_by_refusals_says_so()
    {
        await using var rig = await AlertRig.NewAsync(6, null, [.. s_noPasses, .. Keys, ("Payments:Outage:Failures", "2"), ("Passes:Concurrency", "1")]);
        Revoke();
        await PassAsync(rig);
        rig.Time.Ahead += TimeSpan.FromMinutes(1);
        await PassAsync(rig);
        rig.Time.Ahead += TimeSpan.FromMinutes(6);
        Assert.Equal(["raised gateway_out"], await rig.TellAsync());
        Assert.Contains(" minutes: it refuses our key (401): Stripe answers 401 api_key_invalid.", rig.Sink.Taken.Last().Body, StringComparison.Ordinal);

        Restore();
        await PassAsync(rig);
        Assert.Equal(["resolved gateway_out"], await rig.TellLaterAsync());
        Assert.Equal(0, await rig.Rig.ScalarAsync<long>("select count(*) from dunning.gateway_refusal"));
    }

    [Fact]
    public async Task The_pages_health_and_show_name_the_reason()
    {
        await using var ops = await OpsRig.NewAsync(hasUsers: true, 1, Keys);
        using var http = new HttpClient { BaseAddress = ops.Url };
        using var browser = await ops.SignInAsync("viewer");
        Assert.Contains("<li class=\"tile good\"><h3>Payment gateway</h3>", await browser.TextAsync("/ops"), StringComparison.Ordinal);
        Revoke();
        await CommandAsync(ops, "pass", "all");

        var overview = await browser.TextAsync("/ops");
        Assert.Matches("<li class=\"tile bad\"><h3>Payment gateway</h3><p>It refuses us; nothing is charged\\. Since [^.]+\\. The gateway refuses our key \\(401\\)\\. <span class=\"soft\">Stripe answers 401 api_key_invalid</span>", overview);
        Assert.Contains("the gateway refused the request of its first attempt", await browser.TextAsync("/ops/account?id=a1"), StringComparison.Ordinal);
        Assert.Contains("the gateway refused the request of its first attempt", await CommandAsync(ops, "show", "a1"), StringComparison.Ordinal);
        var health = await http.GetFromJsonAsync<JsonElement>("/health");
        Assert.Equal(("gateway refuses", "Stripe answers 401 api_key_invalid"), (health.GetProperty("status").GetString(), health.GetProperty("gateway_reason").GetString()));

        Restore();
        // The next pass comes a minute later.
        await ops.Rig.ScalarAsync<int?>("update dunning.receivable set attempted_at = attempted_at - interval '1 hour'; update dunning.due set at = at - interval '1 hour'");
        await CommandAsync(ops, "pass", "all");
        Assert.Contains("<li class=\"tile good\"><h3>Payment gateway</h3>", await browser.TextAsync("/ops"), StringComparison.Ordinal);
        Assert.DoesNotContain("refused the request", await CommandAsync(ops, "show", "a1"), StringComparison.Ordinal);
        Assert.Equal("ok", (await http.GetFromJsonAsync<JsonElement>("/health")).GetProperty("status").GetString());
    }

    private sealed class NoHelpers : IHelpers
    {
        public Task CallAsync(PassKind pass, CancellationToken ct) => Task.CompletedTask;
    }

    private void Revoke() => _stripe.Keys.TryRemove(StandIn.SecretKey, out _);

    private void Restore() => _stripe.Keys[StandIn.SecretKey] = "acct_standin";

    private static Task<PassReport> PassAsync(AlertRig rig) => rig.Engine.RunAsync(PassKind.All, default);

    private async Task<string> CommandAsync(OpsRig ops, params string[] args)
    {
        var (code, output, error) = await ops.Rig.CommandAsync([.. args, .. Keys.SelectMany(k => new[] { "--set", string.Create(CultureInfo.InvariantCulture, $"{k.Item1}={k.Item2}") })]);
        Assert.True(code is 0 or 1, error);
        return output;
    }
}
