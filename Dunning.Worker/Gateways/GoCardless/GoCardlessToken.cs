using System.Text.RegularExpressions;

namespace Dunning.Gateways.GoCardless;

/// <summary>An access token of GoCardless. It never prints itself: <see cref="object.ToString"/> tells its mode alone.</summary>
public sealed partial class GoCardlessToken
{
    private readonly string _text;

    private GoCardlessToken(string text) => _text = text;

    /// <summary>It moves real money.</summary>
    public bool IsLive => _text.StartsWith("live_", StringComparison.Ordinal);

    /// <summary>The token in a text, or null when it is none.</summary>
    public static GoCardlessToken? Find(string? text) => text?.Trim() is { } token && Shape().IsMatch(token) ? new GoCardlessToken(token) : null;

    /// <summary>The token in a file, read anew each time, so that it is rotated by writing the file; null when it can't be read or holds none.</summary>
    public static async Task<GoCardlessToken?> ReadAsync(string file, CancellationToken ct)
    {
        try
        {
            return Find(await File.ReadAllTextAsync(file, ct));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>The token itself, for the Authorization header.</summary>
    public string Reveal() => _text;

    /// <inheritdoc/>
    public override string ToString() => IsLive ? "live_…" : "sandbox_…";

    [GeneratedRegex("^(live|sandbox)_[A-Za-z0-9_-]{8,500}$", RegexOptions.CultureInvariant)]
    private static partial Regex Shape();
}
