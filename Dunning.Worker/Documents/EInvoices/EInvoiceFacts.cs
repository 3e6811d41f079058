using System.Globalization;
using System.Text;
using System.Xml;
using System.Xml.Linq;
using Dunning.Model;
using Dunning.Postgres;
using NodaTime;

namespace Dunning.Documents.EInvoices;

/// <summary>
/// An invoice or credit note in the terms of EN 16931, for both of its syntaxes. Amounts are the same integers that the PDF shows.
/// </summary>
internal sealed record EInvoiceFacts
{
    private EInvoiceFacts(DocumentKind kind, InvoiceFacts facts) =>
        (Facts, Note) = (facts, kind == DocumentKind.CreditNote ? facts.CreditNote : null);

    /// <summary>What it is about.</summary>
    public InvoiceFacts Facts { get; }

    /// <summary>Set when it is the credit note.</summary>
    public CreditNoteFacts? Note { get; }

    /// <summary>Whoever issues it.</summary>
    public SellerIdentity Seller => Note?.Seller ?? Facts.Seller;

    /// <summary>BT-1.</summary>
    public string Number => Note?.Number ?? Facts.Number;

    /// <summary>BT-2.</summary>
    public LocalDate IssuedOn => Note?.IssuedOn ?? Facts.IssuedOn;

    /// <summary>BT-3: commercial invoice, or credit note.</summary>
    public string TypeCode => Note is null ? "380" : "381";

    /// <summary>BT-113: by credit, or at once. A credit note has none: what it undoes was not paid, and its credit is given back.</summary>
    public Money Prepaid => Note is null ? Facts.Total - Facts.StillDue : Money.Zero(Facts.Total.Currency);

    /// <summary>BT-115.</summary>
    public Money Payable => Facts.Total - Prepaid;

    /// <summary>BT-44.</summary>
    public string BuyerName => Facts.Buyer.LegalName.Length > 0 ? Facts.Buyer.LegalName : Facts.Buyer.Name;

    /// <summary>BT-33: form, capital, register.</summary>
    public string? LegalInformation => string.Join(", ", new[] { Seller.LegalForm, Seller.ShareCapital, Seller.Registration }.OfType<string>()) is { Length: > 0 } text
        ? text : null;

    /// <summary>BT-121: why there is no VAT, as a code of the VATEX list.</summary>
    public string? ExemptionCode => Facts.TaxTreatment switch
    {
        TaxTreatment.Domestic or TaxTreatment.EuConsumer => null,
        TaxTreatment.ReverseCharge => "VATEX-EU-AE",
        TaxTreatment.Export => "VATEX-EU-G",
    };

    /// <summary>The terms, or null where EN 16931 can't express them or its rules ask for what is missing.</summary>
    public static EInvoiceFacts? Of(DocumentKind kind, InvoiceFacts facts) => new EInvoiceFacts(kind, facts) is { Fault: null } terms ? terms : null;

    /// <summary>Why EN 16931 can't express them; null when it can.</summary>
    public static string? FaultOf(DocumentKind kind, InvoiceFacts facts) => new EInvoiceFacts(kind, facts).Fault;

    // Amounts have two decimals there, so most amounts in dinars have no form in it; a seller needs a name and a VAT number, a buyer a name and, with
    // the reverse charge, a VAT number.
    private string? Fault =>
        Seller is not { LegalName.Length: > 0, VatNumber: not null, Address.City.Length: > 0 } ? "EN 16931 asks for the seller's name, city and VAT number"
        : BuyerName.Length == 0 ? "EN 16931 asks for the buyer's name"
        : Facts.TaxTreatment == TaxTreatment.ReverseCharge && Facts.Buyer.VatNumber is null ? "EN 16931 asks for the buyer's VAT number with the reverse charge"
        : Amounts.All(a => a.Currency.Digits <= 2 || a.Minor % 10 == 0) ? null
        : $"EN 16931 knows two decimals, and an amount in {Facts.Total.Currency} has a third";

    private IEnumerable<Money> Amounts =>
        [Facts.Subtotal, Facts.Tax, Facts.CreditApplied, Facts.AmountDue, .. Facts.Lines.SelectMany(l => new[] { l.UnitPrice, l.Net, l.Tax })];

    /// <summary>BT-118, BT-151: category of a rate.</summary>
    public string Category(int rateBp) => Facts.TaxTreatment switch
    {
        TaxTreatment.Domestic or TaxTreatment.EuConsumer => rateBp == 0 ? "Z" : "S",
        TaxTreatment.ReverseCharge => "AE",
        TaxTreatment.Export => "G",
    };

    /// <summary>An amount with two decimals.</summary>
    public static string Decimal(Money money)
    {
        var scale = money.Currency.Digits switch { 0 => 1m, 2 => 100m, _ => 1000m };
        return (money.Minor / scale).ToString("0.00", CultureInfo.InvariantCulture);
    }

    /// <summary>A rate in percent.</summary>
    public static string Percent(int rateBp) => (rateBp / 100m).ToString("0.00", CultureInfo.InvariantCulture);

    public static string Whole(int number) => number.ToString(CultureInfo.InvariantCulture);

    /// <summary>The element as a file: UTF-8 without a mark, indented, lines ending with a line feed.</summary>
    public static byte[] Save(XElement root)
    {
        using var file = new MemoryStream();
        var settings = new XmlWriterSettings { Encoding = new UTF8Encoding(false), Indent = true, NewLineChars = "\n" };
        using (var writer = XmlWriter.Create(file, settings))
        {
            new XDocument(root).Save(writer);
        }
        return file.ToArray();
    }
}
