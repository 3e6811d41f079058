using Dunning.Model;
using NodaTime;

namespace Dunning.Tests.Diaries;

/// <summary>Suspension, leaving it, temporary access and the purge. A short schedule: days 0, 3 (warning), 5 (suspension); purge after 10 days.</summary>
public sealed class SuspensionDiaries
{
    private static readonly (string Key, string Value)[] Short =
    [
        ("Dunning:Steps:1:Off", "true"), ("Dunning:Steps:2:Off", "true"), ("Dunning:Steps:3:Day", "3"), ("Dunning:Steps:3:Notice", ""), ("Dunning:Steps:4:Day", "5"),
        ("Dunning:PurgeAfterDays", "10"),
    ];

    [Fact]
    public async Task Leaving_suspension_gives_the_paid_days_back()
    {
        // A yearly subscription, paid until 1 June, beside the weekly one that fails.
        var diary = new Diary("2026-02-28 12:00", now => Samples.Account("a", now) with
        {
            Subscriptions =
            [
                Samples.Subscription("week", "weekly", new LocalDate(2026, 3, 2), new LocalDate(2026, 3, 2), now),
                Samples.Subscription("year", "yearly", new LocalDate(2025, 6, 1), new LocalDate(2026, 6, 1), now),
            ],
            Methods = [Samples.Card("sandbox_decline_do_not_honor", now)],
        }, Short);
        await diary.ExpectAsync(
            "2026-03-02 09:00", "invoice.issued 2026-03-02..2026-03-09 999+200-0=1199 (week)", "subscription.renewed 2026-03-09 (week)",
            "charge.failed do_not_honor (week)", "dunning.opened 0 (week)", "email.sent payment_failed");
        await diary.ExpectAsync("2026-03-05 09:00", "charge.failed do_not_honor (week)", "dunning.step 1 (week)", "email.sent suspension_warning");
        // Suspended on 7 March: 2 days of the week are left, and 86 of the year.
        await diary.ExpectAsync(
            "2026-03-07 09:00", "charge.failed do_not_honor (week)", "dunning.step 2 (week)", "dunning.exhausted (week)", "account.suspended 2026-03-17",
            "email.sent account_suspended");
        // 10 March: the 7-day warning of the purge. Then the customer pays.
        await diary.ExpectAsync("2026-03-10 09:00", "email.sent purge_warning");
        diary.NewCard("sandbox_ok");
        await diary.ExpectAsync(
            "2026-03-11 15:00", "email.sent payment_method_updated", "charge.succeeded (week)", "invoice.paid (week)", "dunning.recovered 2 (week)",
            "email.sent payment_recovered", "account.reactivated", "email.sent account_reactivated");
        Assert.Equal(
            [("week", new LocalDate(2026, 3, 13)), ("year", new LocalDate(2026, 6, 5))], diary.File.Subscriptions.Select(s => (s.Id, s.RenewsOn)));
        Assert.Equal((Access.Active, null), (diary.File.Access, diary.File.PurgeOn));
        await diary.ExpectAsync(
            "2026-03-13 09:00", "invoice.issued 2026-03-13..2026-03-20 999+200-0=1199 (week)", "subscription.renewed 2026-03-20 (week)", "charge.succeeded (week)",
            "invoice.paid (week)", "email.sent receipt");
    }

    [Fact]
    public async Task A_held_renewal_begins_on_the_day_access_comes_back()
    {
        // Five days a period: the renewal of the 7th is held by the suspension of the same morning.
        var diary = await SuspendedAsync("sandbox_decline_do_not_honor_x3");
        await diary.ExpectAsync("2026-03-10 09:00", "email.sent purge_warning");
        diary.NewCard("sandbox_ok");
        // No day was left: the period begins today, and today's charge time has passed. It renews in the next pass, not the same: phase 2 is over.
        await diary.ExpectAsync(
            "2026-03-11 15:00", "email.sent payment_method_updated", "charge.succeeded", "invoice.paid", "dunning.recovered 2", "email.sent payment_recovered",
            "account.reactivated", "email.sent account_reactivated");
        await diary.ExpectAsync(
            "2026-03-11 16:00", "invoice.issued 2026-03-11..2026-03-16 1555+311-0=1866", "subscription.renewed 2026-03-16", "charge.succeeded", "invoice.paid",
            "email.sent receipt");
        // The anchor is today's date from now on.
        await diary.ExpectAsync(
            "2026-03-16 09:00", "invoice.issued 2026-03-16..2026-03-21 1555+311-0=1866", "subscription.renewed 2026-03-21", "charge.succeeded", "invoice.paid",
            "email.sent receipt");
    }

