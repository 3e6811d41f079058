using System.Collections.Immutable;

namespace Dunning.Ops.Frame;

/// <summary>One page.</summary>
internal sealed record OpsPage
{
    /// <summary>Its heading and title, as text.</summary>
    public required string Title { get; init; }

    /// <summary>What is below the heading.</summary>
    public required Html Body { get; init; }

    /// <summary>HTTP status.</summary>
    public int Status { get; init; } = StatusCodes.Status200OK;
}

/// <summary>
/// What all pages for operators have around them: one style sheet of ours, no script, where one can go, who is signed in. Reads well on a phone, in the
/// dark, by keyboard and by screen reader.
/// </summary>
/// <param name="texts">What the pages say.</param>
/// <param name="jobPages">Where the job host has pages of its own; null: it has none.</param>
internal sealed class OpsFrame(OpsTexts texts, string? jobPages)
{
    private static readonly ImmutableArray<(string Path, string Key)> s_nav =
    [
        ("/ops", "nav.overview"), ("/ops/cases", "nav.cases"), ("/ops/passes", "nav.passes"), ("/ops/mails", "nav.mails"),
        ("/ops/forecast", "nav.forecast"), ("/ops/audit", "nav.audit"),
    ];

    /// <summary>What the pages say.</summary>
    public OpsTexts Texts => texts;

    /// <summary>Where the job host has pages of its own; null: it has none.</summary>
    public string? JobPages => jobPages;

    /// <summary>Sends a page: to whom is signed in with where one can go, to others without.</summary>
    public Task WriteAsync(HttpContext http, OpsPage page)
    {
        var visit = http.OpsOrNobody();
        var words = visit?.Words ?? texts.For(http.Request);
        http.Response.StatusCode = visit?.Typed is null || page.Status != StatusCodes.Status200OK ? page.Status : StatusCodes.Status422UnprocessableEntity;
        http.Response.ContentType = "text/html; charset=utf-8";
        if (HttpMethods.IsHead(http.Request.Method))
        {
            return Task.CompletedTask;
        }
        return http.Response.WriteAsync(Html.Of(
            $"""
            <!DOCTYPE html>
            <html lang="{words.Code}">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <title>{page.Title} · Dunning</title>
            <link rel="stylesheet" href="{OpsAssets.StylePath}">
            <link rel="icon" href="data:,">
            </head>
            <body>
            <a class="skip" href="#main">{words["frame.skip"]}</a>
            {(visit is null ? Html.Of($"<header><p class=\"brand\">Dunning</p></header>\n") : Header(http, visit))}<main id="main" tabindex="-1">
            <h1>{page.Title}</h1>
            {(visit?.Flash is { } flash ? Told(flash) : Html.Empty)}{(visit?.Typed is { } typed ? Told(new OpsFlash(typed.Fault, IsFault: true)) : Html.Empty)}{page.Body}
            </main>
            </body>
            </html>

            """).ToString(), http.RequestAborted);
    }

    /// <summary>Answers a posted form: tells that on the page it leads to. The path is one of ours.</summary>
    public static async Task BackAsync(HttpContext http, string path, OpsFlash? flash = null)
    {
        if (flash is not null)
        {
            await http.Ops().TellAsync(flash, http.RequestAborted);
        }
        http.Response.StatusCode = StatusCodes.Status303SeeOther;
        http.Response.Headers.Location = OpsPath.IsOurs(path) ? path : "/ops";
    }

    /// <summary>A message.</summary>
    public static Html Told(OpsFlash flash) => Html.Of($"<p class=\"{(flash.IsFault ? "told fault" : "told")}\" role=\"{(flash.IsFault ? "alert" : "status")}\">{flash.Text}</p>\n");

    private Html Header(HttpContext http, OpsVisit visit)
    {
        var (words, here) = (visit.Words, http.Request.Path.Value ?? "");
        var back = here + http.Request.QueryString.Value;
        return Html.Of(
            $"""
            <header>
            <p class="brand"><a href="/ops">Dunning</a></p>
            <nav aria-label="{words["frame.nav"]}"><ul>
            {Html.Each(s_nav, n => Html.Of($"<li><a href=\"{n.Path}\"{Current(here, n.Path)}>{words[n.Key]}</a></li>\n"))}{(jobPages is null ? Html.Empty : Html.Of($"<li><a href=\"{jobPages}\">{words["nav.jobs"]}</a></li>\n"))}</ul></nav>
            <div class="who">
            <p><a href="/ops/me">{visit.User.Name}</a> <span class="soft">{words["role." + OpsRoles.NameOf(visit.User.Role)]}</span></p>
            <form method="post" action="/ops/language">{OpsForm.TokenField(visit)}{OpsForm.Hidden("back", back)}{Html.Each(OpsTexts.Languages, l => Html.Of(
                $"<button class=\"plain\" name=\"language\" value=\"{l}\" lang=\"{l}\"{(l == words.Code ? Html.Of($" aria-pressed=\"true\"") : Html.Empty)}>{texts.In(l)["language.name"]}</button>"))}</form>
            <form method="post" action="/ops/sign-out">{OpsForm.TokenField(visit)}<button class="plain">{words["frame.signout"]}</button></form>
            </div>
            </header>

            """);
    }

    private static Html Current(string here, string path) =>
        here == path || (path != "/ops" && here.StartsWith(path + "/", StringComparison.Ordinal)) ? Html.Of($" aria-current=\"page\"") : Html.Empty;
}
