using Dunning.Model;
using NodaTime;

namespace Dunning.Tests.Diaries;

/// <summary>A monthly subscription of 15.00 and 20 % tax in Paris, renewing on 1 March 2026, with the default steps: days 0, 2, 4, 21, 29.</summary>
public sealed class FailureDiaries
{
    private static readonly string[] Issued = ["invoice.issued 2026-03-01..2026-04-01 1500+300-0=1800", "subscription.renewed 2026-04-01"];

    [Fact]
    public async Task From_the_first_failure_to_the_purge()
    {
        var diary = Monthly("sandbox_decline_insufficient_funds");
        // Sunday 1 March, 09:00: the renewal. Not a minute earlier.
        await diary.QuietUntilAsync("2026-03-01 08:00");
        await diary.ExpectAsync("2026-03-01 09:00", [.. Issued, "charge.failed insufficient_funds", "dunning.opened 0", "email.sent payment_failed"]);
        // 3 March: day 2.
        await diary.ExpectAsync("2026-03-03 09:00", "charge.failed insufficient_funds", "dunning.step 1", "email.sent payment_failed");
        // 5 March: day 4, with the first notice.
        await diary.ExpectAsync(
            "2026-03-05 09:00", "charge.failed insufficient_funds", "dunning.step 2", "notice.posted payment_failed owner_admins", "email.sent payment_failed");
        // 22 March: day 21, the warning.
        await diary.ExpectAsync(
            "2026-03-22 09:00", "charge.failed insufficient_funds", "dunning.step 3", "notice.posted suspension_warning all_agents", "email.sent suspension_warning");
        // 30 March: day 29. The clocks changed on the 29th: 09:00 is an hour earlier in UTC. 90 days later is 28 June.
        await diary.ExpectAsync(
            "2026-03-30 09:00", "charge.failed insufficient_funds", "dunning.step 4", "dunning.exhausted", "account.suspended 2026-06-28", "email.sent account_suspended");
        Assert.Equal(Access.Suspended, diary.File.Access);
        // 1 April: the next period would begin, but the renewal is held.
        await diary.QuietUntilAsync("2026-05-29 08:00");
        // 29 May, 21 June, 27 June: 30, 7 and 1 days before the purge.
        await diary.ExpectAsync("2026-05-29 09:00", "email.sent purge_warning");
        await diary.ExpectAsync("2026-06-21 09:00", "email.sent purge_warning");
        await diary.ExpectAsync("2026-06-27 09:00", "email.sent purge_warning");
        // 28 June: the warning of the 21st is seven days old.
        await diary.ExpectAsync("2026-06-28 09:00", "invoice.written_off", "subscription.canceled", "account.purged", "email.sent account_purged");
        await diary.QuietUntilAsync("2026-07-28 09:00");
        Assert.Empty(diary.File.Contacts);
        Assert.Empty(diary.File.Methods);
        // Purged is final.
        diary.Do(ActionNames.Credit, a => a with { Amount = 5000 }).NewCard("sandbox_ok").On("s", ActionNames.Cancel);
        await diary.ExpectAsync("2026-07-29 09:00", "action.rejected credit", "action.rejected update_payment_method", "action.rejected cancel");
        Assert.Equal(0, await diary.SuccessesAsync());
    }