    [Fact]
    public async Task The_other_debt_is_warned_of_again()
    {
        // Two weekly subscriptions that fail, a day apart: when the first suspends, the second has had its warning.
        var diary = new Diary("2026-02-28 12:00", now => Samples.Account("a", now) with
        {
            Subscriptions =
            [
                Samples.Subscription("s1", "28-daily", new LocalDate(2026, 3, 2), new LocalDate(2026, 3, 2), now),
                Samples.Subscription("s2", "28-daily", new LocalDate(2026, 3, 3), new LocalDate(2026, 3, 3), now),
            ],
            Methods = [Samples.Card("sandbox_decline_do_not_honor", now)],
        }, Short);
        await diary.ExpectAsync(
            "2026-03-02 09:00", "invoice.issued 2026-03-02..2026-03-30 2450+490-0=2940 (s1)", "subscription.renewed 2026-03-30 (s1)", "charge.failed do_not_honor (s1)",
            "dunning.opened 0 (s1)", "email.sent payment_failed");
        await diary.ExpectAsync(
            "2026-03-03 09:00", "invoice.issued 2026-03-03..2026-03-31 2450+490-0=2940 (s2)", "subscription.renewed 2026-03-31 (s2)", "charge.failed do_not_honor (s2)",
            "dunning.opened 0 (s2)", "email.sent payment_failed");
        await diary.ExpectAsync("2026-03-05 09:00", "charge.failed do_not_honor (s1)", "dunning.step 1 (s1)", "email.sent suspension_warning");
        await diary.ExpectAsync("2026-03-06 09:00", "charge.failed do_not_honor (s2)", "dunning.step 1 (s2)", "email.sent suspension_warning");
        await diary.ExpectAsync(
            "2026-03-07 09:00", "charge.failed do_not_honor (s1)", "dunning.step 2 (s1)", "dunning.exhausted (s1)", "account.suspended 2026-03-17",
            "email.sent account_suspended");
        // 8 March: s2's suspending step would be due, but a case is frozen while access is not active.
        await diary.QuietUntilAsync("2026-03-08 22:00");
        // Credit pays the oldest debt, and no more. The frozen case of s2 is past its warning: it is warned of anew, and at once.
        diary.Do(ActionNames.Credit, a => a with { Amount = 2940 });
        await diary.ExpectAsync(
            "2026-03-09 09:00", "email.sent credit_issued", "credit.applied 2940 (s1)", "invoice.paid (s1)", "dunning.recovered 2 (s1)", "email.sent payment_recovered",
            "account.reactivated", "email.sent account_reactivated",
            "charge.failed do_not_honor (s2)", "dunning.step 1 (s2)", "email.sent suspension_warning");
        // 11 March: the full two days after the second warning.
        await diary.ExpectAsync(
            "2026-03-11 09:00", "charge.failed do_not_honor (s2)", "dunning.step 2 (s2)", "dunning.exhausted (s2)", "account.suspended 2026-03-21",
            "email.sent account_suspended");
    }

    [Fact]
    public async Task Canceling_the_exhausted_debt_leaves_suspension_and_closes_the_account()
    {
        var diary = await SuspendedAsync("sandbox_decline_do_not_honor");
        diary.On("s", ActionNames.Cancel);
        await diary.ExpectAsync(
            "2026-03-08 09:00", "invoice.voided", "dunning.stopped", "subscription.canceled", "account.closed", "email.sent subscription_canceled");
        Assert.Equal((Access.Active, true, null), (diary.File.Access, diary.File.Closed, diary.File.PurgeOn));
        await diary.QuietUntilAsync("2026-05-01 09:00");
    }

