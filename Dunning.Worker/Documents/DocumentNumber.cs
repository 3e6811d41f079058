using System.Globalization;
using System.Text.RegularExpressions;

namespace Dunning.Documents;

/// <summary>How a number without gaps is written: <c>INV-2026-000042</c>. It sorts as it counts, and is a file name everywhere.</summary>
public static partial class DocumentNumber
{
    /// <summary>The number as it stands on the document.</summary>
    public static string Of(string series, int year, long number) => string.Create(CultureInfo.InvariantCulture, $"{series}-{year}-{number:D6}");

    /// <summary>Series, year and count of a number that was written so; null when it was not.</summary>
    public static (string Series, int Year, long Count)? Parse(string number) =>
        Pattern().Match(number) is { Success: true } m
        && long.TryParse(m.Groups[3].Value, NumberStyles.None, CultureInfo.InvariantCulture, out var count)
            ? (m.Groups[1].Value, int.Parse(m.Groups[2].Value, NumberStyles.None, CultureInfo.InvariantCulture), count) : null;

    [GeneratedRegex("^(.{1,200})-([0-9]{4})-([0-9]{1,18})$", RegexOptions.CultureInvariant)]
    private static partial Regex Pattern();
}
