using Dunning.Model;
using Dunning.Options;
using Dunning.Ports;
using NodaTime;

namespace Dunning.Tests.Diaries;

/// <summary>What real gateways add: limits, pauses, amounts that can't be charged, debits, and news that come by themselves. Weekly, 9.99 and 20 % tax.</summary>
public sealed class PaymentDiaries
{
    private static readonly LocalDate March2 = new(2026, 3, 2);
    private static readonly string[] Issued = ["invoice.issued 2026-03-02..2026-03-09 999+200-0=1199", "subscription.renewed 2026-03-09"];
    private static readonly string[] Failed = [.. Issued, "charge.failed do_not_honor", "dunning.opened 0", "email.sent payment_failed"];
    private static readonly string[] Paid = [.. Issued, "charge.succeeded", "invoice.paid", "email.sent receipt"];
    private static readonly string[] Recovered = ["invoice.paid", "dunning.recovered 0", "email.sent payment_recovered"];

    [Fact]
    public async Task Attempts_that_follow_a_decline_are_limited_a_day_whoever_asks()
    {
        var diary = Weekly("sandbox_decline_do_not_honor", ("Payments:NetworkLimit:PerDay", "2"));
        await diary.ExpectAsync("2026-03-02 09:00", Failed);
        await diary.On("s", ActionNames.RetryCharge).ExpectAsync("2026-03-02 10:00", "charge.failed do_not_honor", "email.sent payment_failed");
        await diary.On("s", ActionNames.RetryCharge).ExpectAsync("2026-03-02 11:00", "charge.failed do_not_honor", "email.sent payment_failed");
        // No attempt, hence no failure and no mail: it is made when the first of the two is a day old.
        await diary.On("s", ActionNames.RetryCharge).ExpectAsync("2026-03-02 12:00", "charge.skipped network_limit");
        await diary.ExpectAsync("2026-03-03 10:00", "charge.failed do_not_honor", "email.sent payment_failed");
        await diary.ExpectAsync("2026-03-04 09:00", "charge.failed do_not_honor", "dunning.step 1", "email.sent payment_failed");
    }

    [Fact]
    public async Task A_step_keeps_its_turn_until_the_month_is_over_and_a_new_card_has_its_own()
    {
        var diary = Weekly("sandbox_decline_do_not_honor", ("Payments:NetworkLimit:PerMonth", "1"));
        await diary.ExpectAsync("2026-03-02 09:00", Failed);
        await diary.On("s", ActionNames.RetryCharge).ExpectAsync("2026-03-02 10:00", "charge.failed do_not_honor", "email.sent payment_failed");
        await diary.ExpectAsync("2026-03-04 09:00", "charge.skipped network_limit");
        // Thirty days after the one that counts, by the clock: it is summer time then.
        await diary.ExpectAsync("2026-04-01 11:00", "charge.failed do_not_honor", "dunning.step 1", "email.sent payment_failed");
        await diary.ExpectAsync("2026-04-02 09:00", "charge.skipped network_limit");
        await diary.NewCard("sandbox_ok").ExpectAsync("2026-04-04 14:00", "email.sent payment_method_updated", "charge.succeeded", "invoice.paid",
            "dunning.recovered 1", "email.sent payment_recovered");
    }

