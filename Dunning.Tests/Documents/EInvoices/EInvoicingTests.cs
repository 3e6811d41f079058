using System.Text;
using System.Xml.Linq;
using Dunning.Documents;
using Dunning.Documents.EInvoices;
using Dunning.Model;
using Dunning.Passes;
using Dunning.Ports;
using Dunning.Postgres;
using Dunning.Tests.Gateways;
using Dunning.Tests.Postgres;
using Dunning.Time;
using NodaTime;

namespace Dunning.Tests.Documents.EInvoices;

using Samples = Postgres.Samples;

/// <summary>Documents on their way to an e-invoicing platform, from a real database into a real folder: each once, none lost, none too early.</summary>
public sealed class EInvoicingTests : IAsyncLifetime
{
    private static readonly LocalDate s_since = new(2026, 3, 1);

    private readonly string _folder = Directory.CreateTempSubdirectory("dunning-drop-").FullName;
    private readonly ManualTime _time = new();
    private Rig _rig = null!;

    public async Task InitializeAsync()
    {
        _rig = await Rig.NewAsync();
        await _rig.ImportAsync(Enumerable.Range(1, 3).Select(n => (Samples.Account($"a{n}"), Samples.DueToRenew(Rig.Now))));
        await _rig.Book.ClaimAsync(PassKind.Renew, Rig.Now, 10, f => Samples.Renew(f, Rig.Now), default);
    }

    public async Task DisposeAsync()
    {
        await _rig.DisposeAsync();
        if (Directory.Exists(_folder))
        {
            Directory.Delete(_folder, recursive: true);
        }
    }

    [Theory]
    [InlineData(EInvoiceFormat.FacturX, "F-2026-000001.pdf")]
    [InlineData(EInvoiceFormat.Cii, "F-2026-000001.xml")]
    [InlineData(EInvoiceFormat.Ubl, "F-2026-000001.xml")]
    public async Task An_invoice_is_handed_in_once_its_first_charge_is_known(EInvoiceFormat format, string name)
    {
        Assert.Equal(0, (await RunAsync(format)).HandedIn); // the charge is under way: paid or due is not known
        await PayAsync("a1");
        Assert.Equal(1, (await RunAsync(format)).HandedIn);
        var file = Path.Combine(_folder, name);
        Assert.Equal([file], Directory.GetFileSystemEntries(_folder));
        var bytes = await File.ReadAllBytesAsync(file);
        var xml = XDocument.Parse(Encoding.UTF8.GetString(format == EInvoiceFormat.FacturX ? new PdfFile(bytes).Attachment("factur-x.xml") : bytes));
        Assert.Equal(format == EInvoiceFormat.Ubl ? "Invoice" : "CrossIndustryInvoice", xml.Root!.Name.LocalName);
        Assert.Contains("F-2026-000001", xml.ToString());

        File.Delete(file); // as the platform's client does when it has it
        Assert.Equal(0, (await RunAsync(format)).HandedIn);
        Assert.Empty(Directory.GetFileSystemEntries(_folder));
        Assert.Equal("handed_in", await StateAsync(1));
        Assert.Equal(2, await CountAsync("pending"));
    }

    // An outcome that never comes must not keep an invoice from the administration.
    [Fact]
    public async Task An_invoice_waits_a_day_for_its_charge_and_no_longer()
    {
        _time.Advance(TimeSpan.FromHours(23));
        Assert.Equal(0, (await RunAsync()).HandedIn);
        _time.Advance(TimeSpan.FromHours(1));
        Assert.Equal(3, (await RunAsync()).HandedIn);
        var text = new PdfFile(await File.ReadAllBytesAsync(Path.Combine(_folder, "F-2026-000002.pdf"))).AllText;
        Assert.Contains("À payer", text);

        // What was sent while due says so ever after, in every language.
        await PayAsync("a2", _time.GetUtcNow());
        var (facts, _) = await Documents().FactsAsync("a2-1", s_since, "en", default);
        Assert.NotNull(facts.Payment);
        Assert.Null(facts.PaidAtFirst);
    }

