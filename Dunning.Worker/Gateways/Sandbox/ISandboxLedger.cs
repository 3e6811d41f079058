using Dunning.Model;
using Dunning.Ports;

namespace Dunning.Gateways.Sandbox;

/// <summary>
/// What the sandbox remembers: the calls that reached it, by key, and how many calls each payment method has had. Every implementation
/// decides with <see cref="SandboxRules"/>; they differ in where it is kept alone.
/// </summary>
public interface ISandboxLedger
{
    /// <summary>
    /// Takes a call: counts it, records its outcome under its key, and answers as the token says. Whatever is answered is kept for good
    /// before this returns. A canceled wait says nothing about whether the call was taken.
    /// </summary>
    /// <exception cref="SandboxUnavailableException">The ledger failed; the call may have been taken.</exception>
    Task<GatewayOutcome> ChargeAsync(SandboxOrder order, CancellationToken ct);

    /// <summary>The outcome recorded under a key, also of a call whose answer was lost. Null: no such call has reached the sandbox.</summary>
    /// <exception cref="SandboxUnavailableException">The ledger failed.</exception>
    Task<GatewayOutcome?> FindAsync(string key, CancellationToken ct);

    /// <summary>
    /// Spends the key of a call that has not reached the sandbox: one that comes later with it is refused. Null: spent. Else the outcome of the call
    /// that has got through before.
    /// </summary>
    /// <exception cref="SandboxUnavailableException">The ledger failed; the key may have been spent.</exception>
    Task<GatewayOutcome?> FenceAsync(SandboxFence fence, CancellationToken ct);

    /// <summary>
    /// Records that a success's money went back. True when it is, also when it was before, under whichever key: a charge is refunded once.
    /// False when there is no such success, or the refund key was used for another charge.
    /// </summary>
    /// <exception cref="SandboxUnavailableException">The ledger failed.</exception>
    Task<bool> RefundAsync(SandboxRefund refund, CancellationToken ct);

    /// <summary>Records that a method is gone: later calls on it are refused, replays are still answered.</summary>
    /// <exception cref="SandboxUnavailableException">The ledger failed.</exception>
    Task DetachAsync(string account, MethodRef method, CancellationToken ct);

    /// <summary>Every recorded call in ordinal order of its key: what an auditor compares our books with.</summary>
    IAsyncEnumerable<SandboxCall> CallsAsync(CancellationToken ct);
}

/// <summary>A charge as the ledger takes it.</summary>
/// <param name="Key">Idempotency key.</param>
/// <param name="Account">The account's id.</param>
/// <param name="Method">Calls are counted per account and method; a replaced method starts at 0.</param>
/// <param name="Amount">More than zero.</param>
/// <param name="Token">What the call shall come to.</param>
/// <param name="Authenticated">The customer has authenticated the method.</param>
public sealed record SandboxOrder(string Key, string Account, MethodRef Method, Money Amount, SandboxToken Token, bool Authenticated);

/// <summary>A fence as the ledger takes it: of the call that this key would have made on this method.</summary>
public sealed record SandboxFence(string Key, string Account, MethodRef Method);

/// <summary>A refund as the ledger takes it.</summary>
public sealed record SandboxRefund(string Key, string ChargeKey, string Account, Money Amount);

/// <summary>A recorded call. It never changes, but for its refund.</summary>
/// <param name="Key">Idempotency key; one call a key.</param>
/// <param name="Account">The account's id.</param>
/// <param name="Method">The method it was made on.</param>
/// <param name="Amount">What was asked for.</param>
/// <param name="Code">The decline code; null: the money was taken.</param>
/// <param name="CallNumber">Its number among the calls on its method, from 1, lost ones included.</param>
/// <param name="RefundKey">Under which its money went back.</param>
public sealed record SandboxCall(
    string Key, string Account, MethodRef Method, Money Amount, string? Code, long CallNumber, string? RefundKey)
{
    /// <summary>The money was taken (and perhaps went back later).</summary>
    public bool IsSuccess => Code is null;

    /// <summary>Its outcome as a gateway tells it.</summary>
    public GatewayOutcome Outcome => Code is null ? new GatewayOutcome.Succeeded() : new GatewayOutcome.Declined(Code);
}

/// <summary>The ledger could not be reached or failed: as a gateway's 5xx, it may or may not have done what it was asked for.</summary>
public sealed class SandboxUnavailableException(string message, Exception? cause = null) : Exception(message, cause);
