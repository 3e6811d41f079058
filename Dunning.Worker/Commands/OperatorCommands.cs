using System.CommandLine;
using Dunning.Events;
using Dunning.Model;
using Dunning.Postgres;

namespace Dunning.Commands;

/// <summary><c>invoice</c> and <c>account</c>: operators' acts (RULES 14), each with a name and a reason that the account's trail keeps.</summary>
internal static class OperatorCommands
{
    private const int ReasonLimit = 500;

    public static Command Invoice(CommandContext context) => new(
        "invoice",
        """
        Act on one unpaid invoice as an operator. Refused while an attempt of it has no outcome yet.

          dunning invoice retry INV-2026-000042 --reason "customer says the card is covered again"
          dunning invoice write-off INV-2026-000042 --reason "company dissolved"
          dunning invoice void INV-2026-000042 --reason "issued for a service never used"
        """)
    {
        OnInvoice(context, "retry", ActionNames.RetryCharge,
            """
            Have it charged by the next dun pass, whatever the schedule. It uses up no step, and never runs beside another attempt.

              dunning invoice retry INV-2026-000042 --reason "customer says the card is covered again"
            """,
            "the next dun pass charges it ('dunning pass dun' does so now)"),
        OnInvoice(context, "write-off", ActionNames.WriteOff,
            """
            Give it up: it stays issued, but nobody owes it any more. Its dunning stops, and a suspension that was its last debt's ends. Its subscription goes on.

              dunning invoice write-off INV-2026-000042 --reason "company dissolved"
            """,
            "written off"),
        OnInvoice(context, "void", ActionNames.VoidInvoice,
            """
            Cancel it by a credit note: the account credit that it took goes back, its dunning stops, and a suspension that was its last debt's ends. Its
            subscription goes on.

              dunning invoice void INV-2026-000042 --reason "issued for a service never used"
            """,
            "voided by a credit note"),
    };

    public static Command Account(CommandContext context) => new(
        "account",
        """
        Act on one account as an operator.

          dunning account hold acme --reason "audit until June"
          dunning account release acme --reason "audit is over"
        """)
    {
        OnAccount(context, "hold", ActionNames.Hold,
            """
            Put a legal hold on it: it is never purged, nor warned of it, until it is released. It is charged, dunned and suspended as ever.

              dunning account hold acme --reason "audit until June"
            """,
            "it is held already, or purged", "held: it is not purged until it is released"),
        OnAccount(context, "release", ActionNames.ReleaseHold,
            """
            End a legal hold. A purge that fell due meanwhile is postponed until it has been warned of anew.

              dunning account release acme --reason "audit is over"
            """,
            "it is not held, or is purged", "released"),
    };

    private static Command OnInvoice(CommandContext context, string verb, string what, string description, string done)
    {
        var (number, reason, by) = (InvoicesCommand.NumberArgument(), ReasonOption(), ByOption());
        var command = new Command(verb, description) { number, reason, by };
        command.SetAction(async (parsed, ct) =>
        {
            await using var live = await context.OpenBookAsync(parsed, ct);
            var invoices = new PostgresInvoices(live.Database.Source);
            var given = parsed.GetValue(number)!;
            var row = (await invoices.ShowAsync(given, ct) ?? throw await InvoicesCommand.NoneAsync(invoices, live.Database, given, ct)).Invoice;
            var action = new AccountAction(live.Engine.Now(), row.Account, what)
            {
                Subscription = row.Subscription,
                PeriodStart = row.PeriodStart.Local(),
                Operator = parsed.GetValue(by),
                Reason = parsed.GetValue(reason),
            };
            return await ActAsync(context, live, action, row.Number, "it is not unpaid, or an attempt of it has no outcome yet", done, ct);
        });
        return command;
    }

    private static Command OnAccount(CommandContext context, string verb, string what, string description, string whyNot, string done)
    {
        var (account, reason, by) = (new Argument<string>("ACCOUNT") { Description = "The account's id" }, ReasonOption(), ByOption());
        var command = new Command(verb, description) { account, reason, by };
        command.SetAction(async (parsed, ct) =>
        {
            await using var live = await context.OpenBookAsync(parsed, ct);
            var id = parsed.GetValue(account)!;
            var action = new AccountAction(live.Engine.Now(), id, what) { Operator = parsed.GetValue(by), Reason = parsed.GetValue(reason) };
            return await ActAsync(context, live, action, id, whyNot, done, ct);
        });
        return command;
    }

    private static async Task<int> ActAsync(
        CommandContext context, LiveBook live, AccountAction action, string subject, string whyNot, string done, CancellationToken ct)
    {
        var decision = await live.Engine.ActAsync(action, ct);
        foreach (var e in decision.Events)
        {
            await context.Output.WriteLineAsync(EventJson.Write(e));
        }
        var isRejected = decision.Events.Any(e => e.Type == EventTypes.ActionRejected);
        await context.Error.WriteLineAsync(isRejected ? $"rejected: {subject}: {whyNot}" : $"{subject}: {done}");
        return isRejected ? CommandLine.Wanting : CommandLine.Ok;
    }

    private static Option<string> ReasonOption() =>
        Text("--reason", $"Why, for those who read the trail later; kept for good, so nothing personal. At most {ReasonLimit} characters", ReasonLimit, null);

    private static Option<string> ByOption() => Text("--by", "Who acts, as the trail is to name them. Default: the user of this machine", 100, () => Environment.UserName);

    private static Option<string> Text(string name, string description, int limit, Func<string>? standard)
    {
        var option = new Option<string>(name) { Description = description, Required = standard is null };
        if (standard is not null)
        {
            option.DefaultValueFactory = _ => standard();
        }
        option.Validators.Add(result =>
        {
            if (!result.Errors.Any() && result.GetValueOrDefault<string>() is { } text
                && (string.IsNullOrWhiteSpace(text) || text.Length > limit || text.Any(char.IsControl)))
            {
                result.AddError($"{name} must be from 1 to {limit} characters without line breaks");
            }
        });
        return option;
    }
}