    [Fact]
    public async Task What_the_gateway_cannot_take_is_carried_over_and_never_dunned()
    {
        var diary = Weekly("sandbox_ok", new GatewayTraits { Amounts = _ => new ChargeableAmounts(2000, 10) });
        await diary.ExpectAsync("2026-03-02 09:00", "invoice.issued 2026-03-02..2026-03-09 999+200-0=0", "subscription.renewed 2026-03-09", "invoice.paid", "email.sent receipt");
        Assert.Equal((0, 1199, false), (diary.LastFacts(MailTemplates.Receipt).Amount, diary.LastFacts(MailTemplates.Receipt).Carried, diary.LastFacts(MailTemplates.Receipt).ByCredit));
        Assert.Equal(1199, diary.File.Carried);
        // 11.99 + 11.99, in steps of ten.
        await diary.ExpectAsync("2026-03-09 09:00", "invoice.issued 2026-03-09..2026-03-16 999+200-0=2390", "subscription.renewed 2026-03-16", "charge.succeeded", "invoice.paid", "email.sent receipt");
        Assert.Equal(8, diary.File.Carried);
        // Credit pays what is carried over, too.
        await diary.Do(ActionNames.Credit, a => a with { Amount = 1207 }).ExpectAsync("2026-03-15 14:00", "email.sent credit_issued");
        await diary.ExpectAsync("2026-03-16 09:00", "invoice.issued 2026-03-16..2026-03-23 999+200-1207=0", "subscription.renewed 2026-03-23", "invoice.paid", "email.sent receipt");
        Assert.True(diary.LastFacts(MailTemplates.Receipt).ByCredit);
        Assert.Equal(0, diary.File.Carried);
    }

    [Fact]
    public async Task A_voided_invoice_asks_the_next_for_what_it_asked_for()
    {
        var diary = Weekly("sandbox_ok_x1_decline_do_not_honor", new GatewayTraits { Amounts = _ => new ChargeableAmounts(1, 1000) });
        await diary.ExpectAsync("2026-03-02 09:00", "invoice.issued 2026-03-02..2026-03-09 999+200-0=1000", "subscription.renewed 2026-03-09", "charge.succeeded", "invoice.paid", "email.sent receipt");
        await diary.ExpectAsync("2026-03-09 09:00", "invoice.issued 2026-03-09..2026-03-16 999+200-0=1000", "subscription.renewed 2026-03-16", "charge.failed do_not_honor",
            "dunning.opened 0", "email.sent payment_failed");
        Assert.Equal(398, diary.File.Carried);
        await diary.On("s", ActionNames.Cancel).ExpectAsync("2026-03-10 10:00", "invoice.voided", "dunning.stopped", "subscription.canceled", "email.sent subscription_canceled", "account.closed");
        Assert.Equal(199, diary.File.Carried);
    }

    [Fact]
    public async Task Debits_are_announced_but_not_where_the_failure_told_the_date()
    {
        var diary = new Diary("2026-02-25 12:00", now => Account(now, "sandbox_decline_insufficient_funds_x3") with { Methods = [Samples.Card("sandbox_decline_insufficient_funds_x3", now) with { Expires = null }] });
        await diary.ExpectAsync("2026-02-28 09:00", "email.sent debit_upcoming");
        Assert.Equal((1199, March2), (diary.LastFacts(MailTemplates.DebitUpcoming).Amount, diary.LastFacts(MailTemplates.DebitUpcoming).Date));
        await diary.ExpectAsync("2026-03-02 09:00", [.. Issued, "charge.failed insufficient_funds", "dunning.opened 0", "email.sent payment_failed"]);
        Assert.Equal(new LocalDate(2026, 3, 4), diary.LastFacts(MailTemplates.PaymentFailed).NextAttemptOn);
        await diary.ExpectAsync("2026-03-04 09:00", "charge.failed insufficient_funds", "dunning.step 1", "email.sent payment_failed");
        await diary.ExpectAsync("2026-03-06 09:00", "charge.failed insufficient_funds", "dunning.step 2", "notice.posted payment_failed owner_admins", "email.sent payment_failed");
        await diary.ExpectAsync("2026-03-21 09:00", "email.sent debit_upcoming");
        Assert.Equal(new LocalDate(2026, 3, 23), diary.LastFacts(MailTemplates.DebitUpcoming).Date);
        await diary.ExpectAsync("2026-03-23 09:00", "charge.succeeded", "invoice.paid", "dunning.recovered 2", "notice.cleared", "email.sent payment_recovered");
    }

