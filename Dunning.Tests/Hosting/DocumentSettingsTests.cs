using Dunning.Documents.EInvoices;
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
                $"Documents:Invoicing is unknown: the keys are {Drop}, {Format}, {Since}",
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

    private static (string Key, string Value)[] Seller() =>
        [("Dunning:Seller:LegalName", "Nuage SAS"), ("Dunning:Seller:City", "Lyon"), ("Dunning:Seller:VatNumber", "FR44732829320")];

    private static (DocumentSettings? Settings, System.Collections.Immutable.ImmutableArray<string> Faults) Read(params (string Key, string Value)[] keys) =>
        DocumentSettings.Read(keys.ToDictionary(k => k.Key, k => (string?)k.Value, StringComparer.OrdinalIgnoreCase));
}
