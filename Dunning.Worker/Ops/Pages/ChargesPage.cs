using Dunning.Gateways.Webhooks;
using Dunning.Ops.Frame;
using Dunning.Ops.Queries;
using NodaTime;
using Npgsql;

namespace Dunning.Ops.Pages;

/// <summary>
/// Charges without an outcome, unpaid invoices that nobody tries, and refunds that are not made: each leads to its account, where it is resolved. And what the
/// gateway told that could not be worked off.
/// </summary>
internal sealed class ChargesPage(OpsFrame frame, OperatorDesk desk, NpgsqlDataSource source, Func<Instant> now)
{
    private const int Rows = 200;

    // No gateway has such an id.
    private const string All = "*";

    // A first attempt follows the issue at once; what waits longer is looked at.
    private static readonly Duration s_patience = Duration.FromHours(1);

    private readonly OpenChargeQueries _queries = new(source);
    private readonly WebhookStore _webhooks = new(source);

    public void Map(IEndpointRouteBuilder app)
    {
        app.MapGet("/ops/charges", ShowAsync).Needs(OpsRole.Viewer);
        app.MapPost("/ops/webhooks/retry", RetryAsync).Needs(OpsRole.Operator);
    }

    private async Task ShowAsync(HttpContext http)
    {
        var (visit, at) = (http.Ops(), now());
        var (show, w) = (new Show(visit), visit.Words);
        var charges = await _queries.ChargesAsync(Rows, http.RequestAborted);
        var untried = await _queries.WithoutAttemptAsync(at, s_patience, Rows, http.RequestAborted);
        var refunds = await _queries.RefundsAsync(Rows, http.RequestAborted);
        var webhooks = await _webhooks.ListAsync("failed", Rows, http.RequestAborted);
        await frame.WriteAsync(http, new OpsPage
        {
            Title = w["charges.title"],
            Body = Html.Of(
                $"""
                <p class="soft">{w["charges.note"]}</p>
                {(charges.Count == 0 ? Show.Nothing(w["charges.none"]) : Table(show, w["charges.title"], charges, at))}{Show.Heading("untried", w["charges.untried"])}<p class="soft">{w["charges.untried.note"]}</p>
                {(untried.Count == 0 ? Show.Nothing(w["charges.untried.none"]) : Table(show, w["charges.untried"], untried, at))}{Show.Heading("refunds", w["charges.refunds"])}<p class="soft">{w["charges.refunds.note"]}</p>
                {(refunds.Count == 0 ? Show.Nothing(w["charges.refunds.none"]) : Table(show, w["charges.refunds"], refunds, at))}{Show.Heading("webhooks", w["webhooks.title"])}<p class="soft">{w["webhooks.note"]}</p>
                {(webhooks.Count == 0 ? Show.Nothing(w["webhooks.none"]) : Html.Of($"{Webhooks(show, webhooks)}{(visit.User.May(OpsRole.Operator) ? RetryForms(visit, webhooks) : Html.Empty)}"))}
                """),
        });
    }

    // What an event is about is not shown: it may be a token.
    private static Html Webhooks(Show show, IEnumerable<WebhookView> webhooks)
    {
        var w = show.Words;
        return Show.Table(w["webhooks.title"], [w["webhooks.event"], w["webhooks.type"], w["webhooks.received"], "#" + w["webhooks.tries"], w["webhooks.failed"], w["webhooks.fault"]],
            webhooks.Select(h => Show.Row(
                Show.Head(Html.Of($"<code>{h.EventId}</code>")), Show.Short(Html.Of($"<code>{h.Type}</code>")), Show.Short(show.Time(h.ReceivedAt)), Show.Figure(show.Count(h.Tries)),
                Show.Short(show.Time(h.SettledAt)), Show.Cell(h.Fault))));
    }

    private static Html RetryForms(OpsVisit visit, IReadOnlyList<WebhookView> webhooks)
    {
        var w = visit.Words;
        return Html.Of(
            $"<details><summary>{w["webhooks.retry"]}</summary>{OpsForm.Post(visit, "/ops/webhooks/retry", w["webhooks.retry"], OpsForm.Choice("event", w["webhooks.event"], webhooks.Select(h => (h.EventId, h.EventId)).Prepend((All, w["webhooks.retry.all"])), All))}</details>\n");
    }

    private async Task RetryAsync(HttpContext http)
    {
        const string Back = "/ops/charges#webhooks";
        var (w, ct) = (http.Ops().Words, http.RequestAborted);
        var asked = (await http.Request.ReadFormAsync(ct))["event"].ToString();
        if (await OpsForm.MandateAsync(http) is not { } mandate)
        {
            await OpsFrame.BackAsync(http, Back, new OpsFlash(w["form.noreason"], IsFault: true));
            return;
        }
        if (asked.Length is 0 or > 200)
        {
            await OpsFrame.BackAsync(http, Back, new OpsFlash(w["act.unknown"], IsFault: true));
            return;
        }
        var revived = await desk.RetryWebhooksAsync(mandate, asked == All ? null : asked, ct);
        await OpsFrame.BackAsync(http, Back, revived == 0 ? new OpsFlash(w["webhooks.retry.nothing"], IsFault: true)
            : new OpsFlash(w["webhooks.retry.done", ("n", new Show(http.Ops()).Count(revived))]));
    }

    private static Html Table(Show show, string caption, IEnumerable<OpenChargeRow> rows, Instant at)
    {
        var w = show.Words;
        return Show.Table(caption, [w["account.id"], w["invoice.number"], "#" + w["invoice.amount"], w["case.state"], w["charges.key"], w["charges.since"]],
            rows.Select(r => Show.Row(
                Show.Head(Show.Account(r.Account)),
                Show.Short(Show.Link(OpsPath.Of("/ops/account", ("id", r.Account)) + "#invoices", r.Number)),
                Show.Figure(show.Amount(r.Amount, r.Currency)),
                Show.Cell(Show.Badge(r.Stuck || r.State is null ? "bad" : "warn", w["charge.state." + (r.Stuck ? "stuck" : r.State ?? "none")])),
                Show.Cell(r.Key is null ? Html.Text("–") : Html.Of($"<code>{r.Key}</code>")),
                Show.Cell(Html.Of($"{show.Time(r.Since)} <span class=\"soft\">{show.Span(at - Instant.FromDateTimeUtc(DateTime.SpecifyKind(r.Since, DateTimeKind.Utc)))}</span>")))));
    }
}
