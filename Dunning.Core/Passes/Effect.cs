using System.Collections.Immutable;
using Dunning.Model;
using Dunning.Ports;
using NodaTime;

namespace Dunning.Passes;

/// <summary>
/// Where in a pass an account is: the phase, and within it the item last dealt with (date, then subscription id).
/// An effect carries it, so that its answer goes on from there and the pass takes each item once.
/// </summary>
public readonly record struct Cursor(PassKind Phase, LocalDate? Date, string? Subscription)
{
    /// <summary>Before everything in a phase.</summary>
    public static Cursor StartOf(PassKind phase) => new(phase, null, null);

    /// <summary>Whether an item of this cursor's phase comes after it.</summary>
    public bool IsBefore(LocalDate date, string subscription) =>
        Date is not { } mine || mine < date || (mine == date && string.CompareOrdinal(Subscription, subscription) < 0);
}

/// <summary>Which pass is running: its instant and the last phase it brings an account through.</summary>
public readonly record struct PassRun(Instant Now, PassKind UpTo);

/// <summary>Something to do outside the database, once the decision that asks for it is saved.</summary>
/// <param name="Account">The account's id.</param>
/// <param name="Run">The pass that asks.</param>
/// <param name="Cursor">Where to go on.</param>
/// <param name="Lease">Version of the claim; an answer of an older claim moves nothing but a charge's outcome.</param>
public abstract record Effect(string Account, PassRun Run, Cursor Cursor, long Lease)
{
    /// <summary>Send a charge.</summary>
    public sealed record SendCharge(string Account, PassRun Run, Cursor Cursor, long Lease, ChargeRequest Request, bool IsResend)
        : Effect(Account, Run, Cursor, Lease);

    /// <summary>Look an unknown charge up by its key.</summary>
    public sealed record LookUp(string Account, PassRun Run, Cursor Cursor, long Lease, ChargeRequest Request)
        : Effect(Account, Run, Cursor, Lease);

    /// <summary>Spend the key of a charge that is given up.</summary>
    public sealed record Fence(string Account, PassRun Run, Cursor Cursor, long Lease, ChargeRequest Request)
        : Effect(Account, Run, Cursor, Lease);

    /// <summary>Refund a charge that took money twice.</summary>
    public sealed record Refund(string Account, PassRun Run, Cursor Cursor, long Lease, ChargeRequest Request, string RefundKey)
        : Effect(Account, Run, Cursor, Lease);

    /// <summary>Forget a purged account's methods at the gateway.</summary>
    public sealed record Detach(string Account, PassRun Run, Cursor Cursor, long Lease, ImmutableArray<PaymentMethod> Methods)
        : Effect(Account, Run, Cursor, Lease);

    /// <summary>Deliver mails, in their order.</summary>
    public sealed record Deliver(string Account, PassRun Run, Cursor Cursor, long Lease, AccountFile File, ImmutableArray<Mail> Mails)
        : Effect(Account, Run, Cursor, Lease)
    {
        /// <summary>When room was taken for them.</summary>
        public Instant DecidedAt { get; init; }

        /// <summary>How many messages are to leave.</summary>
        public int Messages => Mails.Sum(m => m.Recipients.Count(r => r.State == DeliveryState.Pending && !(r.NextTryAt > DecidedAt)));
    }
}

/// <summary>What came of an effect.</summary>
public abstract record Answer
{
    private Answer()
    {
    }

    /// <summary>Of a charge that was sent.</summary>
    public sealed record Charged(string Key, GatewayOutcome Outcome, bool IsResend) : Answer;

    /// <summary>Of a look-up; null: not found.</summary>
    public sealed record LookedUp(string Key, GatewayOutcome? Outcome) : Answer;

    /// <summary>Of a fence.</summary>
    public sealed record Fenced(string Key, GatewayOutcome Outcome) : Answer;

    /// <summary>Of a refund.</summary>
    public sealed record Refunded(string Key, bool Done) : Answer;

    /// <summary>Of a detachment.</summary>
    public sealed record Detached(bool Done) : Answer;

    /// <summary>Of deliveries: results by mail number.</summary>
    public sealed record Delivered(ImmutableArray<(int Mail, ImmutableArray<DeliveryResult> Results)> Results) : Answer;
}
