using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Dunning.Gateways.Reconciling;
using Dunning.Hosting;
using Dunning.Model;
using Dunning.Ports;
using NodaTime;
using NodaTime.Text;

namespace Dunning.Commands;

/// <summary><c>gateway reconcile</c>: the gateway's books beside ours.</summary>
internal static class GatewayCommand
{
    // Passes may have been at work up to this long before a mark, and their charges carry the gateway's clock.
    private static readonly Duration s_beforeMark = Duration.FromDays(2);
    private static readonly Duration s_standard = Duration.FromDays(35);

    public static Command Create(CommandContext context) => new("gateway", "What the gateway knows.") { Reconcile(context) };

    private static Command Reconcile(CommandContext context)
    {
        var from = new Option<string?>("--from") { Description = "Charges from this date or instant on, UTC. Default: two days before the database's last mark, else 35 days ago" };
        var to = new Option<string?>("--to") { Description = "And before this one. Default: now" };
        var adopt = new Option<bool>("--adopt") { Description = "Bring in every charge that the gateway knows and this database doesn't, and every outcome that it still waits for" };
        var json = new Option<bool>("--json") { Description = "One JSON object a difference; amounts in minor units" };
        var command = new Command("reconcile",
            """
            Compare the gateway's charges with the database's: missing here, missing there, another amount, another outcome, money taken twice. Exit code 1
            when one differs. With --adopt what can be brought in is: an attempt that is decided again, as after a restored backup, takes the outcome that
            the gateway had for it, and charges nothing.

              dunning gateway reconcile --from 2026-03-01 --to 2026-04-01
              dunning gateway reconcile --adopt
            """)
        { from, to, adopt, json };
        command.SetAction(async (parsed, ct) =>
        {
            await using var live = await context.OpenBookAsync(parsed, ct);
            var state = live.Engine.Environment is { } environment ? await environment.LookAsync(ct) : null;
            var now = live.Engine.Now();
            var until = Read(parsed.GetValue(to), "--to") ?? now + Duration.FromSeconds(1);
            var since = Read(parsed.GetValue(from), "--from") ?? (state?.MarkedAt is { } mark ? mark - s_beforeMark : now - s_standard);
            if (since >= until)
            {
                throw new CommandException($"--from ({InstantPattern.General.Format(since)}) must lie before --to ({InstantPattern.General.Format(until)})");
            }
            if (live.Engine.Gateway is not IChargeList list)
            {
                throw new CommandException($"the charges of {live.Settings.Payments.Gateway} can't be compared: this program can't list them");
            }
            var books = new GatewayBooks(live.Database.Source, list);
            var comparison = await books.CompareAsync(since, until, ct);
            var adopted = 0;
            if (parsed.GetValue(adopt))
            {
                adopted = await new Adoption(live.Engine, live.Database.Source).TakeAsync(comparison.Differences, ct);
                comparison = await books.CompareAsync(since, until, ct);
                // Only what covers all that may have been lost counts for a confirmation.
                if (state is { Differences.IsEmpty: false } && until > now && (state.MarkedAt is not { } marked || since <= marked) && !comparison.Differences.Any(d => d.IsAdoptable))
                {
                    await live.Engine.Environment!.ReconciledAsync(state, ct);
                }
            }
            foreach (var difference in comparison.Differences)
            {
                await context.Output.WriteLineAsync(parsed.GetValue(json) ? ToJson(difference) : ToText(difference));
            }
            if (!parsed.GetValue(json))
            {
                await context.Output.WriteLineAsync(string.Create(CultureInfo.InvariantCulture,
                    $"{InstantPattern.General.Format(since)} to {InstantPattern.General.Format(until)}: {comparison.There} charges at the gateway, {comparison.Here} here{(adopted > 0 ? $", {adopted} brought in" : "")}; {(comparison.Differences.Count == 0 ? "no difference" : $"{comparison.Differences.Count} differ")}"));
            }
            return comparison.Differences.Count == 0 ? CommandLine.Ok : CommandLine.Wanting;
        });
        return command;
    }

    private static Instant? Read(string? text, string option)
    {
        if (text is null)
        {
            return null;
        }
        if (LocalDatePattern.Iso.Parse(text) is { Success: true, Value: var date })
        {
            return date.AtMidnight().InUtc().ToInstant();
        }
        return InstantPattern.General.Parse(text) is { Success: true, Value: var instant } ? instant
            : throw new CommandException($"{option} is '{text}', but must be a date or an instant, such as 2026-03-01 or 2026-03-01T08:00:00Z");
    }

    private static string ToText(Difference difference)
    {
        var what = difference.Kind switch
        {
            DifferenceKind.MissingHere => "missing here",
            DifferenceKind.MissingThere => "missing there",
            DifferenceKind.AmountDiffers => "amount differs",
            DifferenceKind.StateDiffers => "outcome differs",
            DifferenceKind.TakenTwice => "taken twice: refund it at the gateway",
        };
        var period = difference.PeriodStart is { } start ? LocalDatePattern.Iso.Format(start) : "-";
        return $"{what}: {difference.Key}, account {difference.Account}, subscription {difference.SubscriptionId ?? "-"}, period {period}: "
            + $"here {difference.Here ?? "nothing"}{Amount(difference.AmountHere)}, there "
            + (difference.There is { } there ? $"{Word(there.Outcome)}{Amount(there.Amount)} ({there.Reference})" : "nothing");

        static string Amount(Money? amount) => amount is { } money ? $" {money}" : "";
    }

    private static string ToJson(Difference difference) => JsonSerializer.Serialize(new
    {
        kind = JsonNamingPolicy.SnakeCaseLower.ConvertName(difference.Kind.ToString()),
        key = difference.Key,
        account = difference.Account,
        subscription = difference.SubscriptionId,
        period_start = difference.PeriodStart is { } start ? LocalDatePattern.Iso.Format(start) : null,
        state_here = difference.Here,
        amount_here = difference.AmountHere?.Minor,
        outcome_there = difference.There is { } there ? Word(there.Outcome) : null,
        amount_there = difference.There?.Amount.Minor,
        currency = (difference.There?.Amount ?? difference.AmountHere)?.Currency.Code,
        reference = difference.There?.Reference,
    });

    private static string Word(GatewayOutcome outcome) => outcome switch
    {
        GatewayOutcome.Succeeded => "succeeded",
        GatewayOutcome.Declined declined => "failed " + declined.Code,
        GatewayOutcome.Pending => "pending",
        GatewayOutcome.NeverMade => "canceled",
        _ => "half done",
    };
}