    [Fact]
    public async Task A_debit_that_is_returned_opens_a_case_that_day_once()
    {
        var diary = Weekly("sandbox_ok");
        await diary.ExpectAsync("2026-03-02 09:00", Paid);
        await diary.Tell(new GatewayNews.Reversed(Diary.KeyOf(March2), "insufficient_funds"))
            .ExpectAsync("2026-03-05 14:00", "payment.reversed insufficient_funds", "dunning.opened 0", "email.sent payment_failed");
        Assert.Equal((true, new LocalDate(2026, 3, 7)), (diary.LastFacts(MailTemplates.PaymentFailed).Returned, diary.LastFacts(MailTemplates.PaymentFailed).NextAttemptOn));
        await diary.Tell(new GatewayNews.Reversed(Diary.KeyOf(March2), "insufficient_funds")).Tell(new GatewayNews.Settled(Diary.KeyOf(March2), new GatewayOutcome.Succeeded()))
            .QuietUntilAsync("2026-03-05 15:00");
        await diary.ExpectAsync("2026-03-07 09:00", ["charge.succeeded", .. Recovered]);
        // Late news of the first charge touch nothing that the second one paid.
        await diary.Tell(new GatewayNews.Settled(Diary.KeyOf(March2), new GatewayOutcome.Declined("do_not_honor"))).QuietUntilAsync("2026-03-08 10:00");
        Assert.Equal(2, await diary.SuccessesAsync());
    }

    [Fact]
    public async Task A_returned_debit_of_a_closed_account_opens_it_again()
    {
        var diary = new Diary("2026-02-28 12:00", now => Account(now, "sandbox_ok") with
        {
            Subscriptions = [Samples.Subscription("s", "weekly", March2, March2, now) with { AutoRenew = true }],
        });
        await diary.ExpectAsync("2026-03-02 09:00", Paid);
        await diary.On("s", ActionNames.Cancel).ExpectAsync("2026-03-03 10:00", "subscription.cancel_scheduled 2026-03-09", "email.sent cancellation_scheduled");
        await diary.ExpectAsync("2026-03-09 09:00", "subscription.canceled", "email.sent subscription_canceled", "account.closed");
        await diary.Tell(new GatewayNews.Reversed(Diary.KeyOf(March2), "account_closed"))
            .ExpectAsync("2026-03-10 14:00", "payment.reversed account_closed", "dunning.opened 0", "email.sent payment_failed");
        await diary.ExpectAsync("2026-03-12 09:00", ["charge.succeeded", .. Recovered, "account.closed"]);
    }

    [Fact]
    public async Task A_dispute_stops_dunning_and_operators_are_told_how_it_ends()
    {
        var diary = Weekly("sandbox_ok_x1_decline_do_not_honor");
        await diary.ExpectAsync("2026-03-02 09:00", Paid);
        await diary.Tell(new GatewayNews.Reversed(Diary.KeyOf(March2), "do_not_honor"))
            .ExpectAsync("2026-03-03 10:00", "payment.reversed do_not_honor", "dunning.opened 0", "email.sent payment_failed");
        await diary.Tell(new GatewayNews.Disputed(Diary.KeyOf(March2), "fraudulent")).ExpectAsync("2026-03-04 10:00", "payment.disputed fraudulent", "dunning.stopped");
        await diary.Tell(new GatewayNews.Disputed(Diary.KeyOf(March2), "fraudulent")).QuietUntilAsync("2026-03-04 11:00");
        // Steps 1 to 4 would have come by then.
        await diary.Tell(new GatewayNews.DisputeClosed(Diary.KeyOf(March2), false)).ExpectAsync("2026-04-20 10:00", "payment.dispute_closed lost");
        await diary.QuietUntilAsync("2026-06-01 09:00");
        // What operators or the customer ask for is charged all the same.
        await diary.On("s", ActionNames.RetryCharge).ExpectAsync("2026-06-01 10:00", "charge.failed do_not_honor", "email.sent payment_failed");
        await diary.NewCard("sandbox_decline_do_not_honor").ExpectAsync("2026-06-01 11:00", "email.sent payment_method_updated", "charge.failed do_not_honor", "email.sent payment_failed");
    }

