using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Dunning.Gateways.Sandbox;

/// <summary>
/// What a sandbox token says about the calls on its payment method (RULES 11). The token is the whole behaviour: the sandbox knows no cards.
/// </summary>
public abstract partial record SandboxToken
{
    /// <summary>The largest count that a token may carry.</summary>
    public const int MaxCalls = 1_000_000;

    /// <summary>The code with which <see cref="Sca"/> declines.</summary>
    public const string AuthenticationRequired = "authentication_required";

    /// <summary>The longest decline code that a token may carry.</summary>
    public const int MaxCodeLength = 100;

    /// <summary>What tokens look like, for whoever mistyped one.</summary>
    public const string Help =
        "sandbox_ok, sandbox_decline_CODE, sandbox_decline_CODE_xN, sandbox_ok_xN_decline_CODE, sandbox_timeout_xN, sandbox_drop_xN, " +
        "sandbox_drop_xN_decline_CODE, sandbox_lost_decline_CODE_xN or sandbox_sca (CODE such as insufficient_funds, N from 1 to 1000000)";

    private SandboxToken()
    {
    }

    /// <summary><c>sandbox_ok</c>: succeeds.</summary>
    public sealed record Ok : SandboxToken;

    /// <summary><c>sandbox_decline_CODE</c>, <c>sandbox_decline_CODE_xN</c>: declines, always or the first calls only.</summary>
    /// <param name="Code">The decline code.</param>
    /// <param name="Calls">N; null: always.</param>
    public sealed record Decline(string Code, int? Calls) : SandboxToken;

    /// <summary><c>sandbox_ok_xN_decline_CODE</c>: succeeds N times, then always declines.</summary>
    public sealed record OkThenDecline(int Calls, string Code) : SandboxToken;

    /// <summary><c>sandbox_timeout_xN</c>: the first N calls succeed at the gateway but the answer is lost; later ones succeed.</summary>
    public sealed record Timeout(int Calls) : SandboxToken;

    /// <summary>
    /// <c>sandbox_drop_xN</c>, <c>sandbox_drop_xN_decline_CODE</c>: the first N calls are lost before they reach the gateway; later ones succeed,
    /// or decline.
    /// </summary>
    /// <param name="Calls">N.</param>
    /// <param name="Code">The later calls' decline code; null: they succeed.</param>
    public sealed record Drop(int Calls, string? Code) : SandboxToken;

    /// <summary>
    /// <c>sandbox_lost_decline_CODE_xN</c>: the first N calls decline at the gateway but the answer is lost; later ones succeed.
    /// </summary>
    public sealed record LostDecline(int Calls, string Code) : SandboxToken;

    /// <summary><c>sandbox_sca</c>: declines with <c>authentication_required</c> until the customer has authenticated; then succeeds.</summary>
    public sealed record Sca : SandboxToken;

    /// <summary>Whether the text is one of the sandbox's tokens.</summary>
    public static bool IsToken([NotNullWhen(true)] string? text) => TryParse(text, out _);

    /// <summary>Reads a token. False: it is not one of the sandbox's.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, [NotNullWhen(true)] out SandboxToken? token)
    {
        token = text is null ? null : Parse(text);
        return token is not null;
    }

    /// <summary>What becomes of a call.</summary>
    /// <param name="callNumber">Its number on its payment method, from 1; replays have none.</param>
    /// <param name="authenticated">Whether the customer has authenticated the method.</param>
    public SandboxFate FateOf(long callNumber, bool authenticated)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(callNumber, 1);
        return this switch
        {
            Ok => SandboxFate.Success,
            Decline decline => decline.Calls is null || callNumber <= decline.Calls ? SandboxFate.DeclineOf(decline.Code) : SandboxFate.Success,
            OkThenDecline ok => callNumber <= ok.Calls ? SandboxFate.Success : SandboxFate.DeclineOf(ok.Code),
            Timeout timeout => callNumber <= timeout.Calls ? SandboxFate.Success with { IsAnswerLost = true } : SandboxFate.Success,
            Drop drop when callNumber <= drop.Calls => SandboxFate.Lost,
            Drop drop => drop.Code is null ? SandboxFate.Success : SandboxFate.DeclineOf(drop.Code),
            LostDecline lost => callNumber <= lost.Calls
                ? SandboxFate.DeclineOf(lost.Code) with { IsAnswerLost = true } : SandboxFate.Success,
            Sca => authenticated ? SandboxFate.Success : SandboxFate.DeclineOf(AuthenticationRequired),
            _ => throw new InvalidOperationException($"no rule for {GetType().Name}"),
        };
    }

    private static SandboxToken? Parse(string text)
    {
        var match = Grammar().Match(text);
        if (!match.Success)
        {
            return null;
        }
        int? calls = null;
        if (match.Groups["n"] is { Success: true } digits)
        {
            // The grammar allows seven digits at most, so that this can't overflow.
            calls = int.Parse(digits.ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture);
            if (calls > MaxCalls)
            {
                return null;
            }
        }
        var code = match.Groups["code"] is { Success: true } letters ? letters.Value : null;
        if (code?.Length > MaxCodeLength)
        {
            return null;
        }
        return match.Groups["kind"].Value switch
        {
            "ok" when calls is null => new Ok(),
            "ok" => new OkThenDecline(calls.Value, code!),
            "decline" => new Decline(code!, calls),
            "timeout" => new Timeout(calls!.Value),
            "drop" => new Drop(calls!.Value, code),
            "lost_decline" => new LostDecline(calls!.Value, code!),
            _ => new Sca(),
        };
    }

    // A code has no digits, so that "_x3" at its end can't be a part of it. \z, not $: that would let a line feed pass.
    [GeneratedRegex(
        """
        \Asandbox_(?:
            (?<kind>ok|sca)
          | (?<kind>decline)_(?<code>[a-z_]+?)(?:_x(?<n>[1-9][0-9]{0,6}))?
          | (?<kind>ok|drop)_x(?<n>[1-9][0-9]{0,6})_decline_(?<code>[a-z_]+)
          | (?<kind>timeout|drop)_x(?<n>[1-9][0-9]{0,6})
          | (?<kind>lost_decline)_(?<code>[a-z_]+?)_x(?<n>[1-9][0-9]{0,6})
        )\z
        """,
        RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture | RegexOptions.IgnorePatternWhitespace)]
    private static partial Regex Grammar();
}

/// <summary>What becomes of one call at the sandbox.</summary>
/// <param name="IsCallLost">It never reached the gateway: no outcome is recorded under its key.</param>
/// <param name="Code">The decline code; null: it succeeds (unless lost).</param>
/// <param name="IsAnswerLost">Its outcome is recorded, but the caller doesn't learn it.</param>
public readonly record struct SandboxFate(bool IsCallLost, string? Code, bool IsAnswerLost)
{
    /// <summary>The money is taken.</summary>
    public static SandboxFate Success { get; } = new(false, null, false);

    /// <summary>It never reaches the gateway.</summary>
    public static SandboxFate Lost { get; } = new(true, null, true);

    /// <summary>The issuer says no.</summary>
    public static SandboxFate DeclineOf(string code) => new(false, code, false);
}
