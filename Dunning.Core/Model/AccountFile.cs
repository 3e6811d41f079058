using System.Collections.Immutable;
using NodaTime;

namespace Dunning.Model;

/// <summary>What a customer may do in the application.</summary>
public enum Access { Active, Suspended, Limited }

/// <summary>
/// Everything about one account that a rule may read: its state, and of its things those that are still open (live subscriptions, unpaid
/// invoices, charges without an outcome, mails that have not left). It is immutable; a decision makes a new one.
/// The unit of decision (ARCHITECTURE, the loop): read under the account's lock, saved in one transaction.
/// </summary>
public sealed record AccountFile
{
    public required string Id { get; init; }
    public required string Name { get; init; }
    public required string LegalName { get; init; }
    public required string Country { get; init; }

    /// <summary>IANA id; billing dates are in it.</summary>
    public required string TimeZone { get; init; }

    public required Currency Currency { get; init; }
    public required string Locale { get; init; }
    public required Address Address { get; init; }
    public string? VatNumber { get; init; }
    public string? GatewayCustomer { get; init; }
    public bool LegalHold { get; init; }

    /// <summary>An operator has said so for good: charged and mailed, never suspended or purged.</summary>
    public bool Exempt { get; init; }

    /// <summary>Credit balance in minor units of <see cref="Currency"/>, never negative.</summary>
    public long Credit { get; init; }

    /// <summary>
    /// What invoices left over because the gateway could not take it, in minor units of <see cref="Currency"/>: less than its least amount, or no whole
    /// step. The next invoice asks for it.
    /// </summary>
    public long Carried { get; init; }

    public Access Access { get; init; }

    /// <summary>Local date of the suspension, while access is not active.</summary>
    public LocalDate? SuspendedOn { get; init; }

    /// <summary>Instant of the suspension: when <see cref="PurgeOn"/> became known.</summary>
    public Instant? SuspendedAt { get; init; }

    public LocalDate? PurgeOn { get; init; }

    /// <summary>End of temporary access, while access is limited.</summary>
    public Instant? AccessUntil { get; init; }

    /// <summary>Which of the <c>purge_warning</c> reminders for <see cref="PurgeOn"/> count as sent: a bit each, in order of the rule's table.</summary>
    public int PurgeRemindersSent { get; init; }

    /// <summary>Local dates on which a <c>purge_warning</c> left since the suspension (RULES 13: a warning counts when it has left).</summary>
    public ImmutableArray<LocalDate> PurgeWarningsLeft { get; init; } = [];

    /// <summary>No live subscription and no unpaid invoice; told once by <c>account.closed</c>.</summary>
    public bool Closed { get; init; }

    /// <summary>Disputes of its payments that are not over. Whoever answers them needs to know whose they are.</summary>
    public int OpenDisputes { get; init; }

    /// <summary>Purged is final.</summary>
    public Instant? PurgedAt { get; init; }

    /// <summary>Personal data is gone, here and at the gateway.</summary>
    public Instant? ErasedAt { get; init; }

    /// <summary>Instant of the account's last event: <c>now</c> is never before it.</summary>
    public Instant LastEventAt { get; init; }

    /// <summary>Number of events so far; the next has this number plus one.</summary>
    public long EventCount { get; init; }

    /// <summary>Number of mails decided so far; part of each mail's key.</summary>
    public int MailCount { get; init; }

    /// <summary>Number of contacts ever: the next contact's number is one more.</summary>
    public int ContactCount { get; init; }

    /// <summary>Rises by one with each save.</summary>
    public long Version { get; init; }

    /// <summary>
    /// While an effect of this account is under way (a call, a look-up, a delivery), the instant at which its claim ends. Until then no other pass
    /// takes the account; after it, a call without an answer is unknown.
    /// </summary>
    public Instant? LeaseUntil { get; init; }

    /// <summary>Which claim holds the lease: the version that the deciding save made.</summary>
    public long LeaseVersion { get; init; }

    /// <summary>What guards keep from being done to any account at present. Not the account's, nor stored: the store sets it as it gives the file out.</summary>
    public GuardKinds Barred { get; init; }

