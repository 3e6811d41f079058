using System.Globalization;
using Dunning.Hosting;
using Dunning.Ops.Frame;
using Dunning.Ops.Queries;
using NodaTime;
using NodaTime.Text;
using Npgsql;

namespace Dunning.Ops.Pages;

/// <summary>Whether money is coming in, at a glance: what needs somebody's eye, what came in and what is owed, how much of what fails is recovered.</summary>
internal sealed class OverviewPage(OpsFrame frame, NpgsqlDataSource source, Func<Instant> now, ILogger logger)
{
    private const int Days = 30;
    private const int Alerts = 20;

    // Longer than anything waits that runs every minute.
    private static readonly Duration s_patience = Duration.FromMinutes(15);

    private static readonly string[] s_outcomes = ["open", "suspended", "recovered", "written_off", "voided"];

    private readonly OverviewQueries _queries = new(source);
    private readonly PassQueries _passes = new(source);
    private readonly RecoveryYear _year = new(new OverviewQueries(source), now, logger);

    public void Map(IEndpointRouteBuilder app) => app.MapGet("/ops", ShowAsync).Needs(OpsRole.Viewer);

    private async Task ShowAsync(HttpContext http)
    {
        var (visit, ct, at) = (http.Ops(), http.RequestAborted, now());
        var show = new Show(visit);
        var today = at.InZone(show.Zone).Date;
        // Side by side: each has a connection of its own.
        var (askedTakings, askedOwed, askedBacklog, askedStanding, askedCases, askedAlerts) = (
            _queries.TakingsAsync(today.PlusDays(1 - Days), today, show.Zone, ct), _queries.OwedAsync(ct), _queries.BacklogAsync(at, ct),
            _queries.StandingAsync(today.PlusDays(30), ct), _year.GetAsync(), _passes.AlertsAsync(Alerts, ct));
        await Task.WhenAll(askedTakings, askedOwed, askedBacklog, askedStanding, askedCases, askedAlerts);
        var (takings, owed, backlog, standing, cases, alerts) = (
            await askedTakings, await askedOwed, await askedBacklog, await askedStanding, await askedCases, await askedAlerts);
        var currencies = takings.GroupBy(t => t.Currency, StringComparer.Ordinal).OrderByDescending(g => g.Sum(t => t.Charges)).Select(g => g.Key)
            .Union(owed.Select(o => o.Currency), StringComparer.Ordinal).Union((cases?.Cases ?? []).Select(c => c.Currency).Order(StringComparer.Ordinal), StringComparer.Ordinal).ToList();
        var asked = http.Request.Query["currency"].ToString();
        var currency = currencies.Contains(asked, StringComparer.Ordinal) ? asked : currencies.FirstOrDefault();
        var w = visit.Words;
        await frame.WriteAsync(http, new OpsPage
        {
            Title = w["nav.overview"],
            Body = Html.Of(
                $"""
                <p class="soft">{w["overview.asof"]} {show.Time(at)} · {Show.Link("/ops/alerts", w["overview.alerts.all"])}</p>
                {Amiss(show, alerts)}{Standing(show, standing, backlog, at)}
                {(currency is null ? Show.Nothing(w["overview.empty"]) : Html.Of(
                    $"{Money(show, takings, owed, currencies, today)}{Currencies(show, currencies, currency)}{Takings(show, takings, currency, today)}{Recovery(show, cases, currency)}"))}
                """),
        });
    }

