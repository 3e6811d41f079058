using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Dunning.Tests.Ops.SignIn;

/// <summary>
/// An identity provider on loopback: discovery, keys, a page that lets everyone in at once, tokens by RS256. It checks what a real one checks: client, secret,
/// redirect address, code used once, PKCE. What it says in its tokens a test may change.
/// </summary>
internal sealed class Issuer : IAsyncDisposable
{
    public const string Client = "dunning-ops";
    public const string Secret = "s3cret & more";

    private readonly WebApplication _app;
    private readonly ConcurrentDictionary<string, (string Redirect, string Challenge, string Nonce)> _codes = new(StringComparer.Ordinal);
    private RSA _key = RSA.Create(2048);
    private string _keyId = "one";

    private Issuer(WebApplication app) => _app = app;

    public string Url { get; private set; } = "";

    /// <summary>Changes a token before it is signed.</summary>
    public Action<Dictionary<string, object>> Change { get; set; } = _ => { };

    /// <summary>Signs it; null: as it should.</summary>
    public SigningCredentials? SignedBy { get; set; }

    /// <summary>Says what of the token to hand out; null: the token.</summary>
    public Func<string, string>? Hands { get; set; }

    public TimeProvider Time { get; set; } = TimeProvider.System;

    /// <summary>How a client proves itself, as discovery says it; "none": by PKCE alone.</summary>
    public string Takes { get; init; } = "client_secret_basic";

    /// <summary>What it answers in place of a token; null: the token.</summary>
    public (int Status, string Body)? Breaks { get; set; }

    public int Tokens { get; private set; }

    public static async Task<Issuer> StartAsync(string takes = "client_secret_basic")
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        var issuer = new Issuer(app) { Takes = takes };
        app.MapGet("/.well-known/openid-configuration", () => Results.Json(new Dictionary<string, object>
        {
            ["issuer"] = issuer.Url,
            ["authorization_endpoint"] = issuer.Url + "/authorize",
            ["token_endpoint"] = issuer.Url + "/token",
            ["jwks_uri"] = issuer.Url + "/keys",
            ["token_endpoint_auth_methods_supported"] = new[] { takes },
        }));
        app.MapGet("/keys", () => Results.Json(new { keys = new[] { issuer.PublicKey() } }));
        app.MapGet("/authorize", issuer.Authorize);
        app.MapPost("/token", issuer.TokenAsync);
        await app.StartAsync();
        issuer.Url = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();
        return issuer;
    }

    public SigningCredentials Credentials(RSA key, string id) => new(new RsaSecurityKey(key) { KeyId = id }, SecurityAlgorithms.RsaSha256);

    public string KeyId => _keyId;

    /// <summary>Signs with a new key from now on.</summary>
    public void RollKey() => (_key, _keyId) = (RSA.Create(2048), "two");

    public async ValueTask DisposeAsync() => await _app.DisposeAsync();

    private object PublicKey()
    {
        var key = _key.ExportParameters(includePrivateParameters: false);
        return new { kty = "RSA", use = "sig", alg = "RS256", kid = _keyId, n = WebEncoders.Base64UrlEncode(key.Modulus!), e = WebEncoders.Base64UrlEncode(key.Exponent!) };
    }

    private IResult Authorize(HttpRequest request)
    {
        var query = request.Query;
        if (query["client_id"] != Client || query["response_type"] != "code" || query["code_challenge_method"] != "S256" || query["nonce"].ToString().Length < 20
            || query["state"].ToString().Length < 20 || !query["scope"].ToString().Split(' ').Contains("openid"))
        {
            return Results.BadRequest();
        }
        var code = Guid.NewGuid().ToString("n");
        _codes[code] = (query["redirect_uri"].ToString(), query["code_challenge"].ToString(), query["nonce"].ToString());
        return Results.Redirect(QueryHelpers.AddQueryString(query["redirect_uri"].ToString(), new Dictionary<string, string?> { ["code"] = code, ["state"] = query["state"] }));
    }

    private async Task<IResult> TokenAsync(HttpRequest request)
    {
        Tokens++;
        var form = await request.ReadFormAsync();
        if (Breaks is { } broken)
        {
            return Results.Text(broken.Body, "application/json", statusCode: broken.Status);
        }
        var basic = "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes(Uri.EscapeDataString(Client) + ":" + Uri.EscapeDataString(Secret)));
        var proof = (Takes, request.Headers.Authorization.ToString(), form["client_id"].ToString(), form["client_secret"].ToString());
        if ((proof != ("client_secret_basic", basic, "", "") && proof != ("client_secret_post", "", Client, Secret) && proof != ("none", "", Client, "")) || !_codes.TryRemove(form["code"].ToString(), out var begun) || form["redirect_uri"] != begun.Redirect
            || WebEncoders.Base64UrlEncode(SHA256.HashData(Encoding.ASCII.GetBytes(form["code_verifier"].ToString()))) != begun.Challenge)
        {
            return Results.BadRequest(new { error = "invalid_grant" });
        }
        var now = Time.GetUtcNow();
        var claims = new Dictionary<string, object>
        {
            ["iss"] = Url,
            ["aud"] = Client,
            ["sub"] = "u-1",
            ["nonce"] = begun.Nonce,
            ["iat"] = now.ToUnixTimeSeconds(),
            ["exp"] = now.AddMinutes(5).ToUnixTimeSeconds(),
            ["preferred_username"] = "claire@corp.example",
            ["realm_access"] = new Dictionary<string, object> { ["roles"] = new[] { "staff", "dunning-readers" } },
        };
        Change(claims);
        var token = new JsonWebTokenHandler { SetDefaultTimesOnTokenCreation = false }.CreateToken(
            System.Text.Json.JsonSerializer.Serialize(claims), SignedBy ?? Credentials(_key, _keyId));
        return Results.Json(new Dictionary<string, object> { ["access_token"] = "x", ["token_type"] = "Bearer", ["id_token"] = Hands?.Invoke(token) ?? token });
    }
}
