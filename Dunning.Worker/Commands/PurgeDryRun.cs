using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Dunning.Model;
using Dunning.Ops.Queries;
using Dunning.Rules;
using NodaTime;
using NodaTime.Text;

namespace Dunning.Commands;

/// <summary><c>pass purge --dry-run</c>: what purges would erase, and nothing done.</summary>
internal static class PurgeDryRun
{
    public static Option<bool> DryRunOption() => new("--dry-run") { Description = "With purge: tell what it would erase now, account by account, and do nothing. Exit code 0" };

    public static Option<string?> WithinOption()
    {
        var option = new Option<string?>("--within") { Description = "With --dry-run: and what it will erase within so many days, such as 30d" };
        option.Validators.Add(result =>
        {
            if (!result.Errors.Any() && DaysOf(result.GetValueOrDefault<string?>()) is null)
            {
                result.AddError($"--within is '{result.GetValueOrDefault<string?>()}', but must be days from 0d to 3650d, such as 30d");
            }
        });
        return option;
    }

    public static async Task<int> WriteAsync(CommandContext context, LiveBook live, Instant now, string? within, bool asJson, CancellationToken ct)
    {
        var ahead = await new PurgePreview(live.Database.Source).ListAsync(
            await live.Engine.RulebookAsync(ct), now, Duration.FromDays(DaysOf(within) ?? 0), int.MaxValue, ct);
        if (asJson)
        {
            await context.Output.WriteLineAsync(JsonSerializer.Serialize(ahead.Select(a => new
            {
                account = a.Account,
                at = a.At is { } at ? InstantPattern.General.Format(at) : null,
                date = a.Date is { } date ? LocalDatePattern.Iso.Format(date) : null,
                does = NameOf(a.Does),
                since = a.Since is { } since ? LocalDatePattern.Iso.Format(since) : null,
                unpaid = a.Unpaid.Minor,
                currency = a.Unpaid.Currency.Code,
                unpaid_invoices = a.UnpaidInvoices,
                waits_for = a.Obstacles.Select(o => JsonNamingPolicy.SnakeCaseLower.ConvertName(o.ToString())),
            })));
            return CommandLine.Ok;
        }
        foreach (var a in ahead)
        {
            await context.Output.WriteLineAsync($"{a.Account}: {Sentence(a, now)}");
        }
        var (due, later, waiting) = (ahead.Count(a => a.At <= now), ahead.Count(a => a.At > now), ahead.Count(a => a.At is null));
        await context.Error.WriteLineAsync(string.Create(CultureInfo.InvariantCulture,
            $"nothing was done; {due} now, {later} later, {waiting} wait for something"));
        var guard = (await live.Engine.Guards.ListAsync(ct)).Single(g => g.Kind == GuardKinds.Purges);
        await context.Error.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"the guard allows {guard.Limit} purges in 24 hours, {guard.Taken} were done")
            + (guard.TrippedAt is null ? "" : "; it has tripped, and waits for 'dunning guard approve purges'"));
        return CommandLine.Ok;
    }

    private static string Sentence(PurgeAhead a, Instant now)
    {
        var when = a.At is null ? $"was to be on {AccountWords.Date(a.Date!.Value)}, but {string.Join(" and ", a.Obstacles.Select(Why))}"
            : a.At <= now ? "now" : $"on {AccountWords.Date(a.Date!.Value)}";
        var why = a.Does switch
        {
            PurgeAct.EraseClosed => $"closed, and nothing has happened since {AccountWords.Date(a.Since!.Value)}",
            PurgeAct.FinishErasing => "purged, and its last mail is over",
            _ => string.Create(CultureInfo.InvariantCulture,
                $"suspended since {AccountWords.Date(a.Since!.Value)}, {a.UnpaidInvoices} unpaid {(a.UnpaidInvoices == 1 ? "invoice" : "invoices")} of {a.Unpaid}"),
        };
        return a.Does switch
        {
            PurgeAct.Purge => $"purge {when}: {why}",
            PurgeAct.Postpone => $"postponed by a week {when}, with a warning, as none has left in time: {why}",
            PurgeAct.EraseClosed => $"erase {when}: {why}",
            PurgeAct.FinishErasing => $"finish erasing {when}: {why}",
            _ => throw new ArgumentOutOfRangeException(nameof(a)),
        };
    }

    private static string Why(Obstacle obstacle) => obstacle switch
    {
        Obstacle.LegalHold => "there is a legal hold",
        Obstacle.Exempt => "the account is exempt",
        Obstacle.Paused => "there is a promise to pay",
        Obstacle.Limited => "the account has temporary access",
        Obstacle.UnknownCharge => "the outcome of a charge is unknown",
        Obstacle.RechargeWaiting => "a charge is waiting",
        Obstacle.WarningNotSent => "its warning has not left yet",
        _ => obstacle.ToString(),
    };

    private static string NameOf(PurgeAct act) => JsonNamingPolicy.SnakeCaseLower.ConvertName(act.ToString());

    private static int? DaysOf(string? text) => text is null ? 0
        : text.EndsWith('d') && int.TryParse(text.AsSpan(0, text.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out var days) && days <= 3650 ? days : null;
}
