using System.Collections.Immutable;
using Dunning.Documents;
using Dunning.Mail;
using Dunning.Model;
using Dunning.Postgres;
using NodaTime;

namespace Dunning.Tests.Documents;

/// <summary>Invoices of every kind that there is.</summary>
internal static class DocumentSamples
{
    public static readonly SellerIdentity Seller = new(
        "Nuage & Cie", "Nuage SAS", "FR", new Address("12 rue de la République", "Bâtiment C", "69002", "Lyon"), "FR44732829320", "RCS Lyon 732 829 320",
        "Europe/Paris", "F", "A") { LegalForm = "SAS", ShareCapital = "10 000 €", Siren = "732829320" };

    public static readonly Instant IssuedAt = Instant.FromUtc(2026, 3, 1, 8, 0);

    public static readonly MailTexts Mails = MailTexts.Load();

    public static readonly DocumentTexts Texts = DocumentTexts.Load(Mails);

    public static readonly PdfRenderer Renderer = new(Texts);

    private static readonly Buyer s_french = new("Atelier", "Œuvres d’Été SARL", "FR", new Address("3 quai Saint-Michel", null, "75005", "Paris"), null);
    private static readonly Buyer s_belgian = new("Peeters", "Peeters", "BE", new Address("Grote Markt 1", null, "1000", "Brussel"), null);
    private static readonly Buyer s_greek = new("Ήλιος", "Ήλιος Α.Ε.", "GR", new Address("Πανεπιστημίου 30", null, "106 79", "Αθήνα"), "EL123456789");
    private static readonly Buyer s_american = new("Acme", "Acme Inc.", "US", new Address("1 Market St", "Suite 400", "94105", "San Francisco"), null);
    private static readonly Buyer s_japanese = new("Sakura", "Sakura K.K.", "JP", new Address("1-1 Marunouchi", null, "100-0005", "Tokyo"), null);
    private static readonly Buyer s_kuwaiti = new("Al Salam", "Al Salam W.L.L.", "KW", new Address("Fahad Al-Salem St", null, "13001", "Kuwait City"), null);
    private static readonly Buyer s_bulgarian = new("Заря", "Заря ООД", "BG", new Address("бул. Витоша 15", null, "1000", "София"), null);

    public static IReadOnlyDictionary<string, InvoiceFacts> All { get; } = new Dictionary<string, InvoiceFacts>(StringComparer.Ordinal)
    {
        ["domestic"] = Invoice(s_french, TaxTreatment.Domestic, 2000, "EUR", 1499, 3),
        ["paid-at-first"] = Paid(Invoice(s_french, TaxTreatment.Domestic, 2000, "EUR", 49990, 2), atFirst: true),
        ["recovered"] = Paid(Invoice(s_french, TaxTreatment.Domestic, 2000, "EUR", 123456789, 1), atFirst: false),
        ["eu-consumer"] = Invoice(s_belgian, TaxTreatment.EuConsumer, 2100, "EUR", 1499, 1),
        ["cyrillic"] = Invoice(s_bulgarian, TaxTreatment.EuConsumer, 2000, "EUR", 1499, 1),
        ["reverse-charge"] = Invoice(s_greek, TaxTreatment.ReverseCharge, 0, "EUR", 4900, 5),
        ["export"] = Invoice(s_american, TaxTreatment.Export, 0, "USD", 4900, 5),
        ["jpy"] = Invoice(s_japanese, TaxTreatment.Export, 0, "JPY", 7900, 2),
        ["kwd"] = Invoice(s_kuwaiti, TaxTreatment.Export, 0, "KWD", 16745, 1),
        ["credit"] = Invoice(s_french, TaxTreatment.Domestic, 2000, "EUR", 1499, 3, credit: 1000),
        ["all-by-credit"] = Paid(Invoice(s_french, TaxTreatment.Domestic, 2000, "EUR", 1499, 1, credit: 1799), atFirst: true),
        ["carried-out"] = Carried(Invoice(s_french, TaxTreatment.Domestic, 2000, "EUR", 30, 1), 0, 36),
        ["carried-in"] = Paid(Carried(Invoice(s_french, TaxTreatment.Domestic, 2000, "EUR", 4900, 1), 36, 0), atFirst: true),
        ["carried-in-due"] = Carried(Invoice(s_french, TaxTreatment.Domestic, 2000, "EUR", 4900, 1), 36, 0),
        ["voided"] = Voided(Invoice(s_french, TaxTreatment.Domestic, 2000, "EUR", 1499, 3, credit: 1000)),
        ["voided-reverse"] = Voided(Invoice(s_greek, TaxTreatment.ReverseCharge, 0, "EUR", 4900, 5)),
        ["long"] = Long(),
    };

