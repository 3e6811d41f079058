using System.Net;
using System.Text.RegularExpressions;
using Dunning.Hosting;
using Dunning.Ops.Frame;
using Dunning.Tests.Jobs;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Dunning.Tests.Ops.SignIn;

/// <summary>A stranger gets nothing: every route of the running service, and who may come to it.</summary>
[Collection(nameof(ServiceRig))]
public sealed partial class RouteTests(OpsFixture fixture) : IClassFixture<OpsFixture>
{
    // A new route is written here by whoever adds it, with who may come. 'public' answers to strangers: that needs a reason.
    private const string Table =
        """
        GET /                                public    leads to /ops
        GET /health                          public    for load balancers; no personal data
        GET /health/live                     public
        GET /health/ready                    public
        GET /metrics                         public    for this machine, or by its own token; no personal data: MetricsTests
        GET /ops/assets/STYLE                public    the style sheet of the sign-in page
        GET /ops/sign-in                     public
        POST /ops/sign-in                    public    asks for a password or the one-time token
        GET,HEAD /pay/{token}                public    by the link's signature
        POST /pay/{token}                    public    by the link's signature
        GET,HEAD /pay/back/{visit}           public    by the visit's id
        POST /pay/back/{visit}               public    by the visit's id
        GET /pay/sandbox/{id}                public    by the visit's id; the sandbox's page
        POST /pay/sandbox/{id}               public    by the visit's id; the sandbox's page
        POST /ops/sign-out                   viewer
        POST /ops/language                   viewer
        GET /ops/me                          viewer
        POST /ops/me/everywhere              viewer
        GET /ops                             viewer
        GET /ops/alerts                      viewer
        GET /ops/cases                       viewer
        GET /ops/cases.csv                   viewer
        GET /ops/charges                     viewer
        POST /ops/webhooks/retry             operator
        GET /ops/account                     viewer
        POST /ops/account/act                operator
        GET /ops/document                    viewer
        GET /ops/passes                      viewer
        GET /ops/passes/waiting              viewer
        POST /ops/passes/run                 operator
        POST /ops/passes/approve             admin
        GET /ops/mails                       viewer
        GET /ops/mails/mail                  viewer
        GET /ops/mails/html                  viewer
        POST /ops/mails/resend               operator
        GET /ops/forecast                    viewer
        GET /ops/audit                       viewer
        GET /ops/audit.csv                   viewer
        ANY /hangfire/{**path}               viewer    a viewer changes nothing there: DashboardTests
        """;

    // Only with some settings.
    private const string Optional =
        """
        GET /ops/sign-in/oidc                public    leads to the identity provider
        GET /ops/sign-in/callback            public    by state, browser and the provider's signature
        POST /webhooks/stripe                public    by the gateway's signature
        POST /webhooks/gocardless            public    by the gateway's signature
        """;

    private readonly Dictionary<string, OpsBrowser> _signedIn = new(StringComparer.Ordinal);

    private OpsRig Ops => fixture.Ops;

