using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Dunning.Gateways.Webhooks;
using Dunning.Ports;
using NodaTime;
using NodaTime.Text;

namespace Dunning.Gateways.Stripe;

/// <summary>What Stripe tells by itself: signed deliveries of one event each, whose object is read anew before it counts.</summary>
internal sealed class StripeWebhooks(StripeClient client, WebhookSecrets secrets, bool isLive) : IWebhookGateway
{
    // Stripe's own limit for a delivery's age; and no clock is further ahead.
    private const int ToleranceSeconds = 300;

    // Stripe signs with one secret, and with two while it is rotated.
    private const int MaxSignatures = 8;

    private const string Succeeded = "payment_intent.succeeded";
    private const string Failed = "payment_intent.payment_failed";
    private const string Processing = "payment_intent.processing";
    private const string Canceled = "payment_intent.canceled";
    private const string Refunded = "charge.refunded";
    private const string DisputeCreated = "charge.dispute.created";
    private const string DisputeClosed = "charge.dispute.closed";
    private const string CardUpdated = "payment_method.automatically_updated";
    private const string Detached = "payment_method.detached";
    private const string MandateUpdated = "mandate.updated";

    private static readonly FrozenSet<string> s_types = FrozenSet.Create(StringComparer.Ordinal,
        Succeeded, Failed, Processing, Canceled, Refunded, DisputeCreated, DisputeClosed, CardUpdated, Detached, MandateUpdated);

    // A debit that its bank returns after it had paid is told as a dispute.
    private static readonly FrozenSet<string> s_debits = FrozenSet.Create(StringComparer.Ordinal,
        "acss_debit", "ach_debit", "au_becs_debit", "bacs_debit", "nz_bank_account", "sepa_debit", "us_bank_account");

    private static readonly FrozenSet<string> s_debitReasons = FrozenSet.Create(StringComparer.Ordinal,
        "bank_cannot_process", "check_returned", "debit_not_authorized", "incorrect_account_details", "insufficient_funds");

    /// <inheritdoc/>
    public string Name => "stripe";

    /// <inheritdoc/>
    public string SignatureHeader => "Stripe-Signature";

    /// <inheritdoc/>
    public async Task<WebhookReading> ReadAsync(string signature, ReadOnlyMemory<byte> body, Instant now, CancellationToken ct)
    {
        var parts = signature.Split(',').Select(p => p.Trim().Split('=', 2)).Where(p => p.Length == 2).ToList();
        var signed = parts.FirstOrDefault(p => p[0] == "t")?[1] ?? "";
        var signatures = parts.Where(p => p[0] == "v1").Select(p => p[1]).Take(MaxSignatures).ToList();
        if (signatures.Count == 0 || !long.TryParse(signed, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds))
        {
            return new WebhookReading.Refused(400, "Stripe-Signature is not in Stripe's form");
        }
        switch (await secrets.HaveSignedAsync(signatures, Encoding.ASCII.GetBytes(signed + "."), body, ct))
        {
            case null:
                return new WebhookReading.Refused(503, "Payments:Stripe:WebhookSecretFile can't be read or holds no secret: send it again");
            case false:
                return new WebhookReading.Refused(400, "the signature is not by the webhook's secret");
        }
        // Whole seconds on both sides; a number beyond all instants is as far away as one can be.
        if (Int128.Abs((Int128)seconds - now.ToUnixTimeSeconds()) > ToleranceSeconds)
        {
            return new WebhookReading.Refused(400, "it was signed more than five minutes from now: an old delivery, or a clock that is wrong");
        }
        try
        {
            return JsonSerializer.Deserialize(body.Span, StripeJson.Default.StripeEvent) is { Object: "event" } told
                ? Read(told, isLive) : new WebhookReading.Refused(400, "the body is no event of Stripe's");
        }
        catch (JsonException)
        {
            return new WebhookReading.Refused(400, "the body is no event of Stripe's");
        }
    }

    /// <inheritdoc/>
    public Task<WebhookAnswer> AskAsync(WebhookEvent told, CancellationToken ct) => told.Type switch
    {
        Succeeded or Failed or Processing or Canceled => WithAsync(client.GetIntentAsync(told.ObjectId, ct), i => Tell(NewsOf(i, told.Type))),
        Refunded => WithAsync(client.GetChargeAsync(told.ObjectId, ct), charge => OfOursAsync(charge, key =>
            StripeAmount.From(charge.AmountRefunded, charge.Currency) is { Minor: > 0 } amount ? new GatewayNews.Refunded(key, amount) : null, ct)),
        DisputeCreated or DisputeClosed => WithAsync(client.GetDisputeAsync(told.ObjectId, ct), dispute =>
            WithAsync(client.GetChargeAsync(dispute.Charge, ct), charge => OfDisputeAsync(dispute, charge, told.Type, ct))),
        CardUpdated => WithAsync(client.GetMethodAsync(told.ObjectId, ct), method =>
            Tell(method is { Card: { } card } ? new GatewayNews.CardReplaced(method.Id, MonthOf(card), card.Brand, card.Last4) : null)),
        Detached => WithAsync(client.GetMethodAsync(told.ObjectId, ct), method =>
            Tell(method.Customer is null ? new GatewayNews.MethodGone(method.Id) : null)),
        MandateUpdated => WithAsync(client.GetMandateAsync(told.ObjectId, ct), mandate =>
            Tell(mandate.Status == "inactive" ? new GatewayNews.MethodGone(mandate.PaymentMethod) : null)),
        _ => Tell(),
    };

