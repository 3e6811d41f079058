using System.Collections.Immutable;
using System.Globalization;
using Dunning.Documents;
using Dunning.Documents.EInvoices;
using Dunning.Documents.Pdf;
using Dunning.Mail;
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
    public EInvoicing Open(NpgsqlDataSource source, DocumentLook look, TimeProvider time) =>
        new(source, new FileDrop(Drop, Format), Since, PostgresDocuments.Open(source, look, time), time);
}

/// <summary>Reads <c>Documents:…</c>.</summary>
/// <param name="Look">How they look.</param>
/// <param name="EInvoicing">Null: they are handed in nowhere.</param>
public sealed record DocumentSettings(DocumentLook Look, EInvoicingSettings? EInvoicing)
{
    private const string Prefix = "Documents:";
    private const string Logo = Prefix + "Logo";
    private const string Accent = Prefix + "Accent";
    private const string Drop = Prefix + "EInvoicing:Drop";
    private const string Format = Prefix + "EInvoicing:Format";
    private const string Since = Prefix + "EInvoicing:Since";

    private static readonly ImmutableArray<string> s_keys = [Logo, Accent, Drop, Format, Since];

    // Without these, EN 16931 can express none of the seller's invoices.
    private static readonly ImmutableArray<string> s_seller = ["Dunning:Seller:Name", "Dunning:Seller:City", "Dunning:Seller:VatNumber"];

    /// <summary>The settings, or every fault.</summary>
    public static (DocumentSettings? Settings, ImmutableArray<string> Faults) Read(IReadOnlyDictionary<string, string?> flat)
    {
        var faults = flat.Where(p => p.Key.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase) && p.Value is { Length: > 0 }
            && !s_keys.Contains(p.Key, StringComparer.OrdinalIgnoreCase)).Select(p => $"{p.Key} is unknown: the keys are {string.Join(", ", s_keys)}").ToList();
        var (look, eInvoicing) = (ReadLook(flat, faults), ReadEInvoicing(flat, faults));
        return faults.Count == 0 ? (new DocumentSettings(look, eInvoicing), []) : (null, [.. faults]);
    }

    private static DocumentLook ReadLook(IReadOnlyDictionary<string, string?> flat, List<string> faults)
    {
        var look = new DocumentLook();
        if (flat.GetValueOrDefault(Accent) is { Length: > 0 } text)
        {
            var standard = new MailColor(look.Accent.Red, look.Accent.Green, look.Accent.Blue);
            if (MailColor.Find(text) is not { } color)
            {
                faults.Add($"{Accent} is '{text}', but must be a colour such as {standard}");
            }
            else if (color.ContrastWith(MailColor.Paper) is < MailColor.TextContrast and var contrast)
            {
                faults.Add(string.Create(CultureInfo.InvariantCulture,
                    $"{Accent} is '{text}', but its contrast with paper is {contrast:F1}, and text needs at least {MailColor.TextContrast}: take a darker one, such as {standard}"));
            }
            else
            {
                look = look with { Accent = new PdfColor(color.Red, color.Green, color.Blue) };
            }
        }
        if (flat.GetValueOrDefault(Logo) is { Length: > 0 } path)
        {
            var (image, fault) = ReadImage(path);
            if (fault is not null)
            {
                faults.Add($"{Logo} is '{path}', but must be a PNG or JPEG file, such as logo.png: {fault}");
            }
            look = look with { Logo = image };
        }
        return look;
    }

    private static (PdfImage? Image, string? Fault) ReadImage(string path)
    {
        try
        {
            // Longer than allowed is enough to know: whatever else the path leads to is not read to its end.
            using var file = File.OpenRead(path);
            var bytes = new byte[PdfImage.MaxBytes + 1];
            return PdfImage.Read(bytes[..file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false)]);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return (null, e.Message);
        }
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
