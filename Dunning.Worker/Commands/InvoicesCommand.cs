using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Dunning.Documents;
using Dunning.Documents.Exports;
using Dunning.Hosting;
using Dunning.Model;
using Dunning.Postgres;

namespace Dunning.Commands;

/// <summary><c>invoices list|show|pdf|export</c>: what was issued, for people and for bookkeeping.</summary>
internal static class InvoicesCommand
{
    private const string Csv = "csv";
    private const string JsonLines = "jsonl";
    private const string Zip = "zip";

    public static Command Create(CommandContext context) => new(
        "invoices",
        """
        Look at invoices and credit notes, and take them out as files.

          dunning invoices list --from 2026-01 --to 2026-03
          dunning invoices show INV-2026-000042
          dunning invoices pdf INV-2026-000042 --out invoice.pdf
          dunning invoices export --from 2026-01 --to 2026-03 --out quarter.csv
        """)
    { List(context), Show(context), Pdf(context), Export(context), HandIn(context) };

    private static Command List(CommandContext context)
    {
        var filter = new InvoiceFilterOptions();
        var limit = CommandLine.LimitOption("At most so many, the latest issued first", 50);
        var json = new Option<bool>("--json") { Description = "One JSON object a line; amounts in minor units, instants in UTC" };
        var command = new Command("list",
            """
            Show invoices and credit notes, the latest issued first. A credit note's amounts are negative. Dates are those of issue, in the seller's zone.

              dunning invoices list --state open
              dunning invoices list --account acme --from 2026-01 --to 2026-03
            """)
        { limit, json };
        Add(command, filter);
        command.SetAction(async (parsed, ct) =>
        {
            var wanted = filter.Read(parsed);
            await using var database = await context.OpenDatabaseAsync(context.ReadSettings(parsed), ct);
            await ShowCommand.CheckAccountAsync(database, wanted.Account, ct);
            var isJson = parsed.GetValue(json);
            var isNone = true;
            await foreach (var row in new PostgresInvoices(database.Source).ReadAsync(wanted, latestFirst: true, parsed.GetValue(limit), ct))
            {
                if (isNone && !isJson)
                {
                    await context.Output.WriteLineAsync($"{"number",-18} {"issued",-10} {"total",18} {"unpaid",18}  {"state",-11} account, period");
                }
                isNone = false;
                await context.Output.WriteLineAsync(isJson ? JsonSerializer.Serialize(InvoiceExport.ToJson(row), InvoiceExport.Json) : ToText(row));
            }
            if (isNone && !isJson)
            {
                await context.Output.WriteLineAsync("no such invoice");
            }
            return CommandLine.Ok;
        });
        return command;
    }

    private static Command Show(CommandContext context)
    {
        var number = NumberArgument();
        var json = new Option<bool>("--json") { Description = "One JSON object: amounts in minor units, instants in UTC" };
        var command = new Command("show",
            """
            Show an invoice whole, by its number or by its credit note's: who sold to whom, what, the tax, what paid it, its attempts and its documents.

              dunning invoices show INV-2026-000042
            """)
        { number, json };
        command.SetAction(async (parsed, ct) =>
        {
            await using var database = await context.OpenDatabaseAsync(context.ReadSettings(parsed), ct);
            var invoices = new PostgresInvoices(database.Source);
            var sheet = await invoices.ShowAsync(parsed.GetValue(number)!, ct) ?? throw await NoneAsync(invoices, database, parsed.GetValue(number)!, ct);
            await context.Output.WriteLineAsync(parsed.GetValue(json) ? InvoiceText.ToJson(sheet) : new InvoiceText(sheet, Paint.For(context.Output)).Write());
            return CommandLine.Ok;
        });
        return command;
    }

