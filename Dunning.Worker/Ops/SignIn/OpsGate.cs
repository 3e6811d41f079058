using System.Security.Cryptography;
using System.Text;
using Dunning.Ops.Frame;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.HttpOverrides;

namespace Dunning.Ops.SignIn;

/// <summary>
/// Stands before every route and lets through whom the route asks for (<see cref="OpsRoutes"/>). A route that says nothing is answered to nobody. Whatever
/// changes something must come from a form of the visitor's own session, sent from our own origin. Every answer has headers that let a browser run, frame and
/// keep nothing.
/// </summary>
internal sealed class OpsGate(OpsFrame frame, OpsSessions sessions, OpsSettings settings, ILogger<OpsGate> logger)
{
    /// <summary>Header with the form's token, for pages that send by script.</summary>
    public const string TokenHeader = "X-Dunning-Token";

    /// <summary>The reason in the audit for what is done on the job host's own pages, which ask for none.</summary>
    public const string ByJobPages = "by the job host's own pages";

    private const int MaxForm = 64 * 1024;
    private const string Policy = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

    // The job host's pages have scripts and styles of their own, served by us. Nothing of another site there, either.
    private const string JobsPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
        + "form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

    private static readonly object s_isLocal = new();

    // To strangers without the folders of this machine.
    private const string Command = "dunning " + Arguments;
    private const string Arguments = "user add NAME --role admin";

    /// <summary>The command that sets up the first user, as one types it here.</summary>
    public static string AddUser => Commands.Invocation.Of(Arguments);

    /// <summary>Puts it before the routes. The pages of customers' links have their own way with proxies and headers.</summary>
    public void Use(WebApplication app)
    {
        var forwarded = new ForwardedHeadersOptions { ForwardedHeaders = ForwardedHeaders.XForwardedFor | ForwardedHeaders.XForwardedProto };
        if (!settings.TrustedProxies.IsEmpty)
        {
            // Through all that are known, however many stand in a row: the first that is not is who asks.
            forwarded.ForwardLimit = null;
        }
        foreach (var network in settings.TrustedProxies)
        {
            forwarded.KnownIPNetworks.Add(network);
        }
        app.UseWhen(http => !http.Request.Path.StartsWithSegments("/pay", StringComparison.OrdinalIgnoreCase), ours =>
        {
            ours.Use((http, next) =>
            {
                http.Items[s_isLocal] = LocalRequest.Is(http);
                return next(http);
            });
            ours.UseForwardedHeaders(forwarded);
        });
        app.Use(GuardAsync);
    }

    /// <summary>Whether these pages answer to that request at all; where not, it has been answered.</summary>
    public async Task<bool> IsWelcomeAsync(HttpContext http, bool hasUsers)
    {
        var words = frame.Texts.For(http.Request);
        if (!hasUsers && http.Items[s_isLocal] is not true)
        {
            await WriteAsync(http, StatusCodes.Status403Forbidden, "signin.here.title", words["signin.here.text", ("command", Command)]);
            return false;
        }
        if (!settings.AllowedHosts.IsEmpty && !settings.AllowedHosts.Contains(http.Request.Host.Host.Trim('[', ']'), StringComparer.OrdinalIgnoreCase))
        {
            await WriteAsync(http, StatusCodes.Status421MisdirectedRequest, "signin.host.title", words["signin.host.text"]);
            return false;
        }
        if (settings.RequiresHttps && !http.Request.IsHttps)
        {
            await WriteAsync(http, StatusCodes.Status403Forbidden, "signin.https.title", words["signin.https.text"]);
            return false;
        }
        return true;
    }

