using System.Collections.Immutable;
using System.Globalization;
using System.Text.RegularExpressions;
using Dunning.Gateways.Webhooks;
using Dunning.Hosting;
using NodaTime;

namespace Dunning.Gateways.Stripe;

/// <summary>Settings of the Stripe gateway. Made by <see cref="Read"/> from configuration keys; every fault is found at once.</summary>
public sealed partial record StripeOptions
{
    private const string Section = "Payments:Stripe:";

    /// <summary>The version of Stripe's API that this program was written against.</summary>
    public const string PinnedApiVersion = "2026-10-28.endive";

    private static readonly ImmutableArray<string> s_keys =
    [
        Section + "SecretKey", Section + "SecretKeyFile", Section + "BaseUrl", Section + "ApiVersion", Section + "StatementDescriptorSuffix",
        Section + "TimeoutSeconds", Section + "Concurrency", Section + "PerSecond", Section + "WebhookSecret", Section + "WebhookSecretFile",
    ];

    /// <summary><c>Payments:Stripe:SecretKey</c>, or what <see cref="KeyFile"/> held at the start.</summary>
    public required StripeKey Key { get; init; }

    /// <summary><c>Payments:Stripe:SecretKeyFile</c>: holds the key instead; read at each request, so that a key is rotated without a restart.</summary>
    public string? KeyFile { get; init; }

    /// <summary><c>Payments:Stripe:BaseUrl</c>. Default https://api.stripe.com.</summary>
    public Uri BaseUrl { get; init; } = new("https://api.stripe.com");

    /// <summary><c>Payments:Stripe:ApiVersion</c>: sent with each request, whatever the account's own is. Default <see cref="PinnedApiVersion"/>.</summary>
    public string ApiVersion { get; init; } = PinnedApiVersion;

    /// <summary><c>Payments:Stripe:StatementDescriptorSuffix</c>: what card statements show after the account's prefix. Default: nothing of ours.</summary>
    public string? StatementDescriptorSuffix { get; init; }

    /// <summary>
    /// <c>Payments:Stripe:TimeoutSeconds</c>: how long one request may take, its answer read to the end. Default 30, at most
    /// <c>Payments:CallTimeoutSeconds</c>, within which a look-up of several pages must end.
    /// </summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary><c>Payments:Stripe:Concurrency</c>: requests under way at once, from this process. Default 50.</summary>
    public int Concurrency { get; init; } = 50;

    /// <summary><c>Payments:Stripe:PerSecond</c>: requests begun a second, from this process. Default 80 with a live key, 20 with a test key.</summary>
    public int PerSecond { get; init; } = 80;

    /// <summary>
    /// <c>Payments:Stripe:WebhookSecret</c> (several, parted by commas, while one is rotated), or <c>WebhookSecretFile</c>, a file that holds them and is read
    /// at each delivery. Null: no webhook is taken.
    /// </summary>
    public WebhookSecrets? WebhookSecrets { get; init; }

    /// <summary>What the database is bound to: a book of test cards never meets a live key.</summary>
    public string Binding => Key.IsLive ? "stripe live" : "stripe test";

    /// <summary>
    /// Reads the keys of <c>Payments:Stripe</c> out of a flat configuration, without case; an empty value is none. Returns the options or every
    /// fault: key, given value (but never a secret), what is allowed.
    /// </summary>
    public static (StripeOptions? Options, ImmutableArray<string> Faults) Read(
        IEnumerable<KeyValuePair<string, string?>> settings, Duration callTimeout)
    {
        var faults = ImmutableArray.CreateBuilder<string>();
        var given = new SortedDictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var (key, value) in settings)
        {
            if (!string.IsNullOrEmpty(value) && key.StartsWith(Section, StringComparison.OrdinalIgnoreCase))
            {
                given[key] = value;
            }
        }
        // A misspelt key is a fault: silently keeping the default would be worse. Its value might be a secret.
        faults.AddRange(given.Keys.Where(k => !s_keys.Contains(k, StringComparer.OrdinalIgnoreCase))
            .Select(k => $"{k} is unknown: the keys are {string.Join(", ", s_keys)}"));

