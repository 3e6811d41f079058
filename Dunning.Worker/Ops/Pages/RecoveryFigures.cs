using Dunning.Ops.Frame;
using Dunning.Ops.Queries;
using NodaTime;
using NodaTime.Text;

namespace Dunning.Ops.Pages;

/// <summary>How much of what fails is recovered, in one currency: over time, by dunning step, by the first decline code, and what became of each week's cases.</summary>
internal static class RecoveryFigures
{
    private const int Weeks = 53;
    private const int Months = 12;

    private static readonly string[] s_outcomes = ["open", "suspended", "recovered", "written_off", "voided"];

    /// <summary>The part of the overview.</summary>
    /// <param name="show">How it is written.</param>
    /// <param name="year">The year's cases; null: they are being counted.</param>
    /// <param name="currency">Of these cases.</param>
    /// <param name="steps">Steps of the present schedule; all are told, whether or not a case came to them.</param>
    public static Html Of(Show show, RecoveryOfYear? year, string currency, int steps)
    {
        var w = show.Words;
        var title = Show.Heading("recovery", w["recovery.title", ("currency", currency)]);
        if (year is null)
        {
            return Html.Of($"{title}{Show.Nothing(w["recovery.counting"])}");
        }
        var mine = year.Cases.Where(c => c.Currency == currency).ToList();
        if (mine.Count == 0)
        {
            return Html.Of($"{title}{Show.Nothing(w["recovery.none"])}");
        }
        var weeks = Enumerable.Range(0, Weeks).Select(i => year.Monday.PlusWeeks(i - Weeks + 1).ToDateOnly()).ToList();
        var months = Enumerable.Range(0, Months).Select(i => year.AsOf.InUtc().Date.With(DateAdjusters.StartOfMonth).PlusMonths(i - Months + 1).ToDateOnly()).ToList();
        var all = mine.Where(c => c.Week is not null).ToList();
        var byWeek = all.ToLookup(c => c.Week!.Value);
        var rate = new Rate(Recovered(all), Decided(all));
        var byCredit = Sum(all.Where(c => c.How == "credit"));
        return Html.Of(
            $"""
            {title}<p class="big"><b>{rate.Count(show)}</b> {w["recovery.count"]} · <b>{rate.Amount(show)}</b> {w["recovery.amount"]}</p>
            <p>{w["recovery.credit", ("n", show.Count(byCredit.Count)), ("sum", show.Amount(byCredit.Amount, currency)), ("count", new Rate(byCredit, rate.Of).Count(show)), ("amount", new Rate(byCredit, rate.Of).Amount(show))]}</p>
            <p class="soft">{w["recovery.note"]} {w["overview.asof"]} {show.Time(year.AsOf)}.</p>
            {OverTime(show, currency, weeks, byWeek, rate, isOfAmounts: false)}{OverTime(show, currency, weeks, byWeek, rate, isOfAmounts: true)}<p class="soft">{w["recovery.lately"]}</p>
            <h3>{w["recovery.bystep"]}</h3>
            <p class="soft">{w["recovery.bystep.note"]}</p>
            {Rates(show, w["recovery.bystep"], w["case.step"], w["recovery.reached"], months, BySteps(show, mine, steps))}<h3>{w["recovery.bycode"]}</h3>
            {Rates(show, w["recovery.bycode"], w["case.code.first"], w["recovery.cases"], months, ByCodes(show, mine, currency, weeks[0]))}<h3>{w["cohort.title"]}</h3>
            <p class="soft">{w["cohort.note"]}</p>
            {Show.Table(w["cohort.title"], [w["cohort.week"], "#" + w["recovery.cases"], .. s_outcomes.Select(o => "#" + w["outcome." + o]), "#" + w["recovery.count"], "#" + w["recovery.amount"]],
                weeks.AsEnumerable().Reverse().Where(byWeek.Contains).Select(d => Show.Row(
                    [Show.Head(Show.Day(d)), Show.Figure(show.Count(byWeek[d].Sum(c => c.Count))), .. s_outcomes.Select(o => Show.Figure(show.Count(byWeek[d].Where(c => c.Outcome == o).Sum(c => c.Count)))),
                     Show.Figure(RateOf(byWeek[d]).Count(show)), Show.Figure(RateOf(byWeek[d]).Amount(show))])))}
            """);
    }

