using System.Globalization;
using Dunning.Gateways.Stripe;
using Dunning.Model;
using Dunning.Ports;
using Dunning.Tests.Gateways.StripeStandIn;
using NodaTime;

namespace Dunning.Tests.Gateways;

/// <summary>What the gateway sends, and what it makes of Stripe's answers: over real HTTP to a server that speaks Stripe's wire format.</summary>
public sealed class StripeGatewayTests : IAsyncLifetime
{
    private static readonly Instant Start = Instant.FromUtc(2026, 3, 1, 8, 0);

    private Instant _now = Start;
    private StandIn _stripe = null!;
    private StripeGateway _gateway = null!;

    public async Task InitializeAsync()
    {
        _stripe = await StandIn.StartAsync(() => _now);
        _gateway = Gateway();
    }

    public async Task DisposeAsync()
    {
        _gateway.Dispose();
        await _stripe.DisposeAsync();
    }

    [Fact]
    public async Task Charge_IsOneIntentConfirmedOffSession_WithNothingInItThatCouldDiffer()
    {
        Assert.IsType<GatewayOutcome.Succeeded>(await _gateway.ChargeAsync(Request("k1"), default));

        var sent = Assert.Single(_stripe.Requests);
        Assert.Equal(("POST", "/v1/payment_intents", "k1", StripeOptions.PinnedApiVersion), (sent.Method, sent.Path, sent.IdempotencyKey, sent.ApiVersion));
        Assert.Equal(
            "amount=1799&currency=eur&customer=cus_a&payment_method=pm_card_visa&confirm=true&off_session=true&error_on_requires_action=true&"
            + "automatic_payment_methods[enabled]=true&automatic_payment_methods[allow_redirects]=never&metadata[dunning_key]=k1&"
            + "metadata[dunning_account]=a&metadata[dunning_subscription]=a-1&metadata[dunning_period]=2026-03-01",
            string.Join('&', sent.Form.Select(f => f.Key + "=" + f.Value)));
    }

    [Fact]
    public async Task Charge_TheSameKeyAgainAndLater_IsAnsweredAndNotMade()
    {
        await _gateway.ChargeAsync(Request("k1"), default);
        _now += Duration.FromHours(20);
        Assert.IsType<GatewayOutcome.Succeeded>(await _gateway.ChargeAsync(Request("k1") with { FirstCalledAt = _now }, default));
        Assert.Single(_stripe.Intents);
    }

    [Theory]
    [InlineData("pm_card_visa_chargeDeclined", "generic_decline", DeclineAdvice.TryLater)]
    [InlineData("pm_card_visa_chargeDeclinedInsufficientFunds", "insufficient_funds", DeclineAdvice.TryLater)]
    [InlineData("pm_card_visa_chargeDeclinedLostCard", "lost_card", DeclineAdvice.Never)]
    [InlineData("pm_card_chargeDeclinedExpiredCard", "expired_card", DeclineAdvice.None)]
    [InlineData("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", DeclineAdvice.None)]
    [InlineData("pm_card_chargeDeclinedProcessingError", "processing_error", DeclineAdvice.TryLater)]
    [InlineData("pm_card_chargeCustomerFail", "generic_decline", DeclineAdvice.None)]
    [InlineData("pm_card_authenticationRequired", "authentication_required", DeclineAdvice.None)]
    [InlineData("pm_never_again", "generic_decline", DeclineAdvice.Never)]
    [InlineData("pm_confirm_data", "do_not_honor", DeclineAdvice.NewData)]
    [InlineData("pm_network_never", "generic_decline", DeclineAdvice.Never)]
    [InlineData("pm_network_new_data", "do_not_honor", DeclineAdvice.NewData)]
    [InlineData("pm_network_later", "restricted_card", DeclineAdvice.TryLater)]
    public async Task Charge_ADecline_IsToldAtOnceAndByLookUpAlike(string method, string code, DeclineAdvice advice)
    {
        var request = Request("k1") with { Token = method };
        var expected = new GatewayOutcome.Declined(code) { Advice = advice, RetryAfter = method == "pm_network_later" ? Duration.FromDays(1) : null };
        Assert.Equal(expected, await _gateway.ChargeAsync(request, default));
        Assert.Equal(expected, await _gateway.LookUpAsync(request, default));
    }

