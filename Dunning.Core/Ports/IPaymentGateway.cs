using Dunning.Model;

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

    /// <summary>Gives the money of a charge back, under a key of its own. True when done, also when it was done before.</summary>
    Task<bool> RefundAsync(ChargeRequest charge, string refundKey, CancellationToken ct);

    /// <summary>Forgets a method at the gateway. True when it is gone, also when it was gone before.</summary>
    Task<bool> DetachAsync(string account, PaymentMethod method, CancellationToken ct);
}

/// <summary>
/// A charge as it is sent. Two requests of one key are equal: there is nothing in it that could differ (no invoice number).
/// </summary>
/// <param name="Account">The account's id.</param>
/// <param name="GatewayCustomer">Its customer at the gateway, if known.</param>
/// <param name="Key">Idempotency key.</param>
/// <param name="Amount">More than zero.</param>
/// <param name="Method">The method, for gateways that count per method.</param>
/// <param name="Token">The method's token.</param>
/// <param name="Authenticated">The customer has authenticated the method (read by the sandbox alone).</param>
public sealed record ChargeRequest(
    string Account, string? GatewayCustomer, string Key, Money Amount, MethodRef Method, string Token, bool Authenticated);

/// <summary>Answer of a gateway.</summary>
public abstract record GatewayOutcome
{
    private GatewayOutcome()
    {
    }

    /// <summary>The money was taken.</summary>
    public sealed record Succeeded : GatewayOutcome;

    /// <summary>The issuer or the network said no.</summary>
    public sealed record Declined(string Code) : GatewayOutcome;

    /// <summary>No answer, or a 5xx: it may have been taken.</summary>
    public sealed record Unknown : GatewayOutcome;

    /// <summary>The request itself was refused: no attempt was made.</summary>
    /// <param name="Reason">For operators; no personal data.</param>
    /// <param name="Scope">What it stops.</param>
    public sealed record Refused(string Reason, RefusalScope Scope) : GatewayOutcome;
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