    private static Command Pdf(CommandContext context)
    {
        var number = NumberArgument();
        var receipt = new Option<bool>("--receipt") { Description = "The receipt of its payment instead" };
        var note = new Option<bool>("--credit-note") { Description = "The credit note that cancels it instead" };
        var language = new Option<string?>("--locale") { Description = "Its language, such as fr. Default: the account's" };
        var output = new Option<FileInfo>("--out") { Description = "The file", Required = true };
        var command = new Command("pdf",
            """
            Write a document as the customer has it: made once and kept, it is the same file every time.

              dunning invoices pdf INV-2026-000042 --out invoice.pdf
              dunning invoices pdf INV-2026-000042 --receipt --locale en --out receipt.pdf
              dunning invoices pdf CN-2026-000003 --out credit-note.pdf
            """)
        { number, receipt, note, language, output };
        command.SetAction(async (parsed, ct) =>
        {
            var (isReceipt, isNote) = (parsed.GetValue(receipt), parsed.GetValue(note));
            if (isReceipt && isNote)
            {
                throw new CommandException("name --receipt or --credit-note, not both: they are two documents");
            }
            var settings = context.ReadSettings(parsed);
            await using var database = await context.OpenDatabaseAsync(settings, ct);
            var (invoices, which) = (new PostgresInvoices(database.Source), parsed.GetValue(number)!);
            var sheet = await invoices.ShowAsync(which, ct) ?? throw await NoneAsync(invoices, database, which, ct);
            var locale = parsed.GetValue(language) is { } given
                ? MailCommand.LanguageOf(Mail.MailTexts.Load(), given) : sheet.Invoice.Locale;
            var document = await PostgresDocuments.Open(database.Source, settings.Documents.Look, context.Time)
                .FindAsync(which, isReceipt ? DocumentKind.Receipt : isNote ? DocumentKind.CreditNote : null, locale, ct)
                ?? throw new CommandException(isReceipt
                    ? $"{sheet.Invoice.Number} is {AccountWords.Plain(sheet.Invoice.State!)}, not paid: it has no receipt"
                    : $"{sheet.Invoice.Number} is {AccountWords.Plain(sheet.Invoice.State!)}, not voided: it has no credit note");
            var path = parsed.GetValue(output)!.FullName;
            await WriteAsync(path, () => WholeFile.WriteAsync(path, document.Content, ct));
            await context.Output.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"{document.Number}: {document.Content.Length} bytes written to {path}"));
            return CommandLine.Ok;
        });
        return command;
    }

    private static Command Export(CommandContext context)
    {
        var filter = new InvoiceFilterOptions();
        var format = new Option<string?>("--format") { Description = "csv, jsonl or zip (the PDFs). Default: by the file's name" };
        format.AcceptOnlyFromAmong(Csv, JsonLines, Zip);
        var separator = new Option<string>("--separator")
        {
            Description = "What parts the cells of CSV: ';' (with a decimal comma, as French spreadsheets want it), 'tab' (likewise), or ',' (with a decimal point)",
            DefaultValueFactory = _ => ";",
        };
        separator.AcceptOnlyFromAmong(";", ",", "tab");
        var output = new Option<FileInfo>("--out") { Description = "The file; one that is there is replaced once the new one is whole", Required = true };
        var command = new Command("export",
            """
            Write invoices and credit notes into a file, oldest first, as they are at one instant. CSV and JSON Lines have a row for each, a credit
            note's amounts negative; a ZIP has the PDF of each, named by its number, in its account's language. It takes any number of them.

              dunning invoices export --from 2026-01 --to 2026-03 --out quarter.csv
              dunning invoices export --account acme --out acme.zip
            """)
        { format, separator, output };
        Add(command, filter);
        command.SetAction(async (parsed, ct) =>
        {
            var (wanted, path) = (filter.Read(parsed), parsed.GetValue(output)!.FullName);
            var form = parsed.GetValue(format) ?? Path.GetExtension(path).ToLowerInvariant() switch
            {
                ".csv" => Csv,
                ".jsonl" => JsonLines,
                ".zip" => Zip,
                _ => throw new CommandException($"--out is '{path}', whose name tells no format: name --format csv, jsonl or zip"),
            };
            var settings = context.ReadSettings(parsed);
            await using var database = await context.OpenDatabaseAsync(settings, ct);
            await ShowCommand.CheckAccountAsync(database, wanted.Account, ct);
            var rows = new PostgresInvoices(database.Source).ReadAsync(wanted, latestFirst: false, limit: null, ct);
            var parting = parsed.GetValue(separator) is "tab" ? '\t' : parsed.GetValue(separator)![0];
            var count = await WriteAsync(path, () => WholeFile.WriteAsync(path, file => form switch
            {
                Csv => InvoiceExport.CsvAsync(rows, file, parting, ct),
                JsonLines => InvoiceExport.JsonLinesAsync(rows, file, ct),
                _ => InvoiceExport.ZipAsync(rows, file, PostgresDocuments.Open(database.Source, settings.Documents.Look, context.Time), ct),
            }));
            await context.Output.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"{count.Invoices} invoices and {count.CreditNotes} credit notes written to {path}"));
            return CommandLine.Ok;
        });
        return command;
    }

    private static Command HandIn(CommandContext context)
    {
        var command = new Command("hand-in",
            """
            Hand in to the e-invoicing platform now what waits for it, as the service does every minute. Exit code 1 when a document could not be handed
            in, which is tried again, or has no form in EN 16931, which is told once.

              dunning invoices hand-in
            """);
        command.SetAction(async (parsed, ct) =>
        {
            var settings = context.ReadSettings(parsed);
            var eInvoicing = settings.Documents.EInvoicing
                ?? throw new CommandException("Documents:EInvoicing:Drop is not set: documents are handed in nowhere. docs/documents.md tells what to set");
            await using var database = await context.OpenDatabaseAsync(settings, ct);
            var report = await eInvoicing.Open(database.Source, settings.Documents.Look, context.Time).RunAsync(ct);
            foreach (var fault in report.Inexpressible.Concat(report.Faults))
            {
                await context.Error.WriteLineAsync(fault);
            }
            await context.Output.WriteLineAsync(string.Create(CultureInfo.InvariantCulture,
                $"{report.HandedIn} handed in, {report.Faults.Count} to be tried again, {report.Inexpressible.Count} without a form in EN 16931"));
            return report.Faults.Count + report.Inexpressible.Count == 0 ? CommandLine.Ok : CommandLine.Wanting;
        });
        return command;
    }

    private static void Add(Command command, InvoiceFilterOptions filter)
    {
        foreach (var option in filter.All)
        {
            command.Add(option);
        }
    }

    internal static Argument<string> NumberArgument() => new("NUMBER") { Description = "The number on the document, such as INV-2026-000042" };

    internal static async Task<CommandException> NoneAsync(PostgresInvoices invoices, Database database, string number, CancellationToken ct) =>
        new($"there is no invoice or credit note '{number}' in {database.Description}"
            + (await invoices.LastOfSeriesAsync(number, ct) is { } last ? $"; the last of its series and year is {last}"
                : "; 'dunning invoices list' shows the latest, with numbers such as INV-2026-000042"));

    private static async Task<T> WriteAsync<T>(string path, Func<Task<T>> write)
    {
        try
        {
            return await write();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CommandException($"{path} can't be written: {e.Message}");
        }
    }

    private static string ToText(LedgerRow row)
    {
        var currency = Currency.Of(row.Currency);
        return string.Create(CultureInfo.InvariantCulture,
            $"{row.Number,-18} {row.IssuedOn:yyyy-MM-dd} {new Money(row.Total, currency),18} {(row.State == "open" ? new Money(row.AmountDue, currency).ToString() : ""),18}  {row.State ?? "credit note",-11} ")
            + $"{row.Account}, {(row.Cancels is { } cancels ? "cancels " + cancels : string.Create(CultureInfo.InvariantCulture, $"{row.PeriodStart:yyyy-MM-dd} to {row.PeriodEnd.AddDays(-1):yyyy-MM-dd}"))}";
    }
}
