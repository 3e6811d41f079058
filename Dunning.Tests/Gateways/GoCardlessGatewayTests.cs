using System.Text;
using System.Text.RegularExpressions;
using Dunning.Gateways;
using Dunning.Gateways.GoCardless;
using Dunning.Gateways.Webhooks;
using Dunning.Model;
using Dunning.Options;
using Dunning.Ports;
using Dunning.Tests.Gateways.GoCardlessStandIn;
using Dunning.Tests.Gateways.StripeStandIn;
using NodaTime;

namespace Dunning.Tests.Gateways;

/// <summary>The port over a gateway of another shape: over real HTTP to a server that speaks GoCardless's wire format.</summary>
public sealed partial class GoCardlessGatewayTests : IAsyncLifetime
{
    private static readonly Instant Start = Instant.FromUtc(2026, 3, 1, 8, 0);

    private readonly Instant _now = Start;
    private GoCardlessServer _server = null!;
    private GoCardlessGateway _gateway = null!;

    public async Task InitializeAsync()
    {
        _server = await GoCardlessServer.StartAsync(() => _now);
        _gateway = new GoCardlessGateway(
            new GoCardlessOptions
            {
                Token = GoCardlessToken.Find(GoCardlessServer.AccessToken)!, BaseUrl = _server.Url, PerSecond = 1000,
                WebhookSecrets = WebhookSecrets.Read("P:", GoCardlessServer.WebhookSecret, null, AnyShape(), "…").Secrets,
            },
            TimeProvider.System);
    }

    public async Task DisposeAsync()
    {
        _gateway.Dispose();
        await _server.DisposeAsync();
    }

    [Fact]
    public async Task Charge_IsOnePaymentOnTheMandate_AndPending()
    {
        Assert.IsType<GatewayOutcome.Pending>(await _gateway.ChargeAsync(Request("k1"), default));
        Assert.Equal(
            ("POST", "/payments", "2015-07-06", "k1",
                """{"payments":{"amount":1799,"currency":"EUR","retry_if_possible":false,"links":{"mandate":"MD1"},"metadata":{"dunning_key":"k1","dunning_subscription":"a-1","dunning_period":"2026-03-01"}}}"""),
            Assert.Single(_server.Requests));
    }

    [Fact]
    public async Task Charge_TheSameKeyAgain_IsAnsweredByTheConflictAndNotMade()
    {
        await _gateway.ChargeAsync(Request("k1"), default);
        Assert.IsType<GatewayOutcome.Pending>(await _gateway.ChargeAsync(Request("k1"), default));
        _server.Tell("MD1", "confirmed", "payment_confirmed");
        Assert.IsType<GatewayOutcome.Succeeded>(await _gateway.ChargeAsync(Request("k1"), default));
        // What stands under the key is known, but can't be read.
        _server.Break("read", WireFault.CutBefore, WireFault.CutBefore, WireFault.CutBefore);
        Assert.IsType<GatewayOutcome.Unknown>(await _gateway.ChargeAsync(Request("k1"), default));
        Assert.Single(_server.Debits);
    }

    [Fact]
    public async Task Charge_Refusals_AreNoAttempts_AndAMandateThatIsGoneIsBlocked()
    {
        _server.Withdraw("MD1");
        Assert.Equal(new GatewayOutcome.Refused("GoCardless answers 422 mandate_is_inactive", RefusalScope.Method) { Status = 422 }, await _gateway.ChargeAsync(Request("k1"), default));
        _server.Break("MD2", WireFault.TooMany, WireFault.ErrorAfter);
        Assert.Equal(new GatewayOutcome.Refused("GoCardless answers 429 rate_limit_exceeded", RefusalScope.Everyone) { Status = 429 }, await _gateway.ChargeAsync(Request("k2", "MD2"), default));
        Assert.IsType<GatewayOutcome.Unknown>(await _gateway.ChargeAsync(Request("k2", "MD2"), default));
        Assert.Equal(
            new GatewayOutcome.Refused("GoCardless answers 422 validation_failed", RefusalScope.Request) { Status = 422 },
            await _gateway.ChargeAsync(Request("k3", "MD2") with { Amount = Money.Zero(Currency.Of("EUR")) }, default));
        Assert.Equal(
            new GatewayOutcome.Refused("not sent: GoCardless takes no JPY", RefusalScope.Request),
            await _gateway.ChargeAsync(Request("k4") with { Amount = new Money(500, Currency.Of("JPY")) }, default));
    }

