using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Globalization;
using NodaTime;
using NodaTime.Text;
using NodaTime.TimeZones;

namespace Dunning.Time;

/// <summary>
/// A version of the IANA time-zone database. The service uses the newest, which comes with NodaTime. A book uses the version with which its
/// expected events were made, so that it gives the same events on every machine and in every later year.
/// </summary>
public sealed class ZoneData
{
    private readonly FrozenDictionary<string, DateTimeZone> _overlay;

    private ZoneData(string version, FrozenDictionary<string, DateTimeZone> overlay) => (Version, _overlay) = (version, overlay);

    /// <summary>The data of the NodaTime package.</summary>
    public static ZoneData Current { get; } =
        new(DateTimeZoneProviders.Tzdb.VersionId, FrozenDictionary<string, DateTimeZone>.Empty);

    /// <summary>Version 2025b, with which the books were made.</summary>
    public static ZoneData V2025b { get; } = new("2025b", ReadOverlay());

    /// <summary>Such as <c>2025b</c>.</summary>
    public string Version { get; }

    /// <summary>The data of that name: <c>current</c> or <c>2025b</c>; null when there is none.</summary>
    public static ZoneData? Find(string name) => name switch
    {
        "current" => Current,
        "2025b" => V2025b,
        _ => null,
    };

    /// <summary>The zone of that IANA id.</summary>
    /// <exception cref="DateTimeZoneNotFoundException">There is no such zone.</exception>
    public DateTimeZone this[string id] => _overlay.TryGetValue(id, out var zone) ? zone : DateTimeZoneProviders.Tzdb[id];

    private static FrozenDictionary<string, DateTimeZone> ReadOverlay()
    {
        using var stream = typeof(ZoneData).Assembly.GetManifestResourceStream("Dunning.Time.zones-2025b.txt")
            ?? throw new InvalidOperationException("the time-zone data 2025b isn't in the program");
        using var reader = new StreamReader(stream);
        var zones = new Dictionary<string, DateTimeZone>(StringComparer.Ordinal);
        while (reader.ReadLine() is { } line)
        {
            if (line.StartsWith('#'))
            {
                continue;
            }
            var fields = line.Split('\t');
            zones.Add(fields[0], new ListedZone(fields[0], fields[1]));
        }
        return zones.ToFrozenDictionary(StringComparer.Ordinal);
    }

    /// <summary>A zone given by a list of its changes.</summary>
    private sealed class ListedZone : DateTimeZone
    {
        private readonly ImmutableArray<ZoneInterval> _intervals;

        public ListedZone(string id, string changes)
            : this(id, Parse(id, changes))
        {
        }

        private ListedZone(string id, ImmutableArray<ZoneInterval> intervals)
            : base(id, false, intervals.Min(i => i.WallOffset), intervals.Max(i => i.WallOffset)) => _intervals = intervals;

        public override ZoneInterval GetZoneInterval(Instant instant)
        {
            var (low, high) = (0, _intervals.Length - 1);
            while (low < high)
            {
                var middle = (low + high + 1) / 2;
                if (!_intervals[middle].HasStart || _intervals[middle].Start <= instant)
                {
                    low = middle;
                }
                else
                {
                    high = middle - 1;
                }
            }
            return _intervals[low];
        }

        private static ImmutableArray<ZoneInterval> Parse(string id, string changes)
        {
            var starts = changes.Split(' ').Select(c => c.Split('=')).Select(c => (
                At: c[0].Length == 0 ? (Instant?)null : InstantPattern.General.Parse(c[0]).Value,
                Offset: Offset.FromSeconds(int.Parse(c[1], CultureInfo.InvariantCulture)))).ToList();
            return [.. starts.Select((s, i) => new ZoneInterval(
                id, s.At, i + 1 < starts.Count ? starts[i + 1].At : null, s.Offset, Offset.Zero))];
        }
    }
}
