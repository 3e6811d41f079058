using System.Text.Json;
using Dapper;
using Dunning.Commands;
using Dunning.Model;
using Dunning.Ops;
using Dunning.Rules;
using Dunning.Tests.Faults;

namespace Dunning.Tests.Guards;

/// <summary>What a guard holds back is said to be held, by which guard and since when, and not to be due at the next pass.</summary>
public sealed class HeldBackTests
{
    private const string Declines = "sandbox_decline_insufficient_funds";
    private const string Since = "since Tue 3 March 2026, 09:00";

    [Fact]
    public async Task A_suspension_that_waits_for_an_operator_says_so_until_one_approves()
    {
        await using var rig = await GuardRig.NewAsync(
            [Population.Account(1, Declines), Population.Account(2, Declines)], ("Guards:Suspensions:Count", "1"), ("Guards:Suspensions:Percent", "0"));
        var server = await rig.ServerAsync();
        await rig.DaysAsync(1, server);
        var id = "a00002";
        Assert.DoesNotContain("held by the guard", await TextAsync(rig, id), StringComparison.Ordinal);
        rig.Time.Advance(TimeSpan.FromDays(1));
        await GuardRig.RunAsync(server);
        id = await rig.ScalarAsync<string>("select account_id from dunning.receivable where state = 'open' and not case_exhausted");

        // An hour later, and it still waits.
        rig.Time.Advance(TimeSpan.FromHours(1));
        var text = await TextAsync(rig, id);
        Assert.Matches("waits +dunning step 2 of 2: 17.99 EUR", text);
        Assert.Contains($"; held by the guard of suspensions {Since}: look at what waits, then 'dunning guard approve suspensions --reason …'", text, StringComparison.Ordinal);
        Assert.Contains($"    held by the guard of suspensions {Since}: its last attempt is not made", text, StringComparison.Ordinal);
        Assert.DoesNotContain("at the next pass               dunning step", text, StringComparison.Ordinal);
        Assert.DoesNotContain("if nothing is paid", text, StringComparison.Ordinal);
        using (var json = JsonDocument.Parse(AccountJson.Write(await PageAsync(rig, id), 1)))
        {
            var step = json.RootElement.GetProperty("next").EnumerateArray().Single(n => n.GetProperty("kind").GetString() == "step");
            Assert.Equal((null, "suspensions", "2026-03-03T08:00:00Z"),
                (step.GetProperty("at").GetString(), step.GetProperty("guard").GetString(), step.GetProperty("held_since").GetString()));
            Assert.Equal("guard", step.GetProperty("waits_for")[0].GetString());
            Assert.Equal("2026-03-03T08:00:00Z", json.RootElement.GetProperty("unpaid")[0].GetProperty("case").GetProperty("held_since").GetString());
        }

        Assert.True(await server.Guards.ApproveAsync(GuardKinds.Suspensions, new Mandate("alice", "checked"), default));
        Assert.Matches("at the next pass +dunning step 2 of 2", await TextAsync(rig, id));
        Assert.DoesNotContain("held by the guard", await TextAsync(rig, id), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_a_guard_does_not_hold_back_goes_on_and_is_told_as_ever()
    {
        await using var rig = await GuardRig.NewAsync([Population.Account(1, Declines), Population.Account(2, "sandbox_ok", renewsInDays: 9)]);
        var server = await rig.ServerAsync();
        await rig.DaysAsync(0, server);
        await TripAsync(rig, "suspensions", "purges", "mails");

        // The warning's step on the next day suspends nobody.
        rig.Time.Advance(TimeSpan.FromDays(1));
        Assert.Matches("at the next pass +dunning step 1 of 2", await TextAsync(rig, "a00001"));
        Assert.Matches(@"Tue 10 March 2026, 09:00 +\S+ renews", await TextAsync(rig, "a00002"));
    }

    [Fact]
    public async Task Purges_and_mails_that_wait_say_so_too()
    {
        await using var rig = await GuardRig.NewAsync([Population.Account(1, Declines), Population.Account(2, Declines)]);
        var server = await rig.ServerAsync();
        await rig.DaysAsync(2, server);
        await using (var connection = await rig.Database.Source.OpenConnectionAsync())
        {
            await connection.ExecuteAsync(
                """
                update dunning.account set purge_on = '2026-03-11', purge_warnings_left = case when id = 'a00001' then '{2026-03-04}'::date[] else '{}' end;
                update dunning.outbox set state = 'pending', next_try_at = '2026-03-03T08:00:00Z', settled_at = null where template = 'account_suspended'
                """);
        }
        await TripAsync(rig, "purges", "mails");
        rig.Time.Advance(TimeSpan.FromDays(8));

        var warned = await PageAsync(rig, "a00001");
        Assert.Equal((null, GuardKinds.Purges), One(warned, ProspectKind.Purge));
        Assert.Equal((null, GuardKinds.Mails), One(warned, ProspectKind.Mail));
        // One without a warning is put off by the next pass, whatever the guard says.
        Assert.Equal((NodaTime.Instant.FromUtc(2026, 3, 11, 8, 0), GuardKinds.None), One(await PageAsync(rig, "a00002"), ProspectKind.Purge));

        static (NodaTime.Instant?, GuardKinds) One(AccountPage page, ProspectKind kind) => page.Ahead.Where(p => p.Kind == kind).Select(p => (p.At, p.Guard)).First();
    }

    private static async Task TripAsync(GuardRig rig, params string[] kinds)
    {
        await using var connection = await rig.Database.Source.OpenConnectionAsync();
        await connection.ExecuteAsync("insert into dunning.guard_trip (kind, tripped_at, allowed, wanted) select unnest(@kinds), '2026-03-01T08:00:00Z', 1, 2", new { kinds });
    }

    private static async Task<AccountPage> PageAsync(GuardRig rig, string id) => (await AccountPage.ReadAsync(rig.Database, rig.Settings, id, rig.Time, default))!;

    private static async Task<string> TextAsync(GuardRig rig, string id) => new AccountText(await PageAsync(rig, id), new Paint(isOn: false)).Write(5);
}
