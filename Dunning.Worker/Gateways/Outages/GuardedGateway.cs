using Dunning.Model;
using Dunning.Ports;

namespace Dunning.Gateways.Outages;

/// <summary>A gateway whose calls are counted, and through which nothing is charged while it is out.</summary>
/// <param name="gateway">The gateway itself.</param>
/// <param name="guard">What counts.</param>
/// <param name="isTrial">It is asked whether it answers again: charges go through.</param>
public sealed class GuardedGateway(IPaymentGateway gateway, OutageGuard guard, bool isTrial = false) : IPaymentGateway
{
    private int _calls;
    private int _failures;
    private int _answeredCharges;
    private volatile GatewayRefusal? _refusal;

    /// <summary>Calls that came to an outcome or failed.</summary>
    public int Calls => _calls;

    /// <summary>Calls that failed.</summary>
    public int Failures => _failures;

    /// <summary>Charges that it did not refuse for everyone, and did answer.</summary>
    public int AnsweredCharges => _answeredCharges;

    /// <summary>Why it refused a charge for everyone, the last time; null: it has not.</summary>
    public GatewayRefusal? Refusal => _refusal;

    /// <inheritdoc/>
    public async Task<GatewayOutcome> ChargeAsync(ChargeRequest request, CancellationToken ct)
    {
        if (guard.IsOut && !isTrial)
        {
            // Claimed before it was found out: no attempt was made, and it is made with the same key afterwards.
            return new GatewayOutcome.Refused("not sent: the gateway is out", RefusalScope.Everyone);
        }
        var outcome = await gateway.ChargeAsync(request, ct);
        if (!IsFailure(outcome))
        {
            Interlocked.Increment(ref _answeredCharges);
        }
        _refusal = RefusalIn(outcome) ?? _refusal;
        return await CountAsync(outcome);
    }

    /// <inheritdoc/>
    public async Task<GatewayOutcome?> LookUpAsync(ChargeRequest request, CancellationToken ct) => await CountAsync(await gateway.LookUpAsync(request, ct));

    /// <inheritdoc/>
    public async Task<GatewayOutcome> FenceAsync(ChargeRequest request, CancellationToken ct) => await CountAsync(await gateway.FenceAsync(request, ct));

    /// <inheritdoc/>
    public Task<bool> RefundAsync(ChargeRequest charge, string refundKey, CancellationToken ct) => gateway.RefundAsync(charge, refundKey, ct);

    /// <inheritdoc/>
    public Task<bool> DetachAsync(string account, PaymentMethod method, CancellationToken ct) => gateway.DetachAsync(account, method, ct);

    /// <summary>Whether an outcome says that the gateway itself failed: what an issuer says is an answer, and a refusal of one request is its own fault.</summary>
    public static bool IsFailure(GatewayOutcome? outcome) => outcome is GatewayOutcome.Unknown or GatewayOutcome.Refused { Scope: RefusalScope.Everyone };

    private static GatewayRefusal? RefusalIn(GatewayOutcome? outcome) =>
        outcome is GatewayOutcome.Refused { Scope: RefusalScope.Everyone, IsSilence: false } refused ? new GatewayRefusal(refused.Reason, refused.Status) : null;

    private async Task<T> CountAsync<T>(T outcome)
        where T : GatewayOutcome?
    {
        Interlocked.Increment(ref _calls);
        if (IsFailure(outcome))
        {
            Interlocked.Increment(ref _failures);
        }
        await guard.CountAsync(IsFailure(outcome), RefusalIn(outcome));
        return outcome;
    }
}
