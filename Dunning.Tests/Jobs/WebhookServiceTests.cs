using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Dunning.Gateways.Webhooks;
using Dunning.Tests.Gateways.StripeStandIn;
using Dunning.Tests.Ops.SignIn;
using NodaTime;

namespace Dunning.Tests.Jobs;

/// <summary>Deliveries over real HTTP to the running service: which are taken, and that they are worked off at once.</summary>
[Collection(nameof(ServiceRig))]
public sealed class WebhookServiceTests : IAsyncLifetime
{
    private readonly string _secrets = Path.GetTempFileName();
    private StandIn _stripe = null!;

    public async Task InitializeAsync()
    {
        _stripe = await StandIn.StartAsync(Now);
        await File.WriteAllTextAsync(_secrets, StandIn.WebhookSecret);
    }

    public async Task DisposeAsync()
    {
        await _stripe.DisposeAsync();
        File.Delete(_secrets);
    }

    [Fact]
    public async Task What_Stripe_tells_is_kept_answered_and_worked_off_at_once()
    {
        var keys = Keys(("Payments:Stripe:WebhookSecretFile", _secrets));
        await using var rig = await ServiceRig.NewAsync(3, keys);
        Assert.Equal(0, (await rig.CommandAsync(["pass", "renew", .. Set(keys)])).Code);
        await using var service = await rig.StartAsync();
        RouteTests.AssertListed(service, "/webhooks/stripe");
        using var http = new HttpClient { BaseAddress = new Uri(Assert.Single(service.Addresses)) };
        _stripe.TakeTold();
        _stripe.Settle("cus_a1", null);
        _stripe.Settle("cus_a2", new TestDecline("payment_intent_payment_attempt_failed", "insufficient_funds"));

        var told = _stripe.TakeTold();
        foreach (var one in told.Concat(told))
        {
            Assert.Equal((HttpStatusCode.OK, ""), await PostAsync(http, one.Body, StandIn.Sign(one.Body, Now())));
        }
        // No pass has looked it up: what came by webhook alone has paid the one and opened the other's case.
        await rig.WaitAsync(async () => await rig.ScalarAsync<long>("select count(*) from dunning.webhook where state = 'done'") == 2);
        Assert.Equal(("a1", "a2"), (await AccountAsync("invoice.paid"), await AccountAsync("dunning.opened")));
        Assert.Equal(2, await rig.ScalarAsync<long>("select count(*) from dunning.webhook"));

        // Another secret is refused until it stands in the file beside the old one, without a restart.
        const string body = """{"object":"event","id":"evt_1","type":"charge.refunded","livemode":false,"data":{"object":{"id":"ch_1"}}}""";
        Assert.Equal(HttpStatusCode.BadRequest, (await PostAsync(http, body, StandIn.Sign(body, Now(), "whsec_another_of_theirs"))).Status);
        await File.WriteAllTextAsync(_secrets, "whsec_another_of_theirs\n" + StandIn.WebhookSecret);
        Assert.Equal(HttpStatusCode.OK, (await PostAsync(http, body, StandIn.Sign(body, Now(), "whsec_another_of_theirs"))).Status);
        await rig.WaitAsync(async () => await rig.ScalarAsync<long>("select count(*) from dunning.webhook where state = 'ignored'") == 1);

        var health = (await http.GetFromJsonAsync<JsonElement>("/health")).GetProperty("webhooks");
        Assert.Equal((0, 0), (health.GetProperty("pending").GetInt32(), health.GetProperty("failed").GetInt32()));

        async Task<string> AccountAsync(string type) => await rig.ScalarAsync<string>($"select string_agg(account_id, ' ') from dunning.event where type = '{type}'");
    }