    [Fact]
    public async Task A_failed_charge_that_is_confirmed_at_the_gateway_pays_and_a_second_one_goes_back()
    {
        var diary = Weekly("sandbox_decline_do_not_honor_x1");
        await diary.ExpectAsync("2026-03-02 09:00", Failed);
        await diary.Tell(new GatewayNews.Settled(Diary.KeyOf(March2), new GatewayOutcome.Succeeded())).ExpectAsync("2026-03-03 10:00", ["charge.succeeded", .. Recovered]);
        await diary.QuietUntilAsync("2026-03-08 09:00");

        diary = Weekly("sandbox_decline_do_not_honor_x1");
        await diary.ExpectAsync("2026-03-02 09:00", Failed);
        await diary.ExpectAsync("2026-03-04 09:00", ["charge.succeeded", .. Recovered]);
        await diary.Tell(new GatewayNews.Settled(Diary.KeyOf(March2), new GatewayOutcome.Succeeded())).ExpectAsync("2026-03-04 10:00", "charge.duplicate");
    }

    [Fact]
    public async Task A_return_that_is_told_before_its_success_stays_one()
    {
        var diary = Weekly("sandbox_timeout_x1");
        await diary.ExpectAsync("2026-03-02 09:00", [.. Issued, "charge.unknown"]);
        await diary.Tell(new GatewayNews.Reversed(Diary.KeyOf(March2), "insufficient_funds"))
            .Tell(new GatewayNews.Settled(Diary.KeyOf(March2), new GatewayOutcome.Succeeded()))
            .ExpectAsync("2026-03-02 09:30", "charge.failed insufficient_funds", "dunning.opened 0", "email.sent payment_failed");
        await diary.ExpectAsync("2026-03-04 09:00", ["charge.succeeded", .. Recovered]);
    }

    [Fact]
    public async Task A_dispute_that_is_won_has_the_warning_given_again()
    {
        var diary = Weekly("sandbox_ok_x1_decline_do_not_honor");
        await diary.ExpectAsync("2026-03-02 09:00", Paid);
        await diary.Tell(new GatewayNews.Reversed(Diary.KeyOf(March2), "do_not_honor"))
            .ExpectAsync("2026-03-03 10:00", "payment.reversed do_not_honor", "dunning.opened 0", "email.sent payment_failed");
        await diary.ExpectAsync("2026-03-05 09:00", "charge.failed do_not_honor", "dunning.step 1", "email.sent payment_failed");
        await diary.ExpectAsync("2026-03-07 09:00", "charge.failed do_not_honor", "dunning.step 2", "notice.posted payment_failed owner_admins", "email.sent payment_failed");
        await diary.ExpectAsync("2026-03-24 09:00", "charge.failed do_not_honor", "dunning.step 3", "notice.posted suspension_warning all_agents", "email.sent suspension_warning");
        await diary.Tell(new GatewayNews.Disputed(Diary.KeyOf(March2), "general")).ExpectAsync("2026-03-25 10:00", "payment.disputed general", "dunning.stopped", "notice.cleared");
        await diary.Tell(new GatewayNews.DisputeClosed(Diary.KeyOf(March2), true)).ExpectAsync("2026-06-25 10:00", "payment.dispute_closed won", "charge.failed do_not_honor", "dunning.step 3",
            "notice.posted suspension_warning all_agents", "email.sent suspension_warning");
        await diary.ExpectAsync("2026-07-03 09:00", "charge.failed do_not_honor", "dunning.step 4", "dunning.exhausted", "account.suspended 2026-10-01", "email.sent account_suspended");
    }

