using System.Collections.Frozen;
using System.Text.Json.Nodes;
using Dunning.Gateways.Webhooks;
using Dunning.Model;
using Dunning.Ports;
using NodaTime;
using NodaTime.Text;

namespace Dunning.Gateways.GoCardless;

/// <summary>
/// Charges bank accounts through GoCardless: an attempt is one payment on a mandate, created under our key, which stands in its metadata too, so that
/// it is found again when no answer came. Its outcome comes days later, and may be taken back weeks after that.
/// </summary>
public sealed class GoCardlessGateway : IPaymentGateway, IGatewayKey, IDisposable
{
    internal const string KeyField = "dunning_key";
    internal const string SubscriptionField = "dunning_subscription";
    internal const string PeriodField = "dunning_period";
    private const string FenceField = "dunning_fence";

    private static readonly FrozenSet<string> s_currencies = FrozenSet.Create(StringComparer.Ordinal, "AUD", "CAD", "DKK", "EUR", "GBP", "NZD", "SEK", "USD");

    // Far more than clocks differ by; and an attempt decided again from an older state of the database may have been sent earlier than it knows.
    private static readonly Duration s_lookBack = Duration.FromDays(1);

    // Far enough that there is time to cancel it, and within the year that GoCardless allows.
    private static readonly Duration s_fenceAhead = Duration.FromDays(180);

    private const int MaxPages = 10;

    private static readonly GatewayOutcome s_unknown = new GatewayOutcome.Unknown();
    private static readonly GatewayOutcome s_neverMade = new GatewayOutcome.NeverMade();

    private readonly GoCardlessClient _client;
    private readonly TimeProvider _time;

    /// <summary>Makes the gateway; it opens connections when they are needed.</summary>
    public GoCardlessGateway(GoCardlessOptions options, TimeProvider time)
    {
        (_client, _time) = (new GoCardlessClient(options, time), time);
        Webhooks = options.WebhookSecrets is { } secrets ? new GoCardlessWebhooks(_client, this, secrets) : null;
    }

    /// <summary>What GoCardless tells by itself; null: no secret is configured for it.</summary>
    public IWebhookGateway? Webhooks { get; }

    /// <inheritdoc/>
    public async Task<GatewayOutcome> ChargeAsync(ChargeRequest request, CancellationToken ct)
    {
        if (!s_currencies.Contains(request.Amount.Currency.Code))
        {
            return new GatewayOutcome.Refused($"not sent: GoCardless takes no {request.Amount.Currency.Code}", RefusalScope.Request);
        }
        var reply = await _client.CreatePaymentAsync(FieldsOf(request, new JsonObject
        {
            [KeyField] = request.Key,
            [SubscriptionField] = request.SubscriptionId,
            [PeriodField] = LocalDatePattern.Iso.Format(request.PeriodStart),
        }), request.Key, ct);
        return await MadeAsync(reply, ct) is { } payment ? IsOf(payment, request) ? await OutcomeOfAsync(payment, ct) : s_unknown : RefusalOf(reply);
    }

    /// <inheritdoc/>
    public async Task<GatewayOutcome?> LookUpAsync(ChargeRequest request, CancellationToken ct)
    {
        var (isHealthy, payment) = await FindAsync(request, ct);
        return payment is not null ? await OutcomeOfAsync(payment, ct) : isHealthy ? null : s_unknown;
    }

    /// <inheritdoc/>
    /// <remarks>The key is spent on a payment of half a year from now, which is cancelled at once: what comes later under it meets a conflict.</remarks>
    public async Task<GatewayOutcome> FenceAsync(ChargeRequest request, CancellationToken ct)
    {
        if (!s_currencies.Contains(request.Amount.Currency.Code))
        {
            // Nothing was ever sent.
            return s_neverMade;
        }
        var fields = FieldsOf(request, new JsonObject { [FenceField] = request.Key });
        fields["charge_date"] = LocalDatePattern.Iso.Format((Instant.FromDateTimeOffset(_time.GetUtcNow()) + s_fenceAhead).InUtc().Date);
        var reply = await _client.CreatePaymentAsync(fields, request.Key, ct);
        if (reply.Error is { } error && IsMandateGone(error))
        {
            // So would the charge be refused.
            return s_neverMade;
        }
        if (await MadeAsync(reply, ct) is not { } payment)
        {
            return s_unknown;
        }
        if (IsOf(payment, request))
        {
            return await OutcomeOfAsync(payment, ct);
        }
        if (payment.Metadata?.GetValueOrDefault(FenceField) != request.Key)
        {
            return s_unknown;
        }
        return payment.Status == "cancelled" || await _client.CancelPaymentAsync(payment.Id, ct) is { Value.Payments.Status: "cancelled" } ? s_neverMade : s_unknown;
    }

    /// <inheritdoc/>
    public async Task<bool> RefundAsync(ChargeRequest charge, string refundKey, CancellationToken ct)
    {
        if (await FindAsync(charge, ct) is not (_, { Status: "confirmed" or "paid_out" } payment))
        {
            return false;
        }
        return payment.AmountRefunded >= payment.Amount
            || await _client.RefundAsync(payment.Id, payment.Amount - payment.AmountRefunded, payment.Amount, refundKey, ct) is { Value: not null } or { Error.ConflictingId: not null };
    }

