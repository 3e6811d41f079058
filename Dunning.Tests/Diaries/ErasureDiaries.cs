using Dunning.Model;
using Dunning.Passes;
using Dunning.Ports;
using Dunning.Rules;
using NodaTime;

namespace Dunning.Tests.Diaries;

/// <summary><c>Dunning:EraseClosedAfterDays</c>: who has left without a debt is forgotten after a while. The subscription ends on 2 March.</summary>
public sealed class ErasureDiaries
{
    private static readonly LocalDate s_march2 = new(2026, 3, 2);

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

    // Paid on 2 March and canceled for the 9th; then its payer disputes the payment. 30 days after the last event would be 10 April.
    [Theory]
    [InlineData(true, "won")]
    [InlineData(false, "lost")]
    public async Task A_dispute_keeps_a_closed_account_until_so_many_days_after_its_end(bool isWon, string how)
    {
        var diary = Paying();
        await diary.ExpectAsync("2026-03-02 09:00", "invoice.issued 2026-03-02..2026-03-09 999+200-0=1199", "subscription.renewed 2026-03-09", "charge.succeeded", "invoice.paid", "email.sent receipt");
        await diary.On("s", ActionNames.Cancel).ExpectAsync("2026-03-03 10:00", "subscription.cancel_scheduled 2026-03-09", "email.sent cancellation_scheduled");
        await diary.ExpectAsync("2026-03-09 09:00", "subscription.canceled", "email.sent subscription_canceled", "account.closed");
        await diary.Tell(new GatewayNews.Disputed(Diary.KeyOf(s_march2), "fraudulent")).ExpectAsync("2026-03-11 10:00", "payment.disputed fraudulent");
        await diary.QuietUntilAsync("2026-07-01 09:00");
        Assert.Equal("owner@a.example", diary.File.Contacts.Single().Email);

        await diary.Tell(new GatewayNews.DisputeClosed(Diary.KeyOf(s_march2), isWon)).ExpectAsync("2026-07-01 10:00", "payment.dispute_closed " + how);
        await diary.ExpectAsync("2026-07-31 09:00", "account.erased");
    }

    [Fact]
    public async Task A_dispute_that_is_open_when_the_account_closes_keeps_it_too()
    {
        var diary = Paying();
        await diary.ExpectAsync("2026-03-02 09:00", "invoice.issued 2026-03-02..2026-03-09 999+200-0=1199", "subscription.renewed 2026-03-09", "charge.succeeded", "invoice.paid", "email.sent receipt");
        await diary.Tell(new GatewayNews.Disputed(Diary.KeyOf(s_march2), "fraudulent")).ExpectAsync("2026-03-02 12:00", "payment.disputed fraudulent");
        await diary.On("s", ActionNames.Cancel).ExpectAsync("2026-03-03 10:00", "subscription.cancel_scheduled 2026-03-09", "email.sent cancellation_scheduled");
        await diary.ExpectAsync("2026-03-09 09:00", "subscription.canceled", "email.sent subscription_canceled", "account.closed");
        await diary.QuietUntilAsync("2027-03-09 09:00");
    }

    // What a file says that is closed for long: each by itself keeps it.
    [Fact]
    public void A_refund_that_is_due_a_charge_without_an_outcome_and_a_mail_keep_it()
    {
        var rules = Samples.Rules(("Dunning:EraseClosedAfterDays", "30"));
        var closed = Instant.FromUtc(2026, 3, 2, 8, 0);
        var file = Samples.Account("a", closed) with { Closed = true };
        var later = closed + Duration.FromDays(400);
        var charge = new Charge
        {
            Key = "k", SubscriptionId = "s", PeriodStart = s_march2, Attempt = 1, Kind = AttemptKind.First, Method = new MethodRef("card", 0), Token = "sandbox_ok",
            Amount = new Money(1199, Currency.Of("EUR")), FirstCalledAt = closed, LastCalledAt = closed,
        };

        Assert.Equal("account.erased", Assert.Single(Pass.Begin(file, new PassRun(later, PassKind.Purge), rules).Events).Type);
        Kept(file with { Charges = [charge with { State = ChargeState.Succeeded, RefundDue = true }] }, Obstacle.RefundDue);
        Kept(file with { Charges = [charge with { State = ChargeState.Unknown }] }, Obstacle.UnknownCharge);
        Kept(file with { Mails = [Postgres.Samples.Mail(Postgres.Samples.Account("a", 10), closed)] }, Obstacle.MailNotOver);
        Kept(file with { LegalHold = true }, Obstacle.LegalHold);
        Kept(file with { OpenDisputes = 1 }, Obstacle.Disputed);
        Kept(file with { Credit = 700 }, Obstacle.Credit);

        void Kept(AccountFile kept, Obstacle why)
        {
            Assert.Null(Pass.DueOf(kept, later, rules).Purge);
            var erasure = Assert.Single(Forecast.Of(kept, later, rules), p => p.Kind == ProspectKind.Erasure);
            Assert.Null(erasure.At);
            Assert.Equal([why], erasure.Obstacles.ToArray());
        }
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

    private static Diary Paying() => new("2026-02-28 12:00", now => Samples.Account("a", now) with
    {
        Subscriptions = [Samples.Subscription("s", "weekly", s_march2, s_march2, now)],
        Methods = [Samples.Card("sandbox_ok", now)],
    }, ("Dunning:EraseClosedAfterDays", "30"));

    private static Diary Leaving(Func<AccountFile, AccountFile> with, params (string Key, string Value)[] settings) => new("2026-02-28 12:00", now => with(
        Samples.Account("a", now) with
        {
            Subscriptions = [Samples.Subscription("s", "five-daily", new LocalDate(2026, 3, 2), new LocalDate(2026, 3, 2), now) with { CancelAtPeriodEnd = true }],
            Methods = [Samples.Card("sandbox_ok", now)],
        }), settings);
}