    /// <summary>
    /// Whether a request that changes something was sent from a page of ours. A browser says where it was sent from; what says nothing is no browser, and has no
    /// session that it was not given.
    /// </summary>
    public static bool IsOfOurOrigin(HttpRequest request)
    {
        if (request.Headers["Sec-Fetch-Site"].ToString() is { Length: > 0 } site && site is not ("same-origin" or "none"))
        {
            return false;
        }
        return request.Headers.Origin.ToString() is not { Length: > 0 } origin
            || string.Equals(origin, request.Scheme + "://" + request.Host.Value, StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>No form of ours is larger.</summary>
    public static void LimitForm(HttpContext http)
    {
        if (http.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
        {
            size.MaxRequestBodySize = MaxForm;
        }
    }

    /// <summary>A page that says why not.</summary>
    public Task WriteAsync(HttpContext http, int status, string title, string text) => frame.WriteAsync(http, new OpsPage
    {
        Title = (http.OpsOrNobody()?.Words ?? frame.Texts.For(http.Request))[title],
        Body = Html.Of($"<p>{text}</p>"),
        Status = status,
    });

    private async Task GuardAsync(HttpContext http, RequestDelegate next)
    {
        Protect(http);
        // What no route is for falls through to the framework's own answers: 404, and 405 where there is one for another method.
        if (http.GetEndpoint() is not RouteEndpoint endpoint)
        {
            await next(http);
            if (IsNothing(http) && http.Request.Path.StartsWithSegments("/ops", StringComparison.OrdinalIgnoreCase))
            {
                await TellOfNothingAsync(http);
            }
            return;
        }
        if (endpoint.Metadata.GetMetadata<OpsAccess>() is not { } access)
        {
            http.Response.StatusCode = StatusCodes.Status404NotFound;
            return;
        }
        // Routes that are neither for operators nor signing in, such as the health page, tell of their faults themselves.
        var isOurs = access.Role is not null || http.Request.Path.StartsWithSegments("/ops", StringComparison.OrdinalIgnoreCase);
        try
        {
            if (access.Role is not { } role || await AdmitAsync(http, role))
            {
                await next(http);
                // The job host's pages answer so to what they do not know.
                if (IsNothing(http) && http.OpsOrNobody() is { } visit)
                {
                    await WriteNothingAsync(http, visit);
                }
            }
        }
        catch (BadHttpRequestException e) when (isOurs && !http.Response.HasStarted)
        {
            http.Response.StatusCode = e.StatusCode;
        }
        catch (Exception e) when (isOurs && !http.RequestAborted.IsCancellationRequested && !http.Response.HasStarted && e is not OutOfMemoryException)
        {
            logger.LogError(e, "a page for operators could not be made");
            http.Response.Headers.Remove("Location");
            var words = http.OpsOrNobody()?.Words ?? frame.Texts.For(http.Request);
            await WriteAsync(http, StatusCodes.Status500InternalServerError, "broken.title", words["broken.text"]);
        }
    }

    // Answered with 404 and nothing else, and somebody could read more.
    private static bool IsNothing(HttpContext http) =>
        http.Response is { StatusCode: StatusCodes.Status404NotFound, HasStarted: false, ContentType: null } && IsReading(http.Request);

    // To who is signed in; a stranger learns no more than that.
    private async Task TellOfNothingAsync(HttpContext http)
    {
        if (OpsSessions.IdOf(OpsCookie.Read(http.Request)) is not { } id)
        {
            return;
        }
        var (hasUsers, row) = await sessions.FindAsync(id, http.RequestAborted);
        if (row is null || !await IsWelcomeAsync(http, hasUsers))
        {
            return;
        }
        await WriteNothingAsync(http, Enter(http, id, row));
    }

    private Task WriteNothingAsync(HttpContext http, OpsVisit visit) => WriteAsync(http, StatusCodes.Status404NotFound, "missing.title", visit.Words["missing.text"]);

    private SessionVisit Enter(HttpContext http, byte[] id, OpsSessionRow row)
    {
        var visit = new SessionVisit(id, row, frame.Texts.In(row.Language), settings.Zone, sessions);
        http.Features.Set<OpsVisit>(visit);
        return visit;
    }

    private async Task<bool> AdmitAsync(HttpContext http, OpsRole role)
    {
        LimitForm(http);
        var id = OpsSessions.IdOf(OpsCookie.Read(http.Request));
        var (hasUsers, row) = await sessions.FindAsync(id, http.RequestAborted, isByItself: IsJobs(http) && IsStats(http));
        if (!await IsWelcomeAsync(http, hasUsers))
        {
            return false;
        }
        if (row is null)
        {
            await AskToSignInAsync(http);
            return false;
        }
        var visit = Enter(http, id!, row);
        if (!visit.User.May(role))
        {
            await WriteAsync(http, StatusCodes.Status403Forbidden, "refused.title", visit.Words["refused.role", ("role", visit.Words["role." + OpsRoles.NameOf(role)])]);
            return false;
        }
        if (!IsReading(http.Request) && !(IsOfOurOrigin(http.Request) && await HasTokenAsync(http, visit)))
        {
            await WriteAsync(http, StatusCodes.Status403Forbidden, "refused.title", visit.Words["refused.form"]);
            return false;
        }
        if (!IsReading(http.Request) && !await TakeFormAsync(http, visit))
        {
            await WriteAsync(http, StatusCodes.Status409Conflict, "refused.title", visit.Words["refused.twice"]);
            return false;
        }
        if (!IsReading(http.Request) && IsJobs(http) && visit.User.May(OpsRole.Operator))
        {
            await NoteJobsAsync(http, visit);
        }
        if (visit.Flash is not null && IsReading(http.Request))
        {
            await sessions.KeepFlashAsync(id!, null, http.RequestAborted);
        }
        return true;
    }

    // Jobs can be run, put off and deleted there: what was asked for, and of which jobs. Its own looking every few seconds is no act.
    private async Task NoteJobsAsync(HttpContext http, SessionVisit visit)
    {
        if (IsStats(http))
        {
            return;
        }
        var what = JobsPath(http);
        var jobs = http.Request.HasFormContentType ? (await http.Request.ReadFormAsync(http.RequestAborted))["jobs[]"].ToArray() : [];
        var subject = string.Join(' ', [what, .. jobs]);
        await sessions.NoteAsync(
            new Mandate(visit.User.Name, ByJobPages), AuditAct.JobPages, new string([.. subject.Where(c => !char.IsControl(c)).Take(200)]), http.RequestAborted);
    }

    private static bool IsStats(HttpContext http) => JobsPath(http).Equals("stats", StringComparison.OrdinalIgnoreCase);

    private static string JobsPath(HttpContext http) => http.Request.Path.Value!["/hangfire".Length..].Trim('/');

    // A second click on a button sends the form again, and what adds up would be done twice.
    private async Task<bool> TakeFormAsync(HttpContext http, SessionVisit visit)
    {
        if (!http.Request.HasFormContentType || (await http.Request.ReadFormAsync(http.RequestAborted))[OpsForm.Once].ToString() is not { Length: > 0 } given)
        {
            return true;
        }
        if (OpsForm.NumberOf(given) is not { } form || !await sessions.TakeFormAsync(visit.Id, form, http.RequestAborted))
        {
            return false;
        }
        // The browser leaves the first click's answer for the second's: the first is carried out nevertheless.
        http.RequestAborted = CancellationToken.None;
        return true;
    }

    private static bool IsJobs(HttpContext http) => http.Request.Path.StartsWithSegments("/hangfire", StringComparison.OrdinalIgnoreCase);

    private async Task AskToSignInAsync(HttpContext http)
    {
        if (IsReading(http.Request))
        {
            http.Response.StatusCode = StatusCodes.Status303SeeOther;
            var here = http.Request.PathBase + http.Request.Path + http.Request.QueryString;
            http.Response.Headers.Location = OpsPath.Of(SignInPages.Path, ("back", here.ToString() is var back && back != "/ops" && OpsPath.IsOurs(back) ? back : null));
            return;
        }
        var words = frame.Texts.For(http.Request);
        await frame.WriteAsync(http, new OpsPage
        {
            Title = words["signin.title"],
            Body = Html.Of($"<p>{words["refused.form"]}</p><p><a href=\"{SignInPages.Path}\">{words["signin.title"]}</a></p>"),
            Status = StatusCodes.Status401Unauthorized,
        });
    }

    private static async Task<bool> HasTokenAsync(HttpContext http, OpsVisit visit)
    {
        var given = http.Request.Headers[TokenHeader].ToString();
        if (given.Length == 0 && http.Request.HasFormContentType)
        {
            given = (await http.Request.ReadFormAsync(http.RequestAborted))[OpsForm.Token].ToString();
        }
        return CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(given), Encoding.UTF8.GetBytes(visit.FormToken));
    }

    private static bool IsReading(HttpRequest request) => HttpMethods.IsGet(request.Method) || HttpMethods.IsHead(request.Method);

    private static void Protect(HttpContext http)
    {
        var headers = http.Response.Headers;
        headers.CacheControl = "no-store";
        headers.ContentSecurityPolicy = IsJobs(http) ? JobsPolicy : Policy;
        headers.XContentTypeOptions = "nosniff";
        headers.XFrameOptions = "DENY";
        // Not 'no-referrer': browsers would then say of our own forms that they came from nowhere.
        headers["Referrer-Policy"] = "same-origin";
        headers["Cross-Origin-Opener-Policy"] = "same-origin";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
        headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=(), payment=()";
        headers["X-Robots-Tag"] = "noindex, nofollow, noarchive";
        if (http.Request.IsHttps)
        {
            headers.StrictTransportSecurity = "max-age=31536000";
        }
    }
}
