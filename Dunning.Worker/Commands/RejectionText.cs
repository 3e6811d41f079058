using Dunning.Model;

namespace Dunning.Commands;

/// <summary>Says in English why an operator's act could not be done.</summary>
internal static class RejectionText
{
    /// <summary>Of one of <see cref="RejectionCause"/>; of what this program does not know, that it can't be done.</summary>
    public static string Of(string? cause) => cause switch
    {
        RejectionCause.AccountPurged => "the account is purged, which is final",
        RejectionCause.AlreadyExempt => "it is exempt already",
        RejectionCause.AlreadyHeld => "it is held already",
        RejectionCause.AlreadyOver => "it is voided or written off already",
        RejectionCause.ChargeNotStuck => "no charge of it is stuck",
        RejectionCause.ChargeWithoutOutcome => "an attempt of it has no outcome yet",
        RejectionCause.CreditTooLarge => "the credit balance would be larger than it may be",
        RejectionCause.DateNotAhead => "that date is not ahead",
        RejectionCause.DateTooFar => "that date is more than a year ahead",
        RejectionCause.DaysTooMany => "that is more than 3650 days",
        RejectionCause.InvoiceDisputed => "its payment is disputed",
        RejectionCause.InvoiceNotUnpaid => "it is not unpaid",
        RejectionCause.NotExempt => "it is not exempt",
        RejectionCause.NotHeld => "it is not held",
        RejectionCause.NotPaused => "nothing of it is paused",
        RejectionCause.NotSuspended => "it is not suspended",
        RejectionCause.NothingOwed => "it owes nothing",
        _ => "it can't be done as things stand",
    };
}
