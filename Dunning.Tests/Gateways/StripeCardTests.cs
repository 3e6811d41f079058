using Dunning.Gateways.Stripe;
using Dunning.Model;
using Dunning.Ports;
using Dunning.Tests.Gateways.StripeStandIn;
using NodaTime;

namespace Dunning.Tests.Gateways;

/// <summary>How customers give and confirm cards at Stripe, and how a card is verified: over real HTTP to a server that speaks Stripe's wire format.</summary>
public sealed class StripeCardTests : IAsyncLifetime
{
    private static readonly Instant s_now = Instant.FromUtc(2026, 3, 1, 8, 0);
    private static readonly Uri s_back = new("https://billing.example.com/pay/back/v1");
    private static readonly HoldRequest s_hold = new("a", "cus_a", "verify:v1", Currency.Of("EUR"), "pm_new", s_now);

    private StandIn _stripe = null!;
    private StripeGateway _gateway = null!;

    public async Task InitializeAsync()
    {
        _stripe = await StandIn.StartAsync(() => s_now);
        _gateway = new StripeGateway(new StripeOptions { Key = StripeKey.Find(StandIn.SecretKey)!, BaseUrl = _stripe.Url }, TimeProvider.System);
    }

    public async Task DisposeAsync()
    {
        _gateway.Dispose();
        await _stripe.DisposeAsync();
    }

    [Fact]
    public async Task A_new_card_is_given_in_a_Checkout_session_and_read_with_what_people_know_it_by()
    {
        var opened = Assert.IsType<CardPage.Opened>(await _gateway.StartUpdateAsync(Request(), default));
        Assert.Equal("https://checkout.stripe.com/c/pay/" + opened.Reference, opened.Url.AbsoluteUri);
        Assert.Equal(
            "mode=setup&customer=cus_a&currency=eur&locale=fr&success_url=https://billing.example.com/pay/back/v1&cancel_url=https://billing.example.com/pay/back/v1&"
            + "metadata[dunning_session]=v1&metadata[dunning_account]=a&setup_intent_data[metadata][dunning_session]=v1&setup_intent_data[metadata][dunning_account]=a",
            string.Join('&', Assert.Single(_stripe.Requests).Form.Select(f => f.Key + "=" + f.Value)));

        Assert.IsType<CardAnswer.Unfinished>(await _gateway.ReadUpdateAsync(Session(opened.Reference), default));
        _stripe.Give("pm_new", "mastercard", "5454", 8, 2031);
        Assert.Equal(new CardAnswer.Stored("pm_new", new YearMonth(2031, 8), "mastercard", "5454"), await _gateway.ReadUpdateAsync(Session(opened.Reference), default));
        // It is charged like any other.
        Assert.Empty(_stripe.Intents);
    }

    // Would miss: a card of one customer taken for another's, by a copied address.
    [Fact]
    public async Task What_another_customer_did_counts_for_nothing()
    {
        var opened = Assert.IsType<CardPage.Opened>(await _gateway.StartUpdateAsync(Request(), default));
        _stripe.Give("pm_new");
        Assert.IsType<CardAnswer.Closed>(await _gateway.ReadUpdateAsync(Session(opened.Reference) with { GatewayCustomer = "cus_b" }, default));
        Assert.IsType<CardAnswer.Closed>(await _gateway.ReadUpdateAsync(Session("cs_test_nothing"), default));

        var confirmation = Assert.IsType<CardPage.Opened>(await _gateway.StartConfirmationAsync(Request("pm_sca"), default));
        _stripe.Confirm(isPassed: true);
        Assert.IsType<CardAnswer.Closed>(await _gateway.ReadConfirmationAsync(Session(confirmation.Reference, "pm_sca") with { GatewayCustomer = "cus_b" }, default));
        Assert.IsType<CardAnswer.Closed>(await _gateway.ReadConfirmationAsync(Session(confirmation.Reference, "pm_other"), default));
        Assert.IsType<CardAnswer.Confirmed>(await _gateway.ReadConfirmationAsync(Session(confirmation.Reference, "pm_sca"), default));
    }

