using System.Text;
using System.Text.RegularExpressions;
using Dunning.Gateways.Stripe;
using Dunning.Gateways.Webhooks;
using Dunning.Model;
using Dunning.Ports;
using Dunning.Tests.Gateways.StripeStandIn;
using NodaTime;

namespace Dunning.Tests.Gateways;

/// <summary>Which deliveries are believed, and what is made of what they tell: over real HTTP to a server that speaks Stripe's wire format.</summary>
public sealed partial class StripeWebhookTests : IAsyncLifetime
{
    private const string Other = "whsec_another_of_theirs";

    private static readonly Instant Now = Instant.FromUtc(2026, 3, 1, 8, 0);

    private readonly string _file = Path.GetTempFileName();
    private StandIn _stripe = null!;
    private StripeGateway _gateway = null!;

    public async Task InitializeAsync()
    {
        _stripe = await StandIn.StartAsync(() => Now);
        _gateway = Gateway(StandIn.WebhookSecret);
    }

    public async Task DisposeAsync()
    {
        _gateway.Dispose();
        await _stripe.DisposeAsync();
        File.Delete(_file);
    }

    [Fact]
    public async Task Read_ADelivery_IsTakenWithWhomItIsAboutAndNothingElse()
    {
        await ChargeAsync("k1");
        var told = Assert.Single(_stripe.TakeTold());
        Assert.Equal(
            new WebhookEvent(told.Id, "payment_intent.succeeded", _stripe.Intents[0].Id, "k1"),
            Assert.Single(Assert.IsType<WebhookReading.Taken>(await ReadAsync(told.Body, StandIn.Sign(told.Body, Now))).Events));
    }

