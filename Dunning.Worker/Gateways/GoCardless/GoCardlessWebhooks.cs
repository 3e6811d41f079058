using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Text.Json;
using Dunning.Gateways.Webhooks;
using Dunning.Model;
using Dunning.Ports;
using NodaTime;
using NodaTime.Text;

namespace Dunning.Gateways.GoCardless;

/// <summary>
/// What GoCardless tells by itself: signed deliveries of up to 250 events. Their signature has no time in it, so that an old delivery can't be told
/// from a new one; since the object is read anew, it harms nothing.
/// </summary>
internal sealed class GoCardlessWebhooks(GoCardlessClient client, GoCardlessGateway gateway, WebhookSecrets secrets) : IWebhookGateway
{
    private const string ChargebackCancelled = "payments.chargeback_cancelled";

    private static readonly FrozenSet<string> s_types = FrozenSet.Create(StringComparer.Ordinal,
        "payments.confirmed", "payments.failed", "payments.charged_back", "payments.late_failure_settled", "payments.customer_approval_denied", ChargebackCancelled,
        "mandates.cancelled", "mandates.failed", "mandates.expired", "mandates.blocked");

    /// <inheritdoc/>
    public string Name => "gocardless";

    /// <inheritdoc/>
    public string SignatureHeader => "Webhook-Signature";

    /// <inheritdoc/>
    public async Task<WebhookReading> ReadAsync(string signature, ReadOnlyMemory<byte> body, Instant now, CancellationToken ct)
    {
        switch (await secrets.HaveSignedAsync([signature], default, body, ct))
        {
            case null:
                return new WebhookReading.Refused(503, "Payments:GoCardless:WebhookSecretFile can't be read or holds no secret: send it again");
            case false:
                return new WebhookReading.Refused(400, "the signature is not by the webhook's secret");
        }
        try
        {
            return JsonSerializer.Deserialize(body.Span, GoCardlessJson.Default.EventsBody) is { } told && !told.Events.IsDefault
                ? new WebhookReading.Taken([.. told.Events.Select(Read).OfType<WebhookEvent>()]) : new WebhookReading.Refused(400, "the body holds no events of GoCardless's");
        }
        catch (JsonException)
        {
            return new WebhookReading.Refused(400, "the body holds no events of GoCardless's");
        }
    }

    /// <inheritdoc/>
    public async Task<WebhookAnswer> AskAsync(WebhookEvent told, CancellationToken ct)
    {
        if (told.Type.StartsWith("mandates.", StringComparison.Ordinal))
        {
            var mandate = await client.GetMandateAsync(told.ObjectId, ct);
            return mandate.Value is { Mandates: { } found }
                ? new WebhookAnswer.Tells(GoCardlessGateway.IsOver(found) ? [new GatewayNews.MethodGone(found.Id)] : []) : WithoutValue(mandate);
        }
        var payment = await client.GetPaymentAsync(told.ObjectId, ct);
        if (payment.Value is not { Payments: { } paid })
        {
            return WithoutValue(payment);
        }
        if (paid.Metadata?.GetValueOrDefault(GoCardlessGateway.KeyField) is not { } key)
        {
            return WebhookAnswer.Nothing;
        }
        return await gateway.OutcomeOfAsync(paid, ct) switch
        {
            GatewayOutcome.Unknown => new WebhookAnswer.NoAnswer("GoCardless does not say why it failed"),
            // Closed by a look-up.
            GatewayOutcome.NeverMade => WebhookAnswer.Nothing,
            // A debit that failed may have paid before, as far as banks could tell then: the one counts, or the other.
            GatewayOutcome.Declined declined => new WebhookAnswer.Tells([new GatewayNews.Settled(key, declined), new GatewayNews.Reversed(key, declined.Code)]),
            // The bank gives back what it had taken back: the charge is over, its invoice may not be.
            GatewayOutcome.Succeeded when told.Type == ChargebackCancelled => new WebhookAnswer.Tells(PaidAgain(paid) is { } again ? [again] : []),
            var outcome => new WebhookAnswer.Tells([new GatewayNews.Settled(key, outcome)]),
        };
    }

    private static WebhookEvent? Read(GoCardlessEvent told)
    {
        var type = $"{told.ResourceType}.{told.Action}";
        return s_types.Contains(type) && IsId(told.Id) && told.Links?.GetValueOrDefault(told.ResourceType[..^1]) is { } id && IsId(id)
            ? new WebhookEvent(told.Id, type, id) : null;
    }

    private static bool IsId(string text) => text is { Length: > 0 and <= 255 } && text.All(c => char.IsAsciiLetterOrDigit(c) || c == '_');

    private static GatewayNews.PaidElsewhere? PaidAgain(GoCardlessPayment paid) =>
        paid.Metadata!.TryGetValue(GoCardlessGateway.SubscriptionField, out var subscription)
            && LocalDatePattern.Iso.Parse(paid.Metadata.GetValueOrDefault(GoCardlessGateway.PeriodField, "")) is { Success: true, Value: var period }
            && Currency.Find(paid.Currency) is { } currency
            ? new GatewayNews.PaidElsewhere(subscription, period, new Money(paid.Amount, currency), paid.Id) : null;

    private static WebhookAnswer WithoutValue<T>(GoCardlessReply<T> reply)
        where T : class =>
        // Of a sandbox that was emptied.
        reply.Status == 404 ? WebhookAnswer.Nothing : new WebhookAnswer.NoAnswer(reply.Why);
}
