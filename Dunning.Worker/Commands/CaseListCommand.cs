using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Dunning.Model;
using Dunning.Ops.Queries;

namespace Dunning.Commands;

/// <summary><c>case list</c>: dunning cases by the filters of the Cases page.</summary>
internal static class CaseListCommand
{
    private const string Any = "any";

    public static Command Create(CommandContext context)
    {
        var state = new Option<string>("--state") { Description = $"{string.Join(", ", CaseQueries.States)} or {Any}", DefaultValueFactory = _ => CaseQueries.States[0] };
        state.AcceptOnlyFromAmong([.. CaseQueries.States, Any]);
        var step = new Option<int?>("--step") { Description = "Of one dunning step, the last that was made" };
        var currency = new Option<string?>("--currency") { Description = "Of one currency, such as EUR" };
        var code = new Option<string?>("--code") { Description = "Of one last decline code, such as insufficient_funds" };
        var first = new Option<string?>("--first") { Description = $"Of one first decline code, or {CaseQueries.NoCode}" };
        var mark = new Option<string?>("--mark") { Description = string.Join(", ", CaseQueries.Marks) };
        mark.AcceptOnlyFromAmong([.. CaseQueries.Marks]);
        var search = new Option<string?>("--search") { Description = "An account's id, words of its name, a contact's address, or the number of an invoice" };
        var order = new Option<string>("--order") { Description = string.Join(", ", CaseQueries.Orders), DefaultValueFactory = _ => CaseQueries.Orders[0] };
        order.AcceptOnlyFromAmong([.. CaseQueries.Orders]);
        var limit = CommandLine.LimitOption("At most so many", 50);
        var json = new Option<bool>("--json") { Description = "One JSON object a line; instants in UTC, amounts in the minor unit" };
        var command = new Command("list",
            """
            Show dunning cases, one line a case, by the filters of the page Cases.

              dunning case list --state suspended
              dunning case list --code insufficient_funds --order largest --json
            """)
        { state, step, currency, code, first, mark, search, order, limit, json };
        command.SetAction(async (parsed, ct) =>
        {
            var settings = context.ReadSettings(parsed);
            await using var database = await context.OpenDatabaseAsync(settings, ct);
            var most = parsed.GetValue(limit);
            var filter = new CaseFilter(
                parsed.GetValue(state) is { } asked && asked != Any ? asked : null, parsed.GetValue(step), parsed.GetValue(currency), parsed.GetValue(code), parsed.GetValue(mark),
                parsed.GetValue(search), parsed.GetValue(order), parsed.GetValue(first));
            var rows = (await new CaseQueries(database.Source, () => settings.Rules).ListAsync(filter, null, isBack: false, most, ct)).Rows;
            foreach (var row in rows)
            {
                await context.Output.WriteLineAsync(parsed.GetValue(json) ? ToJson(row) : ToText(row));
            }
            if (rows.Count == 0 && !parsed.GetValue(json))
            {
                await context.Output.WriteLineAsync("no such case");
            }
            return CommandLine.Ok;
        });
        return command;
    }

    private static string ToText(CaseRow r) => string.Create(CultureInfo.InvariantCulture,
        $"{r.OpenedAt:yyyy-MM-dd HH:mm}Z  {r.Account}  {r.Number}  {AccountWords.Amount(new Money(r.Amount, Currency.Of(r.Currency)))}  {AccountWords.Plain(r.Standing)}, step {r.LastStep}")
        + (r.Code is null ? "" : ", " + AccountWords.Plain(r.Code)) + string.Concat(r.Marks.Select(m => ", " + MarkText(r, m)))
        + (r is { State: "open", NextAt: { } next } ? string.Create(CultureInfo.InvariantCulture, $", next {next:yyyy-MM-dd HH:mm}Z") : "");

    private static string MarkText(CaseRow r, string mark) => mark switch
    {
        "paused" => string.Create(CultureInfo.InvariantCulture, $"paused until {r.PausedUntil:yyyy-MM-dd}"),
        "held" => "legal hold",
        _ => mark,
    };

    private static string ToJson(CaseRow r) => JsonSerializer.Serialize(new
    {
        account = r.Account, name = r.Name, subscription = r.Subscription, period_start = r.PeriodStart, invoice = r.Number, currency = r.Currency, amount = r.Amount, state = r.State,
        access = r.Access, opened_at = r.OpenedAt, step = r.LastStep, step_on = r.LastStepOn, exhausted = r.Exhausted, paused_until = r.PausedUntil, exempt = r.Exempt,
        legal_hold = r.Held, disputed = r.Disputed, settled_at = r.SettledAt, last_decline = r.Code, next_at = r.NextAt,
    });
}
