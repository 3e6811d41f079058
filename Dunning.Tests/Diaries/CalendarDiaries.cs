using Dunning.Model;
using NodaTime;

namespace Dunning.Tests.Diaries;

/// <summary>Month ends, leap days, clock changes, reminders and plan changes of accounts that pay.</summary>
public sealed class CalendarDiaries
{
    [Fact]
    public async Task A_month_end_comes_back()
    {
        var diary = Paying("monthly", new LocalDate(2026, 1, 31), new LocalDate(2026, 1, 31), since: "2026-01-30 12:00");
        foreach (var (on, until) in new[]
        {
            ("2026-01-31", "2026-02-28"), ("2026-02-28", "2026-03-31"), ("2026-03-31", "2026-04-30"), ("2026-04-30", "2026-05-31"), ("2026-05-31", "2026-06-30"),
        })
        {
            await diary.ExpectAsync(on + " 09:00", Renewal(on, until, 1500, 300));
        }
    }

    [Fact]
    public async Task A_leap_day_is_28_February_in_common_years()
    {
        var diary = Paying("yearly", new LocalDate(2024, 2, 29), new LocalDate(2027, 2, 28), since: "2027-02-22 12:00");
        await diary.ExpectAsync("2027-02-28 09:00", Renewal("2027-02-28", "2028-02-29", 49990, 9998));
        // 15 January and 22 February 2028: 45 and 7 days before the leap day.
        await diary.ExpectAsync("2028-01-15 09:00", "email.sent renewal_upcoming");
        await diary.ExpectAsync("2028-02-22 09:00", "email.sent renewal_upcoming");
        await diary.ExpectAsync("2028-02-29 09:00", Renewal("2028-02-29", "2029-02-28", 49990, 9998));
    }

    [Theory]
    // 02:30 does not exist on 29 March: the charge falls due when the gap ends, at 03:00.
    [InlineData("2026-03-29", "2026-03-29 03:00", "2026-04-05")]
    // On 25 October 02:30 comes twice: the first counts, half an hour before the clocks go back. (03:00 local is an hour and a half later.)
    [InlineData("2026-10-18", "2026-10-18 02:30", "2026-10-25")]
    public async Task A_charge_time_in_a_gap(string on, string at, string until)
    {
        var date = NodaTime.Text.LocalDatePattern.Iso.Parse(on).Value;
        var diary = Paying("weekly", date, date, since: date.PlusDays(-1).ToString("uuuu-MM-dd", null) + " 12:00", settings: ("Dunning:ChargeAt", "02:30"));
        await diary.ExpectAsync(at, Renewal(on, until, 999, 200));
    }

    [Fact]
    public async Task A_charge_time_in_an_overlap_is_the_earlier_one()
    {
        var diary = Paying("weekly", new LocalDate(2026, 10, 25), new LocalDate(2026, 10, 25), since: "2026-10-24 12:00", settings: ("Dunning:ChargeAt", "02:30"));
        await diary.QuietUntilAsync("2026-10-25 01:59");
        // 00:30 UTC is summer time's 02:30; passes run at full hours, so that of 01:00 UTC, which is winter's 02:00, is the first after it.
        await diary.ExpectPassAtAsync(Instant.FromUtc(2026, 10, 25, 1, 0), Renewal("2026-10-25", "2026-11-01", 999, 200));
    }

    [Fact]
    public async Task After_an_outage_a_daily_plan_renews_once_a_day()
    {
        var diary = Paying("daily", new LocalDate(2026, 3, 1), new LocalDate(2026, 3, 1), since: "2026-02-28 12:00").WithOutage("2026-03-01 00:00", "2026-03-03 10:00");
        await diary.ExpectAsync("2026-03-03 10:00", Renewal("2026-03-01", "2026-03-02", 105, 21));
        // A new date begins at midnight: what is overdue renews at its first pass.
        await diary.ExpectAsync("2026-03-04 00:00", Renewal("2026-03-02", "2026-03-03", 105, 21));
        await diary.ExpectAsync("2026-03-05 00:00", Renewal("2026-03-03", "2026-03-04", 105, 21));
    }

