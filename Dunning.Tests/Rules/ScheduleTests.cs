using Dunning.Model;
using NodaTime;
using NodaTime.Text;

namespace Dunning.Tests.Rules;

public sealed class ScheduleTests
{
    // RULES 2: every boundary is computed from the anchor, so that a month's end comes back.
    [Theory]
    [InlineData("2026-01-31", "month", 1, 0, "2026-01-31")]
    [InlineData("2026-01-31", "month", 1, 1, "2026-02-28")]
    [InlineData("2026-01-31", "month", 1, 2, "2026-03-31")]
    [InlineData("2026-01-31", "month", 1, 3, "2026-04-30")]
    [InlineData("2026-01-31", "month", 1, -1, "2025-12-31")]
    [InlineData("2026-01-31", "month", 1, -2, "2025-11-30")]
    [InlineData("2027-12-31", "month", 1, 2, "2028-02-29")]
    [InlineData("2026-01-30", "month", 1, 1, "2026-02-28")]
    [InlineData("2026-01-30", "month", 1, 2, "2026-03-30")]
    [InlineData("2025-08-31", "month", 6, 1, "2026-02-28")]
    [InlineData("2025-08-31", "month", 6, 2, "2026-08-31")]
    [InlineData("2024-02-29", "year", 1, 1, "2025-02-28")]
    [InlineData("2024-02-29", "year", 1, 4, "2028-02-29")]
    [InlineData("2024-02-29", "year", 1, -4, "2020-02-29")]
    [InlineData("2024-02-29", "year", 2, 1, "2026-02-28")]
    [InlineData("2024-02-29", "month", 12, 1, "2025-02-28")]
    [InlineData("2026-02-28", "month", 1, 1, "2026-03-28")]
    [InlineData("2026-12-28", "week", 1, 1, "2027-01-04")]
    [InlineData("2026-12-28", "week", 2, -1, "2026-12-14")]
    [InlineData("2026-03-01", "day", 28, 1, "2026-03-29")]
    [InlineData("2026-03-01", "day", 28, -1, "2026-02-01")]
    [InlineData("2026-03-01", "day", 1, 31, "2026-04-01")]
    public void A_boundary_is_so_many_intervals_from_the_anchor(string anchor, string unit, int count, int k, string expected)
    {
        var schedule = Of(anchor, unit, count);
        Assert.Equal(Date(expected), schedule.Boundary(k));
        Assert.Equal(k, schedule.IndexOf(Date(expected)));
    }

    [Theory]
    [InlineData("2026-01-31", "month", 1, "2026-02-27")]
    [InlineData("2026-01-31", "month", 1, "2026-03-30")]
    [InlineData("2026-01-31", "month", 2, "2026-02-28")]
    [InlineData("2024-02-29", "year", 1, "2028-02-28")]
    [InlineData("2024-02-29", "year", 1, "2025-03-01")]
    [InlineData("2026-03-01", "day", 28, "2026-03-28")]
    [InlineData("2026-03-01", "week", 1, "2026-02-23")]
    public void A_date_between_boundaries_is_none(string anchor, string unit, int count, string date)
    {
        var schedule = Of(anchor, unit, count);
        Assert.Null(schedule.IndexOf(Date(date)));
        Assert.Throws<InvalidOperationException>(() => schedule.Next(Date(date)));
    }

    [Theory]
    [InlineData("2026-01-31", "month", 1, "2026-02-28", "2026-03-31")]
    [InlineData("2026-01-31", "month", 1, "2026-03-31", "2026-04-30")]
    [InlineData("2024-02-29", "year", 1, "2027-02-28", "2028-02-29")]
    [InlineData("2026-06-30", "month", 3, "2025-12-30", "2026-03-30")]
    public void The_next_boundary_keeps_the_anchors_day(string anchor, string unit, int count, string boundary, string expected) =>
        Assert.Equal(Date(expected), Of(anchor, unit, count).Next(Date(boundary)));

    [Theory]
    [InlineData("2026-01-31", "month", 1, "2026-02-28", "2026-02-28")]
    [InlineData("2026-01-31", "month", 1, "2026-03-01", "2026-03-31")]
    [InlineData("2026-01-31", "month", 3, "2025-11-01", "2026-01-31")]
    [InlineData("2026-01-31", "month", 3, "2025-10-31", "2025-10-31")]
    [InlineData("2026-01-31", "month", 3, "2025-10-30", "2025-10-31")]
    [InlineData("2026-03-01", "day", 28, "2026-02-02", "2026-03-01")]
    [InlineData("2026-03-01", "day", 28, "2026-02-01", "2026-02-01")]
    [InlineData("2026-03-01", "week", 2, "2026-02-16", "2026-03-01")]
    [InlineData("2024-02-29", "year", 2, "2021-01-01", "2022-02-28")]
    public void The_first_boundary_from_a_date_is_not_before_it(string anchor, string unit, int count, string date, string expected) =>
        Assert.Equal(Date(expected), Of(anchor, unit, count).FirstFrom(Date(date)));

    [Theory]
    [InlineData("month", 5, false)]
    [InlineData("month", 6, true)]
    [InlineData("month", 12, true)]
    [InlineData("year", 1, true)]
    [InlineData("week", 52, false)]
    [InlineData("day", 365, false)]
    public void Six_months_or_more_is_said_in_months_and_years_only(string unit, int count, bool expected) =>
        Assert.Equal(expected, new Model.Interval(Unit(unit), count).IsSixMonthsOrMore);

    private static Schedule Of(string anchor, string unit, int count) => new(Date(anchor), new Model.Interval(Unit(unit), count));

    private static IntervalUnit Unit(string unit) => Enum.Parse<IntervalUnit>(unit, true);

    private static LocalDate Date(string text) => LocalDatePattern.Iso.Parse(text).Value;
}
