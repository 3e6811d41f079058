using System.Collections.Concurrent;
using Dunning.Events;
using Dunning.Gateways.Sandbox;
using Dunning.Gateways.Stripe;
using Dunning.Mail;
using Dunning.Model;
using Dunning.Passes;
using Dunning.Ports;
using Dunning.Simulation;
using Dunning.Tests.Gateways.StripeStandIn;
using NodaTime;

namespace Dunning.Tests.Books;

/// <summary>
/// A book over the Stripe gateway and a server that speaks Stripe's wire format, whose issuer does what the sandbox's tokens say: it declines, loses
/// requests and cuts off answers. Every event must be the same as over the sandbox.
/// </summary>
public sealed class StripeBookTests
{
    [Theory]
    [InlineData("tour")]
    [InlineData("full")]
    public async Task A_book_over_Stripe_gives_the_events_that_it_gives_over_the_sandbox(string name)
    {
        var book = await BookRuns.ReadAsync(name);
        var rules = new Rulebook(book.Options, book.Catalog, "simulation");
        var memory = new MemoryBook();
        var accounts = new HashSet<string>(StringComparer.Ordinal);
        await foreach (var account in book.AccountsAsync())
        {
            // Stripe takes dinars in steps of ten fils, and the books' tax makes single ones.
            if (account.File.Currency.Code != "KWD")
            {
                memory.Add(account.File, Pass.DueOf(account.File, book.KnownAt, rules));
                accounts.Add(account.File.Id);
            }
        }
        Simulator? simulator = null;
        await using var stripe = await StandIn.StartAsync(() => simulator!.Now);
        using var gateway = new StripeGateway(
            new StripeOptions { Key = StripeKey.Find(StandIn.SecretKey)!, BaseUrl = stripe.Url, PerSecond = 10_000, Timeout = TimeSpan.FromSeconds(60) },
            new BookTime(() => simulator!.Now));
        var through = new SandboxTokensAtStripe(gateway, stripe);
        simulator = new Simulator(memory, rules, through, new SinkMailer(), BookRuns.SpanOf(book), new PassLimits());

        var events = await simulator.RunAsync([.. book.Actions.Where(a => accounts.Contains(a.Account))], default);

        var expected = (await BookRuns.GetAsync(name, "memory")).Events.Where(e => accounts.Contains(e.Account)).Select(EventJson.Write);
        Assert.Equal(expected.Order(StringComparer.Ordinal), events.Select(EventJson.Write).Order(StringComparer.Ordinal));
        // The money: what Stripe took and kept is what our events tell.
        Assert.Equal(
            events.Where(e => e.Type == EventTypes.ChargeSucceeded).Sum(e => e.Amount),
            stripe.Intents.Where(i => i is { Status: "succeeded", IsRefunded: false }).Sum(i => i.Amount));
        Assert.Equal(events.Count(e => e.Type is EventTypes.ChargeSucceeded or EventTypes.ChargeFailed), stripe.Intents.Count(i => i.Status != "canceled"));
        // And what was given up can't charge any more.
        Assert.Equal(events.Count(e => e.Type == EventTypes.ChargeAbandoned), stripe.Intents.Count(i => i.Metadata.ContainsKey("dunning_fence")));
        Assert.True(through.Lost > 0, "nothing was lost: the book shows less than it should");
    }

    // A day of lost requests is a moment here: to the breaker it must be a day.
    private sealed class BookTime(Func<Instant> now) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => now().ToDateTimeOffset();
    }

    /// <summary>Says for each charge what the sandbox's token would come to, and has the stand-in do it.</summary>
    private sealed class SandboxTokensAtStripe(StripeGateway stripe, StandIn standIn) : IPaymentGateway
    {
        private readonly MemoryLedger _issuer = new();
        private readonly ConcurrentDictionary<string, TestDecline?> _fates = new(StringComparer.Ordinal);

        public int Lost { get; private set; }

        public async Task<GatewayOutcome> ChargeAsync(ChargeRequest request, CancellationToken ct)
        {
            Assert.True(SandboxToken.TryParse(request.Token, out var token));
            var answer = await _issuer.ChargeAsync(
                new SandboxOrder(request.Key, request.Account, request.Method, request.Amount, token, request.Authenticated), ct);
            var made = await _issuer.FindAsync(request.Key, ct);
            var sent = AtStripe(request);
            _fates[sent.Token] = made is GatewayOutcome.Declined declined ? new TestDecline("card_declined", declined.Code) : null;
            standIn.Issuer = method => _fates[method];
            if (answer is GatewayOutcome.Unknown)
            {
                Lost++;
                standIn.Break(sent.GatewayCustomer!, made is null ? WireFault.CutBefore : WireFault.CutAfter);
            }
            return await stripe.ChargeAsync(sent, ct);
        }

        public Task<GatewayOutcome?> LookUpAsync(ChargeRequest request, CancellationToken ct) => stripe.LookUpAsync(AtStripe(request), ct);

        public Task<GatewayOutcome> FenceAsync(ChargeRequest request, CancellationToken ct) => stripe.FenceAsync(AtStripe(request), ct);

        public Task<bool> RefundAsync(ChargeRequest charge, string refundKey, CancellationToken ct) => stripe.RefundAsync(AtStripe(charge), refundKey, ct);

        public Task<bool> DetachAsync(string account, PaymentMethod method, CancellationToken ct) =>
            stripe.DetachAsync(account, method with { Token = $"pm_{account}_{method.Id}_{method.Generation}" }, ct);

        // A method of its own for each attempt: what becomes of it depends on how often the book's method was called before.
        private static ChargeRequest AtStripe(ChargeRequest request) =>
            request with { GatewayCustomer = "cus_" + request.Account, Token = "pm_" + request.Key };
    }
}
