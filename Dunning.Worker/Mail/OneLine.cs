using System.Globalization;
using System.Text;

namespace Dunning.Mail;

/// <summary>
/// Text from outside, made fit for a line of a mail. Names of people, accounts and plans are the application's and may hold anything:
/// a line break would be a header of its own, a direction mark could turn the text around it.
/// </summary>
internal static class OneLine
{
    /// <summary>Far more than any name needs; a limit on everything.</summary>
    public const int MaxLength = 200;

    /// <summary>
    /// The text on one line with single spaces, without control and direction characters, at most <see cref="MaxLength"/> long;
    /// null when nothing is left.
    /// </summary>
    public static string? Of(string? text)
    {
        if (text is null)
        {
            return null;
        }
        var line = new StringBuilder();
        foreach (var rune in text.EnumerateRunes()) // a lone surrogate comes as U+FFFD
        {
            var category = Rune.GetUnicodeCategory(rune);
            if (category == UnicodeCategory.Format && rune.Value is not (0x200C or 0x200D)) // those two join letters and emoji
            {
                continue;
            }
            if (category is UnicodeCategory.Control or UnicodeCategory.SpaceSeparator or UnicodeCategory.LineSeparator
                or UnicodeCategory.ParagraphSeparator)
            {
                if (line.Length > 0 && line[^1] != ' ')
                {
                    line.Append(' ');
                }
                continue;
            }
            if (line.Length + rune.Utf16SequenceLength > MaxLength)
            {
                line.Append('…');
                break;
            }
            line.Append(rune.ToString());
        }
        var done = line.ToString().Trim(' ');
        return done.Length == 0 ? null : done;
    }
}