    // At the attempt of that step: what it says it recovers from, and whether a notice is to clear.
    [Theory]
    [InlineData(1, "2026-03-03 09:00", 0, false)]
    [InlineData(2, "2026-03-05 09:00", 1, false)]
    [InlineData(3, "2026-03-22 09:00", 2, true)]
    [InlineData(4, "2026-03-30 09:00", 3, true)]
    public async Task Recovery_at_each_step(int failures, string recovered, int lastStep, bool hasNotices)
    {
        var diary = Monthly($"sandbox_decline_do_not_honor_x{failures}");
        await diary.ExpectAsync("2026-03-01 09:00", [.. Issued, "charge.failed do_not_honor", "dunning.opened 0", "email.sent payment_failed"]);
        if (lastStep >= 1)
        {
            await diary.ExpectAsync("2026-03-03 09:00", "charge.failed do_not_honor", "dunning.step 1", "email.sent payment_failed");
        }
        if (lastStep >= 2)
        {
            await diary.ExpectAsync(
                "2026-03-05 09:00", "charge.failed do_not_honor", "dunning.step 2", "notice.posted payment_failed owner_admins", "email.sent payment_failed");
        }
        if (lastStep >= 3)
        {
            await diary.ExpectAsync(
                "2026-03-22 09:00", "charge.failed do_not_honor", "dunning.step 3", "notice.posted suspension_warning all_agents", "email.sent suspension_warning");
        }
        // A success is no step. The cleared notices are told once, however many there were.
        await diary.ExpectAsync(
            recovered,
            ["charge.succeeded", "invoice.paid", $"dunning.recovered {lastStep}", .. hasNotices ? ["notice.cleared"] : Array.Empty<string>(), "email.sent payment_recovered"]);
        // The next period begins on its date, and the schedule of the case that is over never comes back.
        await diary.ExpectAsync(
            "2026-04-01 09:00", "invoice.issued 2026-04-01..2026-05-01 1500+300-0=1800", "subscription.renewed 2026-05-01", "charge.succeeded", "invoice.paid",
            "email.sent receipt");
        await diary.QuietUntilAsync("2026-05-01 08:00");
        Assert.Equal(2, await diary.SuccessesAsync());
    }

    [Fact]
    public async Task A_new_card_pays_at_once_and_a_bad_one_moves_no_date()
    {
        var diary = Monthly("sandbox_decline_expired_card");
        await diary.ExpectAsync("2026-03-01 09:00", [.. Issued, "charge.failed expired_card", "dunning.opened 0", "email.sent payment_failed"]);
        // The method is blocked: nothing is sent to the gateway any more, but the step counts.
        await diary.ExpectAsync("2026-03-03 09:00", "charge.skipped hard_decline", "dunning.step 1", "email.sent payment_failed");
        // 4 March: another bad card. A failed recharge is no step and posts no notice.
        diary.NewCard("sandbox_decline_insufficient_funds");
        await diary.ExpectAsync("2026-03-04 14:00", "email.sent payment_method_updated", "charge.failed insufficient_funds", "email.sent payment_failed");
        // 5 March: the step comes on its day.
        await diary.ExpectAsync(
            "2026-03-05 09:00", "charge.failed insufficient_funds", "dunning.step 2", "notice.posted payment_failed owner_admins", "email.sent payment_failed");
        diary.NewCard("sandbox_ok");
        await diary.ExpectAsync(
            "2026-03-05 10:00", "email.sent payment_method_updated", "charge.succeeded", "invoice.paid", "dunning.recovered 2", "notice.cleared",
            "email.sent payment_recovered");
        await diary.QuietUntilAsync("2026-04-01 08:00");
    }

    [Fact]
    public async Task A_new_card_on_the_day_of_a_step_is_one_attempt_for_both()
    {
        var diary = Monthly("sandbox_decline_insufficient_funds");
        await diary.ExpectAsync("2026-03-01 09:00", [.. Issued, "charge.failed insufficient_funds", "dunning.opened 0", "email.sent payment_failed"]);
        diary.NewCard("sandbox_decline_generic_decline");
        await diary.ExpectAsync(
            "2026-03-03 09:00", "email.sent payment_method_updated", "charge.failed generic_decline", "dunning.step 1", "email.sent payment_failed");
        await diary.QuietUntilAsync("2026-03-05 08:00");
    }

    [Fact]
    public async Task The_customer_authenticates()
    {
        var diary = Monthly("sandbox_sca");
        await diary.ExpectAsync("2026-03-01 09:00", [.. Issued, "charge.failed authentication_required", "dunning.opened 0", "email.sent payment_failed"]);
        await diary.ExpectAsync("2026-03-03 09:00", "charge.skipped authentication_required", "dunning.step 1", "email.sent payment_failed");
        diary.Do(ActionNames.Authenticate);
        await diary.ExpectAsync("2026-03-03 17:00", "charge.succeeded", "invoice.paid", "dunning.recovered 1", "email.sent payment_recovered");
        // There is nothing left to authenticate.
        diary.Do(ActionNames.Authenticate);
        await diary.ExpectAsync("2026-03-03 18:00", "action.rejected authenticate");
        // Authenticated once is enough for the renewals that follow.
        await diary.ExpectAsync(
            "2026-04-01 09:00", "invoice.issued 2026-04-01..2026-05-01 1500+300-0=1800", "subscription.renewed 2026-05-01", "charge.succeeded", "invoice.paid",
            "email.sent receipt");
    }

