using System.Xml.Linq;
using NodaTime;
using NodaTime.Text;
using static Dunning.Documents.EInvoices.EInvoiceFacts;

namespace Dunning.Documents.EInvoices;

/// <summary>EN 16931 in UN/CEFACT's syntax (CII D16B), which is Factur-X's profile EN 16931.</summary>
internal static class CiiWriter
{
    private static readonly XNamespace s_rsm = "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100";
    private static readonly XNamespace s_ram = "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100";
    private static readonly XNamespace s_udt = "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100";
    private static readonly XNamespace s_qdt = "urn:un:unece:uncefact:data:standard:QualifiedDataType:100";
    private static readonly LocalDatePattern s_date = LocalDatePattern.CreateWithInvariantCulture("uuuuMMdd");

    /// <summary>The XML, or null where EN 16931 can't express the document.</summary>
    public static byte[]? Write(DocumentKind kind, InvoiceFacts facts, DocumentWords words) =>
        EInvoiceFacts.Of(kind, facts) is not { } e ? null : Save(new XElement(s_rsm + "CrossIndustryInvoice",
            new XAttribute(XNamespace.Xmlns + "rsm", s_rsm), new XAttribute(XNamespace.Xmlns + "ram", s_ram),
            new XAttribute(XNamespace.Xmlns + "udt", s_udt), new XAttribute(XNamespace.Xmlns + "qdt", s_qdt),
            new XElement(s_rsm + "ExchangedDocumentContext", Ram("GuidelineSpecifiedDocumentContextParameter", Ram("ID", "urn:cen.eu:en16931:2017"))),
            new XElement(s_rsm + "ExchangedDocument",
                Ram("ID", e.Number),
                Ram("TypeCode", e.TypeCode),
                Ram("IssueDateTime", Day(s_udt, e.IssuedOn)),
                Notes(e, words)),
            new XElement(s_rsm + "SupplyChainTradeTransaction",
                facts.Lines.Select((l, i) => Line(e, l, i + 1)),
                Ram("ApplicableHeaderTradeAgreement", Seller(e), Buyer(e)),
                Ram("ApplicableHeaderTradeDelivery"),
                Settlement(e, words))));

    private static IEnumerable<XElement> Notes(EInvoiceFacts e, DocumentWords words) => e.Note is not null
        ? [Ram("IncludedNote", Ram("Content", words["credit_note.reason", ("number", e.Facts.Number), ("date", words.Language.Date(e.Facts.IssuedOn))]))]
        :
        [
            Ram("IncludedNote", Ram("Content", words["penalties"]), Ram("SubjectCode", "PMD")),
            Ram("IncludedNote", Ram("Content", words["recovery"]), Ram("SubjectCode", "PMT")),
        ];

    private static XElement Line(EInvoiceFacts e, InvoiceLine line, int number) => Ram("IncludedSupplyChainTradeLineItem",
        Ram("AssociatedDocumentLineDocument", Ram("LineID", Whole(number))),
        Ram("SpecifiedTradeProduct", Ram("Name", line.Description)),
        Ram("SpecifiedLineTradeAgreement", Ram("NetPriceProductTradePrice", Ram("ChargeAmount", Decimal(line.UnitPrice)))),
        Ram("SpecifiedLineTradeDelivery", Ram("BilledQuantity", new XAttribute("unitCode", "C62"), Whole(line.Quantity))),
        Ram("SpecifiedLineTradeSettlement",
            Ram("ApplicableTradeTax", Ram("TypeCode", "VAT"), Ram("CategoryCode", e.Category(line.RateBp)), Ram("RateApplicablePercent", Percent(line.RateBp))),
            Ram("SpecifiedTradeSettlementLineMonetarySummation", Ram("LineTotalAmount", Decimal(line.Net)))));

