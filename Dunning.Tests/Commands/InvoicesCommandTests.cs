using System.IO.Compression;
using System.Text.Json;
using Dapper;
using Dunning.Documents.Exports;
using Dunning.Postgres;
using Dunning.Tests.Books;
using Dunning.Tests.Documents;
using Dunning.Tests.Jobs;

namespace Dunning.Tests.Commands;

/// <summary>What was issued, as a person and a bookkeeper ask for it, on a real database.</summary>
[Collection(nameof(ServiceRig))]
public sealed class InvoicesCommandTests : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("dunning-invoices-").FullName;
    private ServiceRig _rig = null!;
    private string _year = "";

    public async Task InitializeAsync()
    {
        _rig = await ServiceRig.NewAsync(3);
        Assert.Equal(0, (await _rig.CommandAsync("pass", "renew")).Code);
        // The account's own: on the last evening of a year it is the next already.
        _year = await _rig.ScalarAsync<string>("select max(year)::text from dunning.invoice");
    }

    public async Task DisposeAsync()
    {
        await _rig.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task The_list_shows_who_owes_what_and_takes_a_filter()
    {
        var lines = await LinesAsync("invoices", "list");
        Assert.Equal(4, lines.Length);
        Assert.Matches($@"^INV-{_year}-000003 +\d{{4}}-\d\d-\d\d +[0-9.]+ EUR +paid +a\d, \d{{4}}-", lines[1]);
        Assert.Equal(2, (await LinesAsync("invoices", "list", "--account", "a2")).Length);
        Assert.Equal(["no such invoice"], await LinesAsync("invoices", "list", "--state", "open"));
        Assert.Equal(["no such invoice"], await LinesAsync("invoices", "list", "--to", "2020-01"));
        Assert.Equal(4, (await LinesAsync("invoices", "list", "--from", _year + "-01", "--to", _year + "-12")).Length);
        Assert.Equal(3, JsonLine(Assert.Single(await LinesAsync("invoices", "list", "--limit", "1", "--json"))).GetProperty("quantity").GetInt32() * 3);
    }

    [Fact]
    public async Task A_voided_invoice_stands_beside_its_credit_note()
    {
        var id = await VoidAsync();
        var lines = await LinesAsync("invoices", "list", "--state", "voided", "--json");
        Assert.Equal(2, lines.Length);
        Assert.Equal(0, lines.Sum(l => JsonLine(l).GetProperty("total").GetInt64()));
        Assert.Contains(lines, l => JsonLine(l).GetProperty("cancels").GetString() == id);

        var text = string.Join('\n', await LinesAsync("invoices", "show", $"CN-{_year}-000001"));
        Assert.Contains($"by the credit note CN-{_year}-000001", text, StringComparison.Ordinal);
        Assert.Equal(0, (await RunAsync("invoices", "pdf", id, "--credit-note", "--out", In("note.pdf"))).Code);
        Assert.Contains($"CN-{_year}-000001", new PdfFile(await File.ReadAllBytesAsync(In("note.pdf"))).AllText);
        Assert.Equal((2, $"dunning: {id} is voided, not paid: it has no receipt"), await RunAsync("invoices", "pdf", id, "--receipt", "--out", In("no.pdf")));
        Assert.False(File.Exists(In("no.pdf")));
    }

    [Fact]
    public async Task An_invoice_is_shown_whole_and_its_documents_are_kept()
    {
        var number = $"INV-{_year}-000001";
        Assert.Equal(0, (await RunAsync("invoices", "pdf", number, "--out", In("first.pdf"))).Code);
        Assert.Equal(0, (await RunAsync("invoices", "pdf", number, "--out", In("again.pdf"))).Code);
        Assert.Equal(await File.ReadAllBytesAsync(In("first.pdf")), await File.ReadAllBytesAsync(In("again.pdf")));
        Assert.Equal(0, (await RunAsync("invoices", "pdf", number, "--receipt", "--locale", "en", "--out", In("receipt.pdf"))).Code);
        Assert.Contains("It is not an invoice.", new PdfFile(await File.ReadAllBytesAsync(In("receipt.pdf"))).AllText);

        var text = string.Join('\n', await LinesAsync("invoices", "show", number));
        foreach (var part in new[] { number, "Atelier SARL, FR", "FR", "20 % (domestic)", "first: succeeded", "invoice               fr, ", "receipt               en, " })
        {
            Assert.Contains(part, text, StringComparison.Ordinal);
        }
        var json = JsonLine(string.Concat(await LinesAsync("invoices", "show", number, "--json")));
        Assert.Equal(number, json.GetProperty("invoice").GetProperty("number").GetString());
        Assert.Equal(2, json.GetProperty("documents").GetArrayLength());
        Assert.DoesNotContain("sandbox_ok", text + json, StringComparison.Ordinal); // a token is nobody's to read
    }

    [Fact]
    public async Task Exports_have_everything_once()
    {
        var voided = await VoidAsync();
        foreach (var (name, args) in new[] { ("all.csv", new[] { "--separator", "," }), ("all.jsonl", []), ("all.zip", []), ("again.zip", []) })
        {
            var (code, error) = await RunAsync(["invoices", "export", "--out", In(name), .. args]);
            Assert.True(code == 0, error);
        }
        var csv = await File.ReadAllLinesAsync(In("all.csv"));
        Assert.Equal(5, csv.Length);
        Assert.Equal(4, (await File.ReadAllLinesAsync(In("all.jsonl"))).Select(l => JsonLine(l).GetProperty("number").GetString()).Distinct().Count());
        using (var zip = ZipFile.OpenRead(In("all.zip")))
        {
            Assert.Equal(csv[1..].Select(l => l.Split(',')[1] + ".pdf"), zip.Entries.Select(e => e.FullName));
            using var pdf = new MemoryStream();
            using (var entry = zip.GetEntry(voided + ".pdf")!.Open())
            {
                await entry.CopyToAsync(pdf);
            }
            Assert.Contains(voided, new PdfFile(pdf.ToArray()).AllText);
        }
        Assert.Equal(await File.ReadAllBytesAsync(In("all.zip")), await File.ReadAllBytesAsync(In("again.zip")));
        Assert.Equal(4, await _rig.ScalarAsync<int>("select count(*) from dunning.document"));
    }

    [Fact]
    public async Task What_is_wrong_is_told_with_its_fix()
    {
        foreach (var (args, words) in new (string[] Args, string Words)[]
        {
            (["list", "--account", "A2"], "there is a2"),
            (["list", "--from", "2026-13"], "--from is '2026-13', but must be a month, such as 2026-01, or a day, such as 2026-01-15"),
            (["list", "--from", "2026-03", "--to", "2026-02"], "--from (2026-03) must not lie after --to (2026-02)"),
            (["list", "--state", "due"], "'open'"),
            (["list", "--limit", "0"], "--limit must be from 1 to 1000000"),
            (["show", $"INV-{_year}-000099"], $"; the last of its series and year is INV-{_year}-000003"),
            (["show", "42"], "with numbers such as INV-2026-000042"),
            (["pdf", $"INV-{_year}-000001", "--receipt", "--credit-note", "--out", In("x.pdf")], "not both"),
            (["pdf", $"INV-{_year}-000001", "--credit-note", "--out", In("x.pdf")], "is paid, not voided: it has no credit note"),
            (["pdf", $"INV-{_year}-000001", "--locale", "de", "--out", In("x.pdf")], "only for en, fr"),
            (["pdf", $"INV-{_year}-000001", "--out", In("nowhere/x.pdf")], "can't be written"),
            (["export", "--out", In("all.xls")], "name --format csv, jsonl or zip"),
            (["export", "--format", "xls", "--out", In("x")], "'csv'"),
        })
        {
            var (code, error) = await RunAsync(["invoices", .. args]);
            Assert.Equal(2, code);
            Assert.Contains(words, error, StringComparison.Ordinal);
        }
        Assert.Empty(Directory.GetFileSystemEntries(_folder));
    }

    private async Task<string> VoidAsync()
    {
        await using var connection = await _rig.Database.Source.OpenConnectionAsync();
        return $"INV-{_year}-" + await connection.ExecuteScalarAsync<string>(
            """
            update dunning.receivable set state = 'voided' where subscription_id = 'a1-1';
            insert into dunning.credit_note select 'CN', year, 1, account_id, subscription_id, period_start, issued_at, issued_on, seller
            from dunning.invoice where subscription_id = 'a1-1';
            select lpad(number::text, 6, '0') from dunning.invoice where subscription_id = 'a1-1';
            """);
    }

    private string In(string name) => Path.Combine(_folder, name);

    private async Task<string[]> LinesAsync(params string[] args)
    {
        var (code, output, error) = await _rig.CommandAsync(args);
        Assert.True(code == 0, error);
        return output.TrimEnd().ReplaceLineEndings("\n").Split('\n');
    }

    private async Task<(int Code, string Error)> RunAsync(params string[] args)
    {
        var (code, _, error) = await _rig.CommandAsync(args);
        return (code, error.Trim());
    }

    private static JsonElement JsonLine(string line) => JsonDocument.Parse(line).RootElement;
}