        var file = given.GetValueOrDefault(Section + "SecretKeyFile");
        var secret = Secret(file);
        var url = given.GetValueOrDefault(Section + "BaseUrl") ?? "https://api.stripe.com";
        if (!Uri.TryCreate(url, UriKind.Absolute, out var baseUrl) || !(baseUrl.Scheme == Uri.UriSchemeHttps
            || (baseUrl.Scheme == Uri.UriSchemeHttp && baseUrl.IsLoopback)) || baseUrl.PathAndQuery != "/" || baseUrl.UserInfo.Length > 0)
        {
            faults.Add($"{Section}BaseUrl is '{Shown(url)}', but must be an https address without a path (http for this machine alone), such as https://api.stripe.com");
        }
        var version = given.GetValueOrDefault(Section + "ApiVersion") ?? PinnedApiVersion;
        if (!VersionShape().IsMatch(version))
        {
            faults.Add($"{Section}ApiVersion is '{version}', but must be a version of Stripe's API, such as {PinnedApiVersion}");
        }
        var suffix = given.GetValueOrDefault(Section + "StatementDescriptorSuffix");
        if (suffix is not null && !SuffixShape().IsMatch(suffix))
        {
            faults.Add($"{Section}StatementDescriptorSuffix is '{suffix}', but must be 1 to 10 letters, digits, spaces, dots and hyphens, one of them a letter, such as RENEWAL");
        }
        var (webhookSecrets, webhookFault) = WebhookSecrets.Read(
            Section, given.GetValueOrDefault(Section + "WebhookSecret"), given.GetValueOrDefault(Section + "WebhookSecretFile"), WebhookSecretShape(), "whsec_…");
        if (webhookFault is not null)
        {
            faults.Add(webhookFault);
        }
        // A request that outlived its call's timeout would be cut off there all the same.
        var callSeconds = (int)callTimeout.TotalSeconds;
        var seconds = Number("TimeoutSeconds", Math.Min(30, callSeconds), 1, callSeconds);
        var (concurrency, perSecond) = (Number("Concurrency", 50, 1, 500), Number("PerSecond", secret is { IsLive: true } ? 80 : 20, 1, 1000));
        return faults.Count > 0 ? (null, faults.ToImmutable()) : (new StripeOptions
        {
            Key = secret!,
            KeyFile = file,
            BaseUrl = baseUrl!,
            ApiVersion = version,
            StatementDescriptorSuffix = suffix,
            Timeout = TimeSpan.FromSeconds(seconds),
            Concurrency = concurrency,
            PerSecond = perSecond,
            WebhookSecrets = webhookSecrets,
        }, []);

        StripeKey? Secret(string? keyFile)
        {
            var text = given.GetValueOrDefault(Section + "SecretKey");
            if ((text is null) == (keyFile is null))
            {
                faults.Add(text is null
                    ? $"{Section}SecretKey is missing, but the gateway stripe needs a secret or restricted key there, or the file that holds it in {Section}SecretKeyFile"
                    : $"{Section}SecretKey and {Section}SecretKeyFile are both given, but only one of them can count");
                return null;
            }
            if (keyFile is null)
            {
                if (StripeKey.Find(text) is { } key)
                {
                    return key;
                }
                faults.Add($"{Section}SecretKey must be a secret or restricted key (its value is not shown), such as sk_test_… or rk_live_…");
                return null;
            }
            try
            {
                if (StripeKey.Find(File.ReadAllText(keyFile)) is { } key)
                {
                    return key;
                }
                faults.Add($"{Section}SecretKeyFile is '{keyFile}', but must be a file with a secret or restricted key and nothing else, such as sk_test_… or rk_live_…");
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
            {
                faults.Add($"{Section}SecretKeyFile is '{keyFile}', but that file can't be read");
            }
            return null;
        }

        int Number(string name, int standard, int min, int max) =>
            WholeNumber.Read(given.GetValueOrDefault(Section + name), Section + name, standard, min, max, faults);
    }

    // An address may hold a user and a password: they are no business of a log.
    private static string Shown(string url) => Credentials().Replace(url, "//…@");

    [GeneratedRegex("//[^/]*@", RegexOptions.CultureInvariant)]
    private static partial Regex Credentials();

    [GeneratedRegex(@"^\d{4}-\d{2}-\d{2}(\.[a-z]+)?$", RegexOptions.CultureInvariant)]
    private static partial Regex VersionShape();

    [GeneratedRegex("^whsec_[A-Za-z0-9+/=_-]{8,250}$", RegexOptions.CultureInvariant)]
    private static partial Regex WebhookSecretShape();

    // Ten characters fit beside the longest prefix (10) in the 22 that networks show.
    [GeneratedRegex("^(?=.*[A-Za-z])[A-Za-z0-9 .-]{1,10}$", RegexOptions.CultureInvariant)]
    private static partial Regex SuffixShape();
}
