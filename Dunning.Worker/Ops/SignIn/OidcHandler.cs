using System.Net.Http.Headers;
using System.Security.Claims;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.OAuth;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;

namespace Dunning.Ops.SignIn;

/// <summary>
/// The framework's OAuth handler (code flow, PKCE, the browser's cookie) with what OpenID Connect adds to it: discovery, nonce, the ID token. One for each
/// request. What it would have the browser carry under a key that servers share stands in the database instead (<see cref="OidcBegun"/>).
/// </summary>
internal sealed class OidcHandler : OAuthHandler<OAuthOptions>, ISecureDataFormat<AuthenticationProperties>
{
    private const string Nonce = "nonce";

    // The framework's, which keeps it to itself: what names the cookie of this browser.
    private const string Correlation = ".xsrf";

    private readonly Oidc _oidc;
    private readonly OidcBegun _begun;
    private AuthenticationProperties? _properties;
    private string? _state;
    private OpenIdConnectConfiguration? _provider;

    // The framework would log the address with the state, and what the provider says of its reasons. What is worth a line we log ourselves.
    public OidcHandler(Oidc oidc, OidcBegun begun, OAuthOptions options) : base(new Given(options), NullLoggerFactory.Instance, UrlEncoder.Default)
    {
        (_oidc, _begun) = (oidc, begun);
        options.StateDataFormat = this;
    }

    /// <summary>What came of it, as far as it has come.</summary>
    public OidcAnswer Answer { get; private set; } = new OidcAnswer.Refused("state");

    /// <summary>Takes the provider's answer. Handling the request, the framework would go on and sign in by a scheme; sessions are ours.</summary>
    public async Task<OidcAnswer> FinishAsync()
    {
        var cookie = Options.CorrelationCookie.Name!;
        var browsers = Request.Cookies.Keys.Where(n => n.StartsWith(cookie, StringComparison.Ordinal)).Select(n => n[cookie.Length..]).ToList();
        if (await _begun.TakeAsync(Request.Query["state"].ToString(), browsers, Context.RequestAborted) is var (browser, (nonce, verifier, back)))
        {
            _properties = new AuthenticationProperties(new Dictionary<string, string?>(StringComparer.Ordinal)
            {
                [Correlation] = browser,
                [Nonce] = nonce,
                [OAuthConstants.CodeVerifierKey] = verifier,
            })
            { RedirectUri = back };
        }
        await HandleRemoteAuthenticateAsync();
        return Answer;
    }

    string ISecureDataFormat<AuthenticationProperties>.Protect(AuthenticationProperties data) => _state = OidcBegun.Random();

    string ISecureDataFormat<AuthenticationProperties>.Protect(AuthenticationProperties data, string? purpose) => _state = OidcBegun.Random();

    AuthenticationProperties? ISecureDataFormat<AuthenticationProperties>.Unprotect(string? protectedText) => _properties;

    AuthenticationProperties? ISecureDataFormat<AuthenticationProperties>.Unprotect(string? protectedText, string? purpose) => _properties;