    // Whoever gets one of these through could make us look at any object, or fill the table.
    [Theory]
    [InlineData("t=1772352000", "Stripe-Signature is not in Stripe's form")]
    [InlineData("v1=00", "Stripe-Signature is not in Stripe's form")]
    [InlineData("t=now,v1=00", "Stripe-Signature is not in Stripe's form")]
    [InlineData("t=-5,v1=00", "Stripe-Signature is not in Stripe's form")]
    [InlineData("t=99999999999999999999,v1=00", "Stripe-Signature is not in Stripe's form")]
    [InlineData("t=1772352000,v0=RIGHT", "Stripe-Signature is not in Stripe's form")]
    [InlineData("t=1772352000,v1=", "the signature is not by the webhook's secret")]
    [InlineData("t=1772352001,v1=RIGHT", "the signature is not by the webhook's secret")]
    [InlineData("t=1772352000,v1=RIGHT0", "the signature is not by the webhook's secret")]
    [InlineData("t=1772352000,v1=é", "the signature is not by the webhook's secret")]
    public async Task Read_ASignatureThatIsNone_IsRefused(string header, string why)
    {
        var right = StandIn.Sign("{}", Now).Split("v1=")[1];
        Assert.Equal(new WebhookReading.Refused(400, why), await ReadAsync("{}", header.Replace("RIGHT", right, StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Read_AnotherBodyOrSecret_IsRefusedAndOneOfSeveralSignaturesIsEnough()
    {
        const string body = """{"object":"event","id":"evt_1","type":"ping","livemode":false}""";
        Assert.IsType<WebhookReading.Refused>(await ReadAsync(body + " ", StandIn.Sign(body, Now)));
        Assert.IsType<WebhookReading.Refused>(await ReadAsync(body, StandIn.Sign(body, Now, Other)));
        Assert.IsType<WebhookReading.Taken>(await ReadAsync(body, StandIn.Sign(body, Now, Other) + "," + StandIn.Sign(body, Now).Split(',')[1]));
    }

    // An old delivery that somebody has kept, and clocks that differ.
    [Theory]
    [InlineData(-301, false)]
    [InlineData(-300, true)]
    [InlineData(300, true)]
    [InlineData(301, false)]
    public async Task Read_ADeliveryOfAnotherTime_IsRefused(int seconds, bool isTaken)
    {
        const string body = """{"object":"event","id":"evt_1","type":"ping","livemode":false}""";
        Assert.Equal(isTaken, await ReadAsync(body, StandIn.Sign(body, Now + Duration.FromSeconds(seconds))) is WebhookReading.Taken);
    }

    [Theory]
    [InlineData("not json")]
    [InlineData("null")]
    [InlineData("""{"object":"charge","id":"ch_1","type":"x","livemode":false}""")]
    [InlineData("""{"object":"event","type":"x","livemode":false}""")]
    [InlineData("""{"object":"event","id":"evt_1","type":"x","livemode":true}""")]
    public async Task Read_WhatIsNoEventOfThisMode_IsRefused(string body) =>
        Assert.IsType<WebhookReading.Refused>(await ReadAsync(body, StandIn.Sign(body, Now)));

    // Others use the same account of Stripe's: what is theirs is neither kept nor asked about.
    [Theory]
    [InlineData("customer.created", """{"id":"cus_1"}""")]
    [InlineData("balance.available", """{"object":"balance"}""")]
    [InlineData("payment_intent.succeeded", """{"id":"pi_1","metadata":{"order":"7"}}""")]
    [InlineData("payment_intent.succeeded", """{"id":"pi_1","metadata":null}""")]
    [InlineData("payment_intent.succeeded", """{"id":7}""")]
    [InlineData("payment_intent.succeeded", """{"id":"pi_1/../x","metadata":{"dunning_key":"k"}}""")]
    public async Task Read_WhatIsOfNoUse_IsTakenForNothing(string type, string about)
    {
        var body = $$$"""{"object":"event","id":"evt_1","type":"{{{type}}}","livemode":false,"data":{"object":{{{about}}} } }""";
        Assert.Empty(Assert.IsType<WebhookReading.Taken>(await ReadAsync(body, StandIn.Sign(body, Now))).Events);
    }

    [Fact]
    public async Task Read_SecretsInAFile_AreRotatedByWritingIt()
    {
        await File.WriteAllTextAsync(_file, StandIn.WebhookSecret + "\n");
        using var gateway = Gateway(null, _file);
        const string body = """{"object":"event","id":"evt_1","type":"ping","livemode":false}""";
        Task<WebhookReading> WithAsync(string secret) => ReadAsync(body, StandIn.Sign(body, Now, secret), gateway);
        Assert.IsType<WebhookReading.Refused>(await WithAsync(Other));

        await File.WriteAllTextAsync(_file, $"{Other}\r\n{StandIn.WebhookSecret}\r\n");
        Assert.IsType<WebhookReading.Taken>(await WithAsync(Other));
        Assert.IsType<WebhookReading.Taken>(await WithAsync(StandIn.WebhookSecret));

        await File.WriteAllTextAsync(_file, Other);
        Assert.IsType<WebhookReading.Refused>(await WithAsync(StandIn.WebhookSecret));
        Assert.DoesNotContain("whsec", StripeOptions(null, _file).WebhookSecrets!.ToString()!, StringComparison.Ordinal);
        await File.WriteAllTextAsync(_file, "");
        Assert.Equal(503, Assert.IsType<WebhookReading.Refused>(await WithAsync(Other)).Status);
    }

    [Fact]
    public async Task Ask_OutcomesOfCharges_AreThoseOfNow()
    {
        await ChargeAsync("paid");
        await ChargeAsync("declined", token: "pm_card_visa_chargeDeclinedLostCard");
        await ChargeAsync("debit", token: "pm_sepa", customer: "cus_b");
        Assert.Equal(
            [
                new GatewayNews.Settled("paid", new GatewayOutcome.Succeeded()),
                new GatewayNews.Settled("declined", new GatewayOutcome.Declined("lost_card") { Advice = DeclineAdvice.Never }),
                new GatewayNews.Settled("debit", new GatewayOutcome.Pending()),
            ],
            await HearAllAsync());

        await ChargeAsync("later", token: "pm_sepa", customer: "cus_c");
        _stripe.Settle("cus_c", null);
        // What was told as processing has succeeded by now.
        Assert.Equal(Enumerable.Repeat(new GatewayNews.Settled("later", new GatewayOutcome.Succeeded()), 2), await HearAllAsync());
    }

    [Fact]
    public async Task Ask_APaymentOfSomebodyElse_PaysItsInvoice()
    {
        var id = _stripe.PayElsewhere("cus_a", 1799, ("dunning_subscription", "a-1"), ("dunning_period", "2026-03-01"));
        _stripe.PayElsewhere("cus_a", 1799, ("dunning_subscription", "a-1"), ("dunning_period", "March"));
        Assert.Equal([new GatewayNews.PaidElsewhere("a-1", new LocalDate(2026, 3, 1), Euro(1799), id)], await HearAllAsync());
    }

    [Fact]
    public async Task Ask_ARefund_TellsAllThatWentBack()
    {
        await ChargeAsync("k1");
        await _gateway.RefundAsync(Request("k1", "pm_card_visa", "cus_a"), "k1_refund", default);
        Assert.Contains(new GatewayNews.Refunded("k1", Euro(1799)), await HearAllAsync());
    }

    // A debit that the bank returns is unpaid again; a card payment that is disputed is the operators' affair.
    [Theory]
    [InlineData("pm_sepa", "general", "lost", "Reversed { Key = k1, Code = generic_decline }", "Reversed { Key = k1, Code = generic_decline }")]
    [InlineData("pm_sepa", "insufficient_funds", "needs_response", "Reversed { Key = k1, Code = insufficient_funds }")]
    [InlineData("pm_card_visa", "debit_not_authorized", "needs_response", "Reversed { Key = k1, Code = revocation_of_authorization }")]
    [InlineData("pm_card_visa", "incorrect_account_details", "needs_response", "Reversed { Key = k1, Code = invalid_account }")]
    [InlineData("pm_card_visa", "fraudulent", "needs_response", "Disputed { Key = k1, Reason = fraudulent }")]
    [InlineData("pm_card_visa", "product_not_received", "warning_needs_response", "Disputed { Key = k1, Reason = product_not_received }")]
    public async Task Ask_ADispute_IsAReturnOrADispute(string token, string reason, string status, params string[] news)
    {
        await ChargeAsync("k1", token);
        if (token == "pm_sepa")
        {
            _stripe.Settle("cus_a", null);
        }
        _stripe.TakeTold();
        _stripe.Dispute("cus_a", reason, status);
        Assert.Equal(news, (await HearAllAsync()).Select(n => n.ToString()));
    }

    [Theory]
    [InlineData("won", true)]
    [InlineData("warning_closed", true)]
    [InlineData("lost", false)]
    public async Task Ask_ADisputeThatIsOver_IsToldWholeByItsEndAlone(string status, bool isWon)
    {
        await ChargeAsync("k1");
        _stripe.TakeTold();
        _stripe.Dispute("cus_a", "fraudulent", "needs_response");
        _stripe.Dispute("cus_a", "fraudulent", status);
        // The beginning may come after the end, and then must not begin it again.
        Assert.Equal([new GatewayNews.Disputed("k1", "fraudulent"), new GatewayNews.DisputeClosed("k1", isWon)], await HearAllAsync());
    }

    [Fact]
    public async Task Ask_Methods_AreReplacedOrGone()
    {
        _stripe.ReplaceCard("pm_1", 7, 2031, "1881");
        await _gateway.DetachAsync("a", new PaymentMethod { Id = "card", Token = "pm_2", KnownAt = Now }, default);
        _stripe.Mandate("pm_3", "inactive");
        _stripe.Mandate("pm_4", "active");
        Assert.Equal(
            [new GatewayNews.CardReplaced("pm_1", new YearMonth(2031, 7), "visa", "1881"), new GatewayNews.MethodGone("pm_2"), new GatewayNews.MethodGone("pm_3")],
            await HearAllAsync());
    }

    [Fact]
    public async Task Ask_WithoutAnAnswer_IsNoNews()
    {
        await ChargeAsync("k1");
        var told = await ReadAsync(Assert.Single(_stripe.TakeTold()));
        _stripe.Break("read", WireFault.Unauthorized, WireFault.CutBefore, WireFault.CutBefore, WireFault.CutBefore);
        Assert.Equal(new WebhookAnswer.NoAnswer("Stripe answers 401 api_key_expired"), await _gateway.Webhooks!.AskAsync(told, default));
        Assert.Equal(new WebhookAnswer.NoAnswer("Stripe does not answer"), await _gateway.Webhooks.AskAsync(told, default));
        Assert.Single(Assert.IsType<WebhookAnswer.Tells>(await _gateway.Webhooks.AskAsync(told, default)).News);
        // Test data that was deleted since: never asked about again.
        Assert.Empty(Assert.IsType<WebhookAnswer.Tells>(await _gateway.Webhooks.AskAsync(told with { ObjectId = "pi_gone" }, default)).News);
    }

    /// <summary>As <see cref="StripeGatewayTests"/> does for what charges ask.</summary>
    [Fact]
    public async Task Questions_AreValidByStripesOpenApi()
    {
        if (Environment.GetEnvironmentVariable("DUNNING_STRIPE_OPENAPI") is not { Length: > 0 } file)
        {
            return;
        }
        await ChargeAsync("k1");
        _stripe.Dispute("cus_a", "fraudulent", "needs_response");
        _stripe.Mandate("pm_3", "inactive");
        _stripe.ReplaceCard("pm_1", 7, 2031, "1881");
        await HearAllAsync();
        var api = await OpenApi.ReadAsync(file);
        Assert.Equal(
            [
                "GET /v1/charges/{charge}", "GET /v1/disputes/{dispute}", "GET /v1/mandates/{mandate}", "GET /v1/payment_intents/{intent}",
                "GET /v1/payment_methods/{payment_method}", "POST /v1/payment_intents",
            ],
            _stripe.Requests.Select(r => api.Check(r)).Distinct().Order(StringComparer.Ordinal));
    }

    // A gateway that signs with nothing but letters, as most do: what a secret may look like is the gateway's.
    [GeneratedRegex("^[a-z]{4,}$")]
    private static partial Regex AnyShape();

    [Theory]
    [InlineData("short, abc", null, "P:WebhookSecret must be the signing secret of a webhook, or several, parted by commas (its value is not shown), such as x…")]
    [InlineData("right", "file", "P:WebhookSecret and P:WebhookSecretFile are both given, but only one of them can count")]
    [InlineData(null, "/no/such/file", "P:WebhookSecretFile is '/no/such/file', but that file can't be read")]
    [InlineData(null, null, null)]
    [InlineData("right,  other", null, null)]
    public void Secrets_ThatAreNone_AreToldWithoutBeingShown(string? text, string? file, string? fault) =>
        Assert.Equal(fault, WebhookSecrets.Read("P:", text, file, AnyShape(), "x…").Fault);

    private static Money Euro(long minor) => new(minor, Currency.Of("EUR"));

    private StripeOptions StripeOptions(string? secret, string? file) => new()
    {
        Key = StripeKey.Find(StandIn.SecretKey)!, BaseUrl = _stripe.Url, Timeout = TimeSpan.FromSeconds(3), PerSecond = 1000,
        WebhookSecrets = WebhookSecrets.Read("P:", secret, file, SecretShape(), "whsec_…").Secrets,
    };

    [GeneratedRegex("^whsec_")]
    private static partial Regex SecretShape();

    private StripeGateway Gateway(string? secret, string? file = null) => new(StripeOptions(secret, file), TimeProvider.System);

    private static ChargeRequest Request(string key, string token, string customer) =>
        new("a", customer, key, "a-1", new LocalDate(2026, 3, 1), Euro(1799), new MethodRef("card", 0), token, false, Now);

    private Task ChargeAsync(string key, string token = "pm_card_visa", string customer = "cus_a") => _gateway.ChargeAsync(Request(key, token, customer), default);

    private Task<WebhookReading> ReadAsync(string body, string signature, StripeGateway? gateway = null) =>
        (gateway ?? _gateway).Webhooks!.ReadAsync(signature, Encoding.UTF8.GetBytes(body), Now, default);

    private async Task<WebhookEvent> ReadAsync(ToldEvent told) =>
        Assert.Single(Assert.IsType<WebhookReading.Taken>(await ReadAsync(told.Body, StandIn.Sign(told.Body, Now))).Events);

    /// <summary>All news of what was told since, in the order of the events.</summary>
    private async Task<List<GatewayNews>> HearAllAsync()
    {
        var news = new List<GatewayNews>();
        foreach (var told in _stripe.TakeTold())
        {
            news.AddRange(Assert.IsType<WebhookAnswer.Tells>(await _gateway.Webhooks!.AskAsync(await ReadAsync(told), default)).News);
        }
        return news;
    }
}
