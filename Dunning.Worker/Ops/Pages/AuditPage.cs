using System.Globalization;
using System.Text.Json;
using Dunning.Documents.Exports;
using Dunning.Model;
using Dunning.Ops.Frame;
using Dunning.Ops.Queries;
using NodaTime;
using NodaTime.Text;
using Npgsql;

namespace Dunning.Ops.Pages;

/// <summary>Who did what, when and why.</summary>
internal sealed class AuditPage(OpsFrame frame, NpgsqlDataSource source)
{
    private const int Rows = 50;

    private static readonly string[] s_acts =
    [
        ActionNames.RetryCharge, ActionNames.Pause, ActionNames.Unpause, ActionNames.Exempt, ActionNames.Unexempt, ActionNames.Hold, ActionNames.ReleaseHold, ActionNames.GrantAccess,
        ActionNames.ResolveCharge, ActionNames.WriteOff, ActionNames.Credit, ActionNames.VoidInvoice, AuditAct.ResendMail, AuditAct.RunPass, AuditAct.ApproveGuard,
        AuditAct.GuardTripped, AuditAct.JobPages, AuditAct.SignIn, AuditAct.EndSessions, AuditAct.AddUser, AuditAct.ChangePassword, AuditAct.DisableUser,
    ];

    private readonly AuditQueries _queries = new(source);

    public void Map(IEndpointRouteBuilder app)
    {
        app.MapGet("/ops/audit", ShowAsync).Needs(OpsRole.Viewer);
        app.MapGet("/ops/audit.csv", ExportAsync).Needs(OpsRole.Viewer);
    }

    private async Task ShowAsync(HttpContext http)
    {
        var visit = http.Ops();
        var (show, w, filter) = (new Show(visit), visit.Words, FilterOf(http.Request.Query));
        var rows = await _queries.ListAsync(filter, CursorOf(http.Request.Query["after"]), Rows, http.RequestAborted);
        await frame.WriteAsync(http, new OpsPage
        {
            Title = w["nav.audit"],
            Body = Html.Of(
                $"""
                {show.Filters("/ops/audit", Html.Of(
                    $"{OpsForm.Field("operator", w["audit.operator"], filter.Operator, type: "search", isRequired: false)}{OpsForm.Field("account", w["account.id"], filter.Account, type: "search", isRequired: false, limit: 200)}{show.Choice("act", w["audit.act"], s_acts.Select(a => (a, show.Name("act.name", a))), filter.Act)}"),
                    Show.Link(PathOf("/ops/audit.csv", filter, null), w["export.csv"]))}{(rows.Count == 0 ? Show.Nothing(w["audit.none"]) : Html.Of($"{Table(show, rows.Take(Rows))}{show.Next(rows.Count > Rows ? PathOf("/ops/audit", filter, Text(rows[Rows - 1].Cursor)) : null)}"))}
                """),
        });
    }

    private static Html Table(Show show, IEnumerable<AuditRow> rows)
    {
        var w = show.Words;
        return Show.Table(w["nav.audit"], [w["audit.at"], w["audit.operator"], w["audit.act"], w["audit.subject"], w["audit.reason"]],
            rows.Select(r => Show.Row(
                Show.Short(show.Time(r.At)), Show.Head(Html.Text(r.By)),
                Show.Cell(Html.Of($"{show.Name("act.name", r.Act)}{(r.IsRejected ? Html.Of($" {Show.Badge("bad", w["audit.rejected"])}") : Html.Empty)}")),
                Show.Cell(Subject(show, r)), Show.Cell(r.Reason))));
    }

    private static Html Subject(Show show, AuditRow r)
    {
        if (r.Account.Length == 0)
        {
            return Html.Text(r.Act == AuditAct.RunPass && r.Subject is { } pass ? show.Name("pass", pass) : r.Subject);
        }
        var said = string.Join(", ", new[] { r.Subscription, r.PeriodStart is { } start ? LocalDatePattern.Iso.Format(LocalDate.FromDateOnly(start)) : null }.Concat(More(r)).OfType<string>());
        return Html.Of($"{Show.Account(r.Account)}{(said.Length == 0 ? "" : " · " + said)}");
    }

    // What an act said beside the account and the reason: an amount in minor units, an outcome, a date.
    private static IEnumerable<string> More(AuditRow r)
    {
        if (r.Data is null)
        {
            yield break;
        }
        using var data = JsonDocument.Parse(r.Data);
        foreach (var name in new[] { "amount", "currency", "code", "ends_on" })
        {
            if (data.RootElement.TryGetProperty(name, out var value))
            {
                yield return value.ToString();
            }
        }
    }

    private async Task ExportAsync(HttpContext http)
    {
        var w = http.Ops().Words;
        http.Response.ContentType = "text/csv; charset=utf-8";
        http.Response.Headers.ContentDisposition = "attachment; filename=\"audit.csv\"";
        await using var csv = new CsvWriter(http.Response.Body, w.Code == "fr" ? CsvWriter.DefaultSeparator : ',');
        await csv.RowAsync("at", "operator", "act", "account", "subject", "details", "rejected", "reason");
        await foreach (var r in _queries.ReadAsync(FilterOf(http.Request.Query), http.RequestAborted))
        {
            await csv.RowAsync(Show.Seconds(r.At), csv.Text(r.By), r.Act, csv.Text(r.Account), csv.Text(r.Subject ?? r.Subscription), csv.Text(string.Join(' ', More(r))),
                r.IsRejected ? "true" : "false", csv.Text(r.Reason));
        }
    }

    private static AuditFilter FilterOf(IQueryCollection query) => new(
        CasesPage.Typed(query["operator"], Mandate.NameLimit), CasesPage.Typed(query["account"], 200), s_acts.Contains(query["act"].ToString(), StringComparer.Ordinal) ? query["act"].ToString() : null);

    private static string PathOf(string path, AuditFilter filter, string? after) =>
        OpsPath.Of(path, ("operator", filter.Operator), ("account", filter.Account), ("act", filter.Act), ("after", after));

    private static string Text(AuditCursor cursor) => CasesPage.Encode(string.Create(CultureInfo.InvariantCulture, $"{cursor.At.Ticks}|{cursor.Seq}|{cursor.Account}"));

    private static AuditCursor? CursorOf(string? text) =>
        CasesPage.Decode(text)?.Split('|', 3) is [var ticks, var seq, var account]
        && long.TryParse(ticks, NumberStyles.None, CultureInfo.InvariantCulture, out var at) && at <= DateTime.MaxValue.Ticks
        && long.TryParse(seq, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? new AuditCursor(new DateTime(at, DateTimeKind.Utc), account, number) : null;
}
