using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Dunning.Gateways.Webhooks;
using Dunning.Ops;
using Dunning.Postgres;
using NodaTime;
using NodaTime.Text;

namespace Dunning.Commands;

/// <summary><c>webhooks list|retry</c>: what the gateway has told the live book by itself, for operators.</summary>
internal static class WebhooksCommand
{
    public static Command Create(CommandContext context) => new(
        "webhooks",
        """
        Look at what the gateway has told by itself, and let what has failed be tried again. docs/payments.md says how to set a webhook up.

          dunning webhooks list --state failed
          dunning webhooks retry --all-failed
        """)
    { List(context), Retry(context) };

    private static Command List(CommandContext context)
    {
        var state = new Option<string?>("--state") { Description = "pending, done, ignored (not about this book) or failed. Default: any" };
        state.AcceptOnlyFromAmong("pending", "done", "ignored", "failed");
        var limit = CommandLine.LimitOption("At most so many, the latest received first", 50);
        var json = new Option<bool>("--json") { Description = "One JSON object a line; instants in UTC" };
        var command = new Command("list", "Show the gateway's events, one a line, as far back as they are kept (Retention:Webhooks:Days): what became of them, and why some are tried again or have failed.")
        {
            state, limit, json,
        };
        command.SetAction(async (parsed, ct) =>
        {
            await using var database = await context.OpenDatabaseAsync(context.ReadSettings(parsed), ct);
            var events = await new WebhookStore(database.Source).ListAsync(parsed.GetValue(state), parsed.GetValue(limit), ct);
            foreach (var one in events)
            {
                await context.Output.WriteLineAsync(parsed.GetValue(json) ? ToJson(one) : ToText(one));
            }
            if (events.Count == 0 && !parsed.GetValue(json))
            {
                await context.Output.WriteLineAsync("no such event");
            }
            return CommandLine.Ok;
        });
        return command;
    }

    private static Command Retry(CommandContext context)
    {
        var id = new Argument<string?>("EVENT") { Description = "The event's id at the gateway", Arity = ArgumentArity.ZeroOrOne };
        var all = new Option<bool>("--all-failed") { Description = "Every failed event instead" };
        var (reason, by) = (OperatorCommands.ReasonOption(PassCommand.ByCommand), OperatorCommands.ByOption());
        var command = new Command("retry", "Let the service try failed events again, within half a minute. Exit code 1 when there is no such failed event.") { id, all, reason, by };
        command.SetAction(async (parsed, ct) =>
        {
            if (parsed.GetValue(all) == parsed.GetValue(id) is not null)
            {
                throw new CommandException("name an EVENT or --all-failed; 'dunning webhooks retry --help' shows how");
            }
            await using var database = await context.OpenDatabaseAsync(context.ReadSettings(parsed), ct);
            var revived = await OperatorDesk.RetryWebhooksAsync(
                database.Source, Instant.FromDateTimeOffset(context.Time.GetUtcNow()), new Mandate(parsed.GetValue(by)!, parsed.GetValue(reason)!), parsed.GetValue(id), ct);
            if (revived == 0)
            {
                await context.Error.WriteLineAsync("there is no such failed event");
                return CommandLine.Wanting;
            }
            await context.Output.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"{revived} to be tried again"));
            return CommandLine.Ok;
        });
        return command;
    }

    private static string ToText(WebhookView one)
    {
        var tries = string.Create(CultureInfo.InvariantCulture, $"{one.Tries} {(one.Tries == 1 ? "try" : "tries")}");
        var became = one.State switch
        {
            "pending" when one.Fault is not null => $"pending after {tries}, next at {At(one.NextTryAt)}: {one.Fault}",
            "failed" => $"failed after {tries} at {At(one.SettledAt)}: {one.Fault}",
            _ => one.State,
        };
        return $"{At(one.ReceivedAt)}  {one.Gateway}  {one.EventId}  {one.Type}  {became}";
    }

    private static string ToJson(WebhookView one) => JsonSerializer.Serialize(new
    {
        gateway = one.Gateway, @event = one.EventId, type = one.Type, received_at = At(one.ReceivedAt), state = one.State, tries = one.Tries,
        next_try_at = At(one.NextTryAt), settled_at = At(one.SettledAt), fault = one.Fault,
    });

    private static string? At(DateTime? utc) => utc.Instant() is { } at ? InstantPattern.General.Format(at) : null;
}
