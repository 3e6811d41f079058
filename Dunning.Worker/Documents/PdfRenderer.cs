using System.Globalization;
using Dunning.Documents.EInvoices;
using Dunning.Documents.Pdf;
using Dunning.Mail;
using Dunning.Model;
using Dunning.Postgres;

namespace Dunning.Documents;

/// <summary>Lays documents out on A4, as PDF/A-3; invoices and credit notes carry their data as Factur-X wherever EN 16931 can express them.</summary>
/// <param name="texts">The words.</param>
/// <param name="look">Logo and colour. Null: no logo.</param>
/// <param name="conformance">As PDF/A-1 it has no attachments, so no Factur-X.</param>
public sealed class PdfRenderer(DocumentTexts texts, DocumentLook? look = null, PdfConformance conformance = PdfConformance.A3b) : IDocumentRenderer
{
    private const double Gap = 14;
    private const double LogoWidth = 180;
    private const double LogoHeight = 40;

    private static readonly Lazy<TrueTypeFont> s_regular = new(() => Load("LiberationSans", "LiberationSans-Regular"));
    private static readonly Lazy<TrueTypeFont> s_bold = new(() => Load("LiberationSans-Bold", "LiberationSans-Bold"));

    private readonly DocumentLook _look = look ?? new DocumentLook();

    /// <inheritdoc/>
    public byte[] Render(DocumentKind kind, InvoiceFacts facts, Language language)
    {
        var words = texts.In(language);
        var (number, at, seller) = kind switch
        {
            DocumentKind.Invoice => (facts.Number, facts.IssuedAt, facts.Seller),
            DocumentKind.Receipt => (facts.Number, PaymentOf(facts).At, facts.Seller),
            DocumentKind.CreditNote => (CreditNoteOf(facts).Number, CreditNoteOf(facts).IssuedAt, CreditNoteOf(facts).Seller),
        };
        var title = words[TitleKey(kind)];
        var document = new PdfDocument(new PdfInfo($"{title} {number}", seller.LegalName, language.Code, at), conformance);
        var sheet = new Sheet(document, document.AddFont(s_regular.Value), document.AddFont(s_bold.Value));
        Head(sheet, title, seller);
        if (kind == DocumentKind.Receipt)
        {
            Receipt(sheet, words, facts);
        }
        else
        {
            Bill(sheet, words, facts, kind);
            if (conformance == PdfConformance.A3b && CiiWriter.Write(kind, facts, words) is { } xml)
            {
                FacturX.Embed(document, xml, words["einvoice.description"]);
            }
        }
        Foot(sheet, words, seller);
        return document.Save();
    }

    private static string TitleKey(DocumentKind kind) => "title." + Texts.Document[kind];

    private static PaymentFacts PaymentOf(InvoiceFacts facts) => facts.Payment ?? throw new InvalidOperationException($"invoice {facts.Number} is not paid");

    private static CreditNoteFacts CreditNoteOf(InvoiceFacts facts) =>
        facts.CreditNote ?? throw new InvalidOperationException($"invoice {facts.Number} is not voided");

    private void Head(Sheet sheet, string title, SellerIdentity seller)
    {
        sheet.Y = 70;
        if (_look.Logo is { } logo)
        {
            var scale = Math.Min(LogoWidth / logo.Width, LogoHeight / logo.Height);
            sheet.Page.Image(Sheet.Left, sheet.Y + 4 - (logo.Height * scale), logo.Width * scale, logo.Height * scale, sheet.Document.AddImage(logo));
        }
        else
        {
            sheet.Page.Text(Sheet.Left, sheet.Y, sheet.Bold, 15, _look.Accent, Sheet.Fit(seller.Name, sheet.Bold, 15, 270));
        }
        sheet.Page.TextTo(Sheet.Right, sheet.Y, sheet.Regular, 20, Sheet.Ink, title);
        sheet.Y += 12;
        sheet.Page.Rule(Sheet.Left, Sheet.Right, sheet.Y, 1.2, _look.Accent);
        sheet.Y += 22;
    }