    // Each may stand before a charge that was made: none may be taken for a decline, or for no attempt.
    [Theory]
    [InlineData(WireFault.CutBefore, false)]
    [InlineData(WireFault.CutAfter, true)]
    [InlineData(WireFault.SilentBefore, false)]
    [InlineData(WireFault.SilentAfter, true)]
    [InlineData(WireFault.ErrorBefore, false)]
    [InlineData(WireFault.ErrorAfter, true)]
    [InlineData(WireFault.CutBody, true)]
    [InlineData(WireFault.WrongJson, true)]
    [InlineData(WireFault.SlowDrip, true)]
    [InlineData(WireFault.KeyInUse, false)]
    [InlineData(WireFault.KeyMismatch, false)]
    public async Task Charge_WithoutAnAnswerThatCanBeBelieved_IsUnknownUntilItIsLookedUp(WireFault fault, bool isMade)
    {
        // Long enough for a busy machine to execute it first, where it is to be executed.
        var isSlow = fault is WireFault.SilentBefore or WireFault.SilentAfter or WireFault.SlowDrip;
        using var gateway = new StripeGateway(Options() with { Timeout = TimeSpan.FromSeconds(isSlow ? 5 : 60) }, TimeProvider.System);
        _stripe.Break("cus_a", fault);
        Assert.IsType<GatewayOutcome.Unknown>(await gateway.ChargeAsync(Request("k1"), default));
        Assert.Equal(isMade ? new GatewayOutcome.Succeeded() : null, await _gateway.LookUpAsync(Request("k1"), default));
    }

    [Fact]
    public async Task Charge_NobodyListens_IsUnknown()
    {
        using var gateway = new StripeGateway(Options() with { BaseUrl = new Uri($"http://127.0.0.1:{FreePort.Take().ToString(CultureInfo.InvariantCulture)}") }, TimeProvider.System);
        Assert.IsType<GatewayOutcome.Unknown>(await gateway.ChargeAsync(Request("k1"), default));
    }

    [Theory]
    [InlineData(WireFault.TooMany, 429, "Stripe answers 429 rate_limit")]
    [InlineData(WireFault.Unauthorized, 401, "Stripe answers 401 api_key_expired")]
    public async Task Charge_RefusedForAll_StopsThePass(WireFault fault, int status, string reason)
    {
        _stripe.Break("cus_a", fault);
        Assert.Equal(new GatewayOutcome.Refused(reason, RefusalScope.Everyone) { Status = status }, await _gateway.ChargeAsync(Request("k1"), default));
        Assert.Empty(_stripe.Intents);
    }

