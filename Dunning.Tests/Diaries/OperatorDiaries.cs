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
        await diary.ExpectAsync("2026-03-07 08:30", "action.rejected invoice_not_unpaid goodwill write_off");
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
        await diary.ExpectAsync("2026-04-20 16:00", "action.rejected not_held goodwill release_hold");
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
            "2026-03-02 10:00", "action.rejected charge_without_outcome goodwill write_off", "action.rejected charge_without_outcome goodwill void", "operator.acted goodwill hold", "charge.succeeded",
            "invoice.paid", "email.sent receipt");
        Assert.True(diary.File.LegalHold);
    }

    [Fact]
    public async Task A_paid_invoice_that_is_voided_is_refunded_and_its_credit_goes_back()
    {
        var diary = FiveDaily("sandbox_ok", a => a with { Credit = 500 });
        await diary.ExpectAsync(
            "2026-03-02 09:00", "invoice.issued 2026-03-02..2026-03-07 1555+311-500=1366", "subscription.renewed 2026-03-07", "charge.succeeded",
            "invoice.paid", "email.sent receipt");
        Assert.Equal(0, diary.File.Credit);

        Act(diary, ActionNames.VoidInvoice);

        await diary.ExpectAsync("2026-03-03 10:00", "invoice.voided", "operator.acted goodwill void");
        Assert.Equal(500, diary.File.Credit);
        Assert.Equal(1, await diary.RefundsAsync());
        // Once: it is voided now.
        Act(diary, ActionNames.VoidInvoice);
        await diary.ExpectAsync("2026-03-03 11:00", "action.rejected already_over goodwill void");
        Assert.Equal(1, await diary.RefundsAsync());
    }

    [Fact]
    public async Task An_invoice_that_credit_has_paid_gives_all_of_it_back_when_it_is_voided()
    {
        var diary = FiveDaily("sandbox_decline_do_not_honor", a => a with { Credit = 500 });
        await diary.ExpectAsync(
            "2026-03-02 09:00", "invoice.issued 2026-03-02..2026-03-07 1555+311-500=1366", "subscription.renewed 2026-03-07", "charge.failed do_not_honor",
            "dunning.opened 0", "email.sent payment_failed");
        diary.Do(ActionNames.Credit, a => ByAnna(a) with { Amount = 1400 });
        await diary.ExpectAsync(
            "2026-03-02 10:00", "operator.acted goodwill credit", "email.sent credit_issued", "credit.applied 1366", "invoice.paid", "dunning.recovered 0",
            "email.sent payment_recovered");
        Assert.Equal(34, diary.File.Credit);

        Act(diary, ActionNames.VoidInvoice);

        await diary.ExpectAsync("2026-03-03 10:00", "invoice.voided", "operator.acted goodwill void");
        Assert.Equal(1900, diary.File.Credit);
        Assert.Equal(0, await diary.RefundsAsync());
    }

    [Fact]
    public async Task A_promise_to_pay_stops_the_steps_and_then_warns_anew()
    {
        var diary = FiveDaily("sandbox_decline_do_not_honor");
        await OpenAndWarnAsync(diary);

        diary.Do(ActionNames.Pause, a => ByAnna(a) with { Until = new LocalDate(2026, 3, 20) });
        await diary.ExpectAsync("2026-03-06 10:00", "operator.acted goodwill 2026-03-20 pause");

        await diary.QuietUntilAsync("2026-03-20 08:59");
        // The suspension was due on 7 March: the case is before its warning again, and gives it in full.
        await diary.ExpectAsync(
            "2026-03-20 09:00", "charge.failed do_not_honor", "dunning.step 1", "notice.posted suspension_warning all_agents", "email.sent suspension_warning");
        Assert.Equal(new LocalDate(2026, 3, 22), diary.LastFacts(MailTemplates.SuspensionWarning).SuspendsOn);
        await diary.ExpectAsync(
            "2026-03-22 09:00", "charge.failed do_not_honor", "dunning.step 2", "dunning.exhausted", "account.suspended 2026-04-01", "email.sent account_suspended");
    }

    [Fact]
    public async Task A_new_card_is_charged_in_a_pause_and_a_failure_tells_the_dates_after_it()
    {
        var diary = FiveDaily("sandbox_decline_do_not_honor");
        await OpenAndWarnAsync(diary);
        diary.Do(ActionNames.Pause, a => ByAnna(a) with { Until = new LocalDate(2026, 3, 20) });
        await diary.ExpectAsync("2026-03-06 10:00", "operator.acted goodwill 2026-03-20 pause");

        diary.NewCard("sandbox_decline_insufficient_funds");
        await diary.ExpectAsync(
            "2026-03-08 10:00", "email.sent payment_method_updated", "charge.failed insufficient_funds", "email.sent payment_failed");
        var told = diary.LastFacts(MailTemplates.PaymentFailed);
        Assert.Equal((new LocalDate(2026, 3, 20), new LocalDate(2026, 3, 22)), (told.NextAttemptOn, told.SuspendsOn));
        diary.NewCard("sandbox_ok");
        await diary.ExpectAsync(
            "2026-03-09 10:00", "email.sent payment_method_updated", "charge.succeeded", "invoice.paid", "dunning.recovered 1", "notice.cleared",
            "email.sent payment_recovered");
    }

    [Fact]
    public async Task A_pause_that_is_lifted_ends_as_on_its_date_and_one_into_the_past_is_refused()
    {
        var diary = FiveDaily("sandbox_decline_do_not_honor");
        await OpenAndWarnAsync(diary);
        Act(diary, ActionNames.Unpause);
        diary.Do(ActionNames.Pause, a => ByAnna(a) with { Until = new LocalDate(2026, 3, 6) });
        diary.Do(ActionNames.Pause, a => ByAnna(a) with { Until = new LocalDate(2027, 3, 8) });
        await diary.ExpectAsync(
            "2026-03-06 10:00", "action.rejected not_paused goodwill unpause", "action.rejected date_not_ahead goodwill 2026-03-06 pause",
            "action.rejected date_too_far goodwill 2027-03-08 pause");
        diary.Do(ActionNames.Pause, a => ByAnna(a) with { Until = new LocalDate(2026, 3, 20), Subscription = "s", PeriodStart = new LocalDate(2026, 3, 2) });
        await diary.ExpectAsync("2026-03-06 11:00", "operator.acted goodwill 2026-03-20 pause");
        await diary.QuietUntilAsync("2026-03-09 10:00");

        Act(diary, ActionNames.Unpause);

        await diary.ExpectAsync(
            "2026-03-09 11:00", "operator.acted goodwill unpause", "charge.failed do_not_honor", "dunning.step 1", "notice.posted suspension_warning all_agents",
            "email.sent suspension_warning");
    }

    [Fact]
    public async Task A_promise_to_pay_puts_off_the_purge_too()
    {
        var diary = await SuspendedAsync("sandbox_decline_do_not_honor");
        diary.Do(ActionNames.Pause, a => ByAnna(a) with { Until = new LocalDate(2026, 4, 20) });
        await diary.ExpectAsync("2026-03-11 15:00", "operator.acted goodwill 2026-04-20 pause");

        await diary.QuietUntilAsync("2026-04-20 08:59");

        await diary.ExpectAsync("2026-04-20 09:00", "account.purge_postponed 2026-04-27", "email.sent purge_warning");
    }

    [Fact]
    public async Task A_warning_of_before_a_promise_is_none_of_the_purge_after_it()
    {
        var diary = await SuspendedAsync("sandbox_decline_do_not_honor");
        diary.Do(ActionNames.Pause, a => ByAnna(a) with { Until = new LocalDate(2026, 3, 25) });
        await diary.ExpectAsync("2026-03-11 15:00", "operator.acted goodwill 2026-03-25 pause");

        // The purge was due on 17 March, and warned of on the 10th.
        await diary.ExpectAsync("2026-03-25 09:00", "account.purge_postponed 2026-04-01", "email.sent purge_warning");
    }

    [Fact]
    public async Task A_charge_whose_answer_is_lost_is_not_sent_again_in_a_pause()
    {
        var diary = FiveDaily("sandbox_drop_x1");
        await diary.ExpectAsync(
            "2026-03-02 09:00", "invoice.issued 2026-03-02..2026-03-07 1555+311-0=1866", "subscription.renewed 2026-03-07", "charge.unknown");

        diary.Do(ActionNames.Pause, a => ByAnna(a) with { Until = new LocalDate(2026, 3, 20) });

        await diary.ExpectAsync("2026-03-02 09:30", "operator.acted goodwill 2026-03-20 pause", "charge.abandoned");
        await diary.ExpectAsync("2026-03-20 09:00", "charge.succeeded", "invoice.paid", "email.sent receipt");
    }

    [Fact]
    public async Task The_outcome_of_a_suspending_step_that_comes_in_a_pause_suspends_nobody()
    {
        var diary = FiveDaily("sandbox_decline_do_not_honor");
        await OpenAndWarnAsync(diary);
        diary.NewCard("sandbox_lost_decline_do_not_honor_x1");
        await diary.ExpectAsync("2026-03-07 09:00", "email.sent payment_method_updated", "charge.unknown");
        diary.Do(ActionNames.Pause, a => ByAnna(a) with { Until = new LocalDate(2026, 3, 20) });

        await diary.ExpectAsync("2026-03-07 09:30", "operator.acted goodwill 2026-03-20 pause", "charge.failed do_not_honor", "email.sent payment_failed");

        Assert.Equal(Access.Active, diary.File.Access);
    }

    [Fact]
    public async Task An_exempt_debt_is_charged_and_mailed_on_its_days_and_suspends_nobody()
    {
        var diary = FiveDaily("sandbox_decline_do_not_honor");
        await diary.ExpectAsync(
            "2026-03-02 09:00", "invoice.issued 2026-03-02..2026-03-07 1555+311-0=1866", "subscription.renewed 2026-03-07", "charge.failed do_not_honor",
            "dunning.opened 0", "email.sent payment_failed");
        Act(diary, ActionNames.Exempt);
        await diary.ExpectAsync("2026-03-03 10:00", "operator.acted goodwill exempt");

        await diary.ExpectAsync("2026-03-05 09:00", "charge.failed do_not_honor", "dunning.step 1", "notice.posted payment_failed all_agents", "email.sent payment_failed");
        Assert.Null(diary.LastFacts(MailTemplates.PaymentFailed).SuspendsOn);
        await diary.ExpectAsync("2026-03-07 09:00", "charge.failed do_not_honor", "dunning.step 2", "email.sent payment_failed");
        Assert.Null(diary.LastFacts(MailTemplates.PaymentFailed).NextAttemptOn);
        await diary.QuietUntilAsync("2026-06-01 09:00");
        Act(diary, ActionNames.Exempt);
        await diary.ExpectAsync("2026-06-01 10:00", "action.rejected already_exempt goodwill exempt");

        // Withdrawn: the warning comes first, in full.
        Act(diary, ActionNames.Unexempt);
        await diary.ExpectAsync(
            "2026-06-02 09:00", "operator.acted goodwill unexempt", "charge.failed do_not_honor", "dunning.step 1", "notice.posted suspension_warning all_agents",
            "email.sent suspension_warning");
        await diary.ExpectAsync(
            "2026-06-04 09:00", "charge.failed do_not_honor", "dunning.step 2", "dunning.exhausted", "account.suspended 2026-06-14", "email.sent account_suspended");
    }

    [Fact]
    public async Task An_account_that_is_exempt_for_good_leaves_its_suspension_and_is_never_purged()
    {
        var diary = await SuspendedAsync("sandbox_decline_do_not_honor");

        diary.Do(ActionNames.Exempt, ByAnna);

        await diary.ExpectAsync("2026-03-11 15:00", "operator.acted goodwill exempt", "account.reactivated", "email.sent account_reactivated",
            // Its case was before the warning again; the step is due, and is one more failed payment.
            "charge.failed do_not_honor", "dunning.step 1", "notice.posted payment_failed all_agents", "email.sent payment_failed");
        await diary.ExpectAsync("2026-03-12 09:00", "charge.failed do_not_honor", "dunning.step 2", "email.sent payment_failed");
        await diary.QuietUntilAsync("2026-12-01 09:00");
        Assert.True(diary.File.Exempt);
    }

    private static async Task OpenAndWarnAsync(Diary diary)
    {
        await diary.ExpectAsync(
            "2026-03-02 09:00", "invoice.issued 2026-03-02..2026-03-07 1555+311-0=1866", "subscription.renewed 2026-03-07", "charge.failed do_not_honor",
            "dunning.opened 0", "email.sent payment_failed");
        await diary.ExpectAsync(
            "2026-03-05 09:00", "charge.failed do_not_honor", "dunning.step 1", "notice.posted suspension_warning all_agents", "email.sent suspension_warning");
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
