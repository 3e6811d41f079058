using System.Globalization;
using NodaTime;
using NodaTime.Text;

namespace Dunning.Books;

/// <summary>
/// Reads the fields of one JSON object and notes every fault: names that are unknown or twice at once, the rest as they are asked for.
/// Null from a reading means that the field is absent or that its fault is noted. JSON's <c>null</c> is the same as absent.
/// </summary>
internal sealed class ObjectFields
{
    private static readonly LocalDate FirstDate = new(1970, 1, 1);
    private static readonly LocalDate LastDate = new(2200, 12, 31);
    private static readonly YearMonthPattern Month = YearMonthPattern.CreateWithInvariantCulture("uuuu'-'MM");

    private readonly JsonValue _value;
    private readonly string _prefix;
    private readonly FaultScope _scope;
    private readonly Dictionary<string, JsonValue> _fields = new(StringComparer.Ordinal);

    public ObjectFields(JsonValue value, string path, FaultScope scope, ReadOnlySpan<string> known)
    {
        _value = value;
        _prefix = path.Length == 0 ? "" : path + ".";
        _scope = scope;
        foreach (var (name, member) in value.Members)
        {
            var field = _prefix + Name(name);
            if (!known.Contains(name))
            {
                var nearest = Nearest.To(name, known.ToArray());
                scope.Add(field, null, "is unknown",
                    nearest is null ? $"leave it out; known are {string.Join(", ", known!)}" : $"is {nearest} meant?", member.Offset);
            }
            if (!_fields.TryAdd(name, member))
            {
                scope.Add(field, null, "is there twice", "keep one of them", member.Offset);
            }
        }
    }

    public string Path(string name) => _prefix + name;

    public long OffsetOf(string name) => _fields.TryGetValue(name, out var value) ? value.Offset : _value.Offset;

    public bool Has(string name) => _fields.TryGetValue(name, out var value) && value.Kind != JsonKind.Null;

    /// <summary>Text that must be there.</summary>
    public string? Text(string name, int max, bool mayBeEmpty = false, Func<string, string>? show = null, bool required = true)
    {
        if (Get(name, JsonKind.Text, "text", "\"…\"", required) is not { } value)
        {
            return null;
        }
        if (Shapes.Text(value.Text, max, mayBeEmpty) is { } problem)
        {
            var isEmpty = value.Text.Length == 0;
            Add(name, (show ?? Given.Text)(value.Text), problem,
                isEmpty && required ? "give it" : isEmpty ? "give it, or leave the field out"
                : string.Create(CultureInfo.InvariantCulture, $"up to {max} characters, no control characters"));
            return null;
        }
        return value.Text;
    }

    /// <summary>Text that may be left out.</summary>
    public string? OptionalText(string name, int max, Func<string, string>? show = null) => Text(name, max, show: show, required: false);

    /// <summary>Text of a fixed shape.</summary>
    public string? Shaped(
        string name, int max, Func<string, bool> isOne, string problem, string fix, Func<string, string>? show = null, bool required = true)
    {
        if (Text(name, max, show: show, required: required) is not { } text)
        {
            return null;
        }
        if (isOne(text))
        {
            return text;
        }
        Add(name, (show ?? Given.Text)(text), problem, fix);
        return null;
    }

    /// <summary>One of a few words; -1 when it is absent or none of them.</summary>
    public int Word(string name, ReadOnlySpan<string> words, bool required = true)
    {
        if (Get(name, JsonKind.Text, "text", $"one of {string.Join(", ", words!)}", required) is not { } value)
        {
            return -1;
        }
        var index = words.IndexOf(value.Text);
        if (index < 0)
        {
            Add(name, Given.Text(value.Text), "is unknown", $"one of {string.Join(", ", words!)}");
        }
        return index;
    }

    public long? Whole(string name, long min, long max, bool required = true)
    {
        var fix = string.Create(CultureInfo.InvariantCulture, $"a whole number from {min} to {max}");
        if (Get(name, JsonKind.Number, "a whole number", fix, required) is not { } value)
        {
            return null;
        }
        if (long.TryParse(value.Text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number)
            && number >= min && number <= max)
        {
            return number;
        }
        var isWhole = value.Text.AsSpan().IndexOfAny(".eE") < 0;
        Add(name, Given.Value(value), isWhole ? "is out of range" : "must be a whole number", fix);
        return null;
    }

