using System.Collections.Concurrent;
using System.Collections.Immutable;
using Dunning.Model;
using Dunning.Options;
using NodaTime;
using NodaTime.Text;

namespace Dunning.Postgres;

using Mail = Model.Mail; // in here, as the namespace Dunning.Mail comes before what is imported outside

// Rows as they are read: the columns' names, order and types, so that Dapper fails on any mismatch.

internal sealed record AccountRow(
    string Id, string Name, string LegalName, string Country, string TimeZone, string Currency, string Locale,
    string Line1, string? Line2, string PostalCode, string City, string? VatNumber, string? GatewayCustomer, bool LegalHold, bool Exempt, long Credit, long Carried, int OpenDisputes,
    string Access, DateOnly? SuspendedOn, DateTime? SuspendedAt, DateOnly? PurgeOn, DateTime? AccessUntil, int PurgeRemindersSent,
    string PurgeWarningsLeft, bool Closed, DateTime? PurgedAt, DateTime? ErasedAt, DateTime LastEventAt, long EventCount, int MailCount,
    int ContactCount, long Version, DateTime? LeaseUntil, long LeaseVersion)
{
    public AccountFile ToFile() => new()
    {
        Id = Id,
        Name = Name,
        LegalName = LegalName,
        Country = Country,
        TimeZone = TimeZone,
        Currency = Model.Currency.Of(Currency),
        Locale = Locale,
        Address = new Address(Line1, Line2, PostalCode, City),
        VatNumber = VatNumber,
        GatewayCustomer = GatewayCustomer,
        LegalHold = LegalHold,
        Exempt = Exempt,
        Credit = Credit,
        Carried = Carried,
        OpenDisputes = OpenDisputes,
        Access = Texts.Access[Access],
        SuspendedOn = SuspendedOn.Local(),
        SuspendedAt = SuspendedAt.Instant(),
        PurgeOn = PurgeOn.Local(),
        AccessUntil = AccessUntil.Instant(),
        PurgeRemindersSent = PurgeRemindersSent,
        PurgeWarningsLeft = PurgeWarningsLeft.Length == 0 ? [] : [.. PurgeWarningsLeft.Split(',').Select(d => LocalDatePattern.Iso.Parse(d).Value)],
        Closed = Closed,
        PurgedAt = PurgedAt.Instant(),
        ErasedAt = ErasedAt.Instant(),
        LastEventAt = LastEventAt.Instant(),
        EventCount = EventCount,
        MailCount = MailCount,
        ContactCount = ContactCount,
        Version = Version,
        LeaseUntil = LeaseUntil.Instant(),
        LeaseVersion = LeaseVersion,
    };
}

internal sealed record ContactRow(
    string AccountId, int Number, string? Email, string Name, string Role, string? Locale, string Frequency, bool Removed, DateTime? BouncedAt,
    string? BounceReason, bool BounceReported)
{
    public Contact ToContact() => new(Number, Email ?? Erased.Text, Name, Texts.Role[Role], Locale, Removed)
    {
        Frequency = Texts.Frequency[Frequency],
        Bounce = BouncedAt is { } at ? new Bounce(at.Instant(), BounceReason!, BounceReported) : null,
    };
}

internal sealed record MethodRow(
    string AccountId, string Id, int Generation, string? Token, DateOnly? Expires, bool IsDefault, bool IsBackup, string? Brand, string? Last4,
    string State, bool Authenticated, DateTime KnownAt, bool ExpiryReminderSent, bool Retired, string Tries)
{
    public PaymentMethod ToMethod() => new()
    {
        Id = Id,
        Generation = Generation,
        Token = Token ?? Erased.Text,
        Expires = Expires.Month(),
        IsDefault = IsDefault,
        IsBackup = IsBackup,
        Brand = Brand,
        Last4 = Last4,
        State = Texts.Method[State],
        Authenticated = Authenticated,
        KnownAt = KnownAt.Instant(),
        ExpiryReminderSent = ExpiryReminderSent,
        IsRetired = Retired,
        Tries = TryList.Parse(Tries),
    };
}

internal sealed record SubscriptionRow(
    string Id, string AccountId, string PlanCode, string IntervalUnit, int IntervalCount, int Quantity, DateOnly Anchor, DateOnly RenewsOn,
    DateTime RenewsOnKnownAt, bool AutoRenew, bool CancelAtPeriodEnd, string State, string? PendingPlan, DateOnly? LastRenewedOn,
    int RemindersSent, bool CancelKept)
{
    public Subscription ToSubscription() => new()
    {
        Id = Id,
        PlanCode = PlanCode,
        Interval = new Model.Interval(Texts.Unit[IntervalUnit], IntervalCount),
        Quantity = Quantity,
        Anchor = Anchor.Local(),
        RenewsOn = RenewsOn.Local(),
        RenewsOnKnownAt = RenewsOnKnownAt.Instant(),
        AutoRenew = AutoRenew,
        CancelAtPeriodEnd = CancelAtPeriodEnd,
        State = Texts.Subscription[State],
        PendingPlan = PendingPlan,
        LastRenewedOn = LastRenewedOn.Local(),
        RemindersSent = RemindersSent,
        CancelKept = CancelKept,
    };
}