    [Fact]
    public async Task What_is_not_Stripes_is_refused_and_costs_the_database_nothing()
    {
        await using var rig = await ServiceRig.NewAsync(1, Keys(("Payments:Stripe:WebhookSecret", StandIn.WebhookSecret)));
        await using var service = await rig.StartAsync();
        using var http = new HttpClient { BaseAddress = new Uri(Assert.Single(service.Addresses)) };
        const string body = """{"object":"event","id":"evt_1","type":"charge.refunded","livemode":false,"data":{"object":{"id":"ch_1"}}}""";
        var longest = body + new string(' ', WebhookEndpoint.MaxBytes - body.Length);

        Assert.Equal(HttpStatusCode.OK, (await PostAsync(http, longest, StandIn.Sign(longest, Now()))).Status);
        Assert.Equal((HttpStatusCode.RequestEntityTooLarge, $"longer than {WebhookEndpoint.MaxBytes} bytes"), await PostAsync(http, longest + " ", StandIn.Sign(longest + " ", Now())));
        Assert.Equal((HttpStatusCode.BadRequest, "Stripe-Signature is missing"), await PostAsync(http, body, null));
        Assert.Equal((HttpStatusCode.BadRequest, "the signature is not by the webhook's secret"), await PostAsync(http, body + " ", StandIn.Sign(body, Now())));
        foreach (var skew in new[] { -310, 310 })
        {
            var (status, why) = await PostAsync(http, body, StandIn.Sign(body, Now() + Duration.FromSeconds(skew)));
            Assert.Equal((HttpStatusCode.BadRequest, true), (status, why.StartsWith("it was signed more than five minutes from now", StringComparison.Ordinal)));
        }
        var live = body.Replace("\"livemode\":false", "\"livemode\":true", StringComparison.Ordinal);
        Assert.Equal(
            (HttpStatusCode.BadRequest, "it is of live mode, but Payments:Stripe charges in test mode"), await PostAsync(http, live, StandIn.Sign(live, Now())));
        Assert.Equal(HttpStatusCode.MethodNotAllowed, (await http.GetAsync("/webhooks/stripe")).StatusCode);
        Assert.Equal(1, await rig.ScalarAsync<long>("select count(*) from dunning.webhook"));

        // A flood without its database: refused as quickly as before, and what is Stripe's is asked for again.
        await rig.DropDatabaseAsync();
        Assert.Equal(HttpStatusCode.BadRequest, (await PostAsync(http, body, StandIn.Sign(body, Now(), "whsec_another"))).Status);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await PostAsync(http, body, StandIn.Sign(body, Now()))).Status);
    }

    [Fact]
    public async Task Without_a_secret_there_is_no_webhook_and_commands_tell_what_was_told()
    {
        var keys = Keys();
        await using var rig = await ServiceRig.NewAsync(1, keys);
        await using (var service = await rig.StartAsync())
        {
            using var http = new HttpClient { BaseAddress = new Uri(Assert.Single(service.Addresses)) };
            Assert.Equal(HttpStatusCode.NotFound, (await PostAsync(http, "{}", StandIn.Sign("{}", Now()))).Status);
            Assert.Equal(JsonValueKind.Null, (await http.GetFromJsonAsync<JsonElement>("/health")).GetProperty("webhooks").ValueKind);
        }

        var store = new WebhookStore(rig.Database.Source);
        Assert.Equal((0, "no such event"), Line(await rig.CommandAsync("webhooks", "list")));
        await store.TakeAsync("stripe", [new WebhookEvent("evt_1", "payment_method.detached", "pm_token")], Instant.FromUtc(2026, 3, 1, 8, 0), default);
        var turn = Assert.Single(await store.ClaimAsync("stripe", Instant.FromUtc(2026, 3, 1, 8, 0), 10, default));
        await store.PutOffAsync("stripe", turn, null, Instant.FromUtc(2026, 3, 4, 8, 0), "Stripe does not answer", default);
        Assert.Equal(
            (0, "2026-03-01T08:00:00Z  stripe  evt_1  payment_method.detached  failed after 1 try at 2026-03-04T08:00:00Z: Stripe does not answer"),
            Line(await rig.CommandAsync("webhooks", "list", "--state", "failed")));
        var row = JsonDocument.Parse((await rig.CommandAsync("webhooks", "list", "--json")).Output).RootElement;
        Assert.Equal(("evt_1", "failed", 1), (row.GetProperty("event").GetString(), row.GetProperty("state").GetString(), row.GetProperty("tries").GetInt32()));
        Assert.DoesNotContain("pm_token", row.GetRawText(), StringComparison.Ordinal);

        Assert.Equal(2, (await rig.CommandAsync("webhooks", "retry")).Code);
        Assert.Equal(1, (await rig.CommandAsync("webhooks", "retry", "evt_2")).Code);
        // Nothing is in the audit that was not done.
        Assert.Equal(0, await rig.ScalarAsync<long>("select count(*) from dunning.audit where act = 'retry_webhook'"));
        Assert.Equal((0, "1 to be tried again"), Line(await rig.CommandAsync("webhooks", "retry", "evt_1", "--reason", "it answers again", "--by", "camille")));
        Assert.Equal("camille evt_1 it answers again", await rig.ScalarAsync<string>(
            "select operator || ' ' || subject || ' ' || reason from dunning.audit where act = 'retry_webhook' order by id desc limit 1"));
        Assert.EndsWith("  pending", (await rig.CommandAsync("webhooks", "list")).Output.Trim(), StringComparison.Ordinal);
    }

    private static Instant Now() => Instant.FromDateTimeOffset(TimeProvider.System.GetUtcNow());

    private (string Key, string Value)[] Keys(params (string Key, string Value)[] more) =>
    [
        ("Payments:Gateway", "stripe"), ("Payments:Stripe:SecretKey", StandIn.SecretKey), ("Payments:Stripe:BaseUrl", _stripe.Url.ToString()),
        ("Jobs:RunAtStart", "false"), .. new[] { "Reconcile", "Renew", "Dun" }.Select(p => ($"Jobs:{p}:Cron", "off")), .. more,
    ];

    private static IEnumerable<string> Set((string Key, string Value)[] keys) => keys.SelectMany(k => new[] { "--set", $"{k.Key}={k.Value}" });

    private static (int Code, string Output) Line((int Code, string Output, string Error) result) => (result.Code, result.Output.Trim());

    private static async Task<(HttpStatusCode Status, string Body)> PostAsync(HttpClient http, string body, string? signature)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/webhooks/stripe") { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        if (signature is not null)
        {
            request.Headers.TryAddWithoutValidation("Stripe-Signature", signature);
        }
        using var response = await http.SendAsync(request);
        return (response.StatusCode, await response.Content.ReadAsStringAsync());
    }
}
