using System.Collections.Immutable;
using System.Text.RegularExpressions;
using Dunning.Gateways.Webhooks;
using Dunning.Options;
using NodaTime;

namespace Dunning.Gateways.GoCardless;

/// <summary>Settings of the GoCardless gateway. Made by <see cref="Read"/> from configuration keys; every fault is found at once.</summary>
public sealed partial record GoCardlessOptions : IGatewayOptions
{
    private const string Section = "Payments:GoCardless:";

    /// <summary>The version of GoCardless's API that this program was written against.</summary>
    public const string PinnedApiVersion = "2015-07-06";

    private static readonly ImmutableArray<string> s_keys =
    [
        "AccessToken", "AccessTokenFile", "BaseUrl", "ApiVersion", "TimeoutSeconds", "Concurrency", "PerSecond", "WebhookSecret", "WebhookSecretFile",
    ];

    /// <summary><c>Payments:GoCardless:AccessToken</c>, or what <see cref="TokenFile"/> held at the start.</summary>
    public required GoCardlessToken Token { get; init; }

    /// <summary><c>Payments:GoCardless:AccessTokenFile</c>: holds the token instead; read at each request.</summary>
    public string? TokenFile { get; init; }

    /// <summary><c>Payments:GoCardless:BaseUrl</c>. Default: that of the token's mode.</summary>
    public required Uri BaseUrl { get; init; }

    /// <summary><c>Payments:GoCardless:ApiVersion</c>. Default <see cref="PinnedApiVersion"/>.</summary>
    public string ApiVersion { get; init; } = PinnedApiVersion;

    /// <summary><c>Payments:GoCardless:TimeoutSeconds</c>: for one request. Default 30, at most <c>Payments:CallTimeoutSeconds</c>.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary><c>Payments:GoCardless:Concurrency</c>: requests under way at once, from this process. Default 20.</summary>
    public int Concurrency { get; init; } = 20;

    /// <summary><c>Payments:GoCardless:PerSecond</c>: requests begun a second, from this process. Default 15: GoCardless takes 1,000 a minute.</summary>
    public int PerSecond { get; init; } = 15;

    /// <summary><c>Payments:GoCardless:WebhookSecret</c> or <c>WebhookSecretFile</c>, as with Stripe. Null: no webhook is taken.</summary>
    public WebhookSecrets? WebhookSecrets { get; init; }

    /// <inheritdoc/>
    public string Binding => Token.IsLive ? "gocardless live" : "gocardless sandbox";

    /// <inheritdoc/>
    public bool IsLive => Token.IsLive;

    /// <inheritdoc/>
    public bool TakesWebhooks => WebhookSecrets is not null;

    /// <inheritdoc/>
    public GatewayTraits Traits => GatewayTraits.Any;

    /// <inheritdoc/>
    public string TokenHelp => "a mandate of GoCardless, such as MD000BXQJ3E1T8";

    /// <inheritdoc/>
    public string? CustomerHelp => null;

    /// <inheritdoc/>
    public bool IsToken(string text) => Mandate().IsMatch(text);

    /// <inheritdoc/>
    public bool IsCustomer(string text) => true;

    /// <summary>
    /// Reads the keys of <c>Payments:GoCardless</c> out of a flat configuration, without case; an empty value is none. Returns the options or every
    /// fault: key, given value (but never a secret), what is allowed.
    /// </summary>
    public static (GoCardlessOptions? Options, ImmutableArray<string> Faults) Read(IEnumerable<KeyValuePair<string, string?>> settings, Duration callTimeout)
    {
        var given = new GatewaySection(Section, s_keys, settings);
        var token = given.Secret("AccessToken", "gocardless", "an access token", "live_… or sandbox_…", GoCardlessToken.Find);
        var baseUrl = given.BaseUrl(token is { IsLive: true } ? "https://api.gocardless.com" : "https://api-sandbox.gocardless.com");
        var version = given["ApiVersion"] ?? PinnedApiVersion;
        if (!VersionShape().IsMatch(version))
        {
            given.Faults.Add($"{Section}ApiVersion is '{version}', but must be a version of GoCardless's API, such as {PinnedApiVersion}");
        }
        var callSeconds = (int)callTimeout.TotalSeconds;
        var seconds = given.Number("TimeoutSeconds", Math.Min(30, callSeconds), 1, callSeconds);
        var (concurrency, perSecond) = (given.Number("Concurrency", 20, 1, 500), given.Number("PerSecond", 15, 1, 1000));
        var webhookSecrets = given.WebhookSecrets(SecretShape(), "the one that GoCardless shows with the endpoint");
        return given.Faults.Count > 0 ? (null, given.Faults.ToImmutable()) : (new GoCardlessOptions
        {
            Token = token!,
            TokenFile = given["AccessTokenFile"],
            BaseUrl = baseUrl!,
            ApiVersion = version,
            Timeout = TimeSpan.FromSeconds(seconds),
            Concurrency = concurrency,
            PerSecond = perSecond,
            WebhookSecrets = webhookSecrets,
        }, []);
    }

    [GeneratedRegex("^MD[A-Za-z0-9]{1,60}$", RegexOptions.CultureInvariant)]
    private static partial Regex Mandate();

    [GeneratedRegex(@"^\d{4}-\d{2}-\d{2}$", RegexOptions.CultureInvariant)]
    private static partial Regex VersionShape();

    [GeneratedRegex("^[A-Za-z0-9_-]{16,250}$", RegexOptions.CultureInvariant)]
    private static partial Regex SecretShape();
}