    [Fact]
    public async Task LookUp_FindsByKeyOverPages_AndNoneOnlyWhenAllWereRead()
    {
        for (var i = 1; i <= 5; i++)
        {
            await _gateway.ChargeAsync(Request("k" + i), default);
        }
        _server.Tell("MD1", "failed", "insufficient_funds");
        Assert.Equal(new GatewayOutcome.Declined("insufficient_funds"), await _gateway.LookUpAsync(Request("k5"), default));
        Assert.IsType<GatewayOutcome.Pending>(await _gateway.LookUpAsync(Request("k1"), default));
        Assert.Null(await _gateway.LookUpAsync(Request("k6"), default));
        _server.Break("read", WireFault.CutBefore, WireFault.CutBefore, WireFault.CutBefore);
        Assert.IsType<GatewayOutcome.Unknown>(await _gateway.LookUpAsync(Request("k6"), default));
    }

    [Theory]
    [InlineData("failed", "refer_to_payer", "generic_decline")]
    [InlineData("failed", "bank_account_closed", "invalid_account")]
    [InlineData("charged_back", "authorisation_disputed", "revocation_of_authorization")]
    [InlineData("customer_approval_denied", "customer_approval_denied", "revocation_of_authorization")]
    public async Task LookUp_AFailure_IsADeclineWithItsCause(string action, string cause, string code)
    {
        await _gateway.ChargeAsync(Request("k1"), default);
        _server.Tell("MD1", action, cause);
        Assert.Equal(new GatewayOutcome.Declined(code), await _gateway.LookUpAsync(Request("k1"), default));
    }

    // A request that is still on its way when its charge is given up must never take money afterwards.
    [Fact]
    public async Task Fence_SpendsTheKey_SoThatALateRequestChargesNothing()
    {
        _server.Break("MD1", WireFault.Late);
        Assert.IsType<GatewayOutcome.Unknown>(await _gateway.ChargeAsync(Request("k1"), default));
        Assert.IsType<GatewayOutcome.NeverMade>(await _gateway.FenceAsync(Request("k1"), default));
        Assert.IsType<GatewayOutcome.NeverMade>(await _gateway.FenceAsync(Request("k1"), default)); // again, after a crash
        Assert.Equal(1, _server.DeliverLate());
        Assert.Equal("cancelled", Assert.Single(_server.Debits).Status);
        Assert.Null(await _gateway.LookUpAsync(Request("k1"), default));
    }

    [Fact]
    public async Task Fence_OfWhatGotThrough_TellsSo()
    {
        _server.Break("MD1", WireFault.CutAfter);
        Assert.IsType<GatewayOutcome.Unknown>(await _gateway.ChargeAsync(Request("k1"), default));
        Assert.IsType<GatewayOutcome.Pending>(await _gateway.FenceAsync(Request("k1"), default));
        _server.Break("MD2", WireFault.CutBefore);
        Assert.IsType<GatewayOutcome.Unknown>(await _gateway.FenceAsync(Request("k2", "MD2"), default));
        _server.Withdraw("MD2");
        Assert.IsType<GatewayOutcome.NeverMade>(await _gateway.FenceAsync(Request("k2", "MD2"), default));
    }

    [Fact]
    public async Task Refund_And_Detach_AreDoneOnce()
    {
        await _gateway.ChargeAsync(Request("k1"), default);
        Assert.False(await _gateway.RefundAsync(Request("k1"), "k1_refund", default)); // nothing has come yet
        _server.Tell("MD1", "confirmed", "payment_confirmed");
        Assert.True(await _gateway.RefundAsync(Request("k1"), "k1_refund", default));
        Assert.True(await _gateway.RefundAsync(Request("k1"), "k1_refund", default));
        Assert.Equal(1799, Assert.Single(_server.Debits).Refunded);

        var mandate = new PaymentMethod { Id = "debit", Token = "MD1", KnownAt = Start };
        Assert.True(await _gateway.DetachAsync("a", mandate, default));
        Assert.True(await _gateway.DetachAsync("a", mandate, default));
    }

    [Fact]
    public async Task Refund_OfWhatPartHasGoneBackOf_IsOfTheRest()
    {
        await _gateway.ChargeAsync(Request("k1"), default);
        _server.Tell("MD1", "confirmed", "payment_confirmed");
        Assert.Single(_server.Debits).Refunded = 500;

        Assert.True(await _gateway.RefundAsync(Request("k1"), "k1_refund", default));

        Assert.Equal(1799, Assert.Single(_server.Debits).Refunded);
    }

