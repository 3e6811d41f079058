using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Dapper;
using Dunning.Ops.Frame;
using Dunning.Postgres;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Protocols;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;
using Microsoft.IdentityModel.Tokens;
using NodaTime;
using Npgsql;

namespace Dunning.Ops.SignIn;

/// <summary>
/// OpenID Connect's code flow with PKCE, state and nonce (docs/adr/0011). What is to come back stands in the database: whichever server gets the answer knows
/// it, takes it once, and only in the browser that began. Tokens are kept nowhere.
/// </summary>
internal sealed class Oidc : IDisposable
{
    /// <summary>Leads to the provider.</summary>
    public const string StartPath = SignInPages.Path + "/oidc";

    /// <summary>Where the provider leads back to: to be registered there.</summary>
    public const string BackPath = SignInPages.Path + "/callback";

    private const string Cookie = "dunning-oidc";
    private const string SecureCookie = "__Host-dunning-oidc";
    private const int MaxAnswer = 256 * 1024;

    // Strangers may begin: they must not fill the disk.
    private const int MaxBegun = 20_000;

    // Of one address: many people may sit behind it.
    private const int MaxBegunByOne = 100;

    // Long enough to type a password and a second factor.
    private static readonly Duration s_lasts = Duration.FromMinutes(10);
    private static readonly TimeSpan s_skew = TimeSpan.FromMinutes(2);