    /// <inheritdoc/>
    public async Task<bool> DetachAsync(string account, PaymentMethod method, CancellationToken ct) =>
        await _client.CancelMandateAsync(method.Token, ct) is { Value: not null }
        // Cancelled before? Its own state tells more surely than an error's words.
        || (await _client.GetMandateAsync(method.Token, ct) is { Value.Mandates: { } mandate } && IsOver(mandate));

    /// <inheritdoc/>
    /// <remarks>A payment is asked for that there is none of: GoCardless says so to those whose token it takes.</remarks>
    public async Task<KeyVerdict> TryKeyAsync(CancellationToken ct) => await _client.GetPaymentAsync("PM0", ct) switch
    {
        { Status: 200 or 404 } => new KeyVerdict.Taken(null),
        { Error: not null } reply => new KeyVerdict.Refused(reply.Why),
        var reply => new KeyVerdict.NoAnswer(reply.Why),
    };

    /// <inheritdoc/>
    public void Dispose() => _client.Dispose();

    /// <summary>A mandate that no payment can be made on any more.</summary>
    internal static bool IsOver(GoCardlessMandate mandate) => mandate.Status is "cancelled" or "failed" or "expired" or "consumed" or "blocked";

    /// <summary>What a payment has come to.</summary>
    internal async Task<GatewayOutcome> OutcomeOfAsync(GoCardlessPayment payment, CancellationToken ct) => payment.Status switch
    {
        "confirmed" or "paid_out" => new GatewayOutcome.Succeeded(),
        "pending_customer_approval" or "pending_submission" or "submitted" => new GatewayOutcome.Pending(),
        "failed" or "charged_back" => await CauseOfAsync(payment, ct) is { } code ? new GatewayOutcome.Declined(code) : s_unknown,
        "customer_approval_denied" => new GatewayOutcome.Declined("revocation_of_authorization"),
        "cancelled" => s_neverMade,
        _ => s_unknown,
    };

    // In this order always, and nothing in it that time or chance could change: the same key must have the same body.
    private static JsonObject FieldsOf(ChargeRequest request, JsonObject metadata) => new()
    {
        ["amount"] = request.Amount.Minor,
        ["currency"] = request.Amount.Currency.Code,
        // The schedule retries, nobody else.
        ["retry_if_possible"] = false,
        ["links"] = new JsonObject { ["mandate"] = request.Token },
        ["metadata"] = metadata,
    };

    private static bool IsOf(GoCardlessPayment payment, ChargeRequest request) => payment.Metadata?.GetValueOrDefault(KeyField) == request.Key;

    private static bool IsMandateGone(GoCardlessError error) => error.Has("mandate_is_inactive") || error.Has("mandate_replaced") || error.Has("bank_account_disabled");

    private static GatewayOutcome RefusalOf(GoCardlessReply<PaymentBody> reply) => reply switch
    {
        { NotSent: { } notSent } => new GatewayOutcome.Refused(notSent.Why, notSent.IsForAll ? RefusalScope.Everyone : RefusalScope.Request) { IsSilence = notSent.IsSilence },
        // What stands under the key already could not be read.
        { Error: null } or { Error.ConflictingId: not null } => s_unknown,
        { Error: { } error } when IsMandateGone(error) => new GatewayOutcome.Refused(reply.Why, RefusalScope.Method) { Status = reply.Status },
        { Status: 409 } => s_unknown,
        { Status: 401 or 403 or 429 } => new GatewayOutcome.Refused(reply.Why, RefusalScope.Everyone) { Status = reply.Status },
        _ => new GatewayOutcome.Refused(reply.Why, RefusalScope.Request) { Status = reply.Status },
    };

    // What was made now, or under the same key before.
    private async Task<GoCardlessPayment?> MadeAsync(GoCardlessReply<PaymentBody> reply, CancellationToken ct) =>
        reply.Error?.ConflictingId is { } id ? (await _client.GetPaymentAsync(id, ct)).Value?.Payments : reply.Value?.Payments;

    /// <summary>Why money did not come, or went back, as a decline code; null: GoCardless does not answer.</summary>
    private async Task<string?> CauseOfAsync(GoCardlessPayment payment, CancellationToken ct) =>
        (await _client.LastEventAsync(payment.Id, payment.Status, ct)).Value is { } answer
            ? (answer.Events.FirstOrDefault()?.Details?.Cause) switch
            {
                "insufficient_funds" => "insufficient_funds",
                "bank_account_closed" or "invalid_bank_details" or "bank_account_transferred" or "direct_debit_not_enabled" => "invalid_account",
                "mandate_cancelled" or "authorisation_disputed" or "mandate_expired" => "revocation_of_authorization",
                // Refer to payer, and all that says no more.
                _ => "generic_decline",
            }
            : null;

    /// <summary>The payment of a key, and whether every page was read: only then is none found an answer.</summary>
    private async Task<(bool IsHealthy, GoCardlessPayment? Payment)> FindAsync(ChargeRequest request, CancellationToken ct)
    {
        string? after = null;
        for (var pages = 0; pages < MaxPages; pages++)
        {
            if ((await _client.ListPaymentsAsync(request.Token, request.FirstCalledAt - s_lookBack, after, ct)).Value is not { } page)
            {
                return (false, null);
            }
            if (page.Payments.FirstOrDefault(p => IsOf(p, request)) is { } found)
            {
                return (true, found);
            }
            after = page.Meta.Cursors.After;
            if (after is null)
            {
                return (true, null);
            }
        }
        return (false, null);
    }
}