    public ImmutableArray<Contact> Contacts { get; init; } = [];
    public ImmutableArray<PaymentMethod> Methods { get; init; } = [];
    public ImmutableArray<Subscription> Subscriptions { get; init; } = [];
    public ImmutableArray<Invoice> Invoices { get; init; } = [];
    public ImmutableArray<Charge> Charges { get; init; } = [];
    public ImmutableArray<Mail> Mails { get; init; } = [];

    /// <summary>The default method, if any.</summary>
    public PaymentMethod? DefaultMethod => Methods.FirstOrDefault(m => m.IsDefault);

    /// <summary>The unpaid invoice of that period, or null.</summary>
    public Invoice? UnpaidInvoice(string subscriptionId, LocalDate periodStart) =>
        Invoices.FirstOrDefault(i => i.State == InvoiceState.Open && i.SubscriptionId == subscriptionId && i.PeriodStart == periodStart);

    /// <summary>The sum of what is unpaid.</summary>
    public Money Owed =>
        Invoices.Where(i => i.State == InvoiceState.Open && i.AmountDue.Currency == Currency).Aggregate(Money.Zero(Currency), (sum, i) => sum + i.AmountDue);

    /// <summary>The charge without an outcome of that invoice, or null: an invoice has at most one.</summary>
    public Charge? OpenChargeOf(Invoice invoice) =>
        Charges.FirstOrDefault(c => c.IsOpen && c.SubscriptionId == invoice.SubscriptionId && c.PeriodStart == invoice.PeriodStart);

    /// <summary>
    /// The file as a store would read it: without what is over. Both stores give this form, so decisions agree.
    /// </summary>
    public AccountFile Pruned() => this with
    {
        Subscriptions = Subscriptions.RemoveAll(s => s.State != SubscriptionState.Live),
        Invoices = Invoices.RemoveAll(i => i.State != InvoiceState.Open),
        Charges = Charges.RemoveAll(c => !c.IsOpen && !c.RefundDue),
        Methods = Methods.RemoveAll(m => m.IsRetired),
        Mails = Mails.RemoveAll(m => m.IsOver),
        Contacts = Contacts.RemoveAll(c => c.Removed),
    };
}

/// <summary>A postal address.</summary>
public sealed record Address(string Line1, string? Line2, string PostalCode, string City);

/// <summary>What a contact is for. Owners and billing contacts get the mails.</summary>
public enum ContactRole { Owner, Billing, Admin }

/// <summary>How soon a contact is told what is not urgent (<see cref="MailTemplates.NotUrgent"/>).</summary>
public enum MailFrequency
{
    /// <summary>Each mail by itself, when it is decided.</summary>
    AtOnce,

    /// <summary>In one mail, at ChargeAt of the day that follows.</summary>
    Daily,

    /// <summary>In one mail, at ChargeAt of the Monday that follows.</summary>
    Weekly,
}

/// <summary>A person of the account.</summary>
/// <param name="Number">1, 2, … within the account; events and mails hold it instead of the address.</param>
/// <param name="Email">Address; once within the account.</param>
/// <param name="Name">May be empty.</param>
/// <param name="Role">What the contact is for.</param>
/// <param name="Locale">The contact's own language, else the account's counts.</param>
/// <param name="Removed">Removed by <c>remove_contact</c>.</param>
public sealed record Contact(int Number, string Email, string Name, ContactRole Role, string? Locale, bool Removed = false)
{
    /// <summary>How soon it is told what is not urgent.</summary>
    public MailFrequency Frequency { get; init; }

    /// <summary>Whether billing mails go to it (RULES 8).</summary>
    public bool GetsMail => !Removed && Role is ContactRole.Owner or ContactRole.Billing;

    /// <summary>Mail to it comes back; null: as far as is known it arrives.</summary>
    public Bounce? Bounce { get; init; }
}

/// <summary>An address that can't be reached. It still gets its mails, for a mailbox may come back, and nobody else gets them instead.</summary>
/// <param name="At">Since when it is known.</param>
/// <param name="Reason">The codes of the mail server that said so, such as <c>550 5.1.1 at recipient</c>; nothing personal.</param>
/// <param name="IsReported">It was told later, by a delivery status notification, of a message that had been taken. So the next one that is taken proves nothing.</param>
public sealed record Bounce(Instant At, string Reason, bool IsReported);