/// <summary>Ten years of invoices must not fill the memory of who exports them.</summary>
[Collection(nameof(FlatMemoryTests))]
public sealed class InvoiceExportMemoryTests
{
    private const int Invoices = 60_000;

    [Fact]
    public async Task The_heap_does_not_grow_with_the_number_of_invoices()
    {
        await using var rig = await Postgres.Rig.NewAsync();
        await rig.ImportAsync((Postgres.Samples.Account("a"), default));
        await rig.ExecuteAsync(
            $"""
            insert into dunning.invoice select 's' || n, '2026-03-01', '2026-04-01', 'a', 'F', 2026, n, '2026-03-01', '2026-03-01', 'solo', 1, 1, 'EUR', 1499, 1499, 'domestic',
                2000, 300, 0, 1799, 's', jsonb_build_object('name', 'Atelier ' || n, 'country', 'FR') from generate_series(1, {Invoices}) n;
            insert into dunning.receivable (subscription_id, period_start, account_id, state, settled_at, attempts, recharge_due)
            select subscription_id, period_start, account_id, 'paid', issued_at, 1, false from dunning.invoice;
            """);
        await using var file = new MeasuringStream();
        var count = await InvoiceExport.CsvAsync(new PostgresInvoices(rig.Source).ReadAsync(new InvoiceFilter(), latestFirst: false, null, default), file, ';', default);
        Assert.Equal(Invoices, count.Invoices);
        Assert.InRange(file.Heaps.Count, 5, 100);
        // All rows at once would be some 30 MB.
        Assert.InRange(file.Heaps.Max() - file.Heaps[0], 0, 2 << 20);
    }

    private sealed class MeasuringStream : MemoryStream
    {
        private long _written;

        public List<long> Heaps { get; } = [];

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if ((_written += buffer.Length) >> 20 > Heaps.Count)
            {
                Heaps.Add(GC.GetTotalMemory(forceFullCollection: true));
            }
            return ValueTask.CompletedTask;
        }

        public override void Write(ReadOnlySpan<byte> buffer) => _written += buffer.Length;
    }
}
