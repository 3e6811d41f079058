using Dunning.Hosting;
using Dunning.Model;
using Dunning.Ops;
using Dunning.Passes;
using Dunning.Tests.Faults;
using NodaTime;

namespace Dunning.Tests.Guards;

/// <summary>A schedule that is set wrong, or a gateway that declines everything, must not suspend everybody.</summary>
public sealed class SuspensionGuardTests
{
    private const string Declines = "sandbox_decline_insufficient_funds";
    private static readonly Mandate s_word = new("alice", "checked");

    [Fact]
    public async Task A_schedule_that_would_suspend_everybody_is_stopped_on_two_servers_at_exactly_the_limit()
    {
        // 1,000 that never pay, 40 that fall due on the day of the suspension. 50, or 2 % of 1,040: 50 at most.
        await using var rig = await GuardRig.NewAsync(
            [
                .. Enumerable.Range(1, 1000).Select(n => Population.Account(n, Declines)),
                .. Enumerable.Range(1001, 40).Select(n => Population.Account(n, "sandbox_ok", renewsInDays: 2)),
            ],
            ("Passes:BatchSize", "100"), ("Guards:Mails:Count", "100000"));
        var (one, two) = (await rig.ServerAsync(), await rig.ServerAsync());
        await rig.DaysAsync(1, one);
        Assert.Empty(rig.Log.Lines);
        rig.Time.Advance(TimeSpan.FromDays(1));

        await GuardRig.RunAsync(one, two);

        Assert.Equal(50, await rig.CountAsync("account.suspended"));
        // Nobody else was even charged: the attempt whose failure suspends was not made.
        Assert.Equal(50, await rig.ScalarAsync<long>("select count(*) from dunning.charge where first_called_at = '2026-03-03T08:00:00Z' and kind = 'step'"));
        Assert.Equal(950, await rig.ScalarAsync<long>("select count(*) from dunning.receivable where state = 'open' and case_last_step = 1 and not case_exhausted"));
        // Everything else went on.
        Assert.Equal(40, await rig.ScalarAsync<long>("select count(*) from dunning.receivable where state = 'paid'"));
        var told = Assert.Single(rig.Log.Lines);
        Assert.Contains("the guard of suspensions has tripped", told, StringComparison.Ordinal);
        Assert.Contains("50 are allowed", told, StringComparison.Ordinal);
        Assert.Equal(1, await rig.ScalarAsync<long>("select count(*) from dunning.guard_trip where approved_at is null and kind = 'suspensions' and allowed = 50"));
        Assert.Equal(1, await rig.ScalarAsync<long>("select count(*) from dunning.audit where act = 'guard_tripped' and subject = 'suspensions'"));

        // What waits is not due again at every tick, nor does a day without a word let it go on.
        Assert.Equal(0, (await GuardRig.RunAsync(one)).Sum(r => r.Accounts));
        rig.Time.Advance(TimeSpan.FromHours(25));
        await GuardRig.RunAsync(one, two);
        Assert.Equal(50, await rig.CountAsync("account.suspended"));

        // A customer who comes back is charged and recovered meanwhile.
        await one.ActAsync(new AccountAction(one.Now(), await WaitingAsync(rig), ActionNames.UpdatePaymentMethod)
        {
            Token = "sandbox_ok", Expires = new YearMonth(2030, 1),
        }, default);
        await GuardRig.RunAsync(two);
        Assert.Equal(1, await rig.CountAsync("dunning.recovered"));

        // An operator's word lets as many again go, and no more.
        Assert.False(await two.Guards.ApproveAsync(GuardKinds.Purges, s_word, default));
        Assert.True(await two.Guards.ApproveAsync(GuardKinds.Suspensions, s_word, default));
        await GuardRig.RunAsync(one, two);
        Assert.Equal(100, await rig.CountAsync("account.suspended"));
        Assert.Equal(2, await rig.ScalarAsync<long>("select count(*) from dunning.guard_trip"));
        Assert.Equal("alice checked", await rig.ScalarAsync<string>("select operator || ' ' || reason from dunning.audit where act = 'approve_guard' and subject = 'suspensions'"));
        Assert.Equal("", await Auditor.FaultsAsync(rig.Database.Source));
    }