    [Fact]
    public async Task Webhook_ManyEventsInOneDelivery_AreReadAndAskedAbout()
    {
        await _gateway.ChargeAsync(Request("k1"), default);
        _server.Tell("MD1", "confirmed", "payment_confirmed");
        await _gateway.ChargeAsync(Request("k2", "MD2"), default);
        _server.Tell("MD2", "failed", "insufficient_funds");
        _server.Withdraw("MD3");
        var body = _server.TakeTold();
        // Created ones are no news: our own answer tells of them.
        Assert.Equal(["payments.confirmed", "payments.failed", "mandates.cancelled"], (await TakenAsync(body)).Select(e => e.Type));
        Assert.Equal(
            [
                new GatewayNews.Settled("k1", new GatewayOutcome.Succeeded()), new GatewayNews.Settled("k2", new GatewayOutcome.Declined("insufficient_funds")),
                new GatewayNews.Reversed("k2", "insufficient_funds"), new GatewayNews.MethodGone("MD3"),
            ],
            await HearAsync(body));

        // Taken back weeks later, and given again after that.
        _server.Tell("MD1", "charged_back", "authorisation_disputed");
        Assert.Equal(new GatewayNews.Reversed("k1", "revocation_of_authorization"), (await HearAsync(_server.TakeTold()))[1]);
        _server.Tell("MD1", "chargeback_cancelled", "chargeback_cancelled", "paid_out");
        Assert.Equal(
            [new GatewayNews.PaidElsewhere("a-1", new LocalDate(2026, 3, 1), new Money(1799, Currency.Of("EUR")), _server.Debits[0].Id)],
            await HearAsync(_server.TakeTold()));
    }

    [Theory]
    [InlineData("{}", null)]
    [InlineData("{}", "00")]
    [InlineData("not json", "right")]
    [InlineData("""{"events":null}""", "right")]
    [InlineData("{}", "right")]
    public async Task Webhook_ThatIsNone_IsRefused(string body, string? signature) => Assert.Equal(400, Assert.IsType<WebhookReading.Refused>(
        await _gateway.Webhooks!.ReadAsync(signature == "right" ? GoCardlessServer.Sign(body) : signature ?? "", Encoding.UTF8.GetBytes(body), Start, default)).Status);

    [Fact]
    public void Settings_AreReadWithEveryFault_AndPrintNoSecret()
    {
        var (settings, faults) = Read(("AccessToken", "live_VeryVerySecret"), ("WebhookSecret", "VeryVerySecretToo"));
        Assert.Empty(faults);
        Assert.Equal(("gocardless live", true, true, new Uri("https://api.gocardless.com")),
            (settings!.Gateway, settings.IsLive, settings.TakesWebhooks, settings.GoCardless!.BaseUrl));
        Assert.DoesNotContain("VerySecret", settings.ToString(), StringComparison.Ordinal);
        Assert.Equal((true, false, null), (settings.IsToken("MD000BXQJ3E1T8"), settings.IsToken("pm_1"), settings.CustomerHelp));
        Assert.Equal(new Uri("https://api-sandbox.gocardless.com"), Read(("AccessToken", "sandbox_VeryVerySecret")).Settings!.GoCardless!.BaseUrl);

        Assert.Equal(
            (string[])[
                "Payments:GoCardless:Token is unknown: the keys are Payments:GoCardless:AccessToken, Payments:GoCardless:AccessTokenFile, Payments:GoCardless:BaseUrl, "
                + "Payments:GoCardless:ApiVersion, Payments:GoCardless:TimeoutSeconds, Payments:GoCardless:Concurrency, Payments:GoCardless:PerSecond, "
                + "Payments:GoCardless:WebhookSecret, Payments:GoCardless:WebhookSecretFile",
                "Payments:GoCardless:AccessToken is missing, but the gateway gocardless needs an access token there, or the file that holds it in Payments:GoCardless:AccessTokenFile",
                "Payments:GoCardless:ApiVersion is 'latest', but must be a version of GoCardless's API, such as 2015-07-06",
                "Payments:GoCardless:PerSecond is '0', but must be a whole number from 1 to 1000, such as 15",
            ],
            Read(("Token", "live_VeryVerySecret"), ("ApiVersion", "latest"), ("PerSecond", "0")).Faults.ToArray());
    }

    [GeneratedRegex(".")]
    private static partial Regex AnyShape();

    private static (PaymentSettings? Settings, System.Collections.Immutable.ImmutableArray<string> Faults) Read(params (string Key, string Value)[] given) => PaymentSettings.Read(
        given.Select(g => ("Payments:GoCardless:" + g.Key, g.Value)).Append(("Payments:Gateway", "gocardless"))
            .ToDictionary(g => g.Item1, g => (string?)g.Item2, StringComparer.OrdinalIgnoreCase), new RuleOptions());

    private static ChargeRequest Request(string key, string mandate = "MD1") => new(
        "a", null, key, "a-1", new LocalDate(2026, 3, 1), new Money(1799, Currency.Of("EUR")), new MethodRef("debit", 0), mandate, false, Start);

    private async Task<IReadOnlyList<WebhookEvent>> TakenAsync(string body) => Assert.IsType<WebhookReading.Taken>(
        await _gateway.Webhooks!.ReadAsync(GoCardlessServer.Sign(body), Encoding.UTF8.GetBytes(body), Start, default)).Events;

    private async Task<List<GatewayNews>> HearAsync(string body)
    {
        var news = new List<GatewayNews>();
        foreach (var told in await TakenAsync(body))
        {
            news.AddRange(Assert.IsType<WebhookAnswer.Tells>(await _gateway.Webhooks!.AskAsync(told, default)).News);
        }
        return news;
    }
}
