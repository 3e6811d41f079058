using System.Globalization;
using Dunning.Hosting;
using Dunning.Jobs;
using Dunning.Model;
using Dunning.Ops.Frame;
using Dunning.Ops.Queries;
using Dunning.Passes;
using Dunning.Postgres;
using NodaTime;
using Npgsql;

namespace Dunning.Ops.Pages;

/// <summary>Each pass: how it last went on whichever server, when it runs next, what waits for it, and a button that runs it now.</summary>
internal sealed class PassesPage(OpsFrame frame, OperatorDesk desk, Guards guards, NpgsqlDataSource source, PassWorker worker, JobSettings jobs, Func<PassKind, CancellationToken, Task> trigger, Func<CancellationToken, Task<Rulebook>> rules, Func<Instant> now)
{
    private const int Runs = 30;
    private const int Trips = 20;
    private const int WaitingShown = 20;
    private const int WaitingListed = 500;
    private const string RunPath = "/ops/passes/run";
    private const string ApprovePath = "/ops/passes/approve";

    private readonly OverviewQueries _overview = new(source);
    private readonly PassQueries _passes = new(source);
    private readonly WaitingQueries _waiting = new(source);

    public void Map(IEndpointRouteBuilder app)
    {
        app.MapGet("/ops/passes", ShowAsync).Needs(OpsRole.Viewer);
        app.MapGet("/ops/passes/waiting", WaitingAsync).Needs(OpsRole.Viewer);
        app.MapPost(RunPath, RunAsync).Needs(OpsRole.Operator);
        app.MapPost(ApprovePath, ApproveAsync).Needs(OpsRole.Admin);
    }

    private async Task ShowAsync(HttpContext http)
    {
        var (visit, at, ct) = (http.Ops(), now(), http.RequestAborted);
        var (show, w) = (new Show(visit), visit.Words);
        var asked = http.Request.Query["pass"].ToString();
        var pass = JobSettings.Passes.Any(p => Texts.Pass[p] == asked) ? asked : null;
        var backlog = (await _overview.BacklogAsync(at, ct)).ToDictionary(b => b.Pass, StringComparer.Ordinal);
        var states = (await _passes.StatesAsync(ct)).ToLookup(s => s.Pass, StringComparer.Ordinal);
        var runs = await _passes.RunsAsync(pass, Runs, ct);
        var (stands, trips) = (await guards.ListAsync(ct), await guards.TripsAsync(Trips, ct));
        await frame.WriteAsync(http, new OpsPage
        {
            Title = w["nav.passes"],
            Body = Html.Of(
                $"""
                <p class="soft">{w["pass.intro"]} {show.Time(at)}</p>
                {(worker.Mismatch is { } why ? OpsFrame.Told(new OpsFlash(why, IsFault: true)) : Html.Empty)}{Show.Table(w["nav.passes"],
                    [w["pass.name"], w["pass.last"], "#" + w["pass.duration"], w["pass.outcome"], "#" + w["pass.failures"], w["pass.next"], "#" + w["pass.backlog"], w["pass.oldest"]],
                    JobSettings.Passes.Select(p => Row(show, Texts.Pass[p], states[Texts.Pass[p]].FirstOrDefault(), backlog.GetValueOrDefault(Texts.Pass[p]), NextOf(p, at), at)))}{GuardsOf(visit, show, stands, trips)}{RunForm(visit, show, pass)}
                {Show.Heading("runs", pass is null ? w["pass.runs"] : w["pass.runs.of", ("pass", show.Name("pass", pass))])}<p class="soft">{w["pass.runs.note"]}{(pass is null ? Html.Empty : Html.Of($" {Show.Link("/ops/passes#runs", w["pass.runs.all"])}"))}</p>
                {(runs.Count == 0 ? Show.Nothing(w["pass.runs.none"]) : Show.Table(w["pass.runs"],
                    [w["pass.started"], w["pass.name"], w["pass.server"], "#" + w["pass.duration"], w["pass.outcome"], "#" + w["pass.accounts"], "#" + w["pass.charges"], "#" + w["pass.mails"]],
                    runs.Select(r => Show.Row(Show.Short(show.Time(r.StartedAt)), Show.Head(Show.Link(OpsPath.Of("/ops/passes", ("pass", r.Pass)) + "#runs", show.Name("pass", r.Pass))), Show.Cell(r.Server),
                        Show.Figure(Seconds(show, r.EndedAt - r.StartedAt)), Show.Cell(Outcome(show, r.Outcome, r.Error, r.Faults)), Show.Figure(show.Count(r.Accounts)),
                        Show.Figure(w["pass.charges.of", ("good", show.Count(r.ChargesSucceeded)), ("bad", show.Count(r.ChargesFailed)), ("open", show.Count(r.ChargesUnknown + r.ChargesPending))]), Show.Figure(show.Count(r.MailsSent))))))}
                """),
        });
    }

