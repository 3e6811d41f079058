using NodaTime;
using NodaTime.TimeZones;

namespace Dunning.Time;

/// <summary>With <see cref="ZoneData"/> the only file that knows time zones.</summary>
public static class LocalClock
{
    // Not NodaTime's lenient resolver, which would make 02:30 in a gap 03:30: a gap gives its end, an overlap the earlier instant.
    private static readonly ZoneLocalMappingResolver Rule =
        Resolvers.CreateMappingResolver(Resolvers.ReturnEarlier, Resolvers.ReturnStartOfIntervalAfter);

    /// <summary>Whether there is a zone of that IANA id.</summary>
    public static bool IsZone(string id) => DateTimeZoneProviders.Tzdb.GetZoneOrNull(id) is not null;

    /// <summary>The instant at which a billing date falls due (RULES 1).</summary>
    public static Instant DueAt(LocalDate date, LocalTime chargeAt, DateTimeZone zone) =>
        zone.ResolveLocal(date + chargeAt, Rule).ToInstant();

    /// <summary>The date of an instant in that zone.</summary>
    public static LocalDate LocalDateOf(Instant instant, DateTimeZone zone) => instant.InZone(zone).Date;

    /// <summary>The first instant of a date in that zone.</summary>
    public static Instant StartOf(LocalDate date, DateTimeZone zone) => zone.AtStartOfDay(date).ToInstant();
}
