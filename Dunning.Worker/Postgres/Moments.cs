using NodaTime;

namespace Dunning.Postgres;

/// <summary>NodaTime to what Npgsql takes and back. Instants are stored in whole microseconds, as <c>timestamptz</c> holds them.</summary>
internal static class Moments
{
    public static DateTime Utc(this Instant instant) => instant.ToMicroseconds().ToDateTimeUtc();

    public static DateTime? Utc(this Instant? instant) => instant is { } some ? some.Utc() : null;

    // Throws on a DateTime that is not UTC, which Dapper would let pass.
    public static Instant Instant(this DateTime utc) => NodaTime.Instant.FromDateTimeUtc(utc);

    public static Instant? Instant(this DateTime? utc) => utc is { } some ? some.Instant() : null;

    public static DateOnly Date(this LocalDate date) => date.ToDateOnly();

    public static DateOnly? Date(this LocalDate? date) => date is { } some ? some.ToDateOnly() : null;

    public static LocalDate Local(this DateOnly date) => LocalDate.FromDateOnly(date);

    public static LocalDate? Local(this DateOnly? date) => date is { } some ? LocalDate.FromDateOnly(some) : null;

    public static DateOnly? FirstDay(this YearMonth? month) => month is { } some ? some.OnDayOfMonth(1).ToDateOnly() : null;

    public static YearMonth? Month(this DateOnly? date) => date is { } some ? LocalDate.FromDateOnly(some).ToYearMonth() : null;

    public static Instant? ToMicroseconds(this Instant? instant) => instant is { } some ? some.ToMicroseconds() : null;

    private static Instant ToMicroseconds(this Instant instant)
    {
        var ticks = instant.ToUnixTimeTicks();
        return NodaTime.Instant.FromUnixTimeTicks(ticks - (((ticks % 10) + 10) % 10));
    }
}
