using System.Globalization;
using Dunning.Mail;
using Dunning.Model;
using Dunning.Ops.Frame;
using Dunning.Ops.Queries;
using Dunning.Postgres;
using NodaTime;
using Npgsql;

namespace Dunning.Ops.Pages;

/// <summary>The outbox: what waits, what is dead, who can't be reached, how a mail reads, and sending again.</summary>
internal sealed class MailsPage(OpsFrame frame, OperatorDesk desk, NpgsqlDataSource source, MailComposer composer, Func<Instant> now)
{
    private const int Rows = 50;
    private const int Bouncing = 50;
    private const string Path = "/ops/mails/resend";

    private readonly MailQueries _queries = new(source);

    public void Map(IEndpointRouteBuilder app)
    {
        app.MapGet("/ops/mails", ShowAsync).Needs(OpsRole.Viewer);
        app.MapGet("/ops/mails/mail", MailAsync).Needs(OpsRole.Viewer);
        app.MapGet("/ops/mails/html", HtmlAsync).Needs(OpsRole.Viewer);
        app.MapPost(Path, ResendAsync).Needs(OpsRole.Operator);
    }

    private async Task ShowAsync(HttpContext http)
    {
        var (visit, ct, query, at) = (http.Ops(), http.RequestAborted, http.Request.Query, now());
        var (show, w) = (new Show(visit), visit.Words);
        var state = MailQueries.States.Contains(query["state"].ToString(), StringComparer.Ordinal) ? query["state"].ToString() : null;
        var (account, template) = (CasesPage.Typed(query["account"], 200), CasesPage.Typed(query["template"], 100));
        var counts = await _queries.CountAsync(ct);
        var bouncing = await new PostgresOutbox(source).BouncingAsync(account, Bouncing, ct);
        var mails = await _queries.ListAsync(state, account, template, CursorOf(query["after"]), at, Rows, ct);
        var next = mails.Count <= Rows ? null : OpsPath.Of("/ops/mails", ("state", state), ("account", account), ("template", template), ("after", Text(mails[Rows - 1])));
        var tripped = await Guards.TrippedAsync(source, ct);
        var dead = counts.Where(c => c.State == "dead").Sum(c => c.Count);
        await frame.WriteAsync(http, new OpsPage
        {
            Title = w["nav.mails"],
            Body = Html.Of(
                $"""
                {GuardNotice.Of(show, tripped, GuardKinds.Mails)}{Show.Heading("waiting", w["mails.open"])}{(counts.Count == 0 ? Show.Nothing(w["mails.open.none"]) : Show.Table(w["mails.open"], [w["mail.state"], w["mail.template"], "#" + w["mail.count"], w["mail.oldest"]],
                    counts.Select(c => Show.Row(Show.Cell(StateOf(show, c.State)), Show.Head(Show.Link(OpsPath.Of("/ops/mails", ("state", c.State), ("template", c.Template)), show.Name("template", c.Template))), Show.Figure(show.Count(c.Count)), Show.Cell(show.Span(at - Instant.FromDateTimeUtc(c.Since)))))))}{(dead > 0 && visit.User.May(OpsRole.Operator) ? Html.Of(
                    $"<details{(visit.Typed is null ? Html.Empty : Html.Of($" open"))}><summary>{w["mails.resend.all"]}</summary>{OpsForm.Post(visit, Path, w["mails.resend.button", ("n", show.Count(dead))], OpsForm.Hidden("all", "dead"), isGrave: true, typed: visit.Typed?.If(Path, ("all", "dead")))}</details>") : Html.Empty)}
                {Show.Heading("bouncing", w["mails.bouncing"])}{(bouncing.Count == 0 ? Show.Nothing(w["mails.bouncing.none"]) : Html.Of($"<p class=\"soft\">{w["mails.bouncing.note"]}</p>{Show.Table(w["mails.bouncing"], [w["account.id"], w["mail.address"], w["mail.since"], w["mail.answer"], ""],
                    bouncing.Select(b => Show.Row(Show.Head(Show.Account(b.AccountId)), Show.Cell(b.Email), Show.Short(show.Time(b.BouncedAt)), Show.Cell(b.BounceReason), Show.Cell(b.IsLast ? Show.Badge("bad", w["mails.bouncing.last"]) : Html.Empty))))}"))}
                {Show.Heading("outbox", w["mails.outbox"])}{show.Filters("/ops/mails", Html.Of(
                    $"{OpsForm.Field("account", w["account.id"], account, type: "search", isRequired: false, limit: 200)}{show.Choice("state", w["mail.state"], MailQueries.States.Select(s => (s, w["mail.state." + s])), state)}{show.Choice("template", w["mail.template"], MailTemplates.All.Select(t => (t, show.Name("template", t))).OrderBy(t => t.Item2, StringComparer.OrdinalIgnoreCase), template)}"))}{(MailQueries.IsRecent(state, account, template) ? Html.Of($"<p class=\"soft\">{w["mails.recent"]}</p>\n") : Html.Empty)}{(mails.Count == 0 ? Show.Nothing(w["mails.none"]) : Html.Of(
                    $"{Table(show, mails.Take(Rows))}{show.Next(next)}"))}
                """),
        });
    }

