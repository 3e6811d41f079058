using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Dunning.Hosting;
using Dunning.Ops;
using Dunning.Passes;
using Dunning.Postgres;
using NodaTime;
using NodaTime.Text;

namespace Dunning.Commands;

/// <summary><c>pass NAME|all</c>: one pass now, and its report.</summary>
internal static class PassCommand
{
    /// <summary>The reason in the audit where a script gives none.</summary>
    public const string ByCommand = "by command";

    public static Command Create(CommandContext context)
    {
        var name = new Argument<string>("NAME") { Description = "reconcile, renew, dun, endaccess, purge, remind, mail, or all of them in that order" };
        name.AcceptOnlyFromAmong([.. JobSettings.Passes.Append(PassKind.All).Select(NameOf)]);
        var now = new Option<string?>("--now") { Description = "Pretend it is this instant, such as 2026-03-01T08:00:00Z; only on a database made for simulation" };
        var json = new Option<bool>("--json") { Description = "The report as JSON" };
        var (reason, by) = (OperatorCommands.ReasonOption(ByCommand), OperatorCommands.ByOption());
        var (dryRun, within) = (PurgeDryRun.DryRunOption(), PurgeDryRun.WithinOption());
        var command = new Command("pass",
            """
            Run one pass now, beside whatever service is running, and report what it did. Exit code 1 when an account failed.

              dunning pass renew
              dunning pass purge --dry-run --within 30d
            """)
        { name, now, json, reason, by, dryRun, within };
        command.SetAction(async (parsed, ct) =>
        {
            await using var live = await context.OpenBookAsync(parsed, ct);
            Func<Instant>? clock = null;
            if (parsed.GetValue(now) is { } text)
            {
                var instant = InstantPattern.General.Parse(text);
                if (!instant.Success)
                {
                    throw new CommandException($"--now is '{text}', but must be an instant such as 2026-03-01T08:00:00Z");
                }
                if (await new PostgresSettings(live.Database.Source).GetAsync(PostgresSettings.Simulation, ct) is null)
                {
                    throw new CommandException("--now works only on a database made for simulation (by simulate or demo): this one is a live book");
                }
                clock = () => instant.Value;
            }
            if (parsed.GetValue(dryRun) || parsed.GetValue(within) is not null)
            {
                return parsed.GetValue(name) != NameOf(PassKind.Purge) || !parsed.GetValue(dryRun)
                    ? throw new CommandException("--dry-run is there for purge alone, and --within for --dry-run: dunning pass purge --dry-run --within 30d")
                    : await PurgeDryRun.WriteAsync(context, live, clock?.Invoke() ?? live.Engine.Now(), parsed.GetValue(within), parsed.GetValue(json), ct);
            }
            var kind = JobSettings.Passes.Append(PassKind.All).First(k => NameOf(k) == parsed.GetValue(name));
            var started = context.Time.GetTimestamp();
            var report = await new OperatorDesk(live.Engine).RunPassAsync(new Mandate(parsed.GetValue(by)!, parsed.GetValue(reason)!), kind, ct, clock);
            var took = context.Time.GetElapsedTime(started);
            await context.Output.WriteLineAsync(parsed.GetValue(json) ? ToJson(report, took) : ToText(report, took));
            foreach (var fault in report.Faults)
            {
                await context.Error.WriteLineAsync($"{fault.Account}: {fault.Exception.Message}");
            }
            if (await live.Engine.OutageAsync(ct) is { } outage)
            {
                await context.Error.WriteLineAsync(
                    $"the gateway is out since {InstantPattern.General.Format(outage.BeganAt)}: nothing is charged until it answers; it is asked again at {InstantPattern.General.Format(outage.NextProbeAt)}");
            }
            return report.Faults.Count == 0 && report.Refusals.Count == 0 ? CommandLine.Ok : CommandLine.Wanting;
        });
        return command;
    }

    /// <summary>The pass's name on the command line.</summary>
    public static string NameOf(PassKind kind) => kind.ToString().ToLowerInvariant();

    private static string ToText(PassReport report, TimeSpan took)
    {
        var events = string.Join(", ", report.Events.Select(e => string.Create(CultureInfo.InvariantCulture, $"{e.Value} {e.Key}")));
        return string.Create(CultureInfo.InvariantCulture,
            $"{NameOf(report.Kind)}: {report.Accounts} accounts in {took.TotalSeconds:F1} s, {report.Faults.Count} failures{(report.IsOutOfTime ? ", out of time: the rest is the next pass's" : "")}")
            + (events.Length == 0 ? "" : Environment.NewLine + events)
            + string.Concat(report.Refusals.Select(r => string.Create(CultureInfo.InvariantCulture, $"{Environment.NewLine}refused {r.Value} times: {r.Key}")));
    }

    private static string ToJson(PassReport report, TimeSpan took) => JsonSerializer.Serialize(new
    {
        pass = NameOf(report.Kind),
        accounts = report.Accounts,
        seconds = took.TotalSeconds,
        events = report.Events,
        failures = report.Faults.Select(f => new { account = f.Account, error = f.Exception.Message }),
        refusals = report.Refusals,
        out_of_time = report.IsOutOfTime,
    });
}
