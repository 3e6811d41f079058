using NodaTime;

namespace Dunning.Books;

/// <summary>Reads a book's expected events.</summary>
public static class ExpectedEvents
{
    /// <summary>
    /// Reads events.jsonl, one by one, into <paramref name="take"/>; those after <paramref name="upTo"/> are checked and left out (a run
    /// may end earlier than its book). Returns what is wrong with the file; the events without fault have been handed over all the same.
    /// </summary>
    public static async Task<BookFaults> ReadAsync(
        string path, Action<ComparableEvent> take, Instant? upTo = null, int maxFaults = BookFaults.DefaultLimit,
        CancellationToken ct = default)
    {
        var faults = new BookFaults(maxFaults);
        var scope = new FaultScope(faults, Path.GetFileName(path));
        if (BookFiles.Open(path, scope) is not { } stream)
        {
            return faults;
        }
        using var lines = new Utf8Lines(stream);
        while (await lines.ReadAsync(ct))
        {
            if (BookFiles.TryParseLine(lines, scope, out var value) && Parse(value!, scope) is { } e && !(e.At > upTo))
            {
                take(e);
            }
        }
        return faults;
    }

    private static ComparableEvent? Parse(JsonValue line, FaultScope scope)
    {
        var before = scope.Count;
        // Other fields may be there too (RULES 10): every name is known, only one that is there twice is a fault.
        var fields = new ObjectFields(line, "", scope, [.. line.Members.Select(m => m.Name)]);
        var at = fields.Instant("at");
        var account = fields.Text("account", Shapes.MaxId);
        var type = fields.Text("type", 100);
        if (type is null)
        {
            return null;
        }
        if (!ComparableEvent.FieldsOf.TryGetValue(type, out var own))
        {
            fields.Add("type", Given.Text(type), "is no event", Nearest.To(type, ComparableEvent.FieldsOf.Keys) is { } nearest
                ? $"is {nearest} meant?" : "one of the types of RULES 10");
            return null;
        }
        foreach (var field in own.Where(f => !fields.Has(f)))
        {
            fields.Add(field, null, "is missing", $"an event {type} has {string.Join(", ", own)}");
        }
        return scope.Count == before ? new ComparableEvent(at!.Value, account!, ComparableEvent.TextOf(type, line, own)) : null;
    }
}
