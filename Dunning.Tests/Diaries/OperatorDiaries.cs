using Dunning.Model;
using NodaTime;

namespace Dunning.Tests.Diaries;

/// <summary>RULES 14: what operators do about a debt. A short schedule: days 0, 3 (warning), 5 (suspension); purge after 10 days.</summary>
public sealed class OperatorDiaries
{
    private static readonly (string Key, string Value)[] Short =
    [
        ("Dunning:Steps:1:Off", "true"), ("Dunning:Steps:2:Off", "true"), ("Dunning:Steps:3:Day", "3"), ("Dunning:Steps:4:Day", "5"),
        ("Dunning:PurgeAfterDays", "10"),
    ];

    [Fact]
    public async Task A_write_off_ends_the_suspension_and_the_subscription_goes_on()
    {
        var diary = await SuspendedAsync("sandbox_decline_do_not_honor_x3");

        Act(diary, ActionNames.WriteOff);

        // No paid day was left, so the next period begins today.
        await diary.ExpectAsync(
            "2026-03-11 15:00", "invoice.written_off", "dunning.stopped", "notice.cleared", "account.reactivated", "email.sent account_reactivated",
            "operator.acted goodwill write_off", "invoice.issued 2026-03-11..2026-03-16 1555+311-0=1866", "subscription.renewed 2026-03-16", "charge.succeeded",
            "invoice.paid", "email.sent receipt");
        Assert.Equal((Access.Active, null), (diary.File.Access, diary.File.PurgeOn));
    }

    [Fact]
    public async Task A_voided_invoice_gives_its_credit_back_and_is_charged_no_more()
    {
        var diary = FiveDaily("sandbox_decline_do_not_honor", a => a with { Credit = 500 });
        await diary.ExpectAsync(
            "2026-03-02 09:00", "invoice.issued 2026-03-02..2026-03-07 1555+311-500=1366", "subscription.renewed 2026-03-07", "charge.failed do_not_honor",
            "dunning.opened 0", "email.sent payment_failed");

        Act(diary, ActionNames.VoidInvoice);

        await diary.ExpectAsync("2026-03-03 10:00", "invoice.voided", "dunning.stopped", "operator.acted goodwill void");
        Assert.Equal(500, diary.File.Credit);
        await diary.QuietUntilAsync("2026-03-07 08:00");
        // Not twice, and not what is no longer owed.
        Act(diary, ActionNames.WriteOff);
        await diary.ExpectAsync("2026-03-07 08:30", "action.rejected goodwill write_off");
    }

    [Fact]
    public async Task A_hold_keeps_from_the_purge_and_its_release_warns_anew()
    {
        var diary = await SuspendedAsync("sandbox_decline_do_not_honor");
        diary.Do(ActionNames.Hold, ByAnna);
        await diary.ExpectAsync("2026-03-11 15:00", "operator.acted goodwill hold");
        await diary.QuietUntilAsync("2026-04-20 12:00");

        diary.Do(ActionNames.ReleaseHold, ByAnna);

        await diary.ExpectAsync(
            "2026-04-20 15:00", "operator.acted goodwill release_hold", "account.purge_postponed 2026-04-27", "email.sent purge_warning");
        diary.Do(ActionNames.ReleaseHold, ByAnna);
        await diary.ExpectAsync("2026-04-20 16:00", "action.rejected goodwill release_hold");
    }

    [Fact]
    public async Task While_an_outcome_is_unknown_nothing_is_given_up_but_a_hold_is_taken()
    {
        var diary = FiveDaily("sandbox_drop_x1");
        await diary.ExpectAsync(
            "2026-03-02 09:00", "invoice.issued 2026-03-02..2026-03-07 1555+311-0=1866", "subscription.renewed 2026-03-07", "charge.unknown");

        Act(diary, ActionNames.WriteOff);
        Act(diary, ActionNames.VoidInvoice);
        diary.Do(ActionNames.Hold, ByAnna);

        await diary.ExpectAsync(
            "2026-03-02 10:00", "action.rejected goodwill write_off", "action.rejected goodwill void", "operator.acted goodwill hold", "charge.succeeded",
            "invoice.paid", "email.sent receipt");
        Assert.True(diary.File.LegalHold);
    }

    private static void Act(Diary diary, string what) =>
        diary.Do(what, a => ByAnna(a) with { Subscription = "s", PeriodStart = new LocalDate(2026, 3, 2) });

    private static AccountAction ByAnna(AccountAction action) => action with { Operator = "anna", Reason = "goodwill" };

    private static async Task<Diary> SuspendedAsync(string token)
    {
        var diary = FiveDaily(token);
        await diary.ExpectAsync(
            "2026-03-02 09:00", "invoice.issued 2026-03-02..2026-03-07 1555+311-0=1866", "subscription.renewed 2026-03-07", "charge.failed do_not_honor",
            "dunning.opened 0", "email.sent payment_failed");
        await diary.ExpectAsync(
            "2026-03-05 09:00", "charge.failed do_not_honor", "dunning.step 1", "notice.posted suspension_warning all_agents", "email.sent suspension_warning");
        await diary.ExpectAsync(
            "2026-03-07 09:00", "charge.failed do_not_honor", "dunning.step 2", "dunning.exhausted", "account.suspended 2026-03-17", "email.sent account_suspended");
        await diary.ExpectAsync("2026-03-10 09:00", "email.sent purge_warning");
        return diary;
    }

    private static Diary FiveDaily(string token, Func<AccountFile, AccountFile>? with = null) => new("2026-02-28 12:00", now =>
    {
        var account = Samples.Account("a", now) with
        {
            Subscriptions = [Samples.Subscription("s", "five-daily", new LocalDate(2026, 3, 2), new LocalDate(2026, 3, 2), now)],
            Methods = [Samples.Card(token, now)],
        };
        return with is null ? account : with(account);
    }, Short);
}
