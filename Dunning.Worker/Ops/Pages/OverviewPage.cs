using System.Globalization;
using Dunning.Hosting;
using Dunning.Ops.Frame;
using Dunning.Ops.Queries;
using Dunning.Options;
using NodaTime;
using NodaTime.Text;
using Npgsql;

namespace Dunning.Ops.Pages;

/// <summary>Whether money is coming in, at a glance: what needs somebody's eye, what came in and what is owed, how much of what fails is recovered.</summary>
internal sealed class OverviewPage(OpsFrame frame, NpgsqlDataSource source, Func<RuleOptions> rules, Func<Instant> now, ILogger logger)
{
    private const int Days = 30;
    private const int Alerts = 20;

    // Longer than anything waits that runs every minute.
    private static readonly Duration s_patience = Duration.FromMinutes(15);

    private readonly OverviewQueries _queries = new(source);
    private readonly ForecastQueries _forecast = new(source);
    private readonly PassQueries _passes = new(source);
    private readonly RecoveryYear _year = new(new OverviewQueries(source), now, logger);

    public void Map(IEndpointRouteBuilder app) => app.MapGet("/ops", ShowAsync).Needs(OpsRole.Viewer);

    private async Task ShowAsync(HttpContext http)
    {
        var (visit, ct, at) = (http.Ops(), http.RequestAborted, now());
        var show = new Show(visit);
        var today = at.InZone(show.Zone).Date;
        // Side by side: each has a connection of its own.
        var (askedTakings, askedOwed, askedBacklog, askedStanding, askedPurges, askedCases, askedAlerts) = (
            _queries.TakingsAsync(today.PlusDays(1 - Days), today, show.Zone, ct), _queries.OwedAsync(ct), _queries.BacklogAsync(at, ct),
            _queries.StandingAsync(ct), _forecast.PurgesAheadAsync(at + ForecastQueries.Soon, rules(), ct), _year.GetAsync(), _passes.AlertsAsync(Alerts, ct));
        await Task.WhenAll(askedTakings, askedOwed, askedBacklog, askedStanding, askedPurges, askedCases, askedAlerts);
        var (takings, owed, backlog, standing, purges, cases, alerts) = (
            await askedTakings, await askedOwed, await askedBacklog, await askedStanding, await askedPurges, await askedCases, await askedAlerts);
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
                {Amiss(show, alerts)}{Standing(show, standing, purges.Where(p => !p.Waits).Sum(p => p.Count), backlog, at)}
                {(currency is null ? Show.Nothing(w["overview.empty"]) : Html.Of(
                    $"{Money(show, takings, owed, currencies, today)}{Currencies(show, currencies, currency)}{Takings(show, takings, currency, today)}{RecoveryFigures.Of(show, cases, currency, rules().Steps.Steps.Length)}"))}
                """),
        });
    }

    private static Html Amiss(Show show, IReadOnlyList<AlertRow> alerts) => alerts.Count == 0 ? Html.Empty : Html.Of(
        $"{Show.Heading("alerts", show.Words["overview.alerts"])}{Html.Each(alerts, a => Html.Of($"<p class=\"told {(a.Severity == "critical" ? "fault" : "warning")}\">{(OpsPath.IsOurs(a.Page) ? Show.Link(a.Page, a.Summary) : Html.Text(a.Summary))} <span class=\"soft\">{show.Time(a.RaisedAt)}</span></p>\n"))}");

    private static Html Standing(Show show, StandingRow s, long toBePurged, IReadOnlyList<BacklogRow> backlog, Instant at)
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
                toBePurged > 0 ? "warn" : "", w["overview.purge"], Show.Link("/ops/forecast#purges", show.Count(toBePurged)))}</ul>
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
            {Show.Stack(w["overview.money"],
                [w["money.currency"], "#" + w["money.charged.today"], "#" + w["money.charged.week"], "#" + w["money.charged.month"], "#" + w["money.recovered.month"], "#" + w["money.failed.month"], "#" + w["money.due"], "#" + w["money.underway"], "#" + w["money.pastdue"], "#" + w["money.suspended"]],
                currencies.Select(c =>
                {
                    var those = takings.Where(t => t.Currency == c).ToList();
                    var o = owed.FirstOrDefault(x => x.Currency == c) ?? new OwedRow(c, 0, 0, 0, 0, 0, 0, 0, 0);
                    return new[]
                    {
                        Html.Text(c),
                        Sum(c, those.Where(t => t.Day == today.ToDateOnly()), t => t.Charged, t => t.Charges), Sum(c, those.Where(t => t.Day >= week), t => t.Charged, t => t.Charges, Trend(those)),
                        Sum(c, those, t => t.Charged, t => t.Charges), Sum(c, those, t => t.Recovered, t => t.Recoveries), Sum(c, those, t => t.Failed, t => t.Failures),
                        Of(c, o.Due, o.DueCount), Of(c, o.UnderWay, o.UnderWayCount, "/ops/charges"), Of(c, o.PastDue, o.PastDueCount, OpsPath.Of("/ops/cases", ("state", "open"), ("currency", c))),
                        Of(c, o.Suspended, o.SuspendedCount, OpsPath.Of("/ops/cases", ("state", "suspended"), ("currency", c))),
                    };
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
            $"<b>{(path is null || count == 0 ? Html.Text(show.Amount(amount, c)) : Show.Link(path, show.Amount(amount, c)))}</b><br><span class=\"soft\">{show.Count(count)}</span>{more}");
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

    private static string Iso(DateOnly day) => LocalDatePattern.Iso.Format(LocalDate.FromDateOnly(day));
}