    private static WebhookReading Read(StripeEvent told, bool isLive)
    {
        if (told.Livemode != isLive)
        {
            return new WebhookReading.Refused(400, told.Livemode ? "it is of live mode, but Payments:Stripe charges in test mode" : "it is of test mode, but Payments:Stripe charges in live mode");
        }
        if (!s_types.Contains(told.Type) || told.Data?.Object is not { ValueKind: JsonValueKind.Object } about || TextOf(about, "id") is not { } id
            || !IsId(id) || !IsId(told.Id))
        {
            return new WebhookReading.Taken([]);
        }
        if (!told.Type.StartsWith("payment_intent.", StringComparison.Ordinal))
        {
            return new WebhookReading.Taken([new WebhookEvent(told.Id, told.Type, id)]);
        }
        // Others may charge through the same account of Stripe's: theirs are not kept.
        var key = about.TryGetProperty("metadata", out var metadata) && metadata.ValueKind == JsonValueKind.Object ? TextOf(metadata, StripeGateway.KeyField) : null;
        return new WebhookReading.Taken(key is null && (metadata.ValueKind != JsonValueKind.Object || TextOf(metadata, StripeGateway.SubscriptionField) is null)
            ? [] : [new WebhookEvent(told.Id, told.Type, id, key)]);
    }

    private static string? TextOf(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static bool IsId(string text) => text is { Length: > 0 and <= 255 } && text.All(c => char.IsAsciiLetterOrDigit(c) || c == '_');

    /// <summary>What an intent says now: the outcome of a charge of ours, or that an invoice was paid without one.</summary>
    private static GatewayNews? NewsOf(StripeIntent intent, string type)
    {
        if (intent.Metadata is not { } metadata)
        {
            return null;
        }
        if (metadata.TryGetValue(StripeGateway.KeyField, out var key))
        {
            // What is half done, or can take no money any more, is closed by a look-up.
            return StripeGateway.OutcomeOf(intent) is { } outcome and not (GatewayOutcome.Unknown or GatewayOutcome.NeverMade) ? new GatewayNews.Settled(key, outcome) : null;
        }
        // Events of before its success would tell the same payment again.
        return type == Succeeded && intent.Status == "succeeded" && metadata.TryGetValue(StripeGateway.SubscriptionField, out var subscription)
            && LocalDatePattern.Iso.Parse(metadata.GetValueOrDefault(StripeGateway.PeriodField, "")) is { Success: true, Value: var period }
            && StripeAmount.From(intent.AmountReceived, intent.Currency) is { } amount
            ? new GatewayNews.PaidElsewhere(subscription, period, amount, intent.Id) : null;
    }

    private async Task<WebhookAnswer> OfDisputeAsync(StripeDispute dispute, StripeCharge charge, string type, CancellationToken ct)
    {
        var isWon = dispute.Status is "won" or "warning_closed";
        if (s_debitReasons.Contains(dispute.Reason) || s_debits.Contains(charge.PaymentMethodDetails?.Type ?? ""))
        {
            return await OfOursAsync(charge, key => isWon ? new GatewayNews.DisputeClosed(key, IsWon: true) : new GatewayNews.Reversed(key, StripeDeclines.OfReturn(dispute.Reason)), ct);
        }
        var isClosed = isWon || dispute.Status == "lost";
        if (type == DisputeCreated)
        {
            // One that is over by now has an event of its own for that, which tells both: so that they may come in any order.
            return isClosed ? WebhookAnswer.Nothing : await OfOursAsync(charge, key => new GatewayNews.Disputed(key, dispute.Reason), ct);
        }
        return !isClosed ? WebhookAnswer.Nothing
            : await WithKeyAsync(charge, key => [new GatewayNews.Disputed(key, dispute.Reason), new GatewayNews.DisputeClosed(key, isWon)], ct);
    }

    private Task<WebhookAnswer> OfOursAsync(StripeCharge charge, Func<string, GatewayNews?> tell, CancellationToken ct) =>
        WithKeyAsync(charge, key => tell(key) is { } news ? [news] : [], ct);

    // The intent's own metadata: a charge's is a copy that may have been made over.
    private Task<WebhookAnswer> WithKeyAsync(StripeCharge charge, Func<string, ImmutableArray<GatewayNews>> tell, CancellationToken ct) =>
        charge.PaymentIntent is not { } id ? Tell() : WithAsync(client.GetIntentAsync(id, ct), intent => Task.FromResult<WebhookAnswer>(
            new WebhookAnswer.Tells(intent.Metadata?.GetValueOrDefault(StripeGateway.KeyField) is { } key ? tell(key) : [])));

    private static Task<WebhookAnswer> Tell(GatewayNews? news = null) =>
        Task.FromResult<WebhookAnswer>(news is null ? WebhookAnswer.Nothing : new WebhookAnswer.Tells([news]));

    private static YearMonth? MonthOf(StripeCard card) =>
        card is { ExpYear: { } year and > 0 and < 10_000, ExpMonth: { } month and >= 1 and <= 12 } ? new YearMonth(year, month) : null;

    private static async Task<WebhookAnswer> WithAsync<T>(Task<StripeReply<T>> asked, Func<T, Task<WebhookAnswer>> then) => await asked switch
    {
        StripeReply<T>.Done(var value) => await then(value),
        // Deleted test data: there is nothing to tell of it any more.
        StripeReply<T>.Failed(404, { Code: "resource_missing" } error) when !StripeGateway.IsOtherMode(error) => WebhookAnswer.Nothing,
        StripeReply<T>.Failed(var status, var error) => new WebhookAnswer.NoAnswer(StripeGateway.Words(status, error)),
        StripeReply<T>.NotSent(var why, _, _) => new WebhookAnswer.NoAnswer(why),
        _ => new WebhookAnswer.NoAnswer("Stripe does not answer"),
    };
}
