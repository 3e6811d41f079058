using System.Collections.Immutable;
using System.Globalization;
using NodaTime;

namespace Dunning.Hosting;

/// <summary>
/// The cron expressions that both job hosts read alike: five fields of numbers, names, lists, ranges and steps. Not a restriction of the day of the
/// month and of the day of the week at once: one host would take it for "and", the other for "or".
/// </summary>
internal static class CronText
{
    private static readonly ImmutableArray<Field> s_fields =
    [
        new("minute", 0, 59, []),
        new("hour", 0, 23, []),
        new("day of the month", 1, 31, []),
        new("month", 1, 12, ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]),
        new("day of the week", 0, 7, ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]),
    ];

    /// <summary>What is wrong with it, or null.</summary>
    public static string? FaultOf(string text)
    {
        var parts = text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (parts.Length != s_fields.Length)
        {
            return "it has not five fields (minute, hour, day of the month, month, day of the week)";
        }
        var values = new SortedSet<int>[parts.Length];
        for (var i = 0; i < parts.Length; i++)
        {
            if (s_fields[i].Read(parts[i]) is not { } read)
            {
                return string.Create(CultureInfo.InvariantCulture,
                    $"'{parts[i]}' is no {s_fields[i].Name}: expected *, or {s_fields[i].Min} to {s_fields[i].Max} as numbers, lists (1,2), ranges (1-5) or steps (*/5)");
            }
            values[i] = read;
        }
        if (parts[2] != "*" && parts[4] != "*")
        {
            return "it restricts both the day of the month and the day of the week: leave one of them *";
        }
        return values[3].Any(month => values[2].Min <= DateTime.DaysInMonth(2024, month)) ? null : "no month has such a day";
    }

    /// <summary>
    /// The last instant at or before another at which an expression calls, to the minute; null: none within five years. Where clocks change it may be an
    /// hour off.
    /// </summary>
    public static Instant? LastBefore(string text, TimeZoneInfo zone, Instant now)
    {
        var parts = text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (FaultOf(text) is not null)
        {
            return null;
        }
        var (minutes, hours, days, months, weekdays) = (Read(0), Read(1), Read(2), Read(3), Read(4));
        var offset = Duration.FromTimeSpan(zone.GetUtcOffset(now.ToDateTimeUtc()));
        var local = (now + offset).InUtc().LocalDateTime;
        for (var day = 0; day < 366 * 5; day++)
        {
            var date = local.Date.PlusDays(-day);
            // Sunday is 0, and 7 as well.
            var weekday = (int)date.DayOfWeek % 7;
            if (!months.Contains(date.Month) || !days.Contains(date.Day) || !(weekdays.Contains(weekday) || (weekday == 0 && weekdays.Contains(7))))
            {
                continue;
            }
            foreach (var hour in hours.Reverse())
            {
                foreach (var minute in minutes.Reverse())
                {
                    if (date.At(new LocalTime(hour, minute)) is var at && at <= local)
                    {
                        return at.InUtc().ToInstant() - offset;
                    }
                }
            }
        }
        return null;

        SortedSet<int> Read(int i) => s_fields[i].Read(parts[i])!;
    }

    /// <summary>When an expression next triggers, for people to look at; null: not within four years. It must have no fault.</summary>
    public static Instant? NextAfter(string text, Instant after, TimeZoneInfo zone)
    {
        var values = text.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select((part, i) => s_fields[i].Read(part)!).ToList();
        var local = TimeZoneInfo.ConvertTime(after.ToDateTimeOffset(), zone).DateTime;
        var day = local.Date;
        for (var left = 4 * 366; left > 0; left--, day = day.AddDays(1))
        {
            var weekday = (int)day.DayOfWeek;
            if (!values[3].Contains(day.Month) || !values[2].Contains(day.Day) || !(values[4].Contains(weekday) || (weekday == 0 && values[4].Contains(7))))
            {
                continue;
            }
            foreach (var time in values[1].SelectMany(_ => values[0], (hour, minute) => day.AddHours(hour).AddMinutes(minute)).Where(t => t > local && !zone.IsInvalidTime(t)))
            {
                return Instant.FromDateTimeUtc(TimeZoneInfo.ConvertTimeToUtc(time, zone));
            }
        }
        return null;
    }

    private sealed record Field(string Name, int Min, int Max, ImmutableArray<string> Names)
    {
        public SortedSet<int>? Read(string text)
        {
            var values = new SortedSet<int>();
            foreach (var item in text.Split(','))
            {
                var (range, step) = item.Split('/') switch
                {
                    [var all] => (all, 1),
                    [var some, var every] when Number(every) is >= 1 and var n && n <= Max => (some, n),
                    _ => ("", 0),
                };
                var (from, to) = range.Split('-') switch
                {
                    ["*"] => (Min, Max),
                    [var one] when step == 1 && !item.Contains('/', StringComparison.Ordinal) => (Value(one), Value(one)),
                    [var first, var last] => (Value(first), Value(last)),
                    _ => (null, null),
                };
                if (from is null || to is null || from > to)
                {
                    return null;
                }
                for (var value = from.Value; value <= to; value += step)
                {
                    values.Add(value);
                }
            }
            return values;
        }

        private int? Value(string text)
        {
            var name = Names.IndexOf(text, 0, StringComparer.OrdinalIgnoreCase);
            return name >= 0 ? name + Min : Number(text) is { } number && number >= Min && number <= Max ? number : null;
        }

        private static int? Number(string text) =>
            int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;
    }
}