    private static Html Row(Show show, string pass, PassStateRow? state, BacklogRow? waits, Instant? next, Instant at) => Show.Row(
        Show.Head(Html.Of($"{Show.Link(OpsPath.Of("/ops/passes", ("pass", pass)) + "#runs", show.Name("pass", pass))}<br><span class=\"soft\">{show.Words["pass.does." + pass]}</span>")),
        Show.Short(state is null ? Html.Text(show.Words["pass.never"]) : show.Time(state.StartedAt)),
        Show.Figure(state?.EndedAt is { } ended ? Seconds(show, ended - state.StartedAt) : "–"),
        Show.Cell(state is null ? Html.Text("–") : state.EndedAt is null ? Show.Badge("", show.Words["pass.running"]) : Outcome(show, state.Outcome ?? "", state.Error, 0)),
        Show.Figure(show.Count(state?.Failures ?? 0)),
        Show.Short(next is { } on ? show.Time(on) : Html.Text(show.Words["pass.off"])),
        Show.Figure(show.Count(waits?.Count ?? 0)),
        Show.Cell(waits is null ? "–" : show.Span(at - Instant.FromDateTimeUtc(waits.Since))));

    private static Html Outcome(Show show, string outcome, string? error, int faults) => Html.Of(
        $"{Show.Badge(outcome == "done" ? "good" : outcome is "faults" or "failed" or "refused" ? "bad" : "warn", show.Name("pass.outcome", outcome))}{(faults > 0 ? Html.Of($" {show.Count(faults)}") : Html.Empty)}{(error is null ? Html.Empty : Html.Of($" <span class=\"soft\">{error}</span>"))}");

    private static string Seconds(Show show, TimeSpan span) => span.TotalSeconds.ToString("F1", CultureInfo.InvariantCulture).Replace(".", show.Words["number.decimal"], StringComparison.Ordinal) + "\u00a0s";

