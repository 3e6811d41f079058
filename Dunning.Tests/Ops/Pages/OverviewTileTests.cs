using System.Text.RegularExpressions;
using Dunning.Tests.Jobs;
using Dunning.Tests.Ops.SignIn;

namespace Dunning.Tests.Ops.Pages;

/// <summary>The overview's tiles turn as things get worse.</summary>
[Collection(nameof(ServiceRig))]
public sealed class OverviewTileTests
{
    [Theory]
    [InlineData("select 1", "good", "\\d+ s")]
    [InlineData("update dunning.outbox set decided_at = now() - interval '1230 seconds'", "warn", "20 min")]
    [InlineData(
        "insert into dunning.alert (key, rule, severity, summary, page, raised_at, last_seen_at, told_at) values ('mail_stuck', 'mail_stuck', 'critical', 'x', '/ops/mails', now(), now(), now())",
        "bad", "\\d+ s")]
    [InlineData("insert into dunning.guard_trip (kind, tripped_at, allowed, wanted) values ('mails', now(), 50, 80)", "bad", "\\d+ s")]
    public async Task Mails_that_wait(string cause, string kind, string age)
    {
        await using var ops = await OpsRig.NewAsync(hasUsers: true);
        // Its mails are decided, and no pass lets them leave.
        Assert.Equal(0, (await ops.Rig.CommandAsync("pass", "renew")).Code);
        await ops.Rig.ScalarAsync<int?>("update dunning.outbox set state = 'pending', settled_at = null, next_try_at = now()");
        Assert.Equal(1, await ops.Rig.ScalarAsync<long>("select count(*) from dunning.outbox where state = 'pending'"));
        await ops.Rig.ScalarAsync<int?>(cause);
        using var browser = await ops.SignInAsync("viewer");
        var page = await browser.TextAsync("/ops");
        var tile = page[page.IndexOf("<h3>Mails</h3>", StringComparison.Ordinal)..];
        Assert.Matches($"^{age}$", Regex.Match(tile, ">1 waiting</a> \\(the oldest for ([^)]+)\\)").Groups[1].Value);
        Assert.Contains($"<li class=\"tile {kind}\"><h3>Mails</h3>", page, StringComparison.Ordinal);
    }
}
