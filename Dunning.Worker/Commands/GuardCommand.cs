using System.CommandLine;
using System.Globalization;
using Dunning.Ops;
using NodaTime.Text;

namespace Dunning.Commands;

/// <summary><c>guard list|approve</c>: what stops harm to many, and an operator's word that lets it go on.</summary>
internal static class GuardCommand
{
    public static Command Create(CommandContext context) => new(
        "guard",
        """
        What stops harm to many: more suspensions, purges or mails within 24 hours than are allowed wait for an operator.

          dunning guard list
          dunning guard approve suspensions --reason "invoices of the outage, checked"
        """)
    {
        List(context),
        Approve(context),
    };

    private static Command List(CommandContext context)
    {
        var command = new Command("list", "What was done in the last 24 hours, what is allowed, and what waits. Exit code 1 while a guard has tripped.");
        command.SetAction(async (parsed, ct) =>
        {
            await using var live = await context.OpenBookAsync(parsed, ct);
            var (guards, hasTripped) = (live.Engine.Guards, false);
            foreach (var state in await guards.ListAsync(ct))
            {
                hasTripped |= state.TrippedAt is not null;
                await context.Output.WriteLineAsync(string.Create(CultureInfo.InvariantCulture,
                    $"{Guards.NameOf(state.Kind),-12} {state.Taken} of {state.Limit} in 24 hours")
                    + (state.TrippedAt is { } at ? string.Create(CultureInfo.InvariantCulture,
                        $"; tripped at {InstantPattern.General.Format(at)}, {state.Wanted} were wanted: 'dunning guard approve {Guards.NameOf(state.Kind)} --reason …' lets it go on")
                        : ""));
            }
            return hasTripped ? CommandLine.Wanting : CommandLine.Ok;
        });
        return command;
    }

    private static Command Approve(CommandContext context)
    {
        var kind = new Argument<string>("KIND") { Description = string.Join(", ", Guards.Names) };
        kind.AcceptOnlyFromAmong([.. Guards.Names]);
        var (reason, by) = (OperatorCommands.ReasonOption(), OperatorCommands.ByOption());
        var command = new Command("approve",
            """
            Let a guard that has tripped go on: as much again as its limit, counted from now. Look first at what waits.

              dunning guard approve suspensions --reason "invoices of the outage, checked"
            """)
        { kind, reason, by };
        command.SetAction(async (parsed, ct) =>
        {
            await using var live = await context.OpenBookAsync(parsed, ct);
            var name = parsed.GetValue(kind)!;
            var isApproved = await live.Engine.Guards.ApproveAsync(
                Guards.Find(name)!.Value, new Mandate(parsed.GetValue(by)!.Trim(), parsed.GetValue(reason)!.Trim()), ct);
            await context.Error.WriteLineAsync(isApproved ? $"{name}: approved; the next passes go on" : $"{name}: the guard has not tripped; nothing has changed");
            return isApproved ? CommandLine.Ok : CommandLine.Wanting;
        });
        return command;
    }
}