    [Fact]
    public async Task Money_that_went_back_did_not_pay_and_its_return_opens_nothing()
    {
        var diary = Weekly("sandbox_ok");
        await diary.ExpectAsync("2026-03-02 09:00", Paid);
        await diary.Tell(new GatewayNews.Refunded(Diary.KeyOf(March2), new Money(1199, Currency.Of("EUR")))).ExpectAsync("2026-03-03 10:00", "payment.refunded");
        await diary.Tell(new GatewayNews.Reversed(Diary.KeyOf(March2), "insufficient_funds")).ExpectAsync("2026-03-04 10:00", "payment.reversed insufficient_funds");
        await diary.QuietUntilAsync("2026-03-08 09:00");
    }

    [Fact]
    public async Task Paid_elsewhere_is_paid_once()
    {
        var diary = Weekly("sandbox_decline_do_not_honor");
        await diary.ExpectAsync("2026-03-02 09:00", Failed);
        await diary.Tell(Elsewhere(1100, "pi_0")).ExpectAsync("2026-03-02 20:00", "payment.unexpected pi_0");
        await diary.Tell(Elsewhere(1199, "pi_1")).ExpectAsync("2026-03-03 10:00", ["payment.received pi_1", .. Recovered]);
        Assert.Equal((false, null), (diary.LastFacts(MailTemplates.PaymentRecovered).ByCredit, diary.LastFacts(MailTemplates.PaymentRecovered).CardLast4));
        await diary.Tell(Elsewhere(1199, "pi_2")).ExpectAsync("2026-03-04 10:00", "payment.unexpected pi_2");
        await diary.QuietUntilAsync("2026-03-08 09:00");
        Assert.Equal(0, await diary.SuccessesAsync());

        static GatewayNews.PaidElsewhere Elsewhere(long minor, string reference) => new("s", March2, new Money(minor, Currency.Of("EUR")), reference);
    }

    [Fact]
    public async Task A_card_that_its_issuer_replaced_is_charged_at_once_and_one_that_is_gone_never()
    {
        var diary = Weekly("sandbox_decline_expired_card_x1");
        await diary.ExpectAsync("2026-03-02 09:00", [.. Issued, "charge.failed expired_card", "dunning.opened 0", "email.sent payment_failed"]);
        var replaced = new GatewayNews.CardReplaced("sandbox_decline_expired_card_x1", new YearMonth(2050, 6), "visa", "1881");
        await diary.Tell(replaced).ExpectAsync("2026-03-03 10:00", ["payment_method.replaced", "charge.succeeded", .. Recovered]);
        Assert.Equal(("visa", "1881", new YearMonth(2050, 6)), (diary.File.Methods[0].Brand, diary.File.Methods[0].Last4, diary.File.Methods[0].Expires!.Value));
        await diary.Tell(replaced).QuietUntilAsync("2026-03-03 11:00");
        await diary.Tell(new GatewayNews.MethodGone("sandbox_decline_expired_card_x1")).ExpectAsync("2026-03-05 10:00", "payment_method.gone");
        await diary.ExpectAsync("2026-03-09 09:00", "invoice.issued 2026-03-09..2026-03-16 999+200-0=1199", "subscription.renewed 2026-03-16", "charge.skipped hard_decline", "dunning.opened 0", "email.sent payment_failed");
    }

    [Fact]
    public async Task A_refund_at_the_gateway_is_told_by_what_is_new_in_it()
    {
        var diary = Weekly("sandbox_ok");
        await diary.ExpectAsync("2026-03-02 09:00", Paid);
        await diary.Tell(Refunded(500)).ExpectAsync("2026-03-03 10:00", "payment.refunded");
        await diary.Tell(Refunded(500)).QuietUntilAsync("2026-03-03 11:00");
        await diary.Tell(Refunded(1199)).Tell(Refunded(500)).ExpectAsync("2026-03-03 12:00", "payment.refunded");
        await diary.QuietUntilAsync("2026-03-08 09:00");

        static GatewayNews.Refunded Refunded(long minor) => new(Diary.KeyOf(March2), new Money(minor, Currency.Of("EUR")));
    }

