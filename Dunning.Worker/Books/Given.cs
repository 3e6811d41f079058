using System.Globalization;
using System.Text;

namespace Dunning.Books;

/// <summary>
/// Shows given values in faults: short, on one line, without what a terminal would obey. Faults end up in logs and tickets, so addresses
/// and tokens are masked; the file, the line and the field find them.
/// </summary>
internal static class Given
{
    private const int MaxShown = 40;

    public static string Text(string text)
    {
        var shown = new StringBuilder("\"");
        var count = 0;
        foreach (var rune in text.EnumerateRunes())
        {
            if (count++ == MaxShown)
            {
                shown.Append('…');
                break;
            }
            if (IsUnprintable(rune))
            {
                shown.Append(CultureInfo.InvariantCulture, $"\\u{rune.Value:x4}");
            }
            else
            {
                shown.Append(rune.ToString());
            }
        }
        return shown.Append('"').ToString();
    }

    public static string Token(string text) =>
        string.Create(CultureInfo.InvariantCulture, $"{Text(Head(text, 12))[..^1]}…\" ({text.Length} characters)");

    public static string Address(string text)
    {
        var at = text.LastIndexOf('@');
        return at < 0 ? Text(Head(text, 1) + "…") : Text(Head(text, Math.Min(1, at)) + "…" + text[at..]);
    }

    public static string Value(JsonValue value) => value.Kind switch
    {
        JsonKind.Text => Text(value.Text),
        JsonKind.Number => value.Text.Length <= MaxShown ? value.Text : value.Text[..MaxShown] + "…",
        JsonKind.Bool => value.Bool ? "true" : "false",
        JsonKind.Null => "null",
        JsonKind.Object => "an object",
        JsonKind.Array => "a list",
        _ => throw new InvalidOperationException($"no such kind: {value.Kind}"),
    };

    /// <summary>Control, format (bidi overrides hide what is there) and line separator characters.</summary>
    public static bool IsUnprintable(Rune rune) => Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.Format
        or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator;

    private static string Head(string text, int length)
    {
        length = Math.Min(length, text.Length);
        if (length > 0 && char.IsHighSurrogate(text[length - 1]))
        {
            length--;
        }
        return text[..length];
    }
}
