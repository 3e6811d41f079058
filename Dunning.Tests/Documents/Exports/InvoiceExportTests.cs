using System.Text;
using System.Text.Json;
using Dunning.Documents.Exports;
using Dunning.Hosting;
using Dunning.Postgres;

namespace Dunning.Tests.Documents.Exports;

/// <summary>Files for bookkeepers: what a spreadsheet and a script make of them.</summary>
public sealed class InvoiceExportTests
{
    private static readonly LedgerRow s_invoice = new(
        "invoice", "INV", 2026, 42, Utc(2026, 3, 1), new DateOnly(2026, 3, 1), "acme", "Œuvres d’Été SARL", "FR", null, "team-monthly", "acme-1",
        new DateOnly(2026, 3, 1), new DateOnly(2026, 4, 1), 3, "EUR", 1499, 4497, 550, "domestic", 247, 1000, 36, 0, 3780, "paid", Utc(2026, 3, 2), "fr");

    public static TheoryData<string, string> Formulas { get; } = new()
    {
        { "=HYPERLINK(\"https://evil.example\")", "\"'=HYPERLINK(\"\"https://evil.example\"\")\"" }, { "+1", "'+1" }, { "-2+3", "'-2+3" }, { "@SUM(A1)", "'@SUM(A1)" },
        { "  =1", "'  =1" }, { "\t=1", "'\t=1" }, { "＝1", "'＝1" }, { "a;b", "\"a;b\"" }, { "a\nb", "\"a\nb\"" }, { "A \"B\"", "\"A \"\"B\"\"\"" }, { "Peer-Smith = Co", "Peer-Smith = Co" },
        // Opened with another separator, these begin a cell.
        { "a,=1+1", "a,'=1+1" }, { "a; @SUM(A1)", "\"a;' @SUM(A1)\"" }, { "a\t-1", "a\t'-1" }, { "a\n=1", "\"a\n'=1\"" }, { "Smith, Co-op", "Smith, Co-op" },
    };

    [Fact]
    public async Task Csv_opens_right_in_a_french_spreadsheet()
    {
        var (bytes, count) = await CsvAsync(';', s_invoice, Note());
        Assert.Equal(new ExportCount(1, 1), count);
        Assert.Equal([0xEF, 0xBB, 0xBF], bytes[..3]);
        var lines = Encoding.UTF8.GetString(bytes[3..]).Split("\r\n");
        Assert.Equal(4, lines.Length); // the last one ended, too
        Assert.StartsWith("kind;number;issued_on;account;buyer;", lines[0], StringComparison.Ordinal);
        Assert.Equal(
            "invoice;INV-2026-000042;2026-03-01;acme;Œuvres d’Été SARL;FR;;acme-1;team-monthly;2026-03-01;2026-04-01;3;EUR;14,99;44,97;5,50;domestic;2,47;47,44;10,00;0,36;0,00;37,80;paid;2026-03-02T08:00:00Z;",
            lines[1]);
        Assert.Equal(
            "credit_note;CN-2026-000001;2026-03-09;acme;Œuvres d’Été SARL;FR;;acme-1;team-monthly;2026-03-01;2026-04-01;-3;EUR;14,99;-44,97;5,50;domestic;-2,47;-47,44;-10,00;-0,36;0,00;-37,80;;;INV-2026-000042",
            lines[2]);
        Assert.All(lines[..3], l => Assert.Equal(26, l.Split(';').Length));
    }

    [Theory]
    [InlineData(',', "EUR", "14.99")]
    [InlineData('\t', "EUR", "14,99")]
    [InlineData(';', "JPY", "1499")]
    [InlineData(';', "KWD", "1,499")]
    public async Task An_amount_has_its_currencys_digits_and_no_second_separator(char separator, string currency, string written)
    {
        var text = Encoding.UTF8.GetString((await CsvAsync(separator, s_invoice with { Currency = currency })).Bytes);
        Assert.Equal(written, text.Split("\r\n")[1].Split(separator)[13]);
    }

    // A customer names himself: his name must not become a formula in the accountant's spreadsheet.
    [Theory]
    [MemberData(nameof(Formulas))]
    public async Task What_comes_from_outside_is_a_text(string name, string cell)
    {
        var text = Encoding.UTF8.GetString((await CsvAsync(';', s_invoice with { Buyer = name })).Bytes);
        Assert.Contains($";acme;{cell};FR;", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Json_lines_have_amounts_in_minor_units()
    {
        using var file = new MemoryStream();
        await InvoiceExport.JsonLinesAsync(Rows(s_invoice with { Buyer = "\"A\"\nB" }, Note()), file, default);
        var lines = Encoding.UTF8.GetString(file.ToArray()).Split('\n');
        Assert.Equal(3, lines.Length);
        var (invoice, note) = (JsonDocument.Parse(lines[0]).RootElement, JsonDocument.Parse(lines[1]).RootElement);
        Assert.Equal(("\"A\"\nB", 4744, "EUR", 3), (invoice.GetProperty("buyer").GetString(), invoice.GetProperty("total").GetInt64(), invoice.GetProperty("currency").GetString(),
            invoice.GetProperty("quantity").GetInt32()));
        Assert.Equal(("INV-2026-000042", -4744), (note.GetProperty("cancels").GetString(), note.GetProperty("total").GetInt64()));
        Assert.Equal(JsonValueKind.Null, note.GetProperty("state").ValueKind);
    }

    // Last month's export is what the accountant has: a fault half way must not take it.
    [Fact]
    public async Task A_fault_leaves_the_file_that_was_there()
    {
        var folder = Directory.CreateTempSubdirectory("dunning-export-").FullName;
        try
        {
            var path = Path.Combine(folder, "all.csv");
            await File.WriteAllTextAsync(path, "before");
            await Assert.ThrowsAsync<TimeoutException>(() => WholeFile.WriteAsync(path, file => InvoiceExport.CsvAsync(Breaking(), file, ';', default)));
            Assert.Equal("before", await File.ReadAllTextAsync(path));
            Assert.Equal([path], Directory.GetFileSystemEntries(folder));

            await WholeFile.WriteAsync(path, file => InvoiceExport.CsvAsync(Rows(s_invoice), file, ';', default));
            Assert.Contains("INV-2026-000042", await File.ReadAllTextAsync(path));
            Assert.Equal([path], Directory.GetFileSystemEntries(folder));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        static async IAsyncEnumerable<LedgerRow> Breaking()
        {
            for (var i = 0; i < 5000; i++)
            {
                yield return s_invoice;
            }
            await Task.Yield();
            throw new TimeoutException();
        }
    }

    private static LedgerRow Note() => s_invoice with
    {
        Kind = "credit_note", Series = "CN", Count = 1, IssuedOn = new DateOnly(2026, 3, 9), Quantity = -3, Subtotal = -4497, Tax = -247, CreditApplied = -1000, CarriedIn = -36,
        AmountDue = -3780, State = null, SettledAt = null, CancelsSeries = "INV", CancelsYear = 2026, CancelsCount = 42,
    };

    private static DateTime Utc(int year, int month, int day) => new(year, month, day, 8, 0, 0, DateTimeKind.Utc);

    private static async Task<(byte[] Bytes, ExportCount Count)> CsvAsync(char separator, params LedgerRow[] rows)
    {
        using var file = new MemoryStream();
        var count = await InvoiceExport.CsvAsync(Rows(rows), file, separator, default);
        return (file.ToArray(), count);
    }

    private static IAsyncEnumerable<LedgerRow> Rows(params LedgerRow[] rows) => rows.ToAsyncEnumerable();
}
