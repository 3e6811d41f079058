using Dunning.Ops.Alerts;
using Dunning.Ops.Frame;
using NodaTime;
using Npgsql;

namespace Dunning.Ops.Pages;

/// <summary>What operators were warned of: what is open, and what is over since a month ago, so that what came by night can be read in the morning.</summary>
internal sealed class AlertsPage(OpsFrame frame, NpgsqlDataSource source, Func<Instant> now)
{
    private const int Rows = 500;

    private static readonly Duration s_past = Duration.FromDays(30);

    private readonly AlertBook _book = new(source);

    public void Map(IEndpointRouteBuilder app) => app.MapGet("/ops/alerts", ShowAsync).Needs(OpsRole.Viewer);

    private async Task ShowAsync(HttpContext http)
    {
        var (show, at) = (new Show(http.Ops()), now());
        var w = show.Words;
        var alerts = await _book.ListAsync(at - s_past, Rows, http.RequestAborted);
        var (open, past) = (alerts.Where(a => a.ResolvedAt is null).ToList(), alerts.Where(a => a.ResolvedAt is not null).ToList());
        await frame.WriteAsync(http, new OpsPage
        {
            Title = w["alerts.title"],
            Body = Html.Of(
                $"""
                <p class="soft">{w["alerts.note"]}</p>
                {Show.Heading("open", w["alerts.open"])}{(open.Count == 0 ? Show.Nothing(w["alerts.open.none"]) : Table(show, w["alerts.open"], open, at))}{Show.Heading("past", w["alerts.past"])}{(past.Count == 0 ? Show.Nothing(w["alerts.past.none"]) : Table(show, w["alerts.past"], past, at))}
                """),
        });
    }

    private static Html Table(Show show, string caption, IEnumerable<AlertView> alerts, Instant at)
    {
        var w = show.Words;
        return Show.Table(caption, [w["alerts.severity"], w["alerts.rule"], w["alerts.says"], w["alerts.raised"], w["alerts.lasted"], w["alerts.resolved"]],
            alerts.Select(a => Show.Row(
                Show.Cell(Show.Badge(a.Severity == "critical" ? "bad" : "warn", w["alerts.severity." + a.Severity])),
                Show.Short(Html.Of($"<code>{a.Rule}</code>")),
                Show.Head(OpsPath.IsOurs(a.Page) ? Show.Link(a.Page, a.Summary) : Html.Text(a.Summary)),
                Show.Short(show.Time(a.RaisedAt)), Show.Cell(show.Span((a.ResolvedAt is { } over ? Instant.FromDateTimeUtc(over) : at) - Instant.FromDateTimeUtc(a.RaisedAt))), Show.Short(show.Time(a.ResolvedAt)))));
    }
}