    [Theory]
    [InlineData("cus_a", "", RefusalScope.Method)]
    [InlineData("pm_card_visa", "", RefusalScope.Method)]
    // A test key in a live book finds nobody: that is no news about anybody's card.
    [InlineData("cus_a", "; a similar object exists in live mode, but a test mode key was used to make this request.", RefusalScope.Everyone)]
    public async Task Charge_OfWhatIsGone_BlocksThatMethodAlone(string gone, string words, RefusalScope scope)
    {
        _stripe.Missing[gone] = words;
        var refused = Assert.IsType<GatewayOutcome.Refused>(await _gateway.ChargeAsync(Request("k1"), default));
        Assert.Equal(scope, refused.Scope);
        Assert.DoesNotContain(gone, refused.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Charge_ADetachedMethod_IsRefusedAsThatMethods()
    {
        Assert.True(await _gateway.DetachAsync("a", Method("pm_card_visa"), default));
        Assert.Equal(RefusalScope.Method, Assert.IsType<GatewayOutcome.Refused>(await _gateway.ChargeAsync(Request("k1"), default)).Scope);
    }

    [Theory]
    [InlineData("EUR", 49, "the amount is below the least that Stripe takes in EUR")]
    [InlineData("KWD", 1005, "Stripe takes KWD in steps of 0.010 only")]
    [InlineData("MGA", 150, "Stripe takes whole MGA only")]
    public async Task Charge_AnAmountThatStripeDoesNotTake_IsNotSent(string currency, long minor, string fault)
    {
        var request = Request("k1") with { Amount = new Money(minor, Currency.Of(currency)) };
        Assert.Equal(new GatewayOutcome.Refused("not sent: " + fault, RefusalScope.Request), await _gateway.ChargeAsync(request, default));
        Assert.Empty(_stripe.Requests);
    }

    [Theory]
    [InlineData("EUR", 50, 50)]
    [InlineData("JPY", 500, 500)]
    [InlineData("KWD", 1010, 1010)]
    [InlineData("ISK", 5, 500)]
    [InlineData("UGX", 5, 500)]
    [InlineData("MGA", 500, 5)]
    public async Task Charge_AnAmount_IsSentInStripesUnits(string currency, long minor, long units)
    {
        Assert.IsType<GatewayOutcome.Succeeded>(await _gateway.ChargeAsync(Request("k1") with { Amount = new Money(minor, Currency.Of(currency)) }, default));
        Assert.Equal(units, Assert.Single(_stripe.Intents).Amount);
    }

    [Fact]
    public async Task Charge_AnAccountWithoutACustomer_IsNotSent()
    {
        Assert.Equal(RefusalScope.Request, Assert.IsType<GatewayOutcome.Refused>(
            await _gateway.ChargeAsync(Request("k1") with { GatewayCustomer = null }, default)).Scope);
        Assert.Empty(_stripe.Requests);
    }

    [Fact]
    public async Task Charge_OfABankAccount_IsPendingUntilItSettles()
    {
        var request = Request("k1") with { Token = "pm_sepa" };
        Assert.IsType<GatewayOutcome.Pending>(await _gateway.ChargeAsync(request, default));
        Assert.IsType<GatewayOutcome.Pending>(await _gateway.LookUpAsync(request, default));
        _stripe.Settle("cus_a", null);
        Assert.IsType<GatewayOutcome.Succeeded>(await _gateway.LookUpAsync(request, default));
    }

    [Fact]
    public async Task LookUp_AnIntentThatWasNeverConfirmed_IsClosedAndWasNeverMade()
    {
        _stripe.Break("cus_a", WireFault.HalfDone);
        Assert.IsType<GatewayOutcome.Unknown>(await _gateway.ChargeAsync(Request("k1"), default));
        Assert.IsType<GatewayOutcome.NeverMade>(await _gateway.LookUpAsync(Request("k1"), default));
        Assert.Equal("canceled", Assert.Single(_stripe.Intents).Status);
        // And so it stays, should that answer be lost.
        Assert.IsType<GatewayOutcome.NeverMade>(await _gateway.LookUpAsync(Request("k1"), default));
    }

    [Fact]
    public async Task LookUp_FarBackAmongHundreds_IsFound()
    {
        await _gateway.ChargeAsync(Request("k0"), default);
        using var fast = new StripeGateway(Options() with { PerSecond = 1000 }, TimeProvider.System);
        await Task.WhenAll(Enumerable.Range(1, 250).Select(i => fast.ChargeAsync(Request("k" + i), default)));

        Assert.IsType<GatewayOutcome.Succeeded>(await fast.LookUpAsync(Request("k0"), default));
        Assert.Null(await fast.LookUpAsync(Request("k251"), default));
        Assert.Equal(3 + 3, _stripe.Requests.Count(r => r.Method == "GET"));
    }

    [Fact]
    public async Task LookUp_NotFoundOnAPageThatFailed_IsNoAnswer()
    {
        // It is asked three times in all, and then the next look-up finds what there was.
        await _gateway.ChargeAsync(Request("k1"), default);
        _stripe.Break("list", WireFault.ErrorAfter, WireFault.CutBefore, WireFault.WrongJson);
        Assert.IsType<GatewayOutcome.Unknown>(await _gateway.LookUpAsync(Request("k1"), default));
        Assert.IsType<GatewayOutcome.Succeeded>(await _gateway.LookUpAsync(Request("k1"), default));
    }

    [Fact]
    public async Task LookUp_AfterTooManyRequests_WaitsAndAsksAgain()
    {
        await _gateway.ChargeAsync(Request("k1"), default);
        _stripe.Break("list", WireFault.TooMany);
        Assert.IsType<GatewayOutcome.Succeeded>(await _gateway.LookUpAsync(Request("k1"), default));
    }

    [Fact]
    public async Task Refund_IsMadeOnce()
    {
        await _gateway.ChargeAsync(Request("k1"), default);
        Assert.True(await _gateway.RefundAsync(Request("k1"), "k1_refund", default));
        Assert.True(await _gateway.RefundAsync(Request("k1"), "k1_refund", default));
        _now += Duration.FromHours(25); // the key is forgotten, the refund is not
        Assert.True(await _gateway.RefundAsync(Request("k1"), "k1_refund", default));
        Assert.False(await _gateway.RefundAsync(Request("k2"), "k2_refund", default));
        Assert.True(Assert.Single(_stripe.Intents).IsRefunded);
    }

    [Fact]
    public async Task Detach_IsDone_AlsoWhenItWasBefore()
    {
        Assert.True(await _gateway.DetachAsync("a", Method("pm_1"), default));
        Assert.True(await _gateway.DetachAsync("a", Method("pm_1"), default));
        _stripe.Missing["pm_2"] = "";
        Assert.True(await _gateway.DetachAsync("a", Method("pm_2"), default));
        _stripe.Break("detach", WireFault.ErrorBefore);
        Assert.False(await _gateway.DetachAsync("a", Method("pm_3"), default));
    }

    [Fact]
    public async Task Breaker_AfterManyFailures_SendsNothingMore()
    {
        _stripe.Break("cus_a", [.. Enumerable.Repeat(WireFault.ErrorBefore, 100)]);
        using var gateway = new StripeGateway(Options() with { PerSecond = 1000 }, TimeProvider.System);
        for (var i = 0; i < 25; i++)
        {
            await gateway.ChargeAsync(Request("k" + i), default);
        }
        var refused = Assert.IsType<GatewayOutcome.Refused>(await gateway.ChargeAsync(Request("k25"), default));
        Assert.Equal(RefusalScope.Everyone, refused.Scope);
        Assert.Equal(20, _stripe.Requests.Count);
    }

    [Fact]
    public async Task Rate_IsKept()
    {
        using var gateway = new StripeGateway(Options() with { PerSecond = 50 }, TimeProvider.System);
        var started = TimeProvider.System.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, 30).Select(i => gateway.ChargeAsync(Request("k" + i), default)));
        Assert.True(TimeProvider.System.GetElapsedTime(started) > TimeSpan.FromSeconds(0.4), "30 requests took no half second at 50 a second");
    }