    [Fact]
    public async Task A_session_that_has_expired_and_a_card_that_is_gone_come_to_nothing()
    {
        var opened = Assert.IsType<CardPage.Opened>(await _gateway.StartUpdateAsync(Request(), default));
        _stripe.Checkouts[0].Status = "expired";
        Assert.IsType<CardAnswer.Closed>(await _gateway.ReadUpdateAsync(Session(opened.Reference), default));

        opened = Assert.IsType<CardPage.Opened>(await _gateway.StartUpdateAsync(Request(), default));
        _stripe.Give("pm_new");
        Assert.True(await _gateway.DetachAsync("a", new PaymentMethod { Id = "x", Token = "pm_new" }, default));
        Assert.IsType<CardAnswer.Closed>(await _gateway.ReadUpdateAsync(Session(opened.Reference), default));
    }

    [Fact]
    public async Task A_stored_card_is_confirmed_on_its_banks_page()
    {
        var opened = Assert.IsType<CardPage.Opened>(await _gateway.StartConfirmationAsync(Request("pm_sca"), default));
        Assert.Equal("https://hooks.stripe.com/3d_secure_2/hosted?id=" + opened.Reference, opened.Url.AbsoluteUri);
        Assert.Equal(
            "customer=cus_a&payment_method=pm_sca&confirm=true&usage=off_session&automatic_payment_methods[enabled]=true&"
            + "return_url=https://billing.example.com/pay/back/v1&metadata[dunning_session]=v1&metadata[dunning_account]=a",
            string.Join('&', Assert.Single(_stripe.Requests).Form.Select(f => f.Key + "=" + f.Value)));
        Assert.IsType<CardAnswer.Unfinished>(await _gateway.ReadConfirmationAsync(Session(opened.Reference, "pm_sca"), default));
        _stripe.Confirm(isPassed: false);
        Assert.Equal(new CardAnswer.Failed("setup_intent_authentication_failure"), await _gateway.ReadConfirmationAsync(Session(opened.Reference, "pm_sca"), default));

        // A bank that asks for nothing, and one that says no at once.
        _stripe.Confirmations["pm_easy"] = null;
        Assert.Equal(s_back, Assert.IsType<CardPage.Opened>(await _gateway.StartConfirmationAsync(Request("pm_easy"), default)).Url);
        _stripe.Confirmations["pm_lost"] = new TestDecline("card_declined", "lost_card");
        Assert.Equal(new CardPage.Declined("lost_card"), await _gateway.StartConfirmationAsync(Request("pm_lost"), default));
    }

    [Theory]
    [InlineData(WireFault.TooMany, "Stripe answers 429 rate_limit")]
    [InlineData(WireFault.ErrorBefore, "Stripe gave no answer")]
    [InlineData(WireFault.CutAfter, "Stripe gave no answer")]
    [InlineData(WireFault.WrongJson, "Stripe gave no answer")]
    [InlineData(WireFault.Unauthorized, "Stripe answers 401 api_key_expired")]
    public async Task Without_an_answer_there_is_no_page(WireFault fault, string reason)
    {
        _stripe.Break("checkout", fault);
        Assert.Equal(new CardPage.Unavailable(reason), await _gateway.StartUpdateAsync(Request(), default));
        _stripe.Break("setup", fault);
        Assert.Equal(new CardPage.Unavailable(reason), await _gateway.StartConfirmationAsync(Request("pm_sca"), default));
        Assert.IsType<CardPage.Unavailable>(await _gateway.StartUpdateAsync(Request() with { GatewayCustomer = null }, default));
    }

