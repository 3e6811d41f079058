using System.Collections.Immutable;
using System.Globalization;
using Dunning.Model;
using Dunning.Options;
using Dunning.Simulation;
using NodaTime;

namespace Dunning.Books;

/// <summary>
/// Reads a book's folder. Everything is checked before anything is handed on, and every fault is found at once: whoever exports accounts
/// mends all of them in one go, and an import is all or nothing.
/// </summary>
public static class BookReader
{
    private static readonly string[] BookFields = ["from", "to", "tick_minutes", "outages", "settings"];

    private const string TimeZoneData = "Dunning:TimeZoneData";

    // The version with which the books were made; one that was made with another says so in its settings.
    private const string TimeZoneDataOfBooks = "2025b";

    // Keys that the rules read; anything else in a book would be silently without effect.
    private static readonly string[] SettingKeys =
    [
        "Dunning:ChargeAt", "Dunning:PurgeAfterDays", "Dunning:Seller:Country", "Dunning:Seller:TimeZone", "Dunning:AttemptGap",
        TimeZoneData, "Payments:KeyHours", "Payments:CallTimeoutSeconds",
    ];

    /// <summary>Reads and checks the folder.</summary>
    public static async Task<BookReading> ReadAsync(BookRequest request, CancellationToken ct = default)
    {
        var faults = new BookFaults(request.MaxFaults);
        if (!Directory.Exists(request.Folder))
        {
            new FaultScope(faults, request.Folder).AddFile("is no folder", "name a folder with plans.json and accounts.jsonl");
            return new BookReading(null, faults);
        }
        string In(string name) => Path.Combine(request.Folder, name);

        var (span, settings) = await ReadBookAsync(In("book.json"), request.Use, faults, ct);
        var options = ReadOptions(request, settings, faults);
        var tax = await TaxFile.ReadAsync(request.Folder, options?.SellerCountry, faults, ct);
        var plans = await PlansFile.ReadAsync(In("plans.json"), faults, ct);
        var knownAt = request.Use == BookUse.Import
            ? request.Now ?? throw new ArgumentException("an import needs to know what time it is", nameof(request))
            : span?.From;
        var accounts = new AccountsFile(In("accounts.jsonl"), request, plans, tax, options, knownAt);
        var check = await accounts.CheckAsync(faults, ct);
        var actions = await ActionsFile.ReadAsync(In("actions.jsonl"), request, check, faults, ct);
        if (!faults.IsEmpty)
        {
            return new BookReading(null, faults);
        }
        return new BookReading(new Book(accounts)
        {
            Folder = request.Folder,
            Span = span,
            Settings = settings,
            Options = request.Use == BookUse.Simulation ? options!.ForSimulation() : options!,
            Catalog = new Catalog(plans!.Plans, tax!.Rates),
            Actions = actions,
            AccountCount = check!.Count,
            SkippedCount = check.Skipped,
            KnownAt = knownAt!.Value,
        }, faults);
    }

    private static async Task<(SimulationSpan? Span, ImmutableSortedDictionary<string, string> Settings)> ReadBookAsync(
        string path, BookUse use, BookFaults faults, CancellationToken ct)
    {
        var settings = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.OrdinalIgnoreCase);
        if (use == BookUse.Import && !File.Exists(path))
        {
            return (null, settings.ToImmutable());
        }
        var (root, scope) = await BookFiles.ReadJsonAsync(path, faults, ct);
        if (root is null)
        {
            return (null, settings.ToImmutable());
        }
        if (root.Kind != JsonKind.Object)
        {
            scope.Add(null, Given.Value(root), "must be an object", "{\"from\": …, \"to\": …, \"tick_minutes\": 60}");
            return (null, settings.ToImmutable());
        }
        var fields = new ObjectFields(root, "", scope, BookFields);
        var from = fields.Instant("from");
        var to = fields.Instant("to");
        if (to < from)
        {
            fields.Add("to", null, "is before from", "from the first to the last instant of the book");
        }
        var tick = fields.Has("tick_minutes") ? fields.Whole("tick_minutes", 1, 7 * 24 * 60) : 60;
        var outages = ImmutableArray.CreateBuilder<(Instant Start, Instant End)>();
        foreach (var (item, index) in (fields.Array("outages", required: false)?.Items ?? []).Select((item, index) => (item, index)))
        {
            var field = string.Create(CultureInfo.InvariantCulture, $"outages[{index}]");
            if (item.Kind != JsonKind.Array || item.Items.Count != 2)
            {
                scope.AddKind(field, item, "a pair of instants", "[start, end], the end not included");
                continue;
            }
            var start = ObjectFields.ToInstant(item.Items[0], field + "[0]", scope);
            var end = ObjectFields.ToInstant(item.Items[1], field + "[1]", scope);
            if (end <= start)
            {
                scope.Add(field, null, "ends before it has begun", "[start, end], the end not included", item.Offset);
            }
            if (start is { } s && end is { } e)
            {
                outages.Add((s, e));
            }
        }
        ReadSettings(fields.Object("settings", required: false), scope, settings);
        return (from is { } f && to is { } t && tick is { } minutes
            ? new SimulationSpan(f, t, Duration.FromMinutes(minutes), outages.ToImmutable()) : null, settings.ToImmutable());
    }

    private static void ReadSettings(JsonValue? given, FaultScope scope, ImmutableSortedDictionary<string, string>.Builder settings)
    {
        foreach (var (key, value) in given?.Members ?? [])
        {
            var field = $"settings.{(Shapes.Text(key, 100, false) is null ? key : Given.Text(key))}";
            if (!key.StartsWith("Dunning:Steps:", StringComparison.OrdinalIgnoreCase)
                && !SettingKeys.Contains(key, StringComparer.OrdinalIgnoreCase))
            {
                scope.Add(field, null, "is no setting of the rules", Nearest.To(key, SettingKeys) is { } nearest
                    ? $"is {nearest} meant?" : $"known are {string.Join(", ", SettingKeys)} and Dunning:Steps:N:…", value.Offset);
            }
            if (value.Kind is not (JsonKind.Text or JsonKind.Number or JsonKind.Bool))
            {
                scope.AddKind(field, value, "text", "\"…\"");
            }
            else if (!settings.TryAdd(key, value.Kind == JsonKind.Bool ? Given.Value(value) : value.Text))
            {
                scope.Add(field, null, "is there twice", "keep one of them; keys are compared without case", value.Offset);
            }
        }
    }

    private static RuleOptions? ReadOptions(BookRequest request, ImmutableSortedDictionary<string, string> settings, BookFaults faults)
    {
        var all = new Dictionary<string, string?>(StringComparer.OrdinalIgnoreCase);
        foreach (var (key, value) in request.Settings)
        {
            all[key] = value;
        }
        if (request.Use == BookUse.Simulation)
        {
            all[TimeZoneData] = TimeZoneDataOfBooks;
            foreach (var (key, value) in settings)
            {
                all[key] = value;
            }
        }
        var (options, problems) = RuleOptions.Read(all);
        foreach (var problem in problems)
        {
            // The text begins with its key: settings of the book are mended there, the others in the service's configuration.
            var ofBook = request.Use == BookUse.Simulation && !settings.IsEmpty;
            new FaultScope(faults, ofBook ? "book.json" : "configuration").Add("settings", null, problem, "set it as said");
        }
        return options;
    }
}