/// <summary>Whether a method can be charged.</summary>
public enum MethodState
{
    /// <summary>Chargeable.</summary>
    Ok,

    /// <summary>Blocked by a hard decline until it is replaced.</summary>
    Blocked,

    /// <summary>Waits for the customer to authenticate.</summary>
    Waiting,
}

/// <summary>A stored payment method.</summary>
public sealed record PaymentMethod
{
    /// <summary>The application's id; a replacement keeps it and has the next <see cref="Generation"/>.</summary>
    public required string Id { get; init; }

    /// <summary>0 as imported; a replaced method starts anew at the gateway.</summary>
    public int Generation { get; init; }

    /// <summary>The gateway's token.</summary>
    public required string Token { get; init; }

    /// <summary>Expiry month; none for bank debits.</summary>
    public YearMonth? Expires { get; init; }

    public bool IsDefault { get; init; }
    public bool IsBackup { get; init; }
    public string? Brand { get; init; }
    public string? Last4 { get; init; }
    public MethodState State { get; init; }

    /// <summary>The customer has authenticated this method.</summary>
    public bool Authenticated { get; init; }

    /// <summary>When its expiry became known: the import, or its own acceptance.</summary>
    public Instant KnownAt { get; init; }

    /// <summary>The <c>card_expiring</c> reminder counts as sent.</summary>
    public bool ExpiryReminderSent { get; init; }

    /// <summary>Replaced by another.</summary>
    public bool IsRetired { get; init; }

    /// <summary>Declines since the last success, by amount, and the attempts that followed them: what card networks limit.</summary>
    public ImmutableArray<CardTry> Tries { get; init; } = [];

    /// <summary>A bank debit: it has no expiry (RULES 15), settles days later, and is announced.</summary>
    public bool IsDebit => Expires is null;

    /// <summary>Names this method at the sandbox, whose counts are per method.</summary>
    public MethodRef Ref => new(Id, Generation);
}

/// <summary>An attempt on a card: for an amount, the first that stands is the decline, those after it are attempts that followed it.</summary>
/// <param name="Minor">The amount, in minor units of the account's currency.</param>
/// <param name="At">When the decline was known, or the later attempt was begun.</param>
public readonly record struct CardTry(long Minor, Instant At);

/// <summary>A method of an account: id and generation.</summary>
public readonly record struct MethodRef(string Id, int Generation);

/// <summary>State of a subscription.</summary>
public enum SubscriptionState { Live, Canceled, Expired }

/// <summary>A subscription to a plan.</summary>
public sealed record Subscription
{
    public required string Id { get; init; }
    public required string PlanCode { get; init; }

    /// <summary>The interval that the boundaries are computed with: the present plan's.</summary>
    public required Interval Interval { get; init; }

    public required int Quantity { get; init; }
    public required LocalDate Anchor { get; init; }

    /// <summary>The next boundary not yet renewed: the current period ends, exclusive, where the next begins.</summary>
    public required LocalDate RenewsOn { get; init; }

    /// <summary>When <see cref="RenewsOn"/> became known: the import, the renewal, leaving suspension.</summary>
    public required Instant RenewsOnKnownAt { get; init; }

    public bool AutoRenew { get; init; } = true;
    public bool CancelAtPeriodEnd { get; init; }
    public SubscriptionState State { get; init; }

    /// <summary>The plan that applies at the next renewal.</summary>
    public string? PendingPlan { get; init; }

    /// <summary>Local date of the last renewal: at most one a date.</summary>
    public LocalDate? LastRenewedOn { get; init; }

    /// <summary>Which reminders about <see cref="RenewsOn"/> count as sent: bits of <c>Rules.Reminding</c>.</summary>
    public int RemindersSent { get; init; }

    /// <summary>A customer's cancel that waits for the outcome of a charge (RULES 13).</summary>
    public bool CancelKept { get; init; }

    public bool IsLive => State == SubscriptionState.Live;

    /// <summary>Live, auto-renewing and without a scheduled cancellation.</summary>
    public bool IsRenewing => IsLive && AutoRenew && !CancelAtPeriodEnd;

