using System.Globalization;
using System.Text.Json;
using Dunning.Documents.Exports;
using Dunning.Model;
using Dunning.Postgres;
using static Dunning.Documents.Exports.InvoiceExport;

namespace Dunning.Commands;

/// <summary>An invoice as text for a person: whose it is, what it asks for, what became of it, and its documents. Instants are UTC.</summary>
internal sealed class InvoiceText(InvoiceSheet sheet, Paint paint) : TextSheet(paint, labelWidth: 21)
{
    private readonly LedgerRow _invoice = sheet.Invoice;

    public string Write()
    {
        Who();
        Amounts();
        Attempts();
        Documents();
        EInvoices();
        return ToString();
    }

    /// <summary>The same as one JSON object.</summary>
    public static string ToJson(InvoiceSheet sheet) => JsonSerializer.Serialize(new
    {
        invoice = InvoiceExport.ToJson(sheet.Invoice),
        credit_note = sheet.CreditNote is { } note ? InvoiceExport.ToJson(note) : null,
        seller = new { name = sheet.Seller.LegalName, country = sheet.Seller.Country, vat_number = sheet.Seller.VatNumber },
        attempts = sheet.Attempts.Select(a => new
        {
            a.Attempt, a.Kind, method = a.MethodId, a.Amount, a.State, a.Code, first_called_at = At(a.FirstCalledAt), a.RefundDue, a.Refunded, refund_at = At(a.RefundAt),
        }),
        documents = sheet.Documents.Select(d => new { d.Kind, d.Language, d.Bytes, sha256 = Convert.ToHexStringLower(d.Sha256), made_at = At(d.MadeAt) }),
        e_invoices = sheet.EInvoices.Select(e => new { e.Kind, e.State, e.Tries, next_try_at = At(e.NextTryAt), settled_at = At(e.SettledAt), e.Fault }),
    }, InvoiceExport.Json);

    private void Who()
    {
        Line($"{Paint.Bold(_invoice.Number)}  {State()}");
        Row("issued", $"{Day(_invoice.IssuedOn)}, {At(_invoice.IssuedAt)}");
        Row("account", $"{_invoice.Account}, subscription {_invoice.Subscription}");
        Row("period", Days());
        Row("seller", Joined(sheet.Seller.LegalName, sheet.Seller.Country, sheet.Seller.VatNumber));
        Row("buyer", Joined(_invoice.Buyer, _invoice.Country, _invoice.VatNumber));
        if (sheet.CreditNote is { } note)
        {
            Row("canceled", $"by the credit note {note.Number} of {Day(note.IssuedOn)}, {Money(note.Total)}");
        }
    }

    private void Amounts()
    {
        Heading("amounts");
        Row("line", $"{_invoice.Quantity.ToString(CultureInfo.InvariantCulture)} × {sheet.PlanName ?? _invoice.Plan} at {Money(_invoice.UnitPrice)}");
        Row("net", Money(_invoice.Subtotal));
        Row("tax", $"{Money(_invoice.Tax)} at {(_invoice.TaxRateBp / 100m).ToString("0.##", CultureInfo.InvariantCulture)} % ({AccountWords.Plain(_invoice.TaxTreatment)})");
        Row("total", Paint.Bold(Money(_invoice.Total)));
        if (_invoice.CreditApplied != 0)
        {
            Row("credit", Money(-_invoice.CreditApplied));
        }
        if (_invoice.CarriedIn != 0)
        {
            Row("carried in", Money(_invoice.CarriedIn));
        }
        if (_invoice.CarriedOut != 0)
        {
            Row("carried over", Money(-_invoice.CarriedOut));
        }
        Row("due", Money(_invoice.AmountDue));
    }

    private void Attempts()
    {
        Heading("attempts");
        foreach (var a in sheet.Attempts)
        {
            var method = a.Last4 is { } last4 ? $"{a.Brand ?? "card"} {last4}" : a.MethodId;
            Row(At(a.FirstCalledAt)!, $"{Money(a.Amount)} on {method}, {a.Kind}: {AccountWords.Plain(a.State)}{(a.Code is { } code ? ", " + AccountWords.Plain(code) : "")}"
                + (a.RefundDue ? Paint.Yellow($", refund under way since {At(a.RefundAt)}") : a.Refunded > 0 ? $", {Money(a.Refunded)} went back{(At(a.RefundAt) is { } at ? $" on {at}" : "")}" : ""));
        }
        None(sheet.Attempts.Count == 0, "none");
        if (sheet.CaseDayZero is { } zero)
        {
            Row("case", string.Create(CultureInfo.InvariantCulture, $"since {zero:yyyy-MM-dd}, step {sheet.CaseLastStep} done"));
        }
    }

    private void Documents()
    {
        Heading("documents made");
        foreach (var d in sheet.Documents)
        {
            Row(AccountWords.Plain(d.Kind), string.Create(CultureInfo.InvariantCulture, $"{d.Language}, {d.Bytes} bytes, made {At(d.MadeAt)}, SHA-256 {Convert.ToHexStringLower(d.Sha256)[..16]}…"));
        }
        None(sheet.Documents.Count == 0, "none yet: each is made when it is first asked for");
    }

    private void EInvoices()
    {
        if (sheet.EInvoices.Count == 0)
        {
            return;
        }
        Heading("e-invoicing platform");
        foreach (var e in sheet.EInvoices)
        {
            Row(AccountWords.Plain(e.Kind), e.State switch
            {
                "handed_in" => Paint.Green("handed in " + At(e.SettledAt)),
                "inexpressible" => Paint.Red($"not handed in: {e.Fault}"),
                _ => string.Create(CultureInfo.InvariantCulture, $"waits, {e.Tries} tries, next {At(e.NextTryAt)}") + (e.Fault is { } fault ? Paint.Red(": " + fault) : ""),
            });
        }
    }

    private string State() => _invoice.State switch
    {
        "paid" => Paint.Green("paid " + At(_invoice.SettledAt)),
        "open" => Paint.Red("open"),
        var over => $"{AccountWords.Plain(over!)} {At(_invoice.SettledAt)}",
    };

    private string Days() => string.Create(CultureInfo.InvariantCulture, $"{_invoice.PeriodStart:yyyy-MM-dd} to {_invoice.PeriodEnd.AddDays(-1):yyyy-MM-dd}");

    private string Money(long minor) => AccountWords.Amount(new Money(minor, Currency.Of(_invoice.Currency)));

    private static string Joined(params string?[] parts) => string.Join(", ", parts.OfType<string>().Where(p => p.Length > 0));
}
