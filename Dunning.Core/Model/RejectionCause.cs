namespace Dunning.Model;

/// <summary>Why an operator's act can't be done: the <c>code</c> of its <c>action.rejected</c>. They are stored in events, and pages and commands have a text for each.</summary>
public static class RejectionCause
{
#pragma warning disable CS1591 // each name says what it is
    public const string AccountPurged = "account_purged";
    public const string AlreadyExempt = "already_exempt";
    public const string AlreadyHeld = "already_held";
    public const string AlreadyOver = "already_over";
    public const string ChargeNotStuck = "charge_not_stuck";
    public const string ChargeWithoutOutcome = "charge_without_outcome";
    public const string CreditTooLarge = "credit_too_large";
    public const string DateNotAhead = "date_not_ahead";
    public const string DateTooFar = "date_too_far";
    public const string DaysTooMany = "days_too_many";
    public const string InvoiceDisputed = "invoice_disputed";
    public const string InvoiceNotUnpaid = "invoice_not_unpaid";
    public const string NotExempt = "not_exempt";
    public const string NotHeld = "not_held";
    public const string NotPaused = "not_paused";
    public const string NotSuspended = "not_suspended";
    public const string NothingOwed = "nothing_owed";

    /// <summary>Nothing more is known than that it can't be done.</summary>
    public const string Other = "other";
#pragma warning restore CS1591
}