    private static void Bill(Sheet sheet, DocumentWords words, InvoiceFacts facts, DocumentKind kind)
    {
        var language = words.Language;
        var note = kind == DocumentKind.CreditNote ? CreditNoteOf(facts) : null;
        sheet.Pairs([
            (words["number"], note?.Number ?? facts.Number),
            (words["issued"], language.Date(note?.IssuedOn ?? facts.IssuedOn)),
            note is null ? (words["due"], language.Date(facts.IssuedOn)) : (words["cancels"], words["of", ("number", facts.Number), ("date", language.Date(facts.IssuedOn))]),
            (words["period"], language.Days(facts.PeriodStart, facts.PeriodEnd)),
        ]);
        sheet.Columns(
            (words["seller"], SellerLines(note?.Seller ?? facts.Seller, words)),
            (words["buyer"], BuyerLines(facts.Buyer, words)));
        sheet.Table(
            [words["description"], words["quantity"], words["unit_price"], words["vat_rate"], words["net"]],
            [Sheet.Left, 318, 408, 452, Sheet.Right],
            facts.Lines.Select(l => new[]
            {
                l.Description, l.Quantity.ToString(CultureInfo.InvariantCulture), Amount(l.UnitPrice), words.Rate(l.RateBp), Amount(l.Net),
            }));
        sheet.Y += Gap;
        var groups = facts.VatGroups.ToList();
        sheet.Reserve(Math.Max(7 * 15, (groups.Count + 2) * 15) + Gap);
        var top = sheet.Y;
        sheet.Small(Sheet.Left, [words["vat_by_rate"], words["base"], words["vat_amount"]], [Sheet.Left, 182, 260],
            groups.Select(g => new[] { words.Rate(g.RateBp), Amount(g.Base), Amount(g.Tax) }));
        var bottom = sheet.Y;
        sheet.Y = top;
        sheet.Totals(TotalRows(words, facts, kind).Select(r => (r.Label, Amount(r.Value), r.IsStrong)));
        sheet.Y = Math.Max(bottom, sheet.Y) + Gap;
        foreach (var (text, strong) in Status(words, facts, note))
        {
            sheet.Paragraph(text, strong ? sheet.Bold : sheet.Regular, 9.5, Sheet.Ink);
        }
        sheet.Y += 4;
        foreach (var text in Notes(words, facts, kind))
        {
            sheet.Paragraph(text, sheet.Regular, 8, Sheet.Grey);
        }

        string Amount(Money money) => language.Amount(money.Minor, money.Currency);
    }

    private static IEnumerable<(string Label, Money Value, bool IsStrong)> TotalRows(DocumentWords words, InvoiceFacts facts, DocumentKind kind)
    {
        yield return (words["subtotal"], facts.Subtotal, false);
        yield return (words["tax"], facts.Tax, false);
        if (kind == DocumentKind.CreditNote)
        {
            yield return (words["credited"], facts.Total, true);
            yield break;
        }
        yield return (words["total"], facts.Total, true);
        var zero = Money.Zero(facts.Total.Currency);
        if (facts.CreditApplied > zero)
        {
            yield return (words["credit_applied"], zero - facts.CreditApplied, false);
        }
        if (facts.CarriedIn > zero)
        {
            yield return (words["carried_in"], facts.CarriedIn, false);
        }
        if (facts.CarriedOut > zero)
        {
            yield return (words["carried_out"], zero - facts.CarriedOut, false);
        }
        if (facts.PaidAtFirst is not null && facts.AmountDue > zero)
        {
            yield return (words["paid"], zero - facts.AmountDue, false);
        }
        yield return (words["amount_due"], facts.StillDue, true);
    }

    private static IEnumerable<(string Text, bool IsStrong)> Status(DocumentWords words, InvoiceFacts facts, CreditNoteFacts? note)
    {
        var language = words.Language;
        if (note is not null)
        {
            yield return (words["credit_note.reason", ("number", facts.Number), ("date", language.Date(facts.IssuedOn))], false);
            if (facts.CreditApplied.Minor > 0)
            {
                yield return (words["credit_note.credit", ("amount", language.Amount(facts.CreditApplied.Minor, facts.CreditApplied.Currency))], false);
            }
        }
        else if (facts.CarriedOut.Minor > 0 && facts.AmountDue.Minor == 0)
        {
            yield return (words["status.carried", ("amount", language.Amount(facts.CarriedOut.Minor, facts.CarriedOut.Currency))], true);
        }
        else if (facts.PaidAtFirst is { } payment)
        {
            var card = language.Card(payment.CardBrand, payment.CardLast4);
            yield return (payment.ByCredit ? words["status.paid_credit", ("date", language.Date(payment.On))]
                : card is null ? words["status.paid", ("date", language.Date(payment.On))]
                : words["status.paid_card", ("date", language.Date(payment.On)), ("card", card)], true);
        }
        else
        {
            yield return (words["status.due", ("amount", language.Amount(facts.AmountDue.Minor, facts.AmountDue.Currency))], true);
        }
    }

