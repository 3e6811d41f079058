using Dunning.Model;
using NodaTime;

namespace Dunning.Tests.Diaries;

/// <summary>
/// Contacts who want what is not urgent once a day or a week. A held mail makes no event: what would be lost is a receipt that never comes, one that
/// comes twice, or a dunning mail that waits for Monday. 2 March 2026 is a Monday.
/// </summary>
public sealed class DigestDiaries
{
    private static readonly string[] Paid =
        ["invoice.issued 2026-03-02..2026-03-07 1555+311-0=1866", "subscription.renewed 2026-03-07", "charge.succeeded", "invoice.paid"];

    private static readonly string[] PaidAgain =
        ["invoice.issued 2026-03-07..2026-03-12 1555+311-0=1866", "subscription.renewed 2026-03-12", "charge.succeeded", "invoice.paid"];

    [Fact]
    public async Task Who_wants_it_daily_gets_it_the_next_day_and_the_others_at_once()
    {
        var diary = FiveDaily(MailFrequency.AtOnce, MailFrequency.Daily);
        await diary.ExpectAsync("2026-03-02 09:00", [.. Paid, "email.sent receipt"]);
        Assert.Equal([DeliveryState.Accepted, DeliveryState.Held], StatesOf(Assert.Single(diary.File.Mails)));

        await diary.ExpectAsync("2026-03-03 09:00", "email.sent digest");
        var digest = diary.LastMail(MailTemplates.Digest);
        Assert.Equal("billing@a.example", Assert.Single(digest.Recipients).Email);
        var item = Assert.Single(digest.Facts.Items);
        Assert.Equal((MailTemplates.Receipt, Instant.FromUtc(2026, 3, 2, 8, 0), 1866L), (item.Template, item.DecidedAt, item.Facts.Amount!.Value));
        Assert.Empty(diary.File.Mails);

        await diary.ExpectAsync("2026-03-07 09:00", [.. PaidAgain, "email.sent receipt"]);
        await diary.ExpectAsync("2026-03-08 09:00", "email.sent digest");
        await diary.QuietUntilAsync("2026-03-12 08:00");
    }

    [Fact]
    public async Task Who_wants_it_weekly_gets_all_of_it_on_Monday()
    {
        var diary = FiveDaily(MailFrequency.Weekly);
        await diary.ExpectAsync("2026-03-02 09:00", Paid);
        diary.Do(ActionNames.Credit, a => a with { Amount = 500 });
        await diary.ExpectAsync("2026-03-04 15:00");
        diary.Do(ActionNames.ChangePlan, a => a with { Subscription = "s", Plan = "28-daily" });
        await diary.ExpectAsync("2026-03-05 15:00");
        await diary.ExpectAsync(
            "2026-03-07 09:00", "subscription.plan_changed 28-daily", "invoice.issued 2026-03-07..2026-04-04 2450+490-500=2440", "subscription.renewed 2026-04-04",
            "charge.succeeded", "invoice.paid");

        await diary.ExpectAsync("2026-03-09 09:00", "email.sent digest");
        Assert.Equal(
            [(MailTemplates.Receipt, 1866L), (MailTemplates.CreditIssued, 500L), (MailTemplates.PlanChanged, 2450L), (MailTemplates.Receipt, 2440L)],
            diary.LastFacts(MailTemplates.Digest).Items.Select(i => (i.Template, i.Facts.Amount!.Value)));
        await diary.QuietUntilAsync("2026-04-04 08:00");
    }

    [Fact]
    public async Task What_dunning_says_is_never_held()
    {
        var diary = FiveDaily("sandbox_decline_do_not_honor_x1", MailFrequency.Weekly, MailFrequency.Daily);
        await diary.ExpectAsync(
            "2026-03-02 09:00", "invoice.issued 2026-03-02..2026-03-07 1555+311-0=1866", "subscription.renewed 2026-03-07", "charge.failed do_not_honor",
            "dunning.opened 0", "email.sent payment_failed");
        await diary.ExpectAsync("2026-03-04 09:00", "charge.succeeded", "invoice.paid", "dunning.recovered 0", "email.sent payment_recovered");
        Assert.Equal(2, diary.LastMail(MailTemplates.PaymentRecovered).Recipients.Length);
        diary.NewCard("sandbox_ok");
        await diary.ExpectAsync("2026-03-05 12:00", "email.sent payment_method_updated");
        diary.On("s", ActionNames.Cancel);
        await diary.ExpectAsync("2026-03-05 13:00", "subscription.cancel_scheduled 2026-03-07", "email.sent cancellation_scheduled");
        await diary.ExpectAsync("2026-03-07 09:00", "subscription.canceled", "email.sent subscription_canceled", "account.closed");
        await diary.QuietUntilAsync("2026-03-20 12:00");
    }

