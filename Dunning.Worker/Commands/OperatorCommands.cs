using System.CommandLine;
using System.Globalization;
using Dunning.Events;
using Dunning.Model;
using Dunning.Ops;
using Dunning.Postgres;
using NodaTime;
using NodaTime.Text;

namespace Dunning.Commands;

/// <summary>
/// <c>invoice</c>, <c>case</c>, <c>account</c> and <c>charge</c>: operators' acts (RULES 14), each with a name and a reason that the account's trail keeps.
/// </summary>
internal static class OperatorCommands
{
    public static Command Invoice(CommandContext context) => new(
        "invoice",
        """
        Act on one invoice as an operator. Refused while an attempt of it has no outcome yet.

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
            Cancel it by a credit note: the account credit that it took goes back, its dunning stops, and a suspension that was its last debt's ends. One
            that is paid is refunded by the next reconcile pass, or its amount becomes account credit where no charge of ours has paid it. Its
            subscription goes on.

              dunning invoice void INV-2026-000042 --reason "issued for a service never used"
            """,
            "voided by a credit note"),
    };

    public static Command Case(CommandContext context)
    {
        var until = UntilOption();
        return new Command(
            "case",
            """
            List dunning cases, and act on the case of one unpaid invoice as an operator. Acts are done also while an attempt of it has no outcome yet.

              dunning case list --state suspended
              dunning case pause INV-2026-000042 --until 2026-12-15 --reason "pays by transfer after the board meets"
              dunning case exempt INV-2026-000042 --reason "we owe them a feature first"
            """)
        {
            CaseListCommand.Create(context),
            OnInvoice(context, "pause", ActionNames.Pause, PauseText("case pause INV-2026-000042"), "paused",
                until, (parsed, action) => action with { Until = Date(parsed, until) }),
            OnInvoice(context, "unpause", ActionNames.Unpause,
                """
                End a pause today, as it would end on its date.

                  dunning case unpause INV-2026-000042 --reason "the transfer did not come"
                """,
                "the pause is over"),
            OnInvoice(context, "exempt", ActionNames.Exempt,
                """
                Let this debt suspend nobody: it is charged and mailed on its days, and each failure is told as one more failed payment. A suspension that was
                its last debt's ends.

                  dunning case exempt INV-2026-000042 --reason "we owe them a feature first"
                """,
                "exempt: it suspends nobody"),
            OnInvoice(context, "unexempt", ActionNames.Unexempt,
                """
                Withdraw an exemption: what is past its last warning is warned of anew, in full.

                  dunning case unexempt INV-2026-000042 --reason "delivered"
                """,
                "exempt no more"),
        };
    }

    public static Command Account(CommandContext context)
    {
        var (until, amount, days) = (UntilOption(), AmountOption(), DaysOption());
        return new Command(
            "account",
            """
            Act on one account as an operator.

              dunning account hold acme --reason "audit until June"
              dunning account release acme --reason "audit is over"
              dunning account pause acme --until 2026-12-15 --reason "pays by transfer after the board meets"
              dunning account exempt acme --reason "key account, we call them"
              dunning account credit acme --amount 1500 --reason "goodwill for the outage"
              dunning account grant-access acme --days 3 --reason "needs their data to pay us"
            """)
        {
            OnAccount(context, "hold", ActionNames.Hold,
                """
                Put a legal hold on it: it is never purged, nor warned of it, until it is released. It is charged, dunned and suspended as ever.

                  dunning account hold acme --reason "audit until June"
                """,
                "held: it is not purged until it is released"),
            OnAccount(context, "release", ActionNames.ReleaseHold,
                """
                End a legal hold. A purge that fell due meanwhile is postponed until it has been warned of anew.

                  dunning account release acme --reason "audit is over"
                """,
                "released"),
            OnAccount(context, "pause", ActionNames.Pause, PauseText("account pause acme", "all that it owes now"), "paused",
                until, (parsed, action) => action with { Until = Date(parsed, until) }),
            OnAccount(context, "unpause", ActionNames.Unpause,
                """
                End its pauses today, as they would end on their date.

                  dunning account unpause acme --reason "the transfer did not come"
                """,
                "the pause is over"),
            OnAccount(context, "exempt", ActionNames.Exempt,
                """
                Exempt it for good: charged and mailed, never suspended or purged. If it is suspended, it is active again.

                  dunning account exempt acme --reason "key account, we call them"
                """,
                "exempt for good"),
            OnAccount(context, "unexempt", ActionNames.Unexempt,
                """
                Withdraw an exemption: what is past its last warning is warned of anew, in full.

                  dunning account unexempt acme --reason "contract ended"
                """,
                "exempt no more"),
            OnAccount(context, "credit", ActionNames.Credit,
                """
                Add to its credit balance, which pays the oldest debt that it covers and is taken by later invoices. Its billing contacts are told.

                  dunning account credit acme --amount 1500 --reason "goodwill for the outage"
                """,
                "credited", amount, (parsed, action) => action with { Amount = parsed.GetValue(amount) }),
            OnAccount(context, "grant-access", ActionNames.GrantAccess,
                """
                Give a suspended account access for some days. The purge date does not move. Its billing contacts are told.

                  dunning account grant-access acme --days 3 --reason "needs their data to pay us"
                """,
                "has access for now", days, (parsed, action) => action with { Days = parsed.GetValue(days) }),
        };
    }

    public static Command Charge(CommandContext context)
    {
        var outcome = new Option<string>("--outcome") { Description = "succeeded, failed or never_made, as you have seen it at the gateway", Required = true };
        outcome.AcceptOnlyFromAmong("succeeded", "failed", "never_made");
        return new Command(
            "charge",
            """
            Say what has become of a stuck charge.

              dunning charge resolve INV-2026-000042 --outcome never_made --reason "not in the gateway's dashboard"
            """)
        {
            OnInvoice(context, "resolve", ActionNames.ResolveCharge,
                """
                Say what has become of a stuck charge, one that was told by charge.stuck and whose outcome can't be learned. One that is given up is looked up
                once more, and its key is spent at the gateway, so that it can never charge later; then it counts as you say.

                  dunning charge resolve INV-2026-000042 --outcome never_made --reason "not in the gateway's dashboard"
                """,
                "the next reconcile pass goes on with it ('dunning pass reconcile' does so now)",
                outcome, (parsed, action) => action with { Outcome = parsed.GetValue(outcome) }),
        };
    }

    /// <summary><c>--reason</c>. With <paramref name="standard"/> it may be left out.</summary>
    public static Option<string> ReasonOption(string? standard = null) => Text(
        "--reason", $"Why, for those who read the trail later; kept for good, so nothing personal. At most {Mandate.ReasonLimit} characters", Mandate.ReasonLimit,
        standard is null ? null : () => standard);

    /// <summary><c>--by</c>.</summary>
    public static Option<string> ByOption() => Text("--by", "Who acts, as the trail is to name them. Default: the user of this machine", Mandate.NameLimit, () => Environment.UserName);

    private static string PauseText(string example, string what = "it") =>
        $"""
        A promise to pay: until that date there is no step and no automatic attempt for {what}, and no purge; a new card is charged all the same. On the
        date the next attempt is made, and what is past its last warning is warned of anew, in full.

          dunning {example} --until 2026-12-15 --reason "pays by transfer after the board meets"
        """;

    private static Command OnInvoice(
        CommandContext context, string verb, string what, string description, string done,
        Option? more = null, Func<ParseResult, AccountAction, AccountAction>? with = null)
    {
        var (number, reason, by) = (InvoicesCommand.NumberArgument(), ReasonOption(), ByOption());
        var command = new Command(verb, description) { number, reason, by };
        if (more is not null)
        {
            command.Add(more);
        }
        command.SetAction(async (parsed, ct) =>
        {
            await using var live = await context.OpenBookAsync(parsed, ct);
            var given = parsed.GetValue(number)!;
            var acted = await new OperatorDesk(live.Engine).ActOnInvoiceAsync(
                new Mandate(parsed.GetValue(by)!, parsed.GetValue(reason)!), given, what, action => with?.Invoke(parsed, action) ?? action, ct)
                ?? throw await InvoicesCommand.NoneAsync(new PostgresInvoices(live.Database.Source), live.Database, given, ct);
            return await TellAsync(context, acted, given, done);
        });
        return command;
    }

    private static Command OnAccount(
        CommandContext context, string verb, string what, string description, string done,
        Option? more = null, Func<ParseResult, AccountAction, AccountAction>? with = null)
    {
        var (account, reason, by) = (new Argument<string>("ACCOUNT") { Description = "The account's id" }, ReasonOption(), ByOption());
        var command = new Command(verb, description) { account, reason, by };
        if (more is not null)
        {
            command.Add(more);
        }
        command.SetAction(async (parsed, ct) =>
        {
            await using var live = await context.OpenBookAsync(parsed, ct);
            var action = new AccountAction(live.Engine.Now(), parsed.GetValue(account)!, what);
            var acted = await new OperatorDesk(live.Engine).ActAsync(
                new Mandate(parsed.GetValue(by)!, parsed.GetValue(reason)!), with?.Invoke(parsed, action) ?? action, ct);
            return await TellAsync(context, acted, action.Account, done);
        });
        return command;
    }

    private static async Task<int> TellAsync(CommandContext context, Acted acted, string subject, string done)
    {
        foreach (var e in acted.Decision.Events)
        {
            await context.Output.WriteLineAsync(EventJson.Write(e));
        }
        await context.Error.WriteLineAsync(acted.Cause is { } cause ? $"rejected: {subject}: {RejectionText.Of(cause)}" : $"{subject}: {done}");
        return acted.IsRejected ? CommandLine.Wanting : CommandLine.Ok;
    }

    private static Option<string> UntilOption()
    {
        var option = new Option<string>("--until") { Description = "The date on which it ends, such as 2026-12-15, in the account's time zone", Required = true };
        option.Validators.Add(result =>
        {
            if (!result.Errors.Any() && result.GetValueOrDefault<string>() is { } text && !LocalDatePattern.Iso.Parse(text).Success)
            {
                result.AddError($"--until is '{text}', but must be a date such as 2026-12-15");
            }
        });
        return option;
    }

    private static LocalDate Date(ParseResult parsed, Option<string> option) => LocalDatePattern.Iso.Parse(parsed.GetValue(option)!).Value;

    private static Option<long> AmountOption() => Above0(new Option<long>("--amount") { Description = "In the minor unit of the account's currency", Required = true });

    private static Option<int> DaysOption() => Above0(new Option<int>("--days") { Description = "So many times 24 hours", Required = true });

    private static Option<T> Above0<T>(Option<T> option)
        where T : struct, IComparable<T>
    {
        option.Validators.Add(result =>
        {
            if (!result.Errors.Any() && result.GetValueOrDefault<T>().CompareTo(default) <= 0)
            {
                result.AddError(string.Create(CultureInfo.InvariantCulture, $"{option.Name} must be above 0"));
            }
        });
        return option;
    }

    private static Option<string> Text(string name, string description, int limit, Func<string>? standard)
    {
        var option = new Option<string>(name) { Description = description, Required = standard is null };
        if (standard is not null)
        {
            option.DefaultValueFactory = _ => standard();
        }
        option.Validators.Add(result =>
        {
            if (!result.Errors.Any() && !Mandate.IsText(result.GetValueOrDefault<string>(), limit))
            {
                result.AddError(string.Create(CultureInfo.InvariantCulture, $"{name} must be from 1 to {limit} characters without line breaks"));
            }
        });
        return option;
    }
}
