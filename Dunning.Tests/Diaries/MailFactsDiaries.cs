using Dunning.Model;
using NodaTime;

namespace Dunning.Tests.Diaries;

/// <summary>What the mails tell of money, cards and debts, as decided: a reader who must act needs it, and the events don't have it.</summary>
public sealed class MailFactsDiaries
{
    private static readonly (string Key, string Value)[] Short =
        [("Dunning:Steps:1:Off", "true"), ("Dunning:Steps:2:Off", "true"), ("Dunning:Steps:3:Day", "3"), ("Dunning:Steps:3:Notice", ""), ("Dunning:Steps:4:Day", "5"), ("Dunning:PurgeAfterDays", "10")];

    [Fact]
    public async Task The_reminder_of_a_renewal_tells_what_would_be_charged_to_which_card()
    {
        var diary = new Diary("2026-01-20 12:00", now => Samples.Account("a", now) with
        {
            Credit = 988,
            Subscriptions = [Samples.Subscription("s", "yearly", new LocalDate(2025, 3, 2), new LocalDate(2026, 3, 2), now) with { PendingPlan = "half-yearly" }],
            Methods = [Samples.Card("sandbox_ok", now) with { Brand = "visa", Last4 = "4242", Expires = new YearMonth(2030, 1) }],
        });
        await diary.ExpectAsync("2026-02-23 09:00", "email.sent renewal_upcoming");

        // 80.00 and 20 % of tax, less the credit: the plan that is to come, for its half year.
        var facts = diary.LastFacts(MailTemplates.RenewalUpcoming);
        Assert.Equal((8612L, "EUR", "half-yearly"), (facts.Amount!.Value, facts.Currency, facts.Plan));
        Assert.Equal((new LocalDate(2026, 3, 2), new LocalDate(2026, 9, 2)), (facts.PeriodStart!.Value, facts.PeriodEnd!.Value));
        Assert.Equal(("visa", "4242", facts.PeriodStart), (facts.CardBrand, facts.CardLast4, facts.Date));
        Assert.Equal(988, diary.File.Credit);

        await diary.ExpectAsync(
            "2026-03-02 09:00", "subscription.plan_changed half-yearly", "email.sent plan_changed", "invoice.issued 2026-03-02..2026-09-02 8000+1600-988=8612",
            "subscription.renewed 2026-09-02", "charge.succeeded", "invoice.paid", "email.sent receipt");
        Assert.Equal((8000L, "half-yearly"), (diary.LastFacts(MailTemplates.PlanChanged).Amount!.Value, diary.LastFacts(MailTemplates.PlanChanged).NewPlan));
        Assert.False(diary.LastFacts(MailTemplates.Receipt).ByCredit);
    }

    [Theory]
    [InlineData("insufficient_funds", "2026-03-05")]
    [InlineData("stolen_card", null)]
    [InlineData("authentication_required", null)]
    public async Task Another_attempt_is_promised_only_where_it_could_do_good(string code, string? next)
    {
        var diary = FiveDaily("sandbox_decline_" + code);
        await diary.ExpectAsync("2026-03-02 09:00", [.. Opened.Select(e => e.Replace("do_not_honor", code, StringComparison.Ordinal))]);
        var facts = diary.LastFacts(MailTemplates.PaymentFailed);
        Assert.Equal(next, facts.NextAttemptOn?.ToString("uuuu-MM-dd", null));
        Assert.Equal(new LocalDate(2026, 3, 7), facts.SuspendsOn);
    }