    [Fact]
    public async Task Another_frequency_counts_for_what_is_held_already()
    {
        var diary = FiveDaily(MailFrequency.Weekly);
        await diary.ExpectAsync("2026-03-02 09:00", Paid);
        Set(diary, a => a with { Frequency = MailFrequency.AtOnce });
        await diary.ExpectAsync("2026-03-03 15:00", "email.sent digest");

        Set(diary, a => a with { Frequency = MailFrequency.Weekly });
        await diary.ExpectAsync("2026-03-03 16:00");
        diary.Do(ActionNames.Credit, a => a with { Amount = 1 });
        await diary.ExpectAsync("2026-03-03 17:00");
        // The day after the decision has come, so it goes at once.
        Set(diary, a => a with { Frequency = MailFrequency.Daily });
        await diary.ExpectAsync("2026-03-04 10:00", "email.sent digest");

        diary.Do(ActionNames.Credit, a => a with { Amount = 2 });
        await diary.ExpectAsync("2026-03-04 11:00");
        Set(diary, a => a with { Frequency = MailFrequency.Weekly, Locale = "fr" });
        await diary.ExpectAsync("2026-03-04 12:00");
        await diary.ExpectAsync("2026-03-07 09:00", "invoice.issued 2026-03-07..2026-03-12 1555+311-3=1863", "subscription.renewed 2026-03-12", "charge.succeeded", "invoice.paid");
        await diary.ExpectAsync("2026-03-09 09:00", "email.sent digest");
        // As the contact is now.
        Assert.Equal("fr", Assert.Single(diary.LastMail(MailTemplates.Digest).Recipients).Locale);
        Assert.Equal(2, diary.LastFacts(MailTemplates.Digest).Items.Length);

        diary.Do(ActionNames.SetContact, a => a with { Email = "nobody@a.example", Frequency = MailFrequency.Daily });
        await diary.ExpectAsync("2026-03-09 12:00", "action.rejected set_contact");
        Set(diary, a => a);
        await diary.ExpectAsync("2026-03-09 13:00", "action.rejected set_contact");
        Assert.Equal((MailFrequency.Weekly, "fr"), (diary.File.Contacts[0].Frequency, diary.File.Contacts[0].Locale));
    }

    [Fact]
    public async Task A_contact_that_is_gone_gets_nothing_and_who_is_added_has_its_own_frequency()
    {
        var diary = FiveDaily(MailFrequency.Daily, MailFrequency.Weekly);
        await diary.ExpectAsync("2026-03-02 09:00", Paid);
        diary.Do(ActionNames.RemoveContact, a => a with { Email = "billing@a.example" });
        await diary.ExpectAsync("2026-03-02 10:00", "email.dropped receipt");
        diary.Do(ActionNames.AddContact, a => a with { Email = "new@a.example", Role = ContactRole.Billing, Frequency = MailFrequency.Weekly, Locale = "fr" });
        await diary.ExpectAsync("2026-03-02 11:00");
        await diary.ExpectAsync("2026-03-03 09:00", "email.sent digest");
        Assert.Equal("owner@a.example", Assert.Single(diary.LastMail(MailTemplates.Digest).Recipients).Email);

        await diary.ExpectAsync("2026-03-07 09:00", PaidAgain);
        await diary.ExpectAsync("2026-03-08 09:00", "email.sent digest");
        await diary.ExpectAsync("2026-03-09 09:00", "email.sent digest");
        var to = Assert.Single(diary.LastMail(MailTemplates.Digest).Recipients);
        Assert.Equal(("new@a.example", "fr"), (to.Email, to.Locale));
        Assert.Single(diary.LastFacts(MailTemplates.Digest).Items);
    }

    [Fact]
    public async Task In_the_gap_of_the_clocks_a_digest_goes_at_its_end_and_in_the_overlap_once()
    {
        var spring = Quiet("2026-03-28 11:00");
        spring.Do(ActionNames.Credit, a => a with { Amount = 1 });
        await spring.ExpectAsync("2026-03-28 12:00");
        await spring.ExpectAsync("2026-03-29 03:00", "email.sent digest");
        await spring.QuietUntilAsync("2026-03-31 12:00");

        var autumn = Quiet("2026-10-24 11:00");
        autumn.Do(ActionNames.Credit, a => a with { Amount = 1 });
        await autumn.ExpectAsync("2026-10-24 12:00");
        await autumn.ExpectPassAtAsync(Instant.FromUtc(2026, 10, 25, 0, 30), "email.sent digest");
        await autumn.QuietUntilAsync("2026-10-27 12:00");

        static Diary Quiet(string since) => new(since, now => Samples.Account("a", now) with { Contacts = [Owner(MailFrequency.Daily)] }, ("Dunning:ChargeAt", "02:30"));
    }