    private static IEnumerable<string> Notes(DocumentWords words, InvoiceFacts facts, DocumentKind kind)
    {
        if (MentionKey(facts.TaxTreatment) is { } mention)
        {
            yield return words[mention];
        }
        yield return words["nature"];
        if (kind == DocumentKind.Invoice)
        {
            yield return words["terms"];
            yield return words["penalties"];
            yield return words["recovery"];
        }
    }

    /// <summary>Key of the words that say why there is no VAT; null where there is some.</summary>
    internal static string? MentionKey(TaxTreatment treatment) => treatment switch
    {
        TaxTreatment.Domestic or TaxTreatment.EuConsumer => null,
        TaxTreatment.ReverseCharge => "mention.reverse_charge",
        TaxTreatment.Export => "mention.export",
    };

    private static void Receipt(Sheet sheet, DocumentWords words, InvoiceFacts facts)
    {
        var (language, payment) = (words.Language, PaymentOf(facts));
        var method = payment.ByCredit ? words["receipt.method_credit"] : language.Card(payment.CardBrand, payment.CardLast4) ?? words["receipt.method_unknown"];
        var amount = payment.ByCredit ? facts.Total : payment.Amount;
        sheet.Paragraph(words["receipt.amount"], sheet.Regular, 9, Sheet.Grey);
        sheet.Y += 12;
        sheet.Paragraph(language.Amount(amount.Minor, amount.Currency), sheet.Bold, 22, Sheet.Ink);
        sheet.Y += Gap;
        sheet.Pairs([
            (words["receipt.date"], language.Date(payment.On)),
            (words["receipt.method"], method),
            (words["receipt.invoice"], words["of", ("number", facts.Number), ("date", language.Date(facts.IssuedOn))]),
            (words["receipt.plan"], facts.Plan),
            (words["period"], language.Days(facts.PeriodStart, facts.PeriodEnd)),
        ]);
        sheet.Columns((words["seller"], SellerLines(facts.Seller, words)), (words["buyer"], BuyerLines(facts.Buyer, words)));
        sheet.Paragraph(words["receipt.notice"], sheet.Bold, 9.5, Sheet.Ink);
    }

    private static List<string> SellerLines(SellerIdentity seller, DocumentWords words) =>
    [
        seller.LegalName,
        .. Given(string.Join(' ', Given(seller.LegalForm, seller.ShareCapital is { } capital ? words["capital", ("capital", capital)] : null))),
        .. AddressLines(seller.Address, seller.Country, words),
        .. Given(seller.Siren is { } siren ? words["siren", ("number", Spaced(siren))] : null, seller.Registration,
            seller.VatNumber is { } vat ? words["vat", ("number", vat)] : null),
    ];

    private static List<string> BuyerLines(Buyer buyer, DocumentWords words) =>
    [
        buyer.LegalName.Length > 0 ? buyer.LegalName : buyer.Name,
        .. AddressLines(buyer.Address, buyer.Country, words),
        .. Given(buyer.VatNumber is { } vat ? words["vat", ("number", vat)] : null),
    ];

    private static IEnumerable<string> AddressLines(Address address, string country, DocumentWords words) =>
        Given(address.Line1, address.Line2, $"{address.PostalCode} {address.City}".Trim(' '), words.Country(country));

    private static IEnumerable<string> Given(params string?[] lines) => lines.OfType<string>().Where(l => l.Length > 0);

    private static string Spaced(string siren) => siren.Length == 9 ? $"{siren[..3]}\u00A0{siren[3..6]}\u00A0{siren[6..]}" : siren;

    private static void Foot(Sheet sheet, DocumentWords words, SellerIdentity seller)
    {
        var pages = sheet.Document.Pages;
        foreach (var (i, page) in pages.Index())
        {
            page.Rule(Sheet.Left, Sheet.Right, 790, 0.5, Sheet.Line);
            var who = string.Join(" · ", Given(seller.LegalName, seller.Registration, seller.VatNumber));
            page.Text(Sheet.Left, 804, sheet.Regular, 7.5, Sheet.Grey, Sheet.Fit(who, sheet.Regular, 7.5, 380));
            page.TextTo(Sheet.Right, 804, sheet.Regular, 7.5, Sheet.Grey, words["page", ("page", Whole(i + 1)), ("pages", Whole(pages.Count))]);
        }

        static string Whole(int number) => number.ToString(CultureInfo.InvariantCulture);
    }

    private static TrueTypeFont Load(string name, string file)
    {
        using var stream = typeof(PdfRenderer).Assembly.GetManifestResourceStream($"Documents/Fonts/{file}.ttf")!;
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return new TrueTypeFont(name, bytes);
    }
}
