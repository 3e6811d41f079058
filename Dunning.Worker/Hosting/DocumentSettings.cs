using System.Collections.Immutable;
using Dunning.Documents;
using Dunning.Documents.EInvoices;
using NodaTime;
using NodaTime.Text;
using Npgsql;

namespace Dunning.Hosting;

/// <summary>Where documents are handed in.</summary>
/// <param name="Drop"><c>Documents:EInvoicing:Drop</c>: the folder.</param>
/// <param name="Format"><c>Documents:EInvoicing:Format</c>: facturx (default), cii or ubl.</param>
/// <param name="Since"><c>Documents:EInvoicing:Since</c>: those issued on this date or later.</param>
public sealed record EInvoicingSettings(string Drop, EInvoiceFormat Format, LocalDate Since)
{
    /// <summary>The work, over a database.</summary>
    public EInvoicing Open(NpgsqlDataSource source, TimeProvider time) =>
        new(source, new FileDrop(Drop, Format), Since, PostgresDocuments.Open(source, time), time);
}

/// <summary>Reads <c>Documents:…</c>.</summary>
/// <param name="EInvoicing">Null: documents are handed in nowhere.</param>
public sealed record DocumentSettings(EInvoicingSettings? EInvoicing)
{
    private const string Prefix = "Documents:";
    private const string Drop = Prefix + "EInvoicing:Drop";
    private const string Format = Prefix + "EInvoicing:Format";
    private const string Since = Prefix + "EInvoicing:Since";

    private static readonly ImmutableArray<string> s_keys = [Drop, Format, Since];

    // Without these, EN 16931 can express none of the seller's invoices.
    private static readonly ImmutableArray<string> s_seller = ["Dunning:Seller:Name", "Dunning:Seller:City", "Dunning:Seller:VatNumber"];

    /// <summary>The settings, or every fault.</summary>
    public static (DocumentSettings? Settings, ImmutableArray<string> Faults) Read(IReadOnlyDictionary<string, string?> flat)
    {
        var faults = flat.Where(p => p.Key.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase) && p.Value is { Length: > 0 }
            && !s_keys.Contains(p.Key, StringComparer.OrdinalIgnoreCase)).Select(p => $"{p.Key} is unknown: the keys are {string.Join(", ", s_keys)}").ToList();
        var eInvoicing = ReadEInvoicing(flat, faults);
        return faults.Count == 0 ? (new DocumentSettings(eInvoicing), []) : (null, [.. faults]);
    }

    private static EInvoicingSettings? ReadEInvoicing(IReadOnlyDictionary<string, string?> flat, List<string> faults)
    {
        var (drop, format, since) = (At(Drop), EInvoiceFormat.FacturX, default(LocalDate));
        if (At(Format) is { } text)
        {
            EInvoiceFormat? known = text switch { "facturx" => EInvoiceFormat.FacturX, "cii" => EInvoiceFormat.Cii, "ubl" => EInvoiceFormat.Ubl, _ => null };
            Check(known is not null, $"{Format} is '{text}', but must be facturx, cii or ubl");
            format = known ?? format;
        }
        if (At(Since) is { } day)
        {
            var parsed = LocalDatePattern.Iso.Parse(day);
            Check(parsed.Success, $"{Since} is '{day}', but must be a date, such as 2026-09-01");
            since = parsed.Success ? parsed.Value : since;
        }
        if (drop is null)
        {
            foreach (var key in new[] { Format, Since }.Where(k => At(k) is not null))
            {
                faults.Add($"{key} is set, but {Drop}, the folder that documents are handed in to, is not");
            }
            return null;
        }
        Check(Directory.Exists(drop), $"{Drop} is '{drop}', but there is no such folder: make it, or mount it, such as /var/spool/einvoices");
        Check(At(Since) is not null, $"{Drop} is set, so {Since} must say from which date of issue on documents are handed in, such as 2026-09-01");
        foreach (var key in s_seller.Where(k => At(k) is null && (k != s_seller[0] || At("Dunning:Seller:LegalName") is null)))
        {
            faults.Add($"{Drop} is set, so {key} must be, too: an electronic invoice can't do without it");
        }
        return new EInvoicingSettings(drop, format, since);

        string? At(string key) => flat.GetValueOrDefault(key) is { Length: > 0 } value ? value : null;

        void Check(bool isRight, string fault)
        {
            if (!isRight)
            {
                faults.Add(fault);
            }
        }
    }
}
