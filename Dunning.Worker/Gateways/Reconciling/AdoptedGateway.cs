using Dunning.Model;
using Dunning.Ports;
using NodaTime;

namespace Dunning.Gateways.Reconciling;

/// <summary>
/// A gateway that is asked only for what was not adopted from it. The first call with an adopted key takes the adopted outcome, and an invoice that the
/// gateway holds a payment for is charged under no other key either: after a restored backup the same invoice may be attempted in another way than it
/// was before, such as with another card.
/// </summary>
public sealed class AdoptedGateway(IPaymentGateway gateway, AdoptedCharges adopted) : IPaymentGateway
{
    // A success so soon after a decline came of the same attempt, by a spare method, which is decided again after the same decline.
    private static readonly Duration s_sameAttempt = Duration.FromMinutes(2);

    /// <inheritdoc/>
    public async Task<GatewayOutcome> ChargeAsync(ChargeRequest request, CancellationToken ct)
    {
        var known = await adopted.OfInvoiceAsync(request.SubscriptionId, request.PeriodStart, ct);
        var same = known.FirstOrDefault(c => c.Key == request.Key);
        if (same is not null && same.Amount != request.Amount)
        {
            return new GatewayOutcome.Refused($"not sent: the gateway holds {same.Reference} under the same key with another amount", RefusalScope.Request);
        }
        if (same?.Outcome is GatewayOutcome.Succeeded or GatewayOutcome.Pending)
        {
            return same.Outcome;
        }
        if (known.FirstOrDefault(c => c.Outcome is GatewayOutcome.Succeeded or GatewayOutcome.Pending) is { } other
            && !(same is not null && other.CreatedAt >= same.CreatedAt && other.CreatedAt - same.CreatedAt <= s_sameAttempt))
        {
            return new GatewayOutcome.Refused($"not sent: the gateway holds {other.Reference} for the same invoice", RefusalScope.Request);
        }
        return same?.Outcome ?? await gateway.ChargeAsync(request, ct);
    }

    /// <inheritdoc/>
    public async Task<GatewayOutcome?> LookUpAsync(ChargeRequest request, CancellationToken ct) =>
        await FindAsync(request, ct) is not { } same ? await gateway.LookUpAsync(request, ct)
            : same.Outcome is GatewayOutcome.Pending ? await gateway.LookUpAsync(request with { FirstCalledAt = same.CreatedAt }, ct)
            : same.Outcome;

    /// <inheritdoc/>
    public async Task<GatewayOutcome> FenceAsync(ChargeRequest request, CancellationToken ct) =>
        await FindAsync(request, ct) is { } same ? same.Outcome : await gateway.FenceAsync(request, ct);

    /// <inheritdoc/>
    public async Task<bool> RefundAsync(ChargeRequest charge, string refundKey, CancellationToken ct) =>
        await gateway.RefundAsync(await FindAsync(charge, ct) is { } same ? charge with { FirstCalledAt = same.CreatedAt } : charge, refundKey, ct);

    /// <inheritdoc/>
    public Task<bool> DetachAsync(string account, PaymentMethod method, CancellationToken ct) => gateway.DetachAsync(account, method, ct);

    private async Task<AdoptedCharge?> FindAsync(ChargeRequest request, CancellationToken ct) =>
        (await adopted.OfInvoiceAsync(request.SubscriptionId, request.PeriodStart, ct)).FirstOrDefault(c => c.Key == request.Key);
}
