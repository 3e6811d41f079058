using Dunning.Ops.Frame;
using Dunning.Ops.Queries;
using NodaTime;
using Npgsql;

namespace Dunning.Ops.Pages;

/// <summary>Charges without an outcome, unpaid invoices that nobody tries, and refunds that are not made: each leads to its account, where it is resolved.</summary>
internal sealed class ChargesPage(OpsFrame frame, NpgsqlDataSource source, Func<Instant> now)
{
    private const int Rows = 200;

    // A first attempt follows the issue at once; what waits longer is looked at.
    private static readonly Duration s_patience = Duration.FromHours(1);

    private readonly OpenChargeQueries _queries = new(source);

    public void Map(IEndpointRouteBuilder app) => app.MapGet("/ops/charges", ShowAsync).Needs(OpsRole.Viewer);

    private async Task ShowAsync(HttpContext http)
    {
        var (show, at) = (new Show(http.Ops()), now());
        var w = show.Words;
        var charges = await _queries.ChargesAsync(Rows, http.RequestAborted);
        var untried = await _queries.WithoutAttemptAsync(at - s_patience, Rows, http.RequestAborted);
        var refunds = await _queries.RefundsAsync(Rows, http.RequestAborted);
        await frame.WriteAsync(http, new OpsPage
        {
            Title = w["charges.title"],
            Body = Html.Of(
                $"""
                <p class="soft">{w["charges.note"]}</p>
                {(charges.Count == 0 ? Show.Nothing(w["charges.none"]) : Table(show, w["charges.title"], charges, at))}{Show.Heading("untried", w["charges.untried"])}<p class="soft">{w["charges.untried.note"]}</p>
                {(untried.Count == 0 ? Show.Nothing(w["charges.untried.none"]) : Table(show, w["charges.untried"], untried, at))}{Show.Heading("refunds", w["charges.refunds"])}<p class="soft">{w["charges.refunds.note"]}</p>
                {(refunds.Count == 0 ? Show.Nothing(w["charges.refunds.none"]) : Table(show, w["charges.refunds"], refunds, at))}
                """),
        });
    }

    private static Html Table(Show show, string caption, IEnumerable<OpenChargeRow> rows, Instant at)
    {
        var w = show.Words;
        return Show.Table(caption, [w["account.id"], w["invoice.number"], "#" + w["invoice.amount"], w["case.state"], w["charges.since"]],
            rows.Select(r => Show.Row(
                Show.Head(Show.Account(r.Account)),
                Show.Short(Show.Link(OpsPath.Of("/ops/account", ("id", r.Account)) + "#invoices", r.Number)),
                Show.Figure(show.Amount(r.Amount, r.Currency)),
                Show.Cell(Show.Badge(r.Stuck || r.State is null ? "bad" : "warn", w["charge.state." + (r.Stuck ? "stuck" : r.State ?? "none")])),
                Show.Cell(Html.Of($"{show.Time(r.Since)} <span class=\"soft\">{show.Span(at - Instant.FromDateTimeUtc(DateTime.SpecifyKind(r.Since, DateTimeKind.Utc)))}</span>")))));
    }
}
