using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Dunning.Gateways.Sandbox;

/// <summary>
/// A sandbox token and what it makes the gateway do (RULES 11). Counts are of calls on one payment method, from 1.
/// The grammar is exact: what almost looks like a token is none, so that a misspelt one can't turn into a method that always pays.
/// </summary>
/// <param name="Text">The token as it was given.</param>
public abstract record SandboxToken(string Text)
{
    /// <summary>The largest count that a token may carry.</summary>
    public const int MaxCalls = 1_000_000;

    /// <summary>The longest decline code that a token may carry.</summary>
    public const int MaxCodeLength = 100;

    /// <summary>What tokens look like, for whoever mistyped one.</summary>
    public const string Help =
        "sandbox_ok, sandbox_decline_CODE, sandbox_decline_CODE_xN, sandbox_ok_xN_decline_CODE, sandbox_timeout_xN, sandbox_drop_xN, " +
        "sandbox_drop_xN_decline_CODE, sandbox_lost_decline_CODE_xN or sandbox_sca (CODE such as insufficient_funds, N from 1)";

    private const string Prefix = "sandbox_";
    private const string DeclineInfix = "decline_";

    /// <summary>Succeeds.</summary>
    public sealed record Ok(string Text) : SandboxToken(Text);

    /// <summary>Declines the first <paramref name="Calls"/> calls, or every one when null; then succeeds.</summary>
    public sealed record Decline(string Text, string Code, int? Calls) : SandboxToken(Text);

    /// <summary>Succeeds so many times, then always declines.</summary>
    public sealed record OkThenDecline(string Text, int Calls, string Code) : SandboxToken(Text);

    /// <summary>The first calls succeed at the gateway but the answer is lost; later ones succeed.</summary>
    public sealed record Timeout(string Text, int Calls) : SandboxToken(Text);

    /// <summary>The first calls are lost before they reach the gateway; later ones decline with the code, or succeed without one.</summary>
    public sealed record Drop(string Text, int Calls, string? Code) : SandboxToken(Text);

    /// <summary>The first calls decline at the gateway but the answer is lost; later ones succeed.</summary>
    public sealed record LostDecline(string Text, int Calls, string Code) : SandboxToken(Text);

    /// <summary>Declines with <c>authentication_required</c> until the customer has authenticated; then succeeds.</summary>
    public sealed record Sca(string Text) : SandboxToken(Text);

    /// <summary>Whether the text is a sandbox token.</summary>
    public static bool IsToken(string text) => TryParse(text, out _);

    /// <summary>Reads a token. False: it is none.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, [NotNullWhen(true)] out SandboxToken? token)
    {
        token = text is not null && text.StartsWith(Prefix, StringComparison.Ordinal) ? Parse(text, text.AsSpan(Prefix.Length)) : null;
        return token is not null;
    }

    private static SandboxToken? Parse(string text, ReadOnlySpan<char> rest)
    {
        if (rest is "ok")
        {
            return new Ok(text);
        }
        if (rest is "sca")
        {
            return new Sca(text);
        }
        if (After(rest, "timeout_x", out var count))
        {
            return Count(count) is { } calls ? new Timeout(text, calls) : null;
        }
        if (After(rest, "ok_x", out var ok))
        {
            return CountThenDecline(ok, out var calls, out var code) && code is not null ? new OkThenDecline(text, calls, code) : null;
        }
        if (After(rest, "drop_x", out var drop))
        {
            return CountThenDecline(drop, out var calls, out var code) ? new Drop(text, calls, code) : null;
        }
        if (After(rest, "lost_" + DeclineInfix, out var lost))
        {
            return CodeThenCount(lost, out var code, out var calls) && calls is { } n ? new LostDecline(text, n, code) : null;
        }
        if (After(rest, DeclineInfix, out var decline))
        {
            return CodeThenCount(decline, out var code, out var calls) ? new Decline(text, code, calls) : null;
        }
        return null;
    }

    // N, or N_decline_CODE
    private static bool CountThenDecline(ReadOnlySpan<char> rest, out int calls, out string? code)
    {
        var end = rest.IndexOf('_');
        code = null;
        calls = Count(end < 0 ? rest : rest[..end]) ?? 0;
        if (calls == 0 || end < 0)
        {
            return calls > 0;
        }
        return After(rest[(end + 1)..], DeclineInfix, out var text) && CodeThenCount(text, out code, out var second) && second is null;
    }

    // CODE, or CODE_xN. A code that itself ends like a count can't be written: it would be read as one.
    private static bool CodeThenCount(ReadOnlySpan<char> rest, [NotNullWhen(true)] out string? code, out int? calls)
    {
        (code, calls) = (null, null);
        var last = rest.LastIndexOf('_');
        var tail = last < 0 ? default : rest[(last + 1)..];
        if (tail.Length > 1 && tail[0] == 'x' && !tail[1..].ContainsAnyExceptInRange('0', '9'))
        {
            calls = Count(tail[1..]);
            if (calls is null)
            {
                return false;
            }
            rest = rest[..last];
        }
        if (!IsCode(rest))
        {
            return false;
        }
        code = rest.ToString();
        return true;
    }

    private static bool IsCode(ReadOnlySpan<char> text)
    {
        if (text.Length is 0 or > MaxCodeLength || !char.IsAsciiLetterLower(text[0]) || text[^1] == '_'
            || text.Contains("__", StringComparison.Ordinal))
        {
            return false;
        }
        foreach (var c in text)
        {
            if (!char.IsAsciiLetterLower(c) && !char.IsAsciiDigit(c) && c != '_')
            {
                return false;
            }
        }
        return !EndsLikeCount(text);
    }

    private static bool EndsLikeCount(ReadOnlySpan<char> text)
    {
        var tail = text[(text.LastIndexOf('_') + 1)..];
        return tail.Length > 1 && tail[0] == 'x' && !tail[1..].ContainsAnyExceptInRange('0', '9');
    }

    // One way to write each number: no sign, no leading zero.
    private static int? Count(ReadOnlySpan<char> text) =>
        text.Length > 0 && text[0] != '0' && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var n) && n <= MaxCalls
            ? n : null;

    private static bool After(ReadOnlySpan<char> text, string prefix, out ReadOnlySpan<char> rest)
    {
        var matches = text.StartsWith(prefix, StringComparison.Ordinal);
        rest = matches ? text[prefix.Length..] : default;
        return matches;
    }
}