    [Fact]
    public async Task After_an_outage_one_digest_tells_what_has_waited()
    {
        var diary = FiveDaily(MailFrequency.Daily).WithOutage("2026-03-02 20:00", "2026-03-10 12:00");
        await diary.ExpectAsync("2026-03-02 09:00", Paid);
        // What the late renewal tells waits for its own next day.
        await diary.ExpectAsync("2026-03-10 12:00", [.. PaidAgain, "email.sent digest"]);
        Assert.Equal(Instant.FromUtc(2026, 3, 2, 8, 0), Assert.Single(diary.LastFacts(MailTemplates.Digest).Items).DecidedAt);
        await diary.ExpectAsync("2026-03-11 09:00", "email.sent digest");
    }

    [Fact]
    public async Task A_purge_waits_for_no_digest()
    {
        var diary = new Diary("2026-02-28 12:00", now => Account(now, "sandbox_decline_do_not_honor", MailFrequency.Weekly), Short);
        await diary.ExpectAsync(
            "2026-03-02 09:00", "invoice.issued 2026-03-02..2026-03-07 1555+311-0=1866", "subscription.renewed 2026-03-07", "charge.failed do_not_honor",
            "dunning.opened 0", "email.sent payment_failed");
        await diary.ExpectAsync("2026-03-05 09:00", "charge.failed do_not_honor", "dunning.step 1", "email.sent suspension_warning");
        await diary.ExpectAsync(
            "2026-03-07 09:00", "charge.failed do_not_honor", "dunning.step 2", "dunning.exhausted", "account.suspended 2026-03-17", "email.sent account_suspended");
        await diary.ExpectAsync("2026-03-10 09:00", "email.sent purge_warning");
        await diary.ExpectAsync("2026-03-16 09:00", "email.sent purge_warning");
        diary.Do(ActionNames.Credit, a => a with { Amount = 100 });
        await diary.ExpectAsync("2026-03-16 15:00");
        await diary.ExpectAsync("2026-03-17 09:00", "invoice.written_off", "subscription.canceled", "account.purged", "email.sent account_purged", "email.sent digest");
        await diary.QuietUntilAsync("2026-03-17 12:00");
        Assert.NotNull(diary.File.ErasedAt);
    }

    [Fact]
    public async Task More_than_a_digest_holds_comes_in_another()
    {
        var diary = FiveDaily(MailFrequency.Weekly);
        await diary.ExpectAsync("2026-03-02 09:00", Paid);
        for (var i = 1; i <= 25; i++)
        {
            diary.Do(ActionNames.Credit, a => a with { Amount = i });
        }
        await diary.ExpectAsync("2026-03-03 15:00");
        await diary.ExpectAsync("2026-03-07 09:00", "invoice.issued 2026-03-07..2026-03-12 1555+311-325=1541", "subscription.renewed 2026-03-12", "charge.succeeded", "invoice.paid");
        await diary.ExpectAsync("2026-03-09 09:00", "email.sent digest", "email.sent digest");
        Assert.Equal([25L, 1541L], diary.LastFacts(MailTemplates.Digest).Items.Select(i => i.Facts.Amount!.Value));
    }

    private static readonly (string Key, string Value)[] Short =
        [("Dunning:Steps:1:Off", "true"), ("Dunning:Steps:2:Off", "true"), ("Dunning:Steps:3:Day", "3"), ("Dunning:Steps:3:Notice", ""), ("Dunning:Steps:4:Day", "5"), ("Dunning:PurgeAfterDays", "10")];

    private static Diary FiveDaily(params MailFrequency[] frequencies) => FiveDaily("sandbox_ok", frequencies);

    private static Diary FiveDaily(string token, params MailFrequency[] frequencies) => new("2026-02-28 12:00", now => Account(now, token, frequencies));

    private static AccountFile Account(Instant now, string token, params MailFrequency[] frequencies) => Samples.Account("a", now) with
    {
        ContactCount = frequencies.Length,
        Contacts = frequencies.Length == 1 ? [Owner(frequencies[0])]
            : [Owner(frequencies[0]), new Contact(2, "billing@a.example", "", ContactRole.Billing, null) { Frequency = frequencies[1] }],
        Subscriptions = [Samples.Subscription("s", "five-daily", new LocalDate(2026, 3, 2), new LocalDate(2026, 3, 2), now)],
        Methods = [Samples.Card(token, now)],
    };

    private static Contact Owner(MailFrequency frequency) => new(1, "owner@a.example", "", ContactRole.Owner, null) { Frequency = frequency };

    private static void Set(Diary diary, Func<AccountAction, AccountAction> with) =>
        diary.Do(ActionNames.SetContact, a => with(a with { Email = "OWNER@a.example" }));

    private static IEnumerable<DeliveryState> StatesOf(Model.Mail mail) => mail.Recipients.OrderBy(r => r.Contact).Select(r => r.State);
}