    private readonly OpsSettings _settings;
    private readonly OidcSettings _oidc;
    private readonly NpgsqlDataSource _source;
    private readonly TimeProvider _time;
    private readonly ILogger<Oidc> _logger;
    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(10), MaxResponseContentBufferSize = MaxAnswer };
    private readonly ConfigurationManager<OpenIdConnectConfiguration> _provider;

    public Oidc(OpsSettings settings, NpgsqlDataSource source, TimeProvider time, ILogger<Oidc> logger)
    {
        (_settings, _oidc, _source, _time, _logger) = (settings, settings.Oidc!, source, time, logger);
        _provider = new ConfigurationManager<OpenIdConnectConfiguration>(
            _oidc.Authority.AbsoluteUri.TrimEnd('/') + "/.well-known/openid-configuration", new OpenIdConnectConfigurationRetriever(),
            new HttpDocumentRetriever(_http) { RequireHttps = _oidc.Authority.Scheme == Uri.UriSchemeHttps });
    }

    /// <summary>Whether so many were begun from there, and did not come back, that it has to wait.</summary>
    public async Task<bool> IsTooManyAsync(IPAddress? address, CancellationToken ct)
    {
        await using var connection = await _source.OpenConnectionAsync(ct);
        return await connection.ExecuteScalarAsync<int>(new CommandDefinition(
            "select count(*)::int from dunning.ops_oidc where address = @address and ends_at > @now",
            new { address = SignInLimits.SubjectOf(address), now = Now().Utc() }, cancellationToken: ct)) >= MaxBegunByOne;
    }

    /// <summary>Begins one: where the browser is to go. Null: the provider does not answer.</summary>
    public async Task<string?> StartAsync(HttpContext http, string back, CancellationToken ct)
    {
        if (await ProviderAsync(ct) is not { } provider)
        {
            return null;
        }
        var (state, nonce, verifier, browser) = (Random(), Random(), Random(), Random());
        var now = Now();
        await using (var connection = await _source.OpenConnectionAsync(ct))
        {
            await connection.ExecuteAsync(new CommandDefinition(
                """
                delete from dunning.ops_oidc where ends_at <= @now;
                delete from dunning.ops_oidc where state_hash in (
                    select state_hash from dunning.ops_oidc order by ends_at limit greatest((select count(*) from dunning.ops_oidc) - @most + 1, 0));
                insert into dunning.ops_oidc (state_hash, browser_hash, nonce, verifier, back, address, ends_at)
                values (@state, @browser, @nonce, @verifier, @back, @address, @ends);
                """,
                new
                {
                    state = HashOf(state),
                    browser = HashOf(browser),
                    nonce,
                    verifier,
                    back,
                    address = SignInLimits.SubjectOf(http.Connection.RemoteIpAddress),
                    now = now.Utc(),
                    ends = (now + s_lasts).Utc(),
                    most = MaxBegun,
                },
                cancellationToken: ct));
        }
        http.Response.Cookies.Append(CookieFor(http.Request), browser, new CookieOptions
        {
            HttpOnly = true,
            Secure = http.Request.IsHttps,
            // The provider leads back from its own site.
            SameSite = SameSiteMode.Lax,
            Path = "/",
            MaxAge = s_lasts.ToTimeSpan(),
        });
        return QueryHelpers.AddQueryString(provider.AuthorizationEndpoint, new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            ["client_id"] = _oidc.ClientId,
            ["response_type"] = "code",
            ["response_mode"] = "query",
            ["scope"] = _oidc.Scopes,
            ["redirect_uri"] = RedirectUri(http.Request),
            ["state"] = state,
            ["nonce"] = nonce,
            ["code_challenge"] = WebEncoders.Base64UrlEncode(HashOf(verifier)),
            ["code_challenge_method"] = "S256",
        });
    }

    /// <summary>Takes the provider's answer.</summary>
    public async Task<OidcAnswer> FinishAsync(HttpContext http, CancellationToken ct)
    {
        var query = http.Request.Query;
        var browser = http.Request.Cookies[CookieFor(http.Request)];
        http.Response.Cookies.Delete(CookieFor(http.Request), new CookieOptions { HttpOnly = true, Secure = http.Request.IsHttps, SameSite = SameSiteMode.Lax, Path = "/" });
        if (query["state"].ToString() is not { Length: > 0 } state || browser is not { Length: > 0 } || await TakeAsync(state, browser, ct) is not { } begun)
        {
            return new OidcAnswer.Refused("state");
        }
        if (query["code"].ToString() is not { Length: > 0 } code)
        {
            // What it says of its reasons is not ours to show: anybody can write a link with it.
            _logger.LogInformation("the identity provider has let somebody not in");
            return new OidcAnswer.Refused("denied");
        }
        if (await ProviderAsync(ct) is not { } provider)
        {
            return new OidcAnswer.Unreachable();
        }
        // By RFC 9207 an answer may say whose it is: then it must be this one's.
        if (query["iss"].ToString() is { Length: > 0 } issuer && issuer != provider.Issuer)
        {
            return new OidcAnswer.Refused("token");
        }
        var (token, isUnreachable) = await RedeemAsync(provider, code, begun.Verifier, RedirectUri(http.Request), ct);
        if (token is null)
        {
            return isUnreachable ? new OidcAnswer.Unreachable() : new OidcAnswer.Refused("token");
        }
        if (await ValidateAsync(provider, token, begun.Nonce, ct) is not { } claims)
        {
            return new OidcAnswer.Refused("token");
        }
        return Judge(claims, begun.Back);
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private OidcAnswer Judge(JsonWebToken claims, string back)
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

    private async Task<Begun?> TakeAsync(string state, string browser, CancellationToken ct)
    {
        await using var connection = await _source.OpenConnectionAsync(ct);
        var begun = await connection.QuerySingleOrDefaultAsync<Begun>(new CommandDefinition(
            "delete from dunning.ops_oidc where state_hash = @state and browser_hash = @browser and ends_at > @now returning nonce, verifier, back",
            new { state = HashOf(state), browser = HashOf(browser), now = Now().Utc() }, cancellationToken: ct));
        return begun;
    }

    private async Task<(string? IdToken, bool IsUnreachable)> RedeemAsync(
        OpenIdConnectConfiguration provider, string code, string verifier, string redirect, CancellationToken ct)
    {
        var fields = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["grant_type"] = "authorization_code",
            ["code"] = code,
            ["redirect_uri"] = redirect,
            ["code_verifier"] = verifier,
        };
        using var request = new HttpRequestMessage(HttpMethod.Post, provider.TokenEndpoint);
        var byPost = provider.TokenEndpointAuthMethodsSupported is { Count: > 0 } methods && !methods.Contains("client_secret_basic");
        if (_oidc.ClientSecret is { } secret && !byPost)
        {
            request.Headers.Authorization = new AuthenticationHeaderValue("Basic",
                Convert.ToBase64String(Encoding.UTF8.GetBytes(Uri.EscapeDataString(_oidc.ClientId) + ":" + Uri.EscapeDataString(secret))));
        }
        else
        {
            fields["client_id"] = _oidc.ClientId;
            if (_oidc.ClientSecret is not null)
            {
                fields["client_secret"] = _oidc.ClientSecret;
            }
        }
        request.Content = new FormUrlEncodedContent(fields);
        try
        {
            using var response = await _http.SendAsync(request, ct);
            if (!response.IsSuccessStatusCode)
            {
                _logger.LogWarning("the identity provider gives no token: HTTP {Status}", (int)response.StatusCode);
                return (null, (int)response.StatusCode >= 500);
            }
            using var answer = JsonDocument.Parse(await response.Content.ReadAsStringAsync(ct));
            return (answer.RootElement.TryGetProperty("id_token", out var token) ? token.GetString() : null, false);
        }
        catch (Exception e) when (e is HttpRequestException or JsonException or InvalidOperationException || (e is OperationCanceledException && !ct.IsCancellationRequested))
        {
            _logger.LogWarning("the identity provider gives no token: {Fault}", e.GetType().Name);
            return (null, true);
        }
    }

    private async Task<JsonWebToken?> ValidateAsync(OpenIdConnectConfiguration provider, string token, string nonce, CancellationToken ct)
    {
        var result = await TryAsync(provider);
        if (result.Exception is SecurityTokenSignatureKeyNotFoundException)
        {
            // It may have a new key since we last asked.
            _provider.RequestRefresh();
            result = await ProviderAsync(ct) is { } anew ? await TryAsync(anew) : result;
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

    // Null: it does not answer, or what it says is not what was configured.
    private async Task<OpenIdConnectConfiguration?> ProviderAsync(CancellationToken ct)
    {
        try
        {
            var provider = await _provider.GetConfigurationAsync(ct);
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

    private string RedirectUri(HttpRequest request) => (_settings.PageAt(BackPath)?.AbsoluteUri) ?? request.Scheme + "://" + request.Host.Value + BackPath;

    private static string CookieFor(HttpRequest request) => request.IsHttps ? SecureCookie : Cookie;

    private static string Random() => WebEncoders.Base64UrlEncode(RandomNumberGenerator.GetBytes(32));

    private static byte[] HashOf(string text) => SHA256.HashData(Encoding.ASCII.GetBytes(text));

    private Instant Now() => Instant.FromDateTimeOffset(_time.GetUtcNow());

    private sealed record Begun(string Nonce, string Verifier, string Back);
}
