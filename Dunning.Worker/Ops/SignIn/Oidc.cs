using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Dunning.Ops.Frame;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.OAuth;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Protocols;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;
using Microsoft.IdentityModel.Tokens;
using Npgsql;

namespace Dunning.Ops.SignIn;

/// <summary>
/// Signing in at an identity provider by OpenID Connect: the framework's handler does the flow (<see cref="OidcHandler"/>), and here is what the provider says
/// and whom it may let in. Our own routes drive the handler, behind the gate, instead of the framework's middleware before it (docs/adr/0011). Tokens are kept
/// nowhere.
/// </summary>
internal sealed class Oidc : IDisposable
{
    /// <summary>Leads to the provider.</summary>
    public const string StartPath = SignInPages.Path + "/oidc";

    /// <summary>Where the provider leads back to: to be registered there.</summary>
    public const string BackPath = SignInPages.Path + "/callback";

    private const string Cookie = "dunning-oidc-";
    private const string SecureCookie = "__Host-dunning-oidc-";
    private const int MaxAnswer = 256 * 1024;

    private static readonly TimeSpan s_skew = TimeSpan.FromMinutes(2);

    private readonly OpsSettings _settings;
    private readonly OidcSettings _oidc;
    private readonly OidcBegun _begun;
    private readonly TimeProvider _time;
    private readonly ILogger<Oidc> _logger;
    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(10), MaxResponseContentBufferSize = MaxAnswer };
    private readonly HttpDocumentRetriever _documents;
    private readonly ConfigurationManager<OpenIdConnectConfiguration> _provider;

    public Oidc(OpsSettings settings, NpgsqlDataSource source, TimeProvider time, ILogger<Oidc> logger)
    {
        (_settings, _oidc, _begun, _time, _logger) = (settings, settings.Oidc!, new OidcBegun(source, time), time, logger);
        _documents = new HttpDocumentRetriever(_http) { RequireHttps = _oidc.Authority.Scheme == Uri.UriSchemeHttps };
        _provider = new ConfigurationManager<OpenIdConnectConfiguration>(
            _oidc.Authority.AbsoluteUri.TrimEnd('/') + "/.well-known/openid-configuration", new OpenIdConnectConfigurationRetriever(), _documents);
    }

    /// <summary>Whether so many were begun from there, and did not come back, that it has to wait.</summary>
    public Task<bool> IsTooManyAsync(HttpContext http) => _begun.IsTooManyAsync(http.Connection.RemoteIpAddress, http.RequestAborted);

    /// <summary>Begins one and leads the browser to the provider. False: that does not answer.</summary>
    public async Task<bool> StartAsync(HttpContext http, string back)
    {
        var handler = await HandlerAsync(http);
        await handler.ChallengeAsync(new AuthenticationProperties { RedirectUri = back });
        return handler.Answer is not OidcAnswer.Unreachable;
    }

    /// <summary>Takes the provider's answer.</summary>
    public async Task<OidcAnswer> FinishAsync(HttpContext http)
    {
        var answer = await (await HandlerAsync(http)).FinishAsync();
        if (answer is OidcAnswer.Refused { Why: "denied" })
        {
            // What it says of its reasons is not ours to show: anybody can write a link with it.
            _logger.LogInformation("the identity provider has let somebody not in");
        }
        return answer;
    }

    /// <summary>Where the provider is to lead back to, as it was registered there.</summary>
    public string RedirectUri(HttpRequest request) => _settings.PageAt(BackPath)?.AbsoluteUri ?? request.Scheme + "://" + request.Host.Value + BackPath;

    /// <summary>Logs why there is no token.</summary>
    public void TellNoToken(string why) => _logger.LogWarning("the identity provider gives no token: {Why}", why);

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private async Task<OidcHandler> HandlerAsync(HttpContext http)
    {
        var options = new OAuthOptions
        {
            ClientId = _oidc.ClientId,
            ClientSecret = _oidc.ClientSecret!,
            CallbackPath = BackPath,
            UsePkce = true,
            Backchannel = _http,
            TimeProvider = _time,
            RemoteAuthenticationTimeout = OidcBegun.Lasts.ToTimeSpan(),
            AdditionalAuthorizationParameters = { ["response_mode"] = "query" },
        };
        foreach (var scope in _oidc.Scopes.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            options.Scope.Add(scope);
        }
        var cookie = options.CorrelationCookie;
        // The provider leads back from its own site.
        (cookie.Name, cookie.Path, cookie.SameSite) = (http.Request.IsHttps ? SecureCookie : Cookie, "/", SameSiteMode.Lax);
        cookie.SecurePolicy = CookieSecurePolicy.SameAsRequest;
        var handler = new OidcHandler(this, _begun, options);
        await handler.InitializeAsync(new AuthenticationScheme("oidc", null, typeof(OidcHandler)), http);
        return handler;
    }

    /// <summary>Who it is by those claims, and what they may do here.</summary>
    public OidcAnswer Judge(JsonWebToken claims, string back)
    {
        var name = claims.TryGetPayloadValue<string>(_oidc.NameClaim, out var given) ? given : null;
        if (!Mandate.IsText(name, Mandate.NameLimit))
        {
            _logger.LogWarning("the identity provider's token has no usable claim {Claim}: see Ops:Oidc:NameClaim", _oidc.NameClaim);
            return new OidcAnswer.Refused("token");
        }
        return _oidc.RoleOf(ValuesOf(claims, _oidc.RoleClaim)) is { } role ? new OidcAnswer.Accepted(name!.Trim(), role, back) : new OidcAnswer.Refused("role");
    }

    // A list, or one text; dots lead into objects, such as realm_access.roles.
    private static IReadOnlyList<string> ValuesOf(JsonWebToken token, string claim)
    {
        using var payload = JsonDocument.Parse(WebEncoders.Base64UrlDecode(token.EncodedPayload));
        var at = payload.RootElement;
        if (!at.TryGetProperty(claim, out var found))
        {
            found = at;
            foreach (var part in claim.Split('.'))
            {
                if (found.ValueKind != JsonValueKind.Object || !found.TryGetProperty(part, out found))
                {
                    return [];
                }
            }
        }
        return found.ValueKind switch
        {
            JsonValueKind.String => [found.GetString()!],
            JsonValueKind.Array => [.. found.EnumerateArray().Where(v => v.ValueKind == JsonValueKind.String).Select(v => v.GetString()!)],
            _ => [],
        };
    }

    /// <summary>The claims of an ID token that this provider made for us and for that nonce, and that is good now. Null: it is none.</summary>
    public async Task<JsonWebToken?> ValidateAsync(OpenIdConnectConfiguration provider, string token, string nonce, CancellationToken ct)
    {
        var result = await TryAsync(provider);
        if (result.Exception is SecurityTokenSignatureKeyNotFoundException)
        {
            // It may have a new key since we last asked. The next to come find it; who is here now is not turned away while it is fetched.
            _provider.RequestRefresh();
            result = await ProviderAsync(ct, isAnew: true) is { } anew ? await TryAsync(anew) : result;
        }
        if (!result.IsValid)
        {
            _logger.LogWarning("the identity provider's token is not valid here: {Fault}", result.Exception?.GetType().Name);
            return null;
        }
        var claims = (JsonWebToken)result.SecurityToken;
        if (!claims.TryGetPayloadValue<string>("nonce", out var said)
            || !CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(said), Encoding.UTF8.GetBytes(nonce)))
        {
            _logger.LogWarning("the identity provider's token is not the one that was asked for: another nonce");
            return null;
        }
        // Of several audiences, the one that it was made for must be us.
        if (claims.Audiences.Count() > 1 && (!claims.TryGetPayloadValue<string>("azp", out var party) || party != _oidc.ClientId))
        {
            _logger.LogWarning("the identity provider's token was made for another party");
            return null;
        }
        return claims;

        Task<TokenValidationResult> TryAsync(OpenIdConnectConfiguration known) => new JsonWebTokenHandler().ValidateTokenAsync(token, new TokenValidationParameters
        {
            ValidIssuer = known.Issuer,
            ValidAudience = _oidc.ClientId,
            IssuerSigningKeys = known.SigningKeys,
            RequireSignedTokens = true,
            RequireExpirationTime = true,
            ValidAlgorithms =
            [
                SecurityAlgorithms.RsaSha256, SecurityAlgorithms.RsaSha384, SecurityAlgorithms.RsaSha512, SecurityAlgorithms.RsaSsaPssSha256,
                SecurityAlgorithms.EcdsaSha256, SecurityAlgorithms.EcdsaSha384, SecurityAlgorithms.EcdsaSha512,
            ],
            // By our clock, not by the machine's: the tests' may be another.
            LifetimeValidator = (from, until, _, _) =>
                until is { } end && end > _time.GetUtcNow().UtcDateTime - s_skew && (from is not { } begin || begin < _time.GetUtcNow().UtcDateTime + s_skew),
        });
    }

    /// <summary>What the provider says of itself. Null: it does not answer, or what it says is not what was configured.</summary>
    public async Task<OpenIdConnectConfiguration?> ProviderAsync(CancellationToken ct, bool isAnew = false)
    {
        try
        {
            var provider = isAnew
                ? await OpenIdConnectConfigurationRetriever.GetAsync(_provider.MetadataAddress, _documents, ct)
                : await _provider.GetConfigurationAsync(ct);
            if (provider.Issuer?.TrimEnd('/') == _oidc.Authority.AbsoluteUri.TrimEnd('/')
                && provider.AuthorizationEndpoint is { Length: > 0 } && provider.TokenEndpoint is { Length: > 0 })
            {
                return provider;
            }
            _logger.LogError("the identity provider at {Authority} calls itself another issuer, or lacks an endpoint: see Ops:Oidc:Authority", _oidc.Authority);
            return null;
        }
        catch (Exception e) when (e is InvalidOperationException or HttpRequestException or IOException or ArgumentException
            || (e is OperationCanceledException && !ct.IsCancellationRequested))
        {
            _logger.LogError("the identity provider at {Authority} can't be asked: {Fault}", _oidc.Authority, e.InnerException?.Message ?? e.Message);
            return null;
        }
    }
}
