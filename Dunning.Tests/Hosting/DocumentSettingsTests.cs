using Dunning.Documents.EInvoices;
using Dunning.Documents.Pdf;
using Dunning.Hosting;
using NodaTime;

namespace Dunning.Tests.Hosting;

/// <summary>Where invoices are handed in is settled at start, not when the first one can't be.</summary>
public sealed class DocumentSettingsTests : IDisposable
{
    private const string Drop = "Documents:EInvoicing:Drop";
    private const string Format = "Documents:EInvoicing:Format";
    private const string Since = "Documents:EInvoicing:Since";

    private readonly string _folder = Directory.CreateTempSubdirectory("dunning-settings-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Nothing_set_hands_in_nowhere() => Assert.Null(Read().Settings!.EInvoicing);

    [Theory]
    [InlineData("facturx", EInvoiceFormat.FacturX)]
    [InlineData("cii", EInvoiceFormat.Cii)]
    [InlineData("ubl", EInvoiceFormat.Ubl)]
    [InlineData("", EInvoiceFormat.FacturX)]
    public void A_whole_setting_is_taken(string format, EInvoiceFormat means)
    {
        var (settings, faults) = Read([(Drop, _folder), (Since, "2026-09-01"), (Format, format), .. Seller()]);
        Assert.Empty(faults);
        Assert.Equal(new EInvoicingSettings(_folder, means, new LocalDate(2026, 9, 1)), settings!.EInvoicing);
    }

    [Fact]
    public void All_faults_are_told_at_once()
    {
        var gone = Path.Combine(_folder, "gone");
        var (settings, faults) = Read((Drop, gone), (Format, "pdf"), (Since, "September"), ("Documents:Invoicing", "x"));
        Assert.Null(settings);
        Assert.Equal(
            (string[])[
                $"Documents:Invoicing is unknown: the keys are Documents:Logo, Documents:Accent, {Drop}, {Format}, {Since}",
                $"{Format} is 'pdf', but must be facturx, cii or ubl",
                $"{Since} is 'September', but must be a date, such as 2026-09-01",
                $"{Drop} is '{gone}', but there is no such folder: make it, or mount it, such as /var/spool/einvoices",
                $"{Drop} is set, so Dunning:Seller:Name must be, too: an electronic invoice can't do without it",
                $"{Drop} is set, so Dunning:Seller:City must be, too: an electronic invoice can't do without it",
                $"{Drop} is set, so Dunning:Seller:VatNumber must be, too: an electronic invoice can't do without it",
            ],
            faults.ToArray());
    }

    [Fact]
    public void Half_a_setting_is_a_fault()
    {
        Assert.StartsWith($"{Drop} is set, so {Since} must say", Assert.Single(Read([(Drop, _folder), .. Seller()]).Faults), StringComparison.Ordinal);
        Assert.Equal(2, Read((Format, "cii"), (Since, "2026-09-01")).Faults.Length);
    }

    [Fact]
    public async Task A_logo_and_a_colour_are_read_or_their_faults_told()
    {
        var logo = Path.Combine(_folder, "logo.jpg");
        await File.WriteAllBytesAsync(logo, [0xFF, 0xD8, 0xFF, 0xC0, 0, 8, 8, 0, 200, 1, 44, 3]);
        var look = Read(("Documents:Logo", logo), ("Documents:Accent", "#800000")).Settings!.Look;
        Assert.Equal((300, 200, new PdfColor(0x80, 0, 0)), (look.Logo!.Width, look.Logo.Height, look.Accent));

        await File.WriteAllTextAsync(logo, "<svg/>");
        Assert.Equal(
            (string[])[
                "Documents:Accent is 'teal', but must be a colour such as #1f4e79",
                $"Documents:Logo is '{logo}', but must be a PNG or JPEG file, such as logo.png: it is neither a PNG nor a JPEG",
            ],
            Read(("Documents:Logo", logo), ("Documents:Accent", "teal")).Faults.ToArray());
        Assert.Contains("its contrast with paper is 1.1, and text needs at least 4.5", Assert.Single(Read(("Documents:Accent", "#ffff00")).Faults), StringComparison.Ordinal);
        Assert.StartsWith("Documents:Logo is ", Assert.Single(Read(("Documents:Logo", Path.Combine(_folder, "gone.png"))).Faults), StringComparison.Ordinal);
    }

    private static (string Key, string Value)[] Seller() =>
        [("Dunning:Seller:LegalName", "Nuage SAS"), ("Dunning:Seller:City", "Lyon"), ("Dunning:Seller:VatNumber", "FR44732829320")];

    private static (DocumentSettings? Settings, System.Collections.Immutable.ImmutableArray<string> Faults) Read(params (string Key, string Value)[] keys) =>
        DocumentSettings.Read(keys.ToDictionary(k => k.Key, k => (string?)k.Value, StringComparer.OrdinalIgnoreCase));
}
