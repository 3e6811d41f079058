using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Dunning.Model;
using Dunning.Ops.Queries;
using Dunning.Postgres;
using NodaTime;
using NodaTime.Text;

namespace Dunning.Commands;

/// <summary><c>audit</c>: who did what, when, to what and why.</summary>
internal static class AuditCommand
{
    public static Command Create(CommandContext context)
    {
        var since = new Option<string?>("--since") { Description = "Not before this date or instant in UTC, such as 2026-12-01 or 2026-12-01T08:00:00Z" };
        var by = new Option<string?>("--operator") { Description = "Of one operator, by the name in the trail" };
        var account = new Option<string?>("--account") { Description = "On one account" };
        var act = new Option<string?>("--act") { Description = "One act, such as credit, void or run_pass" };
        var limit = CommandLine.LimitOption("At most so many, the latest first", 50);
        var json = new Option<bool>("--json") { Description = "One JSON object a line; instants in UTC, amounts in the minor unit" };
        since.Validators.Add(result =>
        {
            if (!result.Errors.Any() && result.GetValueOrDefault<string?>() is { } text && Read(text) is null)
            {
                result.AddError($"--since is '{text}', but must be a date or an instant such as 2026-12-01 or 2026-12-01T08:00:00Z");
            }
        });
        var command = new Command("audit",
            """
            Show what operators have done, with who, when and why: acts on accounts, and what belongs to none (passes run, mails sent again, guards, sign-ins,
            users). What was rejected says why.

              dunning audit --since 2026-12-01 --operator anna
              dunning audit --account acme --json
            """)
        { since, by, account, act, limit, json };
        command.SetAction(async (parsed, ct) =>
        {
            await using var database = await context.OpenDatabaseAsync(context.ReadSettings(parsed), ct);
            await ShowCommand.CheckAccountAsync(database, parsed.GetValue(account), ct);
            var most = parsed.GetValue(limit);
            var rows = await new AuditQueries(database.Source).ListAsync(
                new AuditFilter(parsed.GetValue(by), parsed.GetValue(account), parsed.GetValue(act), Read(parsed.GetValue(since))?.Utc()), null, most, ct);
            foreach (var row in rows.Take(most))
            {
                await context.Output.WriteLineAsync(parsed.GetValue(json) ? ToJson(row) : ToText(row));
            }
            if (rows.Count == 0 && !parsed.GetValue(json))
            {
                await context.Output.WriteLineAsync("no operator has done anything that matches");
            }
            return CommandLine.Ok;
        });
        return command;
    }

    private static Instant? Read(string? text) => text is null ? null
        : LocalDatePattern.Iso.Parse(text) is { Success: true } date ? date.Value.AtMidnight().InUtc().ToInstant()
        : InstantPattern.General.Parse(text) is { Success: true } instant ? instant.Value : null;

    private static string ToText(AuditRow r)
    {
        string?[] all =
        [
            r.Account.Length > 0 ? r.Account : r.Subject,
            r.Number ?? r.Subscription,
            r is { Amount: { } amount, Currency: { } currency } ? AccountWords.Amount(new Money(amount, Currency.Of(currency))) : null,
            r.Until is { } until ? "until " + until : null,
            r.Days is { } days ? string.Create(CultureInfo.InvariantCulture, $"for {days} days") : null,
            r is { IsRejected: false, Code: { } outcome } ? "as " + AccountWords.Plain(outcome) : null,
        ];
        return string.Create(CultureInfo.InvariantCulture, $"{r.At:yyyy-MM-dd HH:mm}Z  {Shown(r.By)}  {AccountWords.Plain(r.Act)}{(r.IsRejected ? " (rejected)" : "")}  ")
            + Shown(string.Join(", ", all.OfType<string>())) + $": {Shown(r.Reason)}{(r.IsRejected ? "; " + RejectionText.Of(r.Code) : "")}";
    }

    // What somebody typed into a page: no control character reaches the terminal.
    private static string Shown(string? text) => Mail.OneLine.Of(text ?? "") ?? "";

    private static string ToJson(AuditRow r) => JsonSerializer.Serialize(new
    {
        at = r.At, @operator = r.By, act = r.Act, account = r.Account.Length == 0 ? null : r.Account, invoice = r.Number, subscription = r.Subscription, period_start = r.PeriodStart,
        amount = r.Amount, currency = r.Amount is null ? null : r.Currency, until = r.Until, days = r.Days, outcome = r.IsRejected ? null : r.Code, subject = r.Subject,
        rejected = r.IsRejected, cause = r.IsRejected ? r.Code : null, reason = r.Reason,
    });
}
