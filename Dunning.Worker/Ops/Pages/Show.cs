using System.Globalization;
using Dunning.Model;
using Dunning.Ops.Frame;
using NodaTime;
using NodaTime.Text;

namespace Dunning.Ops.Pages;

/// <summary>How the pages write numbers, instants and tables in one language. Each instant says its zone by the abbreviation of that moment.</summary>
internal sealed class Show(OpsWords words, DateTimeZone zone)
{
    private static readonly ZonedDateTimePattern s_minute = ZonedDateTimePattern.CreateWithInvariantCulture("uuuu-MM-dd HH:mm x", null);
    private static readonly LocalDateTimePattern s_second = LocalDateTimePattern.CreateWithInvariantCulture("uuuu-MM-dd HH:mm:ss");

    /// <summary>As this operator reads it.</summary>
    public Show(OpsVisit visit)
        : this(visit.Words, visit.Zone)
    {
    }

    /// <summary>The zone of instants, and of the days that the pages count by.</summary>
    public DateTimeZone Zone { get; } = zone;

    /// <summary>The texts.</summary>
    public OpsWords Words { get; } = words;

    /// <summary>An amount of minor units.</summary>
    public string Amount(long minor, string currency) => Words.Language.Amount(minor, Currency.Of(currency));

    /// <summary>A whole number, in groups of three.</summary>
    public string Count(long number)
    {
        var digits = number.ToString("N0", CultureInfo.InvariantCulture);
        return digits.Replace(",", Words["number.group"], StringComparison.Ordinal);
    }

    /// <summary>A share in percent with one decimal; none of none is a dash.</summary>
    public string Percent(long part, long whole) => whole == 0 ? "–" : Words["number.percent",
        ("number", ((decimal)part * 100 / whole).ToString("F1", CultureInfo.InvariantCulture).Replace(".", Words["number.decimal"], StringComparison.Ordinal))];

    /// <summary>An instant to the minute.</summary>
    public Html Time(DateTime utc) => Time(Instant.FromDateTimeUtc(DateTime.SpecifyKind(utc, DateTimeKind.Utc)));

    /// <summary>An instant to the minute.</summary>
    public Html Time(Instant at) => Html.Of($"""<time datetime="{InstantPattern.General.Format(at)}">{s_minute.Format(at.InZone(Zone))}</time>""");

    /// <summary>An instant to the minute, or a dash.</summary>
    public Html Time(DateTime? utc) => utc is { } at ? Time(at) : Html.Text("–");

    /// <summary>What an operator's act says beside who, what and why; null where it says none.</summary>
    /// <param name="amount">An amount, written out.</param>
    /// <param name="until">The end of a pause, written out.</param>
    /// <param name="days">Days of access.</param>
    /// <param name="outcome">How a charge was resolved.</param>
    public IEnumerable<string?> Details(string? amount, string? until, int? days, string? outcome) =>
    [
        amount,
        until is null ? null : Words["detail.until", ("date", until)],
        days is { } some ? Words["detail.days", ("n", Count(some))] : null,
        outcome is null ? null : Name("outcome.charge", outcome),
    ];

    /// <summary>An instant to the second, UTC: for files, which have no place to say another zone.</summary>
    public static string Seconds(DateTime utc) => s_second.Format(LocalDateTime.FromDateTime(utc));

    /// <summary>A day, as a table has it.</summary>
    public static Html Day(LocalDate day) => Html.Of($"""<time datetime="{LocalDatePattern.Iso.Format(day)}">{LocalDatePattern.Iso.Format(day)}</time>""");

    /// <summary>A day, as a table has it.</summary>
    public static Html Day(DateOnly day) => Day(LocalDate.FromDateOnly(day));

    /// <summary>How long, in the largest unit that says something.</summary>
    public string Span(Duration span)
    {
        var seconds = Math.Max(0, (long)span.TotalSeconds);
        return seconds switch
        {
            < 120 => Words["span.seconds", ("n", Count(seconds))],
            < 7200 => Words["span.minutes", ("n", Count(seconds / 60))],
            < 172_800 => Words["span.hours", ("n", Count(seconds / 3600))],
            _ => Words["span.days", ("n", Count(seconds / 86_400))],
        };
    }

    /// <summary>A stored name in words: its text, where there is one below that part, else the name without underscores.</summary>
    public string Name(string part, string name) => Words.Find($"{part}.{name}") ?? name.Replace('_', ' ');