    public Schedule Schedule => new(Anchor, Interval);
}

/// <summary>State of an invoice. Only an open one is unpaid.</summary>
public enum InvoiceState { Open, Paid, Voided, WrittenOff }

/// <summary>Why an invoice has the tax it has.</summary>
public enum TaxTreatment
{
    /// <summary>The seller's country.</summary>
    Domestic,

    /// <summary>Another EU country, buyer without VAT number: the buyer's country's rate.</summary>
    EuConsumer,

    /// <summary>Another EU country, buyer with VAT number: the buyer owes it.</summary>
    ReverseCharge,

    /// <summary>Outside the EU.</summary>
    Export,
}

/// <summary>
/// An issued invoice. Its amounts never change; only its state and its attempts do. One for each (subscription, period start), by a constraint.
/// </summary>
public sealed record Invoice
{
    public required string SubscriptionId { get; init; }
    public required LocalDate PeriodStart { get; init; }

    /// <summary>Exclusive.</summary>
    public required LocalDate PeriodEnd { get; init; }

    public required string PlanCode { get; init; }
    public required int PlanVersion { get; init; }
    public required int Quantity { get; init; }
    public required Money UnitPrice { get; init; }
    public required Money Subtotal { get; init; }
    public required TaxTreatment TaxTreatment { get; init; }
    public required int TaxRateBp { get; init; }
    public required Money Tax { get; init; }
    public required Money CreditApplied { get; init; }

    /// <summary>Left over by earlier invoices and asked for by this one; minor units.</summary>
    public long CarriedIn { get; init; }

    /// <summary>Left over for the next invoice; minor units.</summary>
    public long CarriedOut { get; init; }

    /// <summary>Total − credit applied + carried in − carried out: what is charged.</summary>
    public required Money AmountDue { get; init; }

    public required Instant IssuedAt { get; init; }
    public InvoiceState State { get; init; }

    /// <summary>When it was paid, voided or written off.</summary>
    public Instant? SettledAt { get; init; }

    /// <summary>Attempts begun and not refused; numbers the next one.</summary>
    public int Attempts { get; init; }

    /// <summary>Instant of the pass that began the last attempt.</summary>
    public Instant? AttemptedAt { get; init; }

    /// <summary>Instant of the pass that learned the outcome of an unknown charge.</summary>
    public Instant? ReconciledAt { get; init; }

    /// <summary>A new method, an authentication or an operator asks for an attempt whatever the schedule.</summary>
    public bool RechargeDue { get; init; }

    /// <summary>
    /// No attempt before it: the gateway asked for the pause, or a card network's limit does. A new method, an authentication or an operator lifts it.
    /// </summary>
    public Instant? NotBefore { get; init; }

    /// <summary>
    /// A promise to pay: until that billing date falls due there is no step and no automatic attempt, and no purge. The customer's new card still charges.
    /// </summary>
    public LocalDate? PausedUntil { get; init; }

    /// <summary>An operator has said so of this debt alone: charged and mailed, it never suspends.</summary>
    public bool Exempt { get; init; }

    /// <summary>Its payment is disputed: no step and no automatic attempt.</summary>
    public bool Disputed { get; init; }

    /// <summary>Null until the first attempt failed.</summary>
    public DunningCase? Case { get; init; }

    public Money Total => Subtotal + Tax;
}

/// <summary>The dunning case of one invoice.</summary>
public sealed record DunningCase
{
    /// <summary>The schedule with which it began; a later configuration doesn't touch it.</summary>
    public required Options.StepSchedule Schedule { get; init; }

    public required Instant OpenedAt { get; init; }

    /// <summary>Local date of the pass that completed the first, failed attempt.</summary>
    public required LocalDate DayZero { get; init; }

    /// <summary>Number of the last step done; a case that leaves suspension can go back.</summary>
    public int LastStep { get; init; }

    /// <summary>Local date on which a step was last done.</summary>
    public required LocalDate LastStepOn { get; init; }

    /// <summary>Local date on which the last warning step was done, and null again when the warning must be given anew.</summary>
    public LocalDate? WarnedOn { get; init; }

