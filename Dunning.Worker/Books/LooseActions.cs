using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json.Nodes;
using Dunning.Model;
using NodaTime;
using NodaTime.Text;

namespace Dunning.Books;

/// <summary>Actions that are handed in outside a book, or what is wrong with them.</summary>
/// <param name="Actions">In their order.</param>
/// <param name="Faults">None: all of them can be decided.</param>
public sealed record ActionsReading(ImmutableArray<AccountAction> Actions, BookFaults Faults);

/// <summary>Reads actions for the live book by the same checks as a book's <c>actions.jsonl</c>.</summary>
public static class LooseActions
{
    /// <summary>Reads a file of actions.</summary>
    public static async Task<ActionsReading> ReadFileAsync(string path, Func<string, bool> isToken, CancellationToken ct)
    {
        var faults = new BookFaults(BookFaults.DefaultLimit);
        var scope = new FaultScope(faults, Path.GetFileName(path));
        return BookFiles.Open(path, scope) is { } stream
            ? await ReadAsync(stream, scope, faults, isToken, ct) : new ActionsReading([], faults);
    }

    /// <summary>Reads one action from words: numbers and true or false are what they look like.</summary>
    public static async Task<ActionsReading> ReadAsync(
        string account, string what, Instant at, IReadOnlyDictionary<string, string> fields, Func<string, bool> isToken, CancellationToken ct)
    {
        var line = new JsonObject { ["at"] = InstantPattern.General.Format(at), ["account"] = account, ["do"] = what };
        foreach (var (name, text) in fields)
        {
            line[name] = name is "amount" or "days" && long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) ? number
                : name is "value" && bool.TryParse(text, out var flag) ? flag : JsonValue(text);
        }
        if (what == ActionNames.AddContact && !fields.ContainsKey("name"))
        {
            line["name"] = "";
        }
        var faults = new BookFaults(BookFaults.DefaultLimit);
        var stream = new MemoryStream(System.Text.Encoding.UTF8.GetBytes(line.ToJsonString() + "\n"));
        return await ReadAsync(stream, new FaultScope(faults, "act"), faults, isToken, ct);

        static JsonNode? JsonValue(string text) => System.Text.Json.Nodes.JsonValue.Create(text);
    }

    private static async Task<ActionsReading> ReadAsync(
        Stream stream, FaultScope scope, BookFaults faults, Func<string, bool> isToken, CancellationToken ct)
    {
        var actions = await ActionsFile.ReadAsync(stream, scope, isToken, "a token of the gateway", null, ct);
        return new ActionsReading(actions, faults);
    }
}
