using System.Xml.Linq;
using NodaTime.Text;
using static Dunning.Documents.EInvoices.EInvoiceFacts;

namespace Dunning.Documents.EInvoices;

/// <summary>EN 16931 in OASIS' syntax (UBL 2.1): the same terms as <see cref="CiiWriter"/>.</summary>
internal static class UblWriter
{
    private static readonly XNamespace s_cac = "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2";
    private static readonly XNamespace s_cbc = "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2";

    /// <summary>The XML, or null where EN 16931 can't express the document.</summary>
    public static byte[]? Write(DocumentKind kind, InvoiceFacts facts, DocumentWords words)
    {
        if (EInvoiceFacts.Of(kind, facts) is not { } e)
        {
            return null;
        }
        var root = e.Note is null ? "Invoice" : "CreditNote";
        XNamespace ubl = $"urn:oasis:names:specification:ubl:schema:xsd:{root}-2";
        return Save(new XElement(ubl + root,
            new XAttribute(XNamespace.Xmlns + "cac", s_cac), new XAttribute(XNamespace.Xmlns + "cbc", s_cbc),
            Cbc("CustomizationID", "urn:cen.eu:en16931:2017"),
            Cbc("ID", e.Number),
            Cbc("IssueDate", LocalDatePattern.Iso.Format(e.IssuedOn)),
            e.Note is null ? Cbc("DueDate", LocalDatePattern.Iso.Format(facts.IssuedOn)) : null,
            Cbc(root + "TypeCode", e.TypeCode),
            e.Note is null ? Cbc("Note", words["penalties"] + " " + words["recovery"])
                : Cbc("Note", words["credit_note.reason", ("number", facts.Number), ("date", words.Language.Date(facts.IssuedOn))]),
            Cbc("DocumentCurrencyCode", facts.Total.Currency.Code),
            Cac("InvoicePeriod",
                Cbc("StartDate", LocalDatePattern.Iso.Format(facts.PeriodStart)), Cbc("EndDate", LocalDatePattern.Iso.Format(facts.PeriodEnd.PlusDays(-1)))),
            e.Note is null ? null : Cac("BillingReference",
                Cac("InvoiceDocumentReference", Cbc("ID", facts.Number), Cbc("IssueDate", LocalDatePattern.Iso.Format(facts.IssuedOn)))),
            Cac("AccountingSupplierParty", Party(e.Seller.Name, e.Seller.LegalName, e.Seller.Address, e.Seller.Country, e.Seller.VatNumber, e.Seller.Siren, e.LegalInformation)),
            Cac("AccountingCustomerParty", Party(null, e.BuyerName, facts.Buyer.Address, facts.Buyer.Country, facts.Buyer.VatNumber, null, null)),
            Cac("PaymentTerms", Cbc("Note", words[e.Note is null ? "terms" : "nature"])),
            Cac("TaxTotal", Amount("TaxAmount", facts.Tax), facts.VatGroups.Select(g => Cac("TaxSubtotal",
                Amount("TaxableAmount", g.Base),
                Amount("TaxAmount", g.Tax),
                Cac("TaxCategory",
                    Cbc("ID", e.Category(g.RateBp)),
                    Cbc("Percent", Percent(g.RateBp)),
                    e.ExemptionCode is { } code ? Cbc("TaxExemptionReasonCode", code) : null,
                    PdfRenderer.MentionKey(facts.TaxTreatment) is { } mention ? Cbc("TaxExemptionReason", words[mention]) : null,
                    Scheme())))),
            Cac("LegalMonetaryTotal",
                Amount("LineExtensionAmount", facts.Subtotal),
                Amount("TaxExclusiveAmount", facts.Subtotal),
                Amount("TaxInclusiveAmount", facts.Total),
                e.Prepaid.Minor != 0 ? Amount("PrepaidAmount", e.Prepaid) : null,
                Amount("PayableAmount", e.Payable)),
            facts.Lines.Select((l, i) => Cac(root + "Line",
                Cbc("ID", Whole(i + 1)),
                Cbc(e.Note is null ? "InvoicedQuantity" : "CreditedQuantity", new XAttribute("unitCode", "C62"), Whole(l.Quantity)),
                Amount("LineExtensionAmount", l.Net),
                Cac("Item",
                    Cbc("Name", l.Description),
                    Cac("ClassifiedTaxCategory", Cbc("ID", e.Category(l.RateBp)), Cbc("Percent", Percent(l.RateBp)), Scheme())),
                Cac("Price", Amount("PriceAmount", l.UnitPrice))))));
    }

    private static XElement Party(
        string? tradeName, string name, Model.Address address, string country, string? vatNumber, string? siren, string? legal) => Cac("Party",
        tradeName is null || tradeName == name ? null : Cac("PartyName", Cbc("Name", tradeName)),
        Cac("PostalAddress",
            Given("StreetName", address.Line1), Given("AdditionalStreetName", address.Line2), Given("CityName", address.City),
            Given("PostalZone", address.PostalCode), Cac("Country", Cbc("IdentificationCode", country))),
        vatNumber is null ? null : Cac("PartyTaxScheme", Cbc("CompanyID", vatNumber), Scheme()),
        Cac("PartyLegalEntity",
            Cbc("RegistrationName", name),
            siren is null ? null : Cbc("CompanyID", new XAttribute("schemeID", "0002"), siren),
            Given("CompanyLegalForm", legal)));

    private static XElement Scheme() => Cac("TaxScheme", Cbc("ID", "VAT"));

    private static XElement Amount(string name, Model.Money money) => Cbc(name, new XAttribute("currencyID", money.Currency.Code), Decimal(money));

    private static XElement? Given(string name, string? value) => string.IsNullOrEmpty(value) ? null : Cbc(name, value);

    private static XElement Cac(string name, params object?[] content) => new(s_cac + name, content);

    private static XElement Cbc(string name, params object?[] content) => new(s_cbc + name, content);
}
