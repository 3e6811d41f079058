using System.Collections.Immutable;
using Dunning.Mail;
using Dunning.Model;
using NodaTime;
using MailRecord = Dunning.Model.Mail;

namespace Dunning.Tests.Mail;

/// <summary>An account and its mails, to vary with <c>with</c>.</summary>
internal static class Samples
{
    public static readonly Instant DecidedAt = Instant.FromUtc(2026, 3, 3, 8, 0, 7);

    public static readonly MailTexts Texts = MailTexts.Load();

    public static readonly MailOptions Options = new()
    {
        From = Mailbox.Find("billing@acme.example", "Acme Cloud")!,
        ReplyTo = Mailbox.Find("help@acme.example", "Acme Cloud"),
        Company = "Acme Cloud",
        BillingLink = "https://acme.example/billing?a={account}",
    };

    /// <summary>Nothing configured but what has a default.</summary>
    public static readonly MailOptions PoorOptions = new();

    public static readonly MailFacts Rich = new()
    {
        Subscription = "sub-1",
        Plan = "Solo, monthly",
        NewPlan = "Team, yearly",
        PeriodStart = new LocalDate(2026, 3, 3),
        PeriodEnd = new LocalDate(2026, 4, 3),
        Amount = 1499,
        Currency = "EUR",
        Owed = 4298,
        Code = "insufficient_funds",
        NextAttemptOn = new LocalDate(2026, 3, 5),
        SuspendsOn = new LocalDate(2026, 4, 1),
        PurgeOn = new LocalDate(2026, 6, 30),
        Date = new LocalDate(2026, 4, 3),
        Until = Instant.FromUtc(2026, 3, 10, 8, 30),
        CardBrand = "visa",
        CardLast4 = "4242",
        CardExpires = new YearMonth(2029, 8),
    };

    public static readonly MailFacts Poor = new();

    public static readonly AccountFile Account = new()
    {
        Id = "acc 1/é",
        Name = "Atelier Mercier",
        LegalName = "Atelier Mercier SARL",
        Country = "FR",
        TimeZone = "Europe/Paris",
        Currency = Currency.Of("EUR"),
        Locale = "fr",
        Address = new Address("1 rue Neuve", null, "75001", "Paris"),
    };

    public static Recipient To(string email, string name = "Ada Mercier", string locale = "en", int contact = 1) =>
        new() { Contact = contact, Email = email, Name = name, Locale = locale };

    /// <summary>A digest has those facts in one of each mail that may be in it.</summary>
    public static MailRecord Mail(string template, MailFacts facts, params ImmutableArray<Recipient> recipients) => new()
    {
        Number = 7,
        Template = template,
        DecidedAt = DecidedAt,
        Facts = template == MailTemplates.Digest ? new MailFacts { Items = [.. MailTemplates.NotUrgent.Select(t => new DigestItem(t, DecidedAt, facts))] } : facts,
        Recipients = recipients,
    };

    public static MailComposer Composer(MailOptions? options = null, string installation = "inst-1") =>
        new(Texts, options ?? Options, installation);

    /// <summary>Composes for one recipient.</summary>
    public static OutgoingMessage Compose(string template, string locale, MailFacts facts, MailOptions? options = null, string name = "Ada Mercier")
    {
        var recipient = To("ada@example.com", name, locale);
        return Composer(options).Compose(Account, Mail(template, facts, recipient), recipient)!;
    }

    /// <summary>A directory below the system's temporary one, deleted on disposal.</summary>
    public sealed class Folder : IDisposable
    {
        public string Path { get; } = Directory.CreateTempSubdirectory("dunning-mail-").FullName;

        public void Dispose() => Directory.Delete(Path, recursive: true);
    }

    /// <summary>A clock that stands still.</summary>
    public sealed class StillClock(Instant now) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => now.ToDateTimeOffset();
    }
}
