using Dapper;
using Dunning.Model;
using Dunning.Ops;
using Dunning.Ops.Queries;
using Dunning.Passes;
using Dunning.Rules;
using Dunning.Tests.Faults;
using NodaTime;

namespace Dunning.Tests.Guards;

public sealed class PurgeAndMailGuardTests
{
    private static readonly Mandate s_word = new("alice", "checked");

    [Fact]
    public async Task Purges_stop_at_the_limit_and_go_on_when_approved_and_warnings_leave_all_the_while()
    {
        await using var rig = await GuardRig.NewAsync(
            Enumerable.Range(1, 60).Select(n => Population.Account(n, "sandbox_decline_insufficient_funds", renewsInDays: 0)),
            ("Guards:Suspensions:Count", "100"), ("Guards:Mails:Count", "100000"));
        var (one, two) = (await rig.ServerAsync(), await rig.ServerAsync());
        await rig.DaysAsync(2, one);
        Assert.Equal(60, await rig.CountAsync("account.suspended"));
        // Half of them were never warned: those are to be postponed, with a warning.
        await using (var connection = await rig.Database.Source.OpenConnectionAsync())
        {
            await connection.ExecuteAsync(
                """
                update dunning.account set purge_on = '2026-03-11', purge_warnings_left = case when id <= 'a00050' then '{2026-03-04}'::date[] else '{}' end;
                update dunning.due set at = '2026-03-11T08:00:00Z' where pass = 'purge'
                """);
        }
        rig.Time.Advance(TimeSpan.FromDays(8));
        // One is held; the dry run says of each what the pass then does.
        await one.ActAsync(new AccountAction(one.Now(), "a00001", ActionNames.Hold) { Operator = "alice", Reason = "audit" }, default);
        var ahead = await new PurgePreview(rig.Database.Source).ListAsync(await one.RulebookAsync(default), one.Now(), Duration.Zero, 100, default);
        Assert.Equal((49, 10), (ahead.Count(a => a.Does == PurgeAct.Purge && a.At <= one.Now()), ahead.Count(a => a.Does == PurgeAct.Postpone)));
        Assert.Equal(("a00001", null, 1, 1799), (ahead[^1].Account, ahead[^1].At, ahead[^1].UnpaidInvoices, ahead[^1].Unpaid.Minor));
        Assert.Equal([Obstacle.LegalHold], ahead[^1].Obstacles.ToArray());

        await GuardRig.RunAsync(one, two);

        // 20, or 1 % of 60.
        Assert.Equal(20, await rig.CountAsync("account.purged"));
        Assert.Equal(10, await rig.CountAsync("account.purge_postponed"));
        Assert.Empty((await rig.ListAsync("select account_id from dunning.event where type = 'account.purged'"))
            .Except(ahead.Where(a => a.Does == PurgeAct.Purge && a.At is not null).Select(a => a.Account)));
        Assert.Contains("the guard of purges has tripped", Assert.Single(rig.Log.Lines), StringComparison.Ordinal);
        Assert.Equal(20, (await one.Guards.ListAsync(default)).Single(s => s.Kind == GuardKinds.Purges).Taken);

        Assert.True(await one.Guards.ApproveAsync(GuardKinds.Purges, s_word, default));
        await GuardRig.RunAsync(one, two);
        Assert.Equal(40, await rig.CountAsync("account.purged"));
        Assert.Equal("", await Auditor.FaultsAsync(rig.Database.Source));
    }

    [Fact]
    public async Task Mails_stop_at_the_limit_while_charges_go_on_and_none_is_lost()
    {
        // 30 receipts to two contacts each; 11 messages are allowed, so 10 leave.
        await using var rig = await GuardRig.NewAsync(
            Enumerable.Range(1, 30).Select(n => Population.Account(n, "sandbox_ok")), ("Guards:Mails:Count", "11"), ("Guards:Mails:Percent", "0"));
        var (one, two) = (await rig.ServerAsync(), await rig.ServerAsync());

        await GuardRig.RunAsync(one, two);

        Assert.Equal(30, await rig.CountAsync("invoice.paid"));
        Assert.Equal(10, await AcceptedAsync(rig));
        Assert.Contains("the guard of mails has tripped", Assert.Single(rig.Log.Lines), StringComparison.Ordinal);
        Assert.Equal(1, await rig.ScalarAsync<long>("select count(*) from dunning.guard_trip"));

        for (var left = 20L; left <= 60; left += 10)
        {
            // Approved at the instant of the trip: what waits is due at once, not in a quarter of an hour.
            await using (var busy = await rig.Database.Source.OpenConnectionAsync())
            {
                // A pass has one of them in its hands: the approval does not wait for it.
                await using var work = await busy.BeginTransactionAsync();
                await busy.ExecuteAsync(left > 20 ? "select 1" : "select from dunning.due where pass = 'mail' order by at desc limit 1 for update", transaction: work);
                Assert.True(await one.Guards.ApproveAsync(GuardKinds.Mails, s_word, default).WaitAsync(TimeSpan.FromSeconds(10)));
            }
            await GuardRig.RunAsync(one, two);
            Assert.Equal(left, await AcceptedAsync(rig));
        }
        Assert.Equal(30, await rig.CountAsync("email.sent"));
    }

    [Fact]
    public void Messages_that_did_not_leave_give_their_room_back()
    {
        var now = Postgres.Rig.Now;
        var account = Postgres.Samples.Account("a1", renewsInDays: 10);
        var file = account with { MailCount = 1, Mails = [Postgres.Samples.Mail(account, now)], Version = 3 };
        var book = Tests.Samples.Rules();
        var decision = Pass.Begin(file, new PassRun(now, PassKind.Mail), book);
        Assert.Equal([new RoomChange(GuardKinds.Mails, now, 2)], decision.Room.ToArray());

        // One was taken, one is to be tried again.
        var answer = new Answer.Delivered([(1, [new(1, Ports.DeliveryVerdict.Accepted, null), new(2, Ports.DeliveryVerdict.Deferred, "451")])]);
        var after = Pass.Resume(decision.After, decision.Effect!, answer, book);
        Assert.Equal([new RoomChange(GuardKinds.Mails, now, -1)], after.Room.ToArray());

        // Barred, it is not tried, and looked at again later.
        var barred = Pass.Begin(file with { Barred = GuardKinds.Mails }, new PassRun(now, PassKind.Mail), book);
        Assert.Null(barred.Effect);
        Assert.Equal(now + NodaTime.Duration.FromMinutes(15), barred.Due.Mail);
    }

    private static Task<long> AcceptedAsync(GuardRig rig) => rig.ScalarAsync<long>("select count(*) from dunning.outbox where state = 'accepted'");
}