    [Fact]
    public async Task A_credit_note_follows_its_invoice()
    {
        await VoidAsync("a1");
        Assert.Equal(2, (await RunAsync(EInvoiceFormat.Cii)).HandedIn);
        Assert.Equal(["A-2026-000001.xml", "F-2026-000001.xml"], Directory.GetFiles(_folder).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        var sheet = await new PostgresInvoices(_rig.Source).ShowAsync("A-2026-000001", default);
        Assert.Equal([("invoice", "handed_in"), ("credit_note", "handed_in")], sheet!.EInvoices.Select(e => (e.Kind, e.State)));
    }

    [Fact]
    public async Task A_folder_that_is_gone_is_tried_again_with_growing_delay_and_never_made()
    {
        await PayAsync("a1");
        Directory.Delete(_folder);
        foreach (var minutes in new[] { 1, 2, 4 })
        {
            var report = await RunAsync();
            Assert.StartsWith("F-2026-000001: ", Assert.Single(report.Faults), StringComparison.Ordinal);
            Assert.Empty((await RunAsync()).Faults); // not before its time
            _time.Advance(TimeSpan.FromMinutes(minutes));
        }
        Assert.False(Directory.Exists(_folder));
        Directory.CreateDirectory(_folder);
        Assert.Equal(1, (await RunAsync()).HandedIn);
        var row = Assert.Single((await new PostgresInvoices(_rig.Source).ShowAsync("F-2026-000001", default))!.EInvoices);
        Assert.Equal((4, null), (row.Tries, row.Fault));
        Assert.Equal(Duration.FromHours(6), Backoff.After(12));
        Assert.Equal(Duration.FromHours(6), Backoff.After(1000));
    }

    [Fact]
    public async Task What_the_standard_cannot_express_is_named_once()
    {
        await using var rig = await Rig.NewAsync();
        var book = new PostgresBook(rig.Source, Rig.Rules, Rig.Seller with { VatNumber = null });
        await rig.ImportAsync((Samples.Account("b"), Samples.DueToRenew(Rig.Now)));
        await book.ClaimAsync(PassKind.Renew, Rig.Now, 10, f => Samples.Renew(f, Rig.Now), default);
        await book.AnswerAsync([new AnswerFor("b", null, f => Samples.Paid(f, Rig.Now))], default);
        var work = new EInvoicing(rig.Source, new FileDrop(_folder, EInvoiceFormat.FacturX), s_since, PostgresDocuments.Open(rig.Source, new DocumentLook(), _time), _time);
        Assert.Equal(["F-2026-000001: EN 16931 asks for the seller's name, city and VAT number"], (await work.RunAsync(default)).Inexpressible);
        Assert.Empty((await work.RunAsync(default)).Inexpressible);
        Assert.Empty(Directory.GetFileSystemEntries(_folder));
        Assert.Contains("third", EInvoiceFacts.FaultOf(DocumentKind.Invoice, DocumentSamples.All["kwd"]), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_was_issued_before_stays_until_the_date_is_set_earlier()
    {
        await PayAsync("a1");
        Assert.Equal(0, (await RunAsync(since: s_since.PlusDays(1))).HandedIn);
        Assert.Equal(0, await _rig.ScalarAsync<long>("select count(*) from dunning.einvoice"));
        Assert.Equal(1, (await RunAsync(since: s_since)).HandedIn);
        Assert.Equal(0, (await RunAsync(since: s_since.PlusDays(1))).HandedIn);
        Assert.Equal(2, await CountAsync("pending"));
    }

    // Two servers, and a death between the platform's yes and our commit: one file, one content.
    [Fact]
    public async Task Servers_share_the_work_and_a_second_time_is_the_same_file()
    {
        foreach (var account in new[] { "a1", "a2", "a3" })
        {
            await PayAsync(account);
        }
        var reports = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => RunAsync()));
        Assert.Equal(3, reports.Sum(r => r.HandedIn));
        var before = await ContentsAsync();
        await _rig.ExecuteAsync("update dunning.einvoice set state = 'pending', settled_at = null, next_try_at = '2026-03-01'");
        Assert.Equal(3, (await RunAsync()).HandedIn);
        Assert.Equal(before, await ContentsAsync());

        async Task<string[]> ContentsAsync() =>
            await Task.WhenAll(Directory.GetFiles(_folder).Order(StringComparer.Ordinal).Select(async f => Path.GetFileName(f) + Convert.ToHexString(await File.ReadAllBytesAsync(f))));
    }

    // A database restored from a backup gives numbers a second time: another document must not take the first one's place.
    [Fact]
    public async Task Another_document_of_that_number_is_left_as_it_is()
    {
        var file = Path.Combine(_folder, "F-2026-000001.pdf");
        await File.WriteAllTextAsync(file, "other");
        await PayAsync("a1");
        Assert.Contains("another content", Assert.Single((await RunAsync()).Faults), StringComparison.Ordinal);
        Assert.Equal("other", await File.ReadAllTextAsync(file));
    }

    private PostgresDocuments Documents() => PostgresDocuments.Open(_rig.Source, new DocumentLook(), _time);

    private Task<EInvoicingReport> RunAsync(EInvoiceFormat format = EInvoiceFormat.FacturX, LocalDate? since = null) =>
        new EInvoicing(_rig.Source, new FileDrop(_folder, format), since ?? s_since, Documents(), _time).RunAsync(default);

    private Task PayAsync(string account, DateTimeOffset? at = null) =>
        _rig.Book.AnswerAsync([new AnswerFor(account, null, f => Samples.Paid(f, at is { } late ? Instant.FromDateTimeOffset(late) : Rig.Now))], default);

    private Task VoidAsync(string account) => _rig.Book.AnswerAsync([new AnswerFor(account, null, f => Samples.Decide(f, Rig.Now, default, a => a with
    {
        LeaseUntil = null, LeaseVersion = 0, Charges = [f.Charges[0] with { State = ChargeState.Failed, Code = "do_not_honor" }],
        Invoices = [f.Invoices[0] with { State = InvoiceState.Voided, SettledAt = Rig.Now }],
    }))], default);

    private Task<string> StateAsync(int number) =>
        _rig.ScalarAsync<string>(FormattableString.Invariant($"select state from dunning.einvoice where (series, number) = ('F', {number})"));

    private Task<long> CountAsync(string state) => _rig.ScalarAsync<long>($"select count(*) from dunning.einvoice where state = '{state}'");
}