    [Fact]
    public async Task A_subscription_that_expires_is_reminded_thrice()
    {
        var diary = Paying("monthly", new LocalDate(2026, 1, 10), new LocalDate(2026, 4, 10), since: "2026-03-01 12:00", with: s => s with { AutoRenew = false });
        await diary.ExpectAsync("2026-03-11 09:00", "email.sent subscription_expiring");
        await diary.ExpectAsync("2026-04-03 09:00", "email.sent subscription_expiring");
        await diary.ExpectAsync("2026-04-09 09:00", "email.sent subscription_expiring");
        await diary.ExpectAsync("2026-04-10 09:00", "subscription.expired", "account.closed", "email.sent subscription_expired");
    }

    [Fact]
    public async Task A_reminder_missed_for_its_condition_goes_out_when_that_holds_again()
    {
        var diary = Paying("monthly", new LocalDate(2026, 1, 10), new LocalDate(2026, 4, 10), since: "2026-03-01 12:00", with: s => s with { AutoRenew = false });
        diary.Do(ActionNames.SetAutoRenew, a => a with { Subscription = "s", Value = true });
        await diary.QuietUntilAsync("2026-03-02 09:00");
        await diary.QuietUntilAsync("2026-04-04 09:00");
        // The 30- and the 7-day reminder are both overdue: one mail, and both count as sent.
        diary.Do(ActionNames.SetAutoRenew, a => a with { Subscription = "s", Value = false });
        await diary.ExpectAsync("2026-04-04 10:00", "email.sent subscription_expiring");
        await diary.ExpectAsync("2026-04-09 09:00", "email.sent subscription_expiring");
    }

    [Fact]
    public async Task A_card_that_expires_is_told_of_once()
    {
        var diary = Paying("28-daily", new LocalDate(2026, 3, 1), new LocalDate(2026, 5, 24), since: "2026-04-01 12:00", expires: new YearMonth(2026, 5));
        // 1 May: 30 days before the 31st.
        await diary.ExpectAsync("2026-05-01 09:00", "email.sent card_expiring");
        await diary.QuietUntilAsync("2026-05-24 08:00");
    }

    [Fact]
    public async Task A_reminder_due_exactly_when_its_date_becomes_known_is_sent()
    {
        // 1 May, 09:00: the import, and 30 days before the card's last day.
        var diary = Paying("28-daily", new LocalDate(2026, 3, 1), new LocalDate(2026, 5, 24), since: "2026-05-01 09:00", expires: new YearMonth(2026, 5));
        await diary.ExpectAsync("2026-05-01 09:00", "email.sent card_expiring");
    }

    [Fact]
    public async Task A_card_known_too_late_is_not_told_of()
    {
        var diary = Paying("28-daily", new LocalDate(2026, 3, 1), new LocalDate(2026, 5, 24), since: "2026-05-01 10:00", expires: new YearMonth(2026, 5));
        await diary.QuietUntilAsync("2026-05-24 08:00");
    }

    [Fact]
    public async Task A_plan_of_another_interval_moves_the_anchor()
    {
        var diary = Paying("monthly", new LocalDate(2026, 1, 31), new LocalDate(2026, 2, 28), since: "2026-02-20 12:00");
        diary.Do(ActionNames.ChangePlan, a => a with { Subscription = "s", Plan = "weekly" });
        await diary.QuietUntilAsync("2026-02-20 13:00");
        // The second replaces the first; a plan without a price in euros would be refused, one unknown is.
        diary.Do(ActionNames.ChangePlan, a => a with { Subscription = "s", Plan = "half-yearly" }).Do(ActionNames.ChangePlan, a => a with { Subscription = "s", Plan = "none" });
        await diary.ExpectAsync("2026-02-20 14:00", "action.rejected change_plan");
        await diary.ExpectAsync("2026-02-28 09:00", ["subscription.plan_changed half-yearly", "email.sent plan_changed", .. Renewal("2026-02-28", "2026-08-28", 8000, 1600)]);
        Assert.Equal(new LocalDate(2026, 2, 28), diary.Subscription.Anchor);
        // 14 July: half a year is long enough for a reminder.
        await diary.ExpectAsync("2026-07-14 09:00", "email.sent renewal_upcoming");
    }