    private static Html GuardsOf(OpsVisit visit, Show show, IReadOnlyList<GuardState> stands, IReadOnlyList<PastTrip> trips)
    {
        var w = show.Words;
        return Html.Of(
            $"""
            {Show.Heading("guards", w["guard.title"])}<p class="soft">{w["guard.note"]}</p>
            {Show.Table(w["guard.title"], [w["guard.kind"], "#" + w["guard.taken"], "#" + w["guard.limit"], w["case.state"]],
                stands.Select(g => Show.Row(Show.Head(Html.Text(w["guard." + Guards.NameOf(g.Kind)])), Show.Figure(show.Count(g.Taken)), Show.Figure(show.Count(g.Limit)),
                    Show.Cell(g.TrippedAt is not { } at ? Show.Badge("good", w["guard.open"]) : Html.Of($"{Show.Badge("bad", w["guard.tripped"])} {w["guard.tripped.since", ("n", show.Count(g.Wanted ?? 0))]} {show.Time(at)}. {Show.Link(WaitingPath(g.Kind), w["guard.waiting"])}")))))}{Html.Each(stands.Where(g => g.TrippedAt is not null), g => !visit.User.May(OpsRole.Admin) ? Html.Of($"<p>{w["guard.admin"]}</p>\n") : OpsForm.Post(
                    visit, ApprovePath, w["guard.approve", ("kind", w["guard." + Guards.NameOf(g.Kind)])], OpsForm.Hidden("kind", Guards.NameOf(g.Kind)), isGrave: true, typed: visit.Typed?.If(ApprovePath, ("kind", Guards.NameOf(g.Kind)))))}{(trips.All(t => t.ApprovedAt is null) ? Html.Empty : Html.Of($"<details><summary>{w["guard.past"]}</summary>{Show.Table(w["guard.past"], [w["guard.kind"], w["guard.tripped.at"], "#" + w["guard.wanted"], w["guard.approved"], w["audit.reason"]],
                        trips.Where(t => t.ApprovedAt is not null).Select(t => Show.Row(Show.Head(Html.Text(w["guard." + Guards.NameOf(t.Kind)])), Show.Short(show.Time(t.At)), Show.Figure(show.Count(t.Wanted)), Show.Cell(Html.Of($"{t.ApprovedBy} {show.Time(t.ApprovedAt!.Value)}")), Show.Cell(t.ApprovedReason))))}</details>"))}

            """);
    }

    private static Html RunForm(OpsVisit visit, Show show, string? pass) => !visit.User.May(OpsRole.Operator) ? Html.Empty : Html.Of(
        $"""
        {Show.Heading("run", visit.Words["pass.run"])}<p class="soft">{visit.Words["pass.run.note"]}</p>
        {OpsForm.Post(visit, RunPath, visit.Words["pass.run"], OpsForm.Choice("pass", visit.Words["pass.name"], JobSettings.Passes.Select(p => (Texts.Pass[p], show.Name("pass", Texts.Pass[p]))), visit.Typed?.If(RunPath)?.Fields["pass"] ?? pass), typed: visit.Typed?.If(RunPath))}
        """);

    private async Task RunAsync(HttpContext http)
    {
        var w = http.Ops().Words;
        var form = await http.Request.ReadFormAsync(http.RequestAborted);
        var asked = form["pass"].ToString();
        if (await OpsForm.MandateAsync(http) is not { } mandate)
        {
            http.Ops().Typed = new OpsTyped(w["form.noreason"], RunPath, form);
            await ShowAsync(http);
            return;
        }
        if (JobSettings.Passes.Where(p => Texts.Pass[p] == asked).Cast<PassKind?>().FirstOrDefault() is not { } pass)
        {
            await OpsFrame.BackAsync(http, "/ops/passes", new OpsFlash(w["act.unknown"], IsFault: true));
            return;
        }
        await desk.NoteAsync(mandate, AuditAct.RunPass, asked, http.RequestAborted);
        await trigger(pass, http.RequestAborted);
        await OpsFrame.BackAsync(http, "/ops/passes", new OpsFlash(w["pass.run.done", ("pass", new Show(http.Ops()).Name("pass", asked))]));
    }

