using System.Globalization;
using System.Text.RegularExpressions;

namespace Dunning.Mail;

/// <summary>Reads what a mail server answered, for operators: the codes, never the words.</summary>
internal static partial class SmtpReply
{
    /// <summary>Such as <c>550 5.1.1 at recipient</c>.</summary>
    /// <param name="code">The reply code.</param>
    /// <param name="words">The server's text; only an enhanced status code (RFC 3463) is taken from it.</param>
    /// <param name="stage">Where in the dialogue.</param>
    public static string Describe(int code, string? words, string stage)
    {
        var enhanced = words is null ? "" : EnhancedCode().Match(words).Value;
        return string.Create(CultureInfo.InvariantCulture, $"{code}{(enhanced.Length > 0 ? " " : "")}{enhanced} at {stage}");
    }

    /// <summary>
    /// Whether the answer to a recipient is a no to them for good. One of security or policy (X.7.X: relaying denied, a login missing) is as a rule about us,
    /// and an operator can mend it.
    /// </summary>
    public static bool IsPermanentForRecipient(int code, string? words) =>
        code is >= 500 and <= 599 && !(words is not null && EnhancedCode().Match(words).Value.StartsWith("5.7.", StringComparison.Ordinal));

    // Not a part of an IP address, which has a fourth number.
    [GeneratedRegex(@"(?<![\d.])[245]\.\d{1,3}\.\d{1,3}(?!\.?\d)", RegexOptions.CultureInvariant)]
    private static partial Regex EnhancedCode();
}