    public bool? Flag(string name, bool required = false) => Get(name, JsonKind.Bool, "true or false", "true or false", required)?.Bool;

    /// <summary>A calendar date from 1970 to 2200.</summary>
    public LocalDate? Date(string name, bool required = true)
    {
        if (Get(name, JsonKind.Text, "a date", "a date such as \"2026-03-31\"", required) is not { } value)
        {
            return null;
        }
        var parsed = LocalDatePattern.Iso.Parse(value.Text);
        if (!parsed.Success)
        {
            Add(name, Given.Text(value.Text), "is no date of the calendar", "a date such as \"2026-03-31\"");
            return null;
        }
        if (parsed.Value < FirstDate || parsed.Value > LastDate)
        {
            Add(name, Given.Text(value.Text), "is out of range", "a date in the years 1970 to 2200");
            return null;
        }
        return parsed.Value;
    }

    /// <summary>A month such as 2029-06.</summary>
    public YearMonth? OptionalMonth(string name)
    {
        if (Get(name, JsonKind.Text, "a month", "a month such as \"2029-06\"", required: false) is not { } value)
        {
            return null;
        }
        var parsed = Month.Parse(value.Text);
        if (parsed.Success && parsed.Value.Year is >= 1970 and <= 2200)
        {
            return parsed.Value;
        }
        Add(name, Given.Text(value.Text), "is no month of the years 1970 to 2200", "a month such as \"2029-06\"");
        return null;
    }

    public Instant? Instant(string name) =>
        Get(name, JsonKind.Text, "an instant", InstantFix, required: true) is { } value ? ToInstant(value, Path(name), _scope) : null;

    /// <summary>An instant in UTC to the second, in the years 1970 to 2200.</summary>
    public static Instant? ToInstant(JsonValue value, string field, FaultScope scope)
    {
        if (value.Kind != JsonKind.Text)
        {
            scope.AddKind(field, value, "an instant", InstantFix);
            return null;
        }
        var parsed = InstantPattern.General.Parse(value.Text);
        if (!parsed.Success)
        {
            scope.Add(field, Given.Text(value.Text), "is no instant in UTC to the second", InstantFix, value.Offset);
            return null;
        }
        if (parsed.Value.InUtc().Year is < 1970 or > 2200)
        {
            scope.Add(field, Given.Text(value.Text), "is out of range", "an instant in the years 1970 to 2200", value.Offset);
            return null;
        }
        return parsed.Value;
    }

    public JsonValue? Object(string name, bool required = true) => Get(name, JsonKind.Object, "an object", "{\"…\": …}", required);

    /// <summary>The objects of a list, with their paths; elements that are no objects are faults.</summary>
    public IEnumerable<(JsonValue Value, string Path)> Objects(string name)
    {
        if (Get(name, JsonKind.Array, "a list", "a list of objects, [] when there is none", required: true) is not { } list)
        {
            yield break;
        }
        for (var i = 0; i < list.Items.Count; i++)
        {
            var path = string.Create(CultureInfo.InvariantCulture, $"{Path(name)}[{i}]");
            if (list.Items[i].Kind == JsonKind.Object)
            {
                yield return (list.Items[i], path);
            }
            else
            {
                _scope.AddKind(path, list.Items[i], "an object", "{\"…\": …}");
            }
        }
    }

    public JsonValue? Array(string name, bool required) => Get(name, JsonKind.Array, "a list", "[…]", required);

    public void Add(string name, string? given, string problem, string fix) => _scope.Add(Path(name), given, problem, fix, OffsetOf(name));

    private const string InstantFix = "an instant in UTC such as \"2026-03-01T08:00:00Z\"";

    // A name is input, too: shown like a value, but bare when it is a plain one.
    private static string Name(string name) =>
        name.Length is > 0 and <= 40 && name.All(c => char.IsAsciiLetterOrDigit(c) || c == '_') ? name : Given.Text(name);

    private JsonValue? Get(string name, JsonKind kind, string expected, string fix, bool required)
    {
        if (!_fields.TryGetValue(name, out var value) || value.Kind == JsonKind.Null)
        {
            if (required)
            {
                Add(name, null, "is missing", $"give it: {fix}");
            }
            return null;
        }
        if (value.Kind != kind)
        {
            _scope.AddKind(Path(name), value, expected, fix);
            return null;
        }
        return value;
    }
}