    private async Task ApproveAsync(HttpContext http)
    {
        var (visit, form) = (http.Ops(), await http.Request.ReadFormAsync(http.RequestAborted));
        var w = visit.Words;
        if (await OpsForm.MandateAsync(http) is not { } mandate)
        {
            visit.Typed = new OpsTyped(w["form.noreason"], ApprovePath, form);
            await ShowAsync(http);
            return;
        }
        if (Guards.Find(form["kind"].ToString()) is not { } kind)
        {
            await OpsFrame.BackAsync(http, "/ops/passes", new OpsFlash(w["act.unknown"], IsFault: true));
            return;
        }
        var name = w["guard." + Guards.NameOf(kind)];
        // Once more: what it lets go on harms many, and can't be taken back.
        if (form["confirmed"] != "yes")
        {
            var show = new Show(http.Ops());
            var state = (await guards.ListAsync(http.RequestAborted)).First(g => g.Kind == kind);
            var waiting = await WaitingOfAsync(kind, WaitingShown, http.RequestAborted);
            await frame.WriteAsync(http, new OpsPage
            {
                Title = w["confirm.title", ("act", w["guard.approve", ("kind", name)])],
                Body = Html.Of(
                    $"""
                    <p class="told warning">{w["guard.confirm", ("kind", name), ("limit", show.Count(state.Limit))]}</p>
                    <dl class="facts"><dt>{w["audit.reason"]}</dt><dd>{mandate.Reason}</dd></dl>
                    {Show.Heading("waiting", w["guard.waiting"])}{WaitingTable(show, waiting)}{(waiting.Count > waiting.Rows.Count ? Html.Of($"<p>{Show.Link(WaitingPath(kind), w["guard.waiting.all", ("n", show.Count(waiting.Count))])}</p>\n") : Html.Empty)}
                    {OpsForm.Post(visit, ApprovePath, w["confirm.button", ("act", w["guard.approve", ("kind", name)])], OpsForm.Hidden("kind", Guards.NameOf(kind)) + OpsForm.Hidden("confirmed", "yes") + OpsForm.Hidden(OpsForm.Reason, mandate.Reason), asksReason: false, isGrave: true)}<p>{Show.Link("/ops/passes", w["guard.back"])}</p>
                    """),
            });
            return;
        }
        await OpsFrame.BackAsync(http, "/ops/passes", await guards.ApproveAsync(kind, mandate, http.RequestAborted)
            ? new OpsFlash(w["guard.done", ("kind", name)]) : new OpsFlash(w["guard.nothing", ("kind", name)], IsFault: true));
    }

    private async Task WaitingAsync(HttpContext http)
    {
        var w = http.Ops().Words;
        if (Guards.Find(http.Request.Query["kind"].ToString()) is not { } kind)
        {
            await frame.WriteAsync(http, new OpsPage { Title = w["missing.title"], Body = Html.Of($"<p>{w["missing.text"]}</p>"), Status = StatusCodes.Status404NotFound });
            return;
        }
        var show = new Show(http.Ops());
        var waiting = await WaitingOfAsync(kind, WaitingListed, http.RequestAborted);
        await frame.WriteAsync(http, new OpsPage
        {
            Title = w["guard.waiting.title", ("kind", w["guard." + Guards.NameOf(kind)])],
            Body = Html.Of($"<p class=\"soft\">{w["guard.waiting.note"]}</p>\n{WaitingTable(show, waiting)}{(waiting.Count > waiting.Rows.Count ? Html.Of($"<p>{w["guard.waiting.first", ("n", show.Count(waiting.Count)), ("shown", show.Count(waiting.Rows.Count))]}</p>\n") : Html.Empty)}<p>{Show.Link("/ops/passes#guards", w["guard.title"])}</p>\n"),
        });
    }

    private async Task<Waiting> WaitingOfAsync(GuardKinds kind, int limit, CancellationToken ct) => await _waiting.OfAsync(kind, await rules(ct), now(), limit, ct);

    private static Html WaitingTable(Show show, Waiting waiting)
    {
        var w = show.Words;
        return waiting.Rows.Count == 0 ? Show.Nothing(w["guard.waiting.none"]) : Show.Table(w["guard.waiting"], [w["account.id"], w["account.name"], w["account.what"], "#" + w["account.owed"]],
            waiting.Rows.Select(r => Show.Row(Show.Head(Show.Account(r.Account)), Show.Cell(r.Name), Show.Cell(r.Template is { } template ? show.Name("template", template) : w["guard.waiting." + r.What]), Show.Figure(r.Owed is { } owed ? show.Amount(owed.Minor, owed.Currency.Code) : "–"))));
    }

    private static string WaitingPath(GuardKinds kind) => OpsPath.Of("/ops/passes/waiting", ("kind", Guards.NameOf(kind)));

    private Instant? NextOf(PassKind pass, Instant at) => jobs.Cron[pass] == JobSettings.Off ? null : CronText.NextAfter(jobs.Cron[pass], at, jobs.Zone);
}