    /// <summary>Local date on which that warning left for at least one recipient (RULES 13).</summary>
    public LocalDate? WarningLeftOn { get; init; }

    /// <summary>The last step is done: it suspended the account.</summary>
    public bool Exhausted { get; init; }

    /// <summary>The date of the attempt that was announced last, of a bank debit.</summary>
    public LocalDate? AnnouncedFor { get; init; }

    /// <summary>In-app notices of this case are shown.</summary>
    public bool HasNotices { get; init; }
}

/// <summary>What an attempt was begun as.</summary>
public enum AttemptKind { First, Step, Recharge }

/// <summary>State of a gateway call.</summary>
public enum ChargeState
{
    /// <summary>Its key is written; the call may be under way. Counts as unknown.</summary>
    InFlight,

    /// <summary>No answer, or a 5xx.</summary>
    Unknown,

    /// <summary>The gateway has it, and tells its outcome days later (bank debits). Counts as unknown, but is never sent again, abandoned or stuck.</summary>
    Pending,

    Succeeded,
    Failed,

    /// <summary>Counts as never made.</summary>
    Abandoned,

    /// <summary>The request itself was refused: no attempt was made; the same key is used again.</summary>
    Refused,

    /// <summary>It had succeeded, and the bank has taken the money back.</summary>
    Reversed,
}

/// <summary>An operator's answer to a stuck charge that is given up once its key can't charge any more.</summary>
public enum ChargeResolution
{
    /// <summary>None.</summary>
    None,

    /// <summary>It was never made: its invoice is charged anew.</summary>
    NeverMade,

    /// <summary>It was declined.</summary>
    Failed,
}

/// <summary>One gateway call with its idempotency key, written before the call.</summary>
public sealed record Charge
{
    public required string Key { get; init; }
    public required string SubscriptionId { get; init; }
    public required LocalDate PeriodStart { get; init; }

    /// <summary>Number of the attempt of its invoice, from 1.</summary>
    public required int Attempt { get; init; }

    public required AttemptKind Kind { get; init; }
    public required MethodRef Method { get; init; }
    public required string Token { get; init; }
    public required Money Amount { get; init; }
    public ChargeState State { get; init; }
    public required Instant FirstCalledAt { get; init; }
    public required Instant LastCalledAt { get; init; }

    /// <summary>Instant of the pass that last looked it up.</summary>
    public Instant? LookedUpAt { get; init; }

    /// <summary>Operators have been told that it is stuck.</summary>
    public bool Stuck { get; init; }

    /// <summary>An <c>update_payment_method</c> was accepted since its call: not found then means abandoned.</summary>
    public bool MethodUpdatedSince { get; init; }

    /// <summary>The decline code, when failed.</summary>
    public string? Code { get; init; }

    /// <summary>It took money that must go back (RULES 13, never twice).</summary>
    public bool RefundDue { get; init; }

    /// <summary>It succeeded for an invoice that had its outcome already, so it has paid nothing.</summary>
    public bool Duplicate { get; init; }

    /// <summary>The first of the look-ups in a row that did not find it.</summary>
    public Instant? MissedSince { get; init; }

    /// <summary>An operator's answer, that counts once the key is spent.</summary>
    public ChargeResolution Resolution { get; init; }

    /// <summary>What went back of it at the gateway, in minor units of its currency, as far as the gateway has told.</summary>
    public long Refunded { get; init; }

    /// <summary>In flight, unknown or pending.</summary>
    public bool IsOpen => State is ChargeState.InFlight or ChargeState.Unknown or ChargeState.Pending;
}

/// <summary>What has become of a mail to one recipient.</summary>
public enum DeliveryState
{
    Pending,

    /// <summary>The mail server has taken it.</summary>
    Accepted,

    /// <summary>Refused for good, or given up after the last try. Operators see it.</summary>
    Dead,

    /// <summary>Its reason was gone before it left.</summary>
    Dropped,

    /// <summary>Not urgent: it waits for the contact's next digest.</summary>
    Held,

    /// <summary>It is told by a digest, which is a mail of its own.</summary>
    Digested,
}

/// <summary>A mail's way to one recipient.</summary>
public sealed record Recipient
{
    public required int Contact { get; init; }
    public required string Email { get; init; }
    public required string Name { get; init; }