    /// <inheritdoc/>
    protected override async Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        if (await _oidc.ProviderAsync(Context.RequestAborted) is not { } provider)
        {
            Answer = new OidcAnswer.Unreachable();
            return;
        }
        Options.AuthorizationEndpoint = provider.AuthorizationEndpoint;
        await base.HandleChallengeAsync(properties);
        Response.StatusCode = StatusCodes.Status303SeeOther;
        var items = properties.Items;
        await _begun.KeepAsync(
            _state!, items[Correlation]!, (items[Nonce]!, items[OAuthConstants.CodeVerifierKey]!, properties.RedirectUri!), Context.Connection.RemoteIpAddress,
            Context.RequestAborted);
    }

    /// <inheritdoc/>
    protected override string BuildChallengeUrl(AuthenticationProperties properties, string redirectUri)
    {
        var nonce = OidcBegun.Random();
        properties.Items[Nonce] = Options.AdditionalAuthorizationParameters[Nonce] = nonce;
        return base.BuildChallengeUrl(properties, _oidc.RedirectUri(Request));
    }

    /// <inheritdoc/>
    protected override bool ValidateCorrelationId(AuthenticationProperties properties)
    {
        if (!base.ValidateCorrelationId(properties))
        {
            return false;
        }
        // Unless it brings a code.
        Answer = new OidcAnswer.Refused("denied");
        return true;
    }

    /// <inheritdoc/>
    protected override async Task<OAuthTokenResponse> ExchangeCodeAsync(OAuthCodeExchangeContext context)
    {
        Answer = new OidcAnswer.Refused("token");
        if ((_provider = await _oidc.ProviderAsync(Context.RequestAborted)) is null)
        {
            return Unreachable();
        }
        // By RFC 9207 an answer may say whose it is: then it must be this one's.
        if (Request.Query["iss"].ToString() is { Length: > 0 } issuer && issuer != _provider.Issuer)
        {
            return OAuthTokenResponse.Failed(new AuthenticationFailureException("another issuer"));
        }
        using var request = TokenRequest(_provider, context);
        try
        {
            using var response = await Backchannel.SendAsync(request, Context.RequestAborted);
            if (response.IsSuccessStatusCode)
            {
                return OAuthTokenResponse.Success(JsonDocument.Parse(await response.Content.ReadAsStringAsync(Context.RequestAborted)));
            }
            _oidc.TellNoToken($"HTTP {(int)response.StatusCode}");
            return (int)response.StatusCode >= 500 ? Unreachable() : OAuthTokenResponse.Failed(new AuthenticationFailureException("no token"));
        }
        catch (Exception e) when (e is HttpRequestException or JsonException or InvalidOperationException
            || (e is OperationCanceledException && !Context.RequestAborted.IsCancellationRequested))
        {
            _oidc.TellNoToken(e.GetType().Name);
            return Unreachable();
        }

        OAuthTokenResponse Unreachable()
        {
            Answer = new OidcAnswer.Unreachable();
            return OAuthTokenResponse.Failed(new AuthenticationFailureException("unreachable"));
        }
    }

    /// <inheritdoc/>
    protected override async Task<AuthenticationTicket> CreateTicketAsync(ClaimsIdentity identity, AuthenticationProperties properties, OAuthTokenResponse tokens)
    {
        var token = tokens.Response!.RootElement.TryGetProperty("id_token", out var given) && given.ValueKind == JsonValueKind.String ? given.GetString()! : "";
        Answer = await _oidc.ValidateAsync(_provider!, token, properties.Items[Nonce]!, Context.RequestAborted) is { } claims
            ? _oidc.Judge(claims, properties.RedirectUri!)
            : new OidcAnswer.Refused("token");
        // It goes nowhere: the answer is what counts.
        return await base.CreateTicketAsync(identity, properties, tokens);
    }

    // The framework's own sends the secret as a field only, while 'basic' is what a provider takes that says nothing of it.
    private HttpRequestMessage TokenRequest(OpenIdConnectConfiguration provider, OAuthCodeExchangeContext context)
    {
        var fields = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["grant_type"] = "authorization_code",
            ["code"] = context.Code,
            ["redirect_uri"] = _oidc.RedirectUri(Request),
            [OAuthConstants.CodeVerifierKey] = context.Properties.Items[OAuthConstants.CodeVerifierKey]!,
        };
        var request = new HttpRequestMessage(HttpMethod.Post, provider.TokenEndpoint);
        var byPost = provider.TokenEndpointAuthMethodsSupported is { Count: > 0 } methods && !methods.Contains("client_secret_basic");
        if (Options.ClientSecret is { } secret && !byPost)
        {
            request.Headers.Authorization = new AuthenticationHeaderValue("Basic",
                Convert.ToBase64String(Encoding.UTF8.GetBytes(Uri.EscapeDataString(Options.ClientId) + ":" + Uri.EscapeDataString(secret))));
        }
        else
        {
            fields["client_id"] = Options.ClientId;
            if (Options.ClientSecret is not null)
            {
                fields["client_secret"] = Options.ClientSecret;
            }
        }
        request.Content = new FormUrlEncodedContent(fields);
        return request;
    }

    private sealed class Given(OAuthOptions options) : IOptionsMonitor<OAuthOptions>
    {
        public OAuthOptions CurrentValue => options;

        public OAuthOptions Get(string? name) => options;

        public IDisposable? OnChange(Action<OAuthOptions, string?> listener) => null;
    }
}
