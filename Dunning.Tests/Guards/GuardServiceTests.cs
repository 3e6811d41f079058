using System.Net;
using System.Text.Json;
using Dunning.Tests.Jobs;

namespace Dunning.Tests.Guards;

/// <summary>A guard that trips in the running service, as operators see and end it.</summary>
[Collection(nameof(ServiceRig))]
public sealed class GuardServiceTests
{
    [Fact]
    public async Task A_trip_is_on_the_health_page_and_a_command_ends_it()
    {
        (string, string)[] keys = [("Guards:Mails:Count", "1"), ("Guards:Mails:Percent", "0"), ("Jobs:RunAtStart", "false"), ("Jobs:Mail:Cron", "off")];
        await using var rig = await ServiceRig.NewAsync(accounts: 3, keys);
        string[] set = ["--set", "Mail:Pickup=" + rig.MailFolder, .. keys.SelectMany(k => new[] { "--set", $"{k.Item1}={k.Item2}" })];
        Assert.Equal(0, (await rig.CommandAsync(["pass", "all", .. set])).Code);
        Assert.Equal(3, await rig.ScalarAsync<long>("select count(*) from dunning.receivable where state = 'paid'"));
        Assert.Equal(1, await SentAsync(rig));
        await using var service = await rig.StartAsync();
        using var http = new HttpClient { BaseAddress = new Uri(service.Addresses.First()) };

        using (var answer = await http.GetAsync("/health"))
        {
            // It works as it should: who takes it away from the load helps nobody.
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            var health = JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement;
            Assert.Equal("guard tripped", health.GetProperty("status").GetString());
            Assert.Equal(["mails"], health.GetProperty("guards_tripped").EnumerateArray().Select(k => k.GetString()!));
        }
        var (code, output, _) = await rig.CommandAsync(["guard", "list", .. set]);
        Assert.Equal(1, code);
        Assert.Matches("mails +1 of 1 in 24 hours; tripped at .*, [23] were wanted", output);

        Assert.Equal(0, (await rig.CommandAsync(["guard", "approve", "mails", "--reason", "checked", "--by", "anna", .. set])).Code);
        Assert.Equal(0, (await rig.CommandAsync(["pass", "mail", .. set])).Code);
        Assert.Equal(2, await SentAsync(rig));
        Assert.Equal("anna checked", await rig.ScalarAsync<string>("select approved_by || ' ' || approved_reason from dunning.guard_trip where approved_at is not null"));
        Assert.Equal(1, (await rig.CommandAsync(["guard", "approve", "purges", "--reason", "checked", .. set])).Code);
        Assert.NotEqual(0, (await rig.CommandAsync(["guard", "approve", "mails", .. set])).Code); // without a reason
    }

    [Fact]
    public async Task A_dry_run_of_purges_and_housekeeping_change_nothing_that_is_young()
    {
        await using var rig = await ServiceRig.NewAsync(accounts: 1);
        await rig.ScalarAsync<object>(
            "update dunning.account set access = 'suspended', suspended_on = current_date - 90, suspended_at = now(), purge_on = current_date + 3 returning 1");

        var (code, output, error) = await rig.CommandAsync("pass", "purge", "--dry-run", "--within", "10d");
        Assert.Equal(0, code);
        Assert.Matches("^a1: purge on .*: suspended since .*, 0 unpaid invoices of 0.00 EUR", output);
        Assert.Contains("nothing was done; 0 now, 1 later, 0 wait for something", error, StringComparison.Ordinal);
        Assert.Equal("", (await rig.CommandAsync("pass", "purge", "--dry-run")).Output);
        Assert.Equal("purge", JsonDocument.Parse((await rig.CommandAsync("pass", "purge", "--dry-run", "--within", "10d", "--json")).Output).RootElement[0].GetProperty("does").GetString());
        Assert.NotEqual(0, (await rig.CommandAsync("pass", "renew", "--dry-run")).Code);
        Assert.NotEqual(0, (await rig.CommandAsync("pass", "purge", "--dry-run", "--within", "10")).Code);

        Assert.Contains("outbox", (await rig.CommandAsync("housekeeping", "--dry-run")).Output, StringComparison.Ordinal);
        Assert.Equal(0, await rig.ScalarAsync<long>("select count(*) from dunning.housekeeping_run"));
        Assert.Equal(0, (await rig.CommandAsync("housekeeping")).Code);
        Assert.Equal(1, await rig.ScalarAsync<long>("select count(*) from dunning.housekeeping_run where ended_at is not null and error is null"));
        Assert.Equal(1, await rig.ScalarAsync<long>("select count(*) from dunning.account where name <> ''"));
    }

    private static Task<long> SentAsync(ServiceRig rig) => rig.ScalarAsync<long>("select count(*) from dunning.outbox where state = 'accepted'");
}