    public static Language In(string language) => Mails.LanguageFor(language);

    public static byte[] Render(string name, DocumentKind kind = DocumentKind.Invoice, string language = "fr") =>
        Renderer.Render(kind, All[name], In(language));

    private static InvoiceFacts Invoice(Buyer buyer, TaxTreatment treatment, int rateBp, string code, long price, int quantity, long credit = 0)
    {
        var currency = Currency.Of(code);
        var unit = new Money(price, currency);
        var line = new InvoiceLine("Équipe, mensuel", quantity, unit, unit * quantity, rateBp, (unit * quantity).Share(rateBp));
        return new InvoiceFacts
        {
            Number = "F-2026-000042",
            IssuedAt = IssuedAt,
            IssuedOn = new LocalDate(2026, 3, 1),
            Seller = Seller,
            Buyer = buyer,
            Plan = line.Description,
            PeriodStart = new LocalDate(2026, 3, 1),
            PeriodEnd = new LocalDate(2026, 4, 1),
            Lines = [line],
            TaxTreatment = treatment,
            Subtotal = line.Net,
            Tax = line.Tax,
            CreditApplied = new Money(credit, currency),
            CarriedIn = Money.Zero(currency),
            CarriedOut = Money.Zero(currency),
            AmountDue = line.Net + line.Tax - new Money(credit, currency),
        };
    }

    private static InvoiceFacts Paid(InvoiceFacts facts, bool atFirst) => facts with
    {
        Payment = new PaymentFacts(
            facts.AmountDue, new LocalDate(2026, 3, atFirst ? 1 : 5), atFirst ? IssuedAt : IssuedAt + Duration.FromDays(4), atFirst,
            facts.AmountDue.Minor == 0, facts.AmountDue.Minor == 0 ? null : "visa", facts.AmountDue.Minor == 0 ? null : "4242"),
    };

    private static InvoiceFacts Carried(InvoiceFacts facts, long carriedIn, long carriedOut)
    {
        var (into, outOf) = (new Money(carriedIn, facts.Total.Currency), new Money(carriedOut, facts.Total.Currency));
        return facts with { CarriedIn = into, CarriedOut = outOf, AmountDue = facts.AmountDue + into - outOf };
    }

    private static InvoiceFacts Voided(InvoiceFacts facts) => facts with
    {
        CreditNote = new CreditNoteFacts("A-2026-000007", IssuedAt + Duration.FromDays(9), new LocalDate(2026, 3, 10), Seller),
    };

    // Two rates, 200 lines, some of them of two lines of text.
    private static InvoiceFacts Long()
    {
        var facts = Invoice(s_french, TaxTreatment.Domestic, 2000, "EUR", 100, 1);
        ImmutableArray<InvoiceLine> lines =
        [
            .. Enumerable.Range(1, 200).Select(i =>
            {
                var (unit, rate) = (new Money(100 + i, facts.Subtotal.Currency), i % 5 == 0 ? 550 : 2000);
                return new InvoiceLine($"Poste {i}" + (i % 7 == 0 ? " : une désignation assez longue pour passer à la ligne suivante du tableau" : ""),
                    i, unit, unit * i, rate, (unit * i).Share(rate));
            }),
        ];
        var zero = Money.Zero(facts.Subtotal.Currency);
        var (net, tax) = (lines.Aggregate(zero, (sum, l) => sum + l.Net), lines.Aggregate(zero, (sum, l) => sum + l.Tax));
        return facts with { Lines = lines, Subtotal = net, Tax = tax, AmountDue = net + tax };
    }
}
