using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Dunning.Hosting;
using Dunning.Jobs;

namespace Dunning.Tests.Jobs;

/// <summary>Alone in the process while it runs: how long a stop takes is the service's doing then, and not that of tests beside it.</summary>
[CollectionDefinition(nameof(ServiceTests), DisableParallelization = true)]
public sealed class StopCollection;

[Collection(nameof(ServiceTests))]
public sealed class ServiceTests
{
    [Fact]
    public async Task It_renews_what_is_due_tells_how_it_fares_and_stops()
    {
        await using var rig = await ServiceRig.NewAsync(accounts: 3, ("Jobs:Mail:Cron", "0 3 1 1 *"), ("Jobs:Renew:Cron", "0 3 1 1 *"));
        await using var service = await rig.StartAsync();
        using var http = new HttpClient { BaseAddress = new Uri(Assert.Single(service.Addresses)) };

        await rig.WaitAsync(async () => await rig.ScalarAsync<long>("select count(*) from dunning.event where type = 'invoice.paid'") == 3);
        // On a busy machine the database may not answer within the seconds that the page has.
        await rig.WaitAsync(async () => (await http.GetAsync("/health")).IsSuccessStatusCode);
        var health = await http.GetFromJsonAsync<JsonElement>("/health");

        Assert.Equal("ok", health.GetProperty("status").GetString());
        Assert.Equal(BuildInfo.JobHost, health.GetProperty("job_host").GetString());
        Assert.True(health.GetProperty("database").GetProperty("is_reachable").GetBoolean());
        Assert.Equal(
            JobSettings.Passes.Select(PassJobs.NameOf),
            health.GetProperty("passes").EnumerateArray().Select(p => p.GetProperty("pass").GetString()));
        await rig.WaitAsync(async () => (await http.GetFromJsonAsync<JsonElement>("/health")).GetProperty("passes").EnumerateArray()
            .Where(p => p.GetProperty("pass").GetString() == "renew")
            .All(p => p.GetProperty("accounts").GetInt32() == 3 && !p.GetProperty("has_failed").GetBoolean()));
        Assert.Equal("live", await http.GetStringAsync("/health/live"));
        Assert.Equal(HttpStatusCode.OK, (await http.GetAsync("/health/ready")).StatusCode);

        var started = TimeProvider.System.GetTimestamp();
        Assert.True(await service.StopAsync());
        Assert.InRange(TimeProvider.System.GetElapsedTime(started), TimeSpan.Zero, TimeSpan.FromSeconds(15));
        Assert.Equal(0, await rig.ScalarAsync<long>("select count(*) from dunning.charge where state = 'in_flight'"));
        Assert.Equal(3, await rig.ScalarAsync<long>("select count(*) from sandbox.call"));
    }

    [Fact]
    public async Task What_is_under_way_when_it_stops_lands_and_is_saved()
    {
        await using var rig = await ServiceRig.NewAsync(
            accounts: 40, ("Payments:Sandbox:LatencyMs", "1500"), ("Passes:BatchSize", "10"), ("Passes:Concurrency", "5"));
        await using var service = await rig.StartAsync();

        await rig.WaitAsync(async () => await rig.ScalarAsync<long>("select count(*) from dunning.charge where state = 'in_flight'") > 0);
        Assert.True(await service.StopAsync());

        Assert.Equal(0, await rig.ScalarAsync<long>("select count(*) from dunning.charge where state = 'in_flight'"));
        Assert.InRange(await rig.ScalarAsync<long>("select count(*) from dunning.charge where state = 'succeeded'"), 1, 39);
        Assert.Equal(
            await rig.ScalarAsync<long>("select count(*) from sandbox.call"),
            await rig.ScalarAsync<long>("select count(*) from dunning.charge where state = 'succeeded'"));
    }

    [Fact]
    public async Task Without_its_database_it_says_so_and_still_stops()
    {
        await using var rig = await ServiceRig.NewAsync(accounts: 1);
        await using var service = await rig.StartAsync();
        using var http = new HttpClient { BaseAddress = new Uri(Assert.Single(service.Addresses)) };
        await rig.WaitAsync(async () => await rig.ScalarAsync<long>("select count(*) from dunning.event where type = 'invoice.paid'") == 1);
        // A pass that may take longer now is not killed for it.
        service.Reload(rig.Settings with { Limits = rig.Settings.Limits with { Budget = NodaTime.Duration.FromHours(1) } });
        Assert.InRange(service.Patience, TimeSpan.FromHours(2), TimeSpan.FromHours(3));

        await rig.DropDatabaseAsync();

        var answer = await http.GetAsync("/health");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.Contains("database unreachable", await answer.Content.ReadAsStringAsync());
        Assert.Equal(HttpStatusCode.OK, (await http.GetAsync("/health/live")).StatusCode);
        // A restart would not bring the database back.
        Assert.True(await service.IsAliveAsync(default));
        var started = TimeProvider.System.GetTimestamp();
        await service.StopAsync();
        Assert.InRange(TimeProvider.System.GetElapsedTime(started), TimeSpan.Zero, TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task An_address_in_use_is_told_in_a_line()
    {
        await using var rig = await ServiceRig.NewAsync(accounts: 1, ("Jobs:RunAtStart", "false"));
        await using var service = await rig.StartAsync();

        var (code, _, error) = await rig.CommandAsync("run", "--set", "Http:Urls=" + service.Addresses.Single());

        Assert.Equal(2, code);
        Assert.Contains("can't listen on Http:Urls (http://127.0.0.1:", error);
        Assert.Single(error.Trim().Split('\n'));
    }

    [Fact]
    public async Task A_database_without_a_schema_is_refused_when_it_may_not_make_one()
    {
        await using var rig = await ServiceRig.NewAsync(accounts: 1);
        await rig.ScalarAsync<string?>("drop schema dunning cascade; select null::text");

        var (code, _, error) = await rig.CommandAsync("run", "--set", "Database:Migrate=false", "--set", "Http:Urls=http://127.0.0.1:0");

        Assert.Equal((2, true), (code, error.Contains("run 'dunning migrate'", StringComparison.Ordinal)));
    }
}
