using System.CommandLine;
using System.Globalization;
using Dunning.Housekeeping;

namespace Dunning.Commands;

/// <summary><c>housekeeping</c>: deletes now what is kept no longer.</summary>
internal static class HousekeepingCommand
{
    public static Command Create(CommandContext context)
    {
        var dryRun = new Option<bool>("--dry-run") { Description = "Tell how many rows are old, and delete none" };
        var command = new Command("housekeeping",
            """
            Delete what is older than it need be, by the settings below Retention. The service does so once a day by itself.

              dunning housekeeping --dry-run
            """)
        { dryRun };
        command.SetAction(async (parsed, ct) =>
        {
            await using var live = await context.OpenBookAsync(parsed, ct);
            var work = new Housekeeper(live.Database.Source, live.Settings.Retention, live.Engine.Now);
            var isDry = parsed.GetValue(dryRun);
            var report = isDry ? new HousekeepingReport(await work.CountAsync(ct), false) : await work.RunAsync(ct);
            if (report is null)
            {
                await context.Error.WriteLineAsync("another server is at it: nothing was done");
                return CommandLine.Wanting;
            }
            foreach (var (kind, count) in report.Removed)
            {
                await context.Output.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"{kind,-18} {count}"));
            }
            if (report.Fault is { } fault)
            {
                await context.Error.WriteLineAsync(fault);
                return CommandLine.Wanting;
            }
            await context.Error.WriteLineAsync(isDry ? "nothing was deleted" : report.IsOutOfTime ? "out of time: run it again for the rest" : "deleted");
            return CommandLine.Ok;
        });
        return command;
    }
}