    [Fact]
    public async Task Charge_WhoseTurnNeverCame_WasNotSent()
    {
        using var gateway = new StripeGateway(Options() with { PerSecond = 1 }, TimeProvider.System);
        await gateway.ChargeAsync(Request("k1"), default);
        // So many that a busy machine can't let them all have their turn before they give up.
        using var soon = new CancellationTokenSource(TimeSpan.FromMilliseconds(100));
        var outcomes = await Task.WhenAll(Enumerable.Range(2, 60).Select(i => gateway.ChargeAsync(Request("k" + i), soon.Token)));
        var late = outcomes.Count(o => o == new GatewayOutcome.Refused("not sent: it waited too long for its turn", RefusalScope.Request));
        Assert.InRange(late, 1, outcomes.Length);
        Assert.InRange(_stripe.Requests.Count, 1, 1 + outcomes.Length - late);
    }

    [Fact]
    public async Task Key_InAFile_IsReadAtEachRequest()
    {
        var file = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(file, "sk_test_revokedrevoked");
            using var gateway = new StripeGateway(Options() with { KeyFile = file }, TimeProvider.System);
            Assert.Equal(RefusalScope.Everyone, Assert.IsType<GatewayOutcome.Refused>(await gateway.ChargeAsync(Request("k1"), default)).Scope);

            await File.WriteAllTextAsync(file, StandIn.SecretKey);
            Assert.IsType<GatewayOutcome.Succeeded>(await gateway.ChargeAsync(Request("k1"), default));

            // Nor does a live key slip in where the database was bound to a test key.
            await File.WriteAllTextAsync(file, "sk_live_anotherkey");
            Assert.StartsWith("not sent: ", Assert.IsType<GatewayOutcome.Refused>(await gateway.ChargeAsync(Request("k2"), default)).Reason, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(file);
        }
    }

