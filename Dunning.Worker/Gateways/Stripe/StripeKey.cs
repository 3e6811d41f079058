using System.Text.RegularExpressions;

namespace Dunning.Gateways.Stripe;

/// <summary>A secret or restricted API key of Stripe. It never prints itself: <see cref="object.ToString"/> tells its kind alone.</summary>
public sealed partial class StripeKey
{
    // A file that is being written over is empty for a moment.
    private const int MaxReads = 5;
    private static readonly TimeSpan s_betweenReads = TimeSpan.FromMilliseconds(20);

    private readonly string _text;

    private StripeKey(string text) => _text = text;

    /// <summary>It moves real money.</summary>
    public bool IsLive => _text.Contains("_live_", StringComparison.Ordinal);

    /// <summary>The key in a text, or null when it is none (a publishable key is none: it can't charge).</summary>
    public static StripeKey? Find(string? text) => text?.Trim() is { } key && Shape().IsMatch(key) ? new StripeKey(key) : null;

    /// <summary>The key in a file, read anew each time, so that a key is rotated by writing the file; null when it can't be read or holds none.</summary>
    public static async Task<StripeKey?> ReadAsync(string file, CancellationToken ct)
    {
        for (var reads = 1; ; reads++)
        {
            try
            {
                if (Find(await File.ReadAllTextAsync(file, ct)) is { } key)
                {
                    return key;
                }
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Told by its caller, where it stays so.
            }
            if (reads == MaxReads)
            {
                return null;
            }
            await Task.Delay(s_betweenReads, ct);
        }
    }

    /// <summary>The key itself, for the Authorization header.</summary>
    public string Reveal() => _text;

    /// <inheritdoc/>
    public override string ToString() => _text[..8] + "…";

    [GeneratedRegex("^(sk|rk)_(live|test)_[A-Za-z0-9_]{8,500}$", RegexOptions.CultureInvariant)]
    private static partial Regex Shape();
}