    [Fact]
    public async Task Mails_about_a_debt_tell_all_that_is_owed_and_what_stands_in_the_way()
    {
        var diary = await SuspendedAsync("sandbox_decline_do_not_honor");
        // One invoice is all: the mail's own amount says it.
        Assert.Equal((1866L, null), (diary.LastFacts(MailTemplates.AccountSuspended).Amount!.Value, diary.LastFacts(MailTemplates.AccountSuspended).Owed));

        await diary.ExpectAsync("2026-03-10 09:00", "email.sent purge_warning");
        var warning = diary.LastFacts(MailTemplates.PurgeWarning);
        Assert.Equal((1866L, "EUR", null, new LocalDate(2026, 3, 17)), (warning.Owed!.Value, warning.Currency, warning.Code, warning.PurgeOn!.Value));

        diary.Do(ActionNames.GrantAccess, a => a with { Days = 1 });
        await diary.ExpectAsync("2026-03-11 15:00", "account.access_granted 2026-03-12T14:00:00Z", "email.sent access_granted");
        Assert.Equal(1866, diary.LastFacts(MailTemplates.AccessGranted).Owed);
        await diary.ExpectAsync("2026-03-12 15:00", "account.access_ended");

        diary.NewCard("sandbox_ok");
        await diary.ExpectAsync(
            "2026-03-12 16:00", "email.sent payment_method_updated", "charge.succeeded", "invoice.paid", "dunning.recovered 2", "email.sent payment_recovered",
            "account.reactivated", "email.sent account_reactivated");
        var updated = diary.LastFacts(MailTemplates.PaymentMethodUpdated);
        Assert.Equal((1866L, new YearMonth(2030, 1), new LocalDate(2026, 3, 7)), (updated.Owed!.Value, updated.CardExpires!.Value, updated.Date!.Value));
        var back = diary.LastFacts(MailTemplates.AccountReactivated);
        Assert.Equal((null, "five-daily", diary.Subscription.RenewsOn), (back.Owed, back.Plan, back.Date!.Value));
    }

    [Fact]
    public async Task A_cancellation_tells_of_the_invoice_that_is_voided_with_it()
    {
        var diary = FiveDaily("sandbox_decline_do_not_honor");
        await diary.ExpectAsync("2026-03-02 09:00", Opened);
        diary.On("s", ActionNames.Cancel);
        await diary.ExpectAsync(
            "2026-03-03 12:00", "invoice.voided", "dunning.stopped", "subscription.canceled", "email.sent subscription_canceled", "account.closed");
        var facts = diary.LastFacts(MailTemplates.SubscriptionCanceled);
        Assert.Equal((1866L, new LocalDate(2026, 3, 2)), (facts.Amount!.Value, facts.PeriodStart!.Value));
    }

    [Fact]
    public async Task What_credit_has_paid_names_no_card()
    {
        var diary = FiveDaily("sandbox_decline_do_not_honor");
        await diary.ExpectAsync("2026-03-02 09:00", Opened);
        diary.Do(ActionNames.Credit, a => a with { Amount = 2000 });
        await diary.ExpectAsync(
            "2026-03-03 12:00", "email.sent credit_issued", "credit.applied 1866", "invoice.paid", "dunning.recovered 0", "email.sent payment_recovered");
        var facts = diary.LastFacts(MailTemplates.PaymentRecovered);
        Assert.Equal((1866L, true, null, null), (facts.Amount!.Value, facts.ByCredit, facts.CardBrand, facts.CardLast4));
    }

    private static readonly string[] Opened =
    [
        "invoice.issued 2026-03-02..2026-03-07 1555+311-0=1866", "subscription.renewed 2026-03-07", "charge.failed do_not_honor", "dunning.opened 0",
        "email.sent payment_failed",
    ];

    private static async Task<Diary> SuspendedAsync(string token)
    {
        var diary = FiveDaily(token);
        await diary.ExpectAsync("2026-03-02 09:00", Opened);
        await diary.ExpectAsync("2026-03-05 09:00",
            "charge.failed do_not_honor", "dunning.step 1", "email.sent suspension_warning");
        await diary.ExpectAsync(
            "2026-03-07 09:00", "charge.failed do_not_honor", "dunning.step 2", "dunning.exhausted", "account.suspended 2026-03-17", "email.sent account_suspended");
        return diary;
    }

    private static Diary FiveDaily(string token) => new("2026-02-28 12:00", now => Samples.Account("a", now) with
    {
        Subscriptions = [Samples.Subscription("s", "five-daily", new LocalDate(2026, 3, 2), new LocalDate(2026, 3, 2), now)],
        Methods = [Samples.Card(token, now) with { Brand = "visa", Last4 = "4242" }],
    }, Short);
}
