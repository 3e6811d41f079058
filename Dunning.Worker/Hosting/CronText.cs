using System.Collections.Immutable;
using System.Globalization;

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
