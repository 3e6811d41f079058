using System.Collections.Immutable;
using Dunning.Hosting;
using NodaTime;

namespace Dunning.Gateways.Outages;

/// <summary>When the gateway counts as out.</summary>
public sealed record OutageOptions
{
    private const string Section = "Payments:Outage:";
    private static readonly ImmutableArray<string> s_keys = [Section + "Failures", Section + "WindowSeconds"];

    /// <summary>
    /// <c>Payments:Outage:Failures</c>: so many calls without an answer, or refused for everyone, and half of all calls in the window. Default 10,
    /// from 2 to 10,000. Declines are answers.
    /// </summary>
    public int Failures { get; init; } = 10;

    /// <summary><c>Payments:Outage:WindowSeconds</c>: how far back calls count. Default 300, from 10 to 3,600.</summary>
    public Duration Window { get; init; } = Duration.FromMinutes(5);

    /// <summary>
    /// Reads the keys of <c>Payments:Outage</c> out of a flat configuration, without case; an empty value is none. Returns the options or every
    /// fault: key, given value, what is allowed.
    /// </summary>
    public static (OutageOptions? Options, ImmutableArray<string> Faults) Read(IEnumerable<KeyValuePair<string, string?>> settings)
    {
        var given = settings.Where(s => !string.IsNullOrEmpty(s.Value) && s.Key.StartsWith(Section, StringComparison.OrdinalIgnoreCase))
            .ToImmutableSortedDictionary(s => s.Key, s => s.Value, StringComparer.OrdinalIgnoreCase);
        var faults = ImmutableArray.CreateBuilder<string>();
        faults.AddRange(given.Keys.Where(k => !s_keys.Contains(k, StringComparer.OrdinalIgnoreCase))
            .Select(k => $"{k} is unknown: the keys are {string.Join(", ", s_keys)}"));
        var options = new OutageOptions
        {
            Failures = WholeNumber.Read(given.GetValueOrDefault(Section + "Failures"), Section + "Failures", 10, 2, 10_000, faults),
            Window = Duration.FromSeconds(WholeNumber.Read(given.GetValueOrDefault(Section + "WindowSeconds"), Section + "WindowSeconds", 300, 10, 3600, faults)),
        };
        return faults.Count > 0 ? (null, faults.ToImmutable()) : (options, []);
    }
}
