using System.Globalization;
using System.Text;
using Dunning.Documents.Exports;
using Dunning.Model;
using Dunning.Ops.Frame;
using Dunning.Ops.Queries;
using Dunning.Options;
using Dunning.Passes;
using Dunning.Postgres;
using Dunning.Rules;
using NodaTime;
using NodaTime.Text;
using Npgsql;

namespace Dunning.Ops.Pages;

/// <summary>Dunning cases: looked for, filtered, sorted, page by page, and as a file.</summary>
internal sealed class CasesPage(
    OpsFrame frame, NpgsqlDataSource source, Func<RuleOptions> rules, Func<CancellationToken, Task<Rulebook>> book, Func<Instant> now)
{
    private const int Rows = 50;
    private const int Steps = 12;

    private readonly CaseQueries _queries = new(source, rules);

    public void Map(IEndpointRouteBuilder app)
    {
        app.MapGet("/ops/cases", ShowAsync).Needs(OpsRole.Viewer);
        app.MapGet("/ops/cases.csv", ExportAsync).Needs(OpsRole.Viewer);
    }

    private async Task ShowAsync(HttpContext http)
    {
        var (visit, ct, query) = (http.Ops(), http.RequestAborted, http.Request.Query);
        var (show, w) = (new Show(visit), visit.Words);
        var filter = FilterOf(query);
        var before = CursorOf(query["before"]);
        // Side by side: each has a connection of its own.
        var (askedPage, askedCount) = (_queries.ListAsync(filter, before ?? CursorOf(query["after"]), before is not null, Rows, ct), _queries.CountAsync(filter, ct));
        await Task.WhenAll(askedPage, askedCount);
        var (page, count) = (await askedPage, await askedCount);
        var found = filter.Text is null ? [] : await _queries.FindAsync(filter.Text, 20, ct);
        var currencies = await _queries.CurrenciesAsync(ct);
        var tripped = await Guards.TrippedAsync(source, ct);
        var held = tripped.ContainsKey(GuardKinds.Suspensions) ? await HeldAsync(page.Rows, ct) : [];
        var (previous, next) = (
            page is { HasPrevious: true, Rows: [var first, ..] } ? PathOf("/ops/cases", filter, ("before", Text(first.Cursor))) : null,
            page is { HasNext: true, Rows: [.., var last] } ? PathOf("/ops/cases", filter, ("after", Text(last.Cursor))) : null);
        await frame.WriteAsync(http, new OpsPage
        {
            Title = w["nav.cases"],
            Body = Html.Of(
                $"""
                {GuardNotice.Of(show, tripped, GuardKinds.Suspensions)}{show.Filters("/ops/cases", Html.Of(
                    $"{OpsForm.Field("q", w["cases.search"], filter.Text, type: "search", isRequired: false, limit: 200)}{show.Choice("state", w["case.state"], CaseQueries.States.Select(s => (s, w["state." + s])), query.ContainsKey("state") ? filter.State : filter.State ?? "")}{show.Choice("step", w["case.step"], Enumerable.Range(0, Steps).Select(s => (s.ToString(CultureInfo.InvariantCulture), show.Count(s))), filter.Step?.ToString(CultureInfo.InvariantCulture))}{show.Choice("currency", w["money.currency"], currencies.Union(filter.Currency is null ? [] : [filter.Currency], StringComparer.Ordinal).Select(c => (c, c)), filter.Currency)}{show.Choice("code", w["case.code"], Codes(show), filter.Code)}{show.Choice("first", w["case.code.first"], Codes(show).Append((CaseQueries.NoCode, w["case.code.none"])), filter.First)}{OpsForm.Field("since", w["case.since"], filter.Since is { } since ? Iso(since) : null, type: "date", isRequired: false)}{show.Choice("mark", w["case.mark"], CaseQueries.Marks.Select(m => (m, w["mark." + m])), filter.Mark)}{OpsForm.Choice("order", w["case.order"], CaseQueries.Orders.Select(o => (o, w["order." + o])), filter.Order)}"),
                    Show.Link(PathOf("/ops/cases.csv", filter), w["export.csv"]))}{Found(show, filter, found)}{(page.Rows.Count == 0 ? Show.Nothing(w[filter == new CaseFilter() { State = filter.State } ? "cases.none" : "cases.nomatch"]) : Html.Of(
                    $"<p>{w[count.IsMore ? "cases.count.more" : "cases.count", ("n", show.Count(count.Count))]}</p>{Table(show, page.Rows, held, now())}{show.Pager(previous, next)}"))}
                """),
        });
    }

    private static Html Found(Show show, CaseFilter filter, IReadOnlyList<FoundRow> found) => filter.Text is null ? Html.Empty
        : found.Count == 0 ? Show.Nothing(show.Words["cases.noaccount", ("text", filter.Text)])
        : Html.Of(
            $"""
            {Show.Heading("accounts", show.Words["cases.accounts"])}{Show.Table(show.Words["cases.accounts"], [show.Words["account.id"], show.Words["account.name"], show.Words["account.access"], "#" + show.Words["account.unpaid"]],
                found.Select(f => Show.Row(Show.Head(Show.Account(f.Id)), Show.Cell(f.Name), Show.Cell(AccessOf(show, f.Access, f.Closed, f.Purged)), Show.Figure(show.Count(f.Unpaid)))))}{Show.Heading("cases", show.Words["nav.cases"])}
            """);

    /// <summary>What a customer may do, as a word with a colour.</summary>
    public static Html AccessOf(Show show, string access, bool isClosed, bool isPurged) =>
        isPurged ? Show.Badge("", show.Words["access.purged"]) : isClosed ? Show.Badge("", show.Words["access.closed"])
        : Show.Badge(access switch { "active" => "good", "suspended" => "bad", _ => "warn" }, show.Words["access." + access]);

    // Only while the guard has tripped, and of one page: whether a step is due and would suspend is for the rules to say.
    private async Task<HashSet<CaseRow>> HeldAsync(IReadOnlyList<CaseRow> rows, CancellationToken ct)
    {
        var may = rows.Where(r => r is { State: "open", Access: "active", Exhausted: false }).ToList();
        var (files, read, at) = (await new PostgresFiles(source).FilesAsync(may.Select(r => r.Account).Distinct(StringComparer.Ordinal), ct), await book(ct), now());
        return [.. may.Where(r => files.GetValueOrDefault(r.Account) is { } file && file.UnpaidInvoice(r.Subscription, LocalDate.FromDateOnly(r.PeriodStart)) is { } invoice
            && Forecast.IsHeldBack(file with { Barred = GuardKinds.Suspensions }, invoice, at, read))];
    }

    private static IEnumerable<(string, string)> Codes(Show show) =>
        Declines.All.Select(d => (d.Code, show.Name("code", d.Code))).OrderBy(d => d.Item2, StringComparer.OrdinalIgnoreCase);

    private static Html Table(Show show, IEnumerable<CaseRow> rows, HashSet<CaseRow> held, Instant at)
    {
        var w = show.Words;
        return Show.Stack(w["nav.cases"],
            [w["account.id"], w["invoice.number"], "#" + w["invoice.amount"], w["case.state"], w["case.step"], w["case.code"], w["case.opened"], w["case.next"]],
            rows.Select(r => new[]
            {
                Html.Of($"{Show.Account(r.Account)}<br><span class=\"soft\">{r.Name}</span>"),
                Show.Link(OpsPath.Of("/ops/account", ("id", r.Account)) + "#invoices", r.Number),
                Html.Text(show.Amount(r.Amount, r.Currency)),
                Html.Of($"{State(show, r)}{Html.Each(r.Marks, m => Html.Of($" {Show.Badge("warn", w["mark." + m])}"))}"),
                Html.Text(show.Count(r.LastStep)),
                Html.Text(r.Code is null ? "–" : show.Name("code", r.Code)),
                show.Time(r.OpenedAt),
                held.Contains(r) ? Show.Link(GuardNotice.Path, w["guard.held"]) : Next(show, r, at),
            }));
    }

    private static Html Next(Show show, CaseRow r, Instant at) =>
        r.NextAt is not { } next ? Html.Text("–")
        : next.Instant() <= at ? Html.Text(show.Words["case.next.now"])
        : r.PausedUntil is { } until ? Html.Text(show.Words["invoice.paused", ("date", Iso(until))])
        : show.Time(next);

    private static Html State(Show show, CaseRow r) =>
        Show.Badge(r.Standing switch { "paid" => "good", "open" => "warn", "suspended" or "written_off" => "bad", _ => "" }, show.Words["state." + r.Standing]);

    private async Task ExportAsync(HttpContext http)
    {
        var w = http.Ops().Words;
        http.Response.ContentType = "text/csv; charset=utf-8";
        http.Response.Headers.ContentDisposition = "attachment; filename=\"cases.csv\"";
        await using var csv = new CsvWriter(http.Response.Body, w.Code == "fr" ? CsvWriter.DefaultSeparator : ',');
        await csv.RowAsync("account", "name", "subscription", "period_start", "invoice", "currency", "amount", "state", "access", "opened_at", "step", "step_on", "exhausted",
            "paused_until", "exempt", "legal_hold", "disputed", "settled_at", "last_decline", "next_at");
        await foreach (var r in _queries.ReadAsync(FilterOf(http.Request.Query), http.RequestAborted))
        {
            await csv.RowAsync(csv.Text(r.Account), csv.Text(r.Name), csv.Text(r.Subscription), Iso(r.PeriodStart), csv.Text(r.Number), r.Currency,
                csv.Amount(r.Amount, Currency.Of(r.Currency)), r.State, r.Access, Show.Seconds(r.OpenedAt), r.LastStep.ToString(CultureInfo.InvariantCulture), Iso(r.LastStepOn),
                YesNo(r.Exhausted), r.PausedUntil is { } until ? Iso(until) : "", YesNo(r.Exempt), YesNo(r.Held), YesNo(r.Disputed), r.SettledAt is { } settled ? Show.Seconds(settled) : "",
                csv.Text(r.Code), r.NextAt is { } next ? Show.Seconds(next) : "");
        }

        static string YesNo(bool value) => value ? "true" : "false";
    }

    private static string Iso(DateOnly day) => LocalDatePattern.Iso.Format(LocalDate.FromDateOnly(day));

    private static CaseFilter FilterOf(IQueryCollection query)
    {
        // Nobody comes here for what is over: that is asked for.
        var state = query.ContainsKey("state") || query.ContainsKey("q") || query.ContainsKey("code") || query.ContainsKey("first") ? Of("state", CaseQueries.States) : "open";
        return new CaseFilter(
            state,
            int.TryParse(query["step"], NumberStyles.None, CultureInfo.InvariantCulture, out var step) ? step : null,
            query["currency"].ToString() is { Length: 3 } currency ? currency : null,
            Typed(query["code"], 100),
            Of("mark", CaseQueries.Marks),
            Typed(query["q"], 200),
            Of("order", CaseQueries.Orders) ?? CaseQueries.Orders[0],
            Typed(query["first"], 100),
            LocalDatePattern.Iso.Parse(query["since"].ToString()) is { Success: true } since ? since.Value.Date() : null);

        string? Of(string name, IReadOnlyList<string> known) => known.Contains(query[name].ToString(), StringComparer.Ordinal) ? query[name].ToString() : null;
    }

    /// <summary>What was typed into a filter; null: nothing that could be looked for.</summary>
    public static string? Typed(string? text, int limit) => text?.Trim() is { Length: > 0 } some && some.Length <= limit && !some.Any(char.IsControl) ? some : null;

    private static string PathOf(string path, CaseFilter filter, params (string, string?)[] cursor) => OpsPath.Of(path,
    [
        ("q", filter.Text), ("state", filter.State ?? "any"), ("step", filter.Step?.ToString(CultureInfo.InvariantCulture)), ("currency", filter.Currency), ("code", filter.Code),
        ("first", filter.First), ("since", filter.Since is { } since ? Iso(since) : null), ("mark", filter.Mark), ("order", filter.Order), .. cursor,
    ]);

    private static string Text(CaseCursor cursor) => Encode(string.Create(CultureInfo.InvariantCulture,
        $"{cursor.OpenedAt.Ticks}|{cursor.Currency}|{cursor.Amount}|{cursor.PeriodStart.DayNumber}|{cursor.NextAt?.Ticks ?? 0}|{cursor.Subscription}"));

    private static CaseCursor? CursorOf(string? text) =>
        Decode(text)?.Split('|', 6) is [var ticks, var currency, var amount, var day, var next, var subscription]
        && long.TryParse(ticks, NumberStyles.None, CultureInfo.InvariantCulture, out var opened) && opened <= DateTime.MaxValue.Ticks
        && long.TryParse(amount, NumberStyles.None, CultureInfo.InvariantCulture, out var minor)
        && int.TryParse(day, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number <= DateOnly.MaxValue.DayNumber
        && long.TryParse(next, NumberStyles.None, CultureInfo.InvariantCulture, out var due) && due <= DateTime.MaxValue.Ticks
            ? new CaseCursor(new DateTime(opened, DateTimeKind.Utc), currency, minor, subscription, DateOnly.FromDayNumber(number), due == 0 ? null : new DateTime(due, DateTimeKind.Utc)) : null;

    /// <summary>A place in a list, as it stands in an address.</summary>
    public static string Encode(string text) => Microsoft.AspNetCore.WebUtilities.WebEncoders.Base64UrlEncode(Encoding.UTF8.GetBytes(text));

    /// <summary>The same back; null: it was none.</summary>
    public static string? Decode(string? text)
    {
        try
        {
            return string.IsNullOrEmpty(text) ? null : Encoding.UTF8.GetString(Microsoft.AspNetCore.WebUtilities.WebEncoders.Base64UrlDecode(text)).Replace("\0", "", StringComparison.Ordinal);
        }
        catch (FormatException)
        {
            return null;
        }
    }
}
