using System.Collections.Immutable;
using Dunning.Passes;
using Dunning.Time;

namespace Dunning.Hosting;

/// <summary>When the recurring jobs run.</summary>
/// <param name="TimeZone"><c>Jobs:TimeZone</c>: zone of the cron expressions. Default Etc/UTC.</param>
/// <param name="Cron">
/// <c>Jobs:PASS:Cron</c> for each pass, five fields; <c>off</c>: no such recurring job. Default: every minute. With Hangfire the recurring jobs are
/// the database's, and the server that started last has set them.
/// </param>
/// <param name="RunsAtStart"><c>Jobs:RunAtStart</c>: whether each pass that is not off also runs once when the service starts. Default true.</param>
public sealed record JobSettings(string TimeZone, ImmutableSortedDictionary<PassKind, string> Cron, bool RunsAtStart = true)
{
    /// <summary>The passes that are jobs, in their order.</summary>
    public static ImmutableArray<PassKind> Passes { get; } =
        [PassKind.Reconcile, PassKind.Renew, PassKind.Dun, PassKind.EndAccess, PassKind.Purge, PassKind.Remind, PassKind.Mail];

    /// <summary>The default: every minute. A pass that finds nothing due reads one index entry.</summary>
    public const string EveryMinute = "* * * * *";

    /// <summary>Instead of an expression: never.</summary>
    public const string Off = "off";

    /// <summary>The expressions' zone, as schedulers want it.</summary>
    public TimeZoneInfo Zone => Find(TimeZone) ?? throw new InvalidOperationException($"this machine does not know the time zone {TimeZone}");

    /// <summary>The passes that have a recurring job, each with its expression.</summary>
    public IEnumerable<KeyValuePair<PassKind, string>> Recurring => Cron.Where(c => c.Value != Off);

    /// <summary>Reads the keys below <c>Jobs:</c>, or every fault.</summary>
    public static (JobSettings? Settings, ImmutableArray<string> Faults) Read(IEnumerable<KeyValuePair<string, string?>> settings)
    {
        var faults = ImmutableArray.CreateBuilder<string>();
        var zone = "Etc/UTC";
        var runsAtStart = true;
        var cron = Passes.ToDictionary(p => p, _ => EveryMinute);
        foreach (var (key, value) in settings)
        {
            if (value is not { Length: > 0 } || !key.StartsWith("Jobs:", StringComparison.OrdinalIgnoreCase))
            {
                continue;
            }
            var parts = key.Split(':');
            if (parts.Length == 2 && parts[1].Equals("TimeZone", StringComparison.OrdinalIgnoreCase))
            {
                zone = value;
                if (!LocalClock.IsZone(value))
                {
                    faults.Add($"{key} is '{value}', but must be an IANA time zone, such as Europe/Paris");
                }
                else if (Find(value) is null)
                {
                    faults.Add($"{key} is '{value}', which this machine's time-zone data does not have: install the package tzdata, or leave Etc/UTC");
                }
            }
            else if (parts.Length == 2 && parts[1].Equals("RunAtStart", StringComparison.OrdinalIgnoreCase))
            {
                if (!bool.TryParse(value, out runsAtStart))
                {
                    faults.Add($"{key} is '{value}', but must be true or false");
                }
            }
            else if (parts.Length == 3 && parts[2].Equals("Cron", StringComparison.OrdinalIgnoreCase)
                && Enum.TryParse<PassKind>(parts[1], ignoreCase: true, out var pass) && cron.ContainsKey(pass))
            {
                if (value != Off && CronText.FaultOf(value) is { } fault)
                {
                    faults.Add($"{key} is '{value}', but must be a cron expression of five fields, such as '{EveryMinute}', or off: {fault}");
                }
                cron[pass] = string.Join(' ', value.Split(' ', StringSplitOptions.RemoveEmptyEntries));
            }
            else
            {
                faults.Add($"{key} is unknown: the keys are Jobs:TimeZone, Jobs:RunAtStart and Jobs:PASS:Cron, PASS one of {string.Join(", ", Passes)}");
            }
        }
        return faults.Count == 0 ? (new JobSettings(zone, cron.ToImmutableSortedDictionary(), runsAtStart), []) : (null, faults.ToImmutable());
    }

    // UTC needs no data of the machine's: minimal container images have none.
    private static TimeZoneInfo? Find(string id) =>
        id is "Etc/UTC" or "UTC" ? TimeZoneInfo.Utc : TimeZoneInfo.TryFindSystemTimeZoneById(id, out var zone) ? zone : null;
}
