using System.Globalization;
using Dunning.Commands;
using Dunning.Documents.Exports;
using Dunning.Model;
using Dunning.Ops.Frame;
using Dunning.Ops.Queries;
using Dunning.Ops.SignIn;
using Dunning.Postgres;
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
        ActionNames.ResolveCharge, ActionNames.WriteOff, ActionNames.Credit, ActionNames.VoidInvoice, AuditAct.ResendMail, AuditAct.RetryWebhook, AuditAct.RunPass, AuditAct.ApproveGuard,
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
                Show.Cell(Subject(show, r)), Show.Cell(ReasonOf(show, r)))));
    }

    private static Html Subject(Show show, AuditRow r)
    {
        if (r.Account.Length == 0)
        {
            return Html.Text(SubjectOf(show, r));
        }
        var w = show.Words;
        string?[] all =
        [
            r.Number ?? r.Subscription,
            r.PeriodStart is { } start ? w["detail.period", ("date", LocalDatePattern.Iso.Format(LocalDate.FromDateOnly(start)))] : null,
            .. show.Details(r is { Amount: { } amount, Currency: { } currency } ? show.Amount(amount, currency) : null, r.Until, r.Days, r.IsRejected ? null : r.Code),
        ];
        var said = string.Join(", ", all.OfType<string>());
        return Html.Of($"{Show.Account(r.Account)}{(said.Length == 0 ? "" : " · " + said)}{(r.IsRejected ? Html.Of($"<br><span class=\"soft\">{w.Find("cause." + r.Code) ?? w["cause.other"]}</span>") : Html.Empty)}");
    }

    private static string? SubjectOf(Show show, AuditRow r) => (r.Act, r.Subject) switch
    {
        (_, null) => null,
        (AuditAct.RunPass, { } pass) => show.Name("pass", pass),
        (AuditAct.ApproveGuard or AuditAct.GuardTripped, { } kind) => show.Name("guard", kind),
        (AuditAct.SignIn, { } kind) => show.Name("signin.by", kind),
        (AuditAct.ResendMail, OperatorDesk.AllDead) => show.Words["audit.alldead"],
        (_, { } subject) => subject,
    };

    // What the program itself wrote as a reason is said in the reader's language; what somebody wrote stays as it is.
    private static string? ReasonOf(Show show, AuditRow r)
    {
        var w = show.Words;
        return (r.Act, r.Reason) switch
        {
            (AuditAct.SignIn, OpsSessions.SignedIn) => w["said.signed_in"],
            (AuditAct.JobPages, OpsGate.ByJobPages) => w["said.job_pages"],
            (_, PassCommand.ByCommand) => w["said.by_command"],
            (AuditAct.GuardTripped, { } said) when PostgresGuards.ReadTrip(said) is var (wanted, allowed) =>
                w["said.guard_tripped", ("wanted", show.Count(wanted)), ("allowed", show.Count(allowed))],
            _ => r.Reason,
        };
    }

    private async Task ExportAsync(HttpContext http)
    {
        var w = http.Ops().Words;
        http.Response.ContentType = "text/csv; charset=utf-8";
        http.Response.Headers.ContentDisposition = "attachment; filename=\"audit.csv\"";
        await using var csv = new CsvWriter(http.Response.Body, w.Code == "fr" ? CsvWriter.DefaultSeparator : ',');
        await csv.RowAsync("at", "operator", "act", "account", "invoice", "subscription", "period_start", "amount", "currency", "until", "days", "outcome", "subject", "rejected", "cause", "reason");
        await foreach (var r in _queries.ReadAsync(FilterOf(http.Request.Query), http.RequestAborted))
        {
            await csv.RowAsync(Show.Seconds(r.At), csv.Text(r.By), r.Act, csv.Text(r.Account), csv.Text(r.Number), csv.Text(r.Subscription),
                r.PeriodStart is { } start ? LocalDatePattern.Iso.Format(LocalDate.FromDateOnly(start)) : "",
                r is { Amount: { } amount, Currency: { } code } ? csv.Amount(amount, Currency.Of(code)) : "", r.Amount is null ? "" : r.Currency ?? "",
                r.Until ?? "", r.Days?.ToString(CultureInfo.InvariantCulture) ?? "", r.IsRejected ? "" : r.Code ?? "", csv.Text(r.Subject), r.IsRejected ? "true" : "false",
                r.IsRejected ? r.Code ?? "" : "", csv.Text(r.Reason));
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