    /// <summary>Mails, one row a recipient.</summary>
    public static Html Table(Show show, IEnumerable<OutboxView> mails)
    {
        var w = show.Words;
        return Show.Table(w["mails.outbox"], [w["mail.decided"], w["account.id"], w["mail.template"], w["mail.address"], w["mail.state"], "#" + w["mail.tries"], w["mail.answer"]],
            mails.Select(m => Show.Row(
                Show.Short(show.Time(m.DecidedAt)), Show.Cell(Show.Account(m.AccountId)),
                Show.Head(Show.Link(PathOf(m.AccountId, m.MailNumber, m.Contact), show.Name("template", m.Template))), Show.Cell(m.Email ?? w["mail.erased"]),
                Show.Cell(StateOf(show, m.State)), Show.Figure(show.Count(m.Tries)), Show.Cell(m.State == "accepted" ? "" : m.Detail))));
    }

    private static Html StateOf(Show show, string state) =>
        Show.Badge(state switch { "dead" => "bad", "accepted" => "good", "pending" => "warn", _ => "" }, show.Words["mail.state." + state]);

    private async Task MailAsync(HttpContext http)
    {
        var (visit, ct) = (http.Ops(), http.RequestAborted);
        var (show, w) = (new Show(visit), visit.Words);
        var (account, number, contact) = Which(http.Request.Query);
        var rows = await new PostgresOutbox(source).ListAsync(null, account, 10_000, ct);
        if (rows.FirstOrDefault(r => r.MailNumber == number && r.Contact == contact) is not { } row)
        {
            await MissingAsync(http);
            return;
        }
        var message = await ComposeAsync(account, number, contact, ct);
        if (message is not null)
        {
            http.Response.Headers.ContentSecurityPolicy = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-src 'self'; frame-ancestors 'none'; base-uri 'none'";
        }
        await frame.WriteAsync(http, new OpsPage
        {
            Title = w["mail.title", ("template", show.Name("template", row.Template)), ("account", account)],
            Body = Html.Of(
                $"""
                <dl class="facts">
                <dt>{w["account.id"]}</dt><dd>{Show.Account(account)}</dd>
                <dt>{w["mail.address"]}</dt><dd>{row.Email ?? w["mail.erased"]}</dd>
                <dt>{w["mail.state"]}</dt><dd>{StateOf(show, row.State)}</dd>
                <dt>{w["mail.decided"]}</dt><dd>{show.Time(row.DecidedAt)}</dd>
                <dt>{w["mail.settled"]}</dt><dd>{show.Time(row.SettledAt)}</dd>
                <dt>{w["mail.tries"]}</dt><dd>{show.Count(row.Tries)}</dd>
                {(row.Detail is null ? Html.Empty : Html.Of($"<dt>{w["mail.answer"]}</dt><dd>{row.Detail}</dd>"))}
                </dl>
                {(row.State == "dead" && visit.User.May(OpsRole.Operator) ? Html.Of($"{Show.Heading("again", w["mails.resend"])}<p class=\"soft\">{w["mails.resend.note"]}</p>{OpsForm.Post(visit, Path, w["mails.resend"], OpsForm.Hidden("account", account) + OpsForm.Hidden("mail", number.ToString(CultureInfo.InvariantCulture)))}") : Html.Empty)}
                {Show.Heading("preview", w["mail.preview"])}{(message is null ? Show.Nothing(w["mail.preview.none"]) : Html.Of(
                    $"<p class=\"soft\">{w["mail.preview.note"]}</p><p><b>{w["mail.subject"]}</b> {message.Subject}</p><iframe class=\"mail\" sandbox title=\"{w["mail.preview"]}\" src=\"{OpsPath.Of("/ops/mails/html", ("account", account), ("mail", number.ToString(CultureInfo.InvariantCulture)), ("contact", contact.ToString(CultureInfo.InvariantCulture)))}\"></iframe><details><summary>{w["mail.text"]}</summary><pre class=\"mail\" tabindex=\"0\">{message.Text}</pre></details>"))}
                """),
        });
    }

    /// <summary>The mail's own page, for a frame that may do nothing: no script, nothing from outside, nobody's else.</summary>
    private async Task HtmlAsync(HttpContext http)
    {
        var (account, number, contact) = Which(http.Request.Query);
        if (await ComposeAsync(account, number, contact, http.RequestAborted) is not { Html: { } html })
        {
            await MissingAsync(http);
            return;
        }
        http.Response.Headers.ContentSecurityPolicy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; frame-ancestors 'self'; base-uri 'none'; form-action 'none'";
        http.Response.Headers.XFrameOptions = "SAMEORIGIN";
        http.Response.ContentType = "text/html; charset=utf-8";
        await http.Response.WriteAsync(html, http.RequestAborted);
    }

