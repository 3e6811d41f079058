using System.Collections.Immutable;
using System.Globalization;
using System.Text.RegularExpressions;
using Dunning.Gateways.Webhooks;
using Dunning.Options;
using NodaTime;

namespace Dunning.Gateways.Stripe;

/// <summary>Settings of the Stripe gateway. Made by <see cref="Read"/> from configuration keys; every fault is found at once.</summary>
public sealed partial record StripeOptions : IGatewayOptions
{
    private const string Section = "Payments:Stripe:";

    /// <summary>The version of Stripe's API that this program was written against.</summary>
    public const string PinnedApiVersion = "2026-10-28.endive";

    private static readonly ImmutableArray<string> s_keys =
    [
        "SecretKey", "SecretKeyFile", "BaseUrl", "ApiVersion", "StatementDescriptorSuffix", "TimeoutSeconds", "Concurrency", "PerSecond",
        "WebhookSecret", "WebhookSecretFile",
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

    /// <inheritdoc/>
    public bool IsLive => Key.IsLive;

    /// <inheritdoc/>
    public bool TakesWebhooks => WebhookSecrets is not null;

    /// <inheritdoc/>
    public GatewayTraits Traits => StripeGateway.Traits;

    /// <inheritdoc/>
    public string TokenHelp => "a payment method of Stripe, such as pm_1Mr2JgLkdIwHu7ixp0nOTnTo";

    /// <inheritdoc/>
    public string CustomerHelp => "the account's customer at Stripe, such as cus_NffrFeUfNV2Hib";

    /// <inheritdoc/>
    public bool IsToken(string text) => Method().IsMatch(text);

    /// <inheritdoc/>
    public bool IsCustomer(string text) => Customer().IsMatch(text);

    /// <summary>
    /// Reads the keys of <c>Payments:Stripe</c> out of a flat configuration, without case; an empty value is none. Returns the options or every
    /// fault: key, given value (but never a secret), what is allowed.
    /// </summary>
    public static (StripeOptions? Options, ImmutableArray<string> Faults) Read(
        IEnumerable<KeyValuePair<string, string?>> settings, Duration callTimeout)
    {
        var given = new GatewaySection(Section, s_keys, settings);
        var faults = given.Faults;
        var secret = given.Secret("SecretKey", "stripe", "a secret or restricted key", "sk_test_… or rk_live_…", StripeKey.Find);
        var baseUrl = given.BaseUrl("https://api.stripe.com");
        var version = given["ApiVersion"] ?? PinnedApiVersion;
        if (!VersionShape().IsMatch(version))
        {
            faults.Add($"{Section}ApiVersion is '{version}', but must be a version of Stripe's API, such as {PinnedApiVersion}");
        }
        var suffix = given["StatementDescriptorSuffix"];
        if (suffix is not null && !SuffixShape().IsMatch(suffix))
        {
            faults.Add($"{Section}StatementDescriptorSuffix is '{suffix}', but must be 1 to 10 letters, digits, spaces, dots and hyphens, one of them a letter, such as RENEWAL");
        }
        var webhookSecrets = given.WebhookSecrets(WebhookSecretShape(), "whsec_…");
        // A request that outlived its call's timeout would be cut off there all the same.
        var callSeconds = (int)callTimeout.TotalSeconds;
        var seconds = given.Number("TimeoutSeconds", Math.Min(30, callSeconds), 1, callSeconds);
        var (concurrency, perSecond) = (given.Number("Concurrency", 50, 1, 500), given.Number("PerSecond", secret is { IsLive: true } ? 80 : 20, 1, 1000));
        return faults.Count > 0 ? (null, faults.ToImmutable()) : (new StripeOptions
        {
            Key = secret!,
            KeyFile = given["SecretKeyFile"],
            BaseUrl = baseUrl!,
            ApiVersion = version,
            StatementDescriptorSuffix = suffix,
            Timeout = TimeSpan.FromSeconds(seconds),
            Concurrency = concurrency,
            PerSecond = perSecond,
            WebhookSecrets = webhookSecrets,
        }, []);
    }

    // Cards and sources of Stripe's older days can be charged like payment methods.
    [GeneratedRegex("^(pm|card|src)_[A-Za-z0-9_]{1,240}$", RegexOptions.CultureInvariant)]
    private static partial Regex Method();

    [GeneratedRegex("^cus_[A-Za-z0-9_]{1,240}$", RegexOptions.CultureInvariant)]
    private static partial Regex Customer();

    [GeneratedRegex(@"^\d{4}-\d{2}-\d{2}(\.[a-z]+)?$", RegexOptions.CultureInvariant)]
    private static partial Regex VersionShape();

    [GeneratedRegex("^whsec_[A-Za-z0-9+/=_-]{8,250}$", RegexOptions.CultureInvariant)]
    private static partial Regex WebhookSecretShape();

    // Ten characters fit beside the longest prefix (10) in the 22 that networks show.
    [GeneratedRegex("^(?=.*[A-Za-z])[A-Za-z0-9 .-]{1,10}$", RegexOptions.CultureInvariant)]
    private static partial Regex SuffixShape();
}
