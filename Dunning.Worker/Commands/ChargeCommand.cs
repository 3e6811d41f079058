using System.CommandLine;
using System.CommandLine.Parsing;
using Dunning.Events;
using Dunning.Model;
using Dunning.Postgres;
using NodaTime;

namespace Dunning.Commands;

/// <summary><c>charge retry|resolve</c>: what an operator does about the charge of one invoice.</summary>
internal static class ChargeCommand
{
    public static Command Create(CommandContext context) => new(
        "charge",
        """
        Have one unpaid invoice charged now, or say what has become of a stuck charge.

          dunning charge retry INV-2026-000042
          dunning charge resolve INV-2026-000042 --outcome never_made
        """)
    { Retry(context), Resolve(context) };

    private static Command Retry(CommandContext context)
    {
        var number = InvoicesCommand.NumberArgument();
        var command = new Command("retry",
            """
            Have an unpaid invoice charged by the next dun pass, whatever the schedule. It uses up no step, and never runs beside another attempt.

              dunning charge retry INV-2026-000042
            """)
        { number };
        command.SetAction((parsed, ct) => ActAsync(context, parsed, parsed.GetValue(number)!, ActionNames.RetryCharge, null,
            "it is not unpaid, is disputed, or an attempt of it has no outcome yet", "the next dun pass charges it ('dunning pass dun' does so now)", ct));
        return command;
    }

    private static Command Resolve(CommandContext context)
    {
        var number = InvoicesCommand.NumberArgument();
        var outcome = new Option<string>("--outcome") { Description = "succeeded, failed or never_made, as you have seen it at the gateway", Required = true };
        outcome.AcceptOnlyFromAmong("succeeded", "failed", "never_made");
        var command = new Command("resolve",
            """
            Say what has become of a stuck charge, one that was told by charge.stuck and whose outcome can't be learned. One that is given up is looked up
            once more, and its key is spent at the gateway, so that it can never charge later; then it counts as you say.

              dunning charge resolve INV-2026-000042 --outcome never_made
            """)
        { number, outcome };
        command.SetAction((parsed, ct) => ActAsync(context, parsed, parsed.GetValue(number)!, ActionNames.ResolveCharge, parsed.GetValue(outcome),
            "no charge of it is stuck", "the next reconcile pass gives it up ('dunning pass reconcile' does so now)", ct));
        return command;
    }

    private static async Task<int> ActAsync(
        CommandContext context, ParseResult parsed, string number, string what, string? outcome, string whyNot, string then, CancellationToken ct)
    {
        await using var live = await context.OpenBookAsync(parsed, ct);
        var invoices = new PostgresInvoices(live.Database.Source);
        var sheet = await invoices.ShowAsync(number, ct) ?? throw await InvoicesCommand.NoneAsync(invoices, live.Database, number, ct);
        var row = sheet.Invoice;
        var decision = await live.Engine.ActAsync(new AccountAction(live.Engine.Now(), row.Account, what)
        {
            Subscription = row.Subscription,
            PeriodStart = row.PeriodStart.Local(),
            Outcome = outcome,
        }, ct);
        foreach (var e in decision.Events)
        {
            await context.Output.WriteLineAsync(EventJson.Write(e));
        }
        var isRejected = decision.Events.Any(e => e.Type == EventTypes.ActionRejected);
        await context.Error.WriteLineAsync(isRejected ? $"rejected: {row.Number}: {whyNot}" : decision.Events.IsEmpty ? $"{row.Number}: {then}" : $"{row.Number}: done");
        return isRejected ? CommandLine.Wanting : CommandLine.Ok;
    }
}
