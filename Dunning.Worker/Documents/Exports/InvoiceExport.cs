using System.Globalization;
using System.IO.Compression;
using System.Text.Json;
using Dunning.Model;
using Dunning.Postgres;
using NodaTime.Text;

namespace Dunning.Documents.Exports;

/// <summary>How many were written.</summary>
public sealed record ExportCount(long Invoices, long CreditNotes);

/// <summary>Invoices and credit notes as files. Each is written as it is read: memory does not grow with their number.</summary>
internal static class InvoiceExport
{
    /// <summary>Names and letters as the export writes them.</summary>
    public static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        // It is JSON in a file, never part of a page: names stay readable.
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>As CSV (<see cref="CsvWriter"/>), a header first. Dates are ISO 8601, instants UTC, the period's end is exclusive.</summary>
    public static async Task<ExportCount> CsvAsync(IAsyncEnumerable<LedgerRow> rows, Stream file, char separator, CancellationToken ct)
    {
        await using var csv = new CsvWriter(file, separator);
        await csv.RowAsync(
            "kind", "number", "issued_on", "account", "buyer", "country", "vat_number", "subscription", "plan", "period_start", "period_end", "quantity", "currency",
            "unit_price", "subtotal", "tax_rate", "tax_treatment", "tax", "total", "credit_applied", "carried_in", "carried_out", "amount_due", "state", "settled_at", "cancels");
        return await CountAsync(rows, row =>
        {
            var currency = Currency.Of(row.Currency);
            return csv.RowAsync(
                row.Kind, csv.Text(row.Number), Day(row.IssuedOn), csv.Text(row.Account), csv.Text(row.Buyer), csv.Text(row.Country), csv.Text(row.VatNumber),
                csv.Text(row.Subscription), csv.Text(row.Plan), Day(row.PeriodStart), Day(row.PeriodEnd), row.Quantity.ToString(CultureInfo.InvariantCulture), row.Currency,
                csv.Amount(row.UnitPrice, currency), csv.Amount(row.Subtotal, currency), csv.Percent(row.TaxRateBp), row.TaxTreatment, csv.Amount(row.Tax, currency),
                csv.Amount(row.Total, currency), csv.Amount(row.CreditApplied, currency), csv.Amount(row.CarriedIn, currency), csv.Amount(row.CarriedOut, currency), csv.Amount(row.AmountDue, currency), row.State ?? "", At(row.SettledAt) ?? "",
                csv.Text(row.Cancels));
        }, ct);
    }

    /// <summary>As JSON Lines: the same, amounts in minor units.</summary>
    public static Task<ExportCount> JsonLinesAsync(IAsyncEnumerable<LedgerRow> rows, Stream file, CancellationToken ct) => CountAsync(rows, async row =>
    {
        await JsonSerializer.SerializeAsync(file, ToJson(row), Json, ct);
        file.WriteByte((byte)'\n');
    }, ct);

    /// <summary>
    /// As a ZIP of PDFs, each named by its number and dated by its issue, so that the same documents give the same file. They are made and kept as if
    /// they had been asked for one by one. Of each, its name stays in memory until the end, where a ZIP has its directory.
    /// </summary>
    public static async Task<ExportCount> ZipAsync(IAsyncEnumerable<LedgerRow> rows, Stream file, PostgresDocuments documents, CancellationToken ct)
    {
        await using var zip = new ZipArchive(file, ZipArchiveMode.Create, leaveOpen: true);
        return await CountAsync(rows, async row =>
        {
            var kind = Texts.Document[row.Kind];
            var document = await documents.FindAsync(row.Subscription, row.PeriodStart.Local(), kind, row.Locale, ct)
                ?? throw new InvalidOperationException($"{row.Number} is issued, but has no document");
            // A PDF is compressed already.
            var entry = zip.CreateEntry(row.Number + ".pdf", CompressionLevel.NoCompression);
            entry.LastWriteTime = new DateTimeOffset(row.IssuedAt);
            await using var content = await entry.OpenAsync(ct);
            await content.WriteAsync(document.Content, ct);
        }, ct);
    }

    private static async Task<ExportCount> CountAsync(IAsyncEnumerable<LedgerRow> rows, Func<LedgerRow, Task> write, CancellationToken ct)
    {
        var (invoices, notes) = (0L, 0L);
        await foreach (var row in rows.WithCancellation(ct))
        {
            await write(row);
            (invoices, notes) = row.Cancels is null ? (invoices + 1, notes) : (invoices, notes + 1);
        }
        return new ExportCount(invoices, notes);
    }

    /// <summary>One as an object.</summary>
    public static object ToJson(LedgerRow row) => new
    {
        row.Kind, row.Number, IssuedOn = Day(row.IssuedOn), IssuedAt = At(row.IssuedAt), row.Account, row.Buyer, row.Country, row.VatNumber, row.Subscription, row.Plan,
        PeriodStart = Day(row.PeriodStart), PeriodEnd = Day(row.PeriodEnd), row.Quantity, row.Currency, row.UnitPrice, row.Subtotal, row.TaxRateBp, row.TaxTreatment,
        row.Tax, row.Total, row.CreditApplied, row.CarriedIn, row.CarriedOut, row.AmountDue, row.State, SettledAt = At(row.SettledAt), row.Cancels,
    };

    /// <summary>ISO 8601.</summary>
    internal static string Day(DateOnly date) => LocalDatePattern.Iso.Format(date.Local());

    /// <summary>ISO 8601, UTC.</summary>
    internal static string? At(DateTime? instant) => instant is { } at ? InstantPattern.General.Format(at.Instant()) : null;
}