    [Fact]
    public async Task No_card_at_all()
    {
        var diary = new Diary("2026-02-20 12:00", now => Samples.Account("a", now) with { Subscriptions = [Sub(now)] });
        await diary.ExpectAsync("2026-03-01 09:00", [.. Issued, "charge.skipped no_payment_method", "dunning.opened 0", "email.sent payment_failed"]);
        diary.NewCard("sandbox_ok");
        await diary.ExpectAsync(
            "2026-03-02 09:00", "email.sent payment_method_updated", "charge.succeeded", "invoice.paid", "dunning.recovered 0", "email.sent payment_recovered");
    }

    [Fact]
    public async Task The_backup_card_pays()
    {
        var diary = new Diary("2026-02-20 12:00", now => Samples.Account("a", now) with
        {
            Subscriptions = [Sub(now)],
            Methods = [Samples.Backup("z", "sandbox_ok", now), Samples.Backup("b", "sandbox_decline_lost_card", now), Samples.Card("sandbox_decline_do_not_honor", now)],
        });
        // The default first, then the backups by id: both declines are told, and the invoice is paid at its first attempt.
        await diary.ExpectAsync(
            "2026-03-01 09:00", [.. Issued, "charge.failed do_not_honor", "charge.failed lost_card", "charge.succeeded", "invoice.paid", "email.sent receipt"]);
        // A month later the lost card is left out.
        await diary.ExpectAsync(
            "2026-04-01 09:00", "invoice.issued 2026-04-01..2026-05-01 1500+300-0=1800", "subscription.renewed 2026-05-01", "charge.failed do_not_honor",
            "charge.succeeded", "invoice.paid", "email.sent receipt");
    }

    [Fact]
    public async Task Canceling_with_a_debt_ends_it_at_once_and_gives_the_credit_back()
    {
        var diary = Monthly("sandbox_decline_insufficient_funds", a => a with { Credit = 500 });
        await diary.ExpectAsync(
            "2026-03-01 09:00", "invoice.issued 2026-03-01..2026-04-01 1500+300-500=1300", "subscription.renewed 2026-04-01", "charge.failed insufficient_funds",
            "dunning.opened 0", "email.sent payment_failed");
        Assert.Equal(0, diary.File.Credit);
        diary.On("s", ActionNames.Cancel);
        await diary.ExpectAsync(
            "2026-03-02 09:00", "invoice.voided", "dunning.stopped", "subscription.canceled", "account.closed", "email.sent subscription_canceled");
        Assert.Equal(500, diary.File.Credit);
        await diary.QuietUntilAsync("2026-06-01 09:00");
    }

    [Fact]
    public async Task Credit_pays_the_debt_when_it_covers_all_of_it()
    {
        var diary = Monthly("sandbox_decline_insufficient_funds");
        await diary.ExpectAsync("2026-03-01 09:00", [.. Issued, "charge.failed insufficient_funds", "dunning.opened 0", "email.sent payment_failed"]);
        // One cent short: it stays on the balance.
        diary.Do(ActionNames.Credit, a => a with { Amount = 1799 });
        await diary.ExpectAsync("2026-03-02 09:00", "email.sent credit_issued");
        diary.Do(ActionNames.Credit, a => a with { Amount = 1 });
        await diary.ExpectAsync(
            "2026-03-02 10:00", "email.sent credit_issued", "credit.applied 1800", "invoice.paid", "dunning.recovered 0", "email.sent payment_recovered");
        Assert.Equal(0, diary.File.Credit);
        Assert.Equal(0, await diary.SuccessesAsync());
    }

    private static Diary Monthly(string token, Func<AccountFile, AccountFile>? with = null) => new("2026-02-20 12:00", now =>
    {
        var account = Samples.Account("a", now) with { Subscriptions = [Sub(now)], Methods = [Samples.Card(token, now)] };
        return with is null ? account : with(account);
    });

    private static Subscription Sub(Instant now) => Samples.Subscription("s", "monthly", new LocalDate(2026, 1, 1), new LocalDate(2026, 3, 1), now);
}
