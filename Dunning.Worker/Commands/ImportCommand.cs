using System.CommandLine;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Dunning.Books;
using Dunning.Passes;
using Dunning.Postgres;
using Npgsql;

namespace Dunning.Commands;

/// <summary><c>import BOOKDIR</c>: plans, accounts and tax rates into the live book. All or nothing; the same import twice changes nothing.</summary>
internal static class ImportCommand
{
    public static Command Create(CommandContext context)
    {
        var folder = new Argument<string>("BOOKDIR") { Description = "Folder with plans.json and accounts.jsonl; tax.csv there or in the folder above" };
        var allowOverdue = new Option<bool>("--allow-overdue") { Description = "Take subscriptions whose renews_on is past, by at most a period: they renew at once" };
        var skipMissed = new Option<bool>("--skip-missed") { Description = "Start subscriptions that are overdue by more than a period at their next boundary; what lies between is never billed" };
        var json = new Option<bool>("--json") { Description = "The result, or the faults, as JSON" };
        var command = new Command("import",
            """
            Check a book's folder from end to end and take its accounts into the live book. With any fault, all faults are told and nothing changes.

              dunning import books/tour --skip-missed
            """)
        { folder, allowOverdue, skipMissed, json };
        command.SetAction(async (parsed, ct) =>
        {
            await using var live = await context.OpenBookAsync(parsed, ct);
            var importer = new PostgresImporter(live.Database.Source);
            var now = live.Engine.Now();
            var reading = await BookReader.ReadAsync(
                new BookRequest
                {
                    Folder = parsed.GetValue(folder)!,
                    Use = BookUse.Import,
                    Now = now,
                    Settings = live.Settings.Flat.Where(s => s.Key.StartsWith("Dunning:", StringComparison.OrdinalIgnoreCase)),
                    IsToken = live.Settings.Payments.IsToken,
                    TokenHelp = live.Settings.Payments.TokenHelp,
                    IsCustomer = live.Settings.Payments.IsCustomer,
                    CustomerHelp = live.Settings.Payments.CustomerHelp,
                    AllowOverdue = parsed.GetValue(allowOverdue),
                    SkipMissed = parsed.GetValue(skipMissed),
                    IsPresent = async (id, hash) =>
                        (await importer.ExistingHashesAsync([id], ct)).TryGetValue(id, out var known) && known == hash,
                },
                ct);
            if (reading.Book is not { } book)
            {
                return await RefuseAsync(context, [.. reading.Faults.Listed], reading.Faults.Count, parsed.GetValue(json));
            }
            var (present, faults) = await CompareWithBookAsync(book, importer, ct);
            if (faults.Count > 0)
            {
                return await RefuseAsync(context, faults, faults.Count, parsed.GetValue(json));
            }
            var catalog = new PostgresCatalog(live.Database.Source);
            var changed = await catalog.UpsertPlansAsync(book.Catalog.Plans.Values, now, ct);
            await catalog.UpsertTaxRatesAsync(book.Catalog.TaxRates.Values, ct);
            var rules = await live.Engine.RulebookAsync(ct);
            long imported;
            using (var progress = new ProgressLine(context.Error, "import", context.Time))
            {
                imported = present.Count == book.AccountCount ? 0
                    : await importer.ImportAsync(NewAsync(book, present, rules, progress, ct), ct);
            }
            await context.Output.WriteLineAsync(parsed.GetValue(json)
                ? JsonSerializer.Serialize(new { accounts = book.AccountCount, imported, unchanged = present.Count, plans_changed = changed, skipped = book.SkippedCount })
                : string.Create(CultureInfo.InvariantCulture,
                    $"{book.AccountCount} accounts: {imported} imported, {present.Count} there already and unchanged; {changed.Count} plans new or changed; {book.SkippedCount} subscriptions moved to their next boundary"));
            return CommandLine.Ok;
        });
        return command;
    }

    /// <summary>An account that is there already must be identical: changes go by action, never by import (RULES 15).</summary>
    private static async Task<(HashSet<string> Present, List<BookFault> Faults)> CompareWithBookAsync(
        Book book, PostgresImporter importer, CancellationToken ct)
    {
        var present = new HashSet<string>(StringComparer.Ordinal);
        var faults = new List<BookFault>();
        await foreach (var batch in Batches(book.AccountsAsync(ct), 1000, ct))
        {
            var known = await importer.ExistingHashesAsync([.. batch.Select(a => a.File.Id)], ct);
            var owners = await importer.ExistingSubscriptionsAsync([.. batch.SelectMany(a => a.File.Subscriptions).Select(s => s.Id)], ct);
            foreach (var account in batch)
            {
                if (known.TryGetValue(account.File.Id, out var hash))
                {
                    present.Add(account.File.Id);
                    if (hash != account.ContentHash)
                    {
                        faults.Add(new BookFault("accounts.jsonl", account.Line, "id", account.File.Id,
                            hash is null ? "was purged, which is final" : "is in the book already, with other content than this line's",
                            hash is null ? "give a customer who comes back a new id" : "change it by action (dunning act), and leave its line as it was imported"));
                    }
                    continue;
                }
                foreach (var subscription in account.File.Subscriptions)
                {
                    if (owners.TryGetValue(subscription.Id, out var owner))
                    {
                        faults.Add(new BookFault("accounts.jsonl", account.Line, "subscriptions", subscription.Id,
                            $"is a subscription of the account {owner} already", "subscription ids are unique in the whole book"));
                    }
                }
            }
        }
        return (present, faults);
    }

    private static async IAsyncEnumerable<List<InitialAccount>> Batches(
        IAsyncEnumerable<InitialAccount> accounts, int size, [EnumeratorCancellation] CancellationToken ct)
    {
        var batch = new List<InitialAccount>(size);
        await foreach (var account in accounts.WithCancellation(ct))
        {
            batch.Add(account);
            if (batch.Count == size)
            {
                yield return batch;
                batch = new List<InitialAccount>(size);
            }
        }
        if (batch.Count > 0)
        {
            yield return batch;
        }
    }

    private static async IAsyncEnumerable<ImportedAccount> NewAsync(
        Book book, HashSet<string> present, Rulebook rules, ProgressLine progress, [EnumeratorCancellation] CancellationToken ct)
    {
        var seen = 0;
        await foreach (var account in book.AccountsAsync(ct))
        {
            seen++;
            if (seen % 1000 == 0 || seen == book.AccountCount)
            {
                progress.Show((double)seen / book.AccountCount, string.Create(CultureInfo.InvariantCulture, $"{seen} accounts"));
            }
            if (!present.Contains(account.File.Id))
            {
                yield return new ImportedAccount(account.File, Pass.DueOf(account.File, book.KnownAt, rules), account.ContentHash);
            }
        }
    }

    private static async Task<int> RefuseAsync(CommandContext context, IReadOnlyList<BookFault> faults, long count, bool asJson)
    {
        if (asJson)
        {
            await context.Output.WriteLineAsync(JsonSerializer.Serialize(new
            {
                count,
                faults = faults.Select(f => new { file = f.File, line = f.Line, field = f.Field, value = f.Value, problem = f.Problem, fix = f.Fix }),
            }));
        }
        else
        {
            foreach (var fault in faults.Take(BookFaults.DefaultLimit))
            {
                await context.Error.WriteLineAsync(fault.ToString());
            }
        }
        await context.Error.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"{count} faults; nothing was imported"));
        return CommandLine.Wanting;
    }
}
