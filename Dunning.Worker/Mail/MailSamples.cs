using System.Collections.Immutable;
using Dunning.Model;
using NodaTime;

namespace Dunning.Mail;

/// <summary>A mail as it might have been decided, to look at.</summary>
/// <param name="Template">One of <see cref="MailTemplates"/>.</param>
/// <param name="Case">What sets it apart from the template's other samples; empty for the usual one.</param>
/// <param name="Facts">What it tells.</param>
internal sealed record MailSample(string Template, string Case, MailFacts Facts)
{
    /// <summary>A name for files: <c>payment_failed</c>, <c>payment_failed-authentication</c>.</summary>
    public string Name => Case.Length == 0 ? Template : Template + "-" + Case;
}

/// <summary>Made-up mails for those who write them: every template, and each of its cases in which other words are read.</summary>
internal static class MailSamples
{
    private static readonly MailFacts s_invoice = new()
    {
        Subscription = "sub-1",
        Plan = "Team",
        PeriodStart = new LocalDate(2026, 3, 3),
        PeriodEnd = new LocalDate(2026, 4, 3),
        Amount = 118_800,
        Currency = "EUR",
        CardBrand = "visa",
        CardLast4 = "4242",
        CardExpires = new YearMonth(2026, 9),
    };

    private static readonly MailFacts s_failed = s_invoice with
    {
        Code = "insufficient_funds",
        Step = 0,
        NextAttemptOn = new LocalDate(2026, 3, 5),
        SuspendsOn = new LocalDate(2026, 4, 1),
    };

    private static readonly MailFacts s_suspended = s_invoice with { Code = "do_not_honor", Step = 4, PurgeOn = new LocalDate(2026, 6, 30) };
    private static readonly MailFacts s_subscription = new() { Subscription = "sub-1", Plan = "Team", Date = new LocalDate(2026, 4, 3) };
    private static readonly MailFacts s_changed = s_subscription with { Plan = "Solo", NewPlan = "Team", Amount = 99_000, Currency = "EUR" };
    private static readonly MailFacts s_debt = new() { Owed = 237_600, Currency = "EUR", Code = "hard_decline", PurgeOn = new LocalDate(2026, 6, 30) };

