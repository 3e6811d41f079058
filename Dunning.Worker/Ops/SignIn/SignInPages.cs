using System.Globalization;
using Dapper;
using Dunning.Ops.Frame;
using Dunning.Ops.Pages;
using Dunning.Postgres;
using Npgsql;

namespace Dunning.Ops.SignIn;

/// <summary>
/// Signing in and out: by name and password, by an identity provider, or, while nobody is set up, by the one-time token. What was wrong is never said: a name
/// that nobody has is refused like a wrong password, in the same time.
/// </summary>
internal sealed class SignInPages(
    OpsFrame frame, OpsGate gate, OpsSessions sessions, OpsSettings settings, FirstToken token, Oidc? oidc, NpgsqlDataSource source, TimeProvider time)
    : IDisposable
{
    /// <summary>Where one signs in.</summary>
    public const string Path = "/ops/sign-in";

    private const string Back = "back";
    private const string Name = "name";
    private const string Secret = "password";
    private const string OneTime = "token";

    private readonly SignInLimits _limits = new(source, time);
    private readonly OpsUsers _users = new(source, time);

    private readonly PasswordWork _work = new(workers: 2, TimeSpan.FromSeconds(2));

    public void Map(WebApplication app)
    {
        app.MapGet(Path, ShowAsync).IsPublic();
        app.MapPost(Path, SignInAsync).IsPublic();
        app.MapPost("/ops/sign-out", SignOutAsync).Needs(OpsRole.Viewer);
        app.MapPost("/ops/language", SpeakAsync).Needs(OpsRole.Viewer);
        app.MapGet("/ops/me", ShowMeAsync).Needs(OpsRole.Viewer);
        app.MapPost("/ops/me/everywhere", EndOthersAsync).Needs(OpsRole.Viewer);
        if (oidc is not null)
        {
            app.MapGet(Oidc.StartPath, StartOidcAsync).IsPublic();
            app.MapGet(Oidc.BackPath, FinishOidcAsync).IsPublic();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _work.Dispose();

    private async Task ShowAsync(HttpContext http)
    {
        var (hasUsers, session) = await sessions.FindAsync(OpsSessions.IdOf(OpsCookie.Read(http.Request)), http.RequestAborted);
        if (!await gate.IsWelcomeAsync(http, hasUsers))
        {
            return;
        }
        if (session is not null)
        {
            await OpsFrame.BackAsync(http, Wanted(http.Request.Query[Back]));
            return;
        }
        await WriteAsync(http, hasUsers, Wanted(http.Request.Query[Back]), null, StatusCodes.Status200OK);
    }

    private async Task SignInAsync(HttpContext http)
    {
        OpsGate.LimitForm(http);
        var ct = http.RequestAborted;
        var before = OpsSessions.IdOf(OpsCookie.Read(http.Request));
        var (hasUsers, _) = await sessions.FindAsync(before, ct);
        if (!await gate.IsWelcomeAsync(http, hasUsers))
        {
            return;
        }
        var words = frame.Texts.For(http.Request);
        if (!OpsGate.IsOfOurOrigin(http.Request) || !http.Request.HasFormContentType)
        {
            await gate.WriteAsync(http, StatusCodes.Status403Forbidden, "refused.title", words["refused.form"]);
            return;
        }
        var form = await http.Request.ReadFormAsync(ct);
        var back = Wanted(form[Back]);
        if (!hasUsers)
        {
            await SignInByTokenAsync(http, form[OneTime].ToString(), back, before);
            return;
        }
        // Where nobody has a password, none is worth a row, nor a core's time. The page tells as much: it has no form.
        if (oidc is not null && !await HasLocalAsync(ct))
        {
            await WriteAsync(http, hasUsers, back, words["signin.refused"], StatusCodes.Status401Unauthorized);
            return;
        }
        var (typed, password) = (form[Name].ToString(), form[Secret].ToString());
        var address = http.Connection.RemoteIpAddress;
        if (await _limits.BeginAsync(typed, address, ct) is { } wait)
        {
            var seconds = ((int)Math.Ceiling(wait.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
            http.Response.Headers.RetryAfter = seconds;
            await WriteAsync(http, hasUsers, back, words["signin.wait", ("seconds", seconds)], StatusCodes.Status429TooManyRequests);
            return;
        }
        var user = await FindUserAsync(OpsUsers.NameOf(typed), ct);
        if (await VerifyAsync(user, password, ct) is not { } verified)
        {
            http.Response.Headers.RetryAfter = "5";
            await WriteAsync(http, hasUsers, back, words["signin.busy"], StatusCodes.Status503ServiceUnavailable);
            return;
        }
        if (!verified.IsRight
            || await sessions.OpenAsync("password", user!.Name, (user.Name, user.Password), OpsRole.Viewer, words.Code, before, ct) is not { } session)
        {
            await WriteAsync(http, hasUsers, back, words["signin.refused"], StatusCodes.Status401Unauthorized);
            return;
        }
        await _limits.SucceedAsync(typed, address, ct);
        if (verified.Anew is not null)
        {
            await KeepAnewAsync(user, verified.Anew, ct);
        }
        await LetInAsync(http, session, back);
    }

    private async Task SignInByTokenAsync(HttpContext http, string typed, string back, byte[]? before)
    {
        var words = frame.Texts.For(http.Request);
        // No need to make it wait: 26 letters and digits are not guessed, and using it up is not what a guess does.
        if (!token.TryUse(typed))
        {
            await WriteAsync(http, hasUsers: false, back, words["signin.token.refused"], StatusCodes.Status401Unauthorized);
            return;
        }
        await LetInAsync(http, (await sessions.OpenAsync("token", OpsSessions.TokenName, null, OpsRole.Admin, words.Code, before, http.RequestAborted))!, back);
    }

    private async Task StartOidcAsync(HttpContext http)
    {
        if (!await gate.IsWelcomeAsync(http, hasUsers: true))
        {
            return;
        }
        if (await oidc!.IsTooManyAsync(http))
        {
            http.Response.Headers.RetryAfter = "60";
            await WriteAsync(
                http, hasUsers: true, Wanted(null), frame.Texts.For(http.Request)["signin.wait", ("seconds", "60")], StatusCodes.Status429TooManyRequests);
            return;
        }
        if (!await oidc.StartAsync(http, Wanted(http.Request.Query[Back])))
        {
            await WriteAsync(
                http, hasUsers: true, Wanted(null), frame.Texts.For(http.Request)["signin.oidc.unreachable"], StatusCodes.Status503ServiceUnavailable);
        }
    }

    private async Task FinishOidcAsync(HttpContext http)
    {
        if (!await gate.IsWelcomeAsync(http, hasUsers: true))
        {
            return;
        }
        var (ct, words) = (http.RequestAborted, frame.Texts.For(http.Request));
        switch (await oidc!.FinishAsync(http))
        {
            // The trail could not tell the two apart.
            case OidcAnswer.Accepted(var name, _, _) when OpsUsers.IsReserved(name) || await _users.IsLocalAsync(name, ct):
                await WriteAsync(http, hasUsers: true, Wanted(null), words["signin.oidc.refused", ("why", words["signin.oidc.name"])], StatusCodes.Status403Forbidden);
                break;
            case OidcAnswer.Accepted(var name, var role, var back):
                await LetInAsync(
                    http, (await sessions.OpenAsync("oidc", name, null, role, words.Code, OpsSessions.IdOf(OpsCookie.Read(http.Request)), ct))!, Wanted(back));
                break;
            case OidcAnswer.Unreachable:
                await WriteAsync(http, hasUsers: true, Wanted(null), words["signin.oidc.unreachable"], StatusCodes.Status503ServiceUnavailable);
                break;
            case OidcAnswer.Refused(var why):
                await WriteAsync(http, hasUsers: true, Wanted(null), words["signin.oidc.refused", ("why", words["signin.oidc." + why])], StatusCodes.Status403Forbidden);
                break;
        }
    }

    private async Task SignOutAsync(HttpContext http)
    {
        await sessions.EndAsync(((SessionVisit)http.Ops()).Id, http.RequestAborted);
        OpsCookie.Drop(http);
        http.Response.StatusCode = StatusCodes.Status303SeeOther;
        http.Response.Headers.Location = Path;
    }

    private async Task SpeakAsync(HttpContext http)
    {
        var form = await http.Request.ReadFormAsync(http.RequestAborted);
        if (form["language"].ToString() is var language && OpsTexts.Languages.Contains(language, StringComparer.Ordinal))
        {
            await sessions.SpeakAsync(((SessionVisit)http.Ops()).Id, language, http.RequestAborted);
        }
        await OpsFrame.BackAsync(http, Wanted(form[Back]));
    }

    private Task ShowMeAsync(HttpContext http)
    {
        var visit = (SessionVisit)http.Ops();
        var (show, words) = (new Show(visit), visit.Words);
        return frame.WriteAsync(http, new OpsPage
        {
            Title = words["me.title"],
            Body = Html.Of(
                $"""
                <dl class="facts">
                <dt>{words["me.name"]}</dt><dd>{visit.User.Name}</dd>
                <dt>{words["me.role"]}</dt><dd>{words["role." + OpsRoles.NameOf(visit.User.Role)]}</dd>
                <dt>{words["me.since"]}</dt><dd>{show.Time(visit.BeganAt)}</dd>
                <dt>{words["me.until"]}</dt><dd>{show.Time(visit.EndsAt)}</dd>
                </dl>
                {OpsForm.Post(visit, "/ops/me/everywhere", words["me.everywhere"], asksReason: false)}
                """),
        });
    }

    private async Task EndOthersAsync(HttpContext http)
    {
        var visit = (SessionVisit)http.Ops();
        await sessions.EndOthersAsync(visit.Id, http.RequestAborted);
        await OpsFrame.BackAsync(http, "/ops/me", new OpsFlash(visit.Words["me.everywhere.done"]));
    }

    private async Task<Known?> FindUserAsync(string? name, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return await connection.QuerySingleOrDefaultAsync<Known>(new CommandDefinition(
            "select name, password, is_disabled from dunning.ops_user where name = @name", new { name = name ?? "" }, cancellationToken: ct));
    }

    // Null: too many are at it. Who waits holds no connection: the passes need those.
    private Task<Verified?> VerifyAsync(Known? user, string password, CancellationToken ct) => _work.TryAsync(
        () =>
        {
            // Always worked out, so that nobody is told by the clock.
            var isRight = Password.Verify(user?.Password, password, out var isOld) && user is { IsDisabled: false };
            return new Verified(isRight, isRight && isOld ? Password.Hash(password) : null);
        }, ct);

    private async Task KeepAnewAsync(Known user, string anew, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        await connection.ExecuteAsync(new CommandDefinition(
            "update dunning.ops_user set password = @anew where name = @Name and password = @Password",
            new { anew, user.Name, user.Password }, cancellationToken: ct));
    }

    private static Task LetInAsync(HttpContext http, string session, string back)
    {
        OpsCookie.Write(http, session);
        return OpsFrame.BackAsync(http, back);
    }

    private async Task WriteAsync(HttpContext http, bool hasUsers, string back, string? fault, int status)
    {
        var words = frame.Texts.For(http.Request);
        var told = fault is null ? Html.Empty : OpsFrame.Told(new OpsFlash(fault, IsFault: true));
        var hasLocal = hasUsers && (oidc is null || await HasLocalAsync(http.RequestAborted));
        var byName = !hasLocal ? Html.Empty : Html.Of(
            $"""
            <form class="act" method="post" action="{Path}">
            {OpsForm.Hidden(Back, back)}{OpsForm.Field(Name, words["signin.name"], limit: 64, complete: "username")}
            {OpsForm.Field(Secret, words["signin.password"], type: "password", limit: Password.MaxLength, complete: "current-password")}
            <p class="press"><button>{words["signin.button"]}</button></p>
            </form>

            """);
        var byProvider = oidc is null ? Html.Empty : Html.Of(
            $"<p><a class=\"button\" href=\"{OpsPath.Of(Oidc.StartPath, (Back, back))}\">{words["signin.oidc", ("provider", settings.Oidc!.Title)]}</a></p>\n");
        var byToken = hasUsers ? Html.Empty : Html.Of(
            $"""
            <p>{words["signin.token.intro"]}</p>
            <form class="act" method="post" action="{Path}">
            {OpsForm.Hidden(Back, back)}{OpsForm.Field(OneTime, words["signin.token.label"], type: "password", complete: "one-time-code")}
            <p class="press"><button>{words["signin.button"]}</button></p>
            </form>
            <p class="soft">{words["signin.token.hint", ("command", OpsGate.AddUser)]}</p>

            """);
        await frame.WriteAsync(http, new OpsPage
        {
            Title = words[hasUsers ? "signin.title" : "signin.token.title"],
            Body = Html.Of($"{told}{byProvider}{byName}{byToken}"),
            Status = status,
        });
    }

    private async Task<bool> HasLocalAsync(CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return await connection.ExecuteScalarAsync<bool>(new CommandDefinition("select exists (select from dunning.ops_user where not is_disabled)", cancellationToken: ct));
    }

    private static string Wanted(string? back) => OpsPath.IsOurs(back) ? back! : "/ops";

    private sealed record Known(string Name, string Password, bool IsDisabled);

    // Anew: what is to be kept from now on; null: what is kept will do.
    private sealed record Verified(bool IsRight, string? Anew);
}
