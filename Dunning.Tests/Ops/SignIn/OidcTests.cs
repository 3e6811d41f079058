using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using Dunning.Ops.Frame;
using Dunning.Ops.SignIn;
using Dunning.Ops.Signals;
using Dunning.Tests.Jobs;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.IdentityModel.Tokens;

namespace Dunning.Tests.Ops.SignIn;

[Collection(nameof(ServiceRig))]
public sealed class OidcTests
{
    [Fact]
    public async Task People_of_an_identity_provider_sign_in_and_no_other_token_lets_anybody_in()
    {
        await using var issuer = await Issuer.StartAsync();
        await using var ops = await OpsRig.NewAsync(hasUsers: false,
            ("Ops:Oidc:Authority", issuer.Url), ("Ops:Oidc:ClientId", Issuer.Client), ("Ops:Oidc:ClientSecret", Issuer.Secret),
            ("Ops:Oidc:RoleClaim", "realm_access.roles"), ("Ops:Oidc:Roles:Viewer", "dunning-readers"), ("Ops:Oidc:Roles:Operator", "dunning-operators, oncall"),
            ("Ops:Oidc:Title", "Corp <Login>"));
        issuer.Time = ops.Time;
        RouteTests.AssertListed(ops.Service, "/ops/sign-in/oidc", "/ops/sign-in/callback");
        // It is a way in: the one-time token is none any more, and there is no form for a password that nobody has.
        Assert.Null(ops.Service.FirstToken);
        using (var stranger = ops.Browser())
        {
            var page = await stranger.TextAsync("/ops/sign-in?back=/ops/me");
            Assert.Contains("Sign in with Corp <Login>", page);
            Assert.Contains("href=\"/ops/sign-in/oidc?back=%2Fops%2Fme\"", page);
            Assert.DoesNotContain("<form", page);
            using var sent = await stranger.SignInAsync("anna", OpsRig.Password);
            Assert.Equal(HttpStatusCode.Unauthorized, sent.StatusCode);
            Assert.Equal(0, await ops.Rig.ScalarAsync<long>("select count(*) from dunning.ops_failure"));
        }

        // Those who have several roles have the highest.
        using (var browser = ops.Browser())
        {
            using var answer = await ThroughAsync(browser);
            Assert.Equal((HttpStatusCode.SeeOther, "/ops/me"), (answer.StatusCode, answer.Headers.Location!.OriginalString));
            var me = await browser.TextAsync("/ops/me");
            Assert.Contains("<dd>claire@corp.example</dd>", me);
            Assert.Contains("<dd>viewer</dd>", me);
            issuer.Change = c => c["realm_access"] = new { roles = new[] { "dunning-readers", "oncall" } };
            using var again = await ThroughAsync(browser);
            Assert.Contains("<dd>operator</dd>", await browser.TextAsync("/ops/me"));
        }

        using var otherKey = RSA.Create(2048);
        (string What, Action<Dictionary<string, object>> Change, SigningCredentials? By, Func<string, string>? Hands, string Says)[] wrong =
        [
            ("nonce", c => c["nonce"] = "another", null, null, "its token is not valid here"),
            ("no nonce", c => c.Remove("nonce"), null, null, "its token is not valid here"),
            ("audience", c => c["aud"] = "another", null, null, "its token is not valid here"),
            ("audiences of another party", c => (c["aud"], c["azp"]) = (new[] { Issuer.Client, "another" }, "another"), null, null, "its token is not valid here"),
            ("issuer", c => c["iss"] = "https://evil.example", null, null, "its token is not valid here"),
            ("expired", c => c["exp"] = ops.Time.GetUtcNow().AddMinutes(-3).ToUnixTimeSeconds(), null, null, "its token is not valid here"),
            ("no end", c => c.Remove("exp"), null, null, "its token is not valid here"),
            ("not yet", c => c["nbf"] = ops.Time.GetUtcNow().AddMinutes(4).ToUnixTimeSeconds(), null, null, "its token is not valid here"),
            ("signed by another", _ => { }, issuer.Credentials(otherKey, issuer.KeyId), null, "its token is not valid here"),
            ("signed by the public key", _ => { }, new SigningCredentials(new SymmetricSecurityKey(new byte[64]), SecurityAlgorithms.HmacSha256), null, "its token is not valid here"),
            ("not signed", _ => { }, null, Unsigned, "its token is not valid here"),
            ("changed", _ => { }, null, Changed, "its token is not valid here"),
            ("no token", _ => { }, null, _ => "x", "its token is not valid here"),
            ("no name", c => c.Remove("preferred_username"), null, null, "its token is not valid here"),
            ("name with a line", c => c["preferred_username"] = "a\nb", null, null, "its token is not valid here"),
            ("name that turns around", c => c["preferred_username"] = "an\u202Ena", null, null, "its token is not valid here"),
            ("name with what is not seen", c => c["preferred_username"] = "an\u200Bna", null, null, "its token is not valid here"),
            ("the program's name", c => c["preferred_username"] = "dunning", null, null, "is a local user's here"),
            ("nearly the program's name", c => c["preferred_username"] = "Ｄunning", null, null, "is a local user's here"),
            ("nearly the token's name", c => c["preferred_username"] = "One-time Token", null, null, "is a local user's here"),
            ("no role", c => c["realm_access"] = new { roles = new[] { "staff", "DUNNING-READERS" } }, null, null, "have no role here"),
            ("role elsewhere", c => (c["realm_access"], c["roles"]) = (new { }, new[] { "oncall" }), null, null, "have no role here"),
        ];
        foreach (var (what, change, by, hands, says) in wrong)
        {
            (issuer.Change, issuer.SignedBy, issuer.Hands) = (change, by, hands);
            using var browser = ops.Browser();
            using var answer = await ThroughAsync(browser);
            Assert.Equal((what, HttpStatusCode.Forbidden), (what, answer.StatusCode));
            var text = WebUtility.HtmlDecode(await answer.Content.ReadAsStringAsync());
            Assert.True(text.Contains(says, StringComparison.Ordinal), $"{what}: {text}");
            Assert.Null(browser.Session);
        }
        (issuer.Change, issuer.SignedBy, issuer.Hands) = (_ => { }, null, null);

        // An answer is good once, and in the browser that began only.
        using (var victim = ops.Browser())
        using (var attacker = ops.Browser())
        {
            var back = await BackAsync(attacker);
            using var planted = await victim.GetAsync(back);
            Assert.Equal(HttpStatusCode.Forbidden, planted.StatusCode);
            Assert.Contains("not begun in this browser", await planted.Content.ReadAsStringAsync());
            using var mine = await attacker.GetAsync(back);
            Assert.Equal(HttpStatusCode.SeeOther, mine.StatusCode);
            var tokens = issuer.Tokens;
            using var twice = await attacker.GetAsync(back);
            Assert.Equal((HttpStatusCode.Forbidden, tokens), (twice.StatusCode, issuer.Tokens));
            var late = await BackAsync(victim);
            ops.Time.Ahead += TimeSpan.FromMinutes(11);
            Assert.Equal(HttpStatusCode.Forbidden, (await victim.GetAsync(late)).StatusCode);
            ops.Time.Ahead = TimeSpan.Zero;
            Assert.Equal(HttpStatusCode.Forbidden, (await victim.GetAsync("/ops/sign-in/callback?code=x&state=y")).StatusCode);
            var denied = (await BackAsync(victim)).Replace("code=", "error=access_denied&error_description=<b>evil</b>&x=", StringComparison.Ordinal);
            using var said = await victim.GetAsync(denied);
            Assert.Equal(HttpStatusCode.Forbidden, said.StatusCode);
            Assert.DoesNotContain("evil", await said.Content.ReadAsStringAsync());
        }

        // Each tab of a browser comes back by itself.
        using (var browser = ops.Browser())
        {
            var (one, two) = (await BackAsync(browser), await BackAsync(browser));
            using var first = await browser.GetAsync(one);
            using var second = await browser.GetAsync(two);
            Assert.Equal((HttpStatusCode.SeeOther, HttpStatusCode.SeeOther), (first.StatusCode, second.StatusCode));
        }

        // What binds an answer to its browser goes nowhere else.
        using (var browser = ops.Browser())
        {
            using var plain = await browser.GetAsync("/ops/sign-in/oidc");
            Assert.Matches("^dunning-oidc-[A-Za-z0-9_-]{43}=N; expires=[^;]+; path=/; samesite=lax; httponly$", Assert.Single(plain.Headers.GetValues("Set-Cookie")));
            using var proxied = await browser.GetAsync("/ops/sign-in/oidc", ("X-Forwarded-Proto", "https"), ("X-Forwarded-For", "203.0.113.9"), ("Host", "dunning.example.com"));
            Assert.Matches("^__Host-dunning-oidc-[A-Za-z0-9_-]{43}=N; expires=[^;]+; path=/; secure; samesite=lax; httponly$", Assert.Single(proxied.Headers.GetValues("Set-Cookie")));
            Assert.Equal("https://dunning.example.com/ops/sign-in/callback", QueryHelpers.ParseQuery(proxied.Headers.Location!.Query)["redirect_uri"]);
        }

        // The provider may take another key at any time.
        using (var browser = ops.Browser())
        {
            issuer.RollKey();
            using var answer = await ThroughAsync(browser);
            Assert.Equal(HttpStatusCode.SeeOther, answer.StatusCode);
        }

        // Who begins and begins has to wait, and keeps nobody else from it.
        using (var stranger = ops.Browser())
        {
            await ops.Rig.ScalarAsync<string?>("delete from dunning.ops_oidc; select null::text");
            foreach (var _ in Enumerable.Range(0, 100))
            {
                using var begun = await stranger.GetAsync("/ops/sign-in/oidc");
                Assert.Equal(HttpStatusCode.SeeOther, begun.StatusCode);
            }
            using var more = await stranger.GetAsync("/ops/sign-in/oidc");
            Assert.Equal((HttpStatusCode.TooManyRequests, true), (more.StatusCode, more.Headers.RetryAfter is not null));
            Assert.Equal(100, await ops.Rig.ScalarAsync<long>("select count(*) from dunning.ops_oidc"));
            await ops.Rig.ScalarAsync<string?>(
                """
                delete from dunning.ops_oidc;
                insert into dunning.ops_oidc (state_hash, browser_hash, nonce, verifier, back, address, ends_at)
                select sha256(n::text::bytea), sha256('b'), 'n', 'v', '/ops', sha256(n::text::bytea), now() + interval '1 minute' from generate_series(1, 20001) n;
                select null::text
                """);
            using var answer = await ThroughAsync(stranger);
            Assert.Equal(HttpStatusCode.SeeOther, answer.StatusCode);
            Assert.Equal(19_999, await ops.Rig.ScalarAsync<long>("select count(*) from dunning.ops_oidc"));
        }

        async Task<HttpResponseMessage> ThroughAsync(OpsBrowser browser) => await browser.GetAsync(await BackAsync(browser));

        // Where the provider leads, having let somebody in.
        async Task<string> BackAsync(OpsBrowser browser)
        {
            using var start = await browser.GetAsync("/ops/sign-in/oidc?back=/ops/me");
            Assert.Equal(HttpStatusCode.SeeOther, start.StatusCode);
            using var http = new HttpClient(new HttpClientHandler { AllowAutoRedirect = false });
            using var answer = await http.GetAsync(start.Headers.Location);
            Assert.Equal(ops.Url.GetLeftPart(UriPartial.Authority) + "/ops/sign-in/callback", answer.Headers.Location!.GetLeftPart(UriPartial.Path));
            return answer.Headers.Location.PathAndQuery;
        }

        static string Unsigned(string token) =>
            WebEncoders.Base64UrlEncode(Encoding.ASCII.GetBytes("""{"alg":"none","typ":"JWT"}""")) + "." + token.Split('.')[1] + ".";

        static string Changed(string token) => string.Join('.', token.Split('.') is [var head, var body, var mark]
            ? [head, WebEncoders.Base64UrlEncode(Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(WebEncoders.Base64UrlDecode(body)).Replace("dunning-readers", "oncall", StringComparison.Ordinal))), mark]
            : []);
    }

    [Theory]
    [InlineData("client_secret_post")]
    [InlineData("none")]
    public async Task A_client_proves_itself_as_the_provider_takes_it_and_an_answer_without_a_token_lets_nobody_in(string takes)
    {
        await using var issuer = await Issuer.StartAsync(takes);
        await using var ops = await OpsRig.NewAsync(hasUsers: false,
            ("Ops:Oidc:Authority", issuer.Url), ("Ops:Oidc:ClientId", Issuer.Client), ("Ops:Oidc:ClientSecret", takes == "none" ? "" : Issuer.Secret),
            ("Ops:Oidc:RoleClaim", "realm_access.roles"), ("Ops:Oidc:Roles:Viewer", "dunning-readers"), ("Ops:PublicUrl", "https://dunning.example.com"));
        using var browser = ops.Browser();
        Assert.Equal((HttpStatusCode.SeeOther, ""), await ThroughAsync());

        // By RFC 9207 an answer may say whose it is.
        Assert.Equal((HttpStatusCode.SeeOther, ""), await ThroughAsync("&iss=" + Uri.EscapeDataString(issuer.Url)));
        Assert.Equal((HttpStatusCode.Forbidden, "token"), await ThroughAsync("&iss=https%3A%2F%2Fevil.example"));

        foreach (var (status, body, answer) in ((int, string, (HttpStatusCode, string))[])
            [
                (400, """{"error":"invalid_grant"}""", (HttpStatusCode.Forbidden, "token")),
                (200, """{"error":"invalid_grant"}""", (HttpStatusCode.Forbidden, "token")),
                (200, """{"access_token":"x","token_type":"Bearer"}""", (HttpStatusCode.Forbidden, "token")),
                (200, """{"access_token":"x","token_type":"Bearer","id_token":5}""", (HttpStatusCode.Forbidden, "token")),
                (503, "", (HttpStatusCode.ServiceUnavailable, "unreachable")),
                (200, "no JSON", (HttpStatusCode.ServiceUnavailable, "unreachable")),
                (200, "[]", (HttpStatusCode.ServiceUnavailable, "unreachable")),
                (200, $"\"{new string('x', 300_000)}\"", (HttpStatusCode.ServiceUnavailable, "unreachable")),
            ])
        {
            issuer.Breaks = (status, body);
            Assert.Equal((body, answer), (body, await ThroughAsync()));
        }

        async Task<(HttpStatusCode, string)> ThroughAsync(string more = "")
        {
            using var start = await browser.GetAsync("/ops/sign-in/oidc");
            using var http = new HttpClient(new HttpClientHandler { AllowAutoRedirect = false });
            using var led = await http.GetAsync(start.Headers.Location);
            Assert.Equal("https://dunning.example.com/ops/sign-in/callback", led.Headers.Location!.GetLeftPart(UriPartial.Path));
            using var answer = await browser.GetAsync(led.Headers.Location.PathAndQuery + more);
            var text = WebUtility.HtmlDecode(await answer.Content.ReadAsStringAsync());
            return (answer.StatusCode, text.Contains("its token is not valid here", StringComparison.Ordinal) ? "token"
                : text.Contains("does not answer", StringComparison.Ordinal) ? "unreachable" : "");
        }
    }

    [Fact]
    public async Task A_sign_in_makes_no_key_and_leaves_nothing_of_itself_in_the_log()
    {
        await using var issuer = await Issuer.StartAsync();
        await using var rig = await ServiceRig.NewAsync(1);
        // Where the framework would keep its keys.
        var home = Directory.CreateTempSubdirectory("dunning-home-").FullName;
        var service = new Uri(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{FreePort.Take()}"));
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true };
        (start.Environment["HOME"], start.Environment["ConnectionStrings__Dunning"]) = (home, rig.ConnectionString);
        string[] settings =
        [
            "Http:Urls=" + service.GetLeftPart(UriPartial.Authority), "Mail:Pickup=" + rig.MailFolder, "Jobs:RunAtStart=false",
            "Ops:Oidc:Authority=" + issuer.Url, "Ops:Oidc:ClientId=" + Issuer.Client, "Ops:Oidc:ClientSecret=" + Issuer.Secret,
            "Ops:Oidc:RoleClaim=realm_access.roles", "Ops:Oidc:Roles:Viewer=dunning-readers",
            "Logging:LogLevel:Default=Trace", "Logging:LogLevel:Microsoft=Trace", "Logging:LogLevel:System=Trace", "Logging:LogLevel:Npgsql=Trace",
        ];
        foreach (var argument in (string[])[Path.Combine(AppContext.BaseDirectory, "Dunning.Worker.dll"), "run", .. settings.SelectMany(s => new[] { "--set", s })])
        {
            start.ArgumentList.Add(argument);
        }
        var secrets = new List<string> { Issuer.Secret, "claire", "evil" };
        using var process = Process.Start(start)!;
        var texts = Task.WhenAll(process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        try
        {
            using var browser = new OpsBrowser(service);
            await rig.WaitAsync(async () => process.HasExited || await IsUpAsync(browser));
            using var accepted = await browser.GetAsync(await BackAsync(browser));
            Assert.Equal(HttpStatusCode.SeeOther, accepted.StatusCode);
            using var denied = await browser.GetAsync((await BackAsync(browser)).Replace("code=", "error=server_error&error_description=evil&x=", StringComparison.Ordinal));
            using var planted = await browser.GetAsync("/ops/sign-in/callback?code=evil-code&state=evil-state");
            Assert.Equal((HttpStatusCode.Forbidden, HttpStatusCode.Forbidden), (denied.StatusCode, planted.StatusCode));
        }
        finally
        {
            // What it has still to log it logs.
            await process.EndAsync();
        }
        var log = string.Concat(await texts);
        Assert.Contains("the identity provider has let somebody not in", log);
        // It logs more than it does by default: all there is.
        Assert.Contains("info: Microsoft.", log);
        Assert.All(secrets, s => Assert.DoesNotContain(s, log, StringComparison.OrdinalIgnoreCase));
        Assert.DoesNotMatch("(?i)data-?protection|key ring", log);
        Assert.DoesNotContain(Directory.EnumerateFiles(home, "*.xml", SearchOption.AllDirectories), _ => true);
        Directory.Delete(home, recursive: true);

        static async Task<bool> IsUpAsync(OpsBrowser browser)
        {
            try
            {
                using var answer = await browser.GetAsync("/health/live");
                return answer.IsSuccessStatusCode;
            }
            catch (HttpRequestException)
            {
                return false;
            }
        }

        async Task<string> BackAsync(OpsBrowser browser)
        {
            using var begun = await browser.GetAsync("/ops/sign-in/oidc");
            var asked = QueryHelpers.ParseQuery(begun.Headers.Location!.Query);
            using var http = new HttpClient(new HttpClientHandler { AllowAutoRedirect = false });
            using var answer = await http.GetAsync(begun.Headers.Location);
            secrets.AddRange([
                asked["state"]!, asked["nonce"]!, asked["code_challenge"]!, QueryHelpers.ParseQuery(answer.Headers.Location!.Query)["code"]!,
                Assert.Single(begun.Headers.GetValues("Set-Cookie")).Split('=')[0]]);
            return answer.Headers.Location.PathAndQuery;
        }
    }

    [Fact]
    public async Task A_provider_that_does_not_answer_is_told_and_its_settings_are_checked()
    {
        var given = new Dictionary<string, string?>(StringComparer.OrdinalIgnoreCase)
        {
            ["Ops:Oidc:Authority"] = "http://login.example.com",
            ["Ops:Oidc:Scopes"] = "profile",
            ["Ops:TrustedProxies"] = "10.0.0.0/8, proxy",
            ["Ops:AllowedHosts"] = "a.example:443",
            ["Ops:SessionHours"] = "0",
            ["Ops:RequireHttps"] = "yes",
            ["Ops:PublicUrl"] = "dunning.example.com",
        };
        var (none, faults) = OpsSettings.Read(given);
        Assert.Null(none);
        Assert.Equal(
            ["Ops:PublicUrl", "Ops:RequireHttps", "Ops:SessionHours", "Ops:AllowedHosts", "Ops:TrustedProxies", "Ops:Oidc:Authority", "Ops:Oidc:ClientId", "Ops:Oidc:Roles:Viewer,", "Ops:Oidc:Scopes"],
            faults.Select(f => f.Split(' ')[0]));

        // A password that stands in an address is not told.
        given["Ops:PublicUrl"] = given["Ops:Oidc:Authority"] = given["Telemetry:Otlp:Endpoint"] = "https://anna:hush-hush@example.com";
        string[] told = [.. OpsSettings.Read(given).Faults, .. SignalSettings.Read(given).Faults];
        Assert.Equal(3, told.Count(f => f.StartsWith("Ops:PublicUrl", StringComparison.Ordinal) || f.StartsWith("Ops:Oidc:Authority", StringComparison.Ordinal)
            || f.StartsWith("Telemetry:Otlp:Endpoint", StringComparison.Ordinal)));
        Assert.All(told, f => Assert.DoesNotContain("hush", f, StringComparison.Ordinal));

        await using var ops = await OpsRig.NewAsync(hasUsers: true,
            ("Ops:Oidc:Authority", "http://127.0.0.1:9"), ("Ops:Oidc:ClientId", "x"), ("Ops:Oidc:Roles:Viewer", "x"));
        using var browser = ops.Browser();
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await browser.GetAsync("/ops/sign-in/oidc")).StatusCode);
        Assert.Equal(HttpStatusCode.SeeOther, (await browser.SignInAsync("viewer", OpsRig.Password)).StatusCode);
        Assert.Contains(OpsForm.Token, await browser.TextAsync("/ops/me"));
        Assert.Equal(2, (await ops.Rig.CommandAsync("user", "sign-out")).Code);
        Assert.Contains("1 sessions", (await ops.Rig.CommandAsync("user", "sign-out", "Viewer")).Output);
        Assert.Equal(HttpStatusCode.SeeOther, (await browser.GetAsync("/ops/me")).StatusCode);
    }
}
