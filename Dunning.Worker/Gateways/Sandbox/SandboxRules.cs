using Dunning.Ports;

namespace Dunning.Gateways.Sandbox;

/// <summary>What counts as a call and what is answered (RULES 11). Pure, so that every ledger decides the same.</summary>
internal static class SandboxRules
{
    /// <summary>Decides one call on the state that the calls before it have left.</summary>
    /// <param name="order">The call.</param>
    /// <param name="recorded">What is recorded under its key.</param>
    /// <param name="callsBefore">How many calls its method has had.</param>
    /// <param name="isDetached">Its method is gone.</param>
    /// <param name="isFenced">Its key was spent before it came.</param>
    public static Ruling Decide(SandboxOrder order, SandboxCall? recorded, long callsBefore, bool isDetached, bool isFenced)
    {
        if (isFenced)
        {
            return Refused("this idempotency key was spent on a fence", RefusalScope.Request);
        }
        if (recorded is not null)
        {
            // A replay is answered whatever has become of the method since, and is no call.
            return IsSameRequest(order, recorded)
                ? new Ruling(recorded.Outcome, false, null)
                : Refused("this idempotency key was used with another account, method or amount", RefusalScope.Request);
        }
        if (isDetached)
        {
            return Refused("this payment method was detached", RefusalScope.Method);
        }
        var number = callsBefore + 1;
        var fate = order.Token.FateOf(number, order.Authenticated);
        if (fate.IsCallLost)
        {
            return new Ruling(new GatewayOutcome.Unknown(), true, null);
        }
        var call = new SandboxCall(order.Key, order.Account, order.Method, order.Amount, fate.Code, number, null);
        return new Ruling(fate.IsAnswerLost ? new GatewayOutcome.Unknown() : call.Outcome, true, call);
    }

    private static bool IsSameRequest(SandboxOrder order, SandboxCall recorded) =>
        order.Account == recorded.Account && order.Method == recorded.Method && order.Amount == recorded.Amount;

    private static Ruling Refused(string reason, RefusalScope scope) => new(new GatewayOutcome.Refused(reason, scope), false, null);
}

/// <summary>A decision about one call.</summary>
/// <param name="Answer">What the caller is told.</param>
/// <param name="Counts">It is a call on its method.</param>
/// <param name="Recorded">What is recorded under its key; null: nothing.</param>
internal readonly record struct Ruling(GatewayOutcome Answer, bool Counts, SandboxCall? Recorded);
