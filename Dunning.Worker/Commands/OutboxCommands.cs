using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Dunning.Postgres;
using NodaTime;

namespace Dunning.Commands;

/// <summary><c>mail list</c>, <c>mail resend</c>: the outbox of the live book, for operators.</summary>
internal static class OutboxCommands
{
    public static Command List(CommandContext context)
    {
        var state = new Option<string?>("--state") { Description = "pending, accepted, dead or dropped. Default: any" };
        state.AcceptOnlyFromAmong("pending", "accepted", "dead", "dropped");
        var account = new Option<string?>("--account") { Description = "Of one account" };
        var limit = InvoicesCommand.LimitOption("At most so many, the latest decided first", 50);
        var json = new Option<bool>("--json") { Description = "One JSON object a line; instants in UTC" };
        var command = new Command("list",
            """
            Show mails as the outbox has them, one line a mail and recipient: what waits and since when, and what is dead, that is, refused or tried in vain
            for three days.

              dunning mail list --state dead
              dunning mail list --account acme
            """)
        { state, account, limit, json };
        command.SetAction(async (parsed, ct) =>
        {
            await using var database = await context.OpenDatabaseAsync(context.ReadSettings(parsed), ct);
            var rows = await new PostgresOutbox(database.Source).ListAsync(parsed.GetValue(state), parsed.GetValue(account), parsed.GetValue(limit), ct);
            foreach (var row in rows)
            {
                await context.Output.WriteLineAsync(parsed.GetValue(json) ? ToJson(row) : ToText(row));
            }
            if (rows.Count == 0 && !parsed.GetValue(json))
            {
                await context.Output.WriteLineAsync("no such mail");
            }
            return CommandLine.Ok;
        });
        return command;
    }

    public static Command Resend(CommandContext context)
    {
        var account = new Argument<string?>("ACCOUNT") { Description = "The account's id", Arity = ArgumentArity.ZeroOrOne };
        var number = new Argument<int?>("NUMBER") { Description = "The mail's number, as 'mail list' shows it", Arity = ArgumentArity.ZeroOrOne };
        var all = new Option<bool>("--all-dead") { Description = "Every dead mail instead, once the mail server takes them again" };
        var command = new Command("resend",
            """
            Let the Mail pass try dead mails again. It sends those that are still true: a failure that is paid by now is dropped. Exit code 1 when there is no
            such dead mail.

              dunning mail resend acme 12
              dunning mail resend --all-dead
            """)
        { account, number, all };
        command.SetAction(async (parsed, ct) =>
        {
            var (id, which) = (parsed.GetValue(account), parsed.GetValue(number));
            if (parsed.GetValue(all) ? id is not null || which is not null : id is null || which is null)
            {
                throw new CommandException("name an ACCOUNT and the NUMBER of its mail, or --all-dead; 'dunning mail resend --help' shows how");
            }
            await using var database = await context.OpenDatabaseAsync(context.ReadSettings(parsed), ct);
            var revived = await new PostgresOutbox(database.Source).ReviveAsync(id, which, Instant.FromDateTimeOffset(context.Time.GetUtcNow()), ct);
            if (revived.Count == 0)
            {
                await context.Error.WriteLineAsync(id is null ? "there is no dead mail" : string.Create(CultureInfo.InvariantCulture, $"account '{id}' has no dead mail {which}"));
                return CommandLine.Wanting;
            }
            await context.Output.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"{revived.Count} to be tried again by the next Mail pass"));
            return CommandLine.Ok;
        });
        return command;
    }

    private static string ToText(OutboxView row) => string.Create(CultureInfo.InvariantCulture,
        $"{row.DecidedAt:yyyy-MM-dd HH:mm}Z  {row.AccountId} {row.MailNumber}  {row.Template}  to {row.Email ?? "(erased)"}: {row.State}")
        + row switch
        {
            { NextTryAt: { } next } when row.Tries > 0 => string.Create(CultureInfo.InvariantCulture, $" after {row.Tries} tries, next at {next:yyyy-MM-dd HH:mm}Z"),
            { SettledAt: { } settled } => string.Create(CultureInfo.InvariantCulture, $" at {settled:yyyy-MM-dd HH:mm}Z after {row.Tries} {(row.Tries == 1 ? "try" : "tries")}"),
            _ => "",
        };

    private static string ToJson(OutboxView row) => JsonSerializer.Serialize(new
    {
        account = row.AccountId, mail = row.MailNumber, contact = row.Contact, template = row.Template, email = row.Email, state = row.State, tries = row.Tries,
        decided_at = row.DecidedAt, next_try_at = row.NextTryAt, settled_at = row.SettledAt,
    });
}
