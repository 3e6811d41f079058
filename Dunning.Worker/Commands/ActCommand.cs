using System.CommandLine;
using System.Globalization;
using Dunning.Books;
using Dunning.Events;
using Dunning.Model;
using NodaTime;

namespace Dunning.Commands;

/// <summary><c>act</c>: actions of customers and operators (RULES 9) on the live book, decided at once.</summary>
internal static class ActCommand
{
    public static Command Create(CommandContext context)
    {
        var account = new Argument<string?>("ACCOUNT") { Description = "The account's id", Arity = ArgumentArity.ZeroOrOne };
        var what = new Argument<string?>("DO") { Description = "update_payment_method, authenticate, cancel, resume, set_auto_renew, change_plan, abandon_charge, resolve_charge, retry_charge, credit, grant_access, add_contact, set_contact, remove_contact", Arity = ArgumentArity.ZeroOrOne };
        var file = new Option<FileInfo?>("--file") { Description = "Many actions instead, one JSON object a line as in a book's actions.jsonl; each is decided now, its 'at' only orders them" };
        var fields = new Dictionary<string, Option<string?>>(StringComparer.Ordinal)
        {
            ["subscription"] = new("--subscription") { Description = "cancel, resume, set_auto_renew, change_plan, abandon_charge, resolve_charge, retry_charge: which subscription" },
            ["token"] = new("--token") { Description = "update_payment_method: the gateway's token" },
            ["exp"] = new("--exp") { Description = "update_payment_method: expiry month, such as 2029-06" },
            ["method"] = new("--method") { Description = "update_payment_method, authenticate: which method; default: the default method" },
            ["brand"] = new("--brand") { Description = "update_payment_method: the card's brand, for mails" },
            ["last4"] = new("--last4") { Description = "update_payment_method: the card's last four digits, for mails" },
            ["outcome"] = new("--outcome") { Description = "resolve_charge: what has become of a stuck charge: succeeded, failed or never_made" },
            ["period_start"] = new("--period-start") { Description = "resolve_charge, retry_charge: first day of the period, where a subscription has several unpaid invoices" },
            ["plan"] = new("--plan") { Description = "change_plan: the plan's code" },
            ["value"] = new("--value") { Description = "set_auto_renew: true or false" },
            ["amount"] = new("--amount") { Description = "credit: in the minor unit of the account's currency" },
            ["days"] = new("--days") { Description = "grant_access: days of temporary access" },
            ["email"] = new("--email") { Description = "add_contact, set_contact, remove_contact: the address" },
            ["role"] = new("--role") { Description = "add_contact: owner, billing or admin" },
            ["name"] = new("--name") { Description = "add_contact: the person's name" },
            ["locale"] = new("--locale") { Description = "add_contact, set_contact: the person's language, such as fr" },
            ["frequency"] = new("--frequency") { Description = "add_contact, set_contact: how soon they are told what is not urgent: at_once, daily or weekly" },
        };
        var command = new Command("act",
            """
            Decide an action at once and print its events, one JSON object a line. Exit code 1 when an action is rejected.

              dunning act acme cancel --subscription acme-1
              dunning act acme credit --amount 1500
              dunning act acme set_contact --email claire@acme.example --frequency weekly
              dunning act --file actions.jsonl
            """)
        { account, what, file };
        foreach (var option in fields.Values)
        {
            command.Add(option);
        }
        command.SetAction(async (parsed, ct) =>
        {
            var given = fields.Select(f => (f.Key, Value: parsed.GetValue(f.Value))).Where(f => f.Value is not null)
                .ToDictionary(f => f.Key, f => f.Value!, StringComparer.Ordinal);
            var (id, name) = (parsed.GetValue(account), parsed.GetValue(what));
            if (parsed.GetValue(file) is null && (id is null || name is null))
            {
                throw new CommandException("name an ACCOUNT and what to DO, or a --file of actions; 'dunning act --help' shows how");
            }
            await using var live = await context.OpenBookAsync(parsed, ct);
            var now = live.Engine.Now();
            var reading = parsed.GetValue(file) is { } path
                ? await LooseActions.ReadFileAsync(path.FullName, live.Settings.Payments.IsToken, ct)
                : await LooseActions.ReadAsync(id!, name!, now, given, live.Settings.Payments.IsToken, ct);
            if (!reading.Faults.IsEmpty)
            {
                foreach (var line in reading.Faults.Describe())
                {
                    await context.Error.WriteLineAsync(line);
                }
                await context.Error.WriteLineAsync("nothing was done");
                return CommandLine.Wanting;
            }
            var rejected = false;
            foreach (var action in reading.Actions)
            {
                var decision = await live.Engine.ActAsync(action, ct);
                foreach (var e in decision.Events)
                {
                    rejected |= e.Type == EventTypes.ActionRejected;
                    await context.Output.WriteLineAsync(EventJson.Write(e));
                }
                if (decision.After.Subscriptions.Any(s => s.CancelKept && s.Id == action.Subscription))
                {
                    await context.Error.WriteLineAsync("received: the outcome of a charge is unknown; the cancellation is decided by the pass that learns it");
                }
            }
            return rejected ? CommandLine.Wanting : CommandLine.Ok;
        });
        return command;
    }
}
