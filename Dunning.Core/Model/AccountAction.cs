using NodaTime;

namespace Dunning.Model;

/// <summary>Something a customer or an operator asks for (RULES 9). Which fields are set depends on <see cref="Do"/>.</summary>
public sealed record AccountAction(Instant At, string Account, string Do)
{
    public string? Subscription { get; init; }
    public string? Token { get; init; }
    public YearMonth? Expires { get; init; }
    public string? Plan { get; init; }
    public bool? Value { get; init; }

    /// <summary>Minor units of the account's currency.</summary>
    public long? Amount { get; init; }

    /// <summary>The method's id; none: the default method.</summary>
    public string? Method { get; init; }

    /// <summary>The period of an invoice, by its first day; none: the subscription's only unpaid one.</summary>
    public LocalDate? PeriodStart { get; init; }

    /// <summary>An operator's answer to a stuck charge: <c>succeeded</c>, <c>failed</c> or <c>never_made</c>.</summary>
    public string? Outcome { get; init; }

    /// <summary>Of a new card.</summary>
    public string? Brand { get; init; }

    /// <summary>Of a new card.</summary>
    public string? Last4 { get; init; }

    public int? Days { get; init; }

    /// <summary>Of a pause: the billing date on which it ends.</summary>
    public LocalDate? Until { get; init; }

    public string? Email { get; init; }
    public ContactRole? Role { get; init; }
    public string? Name { get; init; }
    public string? Locale { get; init; }
    public MailFrequency? Frequency { get; init; }

    /// <summary>The invoice that must be at hand even when it is settled, for this to be decided; null: what is open is enough.</summary>
    public (string Subscription, LocalDate PeriodStart)? NeedsInvoice =>
        this is { Do: ActionNames.VoidInvoice, Subscription: { } subscription, PeriodStart: { } start } ? (subscription, start) : null;

    /// <summary>The operator whose act it is (RULES 14), and who is named in its events; null: a customer's, or the application's.</summary>
    public string? Operator { get; init; }

    /// <summary>Why the operator acts; kept in the trail for good, so nothing personal.</summary>
    public string? Reason { get; init; }
}

/// <summary>Names of the actions: the <c>do</c> of RULES 9. They are stored in events: frozen by a test.</summary>
public static class ActionNames
{
#pragma warning disable CS1591 // each name says what it is
    public const string AbandonCharge = "abandon_charge";
    public const string AddContact = "add_contact";
    public const string Authenticate = "authenticate";
    public const string Cancel = "cancel";
    public const string ChangePlan = "change_plan";
    public const string Credit = "credit";
    public const string Exempt = "exempt";
    public const string GrantAccess = "grant_access";
    public const string Hold = "hold";
    public const string Pause = "pause";
    public const string ReleaseHold = "release_hold";
    public const string RemoveContact = "remove_contact";
    public const string ResolveCharge = "resolve_charge";
    public const string Resume = "resume";
    public const string RetryCharge = "retry_charge";
    public const string SetAutoRenew = "set_auto_renew";
    public const string SetContact = "set_contact";
    public const string Unexempt = "unexempt";
    public const string Unpause = "unpause";
    public const string UpdatePaymentMethod = "update_payment_method";
    public const string VoidInvoice = "void";
    public const string WriteOff = "write_off";
#pragma warning restore CS1591
}