    private async Task ResendAsync(HttpContext http)
    {
        var (visit, ct) = (http.Ops(), http.RequestAborted);
        var (form, w) = (await http.Request.ReadFormAsync(ct), visit.Words);
        var (account, all) = (CasesPage.Typed(form["account"], 200), form["all"] == "dead");
        var back = account is null ? "/ops/mails" : OpsPath.Of("/ops/mails", ("account", account));
        if (await OpsForm.MandateAsync(http) is not { } mandate)
        {
            visit.Typed = new OpsTyped(w["form.noreason"], Path, form);
            await ShowAsync(http);
            return;
        }
        var isOne = int.TryParse(form["mail"], NumberStyles.None, CultureInfo.InvariantCulture, out var number) && account is not null;
        if (!isOne && !all)
        {
            await OpsFrame.BackAsync(http, back, new OpsFlash(w["act.unknown"], IsFault: true));
            return;
        }
        // Many customers get a mail by it.
        if (!isOne && form["confirmed"] != "yes")
        {
            await ConfirmAsync(http, mandate.Reason);
            return;
        }
        var revived = await desk.ResendAsync(mandate, isOne ? account : null, isOne ? number : null, ct);
        await OpsFrame.BackAsync(http, back, revived.Count == 0 ? new OpsFlash(w["mails.resend.nothing"], IsFault: true)
            : new OpsFlash(w["mails.resend.done", ("n", new Show(http.Ops()).Count(revived.Count))]));
    }

    private async Task ConfirmAsync(HttpContext http, string reason)
    {
        var visit = http.Ops();
        var (show, w) = (new Show(visit), visit.Words);
        var dead = (await _queries.CountAsync(http.RequestAborted)).Where(c => c.State == "dead").ToList();
        if (dead.Count == 0)
        {
            await OpsFrame.BackAsync(http, "/ops/mails", new OpsFlash(w["mails.resend.nothing"], IsFault: true));
            return;
        }
        await frame.WriteAsync(http, new OpsPage
        {
            Title = w["confirm.title", ("act", w["mails.resend.all"])],
            Body = Html.Of(
                $"""
                <p class="told warning">{w["mails.confirm", ("n", show.Count(dead.Sum(c => c.Count)))]}</p>
                <dl class="facts"><dt>{w["audit.reason"]}</dt><dd>{reason}</dd></dl>
                {Show.Table(w["mails.open"], [w["mail.template"], "#" + w["mail.count"]],
                    dead.Select(c => Show.Row(Show.Head(Show.Link(OpsPath.Of("/ops/mails", ("state", c.State), ("template", c.Template)), show.Name("template", c.Template))), Show.Figure(show.Count(c.Count)))))}<p>{w["mails.resend.note"]}</p>
                {OpsForm.Post(visit, Path, w["confirm.button", ("act", w["mails.resend.all"])], OpsForm.Hidden("all", "dead") + OpsForm.Hidden("confirmed", "yes") + OpsForm.Hidden(OpsForm.Reason, reason), asksReason: false, isGrave: true)}<p>{Show.Link("/ops/mails", w["mails.back"])}</p>
                """),
        });
    }

    // What was sent is made again from what was decided: the same mail gives the same message. Without links: one that works is the customer's alone.
    private async Task<OutgoingMessage?> ComposeAsync(string account, int number, int contact, CancellationToken ct) =>
        await _queries.FindAsync(account, number, contact, ct) is { } mail && await new PostgresFiles(source).FileAsync(account, ct) is { } file
            ? composer.Compose(file, mail, mail.Recipients[0]) : null;

    private async Task MissingAsync(HttpContext http)
    {
        var w = http.Ops().Words;
        await frame.WriteAsync(http, new OpsPage { Title = w["missing.title"], Body = Html.Of($"<p>{w["missing.text"]}</p>"), Status = StatusCodes.Status404NotFound });
    }

    private static (string Account, int Number, int Contact) Which(IQueryCollection query) => (
        CasesPage.Typed(query["account"], 200) ?? "",
        int.TryParse(query["mail"], NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0,
        int.TryParse(query["contact"], NumberStyles.None, CultureInfo.InvariantCulture, out var contact) ? contact : 0);

    /// <summary>A mail's page.</summary>
    public static string PathOf(string account, int mail, int contact) =>
        OpsPath.Of("/ops/mails/mail", ("account", account), ("mail", mail.ToString(CultureInfo.InvariantCulture)), ("contact", contact.ToString(CultureInfo.InvariantCulture)));

    private static string Text(OutboxView row) => CasesPage.Encode(string.Create(CultureInfo.InvariantCulture, $"{row.DecidedAt.Ticks}|{row.MailNumber}|{row.Contact}|{row.AccountId}"));

    private static MailCursor? CursorOf(string? text) =>
        CasesPage.Decode(text)?.Split('|', 4) is [var ticks, var mail, var contact, var account]
        && long.TryParse(ticks, NumberStyles.None, CultureInfo.InvariantCulture, out var at) && at <= DateTime.MaxValue.Ticks
        && int.TryParse(mail, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
        && int.TryParse(contact, NumberStyles.None, CultureInfo.InvariantCulture, out var recipient)
            ? new MailCursor(new DateTime(at, DateTimeKind.Utc), account, number, recipient) : null;
}
