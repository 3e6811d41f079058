using System.Globalization;
using System.Text;
using Dunning.Time;

namespace Dunning.Books;

/// <summary>What texts of a book must look like. Each check gives the problem, or null.</summary>
internal static class Shapes
{
    public const int MaxId = 200;
    public const int MaxName = 200;
    public const int MaxToken = 255;
    public const int MaxMailAddress = 254;
    private const int MaxLocalPart = 64;
    private const int MaxLabel = 63;

    /// <summary>Text on one line: not empty (unless allowed), not too long, nothing unprintable.</summary>
    public static string? Text(string text, int max, bool mayBeEmpty)
    {
        if (text.Length == 0)
        {
            return mayBeEmpty ? null : "is empty";
        }
        var count = 0;
        foreach (var rune in text.EnumerateRunes())
        {
            count++;
            // Not format characters: zero-width joiners belong to the orthography of some languages.
            if (Rune.GetUnicodeCategory(rune)
                is UnicodeCategory.Control or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator)
            {
                return string.Create(CultureInfo.InvariantCulture, $"has the control character U+{rune.Value:X4} at character {count}");
            }
        }
        return count <= max ? null : string.Create(CultureInfo.InvariantCulture, $"has {count} characters, more than {max}");
    }

    /// <summary>
    /// A mail address as mail servers take it: one @, a local part without specials, a domain of two labels or more, perhaps in letters
    /// beyond ASCII. Quoted local parts and address literals are legal and in no customer's address.
    /// </summary>
    public static bool IsMailAddress(string text)
    {
        var at = text.IndexOf('@');
        if (at is <= 0 or > MaxLocalPart || at != text.LastIndexOf('@') || text.Length > MaxMailAddress)
        {
            return false;
        }
        var local = text.AsSpan(0, at);
        foreach (var c in local)
        {
            if (char.IsAscii(c) ? !char.IsAsciiLetterOrDigit(c) && !".!#$%&'*+-/=?^_`{|}~".Contains(c) : !IsWordChar(c))
            {
                return false;
            }
        }
        if (local[0] == '.' || local[^1] == '.' || local.Contains("..", StringComparison.Ordinal))
        {
            return false;
        }
        var labels = text[(at + 1)..].Split('.');
        return labels.Length >= 2 && labels.All(IsLabel) && labels[^1].Any(c => !char.IsAsciiDigit(c));
    }

    /// <summary>A language, perhaps with a script and a country: <c>fr</c>, <c>fr-CA</c>, <c>zh-Hant-TW</c>.</summary>
    public static bool IsLocale(string text)
    {
        var parts = text.Split('-');
        var next = 1;
        if (parts[0].Length is not (2 or 3) || !parts[0].All(char.IsAsciiLetterLower))
        {
            return false;
        }
        if (next < parts.Length && parts[next].Length == 4
            && char.IsAsciiLetterUpper(parts[next][0]) && parts[next][1..].All(char.IsAsciiLetterLower))
        {
            next++;
        }
        if (next < parts.Length && (parts[next] is { Length: 2 } country && country.All(char.IsAsciiLetterUpper)
            || parts[next] is { Length: 3 } area && area.All(char.IsAsciiDigit)))
        {
            next++;
        }
        return next == parts.Length;
    }

    /// <summary>Two capital letters.</summary>
    public static bool IsCountry(string text) => text.Length == 2 && text.All(char.IsAsciiLetterUpper);

    /// <summary>An IANA id. "UTC+3" and the like, which the tz library makes up, are none.</summary>
    public static bool IsZone(string text) =>
        LocalClock.IsZone(text) && !(text.StartsWith("UTC", StringComparison.Ordinal) && text.Length > 3);

    private static bool IsLabel(string label) =>
        label.Length is > 0 and <= MaxLabel && label[0] != '-' && label[^1] != '-'
        && label.All(c => char.IsAsciiLetterOrDigit(c) || c == '-' || (!char.IsAscii(c) && IsWordChar(c)));

    // Letters, their marks and digits of any script; surrogates stand for letters beyond the first plane.
    private static bool IsWordChar(char c) => char.GetUnicodeCategory(c)
        is UnicodeCategory.LowercaseLetter or UnicodeCategory.UppercaseLetter or UnicodeCategory.OtherLetter
        or UnicodeCategory.ModifierLetter or UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark
        or UnicodeCategory.DecimalDigitNumber
        or UnicodeCategory.Surrogate;
}
