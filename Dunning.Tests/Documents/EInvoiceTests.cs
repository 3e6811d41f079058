using System.Globalization;
using System.Text;
using System.Xml.Linq;
using Dunning.Documents;
using Dunning.Documents.EInvoices;
using Dunning.Model;

namespace Dunning.Tests.Documents;

/// <summary>The XML by EN 16931: its totals are the invoice's, and it is there only where the standard can express the invoice.</summary>
public sealed class EInvoiceTests
{
    private static readonly DocumentWords s_words = DocumentSamples.Texts.In(DocumentSamples.In("fr"));

    public static TheoryData<string> Cases { get; } = [.. DocumentSamples.All.Keys.Where(k => k != "kwd")];

    [Theory]
    [MemberData(nameof(Cases))]
    public void Totals_add_up_and_are_the_invoices(string name)
    {
        var facts = DocumentSamples.All[name];
        foreach (var (bytes, line, tax, total, prepaid, due) in new[]
        {
            (CiiWriter.Write(DocumentKind.Invoice, facts, s_words), "SpecifiedTradeSettlementLineMonetarySummation", "CalculatedAmount", "GrandTotalAmount", "TotalPrepaidAmount", "DuePayableAmount"),
            (UblWriter.Write(DocumentKind.Invoice, facts, s_words), "InvoiceLine", "", "TaxInclusiveAmount", "PrepaidAmount", "PayableAmount"),
        })
        {
            var xml = XDocument.Parse(Encoding.UTF8.GetString(bytes!)).Descendants().ToLookup(e => e.Name.LocalName);
            Assert.Equal(facts.Lines.Length, xml[line].Count());
            Assert.Equal(facts.Subtotal, Sum(xml[line].Select(l => l.Elements().First(e => e.Name.LocalName is "LineTotalAmount" or "LineExtensionAmount"))));
            Assert.Equal(facts.Tax, tax.Length > 0 ? Sum(xml[tax]) : Sum(xml["TaxSubtotal"].Select(s => s.Elements().Single(e => e.Name.LocalName == "TaxAmount"))));
            Assert.Equal(facts.Total, Sum(xml[total]));
            Assert.Equal(facts.Total - facts.StillDue, Sum(xml[prepaid]));
            Assert.Equal(facts.StillDue, Sum(xml[due]));
        }

        Money Sum(IEnumerable<XElement> amounts) => new(
            (long)(amounts.Sum(a => decimal.Parse(a.Value, CultureInfo.InvariantCulture)) * (facts.Total.Currency.Digits == 0 ? 1 : 100)), facts.Total.Currency);
    }

    [Theory]
    [InlineData("domestic", "S", null)]
    [InlineData("eu-consumer", "S", null)]
    [InlineData("reverse-charge", "AE", "VATEX-EU-AE")]
    [InlineData("export", "G", "VATEX-EU-G")]
    public void A_treatment_has_its_category_and_reason(string name, string category, string? reason)
    {
        var xml = XDocument.Parse(Encoding.UTF8.GetString(CiiWriter.Write(DocumentKind.Invoice, DocumentSamples.All[name], s_words)!)).Descendants().ToLookup(e => e.Name.LocalName, e => e.Value);
        Assert.All(xml["CategoryCode"], c => Assert.Equal(category, c));
        Assert.Equal(reason, xml["ExemptionReasonCode"].SingleOrDefault());
        Assert.Equal("380", xml["TypeCode"].First());
    }

    [Fact]
    public void A_credit_note_refers_to_its_invoice()
    {
        var facts = DocumentSamples.All["voided"];
        var cii = XDocument.Parse(Encoding.UTF8.GetString(CiiWriter.Write(DocumentKind.CreditNote, facts, s_words)!)).Descendants().ToLookup(e => e.Name.LocalName, e => e.Value);
        Assert.Equal("381", cii["TypeCode"].First());
        Assert.Equal(["F-2026-000042"], cii["IssuerAssignedID"]);
        Assert.Equal(["53.96"], cii["DuePayableAmount"]);
        Assert.Equal("CreditNote", XDocument.Parse(Encoding.UTF8.GetString(UblWriter.Write(DocumentKind.CreditNote, facts, s_words)!)).Root!.Name.LocalName);
    }

    [Fact]
    public void What_the_standard_cannot_express_has_none()
    {
        Assert.Null(CiiWriter.Write(DocumentKind.Invoice, DocumentSamples.All["kwd"], s_words)); // three decimals
        var facts = DocumentSamples.All["domestic"];
        Assert.Null(CiiWriter.Write(DocumentKind.Invoice, facts with { Seller = facts.Seller with { VatNumber = null } }, s_words));
        Assert.Null(CiiWriter.Write(DocumentKind.Invoice, DocumentSamples.All["reverse-charge"] with { Buyer = facts.Buyer }, s_words));
        Assert.DoesNotContain("/AF ", new PdfFile(DocumentSamples.Render("kwd")).Catalog);
    }
}