internal sealed record InvoiceRow(
    string SubscriptionId, DateOnly PeriodStart, DateOnly PeriodEnd, string AccountId, DateTime IssuedAt, string PlanCode, int PlanVersion,
    int Quantity, string Currency, long UnitPrice, long Subtotal, string TaxTreatment, int TaxRateBp, long Tax, long CreditApplied,
    long CarriedIn, long CarriedOut, long AmountDue, string State, DateTime? SettledAt, int Attempts, DateTime? AttemptedAt, DateTime? ReconciledAt, bool RechargeDue,
    string? CaseSchedule, string? CaseSteps, DateTime? CaseOpenedAt, DateOnly? CaseDayZero, int? CaseLastStep, DateOnly? CaseLastStepOn,
    DateOnly? CaseWarnedOn, DateOnly? CaseWarningLeftOn, bool? CaseExhausted, bool? CaseHasNotices, DateOnly? CaseAnnouncedFor,
    DateTime? NotBefore, DateOnly? PausedUntil, bool Exempt, bool Disputed)
{
    // A database sees a handful of schedules in its life.
    private static readonly ConcurrentDictionary<string, StepSchedule> Schedules = new(StringComparer.Ordinal);

    public Invoice ToInvoice()
    {
        var currency = Model.Currency.Of(Currency);
        return new Invoice
        {
            SubscriptionId = SubscriptionId,
            PeriodStart = PeriodStart.Local(),
            PeriodEnd = PeriodEnd.Local(),
            PlanCode = PlanCode,
            PlanVersion = PlanVersion,
            Quantity = Quantity,
            UnitPrice = new Money(UnitPrice, currency),
            Subtotal = new Money(Subtotal, currency),
            TaxTreatment = Texts.Tax[TaxTreatment],
            TaxRateBp = TaxRateBp,
            Tax = new Money(Tax, currency),
            CreditApplied = new Money(CreditApplied, currency),
            CarriedIn = CarriedIn,
            CarriedOut = CarriedOut,
            AmountDue = new Money(AmountDue, currency),
            IssuedAt = IssuedAt.Instant(),
            State = Texts.Invoice[State],
            SettledAt = SettledAt.Instant(),
            Attempts = Attempts,
            AttemptedAt = AttemptedAt.Instant(),
            ReconciledAt = ReconciledAt.Instant(),
            RechargeDue = RechargeDue,
            NotBefore = NotBefore.Instant(),
            PausedUntil = PausedUntil.Local(),
            Exempt = Exempt,
            Disputed = Disputed,
            Case = CaseSchedule is null ? null : new DunningCase
            {
                Schedule = Schedules.GetOrAdd(CaseSteps!, StepSchedule.Parse),
                OpenedAt = CaseOpenedAt!.Value.Instant(),
                DayZero = CaseDayZero!.Value.Local(),
                LastStep = CaseLastStep!.Value,
                LastStepOn = CaseLastStepOn!.Value.Local(),
                WarnedOn = CaseWarnedOn.Local(),
                WarningLeftOn = CaseWarningLeftOn.Local(),
                Exhausted = CaseExhausted!.Value,
                HasNotices = CaseHasNotices!.Value,
                AnnouncedFor = CaseAnnouncedFor.Local(),
            },
        };
    }
}

internal sealed record ChargeRow(
    string Key, string AccountId, string SubscriptionId, DateOnly PeriodStart, int Attempt, string Kind, string MethodId, int MethodGeneration,
    string? Token, long Amount, string Currency, string State, DateTime FirstCalledAt, DateTime LastCalledAt, DateTime? LookedUpAt, bool Stuck,
    bool MethodUpdatedSince, string? Code, bool RefundDue, DateTime? MissedSince, string Resolution, long Refunded, bool Duplicate)
{
    public Charge ToCharge() => new()
    {
        Key = Key,
        SubscriptionId = SubscriptionId,
        PeriodStart = PeriodStart.Local(),
        Attempt = Attempt,
        Kind = Texts.Attempt[Kind],
        Method = new MethodRef(MethodId, MethodGeneration),
        Token = Token ?? Erased.Text,
        Amount = new Money(Amount, Model.Currency.Of(Currency)),
        State = Texts.Charge[State],
        FirstCalledAt = FirstCalledAt.Instant(),
        LastCalledAt = LastCalledAt.Instant(),
        LookedUpAt = LookedUpAt.Instant(),
        Stuck = Stuck,
        MethodUpdatedSince = MethodUpdatedSince,
        Code = Code,
        RefundDue = RefundDue,
        MissedSince = MissedSince.Instant(),
        Resolution = Texts.Resolution[Resolution],
        Refunded = Refunded,
        Duplicate = Duplicate,
    };
}

internal sealed record OutboxRow(
    string AccountId, int MailNumber, int Contact, string Template, DateTime DecidedAt, string Facts, string? Email, string? Name, string Locale,
    string State, int Tries, DateTime? NextTryAt, DateTime? SettledAt, string? Detail)
{
    public static Model.Mail ToMail(IEnumerable<OutboxRow> rows)
    {
        var recipients = rows.ToList();
        var first = recipients[0];
        return new Model.Mail
        {
            Number = first.MailNumber,
            Template = first.Template,
            DecidedAt = first.DecidedAt.Instant(),
            Facts = Json.Facts(first.Facts),
            Recipients = [.. recipients.Select(r => new Recipient
            {
                Contact = r.Contact,
                Email = r.Email ?? Erased.Text,
                Name = r.Name ?? "",
                Locale = r.Locale,
                State = Texts.Delivery[r.State],
                Tries = r.Tries,
                NextTryAt = r.NextTryAt.Instant(),
                SettledAt = r.SettledAt.Instant(),
                Detail = r.Detail,
            })],
        };
    }
}

internal sealed record DueRow(string AccountId, string Pass, DateTime At);

/// <summary>What stands where an address or a token was.</summary>
public static class Erased
{
    public const string Text = "(erased)";
}
