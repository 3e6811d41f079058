using Dunning.Hosting;
using Dunning.Model;
using Dunning.Ops.Frame;
using Dunning.Ops.Queries;
using Dunning.Options;
using Dunning.Postgres;
using NodaTime;
using NodaTime.Text;
using Npgsql;

namespace Dunning.Ops.Pages;

/// <summary>What is ahead in 90 days: renewals and the cash they ask for, and purges.</summary>
internal sealed class ForecastPage(OpsFrame frame, NpgsqlDataSource source, Func<RuleOptions> rules, Func<Instant> now)
{
    private const int Days = 90;
    private const int Purges = 100;

    private readonly ForecastQueries _queries = new(source);

    public void Map(IEndpointRouteBuilder app) => app.MapGet("/ops/forecast", ShowAsync).Needs(OpsRole.Viewer);

    private async Task ShowAsync(HttpContext http)
    {
        var (visit, ct) = (http.Ops(), http.RequestAborted);
        var (show, w, at, options) = (new Show(visit), visit.Words, now(), rules());
        var today = at.InZone(visit.Zone).Date;
        var until = today.PlusDays(Days - 1);
        var catalog = await new PostgresCatalog(source).LoadAsync(ct);
        var days = await _queries.RenewalsAsync(today, until, catalog, options.SellerCountry, ct);
        var purges = await _queries.PurgesAsync(at + Duration.FromDays(Days), options, Purges, ct);
        var counts = await _queries.PurgesAheadAsync(at + Duration.FromDays(Days), options, ct);
        var tripped = await Guards.TrippedAsync(source, ct);
        var isByDay = http.Request.Query["by"] == "day";
        var currencies = days.GroupBy(d => d.Currency, StringComparer.Ordinal).OrderByDescending(g => g.Sum(d => d.Renewals)).Select(g => g.Key).ToList();
        await frame.WriteAsync(http, new OpsPage
        {
            Title = w["nav.forecast"],
            Body = Html.Of(
                $"""
                <p class="soft">{w["forecast.note"]}</p>
                <nav class="tabs" aria-label="{w["forecast.by"]}"><ul><li>{Tab("/ops/forecast", w["forecast.byweek"], !isByDay)}</li><li>{Tab("/ops/forecast?by=day", w["forecast.byday"], isByDay)}</li></ul></nav>
                {(currencies.Count == 0 ? Show.Nothing(w["forecast.none"]) : Html.Each(currencies, c => Currency(show, c, days.Where(d => d.Currency == c).ToList(), today, isByDay)))}{Show.Heading("purges", w["forecast.purges"])}{GuardNotice.Of(show, tripped, GuardKinds.Purges)}{(purges.Count == 0 ? Show.Nothing(w["forecast.purges.none"]) : Html.Of(
                    $"<p>{w["forecast.purges.note", ("n", show.Count(Count(d => !d.Waits))), ("soon", show.Count(Count(d => !d.Waits && d.At <= at + ForecastQueries.Soon))), ("waiting", show.Count(Count(d => d.Waits))), ("shown", show.Count(purges.Count))]}</p>{Show.Table(w["forecast.purges"], [w["forecast.purge.on"], w["account.id"], w["account.access"], "#" + w["forecast.purge.owed"], w["case.mark"]],
                        purges.Select(p => Show.Row(Show.Short(Show.Day(p.PurgeOn)), Show.Head(Html.Of($"{Show.Account(p.Account)}<br><span class=\"soft\">{p.Name}</span>")), Show.Cell(CasesPage.AccessOf(show, p.Access, false, false)),
                            Show.Figure(show.Amount(p.Owed, p.Currency!)), Show.Cell(Html.Of($"{(p.Held ? Show.Badge("warn", w["mark.held"]) : Html.Empty)} {(p.Exempt ? Show.Badge("warn", w["mark.exempt"]) : Html.Empty)} {(p is { Waits: true, Held: false, Exempt: false } ? Show.Badge("warn", w["account.waits"]) : Html.Empty)}")))))}"))}
                """),
        });

        long Count(Func<PurgesAt, bool> isSo) => counts.Where(isSo).Sum(d => d.Count);

        static Html Tab(string path, string text, bool isHere) => Html.Of($"<a href=\"{path}\"{(isHere ? Html.Of($" aria-current=\"true\"") : Html.Empty)}>{text}</a>");
    }

    private static Html Currency(Show show, string currency, List<ExpectedDay> days, LocalDate today, bool isByDay)
    {
        var w = show.Words;
        var byStart = days.ToLookup(d => isByDay ? d.Day : MondayOf(d.Day));
        // Also those in which nothing renews: an axis without them tells a wrong time.
        var rows = Enumerable.Range(0, Days).Select(d => today.PlusDays(d)).Where(d => isByDay || d == today || d.DayOfWeek == IsoDayOfWeek.Monday)
            .Select(d => isByDay ? d : MondayOf(d)).Select(d => new ExpectedDay(d, currency, byStart[d].Sum(x => x.Renewals), byStart[d].Sum(x => x.Cash))).ToList();
        var (most, cash, renewals) = (rows.Max(r => r.Cash), days.Sum(d => d.Cash), days.Sum(d => d.Renewals));
        return Html.Of(
            $"""
            {Show.Heading("in-" + currency, w["forecast.title", ("currency", currency)])}<p class="big"><b>{show.Amount(cash, currency)}</b> {w["forecast.total", ("n", show.Count(renewals))]}</p>
            <figure>
            {Chart.Bars(w["forecast.alternative", ("currency", currency), ("cash", show.Amount(cash, currency)), ("n", show.Count(renewals))], [.. rows.Select(r => new Bar(LocalDatePattern.Iso.Format(r.Day) + ": " + show.Amount(r.Cash, currency), r.Cash))], most, show.Amount(most, currency))}</figure>
            <details><summary>{w["chart.figures"]}</summary>{Show.Table(w["forecast.title", ("currency", currency)], [isByDay ? w["money.day"] : w["cohort.week"], "#" + w["forecast.renewals"], "#" + w["forecast.cash"]],
                rows.Select(r => Show.Row(Show.Head(Show.Day(r.Day)), Show.Figure(show.Count(r.Renewals)), Show.Figure(show.Amount(r.Cash, currency)))))}</details>

            """);
    }

    private static LocalDate MondayOf(LocalDate day) => day.With(DateAdjusters.PreviousOrSame(IsoDayOfWeek.Monday));
}
