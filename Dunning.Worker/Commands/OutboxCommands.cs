using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Dunning.Hosting;
using Dunning.Ops;
using Dunning.Postgres;
using NodaTime;

namespace Dunning.Commands;

/// <summary><c>mail list|resend|bounce|reachable</c>: the outbox of the live book, for operators.</summary>
internal static class OutboxCommands
{
    public static Command List(CommandContext context)
    {
        var state = new Option<string?>("--state") { Description = "pending, held (for a digest), digested, accepted, dead or dropped. Default: any" };
        state.AcceptOnlyFromAmong("pending", "held", "digested", "accepted", "dead", "dropped");
        var account = new Option<string?>("--account") { Description = "Of one account" };
        var limit = CommandLine.LimitOption("At most so many, the latest decided first", 50);
        var bouncing = new Option<bool>("--bouncing") { Description = "The contacts that mail does not reach instead" };
        var json = new Option<bool>("--json") { Description = "One JSON object a line; instants in UTC" };
        var command = new Command("list",
            """
            Show mails as the outbox has them, one line a mail and recipient: what waits and since when, and what is dead, that is, refused or tried in vain
            for three days.

              dunning mail list --state dead
              dunning mail list --account acme
              dunning mail list --bouncing
            """)
        { state, account, limit, bouncing, json };
        command.Validators.Add(result =>
        {
            if (result.GetValue(bouncing) && result.GetValue(state) is not null)
            {
                result.AddError("--bouncing lists contacts, which have no --state");
            }
        });
        command.SetAction(async (parsed, ct) =>
        {
            await using var database = await context.OpenDatabaseAsync(context.ReadSettings(parsed), ct);
            await ShowCommand.CheckAccountAsync(database, parsed.GetValue(account), ct);
            var outbox = new PostgresOutbox(database.Source);
            var (asJson, most) = (parsed.GetValue(json), parsed.GetValue(limit));
            List<string> lines = parsed.GetValue(bouncing)
                ? [.. (await outbox.BouncingAsync(parsed.GetValue(account), most, ct)).Select(r => asJson ? ToJson(r) : ToText(r))]
                : [.. (await outbox.ListAsync(parsed.GetValue(state), parsed.GetValue(account), most, ct)).Select(r => asJson ? ToJson(r) : ToText(r))];
            foreach (var line in lines)
            {
                await context.Output.WriteLineAsync(line);
            }
            if (lines.Count == 0 && !asJson)
            {
                await context.Output.WriteLineAsync(parsed.GetValue(bouncing) ? "no such contact" : "no such mail");
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
        var (reason, by) = (OperatorCommands.ReasonOption(PassCommand.ByCommand), OperatorCommands.ByOption());
        var command = new Command("resend",
            """
            Let the Mail pass try dead mails again. It sends those that are still true: a failure that is paid by now is dropped. Exit code 1 when there is no
            such dead mail.

              dunning mail resend acme 12
              dunning mail resend --all-dead
            """)
        { account, number, all, reason, by };
        command.SetAction(async (parsed, ct) =>
        {
            var (id, which) = (parsed.GetValue(account), parsed.GetValue(number));
            if (parsed.GetValue(all) ? id is not null || which is not null : id is null || which is null)
            {
                throw new CommandException("name an ACCOUNT and the NUMBER of its mail, or --all-dead; 'dunning mail resend --help' shows how");
            }
            await using var live = await context.OpenBookAsync(parsed, ct);
            var revived = await new OperatorDesk(live.Engine).ResendAsync(new Mandate(parsed.GetValue(by)!, parsed.GetValue(reason)!), id, which, ct);
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

    public static Command Bounce(CommandContext context)
    {
        var files = new Argument<FileInfo[]>("FILE") { Description = "Messages as mail servers send them back (.eml)", Arity = ArgumentArity.OneOrMore };
        var command = new Command("bounce",
            """
            Take in delivery status notifications: what a mail server sends back about a message that it had taken, but could not deliver. The contact is
            marked as one that mail does not reach. Only a notification that returns the Message-ID of a mail to that contact counts. Exit code 1 when
            one was of no use. The service does the same with what is dropped into Mail:BounceFolder.

              dunning mail bounce returned/*.eml
            """)
        { files };
        command.SetAction(async (parsed, ct) =>
        {
            var given = parsed.GetValue(files)!;
            if (given.FirstOrDefault(f => !f.Exists) is { } missing)
            {
                throw new CommandException($"there is no file '{missing}'");
            }
            await using var live = await context.OpenBookAsync(parsed, ct);
            var bounces = new Bounces(live.Engine);
            var isUseful = true;
            foreach (var file in given)
            {
                var result = await bounces.TakeAsync(file.Length > Mail.DeliveryReport.MaxBytes ? default : await File.ReadAllBytesAsync(file.FullName, ct), ct);
                await context.Output.WriteLineAsync($"{file.Name}: {result.Says}");
                isUseful &= result.Verdict is not (BounceVerdict.NoReport or BounceVerdict.NotOurs);
            }
            return isUseful ? CommandLine.Ok : CommandLine.Wanting;
        });
        return command;
    }

    public static Command Reachable(CommandContext context)
    {
        var account = new Argument<string>("ACCOUNT") { Description = "The account's id" };
        var email = new Argument<string>("EMAIL") { Description = "The contact's address" };
        var command = new Command("reachable",
            """
            Take the mark off a contact that mail reaches again. Where the mail server itself had refused the address, the next mail that it takes does that.

              dunning mail reachable acme ada@example.com
            """)
        { account, email };
        command.SetAction(async (parsed, ct) =>
        {
            var (id, address) = (parsed.GetValue(account)!, parsed.GetValue(email)!);
            await using var live = await context.OpenBookAsync(parsed, ct);
            if (await new PostgresOutbox(live.Database.Source).ContactAsync(id, address, ct) is not { } contact)
            {
                throw new CommandException($"account '{id}' has no contact '{address}'");
            }
            var isDone = (await live.Engine.ReachableAsync(id, contact, ct)).Events.Length > 0;
            await context.Output.WriteLineAsync(isDone ? "done" : "it was not marked as bouncing");
            return CommandLine.Ok;
        });
        return command;
    }

    private static string ToText(BouncingView row) =>
        string.Create(CultureInfo.InvariantCulture, $"{row.BouncedAt:yyyy-MM-dd HH:mm}Z  {row.AccountId}  {Shown(row.Email)}: {row.BounceReason}") + (row.IsLast ? "; nobody else gets its mails" : "");

    private static string ToJson(BouncingView row) => JsonSerializer.Serialize(new
    {
        account = row.AccountId, contact = row.Number, email = row.Email, bounced_at = row.BouncedAt, reason = row.BounceReason, is_last = row.IsLast,
    });

    // An address can hold anything: no control character reaches the terminal.
    private static string Shown(string text) => Mail.OneLine.Of(text) ?? "";

    private static string ToText(OutboxView row) => string.Create(CultureInfo.InvariantCulture,
        $"{row.DecidedAt:yyyy-MM-dd HH:mm}Z  {row.AccountId} {row.MailNumber}  {row.Template}  to {Shown(row.Email ?? Erased.Text)}: {row.State}")
        + row switch
        {
            { NextTryAt: { } next } when row.Tries > 0 => string.Create(CultureInfo.InvariantCulture, $" after {row.Tries} tries, next at {next:yyyy-MM-dd HH:mm}Z"),
            { SettledAt: { } settled } => string.Create(CultureInfo.InvariantCulture, $" at {settled:yyyy-MM-dd HH:mm}Z after {row.Tries} {(row.Tries == 1 ? "try" : "tries")}"),
            _ => "",
        }
        + (row is { State: not "accepted", Detail: { } detail } ? $" ({detail})" : "");

    private static string ToJson(OutboxView row) => JsonSerializer.Serialize(new
    {
        account = row.AccountId, mail = row.MailNumber, contact = row.Contact, template = row.Template, email = row.Email, state = row.State, tries = row.Tries,
        decided_at = row.DecidedAt, next_try_at = row.NextTryAt, settled_at = row.SettledAt, detail = row.Detail,
    });
}