    /// <summary>A table that scrolls in itself; the heads say which columns are numbers by a leading <c>#</c>.</summary>
    public static Html Table(string caption, IEnumerable<string> heads, IEnumerable<Html> rows, bool isCaptionShown = false) => Html.Of(
        $"""
        <div class="table" tabindex="0" role="region" aria-label="{caption}"><table>
        <caption class="{(isCaptionShown ? "" : "unseen")}">{caption}</caption>
        <thead><tr>{Html.Each(heads, h => h.StartsWith('#') ? Html.Of($"<th scope=\"col\" class=\"number\">{h[1..]}</th>") : Html.Of($"<th scope=\"col\">{h}</th>"))}</tr></thead>
        <tbody>
        {rows}</tbody>
        </table></div>

        """);

    /// <summary>
    /// A table whose rows are stacked cell by cell on a phone, each with its head, so that nothing lies outside of the screen. The first cell names its row. The
    /// roles are written out: as blocks, browsers would take it for no table.
    /// </summary>
    public static Html Stack(string caption, IReadOnlyList<string> heads, IEnumerable<Html[]> rows) => Html.Of(
        $"""
        <div class="table stack" tabindex="0" role="region" aria-label="{caption}"><table role="table">
        <caption class="unseen">{caption}</caption>
        <thead role="rowgroup"><tr role="row">{Html.Each(heads, h => Html.Of($"<th scope=\"col\" role=\"columnheader\" class=\"{(IsOfNumbers(h) ? "number" : "")}\">{h.TrimStart('#')}</th>"))}</tr></thead>
        <tbody role="rowgroup">
        {Html.Each(rows, r => Html.Of($"<tr role=\"row\">{Html.Each(r.Index(), c => c.Index == 0
            ? Html.Of($"<th scope=\"row\" role=\"rowheader\">{c.Item}</th>")
            : Html.Of($"<td role=\"cell\" class=\"{(IsOfNumbers(heads[c.Index]) ? "number" : "")}\" data-head=\"{heads[c.Index].TrimStart('#')}\"><div>{c.Item}</div></td>"))}</tr>\n"))}</tbody>
        </table></div>

        """);

    private static bool IsOfNumbers(string head) => head.StartsWith('#');

    /// <summary>A row of cells.</summary>
    public static Html Row(params Html[] cells) => Html.Of($"<tr>{cells}</tr>\n");

    /// <summary>A cell of text.</summary>
    public static Html Cell(string? text) => Html.Of($"<td>{text}</td>");

    /// <summary>A cell.</summary>
    public static Html Cell(Html markup) => Html.Of($"<td>{markup}</td>");

    /// <summary>A cell that does not break.</summary>
    public static Html Short(Html markup) => Html.Of($"<td class=\"nowrap\">{markup}</td>");

    /// <summary>A cell with a number.</summary>
    public static Html Figure(string text) => Html.Of($"<td class=\"number\">{text}</td>");

    /// <summary>The cell that names its row.</summary>
    public static Html Head(Html markup) => Html.Of($"<th scope=\"row\">{markup}</th>");

    /// <summary>A link to one of our pages.</summary>
    public static Html Link(string path, string text) => Html.Of($"<a href=\"{path}\">{text}</a>");

    /// <summary>A link to an account's page.</summary>
    public static Html Account(string id) => Link(OpsPath.Of("/ops/account", ("id", id)), id);

    /// <summary>A heading with an anchor.</summary>
    public static Html Heading(string id, string text) => Html.Of($"<h2 id=\"{id}\">{text}</h2>\n");

    /// <summary>A word with a colour that means the same as the word.</summary>
    public static Html Badge(string kind, string text) => Html.Of($"<span class=\"badge {kind}\">{text}</span>");

    /// <summary>What to read where a list is empty.</summary>
    public static Html Nothing(string text) => Html.Of($"<p class=\"nothing\">{text}</p>\n");

    /// <summary>A form of filters: it leads to an address that can be kept.</summary>
    public Html Filters(string path, Html fields, Html more = default) => Html.Of(
        $"""
        <form class="filters" method="get" action="{path}">
        {fields}<p class="press"><button>{Words["filter.button"]}</button> {Link(path, Words["filter.clear"])} {more}</p>
        </form>

        """);

    /// <summary>A list to choose of, with "any" first.</summary>
    public Html Choice(string name, string label, IEnumerable<(string Value, string Text)> options, string? chosen) =>
        OpsForm.Choice(name, label, options.Prepend(("", Words["filter.any"])), chosen ?? "");

    /// <summary>The ways to the rows before and to the next; nothing where there are no others.</summary>
    public Html Pager(string? previous, string? next) => previous is null && next is null ? Html.Empty : Html.Of(
        $"<p class=\"pager\">{Way("prev", previous, Words["page.previous"])} {Way("next", next, Words["page.next"])}</p>\n");

    private static Html Way(string rel, string? path, string text) => path is null ? Html.Empty : Html.Of($"<a class=\"button\" rel=\"{rel}\" href=\"{path}\">{text}</a>");

    /// <summary>The way to the next rows; nothing where these are the last.</summary>
    public Html Next(string? path) => Pager(null, path);
}
