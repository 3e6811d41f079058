using System.Collections.Immutable;

namespace Dunning.Model;

/// <summary>Audiences of in-app notices.</summary>
public static class Audiences
{
    /// <summary>Owners and admins.</summary>
    public const string OwnerAdmins = "owner_admins";

    /// <summary>Everyone who works with the application.</summary>
    public const string AllAgents = "all_agents";
}

/// <summary>Names of the mails. They are stored and are part of events: frozen by a test.</summary>
public static class MailTemplates
{
#pragma warning disable CS1591 // each name says what it is
    public const string AccessGranted = "access_granted";
    public const string AccountPurged = "account_purged";
    public const string AccountReactivated = "account_reactivated";
    public const string AccountSuspended = "account_suspended";
    public const string CancellationScheduled = "cancellation_scheduled";
    public const string CancellationWithdrawn = "cancellation_withdrawn";
    public const string CardExpiring = "card_expiring";
    public const string CreditIssued = "credit_issued";
    public const string DebitUpcoming = "debit_upcoming";
    public const string Digest = "digest";
    public const string PaymentFailed = "payment_failed";
    public const string PaymentMethodUpdated = "payment_method_updated";
    public const string PaymentRecovered = "payment_recovered";
    public const string PlanChanged = "plan_changed";
    public const string PurgeWarning = "purge_warning";
    public const string Receipt = "receipt";
    public const string RenewalUpcoming = "renewal_upcoming";
    public const string SubscriptionCanceled = "subscription_canceled";
    public const string SubscriptionExpired = "subscription_expired";
    public const string SubscriptionExpiring = "subscription_expiring";
    public const string SuspensionWarning = "suspension_warning";
#pragma warning restore CS1591

    /// <summary>Every template, sorted.</summary>
    public static ImmutableArray<string> All { get; } =
    [
        AccessGranted, AccountPurged, AccountReactivated, AccountSuspended, CancellationScheduled, CancellationWithdrawn,
        CardExpiring, CreditIssued, DebitUpcoming, Digest, PaymentFailed, PaymentMethodUpdated, PaymentRecovered, PlanChanged, PurgeWarning,
        Receipt, RenewalUpcoming, SubscriptionCanceled, SubscriptionExpired, SubscriptionExpiring, SuspensionWarning,
    ];

    /// <summary>
    /// What a contact may have told in a digest: good news that asks for nothing, and that is as true a week later. Every other mail tells of money
    /// that is missing, of something that ends or is about to, or of what its reader may not have wanted, and goes at once.
    /// </summary>
    public static ImmutableArray<string> NotUrgent { get; } = [CreditIssued, PlanChanged, Receipt];
}