    private static Html Amiss(Show show, IReadOnlyList<AlertRow> alerts) => alerts.Count == 0 ? Html.Empty : Html.Of(
        $"{Show.Heading("alerts", show.Words["overview.alerts"])}{Html.Each(alerts, a => Html.Of($"<p class=\"told {(a.Severity == "critical" ? "fault" : "warning")}\">{(OpsPath.IsOurs(a.Page) ? Show.Link(a.Page, a.Summary) : Html.Text(a.Summary))} <span class=\"soft\">{show.Time(a.RaisedAt)}</span></p>\n"))}");

    private static Html Standing(Show show, StandingRow s, IReadOnlyList<BacklogRow> backlog, Instant at)
    {
        var w = show.Words;
        var oldest = backlog.Count == 0 ? Duration.Zero : at - Instant.FromDateTimeUtc(backlog.Min(b => b.Since));
        var (due, isLate) = (backlog.Sum(b => b.Count), oldest > s_patience);
        var waits = s.MailsSince is { } first ? at - Instant.FromDateTimeUtc(first) : (Duration?)null;
        var areMailsLate = waits > s_patience;
        return Html.Of(
            $"""
            {Show.Heading("now", w["overview.now"])}<ul class="tiles">
            {Tile(s.OutageSince is null && s.RefusedSince is null ? "good" : "bad", w["overview.gateway"], Gateway(show, s))}{Tile(
                isLate ? "bad" : "good", w["overview.backlog"], due == 0 ? Html.Text(w["overview.backlog.none"]) : Html.Of($"{Show.Link("/ops/passes", w["overview.backlog.some", ("n", show.Count(due))])}{w["overview.backlog.age", ("age", show.Span(oldest))]}"))}{Tile(
                s.Stuck > 0 ? "bad" : s.Unknown > 0 ? "warn" : "good", w["overview.unknown"], s.Unknown == 0 ? Html.Text(w["overview.unknown.none"])
                    : Html.Of($"{Show.Link("/ops/charges", w["overview.unknown.some", ("n", show.Count(s.Unknown)), ("stuck", show.Count(s.Stuck)), ("age", show.Span(at - Instant.FromDateTimeUtc(s.UnknownSince!.Value)))])}"))}{Tile(
                s.MailsDead > 0 || s.MailsStuck ? "bad" : areMailsLate ? "warn" : "good", w["overview.mails"], Html.Of($"{Show.Link("/ops/mails?state=dead", w["overview.mails.dead", ("n", show.Count(s.MailsDead))])}, {Show.Link("/ops/mails?state=pending", w["overview.mails.waiting", ("n", show.Count(s.MailsWaiting))])}{(waits is { } wait ? " " + w["overview.mails.age", ("age", show.Span(wait))] : "")}, {Show.Link("/ops/mails#bouncing", w["overview.mails.bouncing", ("n", show.Count(s.Bouncing))])}"))}{Tile(
                "", w["overview.suspended"], Show.Link("/ops/cases?state=suspended", show.Count(s.Suspended)))}{Tile(
                s.ToBePurged > 0 ? "warn" : "", w["overview.purge"], Show.Link("/ops/forecast#purges", show.Count(s.ToBePurged)))}</ul>
            {(backlog.Count == 0 ? Html.Empty : Html.Of($"<details><summary>{w["overview.backlog.byPass"]}</summary>{Show.Table(w["overview.backlog.byPass"], [w["pass.name"], "#" + w["pass.backlog"], w["pass.oldest"]],
                backlog.Select(b => Show.Row(Show.Head(Html.Text(show.Name("pass", b.Pass))), Show.Figure(show.Count(b.Count)), Show.Cell(show.Span(at - Instant.FromDateTimeUtc(b.Since))))))}</details>"))}

            """);

        static Html Gateway(Show show, StandingRow s) => s switch
        {
            { OutageSince: { } since, OutageReason: var reason } => Html.Of($"{show.Words["overview.gateway.out"]} {show.Time(since)}.{Why(show, s.OutageStatus, reason)}"),
            { RefusedSince: { } since, RefusalReason: var reason } => Html.Of($"{show.Words["overview.gateway.refuses"]} {show.Time(since)}.{Why(show, s.RefusalStatus, reason)}"),
            _ => Html.Text(show.Words["overview.gateway.ok"]),
        };

        static Html Why(Show show, int? status, string? reason) => reason is null ? Html.Empty : Html.Of(
            $" {Refusal(show, status)} <span class=\"soft\">{reason}</span>");

        static Html Tile(string kind, string name, Html says) => Html.Of($"<li class=\"tile {kind}\"><h3>{name}</h3><p>{says}</p></li>\n");
    }

    /// <summary>Why the gateway refuses, in words.</summary>
    private static string Refusal(Show show, int? status) =>
        show.Words.Find(string.Create(CultureInfo.InvariantCulture, $"gateway.refusal.{status}")) ?? show.Words[status is null ? "gateway.refusal.unasked" : "gateway.refusal.other"];

    private static Html Money(Show show, IReadOnlyList<TakingsRow> takings, IReadOnlyList<OwedRow> owed, IReadOnlyList<string> currencies, LocalDate today)
    {
        var w = show.Words;
        var week = today.PlusDays(-6).ToDateOnly();
        return Html.Of(
            $"""
            {Show.Heading("money", w["overview.money"])}<p class="soft">{w["overview.money.note", ("zone", show.Zone.Id)]}</p>
            {Show.Table(w["overview.money"],
                [w["money.currency"], "#" + w["money.charged.today"], "#" + w["money.charged.week"], "#" + w["money.charged.month"], "#" + w["money.recovered.month"], "#" + w["money.failed.month"], "#" + w["money.due"], "#" + w["money.pastdue"], "#" + w["money.suspended"]],
                currencies.Select(c =>
                {
                    var those = takings.Where(t => t.Currency == c).ToList();
                    var o = owed.FirstOrDefault(x => x.Currency == c) ?? new OwedRow(c, 0, 0, 0, 0, 0, 0);
                    return Show.Row(Show.Head(Html.Text(c)),
                        Sum(c, those.Where(t => t.Day == today.ToDateOnly()), t => t.Charged, t => t.Charges), Sum(c, those.Where(t => t.Day >= week), t => t.Charged, t => t.Charges, Trend(those)),
                        Sum(c, those, t => t.Charged, t => t.Charges), Sum(c, those, t => t.Recovered, t => t.Recoveries), Sum(c, those, t => t.Failed, t => t.Failures),
                        Of(c, o.Due, o.DueCount), Of(c, o.PastDue, o.PastDueCount, OpsPath.Of("/ops/cases", ("state", "open"), ("currency", c))),
                        Of(c, o.Suspended, o.SuspendedCount, OpsPath.Of("/ops/cases", ("state", "suspended"), ("currency", c))));
                }))}
            """);

        Html Sum(string c, IEnumerable<TakingsRow> rows, Func<TakingsRow, long> amount, Func<TakingsRow, long> count, Html more = default)
        {
            var all = rows.ToList();
            return Of(c, all.Sum(amount), all.Sum(count), more: more);
        }

        // Of whole days: today is not over.
        Html Trend(List<TakingsRow> rows)
        {
            var (last, before) = (Charged(rows, 7, 1), Charged(rows, 14, 8));
            return before <= 0 ? Html.Empty : Html.Of($"<br><span class=\"{(last >= before ? "good" : "bad")}\">{w["money.trend", ("change", (last >= before ? "+" : "−") + show.Percent(Math.Abs(last - before), before))]}</span>");
        }

        long Charged(List<TakingsRow> rows, int from, int to) =>
            rows.Where(t => t.Day >= today.PlusDays(-from).ToDateOnly() && t.Day <= today.PlusDays(-to).ToDateOnly()).Sum(t => t.Charged);

        Html Of(string c, long amount, long count, string? path = null, Html more = default) => Html.Of(
            $"<td class=\"number\"><b>{(path is null || count == 0 ? Html.Text(show.Amount(amount, c)) : Show.Link(path, show.Amount(amount, c)))}</b><br><span class=\"soft\">{show.Count(count)}</span>{more}</td>");
    }

    private static Html Currencies(Show show, IReadOnlyList<string> currencies, string chosen) => currencies.Count < 2 ? Html.Empty : Html.Of(
        $"""
        <nav class="tabs" aria-label="{show.Words["money.currency"]}"><ul>{Html.Each(currencies, c => Html.Of(
            $"<li><a href=\"{OpsPath.Of("/ops", ("currency", c))}#takings\"{(c == chosen ? Html.Of($" aria-current=\"true\"") : Html.Empty)}>{c}</a></li>"))}</ul></nav>

        """);

    private static Html Takings(Show show, IReadOnlyList<TakingsRow> takings, string currency, LocalDate today)
    {
        var w = show.Words;
        var days = takings.Where(t => t.Currency == currency).ToDictionary(t => t.Day);
        var rows = Enumerable.Range(0, Days).Select(d => today.PlusDays(1 - Days + d).ToDateOnly())
            .Select(d => days.GetValueOrDefault(d) ?? new TakingsRow(d, currency, 0, 0, 0, 0, 0, 0)).ToList();
        var most = rows.Max(r => r.Charged + r.Failed);
        var alternative = w["takings.alternative", ("currency", currency), ("charged", show.Amount(rows.Sum(r => r.Charged), currency)), ("recovered", show.Amount(rows.Sum(r => r.Recovered), currency)), ("failed", show.Amount(rows.Sum(r => r.Failed), currency))];
        return Html.Of(
            $"""
            {Show.Heading("takings", w["takings.title", ("currency", currency)])}<figure>
            {Chart.Bars(alternative, [.. rows.Select(r => new Bar(Iso(r.Day) + ": " + show.Amount(r.Charged, currency), r.Charged - r.Recovered, r.Recovered, r.Failed))], most, show.Amount(most, currency))}<figcaption><ul class="legend"><li class="part0">{w["takings.first"]}</li><li class="part1">{w["takings.recovered"]}</li><li class="part2">{w["takings.failed"]}</li></ul></figcaption>
            </figure>
            <details><summary>{w["chart.figures"]}</summary>
            {Show.Table(w["takings.title", ("currency", currency)], [w["money.day"], "#" + w["takings.charged"], "#" + w["takings.recovered"], "#" + w["takings.failed"]],
                rows.AsEnumerable().Reverse().Select(r => Show.Row(Show.Head(Show.Day(r.Day)), Show.Figure(show.Amount(r.Charged, currency)), Show.Figure(show.Amount(r.Recovered, currency)), Show.Figure(show.Amount(r.Failed, currency)))))}
            </details>

            """);
    }

    private static Html Recovery(Show show, RecoveryOfYear? year, string currency)
    {
        var w = show.Words;
        if (year is null)
        {
            return Html.Of($"{Show.Heading("recovery", w["recovery.title", ("currency", currency)])}{Show.Nothing(w["recovery.counting"])}");
        }
        var monday = year.Monday;
        var mine = year.Cases.Where(c => c.Currency == currency).ToList();
        if (mine.Count == 0)
        {
            return Html.Of($"{Show.Heading("recovery", w["recovery.title", ("currency", currency)])}{Show.Nothing(w["recovery.none"])}");
        }
        var weeks = Enumerable.Range(0, 53).Select(i => monday.PlusWeeks(i - 52).ToDateOnly()).ToList();
        var byWeek = mine.Where(c => c.Week is not null).ToLookup(c => c.Week!.Value);
        var all = mine.Where(c => c.Week is not null).ToList();
        var months = Enumerable.Range(0, 12).Select(i => year.AsOf.InUtc().Date.With(DateAdjusters.StartOfMonth).PlusMonths(i - 11).ToDateOnly()).ToList();
        var bySteps = mine.Where(c => c.Step is not null).ToList();
        var steps = bySteps.Select(c => c.Step!.Value).Distinct().Order().ToList();
        var codes = mine.Where(c => c.Code is not null).GroupBy(c => c.Code!, StringComparer.Ordinal).OrderByDescending(g => g.Sum(c => c.Count)).ToList();
        return Html.Of(
            $"""
            {Show.Heading("recovery", w["recovery.title", ("currency", currency)])}<p class="big"><b>{show.Percent(Recovered(all, c => c.Count), Decided(all, c => c.Count))}</b> {w["recovery.count"]} · <b>{show.Percent(Recovered(all, c => c.Amount), Decided(all, c => c.Amount))}</b> {w["recovery.amount"]}</p>
            <p class="soft">{w["recovery.note"]} {w["overview.asof"]} {show.Time(year.AsOf)}.</p>
            <figure>
            {Chart.Bars(w["recovery.alternative", ("currency", currency), ("rate", show.Percent(Recovered(all, c => c.Count), Decided(all, c => c.Count)))],
                [.. weeks.Select(d => (Day: d, Rate: Share(byWeek[d], c => c.Count))).Select(d => new Bar(Iso(d.Day) + ": " + show.Percent((long)((d.Rate ?? 0) * 1000), 1000), 0, (d.Rate ?? 0) * 100))], 100, show.Percent(1, 1))}<figcaption class="soft">{w["recovery.byweek"]}</figcaption>
            </figure>
            <h3>{w["recovery.bystep"]}</h3>
            <p class="soft">{w["recovery.bystep.note"]}</p>
            {Show.Table(w["recovery.bystep"], [w["case.step"], "#" + w["recovery.reached"], "#" + w["outcome.recovered"], "#" + w["recovery.count"], "#" + w["recovery.amount"], w["recovery.months"]],
                steps.Select(s => Rates(show, Html.Text(w["case.step.n", ("n", show.Count(s))]), bySteps.Where(c => c.Step >= s).ToList(), c => c.Step == s && c.Outcome == "recovered", months)))}
            <h3>{w["recovery.bycode"]}</h3>
            {Show.Table(w["recovery.bycode"], [w["case.code"], "#" + w["recovery.cases"], "#" + w["outcome.recovered"], "#" + w["recovery.count"], "#" + w["recovery.amount"], w["recovery.months"]],
                codes.Select(g => Rates(show, g.Key.Length == 0 ? Html.Text(w["case.code.none"]) : Show.Link(OpsPath.Of("/ops/cases", ("code", g.Key)), show.Name("code", g.Key)), [.. g], c => c.Outcome == "recovered", months)))}
            <h3>{w["cohort.title"]}</h3>
            <p class="soft">{w["cohort.note"]}</p>
            {Show.Table(w["cohort.title"], [w["cohort.week"], "#" + w["recovery.cases"], .. s_outcomes.Select(o => "#" + w["outcome." + o]), "#" + w["recovery.count"], "#" + w["recovery.amount"]],
                weeks.AsEnumerable().Reverse().Where(d => byWeek.Contains(d)).Select(d => Show.Row(
                    [Show.Head(Show.Day(d)), Show.Figure(show.Count(byWeek[d].Sum(c => c.Count))), .. s_outcomes.Select(o => Show.Figure(show.Count(byWeek[d].Where(c => c.Outcome == o).Sum(c => c.Count)))),
                     Show.Figure(show.Percent(Recovered(byWeek[d], c => c.Count), Decided(byWeek[d], c => c.Count))), Show.Figure(show.Percent(Recovered(byWeek[d], c => c.Amount), Decided(byWeek[d], c => c.Amount)))])))}
            """);
    }

    private static Html Rates(Show show, Html name, List<CaseCountRow> rows, Func<CaseCountRow, bool> isWon, List<DateOnly> months)
    {
        var won = rows.Where(isWon).ToList();
        var shares = months.Select(m => (Won: won.Where(c => c.Month == m).Sum(c => c.Count), Of: Decided(rows.Where(c => c.Month == m), c => c.Count))).ToList();
        return Show.Row(Show.Head(name), Show.Figure(show.Count(Decided(rows, c => c.Count))), Show.Figure(show.Count(won.Sum(c => c.Count))),
            Show.Figure(show.Percent(won.Sum(c => c.Count), Decided(rows, c => c.Count))), Show.Figure(show.Percent(won.Sum(c => c.Amount), Decided(rows, c => c.Amount))),
            Show.Cell(Chart.Spark(show.Words["recovery.months.alternative", ("rates", string.Join(", ", shares.Select(s => show.Percent(s.Won, s.Of))))],
                [.. shares.Select(s => s.Of == 0 ? (double?)null : (double)s.Won / s.Of)])));
    }

    private static long Recovered(IEnumerable<CaseCountRow> rows, Func<CaseCountRow, long> what) => rows.Where(c => c.Outcome == "recovered").Sum(what);

    // What is still under way is neither won nor lost, and what was voided was never owed.
    private static long Decided(IEnumerable<CaseCountRow> rows, Func<CaseCountRow, long> what) => rows.Where(c => c.Outcome is not ("open" or "voided")).Sum(what);

    private static double? Share(IEnumerable<CaseCountRow> rows, Func<CaseCountRow, long> what) =>
        rows.ToList() is var all && Decided(all, what) is > 0 and var of ? (double)Recovered(all, what) / of : null;

    private static string Iso(DateOnly day) => LocalDatePattern.Iso.Format(LocalDate.FromDateOnly(day));
}