    private static XElement Seller(EInvoiceFacts e) => Ram("SellerTradeParty",
        Ram("Name", e.Seller.LegalName),
        e.LegalInformation is { } legal ? Ram("Description", legal) : null,
        e.Seller.Siren is null && e.Seller.Name == e.Seller.LegalName ? null : Ram("SpecifiedLegalOrganization",
            e.Seller.Siren is { } siren ? Ram("ID", new XAttribute("schemeID", "0002"), siren) : null,
            e.Seller.Name != e.Seller.LegalName ? Ram("TradingBusinessName", e.Seller.Name) : null),
        Address(e.Seller.Address, e.Seller.Country),
        VatNumber(e.Seller.VatNumber));

    private static XElement Buyer(EInvoiceFacts e) => Ram("BuyerTradeParty",
        Ram("Name", e.BuyerName), Address(e.Facts.Buyer.Address, e.Facts.Buyer.Country), VatNumber(e.Facts.Buyer.VatNumber));

    private static XElement Address(Model.Address address, string country) => Ram("PostalTradeAddress",
        Given("PostcodeCode", address.PostalCode), Given("LineOne", address.Line1), Given("LineTwo", address.Line2), Given("CityName", address.City),
        Ram("CountryID", country));

    private static XElement? VatNumber(string? number) =>
        number is null ? null : Ram("SpecifiedTaxRegistration", Ram("ID", new XAttribute("schemeID", "VA"), number));

    private static XElement Settlement(EInvoiceFacts e, DocumentWords words)
    {
        var (facts, currency) = (e.Facts, e.Facts.Total.Currency.Code);
        return Ram("ApplicableHeaderTradeSettlement",
            Ram("InvoiceCurrencyCode", currency),
            facts.VatGroups.Select(g => Ram("ApplicableTradeTax",
                Ram("CalculatedAmount", Decimal(g.Tax)),
                Ram("TypeCode", "VAT"),
                PdfRenderer.MentionKey(facts.TaxTreatment) is { } mention ? Ram("ExemptionReason", words[mention]) : null,
                Ram("BasisAmount", Decimal(g.Base)),
                Ram("CategoryCode", e.Category(g.RateBp)),
                e.ExemptionCode is { } code ? Ram("ExemptionReasonCode", code) : null,
                Ram("RateApplicablePercent", Percent(g.RateBp)))),
            Ram("BillingSpecifiedPeriod",
                Ram("StartDateTime", Day(s_udt, facts.PeriodStart)), Ram("EndDateTime", Day(s_udt, facts.PeriodEnd.PlusDays(-1)))),
            Ram("SpecifiedTradePaymentTerms",
                Ram("Description", words[e.Note is null ? "terms" : "nature"]),
                e.Note is null ? Ram("DueDateDateTime", Day(s_udt, facts.IssuedOn)) : null),
            Ram("SpecifiedTradeSettlementHeaderMonetarySummation",
                Ram("LineTotalAmount", Decimal(facts.Subtotal)),
                Ram("TaxBasisTotalAmount", Decimal(facts.Subtotal)),
                Ram("TaxTotalAmount", new XAttribute("currencyID", currency), Decimal(facts.Tax)),
                Ram("GrandTotalAmount", Decimal(facts.Total)),
                e.Prepaid.Minor != 0 ? Ram("TotalPrepaidAmount", Decimal(e.Prepaid)) : null,
                Ram("DuePayableAmount", Decimal(e.Payable))),
            e.Note is null ? null : Ram("InvoiceReferencedDocument",
                Ram("IssuerAssignedID", facts.Number), Ram("FormattedIssueDateTime", Day(s_qdt, facts.IssuedOn))));
    }

    private static XElement Day(XNamespace type, LocalDate date) => new(type + "DateTimeString", new XAttribute("format", "102"), s_date.Format(date));

    private static XElement? Given(string name, string? value) => string.IsNullOrEmpty(value) ? null : Ram(name, value);

    private static XElement Ram(string name, params object?[] content) => new(s_ram + name, content);
}