    // The least that Stripe takes is more than a unit in some currencies.
    [Theory]
    [InlineData("EUR", 100)]
    [InlineData("JPY", 50)]
    [InlineData("HKD", 400)]
    [InlineData("KWD", 1000)]
    [InlineData("ISK", 100)]
    [InlineData("HUF", 17500)]
    public async Task A_card_is_verified_by_a_reservation_that_is_given_back(string currency, long units)
    {
        var hold = s_hold with { Currency = Currency.Of(currency) };
        var held = Assert.IsType<HoldOutcome.Held>(await _gateway.AuthorizeAsync(hold, default));
        Assert.Equal(held, await _gateway.AuthorizeAsync(hold, default));
        var intent = Assert.Single(_stripe.Intents);
        Assert.Equal((units, "requires_capture"), (intent.Amount, intent.Status));

        Assert.True(await _gateway.VoidAsync(hold, held.Reference, default));
        Assert.Equal("canceled", intent.Status);
        Assert.True(await _gateway.VoidAsync(hold, held.Reference, default));
    }

    [Fact]
    public async Task A_reservation_without_an_answer_is_found_and_given_back()
    {
        _stripe.Break("cus_a", WireFault.CutAfter);
        Assert.IsType<HoldOutcome.Unknown>(await _gateway.AuthorizeAsync(s_hold, default));
        _stripe.Break("list", WireFault.ErrorBefore, WireFault.ErrorBefore, WireFault.ErrorBefore);
        Assert.False(await _gateway.VoidAsync(s_hold, null, default));
        Assert.True(await _gateway.VoidAsync(s_hold, null, default));
        Assert.Equal("canceled", Assert.Single(_stripe.Intents).Status);
        // One that never was needs nothing.
        Assert.True(await _gateway.VoidAsync(s_hold with { Key = "verify:v2" }, null, default));
    }

    [Fact]
    public async Task A_card_that_is_declined_holds_nothing()
    {
        Assert.Equal(new HoldOutcome.Declined("insufficient_funds"), await _gateway.AuthorizeAsync(s_hold with { Token = "pm_card_visa_chargeDeclinedInsufficientFunds" }, default));
        _stripe.Break("cus_a", WireFault.TooMany);
        Assert.Equal(new HoldOutcome.Refused("Stripe answers 429 rate_limit"), await _gateway.AuthorizeAsync(s_hold with { Key = "verify:v2" }, default));
        Assert.DoesNotContain(_stripe.Intents, i => i.Status == "requires_capture");
    }

    // Every request, against Stripe's own description where there is a copy of it.
    [Fact]
    public async Task Every_request_is_one_that_Stripe_describes()
    {
        if (Environment.GetEnvironmentVariable("DUNNING_STRIPE_OPENAPI") is not { Length: > 0 } file)
        {
            return;
        }
        var description = await OpenApi.ReadAsync(file);
        var page = Assert.IsType<CardPage.Opened>(await _gateway.StartUpdateAsync(Request(), default));
        _stripe.Give("pm_new");
        await _gateway.ReadUpdateAsync(Session(page.Reference), default);
        page = Assert.IsType<CardPage.Opened>(await _gateway.StartConfirmationAsync(Request("pm_sca"), default));
        await _gateway.ReadConfirmationAsync(Session(page.Reference, "pm_sca"), default);
        await _gateway.AuthorizeAsync(s_hold, default);
        await _gateway.VoidAsync(s_hold, null, default);
        Assert.Equal(
        [
            "GET /v1/checkout/sessions/{session}", "GET /v1/payment_intents created,customer,limit", "GET /v1/payment_methods/{payment_method}", "GET /v1/setup_intents/{intent}",
            "POST /v1/checkout/sessions", "POST /v1/payment_intents", "POST /v1/payment_intents/{intent}/cancel", "POST /v1/setup_intents",
        ], _stripe.Requests.Select(description.Check).Distinct().Order(StringComparer.Ordinal));
    }

    private static CardRequest Request(string? token = null) => new("a", "cus_a", "v1", Currency.Of("EUR"), "fr", s_back, token);

    private static CardSession Session(string reference, string? token = null) => new("a", "cus_a", reference, token);
}
