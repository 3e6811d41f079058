using Dunning.Model;

namespace Dunning.Mail;

/// <summary>Which words of a language tell why a payment failed: the table's of a decline code, and our own of an attempt that charged nothing.</summary>
internal static class DeclineWords
{
    /// <summary>Every key that a language needs as <c>reason.KEY</c>.</summary>
    public static IEnumerable<string> Keys =>
        Declines.All.Select(d => d.Words).Concat(["nomethod", "blocked", Declines.PlainWords]).Distinct(StringComparer.Ordinal);

    /// <summary>The key of a code's words.</summary>
    public static string KeyOf(string code) => code switch
    {
        "no_payment_method" => "nomethod",
        "hard_decline" => "blocked",
        _ => Declines.Of(code).Words,
    };
}
