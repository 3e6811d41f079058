using System.CommandLine;
using System.Globalization;
using Dunning.Hosting;
using Dunning.Ports;
using NodaTime.Text;

namespace Dunning.Commands;

/// <summary><c>environment show|confirm</c>: where the database belongs, and an operator's word that it belongs here now.</summary>
internal static class EnvironmentCommand
{
    public static Command Create(CommandContext context) => new(
        "environment",
        """
        A database that charges through a real gateway remembers where it was worked with. When it finds itself elsewhere, or older than what was charged
        out of it, nothing is charged or mailed until an operator confirms.

          dunning environment show
          dunning gateway reconcile --adopt
          dunning environment confirm
        """)
    { Show(context), Confirm(context) };

    private static Command Show(CommandContext context)
    {
        var command = new Command("show", "Show what is known of the environment, here and outside, and what differs. Exit code 1 when something does.");
        command.SetAction(async (parsed, ct) =>
        {
            await using var live = await context.OpenBookAsync(parsed, ct);
            if (live.Engine.Environment is not { } environment)
            {
                await context.Output.WriteLineAsync("the sandbox charges: no money moves, and the database may be copied at will");
                return CommandLine.Ok;
            }
            var state = await environment.LookAsync(ct);
            await WriteAsync(context, live, environment, state);
            return state.Differences.IsEmpty ? CommandLine.Ok : CommandLine.Wanting;
        });
        return command;
    }

    private static Command Confirm(CommandContext context)
    {
        var command = new Command("confirm",
            """
            Confirm that the database belongs here from now on: after a backup was restored, or the database or the service moved. Make sure that nothing else
            charges out of it or of what it was copied from. It asks for 'gateway reconcile --adopt' first, so that nothing is charged that the gateway
            has already. Exit code 1 when that is missing.
            """);
        command.SetAction(async (parsed, ct) =>
        {
            await using var live = await context.OpenBookAsync(parsed, ct);
            if (live.Engine.Environment is not { } environment)
            {
                await context.Output.WriteLineAsync("the sandbox charges: there is nothing to confirm");
                return CommandLine.Ok;
            }
            var state = await environment.LookAsync(ct);
            await WriteAsync(context, live, environment, state);
            if (state.Differences.IsEmpty)
            {
                await context.Output.WriteLineAsync("there is nothing to confirm");
                return CommandLine.Ok;
            }
            // A gateway that can't be listed answers a key that it knows with what it made.
            if (live.Engine.Gateway is IChargeList && state.ReconciledFor != state.Finding)
            {
                await context.Error.WriteLineAsync("first bring in every charge that the gateway knows and this database doesn't: gateway reconcile --adopt");
                return CommandLine.Wanting;
            }
            await environment.ConfirmAsync(state, ct);
            await context.Output.WriteLineAsync("confirmed: passes run from now on");
            return CommandLine.Ok;
        });
        return command;
    }

    private static async Task WriteAsync(CommandContext context, LiveBook live, EnvironmentLock environment, EnvironmentState state)
    {
        await LineAsync("", "the database", "this machine", "found now");
        await LineAsync("installation", live.Engine.Installation, state.Outside?.Installation, live.Engine.Installation);
        await LineAsync("gateway", live.Settings.Payments.Gateway, state.Outside?.Gateway, live.Settings.Payments.Gateway);
        await LineAsync("its account", state.Known?.Account, state.Outside?.Account, state.Found.Account);
        await LineAsync("cluster", state.Known?.System, null, state.Found.System);
        await LineAsync("database", Number(state.Known?.Database), null, Number(state.Found.Database));
        await LineAsync("mark", Number(state.Mark), Number(state.Outside?.Mark), null);
        await context.Output.WriteLineAsync($"last marked   {(state.MarkedAt is { } at ? InstantPattern.General.Format(at) : "never")}; this machine's file is {environment.File}");
        foreach (var difference in state.Differences)
        {
            await context.Output.WriteLineAsync("differs: " + difference);
        }

        Task LineAsync(string name, string? known, string? outside, string? found) =>
            context.Output.WriteLineAsync($"{name,-13} {known ?? "-",-34} {outside ?? "-",-34} {found ?? "-"}".TrimEnd());

        static string? Number(long? number) => number?.ToString(CultureInfo.InvariantCulture);
    }
}