    [Fact]
    public async Task A_stranger_gets_nothing()
    {
        var routes = RoutesOf(Ops.Service).ToList();
        Assert.Equal(RowsOf(Table), routes.Select(r => $"{r.Methods} {r.Pattern} {r.Access}").Order(StringComparer.Ordinal));

        using var stranger = Ops.Browser();
        using var other = await Ops.SignInAsync("admin");
        var stolen = await other.TokenAsync();
        var ours = Ops.Url.GetLeftPart(UriPartial.Authority);
        foreach (var route in routes.Where(r => r.Access != "public"))
        {
            var path = Parameter().Replace(route.Pattern.Replace("{**path}", "", StringComparison.Ordinal), "x");
            foreach (var method in route.Methods == "ANY" ? ["GET", "POST"] : route.Methods.Split(','))
            {
                var isReading = method is "GET" or "HEAD";
                var to = new HttpMethod(method);
                using (var answer = await stranger.SendAsync(to, path, isReading ? null : Form(("reason", "x"))))
                {
                    Assert.Equal((path, isReading ? HttpStatusCode.SeeOther : HttpStatusCode.Unauthorized), (path, answer.StatusCode));
                    Assert.True(!isReading || answer.Headers.Location!.OriginalString.StartsWith("/ops/sign-in", StringComparison.Ordinal));
                }
                foreach (var below in OpsRoles.Names.TakeWhile(r => r != route.Access))
                {
                    var low = await SignedInAsync(below);
                    using var refused = await low.SendAsync(to, path, isReading ? null : Form((OpsForm.Token, await low.TokenAsync()), ("reason", "x")), ("Origin", ours));
                    Assert.Equal((path, HttpStatusCode.Forbidden), (path, refused.StatusCode));
                }
                var may = await SignedInAsync(route.Access);
                if (isReading)
                {
                    using var page = await may.SendAsync(to, path, null);
                    Assert.True(page.StatusCode is HttpStatusCode.OK or HttpStatusCode.NotFound or HttpStatusCode.SeeOther, $"{path}: {page.StatusCode}");
                    continue;
                }
                await RefusedAsync(may, path, [("Origin", ours)], (OpsForm.Token, stolen), ("reason", "x"));
                await RefusedAsync(may, path, [("Origin", ours)], ("reason", "x"));
                await RefusedAsync(may, path, [("Origin", "https://evil.example")], (OpsForm.Token, await may.TokenAsync()), ("reason", "x"));
                await RefusedAsync(may, path, [("Origin", "null")], (OpsForm.Token, await may.TokenAsync()), ("reason", "x"));
                await RefusedAsync(may, path, [("Sec-Fetch-Site", "same-site")], (OpsForm.Token, await may.TokenAsync()), ("reason", "x"));
                // And the same with all that is asked for is not refused, so it was that which was missing. No reason: nothing is done.
                using var done = await may.SendAsync(to, path, Form((OpsForm.Token, await may.TokenAsync())), ("Origin", ours), ("Sec-Fetch-Site", "same-origin"));
                Assert.False(done.StatusCode is HttpStatusCode.Forbidden or HttpStatusCode.Unauthorized or HttpStatusCode.InternalServerError, $"{path}: {done.StatusCode}");
            }
        }
    }

    /// <summary>That a service of other settings has no route which is not in the tables.</summary>
    internal static void AssertListed(Service service, params string[] optional)
    {
        var routes = RoutesOf(service).Select(r => $"{r.Methods} {r.Pattern} {r.Access}").ToList();
        Assert.Empty(routes.Except(RowsOf(Table).Concat(RowsOf(Optional))));
        Assert.All(optional, path => Assert.Contains(routes, r => r.Split(' ')[1] == path));
    }

    private static IReadOnlyList<string> RowsOf(string table) =>
    [
        .. table.Split('\n').Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Where(p => BuildsWithHangfire || !p[1].StartsWith("/hangfire", StringComparison.Ordinal))
            .Select(p => $"{p[0]} {p[1]} {p[2]}").Order(StringComparer.Ordinal),
    ];

    // Anew where the last one has signed out.
    private async Task<OpsBrowser> SignedInAsync(string user)
    {
        if (!_signedIn.TryGetValue(user, out var browser) || (await browser.GetAsync("/ops/me")).StatusCode != HttpStatusCode.OK)
        {
            _signedIn[user] = browser = await Ops.SignInAsync(user);
        }
        return browser;
    }

    private static bool BuildsWithHangfire => BuildInfo.JobHost.Contains("Hangfire", StringComparison.OrdinalIgnoreCase);

    private static async Task RefusedAsync(OpsBrowser browser, string path, (string, string)[] headers, params (string Name, string Value)[] fields)
    {
        using var answer = await browser.SendAsync(HttpMethod.Post, path, Form(fields), headers);
        Assert.Equal((path, HttpStatusCode.Forbidden), (path, answer.StatusCode));
    }

    private static FormUrlEncodedContent Form(params (string Name, string Value)[] fields) => new(fields.Select(f => KeyValuePair.Create(f.Name, f.Value)));

    private static IEnumerable<(string Methods, string Pattern, string Access)> RoutesOf(Service service) =>
        service.Services.GetRequiredService<EndpointDataSource>().Endpoints.Cast<RouteEndpoint>().Select(e => (
            e.Metadata.GetMetadata<HttpMethodMetadata>() is { } methods ? string.Join(',', methods.HttpMethods.Order(StringComparer.Ordinal)) : "ANY",
            "/" + (e.RoutePattern.RawText ?? "").Trim('/') is var pattern && pattern == OpsAssets.StylePath ? "/ops/assets/STYLE" : pattern,
            e.Metadata.GetMetadata<OpsAccess>() is not { } access ? "nobody" : access.Role is { } role ? OpsRoles.NameOf(role) : "public"));

    [GeneratedRegex(@"\{[^}]*\}")]
    private static partial Regex Parameter();
}