    [Fact]
    public async Task A_charge_that_the_gateway_would_know_by_now_was_never_made()
    {
        var diary = Weekly("sandbox_drop_x24", new GatewayTraits { KeyLife = Duration.FromHours(24) });
        await UntilStuckAsync(diary);
        await diary.ExpectAsync("2026-03-03 10:00", "charge.abandoned", "charge.succeeded", "invoice.paid", "email.sent receipt");
        Assert.Equal(1, await diary.SuccessesAsync());
    }

    [Fact]
    public async Task An_operator_has_seen_that_a_stuck_charge_took_the_money()
    {
        var diary = Weekly("sandbox_drop_x24");
        await UntilStuckAsync(diary);
        await diary.Do(ActionNames.ResolveCharge, a => a with { Subscription = "s", Outcome = "succeeded" })
            .ExpectAsync("2026-03-03 15:00", "charge.succeeded", "invoice.paid", "email.sent receipt");
        await diary.Do(ActionNames.ResolveCharge, a => a with { Subscription = "s", Outcome = "succeeded" }).ExpectAsync("2026-03-03 16:00", "action.rejected resolve_charge");
    }

    [Fact]
    public async Task A_backup_can_be_named()
    {
        var diary = new Diary("2026-02-28 12:00", now => Account(now, "sandbox_decline_do_not_honor") with
        {
            Methods = [Samples.Card("sandbox_decline_do_not_honor", now), Samples.Backup("b", "sandbox_sca", now), Samples.Backup("c", "sandbox_decline_lost_card", now)],
        });
        await diary.ExpectAsync("2026-03-02 09:00", [.. Issued, "charge.failed do_not_honor", "charge.failed authentication_required", "charge.failed lost_card",
            "dunning.opened 0", "email.sent payment_failed"]);
        await diary.Do(ActionNames.Authenticate, a => a with { Method = "c" }).Do(ActionNames.UpdatePaymentMethod, a => a with { Method = "x", Token = "sandbox_ok" })
            .ExpectAsync("2026-03-02 10:00", "action.rejected authenticate", "action.rejected update_payment_method");
        await diary.Do(ActionNames.UpdatePaymentMethod, a => a with { Method = "c", Token = "sandbox_decline_expired_card", Expires = new YearMonth(2030, 1) })
            .ExpectAsync("2026-03-02 11:00", "email.sent payment_method_updated", "charge.failed do_not_honor", "charge.failed expired_card", "email.sent payment_failed");
        Assert.Equal(["b 0 b", "c 1 b", "card 0 d"], diary.File.Methods.Select(m => $"{m.Id} {m.Generation} {(m.IsDefault ? "d" : "")}{(m.IsBackup ? "b" : "")}").Order(StringComparer.Ordinal));
        await diary.Do(ActionNames.Authenticate, a => a with { Method = "b" })
            .ExpectAsync("2026-03-02 12:00", ["charge.failed do_not_honor", "charge.succeeded", .. Recovered]);
    }

    private static async Task UntilStuckAsync(Diary diary)
    {
        await diary.ExpectAsync("2026-03-02 09:00", [.. Issued, "charge.unknown"]);
        for (var hour = 10; hour < 33; hour++)
        {
            await diary.ExpectAsync($"2026-03-0{(hour < 24 ? 2 : 3)} {hour % 24:D2}:00", "charge.unknown");
        }
        await diary.ExpectAsync("2026-03-03 09:00", "charge.stuck");
    }

    private static Diary Weekly(string token, params (string Key, string Value)[] settings) => new("2026-02-28 12:00", now => Account(now, token), settings);

    private static Diary Weekly(string token, GatewayTraits gateway) => new("2026-02-28 12:00", now => Account(now, token)) { Gateway = gateway };

    private static AccountFile Account(Instant now, string token) => Samples.Account("a", now) with
    {
        Subscriptions = [Samples.Subscription("s", "weekly", March2, March2, now)],
        Methods = [Samples.Card(token, now)],
    };
}
