using NodaTime;

namespace Dunning.Model;

/// <summary>
/// The period boundaries of a subscription: anchor + k × interval, each computed from the anchor, never from the boundary
/// before, so that a month-end anchor comes back (RULES 2).
/// </summary>
public readonly record struct Schedule(LocalDate Anchor, Interval Interval)
{
    /// <summary>The k-th boundary; k may be negative.</summary>
    public LocalDate Boundary(int k)
    {
        var steps = checked(k * Interval.Count);
        return Interval.Unit switch
        {
            IntervalUnit.Day => Anchor.PlusDays(steps),
            IntervalUnit.Week => Anchor.PlusWeeks(steps),
            IntervalUnit.Month => Anchor.PlusMonths(steps),
            IntervalUnit.Year => Anchor.PlusYears(steps),
            _ => throw new InvalidOperationException($"no such interval unit: {Interval.Unit}"),
        };
    }

    /// <summary>The k of that boundary, or null when the date is not on the grid.</summary>
    public int? IndexOf(LocalDate date)
    {
        var guess = Guess(date);
        for (var k = guess - 1; k <= guess + 1; k++)
        {
            if (Boundary(k) == date)
            {
                return k;
            }
        }
        return null;
    }

    /// <summary>The boundary that follows a boundary.</summary>
    /// <exception cref="InvalidOperationException">The date is not a boundary: a broken invariant.</exception>
    public LocalDate Next(LocalDate boundary) =>
        Boundary((IndexOf(boundary)
            ?? throw new InvalidOperationException($"{boundary} is not a boundary of the anchor {Anchor}")) + 1);

    /// <summary>The first boundary at or after a date.</summary>
    public LocalDate FirstFrom(LocalDate date)
    {
        var k = Guess(date) - 1;
        while (Boundary(k) < date)
        {
            k++;
        }
        return Boundary(k);
    }

    // Within one of the true index: whole units between the dates, rounded towards zero.
    private int Guess(LocalDate date)
    {
        var units = Interval.Unit switch
        {
            IntervalUnit.Day => Period.DaysBetween(Anchor, date),
            IntervalUnit.Week => Period.DaysBetween(Anchor, date) / 7,
            IntervalUnit.Month => (date.Year - Anchor.Year) * 12 + date.Month - Anchor.Month,
            IntervalUnit.Year => date.Year - Anchor.Year,
            _ => throw new InvalidOperationException($"no such interval unit: {Interval.Unit}"),
        };
        return units / Interval.Count;
    }
}
