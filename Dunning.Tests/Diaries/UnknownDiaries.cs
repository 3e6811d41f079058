using Dunning.Model;
using NodaTime;

namespace Dunning.Tests.Diaries;

/// <summary>Charges whose outcome nobody knows, and what becomes of them. Weekly, 9.99 and 20 % tax.</summary>
public sealed class UnknownDiaries
{
    private static readonly string[] Issued = ["invoice.issued 2026-03-02..2026-03-09 999+200-0=1199", "subscription.renewed 2026-03-09"];

    [Fact]
    public async Task The_answer_was_lost_but_the_money_was_taken()
    {
        var diary = Weekly("sandbox_timeout_x1");
        await diary.ExpectAsync("2026-03-02 09:00", [.. Issued, "charge.unknown"]);
        // The next pass asks by key: no second charge, and no mail about a failure that was none.
        await diary.ExpectAsync("2026-03-02 10:00", "charge.succeeded", "invoice.paid", "email.sent receipt");
        Assert.Equal(1, await diary.SuccessesAsync());
    }

    [Fact]
    public async Task The_request_was_lost_and_is_sent_again_with_its_key()
    {
        var diary = Weekly("sandbox_drop_x2");
        await diary.ExpectAsync("2026-03-02 09:00", [.. Issued, "charge.unknown"]);
        await diary.ExpectAsync("2026-03-02 10:00", "charge.unknown");
        await diary.ExpectAsync("2026-03-02 11:00", "charge.succeeded", "invoice.paid", "email.sent receipt");
        Assert.Equal(1, await diary.SuccessesAsync());
    }

    [Fact]
    public async Task A_lost_decline_opens_the_case_on_the_day_it_is_found()
    {
        var diary = Weekly("sandbox_lost_decline_insufficient_funds_x1").WithOutage("2026-03-02 09:30", "2026-03-04 12:00");
        await diary.ExpectAsync("2026-03-02 09:00", [.. Issued, "charge.unknown"]);
        // Two days nobody asked. The date of day 0 is that of the pass that learns the outcome.
        await diary.ExpectAsync("2026-03-04 12:00", "charge.failed insufficient_funds", "dunning.opened 0", "email.sent payment_failed");
        await diary.ExpectAsync("2026-03-06 09:00", "charge.succeeded", "invoice.paid", "dunning.recovered 0", "email.sent payment_recovered");
    }

    [Fact]
    public async Task Stuck_after_23_hours_and_abandoned_by_an_operator()
    {
        var diary = Weekly("sandbox_drop_x24");
        await diary.ExpectAsync("2026-03-02 09:00", [.. Issued, "charge.unknown"]);
        // 23 more times with the same key, the last exactly 23 hours after the first call.
        for (var hour = 10; hour < 33; hour++)
        {
            await diary.ExpectAsync($"2026-03-0{(hour < 24 ? 2 : 3)} {hour % 24:D2}:00", "charge.unknown");
        }
        diary.On("s", ActionNames.AbandonCharge);
        await diary.ExpectAsync("2026-03-03 09:00", "action.rejected abandon_charge", "charge.stuck");
        // Told once. Nobody can cancel while the outcome is unknown.
        diary.On("s", ActionNames.Cancel);
        await diary.ExpectAsync("2026-03-05 09:00", "action.rejected cancel");
        // Never made: the attempt that follows is the invoice's first.
        diary.On("s", ActionNames.AbandonCharge);
        await diary.ExpectAsync("2026-03-06 14:00", "charge.abandoned", "charge.succeeded", "invoice.paid", "email.sent receipt");
        Assert.Equal(1, await diary.SuccessesAsync());
    }

    [Fact]
    public async Task A_new_card_abandons_what_never_arrived_and_pays_in_the_next_pass()
    {
        var diary = Weekly("sandbox_drop_x99");
        await diary.ExpectAsync("2026-03-02 09:00", [.. Issued, "charge.unknown"]);
        diary.NewCard("sandbox_ok");
        await diary.ExpectAsync("2026-03-02 10:00", "email.sent payment_method_updated", "charge.abandoned");
        await diary.ExpectAsync("2026-03-02 11:00", "charge.succeeded", "invoice.paid", "email.sent receipt");
        Assert.Equal(1, await diary.SuccessesAsync());
    }

    [Fact]
    public async Task A_new_card_does_not_pay_what_the_old_one_has_paid()
    {
        var diary = Weekly("sandbox_timeout_x1");
        await diary.ExpectAsync("2026-03-02 09:00", [.. Issued, "charge.unknown"]);
        diary.NewCard("sandbox_ok");
        await diary.ExpectAsync("2026-03-02 10:00", "email.sent payment_method_updated", "charge.succeeded", "invoice.paid", "email.sent receipt");
        await diary.QuietUntilAsync("2026-03-09 08:00");
        Assert.Equal(1, await diary.SuccessesAsync());
    }

    [Fact]
    public async Task Two_subscriptions_one_unknown_the_other_goes_on()
    {
        var diary = new Diary("2026-02-28 12:00", now => Samples.Account("a", now) with
        {
            Subscriptions = [Sub("s1", now), Sub("s2", now)],
            Methods = [Samples.Card("sandbox_timeout_x1", now)],
        });
        await diary.ExpectAsync(
            "2026-03-02 09:00",
            "invoice.issued 2026-03-02..2026-03-09 999+200-0=1199 (s1)", "subscription.renewed 2026-03-09 (s1)", "charge.unknown (s1)",
            "invoice.issued 2026-03-02..2026-03-09 999+200-0=1199 (s2)", "subscription.renewed 2026-03-09 (s2)", "charge.succeeded (s2)", "invoice.paid (s2)",
            "email.sent receipt");
        await diary.ExpectAsync("2026-03-02 10:00", "charge.succeeded (s1)", "invoice.paid (s1)", "email.sent receipt");
    }

    private static Diary Weekly(string token) => new("2026-02-28 12:00", now => Samples.Account("a", now) with
    {
        Subscriptions = [Sub("s", now)],
        Methods = [Samples.Card(token, now)],
    });

    private static Subscription Sub(string id, Instant now) => Samples.Subscription(id, "weekly", new LocalDate(2026, 3, 2), new LocalDate(2026, 3, 2), now);
}