    [Fact]
    public async Task A_change_that_is_withdrawn_changes_nothing()
    {
        var diary = Paying("monthly", new LocalDate(2026, 1, 31), new LocalDate(2026, 2, 28), since: "2026-02-20 12:00");
        diary.Do(ActionNames.ChangePlan, a => a with { Subscription = "s", Plan = "weekly" }).Do(ActionNames.ChangePlan, a => a with { Subscription = "s", Plan = "monthly" });
        await diary.QuietUntilAsync("2026-02-20 13:00");
        await diary.ExpectAsync("2026-02-28 09:00", Renewal("2026-02-28", "2026-03-31", 1500, 300));
    }

    [Fact]
    public async Task A_cancellation_can_be_withdrawn_until_the_period_ends()
    {
        var diary = Paying("monthly", new LocalDate(2026, 1, 31), new LocalDate(2026, 2, 28), since: "2026-02-20 12:00");
        diary.On("s", ActionNames.Cancel);
        await diary.ExpectAsync("2026-02-20 13:00", "subscription.cancel_scheduled 2026-02-28", "email.sent cancellation_scheduled");
        diary.On("s", ActionNames.Cancel).Do(ActionNames.SetAutoRenew, a => a with { Subscription = "s", Value = false });
        await diary.ExpectAsync("2026-02-20 14:00", "action.rejected cancel", "action.rejected set_auto_renew");
        diary.On("s", ActionNames.Resume).On("s", ActionNames.Resume);
        await diary.ExpectAsync("2026-02-20 15:00", "subscription.resumed", "email.sent cancellation_withdrawn", "action.rejected resume");
        await diary.ExpectAsync("2026-02-28 09:00", Renewal("2026-02-28", "2026-03-31", 1500, 300));
        diary.On("s", ActionNames.Cancel);
        await diary.ExpectAsync("2026-03-01 09:00", "subscription.cancel_scheduled 2026-03-31", "email.sent cancellation_scheduled");
        await diary.ExpectAsync("2026-03-31 09:00", "subscription.canceled", "account.closed", "email.sent subscription_canceled");
        diary.On("s", ActionNames.Resume).On("t", ActionNames.Cancel);
        await diary.ExpectAsync("2026-03-31 10:00", "action.rejected resume", "action.rejected cancel");
    }

    [Fact]
    public async Task What_costs_nothing_is_paid_without_a_charge()
    {
        var diary = Paying("free", new LocalDate(2026, 3, 1), new LocalDate(2026, 3, 1), since: "2026-02-28 12:00", token: "sandbox_decline_do_not_honor");
        await diary.ExpectAsync(
            "2026-03-01 09:00", "invoice.issued 2026-03-01..2026-04-01 0+0-0=0", "subscription.renewed 2026-04-01", "invoice.paid", "email.sent receipt");
    }

    private static string[] Renewal(string on, string until, int subtotal, int tax) =>
    [
        $"invoice.issued {on}..{until} {subtotal}+{tax}-0={subtotal + tax}", $"subscription.renewed {until}", "charge.succeeded", "invoice.paid", "email.sent receipt",
    ];

    private static Diary Paying(
        string plan, LocalDate anchor, LocalDate renewsOn, string since, string token = "sandbox_ok", YearMonth? expires = null,
        Func<Subscription, Subscription>? with = null, params (string Key, string Value)[] settings) => new(since, now =>
        {
            var subscription = Samples.Subscription("s", plan, anchor, renewsOn, now);
            return Samples.Account("a", now) with
            {
                Subscriptions = [with is null ? subscription : with(subscription)],
                Methods = [expires is null ? Samples.Card(token, now) : Samples.Card(token, now) with { Expires = expires }],
            };
        }, settings);
}