    /// <summary>All of them; the first of a template is its usual one.</summary>
    public static ImmutableArray<MailSample> All { get; } =
    [
        new(MailTemplates.AccessGranted, "", s_debt with { Until = Instant.FromUtc(2026, 4, 10, 9, 30) }),
        new(MailTemplates.AccountPurged, "", new MailFacts()),
        new(MailTemplates.AccountReactivated, "", s_subscription),
        new(MailTemplates.AccountReactivated, "other-debt", s_subscription with { Owed = 4900, Currency = "EUR" }),
        new(MailTemplates.AccountSuspended, "", s_suspended),
        new(MailTemplates.AccountSuspended, "no-method", s_suspended with { Code = "no_payment_method", Owed = 237_600, CardBrand = null, CardLast4 = null }),
        new(MailTemplates.CancellationScheduled, "", s_subscription),
        new(MailTemplates.CancellationWithdrawn, "", s_subscription),
        new(MailTemplates.CardExpiring, "", new MailFacts
        {
            Date = new LocalDate(2026, 9, 30), CardBrand = "visa", CardLast4 = "4242", CardExpires = new YearMonth(2026, 9),
        }),
        new(MailTemplates.CreditIssued, "", new MailFacts { Amount = 5000, Currency = "EUR" }),
        new(MailTemplates.CreditIssued, "yen", new MailFacts { Amount = 7900, Currency = "JPY" }),
        new(MailTemplates.DebitUpcoming, "", s_invoice with { Date = new LocalDate(2026, 3, 3), CardBrand = "sepa_debit", CardLast4 = "3000", CardExpires = null }),
        new(MailTemplates.Digest, "", new MailFacts
        {
            Items =
            [
                new(MailTemplates.CreditIssued, Instant.FromUtc(2026, 2, 25, 14, 12), new MailFacts { Amount = 5000, Currency = "EUR" }),
                new(MailTemplates.PlanChanged, Instant.FromUtc(2026, 3, 3, 8, 0), s_changed),
                new(MailTemplates.Receipt, Instant.FromUtc(2026, 3, 3, 8, 0), s_invoice),
            ],
        }),
        new(MailTemplates.Digest, "one", new MailFacts { Items = [new(MailTemplates.Receipt, Instant.FromUtc(2026, 3, 3, 8, 0), s_invoice)] }),
        new(MailTemplates.PaymentFailed, "", s_failed),
        new(MailTemplates.PaymentFailed, "declined", s_failed with { Code = "do_not_honor", Step = 1 }),
        new(MailTemplates.PaymentFailed, "authentication", s_failed with { Code = "authentication_required", NextAttemptOn = null, Step = 1 }),
        new(MailTemplates.PaymentFailed, "no-method", s_failed with { Code = "no_payment_method", NextAttemptOn = null, CardBrand = null, CardLast4 = null }),
        new(MailTemplates.PaymentFailed, "blocked", s_failed with { Code = "hard_decline", NextAttemptOn = null, Owed = 237_600 }),
        new(MailTemplates.PaymentFailed, "suspended", s_failed with { NextAttemptOn = null, SuspendsOn = null, PurgeOn = new LocalDate(2026, 6, 30) }),
        new(MailTemplates.PaymentFailed, "returned", s_failed with { Returned = true, CardBrand = "sepa_debit", CardLast4 = "3000" }),
        new(MailTemplates.PaymentFailed, "dinar", s_failed with { Amount = 16_745, Currency = "KWD" }),
        new(MailTemplates.PaymentMethodUpdated, "", new MailFacts { CardExpires = new YearMonth(2029, 8), Date = new LocalDate(2026, 4, 3) }),
        new(MailTemplates.PaymentMethodUpdated, "debt", new MailFacts { CardExpires = new YearMonth(2029, 8), Owed = 118_800, Currency = "EUR" }),
        new(MailTemplates.PaymentRecovered, "", s_invoice),
        new(MailTemplates.PaymentRecovered, "credit", s_invoice with { ByCredit = true, CardBrand = null, CardLast4 = null }),
        new(MailTemplates.PlanChanged, "", s_changed),
        new(MailTemplates.PurgeWarning, "", s_debt with { Code = null }),
        new(MailTemplates.PurgeWarning, "blocked", s_debt),
        new(MailTemplates.Receipt, "", s_invoice),
        new(MailTemplates.Receipt, "credit", s_invoice with { Amount = 0, ByCredit = true }),
        new(MailTemplates.Receipt, "carried", s_invoice with { Amount = 0, Carried = 36, CardBrand = null, CardLast4 = null }),
        new(MailTemplates.Receipt, "debit", s_invoice with { CardBrand = "sepa_debit", CardLast4 = "3000" }),
        new(MailTemplates.RenewalUpcoming, "", s_invoice with { Plan = "Team, yearly", Date = new LocalDate(2026, 3, 3), PeriodEnd = new LocalDate(2027, 3, 3) }),
        new(MailTemplates.RenewalUpcoming, "credit", s_invoice with { Amount = 0, Date = new LocalDate(2026, 3, 3), PeriodEnd = new LocalDate(2027, 3, 3) }),
        new(MailTemplates.SubscriptionCanceled, "", s_subscription),
        new(MailTemplates.SubscriptionCanceled, "voided", s_invoice),
        new(MailTemplates.SubscriptionExpired, "", s_subscription),
        new(MailTemplates.SubscriptionExpiring, "", s_subscription),
        new(MailTemplates.SuspensionWarning, "", s_failed with { Step = 3, NextAttemptOn = new LocalDate(2026, 4, 1) }),
        new(MailTemplates.SuspensionWarning, "several-debts", s_failed with { Step = 3, Owed = 237_600, Code = "expired_card" }),
    ];

    /// <summary>The account of the samples.</summary>
    public static AccountFile Account { get; } = new()
    {
        Id = "acme",
        Name = "Atelier Mercier & Filles",
        LegalName = "Atelier Mercier SARL",
        Country = "FR",
        TimeZone = "Europe/Paris",
        Currency = Currency.Of("EUR"),
        Locale = "fr",
        Address = new Address("1 rue Neuve", null, "75001", "Paris"),
    };

    /// <summary>The message that a sample makes for one reader.</summary>
    public static OutgoingMessage Compose(MailSample sample, MailTexts texts, MailOptions options, string locale, Mailbox to, string installation, Instant decidedAt)
    {
        var recipient = new Recipient { Contact = 1, Email = to.Address, Name = to.Name, Locale = locale };
        var mail = new Model.Mail { Number = 1, Template = sample.Template, DecidedAt = decidedAt, Facts = sample.Facts, Recipients = [recipient] };
        return new MailComposer(texts, options, $"{installation}/{sample.Name}/{locale}").Compose(Account, mail, recipient)
            ?? throw new ArgumentException("not an address that can get mail", nameof(to));
    }
}
