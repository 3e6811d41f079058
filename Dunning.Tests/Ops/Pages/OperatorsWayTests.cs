using System.Net;
using Dunning.Gateways.Webhooks;
using Dunning.Tests.Jobs;
using Dunning.Tests.Ops.SignIn;
using NodaTime;

namespace Dunning.Tests.Ops.Pages;

/// <summary>Where alerts lead, and what is needed there to do something about them.</summary>
[Collection(nameof(ServiceRig))]
public sealed class OperatorsWayTests
{
    [Fact]
    public async Task Webhooks_that_failed_are_listed_and_tried_again_with_a_reason()
    {
        await using var ops = await OpsRig.NewAsync(hasUsers: true);
        var (store, now) = (new WebhookStore(ops.Rig.Database.Source), Instant.FromDateTimeOffset(TimeProvider.System.GetUtcNow()));
        await store.TakeAsync("stripe", [new WebhookEvent("evt_1", "charge.refunded", "ch_secret", null), new WebhookEvent("evt_2", "charge.refunded", "ch_secret", null)], now, default);
        foreach (var turn in await store.ClaimAsync("stripe", now, 2, default))
        {
            await store.PutOffAsync("stripe", turn, null, now, "Stripe answers 403", default);
        }
        using var viewer = await ops.SignInAsync("viewer");
        var seen = await viewer.TextAsync("/ops/charges");
        Assert.Contains("<code>evt_1</code>", seen, StringComparison.Ordinal);
        Assert.Contains("Stripe answers 403", seen, StringComparison.Ordinal);
        Assert.DoesNotContain("ch_secret", seen, StringComparison.Ordinal);
        Assert.DoesNotContain("/ops/webhooks/retry", seen, StringComparison.Ordinal);

        using var browser = await ops.SignInAsync("operator");
        Assert.Contains("action=\"/ops/webhooks/retry\"", await browser.TextAsync("/ops/charges"), StringComparison.Ordinal);
        await PostAsync(("event", "evt_1"));
        Assert.Equal(2, await FailedAsync());
        await PostAsync(("event", "evt_1"), ("reason", "the key may read charges now"));
        Assert.Equal(1, await FailedAsync());
        Assert.Contains("To be tried again: 1.", await browser.TextAsync("/ops/charges"), StringComparison.Ordinal);
        await PostAsync(("event", "evt_1"), ("reason", "once more"));
        Assert.Contains("there is no such failed event", await browser.TextAsync("/ops/charges"), StringComparison.Ordinal);
        await PostAsync(("event", "*"), ("reason", "all the rest"));
        Assert.Equal(0, await FailedAsync());
        var audit = await browser.TextAsync("/ops/audit?act=retry_webhook");
        Assert.Contains("the key may read charges now", audit, StringComparison.Ordinal);
        Assert.Contains("evt_1", audit, StringComparison.Ordinal);

        async Task PostAsync(params (string, string)[] fields)
        {
            using var answer = await browser.PostAsync("/ops/webhooks/retry", fields);
            Assert.Equal((HttpStatusCode.SeeOther, "/ops/charges#webhooks"), (answer.StatusCode, answer.Headers.Location?.OriginalString));
        }

        Task<long> FailedAsync() => ops.Rig.ScalarAsync<long>("select count(*) from dunning.webhook where state = 'failed'");
    }

    [Fact]
    public async Task Alerts_are_listed_open_and_past()
    {
        await using var ops = await OpsRig.NewAsync(hasUsers: true);
        await ops.Rig.ScalarAsync<int?>(
            """
            insert into dunning.alert (key, rule, severity, summary, page, raised_at, last_seen_at, told_at, resolved_at) values
                ('a@other', 'disk', 'warning', 'It is open.', '/ops', now() - interval '3 hours', now(), now(), null),
                ('b', 'mail_stuck', 'critical', 'It was by night.', '/ops/mails', now() - interval '2 days', now(), now(), now() - interval '1 day'),
                ('c', 'mail_stuck', 'critical', 'It is long over.', '/ops/mails', now() - interval '50 days', now(), now(), now() - interval '40 days')
            """);
        using var browser = await ops.SignInAsync("viewer");
        Assert.Contains("<a href=\"/ops/alerts\">", await browser.TextAsync("/ops"), StringComparison.Ordinal);
        var page = await browser.TextAsync("/ops/alerts");
        var (open, past) = (page.IndexOf("It is open.", StringComparison.Ordinal), page.IndexOf("id=\"past\"", StringComparison.Ordinal));
        Assert.InRange(open, 0, past);
        Assert.Contains("<a href=\"/ops/mails\">It was by night.</a>", page[past..], StringComparison.Ordinal);
        Assert.Contains("24 h", page[past..], StringComparison.Ordinal);
        Assert.DoesNotContain("It is long over.", page, StringComparison.Ordinal);
        using var _ = await browser.PostAsync("/ops/language", ("language", "fr"), ("back", "/ops"));
        Assert.Contains("Finies depuis moins de 30 jours", await browser.TextAsync("/ops/alerts"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_stuck_charge_is_told_with_what_finds_it_at_the_gateway()
    {
        await using var ops = await OpsRig.NewAsync(hasUsers: true);
        await ops.Rig.ScalarAsync<int?>("update dunning.payment_method set token = 'sandbox_timeout_x9'");
        Assert.Equal(0, (await ops.Rig.CommandAsync("pass", "renew")).Code);
        var key = await ops.Rig.ScalarAsync<string>(
            """
            update dunning.charge set stuck = true;
            insert into dunning.adopted_charge (key, account_id, subscription_id, period_start, amount, currency, outcome, reference, created_at, adopted_at)
            select key, account_id, subscription_id, period_start, amount, currency, 'pending', 'pi_123', now(), now() from dunning.charge;
            select key from dunning.charge
            """);
        using var browser = await ops.SignInAsync("viewer");
        Assert.Contains($"<code>{key}</code>, <code>pi_123</code>", await browser.TextAsync("/ops/account?id=a1"), StringComparison.Ordinal);
        Assert.Contains($"<code>{key}</code>", await browser.TextAsync("/ops/charges"), StringComparison.Ordinal);
        var shown = (await ops.Rig.CommandAsync("show", "a1")).Output;
        Assert.Contains($"dunning_key {key}, pi_123", shown, StringComparison.Ordinal);
        Assert.Matches("dunning charge resolve INV-[0-9]{4}-000001 --outcome", shown);
        Assert.Contains($"\"key\": \"{key}\"", (await ops.Rig.CommandAsync("show", "a1", "--json")).Output, StringComparison.Ordinal);
    }
}