    /// <summary>Language of this message.</summary>
    public required string Locale { get; init; }

    public DeliveryState State { get; init; }
    public int Tries { get; init; }

    /// <summary>Not before, after a try that failed for now.</summary>
    public Instant? NextTryAt { get; init; }

    /// <summary>When its state became final.</summary>
    public Instant? SettledAt { get; init; }

    /// <summary>What the last try met with, for operators: codes and no addresses. Null: nothing, or it was taken.</summary>
    public string? Detail { get; init; }
}

/// <summary>A decided mail with its recipients; rows of the outbox.</summary>
public sealed record Mail
{
    /// <summary>Number within the account.</summary>
    public required int Number { get; init; }

    public required string Template { get; init; }
    public required Instant DecidedAt { get; init; }
    public required MailFacts Facts { get; init; }
    public required ImmutableArray<Recipient> Recipients { get; init; }

    /// <summary>Of a digest: the mails that it tells, each as it would have been by itself.</summary>
    public IEnumerable<Mail> Parts => Facts.Items.Select(i => this with { Template = i.Template, DecidedAt = i.DecidedAt, Facts = i.Facts });

    /// <summary>No recipient is pending or held.</summary>
    public bool IsOver => Recipients.All(r => r.State is not (DeliveryState.Pending or DeliveryState.Held));

    /// <summary>When its next recipient may be tried; null when none is pending.</summary>
    public Instant? NextTryAt => Recipients.Where(r => r.State == DeliveryState.Pending)
        .Select(r => (Instant?)(r.NextTryAt ?? DecidedAt)).Min();
}

/// <summary>What a mail tells, frozen when it is decided. Which of them are set depends on the template.</summary>
public sealed record MailFacts
{
    public string? Subscription { get; init; }
    public string? Plan { get; init; }
    public string? NewPlan { get; init; }
    public LocalDate? PeriodStart { get; init; }
    public LocalDate? PeriodEnd { get; init; }

    /// <summary>Minor units of <see cref="Currency"/>.</summary>
    public long? Amount { get; init; }

    /// <summary>Currency code.</summary>
    public string? Currency { get; init; }

    /// <summary>All that is unpaid in the account, in minor units of <see cref="Currency"/>, where that is not <see cref="Amount"/> alone.</summary>
    public long? Owed { get; init; }

    /// <summary>Of a paid invoice: the account's credit has paid it, and no method was charged.</summary>
    public bool ByCredit { get; init; }

    /// <summary>Of a failed payment: the decline code, or the reason of a skipped charge. Of a debt: why the default method can't be charged.</summary>
    public string? Code { get; init; }

    /// <summary>Of a paid invoice: what is left over for the next one, since the gateway could not take it.</summary>
    public long? Carried { get; init; }

    /// <summary>Of a failed payment: the bank has taken back a debit that had paid.</summary>
    public bool Returned { get; init; }

    /// <summary>Number of the dunning step that decided it, if one did.</summary>
    public int? Step { get; init; }

    /// <summary>Of a failed payment: the date of the next automatic attempt, if any, and if it could do any good: not while nothing can be charged.</summary>
    public LocalDate? NextAttemptOn { get; init; }

    /// <summary>The date on which access is suspended if nothing is paid.</summary>
    public LocalDate? SuspendsOn { get; init; }

    public LocalDate? PurgeOn { get; init; }

    /// <summary>The date that a reminder is about: renewal, end, expiry.</summary>
    public LocalDate? Date { get; init; }

    public Instant? Until { get; init; }
    public string? CardBrand { get; init; }
    public string? CardLast4 { get; init; }
    public YearMonth? CardExpires { get; init; }

    /// <summary>Of a digest: the mails that it tells, in the order in which they were decided.</summary>
    public ImmutableArray<DigestItem> Items { get; init; } = [];
}

/// <summary>A mail within a digest.</summary>
/// <param name="Template">Its template.</param>
/// <param name="DecidedAt">When it was decided.</param>
/// <param name="Facts">What it tells, as it was decided.</param>
public sealed record DigestItem(string Template, Instant DecidedAt, MailFacts Facts);
