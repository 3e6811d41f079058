using Dunning.Model;
using Dunning.Passes;
using NodaTime;

namespace Dunning.Tests.Diaries;

/// <summary><c>Dunning:EraseClosedAfterDays</c>: who has left without a debt is forgotten after a while. The subscription ends on 2 March.</summary>
public sealed class ErasureDiaries
{
    [Fact]
    public async Task A_closed_account_is_erased_so_many_days_after_the_last_thing_that_happened_to_it()
    {
        var diary = Leaving(a => a, ("Dunning:EraseClosedAfterDays", "30"));
        await diary.ExpectAsync("2026-03-02 09:00", "subscription.canceled", "account.closed", "email.sent subscription_canceled");
        Assert.Equal("owner@a.example", diary.File.Contacts.Single().Email);

        // Paris has summer time since 29 March.
        await diary.ExpectAsync("2026-04-01 09:00", "account.erased");

        Assert.Equal(("", "", 0, 0), (diary.File.Name, diary.File.Address.Line1, diary.File.Contacts.Length, diary.File.Methods.Length));
        Assert.NotNull(diary.File.ErasedAt);
        // Final, as a purge is.
        diary.Do(ActionNames.AddContact, a => a with { Email = "new@a.example", Role = ContactRole.Owner });
        await diary.ExpectAsync("2026-04-02 09:00", "action.rejected add_contact");
    }

    [Fact]
    public async Task By_default_nobody_is()
    {
        var diary = Leaving(a => a);
        await diary.ExpectAsync("2026-03-02 09:00", "subscription.canceled", "account.closed", "email.sent subscription_canceled");
        await diary.QuietUntilAsync("2030-03-02 09:00");
    }

    [Theory]
    [InlineData(true, 0)]
    [InlineData(false, 700)]
    public async Task A_legal_hold_and_money_that_is_the_customers_keep_it(bool isHeld, long credit)
    {
        var diary = Leaving(a => a with { LegalHold = isHeld, Credit = credit }, ("Dunning:EraseClosedAfterDays", "30"));
        await diary.ExpectAsync("2026-03-02 09:00", "subscription.canceled", "account.closed", "email.sent subscription_canceled");
        await diary.QuietUntilAsync("2027-03-02 09:00");
    }

    [Fact]
    public async Task What_happens_meanwhile_puts_it_off()
    {
        var diary = Leaving(a => a, ("Dunning:EraseClosedAfterDays", "30"));
        await diary.ExpectAsync("2026-03-02 09:00", "subscription.canceled", "account.closed", "email.sent subscription_canceled");
        diary.NewCard("sandbox_ok");
        await diary.ExpectAsync("2026-03-20 15:00", "email.sent payment_method_updated");
        await diary.ExpectAsync("2026-04-19 09:00", "account.erased");
    }

    [Fact]
    public void The_guard_of_purges_counts_it_and_bars_it()
    {
        var rules = Samples.Rules(("Dunning:EraseClosedAfterDays", "30"));
        var closed = Instant.FromUtc(2026, 3, 2, 8, 0);
        var file = Samples.Account("a", closed) with { Closed = true };
        var run = new PassRun(closed + Duration.FromDays(31), PassKind.Purge);

        Assert.Equal([new RoomChange(GuardKinds.Purges, run.Now, 1)], Pass.Begin(file, run, rules).Room.ToArray());

        var barred = Pass.Begin(file with { Barred = GuardKinds.Purges }, run, rules);
        Assert.Empty(barred.Events);
        Assert.Equal(run.Now + Duration.FromMinutes(15), barred.Due.Purge);
    }

    private static Diary Leaving(Func<AccountFile, AccountFile> with, params (string Key, string Value)[] settings) => new("2026-02-28 12:00", now => with(
        Samples.Account("a", now) with
        {
            Subscriptions = [Samples.Subscription("s", "five-daily", new LocalDate(2026, 3, 2), new LocalDate(2026, 3, 2), now) with { CancelAtPeriodEnd = true }],
            Methods = [Samples.Card("sandbox_ok", now)],
        }), settings);
}
