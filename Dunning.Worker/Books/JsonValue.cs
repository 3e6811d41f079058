using System.Text;
using System.Text.Json;

namespace Dunning.Books;

/// <summary>Kind of a JSON value.</summary>
internal enum JsonKind { Object, Array, Text, Number, Bool, Null }

/// <summary>
/// A JSON value with the byte at which it stands, and with every member of an object, repeated ones too: the two things that the checks
/// need and that <see cref="JsonDocument"/> does not tell (a repeated name is silently the last one there, and a value's line is unknown).
/// </summary>
internal sealed class JsonValue
{
    private const int MaxDepth = 16;

    private JsonValue(JsonKind kind, long offset)
    {
        Kind = kind;
        Offset = offset;
    }

    public JsonKind Kind { get; }
    public long Offset { get; }

    /// <summary>Text of a string, digits of a number.</summary>
    public string Text { get; private init; } = "";

    public bool Bool { get; private init; }
    public IReadOnlyList<(string Name, JsonValue Value)> Members { get; private init; } = [];
    public IReadOnlyList<JsonValue> Items { get; private init; } = [];

    /// <summary>Reads exactly one value. Null: the text is broken, at <paramref name="problemAt"/>.</summary>
    public static JsonValue? Parse(ReadOnlySpan<byte> utf8, out string problem, out long problemAt)
    {
        var reader = new Utf8JsonReader(utf8, new JsonReaderOptions { MaxDepth = MaxDepth });
        (problem, problemAt) = ("", 0);
        try
        {
            reader.Read();
            var value = Read(ref reader);
            reader.Read();
            return value;
        }
        catch (JsonException e)
        {
            problem = "is broken JSON: " + Short(e.Message);
        }
        catch (InvalidOperationException)
        {
            // What Utf8JsonReader throws for "\ud800": half of a surrogate pair, which no UTF-8 can hold.
            problem = "has an escape that is half of a character (\\ud800 to \\udfff without its other half)";
        }
        problemAt = Math.Max(reader.TokenStartIndex, reader.BytesConsumed);
        return null;
    }

    private static JsonValue Read(ref Utf8JsonReader reader)
    {
        var offset = reader.TokenStartIndex;
        switch (reader.TokenType)
        {
            case JsonTokenType.StartObject:
                var members = new List<(string, JsonValue)>();
                while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
                {
                    var name = reader.GetString()!;
                    reader.Read();
                    members.Add((name, Read(ref reader)));
                }
                return new JsonValue(JsonKind.Object, offset) { Members = members };
            case JsonTokenType.StartArray:
                var items = new List<JsonValue>();
                while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
                {
                    items.Add(Read(ref reader));
                }
                return new JsonValue(JsonKind.Array, offset) { Items = items };
            case JsonTokenType.String:
                return new JsonValue(JsonKind.Text, offset) { Text = reader.GetString()! };
            case JsonTokenType.Number:
                return new JsonValue(JsonKind.Number, offset) { Text = Encoding.ASCII.GetString(reader.ValueSpan) };
            case JsonTokenType.True:
            case JsonTokenType.False:
                return new JsonValue(JsonKind.Bool, offset) { Bool = reader.TokenType == JsonTokenType.True };
            default:
                return new JsonValue(JsonKind.Null, offset);
        }
    }

    // Without the reader's own "LineNumber: 0 | BytePositionInLine: 5.", which counts from 0 and within the line only.
    private static string Short(string message)
    {
        var end = message.IndexOf(" LineNumber:", StringComparison.Ordinal);
        var text = (end < 0 ? message : message[..end]).TrimEnd('.', ' ');
        return text.Length <= 120 ? text : text[..120] + "…";
    }
}