    // What a case came to, and what it was paid at. Step 0 is the renewal: its failure opens the case, so nothing is recovered at it.
    private static IEnumerable<Line> BySteps(Show show, List<CaseCountRow> mine, int steps)
    {
        var rows = mine.Where(c => c.Step is not null).ToList();
        var last = Math.Max(steps - 1, rows.Select(c => c.Step!.Value).DefaultIfEmpty().Max());
        for (var step = 1; step <= last; step++)
        {
            var number = step;
            yield return new Line(
                show.Words["case.step.n", ("n", show.Count(number))], null, [.. rows.Where(c => c.Step >= number)], c => c.How == "step" && c.Step == number);
        }
        yield return new Line(show.Words["recovery.nostep"], null, rows, c => c is { Outcome: "recovered", How: not "step" });
    }

    private static IEnumerable<Line> ByCodes(Show show, List<CaseCountRow> mine, string currency, DateOnly since) =>
        mine.Where(c => c.Code is not null).GroupBy(c => c.Code!, StringComparer.Ordinal).OrderByDescending(g => g.Sum(c => c.Count)).ThenBy(g => g.Key, StringComparer.Ordinal)
            .Select(g => new Line(
                g.Key.Length == 0 ? show.Words["case.code.none"] : show.Name("code", g.Key),
                // The very cases that are counted here.
                OpsPath.Of("/ops/cases", ("state", CaseQueries.Decided), ("first", g.Key.Length == 0 ? CaseQueries.NoCode : g.Key), ("currency", currency), ("since", Iso(since))),
                [.. g], c => c.Outcome == "recovered"));

    private static Html OverTime(
        Show show, string currency, List<DateOnly> weeks, ILookup<DateOnly, CaseCountRow> byWeek, Rate whole, bool isOfAmounts)
    {
        var w = show.Words;
        var (caption, rates) = (w[isOfAmounts ? "recovery.byweek.amount" : "recovery.byweek.count"], weeks.Select(d => RateOf(byWeek[d])).ToList());
        var bars = weeks.Zip(rates, (d, r) => new Bar(Iso(d) + ": " + Text(r), (Share(r) ?? 0) * 100) { Is = Share(r) is null ? BarKind.Nothing : BarKind.Rate });
        return Html.Of(
            $"""
            <figure>
            {Chart.Bars(w["recovery.alternative", ("what", caption), ("currency", currency), ("rate", Text(whole))], [.. bars], 100, show.Percent(1, 1))}<figcaption>{caption}<ul class="legend"><li class="part0">{w["recovery.rate"]}</li><li class="none">{w["recovery.undecided"]}</li></ul></figcaption>
            </figure>
            <details><summary>{w["chart.figures"]}</summary>
            {Show.Table(caption, [w["cohort.week"], "#" + w["outcome.recovered"], "#" + w["recovery.decided"], "#" + w["recovery.rate"]],
                weeks.Zip(rates).Reverse().Select(x => Show.Row(Show.Head(Show.Day(x.First)), Show.Figure(Of(x.Second.Won)), Show.Figure(Of(x.Second.Of)), Show.Figure(Text(x.Second)))))}
            </details>

            """);

        string Text(Rate rate) => isOfAmounts ? rate.Amount(show) : rate.Count(show);

        double? Share(Rate rate) => isOfAmounts ? rate.OfAmounts : rate.OfCounts;

        string Of(Total total) => isOfAmounts ? show.Amount(total.Amount, currency) : show.Count(total.Count);
    }

