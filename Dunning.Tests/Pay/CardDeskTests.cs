using Dunning.Gateways;
using Dunning.Hosting;
using Dunning.Model;
using Dunning.Passes;
using Dunning.Pay;
using Dunning.Postgres;
using Dunning.Tests.Gateways;
using Dunning.Tests.Gateways.StripeStandIn;
using Dunning.Tests.Jobs;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dunning.Tests.Pay;

/// <summary>Visits to Stripe's pages over a real database: what came of one is handed in once, whoever looks and however often, and nothing is left behind.</summary>
[Collection(nameof(ServiceRig))]
public sealed class CardDeskTests
{
    [Fact]
    public async Task What_came_of_a_visit_is_handed_in_once_and_charged_at_once()
    {
        await using var stripe = new Desk();
        await stripe.OpenAsync(4, []);

        // Everybody looks at the same time, and later again.
        var visit = await stripe.StartAsync("a1");
        stripe.Wire.Give("pm_new", "mastercard", "5454", 8, 2099);
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => stripe.FinishAsync(visit)));
        stripe.Time.Advance(TimeSpan.FromMinutes(5));
        await stripe.Cards.RunAsync(default);
        Assert.Equal("done", (await stripe.FinishAsync(visit)).State);
        Assert.Equal("1 pm_new 2099-08 mastercard 5454 ok", await stripe.MethodAsync("a1"));
        Assert.Equal(1, stripe.Triggers);
        await stripe.RunAsync(PassKind.Dun);
        Assert.Equal("paid", await stripe.StateAsync("a1"));
        Assert.Equal(["requires_payment_method", "succeeded"], stripe.Wire.Intents.Where(i => i.Customer == "cus_a1").Select(i => i.Status));

        // A crash after it was handed in, before that was written down.
        await stripe.Rig.ScalarAsync<string?>(
            $"update dunning.card_session set state = 'open', settled_at = null, next_look_at = started_at, lease_until = null where id = '{visit}'; select null::text");
        Assert.Equal("done", (await stripe.FinishAsync(visit)).State);
        Assert.Equal("1 pm_new 2099-08 mastercard 5454 ok", await stripe.MethodAsync("a1"));

        // A customer who closes the window has given a card all the same.
        visit = await stripe.StartAsync("a2");
        await stripe.Cards.RunAsync(default);
        Assert.Equal("open", (await stripe.FindAsync(visit)).State);
        stripe.Wire.Give("pm_late");
        stripe.Time.Advance(TimeSpan.FromMinutes(3));
        await stripe.Cards.RunAsync(default);
        Assert.Equal("done", (await stripe.FindAsync(visit)).State);
        Assert.StartsWith("1 pm_late", await stripe.MethodAsync("a2"), StringComparison.Ordinal);

        // One who gave none is waited for, but not for ever; Stripe is asked less and less often.
        visit = await stripe.StartAsync("a3");
        var before = stripe.Wire.Requests.Count;
        for (var minutes = 0; minutes < 32 * 60; minutes += 10)
        {
            stripe.Time.Advance(TimeSpan.FromMinutes(10));
            await stripe.Cards.RunAsync(default);
        }
        Assert.Equal("closed", (await stripe.FindAsync(visit)).State);
        Assert.InRange(stripe.Wire.Requests.Count - before, 5, 20);
        Assert.StartsWith("0 ", await stripe.MethodAsync("a3"), StringComparison.Ordinal);

        // A card that is over before it begins.
        visit = await stripe.StartAsync("a4");
        stripe.Wire.Give("pm_old", year: 2020);
        Assert.Equal(("failed", "expired_card"), ((await stripe.FinishAsync(visit)).State, (await stripe.FindAsync(visit)).Code));

        for (var n = 1; n < CardSessions.PerHour; n++)
        {
            await stripe.StartAsync("a4");
        }
        Assert.IsType<CardStart.TooMany>(await stripe.TryStartAsync("a4", isConfirmation: false));
        stripe.Wire.Break("checkout", WireFault.ErrorBefore);
        Assert.IsType<CardStart.Unavailable>(await stripe.TryStartAsync("a3", isConfirmation: false));
        Assert.Equal(0, await stripe.Rig.ScalarAsync<long>("select count(*) from dunning.card_session where state = 'open' and account_id = 'a3'"));
    }

    [Fact]
    public async Task A_payment_that_the_bank_wants_confirmed_is_confirmed_and_then_charged()
    {
        await using var stripe = new Desk { Token = "pm_card_authenticationRequired" };
        await stripe.OpenAsync(1, []);
        Assert.EndsWith("waiting", await stripe.MethodAsync("a1"), StringComparison.Ordinal);

        var visit = await stripe.StartAsync("a1", isConfirmation: true);
        stripe.Wire.Confirm(isPassed: false);
        Assert.Equal("failed", (await stripe.FinishAsync(visit)).State);
        Assert.EndsWith("waiting", await stripe.MethodAsync("a1"), StringComparison.Ordinal);

        visit = await stripe.StartAsync("a1", isConfirmation: true);
        stripe.Wire.Confirm(isPassed: true);
        Assert.Equal("done", (await stripe.FinishAsync(visit)).State);
        stripe.Wire.Issuer = _ => null;
        await stripe.RunAsync(PassKind.Dun);
        Assert.Equal("paid", await stripe.StateAsync("a1"));
        Assert.StartsWith("0 pm_card_authenticationRequired", await stripe.MethodAsync("a1"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_new_card_is_verified_by_a_reservation_that_is_given_back_days_later()
    {
        await using var stripe = new Desk();
        await stripe.OpenAsync(3, [("Payments:Verification", "authorize"), ("Payments:VerificationVoidDays", "2")]);

        var visit = await stripe.StartAsync("a1");
        stripe.Wire.Give("pm_new");
        Assert.Equal("done", (await stripe.FinishAsync(visit)).State);
        var hold = Assert.Single(stripe.Wire.Intents, i => i.Status == "requires_capture");
        Assert.Equal((100, "eur"), (hold.Amount, hold.Currency));

        // A declined card is nobody's: not taken, and gone at Stripe.
        visit = await stripe.StartAsync("a2");
        stripe.Wire.Give("pm_card_visa_chargeDeclinedLostCard");
        Assert.Equal(("failed", "lost_card"), ((await stripe.FinishAsync(visit)).State, (await stripe.FindAsync(visit)).Code));
        Assert.StartsWith("0 ", await stripe.MethodAsync("a2"), StringComparison.Ordinal);
        Assert.Contains(stripe.Wire.Requests, r => r.Path == "/v1/payment_methods/pm_card_visa_chargeDeclinedLostCard/detach");

        // Without an answer the card is taken, and what may be reserved is found.
        visit = await stripe.StartAsync("a3");
        stripe.Wire.Give("pm_unsure");
        stripe.Wire.Break("cus_a3", WireFault.CutAfter);
        Assert.Equal("done", (await stripe.FinishAsync(visit)).State);
        Assert.Equal(2, stripe.Wire.Intents.Count(i => i.Status == "requires_capture"));

        stripe.Time.Advance(TimeSpan.FromHours(47));
        await stripe.Cards.RunAsync(default);
        Assert.Equal(2, stripe.Wire.Intents.Count(i => i.Status == "requires_capture"));
        stripe.Time.Advance(TimeSpan.FromHours(2));
        stripe.Wire.Break("detach", WireFault.ErrorBefore); // the first of the two requests that cancel
        await stripe.Cards.RunAsync(default);
        Assert.Equal(1, stripe.Wire.Intents.Count(i => i.Status == "requires_capture"));
        stripe.Time.Advance(TimeSpan.FromMinutes(2));
        await stripe.Cards.RunAsync(default);
        Assert.DoesNotContain(stripe.Wire.Intents, i => i.Status == "requires_capture");
        Assert.Equal("declined 1, voided 2", await stripe.Rig.ScalarAsync<string>(
            "select string_agg(state || ' ' || n, ', ' order by state) from (select state, count(*) as n from dunning.card_hold group by state) h"));
    }

    /// <summary>An engine that charges through the stand-in, with accounts whose first attempt has failed.</summary>
    private sealed class Desk : IAsyncDisposable
    {
        private Engine _engine = null!;

        public string Token { get; init; } = "pm_card_visa_chargeDeclinedInsufficientFunds";

        public ManualTime Time { get; } = new();

        public StandIn Wire { get; private set; } = null!;

        public ServiceRig Rig { get; private set; } = null!;

        public CardDesk Cards { get; private set; } = null!;

        public int Triggers { get; private set; }

        public async Task OpenAsync(int accounts, (string Key, string Value)[] keys)
        {
            Time.Advance(TimeProvider.System.GetUtcNow() - Time.GetUtcNow());
            Wire = await StandIn.StartAsync(() => NodaTime.Instant.FromDateTimeOffset(Time.GetUtcNow()));
            Rig = await ServiceRig.NewAsync(accounts);
            await Rig.ScalarAsync<string?>(
                $"""
                update dunning.payment_method set token = '{Token}';
                update dunning.account set gateway_customer = 'cus_' || id;
                delete from dunning.setting where key = '{GatewayBinding.SettingKey}';
                select null::text
                """);
            var (settings, faults) = WorkerSettings.Read(new ConfigurationBuilder().AddConfiguration(Rig.Configuration).AddInMemoryCollection(
            [
                new("Payments:Gateway", "stripe"), new("Payments:Stripe:SecretKey", StandIn.SecretKey), new("Payments:Stripe:BaseUrl", Wire.Url.AbsoluteUri),
                new("Links:PublicUrl", "https://billing.example.com"), .. keys.Select(k => new KeyValuePair<string, string?>(k.Key, k.Value)),
            ]).Build());
            Assert.Empty(faults);
            _engine = await Engine.OpenAsync(Rig.Database, settings!, Time, NullLoggerFactory.Instance, takesOver: true, default);
            Cards = new CardDesk(_engine, settings!.Links, Trigger, Time, NullLogger<CardDesk>.Instance);
            await RunAsync(PassKind.Renew);
            Time.Advance(TimeSpan.FromMinutes(1));

            Task Trigger(CancellationToken ct)
            {
                Triggers++;
                return Task.CompletedTask;
            }
        }

        public async Task RunAsync(PassKind pass) => Assert.Empty((await _engine.RunAsync(pass, default)).Faults);

        public async Task<string> StartAsync(string account, bool isConfirmation = false)
        {
            Assert.IsType<CardStart.Go>(await TryStartAsync(account, isConfirmation));
            return await Rig.ScalarAsync<string>($"select id from dunning.card_session where account_id = '{account}' and state = 'open' order by reference desc limit 1");
        }

        public async Task<CardStart> TryStartAsync(string account, bool isConfirmation)
        {
            var file = (await new PostgresFiles(Rig.Database.Source).FileAsync(account, default))!;
            return await Cards.StartAsync(file, file.Contacts[0], isConfirmation ? PayLinks.Waiting(file) : null, default);
        }

        public async Task<CardSessionRow> FindAsync(string visit) => (await Cards.Sessions.FindAsync(visit, default))!;

        public async Task<CardSessionRow> FinishAsync(string visit) => (await Cards.FinishAsync(await FindAsync(visit), default)).Session;

        public Task<string> StateAsync(string account) => Rig.ScalarAsync<string>($"select state from dunning.receivable where account_id = '{account}'");

        public Task<string> MethodAsync(string account) => Rig.ScalarAsync<string>(
            $"select concat_ws(' ', generation, token, to_char(expires, 'YYYY-MM'), brand, last4, state) from dunning.payment_method where account_id = '{account}' and not retired");

        public async ValueTask DisposeAsync()
        {
            await _engine.DisposeAsync();
            await Rig.DisposeAsync();
            await Wire.DisposeAsync();
        }
    }
}
