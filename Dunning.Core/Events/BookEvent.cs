using System.Collections.Immutable;
using Dunning.Model;
using NodaTime;

namespace Dunning.Events;

/// <summary>
/// Something that happened to an account (RULES 10). Which fields are set depends on <see cref="Type"/>; <see cref="EventJson"/> writes them.
/// </summary>
public sealed record BookEvent(Instant At, string Account, string Type)
{
    public string? Subscription { get; init; }
    public LocalDate? PeriodStart { get; init; }
    public LocalDate? PeriodEnd { get; init; }

    /// <summary>Amounts are minor units of the account's currency.</summary>
    public long? Subtotal { get; init; }

    public long? Tax { get; init; }
    public long? CreditApplied { get; init; }
    public long? CarriedIn { get; init; }
    public long? CarriedOut { get; init; }
    public long? AmountDue { get; init; }
    public string? Currency { get; init; }
    public long? Amount { get; init; }

    /// <summary>The method charged; its token is told, its id is stored.</summary>
    public MethodRef? Method { get; init; }

    public string? Token { get; init; }
    public string? Code { get; init; }
    public string? Reason { get; init; }
    public int? Step { get; init; }
    public string? Kind { get; init; }
    public string? Audience { get; init; }
    public string? Plan { get; init; }
    public LocalDate? EndsOn { get; init; }

    /// <summary>Of temporary access, so many times 24 hours.</summary>
    public int? Days { get; init; }

    public LocalDate? PurgeOn { get; init; }
    public Instant? Until { get; init; }
    public string? Template { get; init; }

    /// <summary>Recipients by address; their numbers are stored.</summary>
    public ImmutableArray<Recipient>? To { get; init; }

    public string? Do { get; init; }

    /// <summary>The operator who did it.</summary>
    public string? By { get; init; }
}

/// <summary>Names of the events. They are stored: frozen by a test.</summary>
public static class EventTypes
{
#pragma warning disable CS1591 // each name says what it is
    public const string AccountAccessEnded = "account.access_ended";
    public const string AccountAccessGranted = "account.access_granted";
    public const string AccountClosed = "account.closed";
    public const string AccountErased = "account.erased";
    public const string AccountPurged = "account.purged";
    public const string AccountPurgePostponed = "account.purge_postponed";
    public const string AccountReactivated = "account.reactivated";
    public const string AccountSuspended = "account.suspended";
    public const string AccountUnreachable = "account.unreachable";
    public const string ActionRejected = "action.rejected";
    public const string ChargeAbandoned = "charge.abandoned";
    public const string ChargeDuplicate = "charge.duplicate";
    public const string ChargeFailed = "charge.failed";
    public const string ChargePending = "charge.pending";
    public const string ChargeSkipped = "charge.skipped";
    public const string ChargeStuck = "charge.stuck";
    public const string ChargeSucceeded = "charge.succeeded";
    public const string ChargeUnknown = "charge.unknown";
    public const string ContactBouncing = "contact.bouncing";
    public const string ContactReachable = "contact.reachable";
    public const string CreditApplied = "credit.applied";
    public const string DunningExhausted = "dunning.exhausted";
    public const string DunningOpened = "dunning.opened";
    public const string DunningRecovered = "dunning.recovered";
    public const string DunningStep = "dunning.step";
    public const string DunningStopped = "dunning.stopped";
    public const string EmailDropped = "email.dropped";
    public const string EmailSent = "email.sent";
    public const string InvoiceIssued = "invoice.issued";
    public const string InvoicePaid = "invoice.paid";
    public const string InvoiceVoided = "invoice.voided";
    public const string InvoiceWrittenOff = "invoice.written_off";
    public const string NoticeCleared = "notice.cleared";
    public const string NoticePosted = "notice.posted";
    public const string OperatorActed = "operator.acted";
    public const string PaymentDisputed = "payment.disputed";
    public const string PaymentDisputeClosed = "payment.dispute_closed";
    public const string PaymentReceived = "payment.received";
    public const string PaymentRefunded = "payment.refunded";
    public const string PaymentReversed = "payment.reversed";
    public const string PaymentUnexpected = "payment.unexpected";
    public const string PaymentMethodGone = "payment_method.gone";
    public const string PaymentMethodReplaced = "payment_method.replaced";
    public const string SubscriptionCanceled = "subscription.canceled";
    public const string SubscriptionCancelScheduled = "subscription.cancel_scheduled";
    public const string SubscriptionExpired = "subscription.expired";
    public const string SubscriptionPlanChanged = "subscription.plan_changed";
    public const string SubscriptionRenewed = "subscription.renewed";
    public const string SubscriptionResumed = "subscription.resumed";
#pragma warning restore CS1591
}
