using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace Dunning.Gateways.Webhooks;

/// <summary>
/// The secrets that a gateway may sign deliveries with: several while one is being rotated. Given by a setting, or by a file that is read at each
/// delivery. They never print themselves.
/// </summary>
public sealed class WebhookSecrets
{
    private static readonly char[] s_separators = [',', '\n', '\r', ' ', '\t'];

    private readonly ImmutableArray<string> _given;
    private readonly string? _file;
    private readonly Regex _shape;

    private WebhookSecrets(ImmutableArray<string> given, string? file, Regex shape) => (_given, _file, _shape) = (given, file, shape);

    /// <summary>
    /// Reads <c>WebhookSecret</c> or <c>WebhookSecretFile</c> of a section. Null without a fault: neither is given, and no webhook is taken.
    /// </summary>
    public static (WebhookSecrets? Secrets, string? Fault) Read(string section, string? text, string? file, Regex shape, string example)
    {
        if (text is not null && file is not null)
        {
            return (null, $"{section}WebhookSecret and {section}WebhookSecretFile are both given, but only one of them can count");
        }
        if (text is not null)
        {
            return Find(text, shape) is { IsEmpty: false } given ? (new WebhookSecrets(given, null, shape), null)
                : (null, $"{section}WebhookSecret must be the signing secret of a webhook, or several, parted by commas (its value is not shown), such as {example}");
        }
        if (file is null)
        {
            return (null, null);
        }
        try
        {
            return Find(File.ReadAllText(file), shape).IsEmpty
                ? (null, $"{section}WebhookSecretFile is '{file}', but must be a file with the signing secret of a webhook, or several, one a line, and nothing else, such as {example}")
                : (new WebhookSecrets([], file, shape), null);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            return (null, $"{section}WebhookSecretFile is '{file}', but that file can't be read");
        }
    }

    /// <summary>Whether one of some signatures is the HMAC-SHA256 of a message under one of the secrets; null: the file can't be read now, or holds none.</summary>
    /// <param name="signatures">In hexadecimal.</param>
    /// <param name="prefix">What is signed before the body.</param>
    /// <param name="body">The body as it was sent.</param>
    /// <param name="ct">Ends the wait for the file.</param>
    public async Task<bool?> HaveSignedAsync(IReadOnlyList<string> signatures, ReadOnlyMemory<byte> prefix, ReadOnlyMemory<byte> body, CancellationToken ct)
    {
        var secrets = _file is null ? _given : await ReadFileAsync(_file, ct);
        if (secrets.IsEmpty)
        {
            return null;
        }
        var isSigned = false;
        foreach (var secret in secrets)
        {
            using var hmac = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, Encoding.UTF8.GetBytes(secret));
            hmac.AppendData(prefix.Span);
            hmac.AppendData(body.Span);
            var right = Encoding.ASCII.GetBytes(Convert.ToHexStringLower(hmac.GetHashAndReset()));
            foreach (var signature in signatures)
            {
                // All of them, whichever fits: how long it takes tells nothing.
                isSigned |= CryptographicOperations.FixedTimeEquals(right, Encoding.ASCII.GetBytes(signature));
            }
        }
        return isSigned;
    }

    /// <inheritdoc/>
    public override string ToString() => _file is null ? "…" : _file;

    private async Task<ImmutableArray<string>> ReadFileAsync(string file, CancellationToken ct)
    {
        try
        {
            return Find(await File.ReadAllTextAsync(file, ct), _shape);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    // None where one of them is none: half a list would refuse deliveries without a word.
    private static ImmutableArray<string> Find(string text, Regex shape)
    {
        var given = text.Split(s_separators, StringSplitOptions.RemoveEmptyEntries);
        return given.All(s => shape.IsMatch(s)) ? [.. given] : [];
    }
}
