using System.Collections.Immutable;
using Dunning.Passes;
using Dunning.Time;

namespace Dunning.Hosting;

/// <summary>When the recurring jobs run.</summary>
/// <param name="TimeZone"><c>Jobs:TimeZone</c>: zone of the cron expressions. Default Etc/UTC.</param>
/// <param name="Cron"><c>Jobs:PASS:Cron</c> for each pass, five fields; <c>off</c>: never on this server. Default: every minute.</param>
public sealed record JobSettings(string TimeZone, ImmutableSortedDictionary<PassKind, string> Cron)
{
    /// <summary>The passes that are jobs, in their order.</summary>
    public static ImmutableArray<PassKind> Passes { get; } =
        [PassKind.Reconcile, PassKind.Renew, PassKind.Dun, PassKind.EndAccess, PassKind.Purge, PassKind.Remind, PassKind.Mail];

    /// <summary>The default: every minute. A pass that finds nothing due reads one index entry.</summary>
    public const string EveryMinute = "* * * * *";

    /// <summary>Reads the keys below <c>Jobs:</c>, or every fault.</summary>
    public static (JobSettings? Settings, ImmutableArray<string> Faults) Read(IEnumerable<KeyValuePair<string, string?>> settings)
    {
        var faults = ImmutableArray.CreateBuilder<string>();
        var zone = "Etc/UTC";
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
            }
            else if (parts.Length == 3 && parts[2].Equals("Cron", StringComparison.OrdinalIgnoreCase)
                && Enum.TryParse<PassKind>(parts[1], ignoreCase: true, out var pass) && cron.ContainsKey(pass))
            {
                if (value != "off" && value.Split(' ', StringSplitOptions.RemoveEmptyEntries).Length != 5)
                {
                    faults.Add($"{key} is '{value}', but must be a cron expression of five fields, such as '{EveryMinute}', or off");
                }
                cron[pass] = value;
            }
            else
            {
                faults.Add($"{key} is unknown: the keys are Jobs:TimeZone and Jobs:PASS:Cron, PASS one of {string.Join(", ", Passes)}");
            }
        }
        return faults.Count == 0 ? (new JobSettings(zone, cron.ToImmutableSortedDictionary()), []) : (null, faults.ToImmutable());
    }
}
