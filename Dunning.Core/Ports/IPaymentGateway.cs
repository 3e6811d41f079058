using Dunning.Model;
using NodaTime;

namespace Dunning.Ports;

/// <summary>
/// What a renewal engine needs of a payment gateway. No method throws for what a gateway or a network does: that is an outcome.
/// Nothing here retries a charge.
/// </summary>
public interface IPaymentGateway
{
    /// <summary>Charges off-session under an idempotency key. No answer in time is <see cref="GatewayOutcome.Unknown"/>.</summary>
    Task<GatewayOutcome> ChargeAsync(ChargeRequest request, CancellationToken ct);

    /// <summary>
    /// What has become of that key. Null: the gateway knows no such call. <see cref="GatewayOutcome.Unknown"/>: the gateway did not answer.
    /// </summary>
    Task<GatewayOutcome?> LookUpAsync(ChargeRequest request, CancellationToken ct);

    /// <summary>
    /// Spends the key of a charge that is given up, so that a request which is still on its way can never charge.
    /// <see cref="GatewayOutcome.NeverMade"/>: it never can. Another outcome: the charge has got through after all.
    /// <see cref="GatewayOutcome.Unknown"/>: the gateway did not answer, and the charge must not be given up yet.
    /// A gateway whose keys can't be spent on anything else says <see cref="GatewayOutcome.NeverMade"/>.
    /// </summary>
    Task<GatewayOutcome> FenceAsync(ChargeRequest request, CancellationToken ct);

    /// <summary>Gives the money of a charge back, under a key of its own. True when done, also when it was done before.</summary>
    Task<bool> RefundAsync(ChargeRequest charge, string refundKey, CancellationToken ct);

    /// <summary>Forgets a method at the gateway. True when it is gone, also when it was gone before.</summary>
    Task<bool> DetachAsync(string account, PaymentMethod method, CancellationToken ct);
}

/// <summary>
/// A charge as it is sent. Two requests of one key are sent alike: there is nothing in it that could differ (no invoice number), but for
/// <paramref name="FirstCalledAt"/>, which is never sent.
/// </summary>
/// <param name="Account">The account's id.</param>
/// <param name="GatewayCustomer">Its customer at the gateway, if known.</param>
/// <param name="Key">Idempotency key.</param>
/// <param name="SubscriptionId">What is paid for; a gateway may show it to operators.</param>
/// <param name="PeriodStart">And for which period.</param>
/// <param name="Amount">More than zero.</param>
/// <param name="Method">The method, for gateways that count per method.</param>
/// <param name="Token">The method's token.</param>
/// <param name="Authenticated">The customer has authenticated the method (read by the sandbox alone).</param>
/// <param name="FirstCalledAt">When it was first sent: how far back a look-up must search.</param>
public sealed record ChargeRequest(
    string Account, string? GatewayCustomer, string Key, string SubscriptionId, LocalDate PeriodStart, Money Amount, MethodRef Method, string Token,
    bool Authenticated, Instant FirstCalledAt);

/// <summary>Answer of a gateway.</summary>
public abstract record GatewayOutcome
{
    private GatewayOutcome()
    {
    }

    /// <summary>The money was taken.</summary>
    public sealed record Succeeded : GatewayOutcome;

    /// <summary>The issuer or the network said no.</summary>
    /// <param name="Code">Why: the decline code.</param>
    public sealed record Declined(string Code) : GatewayOutcome
    {
        /// <summary>What the issuer or the network says about trying again; it beats what the code says.</summary>
        public DeclineAdvice Advice { get; init; }

        /// <summary>How long the issuer or the network asks to wait before the next attempt; null: it does not say.</summary>
        public Duration? RetryAfter { get; init; }
    }

    /// <summary>The gateway has it, and can't tell for days whether the money comes (bank debits). A look-up tells then.</summary>
    public sealed record Pending : GatewayOutcome;

    /// <summary>No answer, or a 5xx: it may have been taken.</summary>
    public sealed record Unknown : GatewayOutcome;

    /// <summary>Of a look-up: the gateway knows the call, it has taken no money and can never take any.</summary>
    public sealed record NeverMade : GatewayOutcome;

    /// <summary>The request itself was refused: no attempt was made.</summary>
    /// <param name="Reason">For operators; no personal data.</param>
    /// <param name="Scope">What it stops.</param>
    public sealed record Refused(string Reason, RefusalScope Scope) : GatewayOutcome
    {
        /// <summary>What the gateway answered, as an HTTP status; null: it was not asked.</summary>
        public int? Status { get; init; }

        /// <summary>It was not asked because it has not answered others lately: it says nothing of the key.</summary>
        public bool IsSilence { get; init; }
    }
}

/// <summary>Advice that came with a decline. A gateway maps its own codes to it.</summary>
public enum DeclineAdvice
{
    /// <summary>None: the code decides.</summary>
    None,

    /// <summary>The same data may do another time.</summary>
    TryLater,

    /// <summary>The card's data must be corrected or replaced first.</summary>
    NewData,

    /// <summary>Never again with this method.</summary>
    Never,
}

/// <summary>What a refusal of a request stops (RULES 13).</summary>
public enum RefusalScope
{
    /// <summary>This request only.</summary>
    Request,

    /// <summary>The method or customer is gone: blocked like a hard decline.</summary>
    Method,

    /// <summary>401, 403, 429: the pass stops for all.</summary>
    Everyone,
}