    private static Html Rates(Show show, string caption, string head, string of, List<DateOnly> months, IEnumerable<Line> lines)
    {
        var w = show.Words;
        var all = lines.Select(l => (l.Name, l.Path, Whole: l.RateIn(null), ByMonth: months.Select(m => l.RateIn(m)).ToList())).ToList();
        return Html.Of(
            $"""
            {Show.Table(caption, [head, "#" + of, "#" + w["outcome.recovered"], "#" + w["recovery.count"], "#" + w["recovery.amount"], w["recovery.months.count"], w["recovery.months.amount"]],
                all.Select(l => Show.Row(
                    Show.Head(l.Path is { } path ? Show.Link(path, l.Name) : Html.Text(l.Name)), Show.Figure(show.Count(l.Whole.Of.Count)), Show.Figure(show.Count(l.Whole.Won.Count)),
                    Show.Figure(l.Whole.Count(show)), Show.Figure(l.Whole.Amount(show)),
                    Show.Cell(Spark(l.ByMonth, r => r.Count(show), r => r.OfCounts)), Show.Cell(Spark(l.ByMonth, r => r.Amount(show), r => r.OfAmounts)))))}<details><summary>{w["chart.figures"]}</summary>
            {Show.Table(w["recovery.bymonth", ("what", caption)], [head, w["recovery.rate"], .. months.Select(m => "#" + Month(m))],
                all.SelectMany(l => new[] { Show.Row([Show.Head(Html.Text(l.Name)), Show.Cell(w["recovery.count"]), .. l.ByMonth.Select(r => Show.Figure(r.Count(show)))]),
                    Show.Row([Show.Head(Html.Text(l.Name)), Show.Cell(w["recovery.amount"]), .. l.ByMonth.Select(r => Show.Figure(r.Amount(show)))]) }))}
            </details>

            """);

        Html Spark(List<Rate> rates, Func<Rate, string> text, Func<Rate, double?> share) =>
            Chart.Spark(w["recovery.months.alternative", ("rates", string.Join(", ", rates.Select(text)))], [.. rates.Select(share)]);
    }

    private static Rate RateOf(IEnumerable<CaseCountRow> rows) => rows.ToList() is var all ? new Rate(Recovered(all), Decided(all)) : default;

    private static Total Recovered(IEnumerable<CaseCountRow> rows) => Sum(rows.Where(c => c.Outcome == "recovered"));

    // What is still under way is neither won nor lost, and what was voided was never owed.
    private static Total Decided(IEnumerable<CaseCountRow> rows) => Sum(rows.Where(c => c.Outcome is not ("open" or "voided")));

    private static Total Sum(IEnumerable<CaseCountRow> rows) => rows.Aggregate(default(Total), (sum, c) => new Total(sum.Count + c.Count, sum.Amount + c.Amount));

    private static string Iso(DateOnly day) => LocalDatePattern.Iso.Format(LocalDate.FromDateOnly(day));

    private static string Month(DateOnly day) => YearMonthPattern.Iso.Format(LocalDate.FromDateOnly(day).ToYearMonth());

    private readonly record struct Total(long Count, long Amount);

    /// <summary>What was recovered of what was decided.</summary>
    private readonly record struct Rate(Total Won, Total Of)
    {
        public double? OfCounts => Of.Count == 0 ? null : (double)Won.Count / Of.Count;

        public double? OfAmounts => Of.Amount == 0 ? null : (double)Won.Amount / Of.Amount;

        public string Count(Show show) => show.Percent(Won.Count, Of.Count);

        public string Amount(Show show) => show.Percent(Won.Amount, Of.Amount);
    }

    /// <summary>A row of rates: of which cases, and which of them count as recovered by it.</summary>
    private sealed record Line(string Name, string? Path, IReadOnlyList<CaseCountRow> Rows, Func<CaseCountRow, bool> IsWon)
    {
        public Rate RateIn(DateOnly? month)
        {
            var those = month is null ? Rows : [.. Rows.Where(c => c.Month == month)];
            return new Rate(Sum(those.Where(IsWon)), Decided(those));
        }
    }
}