    /// <summary>
    /// Checks each request against Stripe's public OpenAPI description, which is too large to be kept here: name a copy (of
    /// github.com/stripe/openapi) in DUNNING_STRIPE_OPENAPI.
    /// </summary>
    [Fact]
    public async Task Requests_AreValidByStripesOpenApi()
    {
        if (Environment.GetEnvironmentVariable("DUNNING_STRIPE_OPENAPI") is not { Length: > 0 } file)
        {
            return;
        }
        using var gateway = new StripeGateway(Options() with { StatementDescriptorSuffix = "RENEWAL" }, TimeProvider.System);
        await gateway.ChargeAsync(Request("k1"), default);
        await gateway.ChargeAsync(Request("k2") with { Amount = new Money(500, Currency.Of("JPY")) }, default);
        _stripe.Break("cus_a", WireFault.HalfDone);
        await gateway.ChargeAsync(Request("k3"), default);
        await gateway.LookUpAsync(Request("k3"), default);
        for (var i = 4; i < 102; i++)
        {
            await _gateway.ChargeAsync(Request("k" + i), default);
        }
        await gateway.LookUpAsync(Request("k1"), default);
        await gateway.RefundAsync(Request("k1"), "k1_refund", default);
        await gateway.DetachAsync("a", Method("pm_1"), default);
        await gateway.DetachAsync("a", Method("pm_1"), default);

        var api = await OpenApi.ReadAsync(file);
        var checkedPaths = _stripe.Requests.Select(r => api.Check(r)).Distinct().Order(StringComparer.Ordinal);
        Assert.Equal(
            [
                "GET /v1/payment_intents created,customer,limit", "GET /v1/payment_intents created,customer,limit,starting_after",
                "GET /v1/payment_methods/{payment_method}", "POST /v1/payment_intents", "POST /v1/payment_intents/{intent}/cancel",
                "POST /v1/payment_methods/{payment_method}/detach", "POST /v1/refunds",
            ],
            checkedPaths);
    }

    private static ChargeRequest Request(string key) => new(
        "a", "cus_a", key, "a-1", new LocalDate(2026, 3, 1), new Money(1799, Currency.Of("EUR")), new MethodRef("card", 0), "pm_card_visa", false, Start);

    private static PaymentMethod Method(string token) => new() { Id = "card", Token = token };

    private StripeOptions Options() => new()
    {
        Key = StripeKey.Find(StandIn.SecretKey)!, BaseUrl = _stripe.Url, Timeout = TimeSpan.FromSeconds(20), PerSecond = 500,
    };

    private StripeGateway Gateway() => new(Options(), TimeProvider.System);
}