    [Fact]
    public async Task Temporary_access_is_extended_but_never_shortened_and_the_purge_waits_for_its_end()
    {
        var diary = await SuspendedAsync("sandbox_decline_do_not_honor");
        diary.Do(ActionNames.GrantAccess, a => a with { Days = 20 });
        await diary.ExpectAsync("2026-03-08 09:00", "account.access_granted 2026-03-28T08:00:00Z", "email.sent access_granted");
        diary.Do(ActionNames.GrantAccess, a => a with { Days = 2 });
        await diary.ExpectAsync("2026-03-08 12:00", "account.access_granted 2026-03-28T08:00:00Z", "email.sent access_granted");
        diary.Do(ActionNames.GrantAccess, a => a with { Days = 0 });
        await diary.ExpectAsync("2026-03-08 13:00", "action.rejected grant_access");
        // The purge of the 17th stays on its date: its reminders go out, and then it waits.
        await diary.ExpectAsync("2026-03-10 09:00", "email.sent purge_warning");
        await diary.ExpectAsync("2026-03-16 09:00", "email.sent purge_warning");
        // 28 March, 09:00: access ends, and the same pass finds the purge unhindered. The warning of the 16th is 12 days old.
        await diary.ExpectAsync(
            "2026-03-28 09:00", "account.access_ended", "invoice.written_off", "subscription.canceled", "account.purged", "email.sent account_purged");
    }

    [Fact]
    public async Task A_purge_without_a_warning_in_time_is_postponed()
    {
        // Every pass from the 8th to the 18th is missed, and with them the reminders and the purge.
        var diary = (await SuspendedAsync("sandbox_decline_do_not_honor")).WithOutage("2026-03-08 00:00", "2026-03-18 06:00");
        await diary.ExpectAsync("2026-03-18 06:00", "account.purge_postponed 2026-03-25", "email.sent purge_warning");
        // The 7-day reminder of the new date counts as sent; the 1-day one is still to come.
        await diary.ExpectAsync("2026-03-24 09:00", "email.sent purge_warning");
        await diary.ExpectAsync("2026-03-25 09:00", "invoice.written_off", "subscription.canceled", "account.purged", "email.sent account_purged");
    }

    [Fact]
    public async Task A_legal_hold_is_never_warned_of_a_purge_nor_purged()
    {
        var diary = await SuspendedAsync("sandbox_decline_do_not_honor", a => a with { LegalHold = true });
        await diary.QuietUntilAsync("2026-12-01 09:00");
        Assert.Equal(Access.Suspended, diary.File.Access);
    }

    [Fact]
    public async Task An_outage_bunches_no_steps_and_shortens_no_warning()
    {
        var diary = FiveDaily("sandbox_decline_do_not_honor").WithOutage("2026-03-03 00:00", "2026-03-20 07:00");
        await diary.ExpectAsync("2026-03-02 09:00", Opened);
        // 20 March: the warning of the 5th and the suspension of the 7th are both overdue.
        await diary.ExpectAsync("2026-03-20 07:00", "charge.failed do_not_honor", "dunning.step 1", "email.sent suspension_warning");
        await diary.ExpectAsync(
            "2026-03-22 09:00", "charge.failed do_not_honor", "dunning.step 2", "dunning.exhausted", "account.suspended 2026-04-01", "email.sent account_suspended");
    }

    private static readonly string[] Opened =
    [
        "invoice.issued 2026-03-02..2026-03-07 1555+311-0=1866", "subscription.renewed 2026-03-07", "charge.failed do_not_honor", "dunning.opened 0",
        "email.sent payment_failed",
    ];

    private static async Task<Diary> SuspendedAsync(string token, Func<AccountFile, AccountFile>? with = null)
    {
        var diary = FiveDaily(token, with);
        await diary.ExpectAsync("2026-03-02 09:00", Opened);
        await diary.ExpectAsync("2026-03-05 09:00", "charge.failed do_not_honor", "dunning.step 1", "email.sent suspension_warning");
        await diary.ExpectAsync(
            "2026-03-07 09:00", "charge.failed do_not_honor", "dunning.step 2", "dunning.exhausted", "account.suspended 2026-03-17", "email.sent account_suspended");
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
