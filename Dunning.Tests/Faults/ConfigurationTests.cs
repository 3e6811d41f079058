using Dunning.Gateways.Sandbox;
using Dunning.Hosting;
using Dunning.Model;
using Dunning.Options;
using Dunning.Passes;
using Dunning.Postgres;
using Dunning.Tests.Books;
using Dunning.Tests.Postgres;
using Microsoft.Extensions.Logging.Abstractions;
using NodaTime;

namespace Dunning.Tests.Faults;

/// <summary>Two servers on one database, one of which was started with other rules (RULES 13).</summary>
public sealed class ConfigurationTests
{
    private static readonly RuleOptions Before = new();

    private static readonly RuleOptions After = new()
    {
        ChargeAt = new LocalTime(11, 0),
        Steps = StepSchedule.Create(
        [
            new(0, MailTemplates.PaymentFailed, null, false),
            new(1, MailTemplates.SuspensionWarning, null, false),
            new(9, MailTemplates.AccountSuspended, null, true),
        ]).Schedule!,
    };

    [Fact]
    public async Task A_server_with_the_settings_of_before_does_no_work_and_due_is_worked_out_anew()
    {
        var settings = BookRuns.Settings(await TestServer.NewDatabaseAsync());
        await using var database = await Database.OpenAsync(settings, default);
        await Population.SettleAsync(database.Source, Before, [Population.Account(1, "sandbox_ok")], isSimulation: false);
        await using var old = await OpenAsync(database, settings, Before, takesOver: true);
        Assert.Equal(Rig.Now, await old.Book.NextDueAsync(default));

        await using var @new = await OpenAsync(database, settings, After, takesOver: true);

        // 11:00 instead of 09:00 in Paris.
        Assert.Equal(Rig.Now + Duration.FromHours(2), await @new.Book.NextDueAsync(default));
        var later = Rig.Now + Duration.FromHours(3);
        foreach (var pass in JobSettings.Passes.Append(PassKind.All))
        {
            await Assert.ThrowsAsync<ConfigurationMismatchException>(() => old.RunAsync(pass, default, () => later));
        }
        await Assert.ThrowsAsync<ConfigurationMismatchException>(
            () => old.ActAsync(new AccountAction(later, "a00001", ActionNames.Credit) { Amount = 100 }, default));
        Assert.Equal("", await Auditor.FaultsAsync(database.Source));
        Assert.Equal(Rig.Now + Duration.FromHours(2), await @new.Book.NextDueAsync(default));

        // A command takes nothing over either: it has no business to change what the service works by.
        await using var command = await OpenAsync(database, settings, Before, takesOver: false);
        await Assert.ThrowsAsync<ConfigurationMismatchException>(() => command.RunAsync(PassKind.Renew, default, () => later));

        var report = await @new.RunAsync(PassKind.All, default, () => later);
        Assert.Equal(1, report.CountOf("invoice.paid"));
    }

    [Fact]
    public async Task An_answer_that_a_server_of_before_can_no_longer_save_is_found_by_the_other()
    {
        var settings = BookRuns.Settings(await TestServer.NewDatabaseAsync());
        await using var database = await Database.OpenAsync(settings, default);
        var rules = await Population.SettleAsync(database.Source, Before, [Population.Account(1, "sandbox_ok")], isSimulation: false);
        await using var ledger = new PostgresLedger(database.Source, NullLogger<PostgresLedger>.Instance);
        var gateway = new SandboxGateway(ledger, new SandboxOptions(), TimeProvider.System);
        var book = new PostgresBook(database.Source, Before.Fingerprint, settings.Seller);
        var claimed = await book.ClaimAsync(PassKind.Renew, Rig.Now, 10, f => Pass.Begin(f, new PassRun(Rig.Now, PassKind.Renew), rules), default);
        var send = Assert.IsType<Effect.SendCharge>(Assert.Single(claimed.Decisions).Effect);
        var answer = new Answer.Charged(send.Request.Key, await gateway.ChargeAsync(send.Request, default), false);

        await using var @new = await OpenAsync(database, settings, After, takesOver: true);

        await Assert.ThrowsAsync<ConfigurationMismatchException>(() => book.AnswerAsync(
            [new Ports.AnswerFor(send.Account, send.Request.Key, f => Pass.Resume(f, send, answer, rules))], default));
        var now = Rig.Now + Duration.FromHours(4);
        await @new.RunAsync(PassKind.All, default, () => now);
        Assert.Equal("", await Auditor.FaultsAtRestAsync(database.Source, now));
        Assert.Equal("paid", (await new PostgresQueries(database.Source).ShowAsync(send.Account, default))!.Invoices.Single().State);
    }

    [Fact]
    public async Task An_open_case_keeps_the_steps_with_which_it_began()
    {
        var settings = BookRuns.Settings(await TestServer.NewDatabaseAsync());
        await using var database = await Database.OpenAsync(settings, default);
        await Population.SettleAsync(database.Source, Before,
            [Population.Account(1, "sandbox_decline_insufficient_funds"), Population.Account(2, "sandbox_decline_insufficient_funds", renewsInDays: 1)],
            isSimulation: false);
        await using (var old = await OpenAsync(database, settings, Before, takesOver: true))
        {
            await old.RunAsync(PassKind.All, default, () => Rig.Now);
        }

        await using var @new = await OpenAsync(database, settings, After, takesOver: true);
        var events = new List<(string Account, string Day, int Step)>();
        for (var now = Rig.Now; now < Rig.Now + Duration.FromDays(45); now += Duration.FromHours(1))
        {
            if (await @new.Book.NextDueAsync(default) <= now)
            {
                var at = now;
                Assert.Empty((await @new.RunAsync(PassKind.All, default, () => at)).Faults);
            }
        }
        await foreach (var e in new PostgresEvents(database.Source).AllAsync(default))
        {
            if (e.Type is "dunning.opened" or "dunning.step")
            {
                events.Add((e.Account, NodaTime.Text.InstantPattern.General.Format(e.At), e.Step!.Value));
            }
        }

        // March 1: Sunday. The first case began at 09:00 with steps on days 0, 2, 4, 21 and 29, the other at 11:00 with days 0, 1 and 9.
        // Paris is an hour ahead of UTC, and two from March 29.
        Assert.Equal(
            [
                ("a00001", "2026-03-01T08:00:00Z", 0), ("a00001", "2026-03-03T10:00:00Z", 1), ("a00001", "2026-03-05T10:00:00Z", 2),
                ("a00001", "2026-03-22T10:00:00Z", 3), ("a00001", "2026-03-30T09:00:00Z", 4),
            ],
            events.Where(e => e.Account == "a00001"));
        Assert.Equal(
            [("a00002", "2026-03-02T10:00:00Z", 0), ("a00002", "2026-03-03T10:00:00Z", 1), ("a00002", "2026-03-11T10:00:00Z", 2)],
            events.Where(e => e.Account == "a00002"));
    }

    private static Task<Engine> OpenAsync(Database database, WorkerSettings settings, RuleOptions rules, bool takesOver) =>
        Engine.OpenAsync(database, settings, TimeProvider.System, NullLoggerFactory.Instance, takesOver, default, rules, sendsMail: false);
}