    [Fact]
    public async Task A_small_book_is_below_the_count_and_room_that_was_not_needed_is_given_back()
    {
        // Five pay at the very attempt whose failure would have suspended them, then five don't; five are allowed.
        await using var rig = await GuardRig.NewAsync(
            [
                .. Enumerable.Range(1, 5).Select(n => Population.Account(n, Declines + "_x2")),
                .. Enumerable.Range(6, 5).Select(n => Population.Account(n, Declines, renewsInDays: 1)),
                Population.Account(11, Declines, renewsInDays: 2),
            ],
            ("Guards:Suspensions:Count", "5"), ("Guards:Suspensions:Percent", "0"));
        var server = await rig.ServerAsync();
        await rig.DaysAsync(2, server);
        Assert.Equal(5, await rig.CountAsync("dunning.recovered"));
        Assert.Equal((5, 0), await SuspensionsAsync(server));

        rig.Time.Advance(TimeSpan.FromDays(1));
        await GuardRig.RunAsync(server);
        Assert.Equal(5, await rig.CountAsync("account.suspended"));
        Assert.Equal((5, 5), await SuspensionsAsync(server));
        Assert.Empty(rig.Log.Lines);

        // A day later they have left the window, and the eleventh has its turn.
        rig.Time.Advance(TimeSpan.FromHours(24) + TimeSpan.FromMinutes(1));
        await GuardRig.RunAsync(server);
        Assert.Equal(6, await rig.CountAsync("account.suspended"));
        Assert.Equal((5, 1), await SuspensionsAsync(server));
        Assert.Empty(rig.Log.Lines);
    }

    [Fact]
    public async Task A_server_that_dies_between_the_attempt_and_its_answer_leaks_no_room()
    {
        await using var rig = await GuardRig.NewAsync([Population.Account(1, Declines)], ("Guards:Suspensions:Count", "1"), ("Guards:Suspensions:Percent", "0"));
        var (dying, other) = (await rig.ServerAsync(), await rig.ServerAsync());
        await rig.DaysAsync(1, other);
        rig.Time.Advance(TimeSpan.FromDays(1));

        var book = await dying.RulebookAsync(default);
        var run = new PassRun(dying.Now(), PassKind.Dun);
        var claimed = await dying.Book.ClaimAsync(PassKind.Dun, run.Now, 10, file => Pass.Begin(file, run, book), default);
        Assert.IsType<Effect.SendCharge>(Assert.Single(claimed.Decisions).Effect);
        // It holds the one place while nobody knows what has become of the call.
        Assert.Equal((1, 1), await SuspensionsAsync(other));

        rig.Time.Advance(TimeSpan.FromMinutes(5));
        await GuardRig.RunAsync(other);
        Assert.Equal(1, await rig.CountAsync("account.suspended"));
        Assert.Equal((1, 1), await SuspensionsAsync(other));
        Assert.Empty(rig.Log.Lines);
    }

    [Fact]
    public async Task Of_many_who_race_for_the_last_of_the_room_exactly_as_many_get_it()
    {
        await using var rig = await GuardRig.NewAsync(
            Enumerable.Range(1, 24).Select(n => Population.Account(n, Declines)), ("Guards:Suspensions:Count", "7"), ("Guards:Suspensions:Percent", "0"));
        var servers = new List<Engine>();
        for (var n = 0; n < 4; n++)
        {
            servers.Add(await rig.ServerAsync());
        }
        await rig.DaysAsync(1, servers[0]);
        rig.Time.Advance(TimeSpan.FromDays(1));
        var book = await servers[0].RulebookAsync(default);
        var run = new PassRun(servers[0].Now(), PassKind.Dun);

        // One account a transaction, four servers with three connections each.
        var attempts = 0;
        await Task.WhenAll(Enumerable.Range(0, 12).Select(n => Task.Run(async () =>
        {
            while ((await servers[n % 4].Book.ClaimAsync(PassKind.Dun, run.Now, 1, file => Pass.Begin(file, run, book), default)).Decisions is [var decision])
            {
                Interlocked.Add(ref attempts, decision.Effect is null ? 0 : 1);
            }
        })));

        Assert.Equal(7, attempts);
        Assert.Equal((7, 7), await SuspensionsAsync(servers[1]));
        Assert.Single(rig.Log.Lines);
    }

    private static async Task<(int Limit, int Taken)> SuspensionsAsync(Engine server)
    {
        var state = (await server.Guards.ListAsync(default)).Single(s => s.Kind == GuardKinds.Suspensions);
        return (state.Limit, state.Taken);
    }

    private static Task<string> WaitingAsync(GuardRig rig) => rig.ScalarAsync<string>(
        "select min(account_id) from dunning.receivable where state = 'open' and case_last_step = 1");
}
