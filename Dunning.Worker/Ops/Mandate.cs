using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;

namespace Dunning.Ops;

/// <summary>Who acts, and why: what every act of an operator needs (RULES 14). Both are kept for good.</summary>
/// <param name="Operator">The name of the signed-in user, or what <c>--by</c> says; from 1 to <see cref="NameLimit"/> characters.</param>
/// <param name="Reason">For those who read the trail later; nothing personal. From 1 to <see cref="ReasonLimit"/> characters without line breaks.</param>
public sealed record Mandate(string Operator, string Reason)
{
    /// <summary>Characters of a name at most.</summary>
    public const int NameLimit = 100;

    /// <summary>Characters of a reason at most.</summary>
    public const int ReasonLimit = 500;

    /// <summary>Makes one of what was typed; false when either has no text, is too long, or has control characters.</summary>
    public static bool TryMake(string? by, string? reason, [NotNullWhen(true)] out Mandate? mandate)
    {
        mandate = IsText(by, NameLimit) && IsText(reason, ReasonLimit) ? new Mandate(by!.Trim(), reason!.Trim()) : null;
        return mandate is not null;
    }

    /// <summary>Whether a text may stand in the trail: nothing that can't be seen, turns the line around or breaks it, for who reads it must see who it was.</summary>
    public static bool IsText(string? text, int limit) =>
        !string.IsNullOrWhiteSpace(text) && text.Trim().Length <= limit && text.Trim().EnumerateRunes().All(r => r != Rune.ReplacementChar
            && Rune.GetUnicodeCategory(r) is not (UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator));
}
