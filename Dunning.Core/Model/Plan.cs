using System.Collections.Immutable;

namespace Dunning.Model;

/// <summary>Unit of a plan's interval.</summary>
public enum IntervalUnit { Day, Week, Month, Year }

/// <summary>How often a plan renews: a unit and how many of it.</summary>
public readonly record struct Interval(IntervalUnit Unit, int Count)
{
    /// <summary>RULES 7: <c>renewal_upcoming</c> is for intervals of six months or more, in month and year units only.</summary>
    public bool IsSixMonthsOrMore =>
        Unit == IntervalUnit.Year || (Unit == IntervalUnit.Month && Count >= 6);
}

/// <summary>
/// A version of a plan. A new price is a new version, and counts for invoices issued from then on (RULES 15).
/// </summary>
/// <param name="Code">The application's own code.</param>
/// <param name="Version">1, 2, … for one code.</param>
/// <param name="Names">Name by language.</param>
/// <param name="Interval">How often it renews.</param>
/// <param name="Prices">Unit price by currency code, in minor units.</param>
public sealed record Plan(
    string Code,
    int Version,
    ImmutableSortedDictionary<string, string> Names,
    Interval Interval,
    ImmutableSortedDictionary<string, long> Prices)
{
    /// <summary>The name in that language, else in English, else in any, else the code.</summary>
    public string NameIn(string language) =>
        Names.TryGetValue(language, out var name) || Names.TryGetValue("en", out name) ? name
            : Names.IsEmpty ? Code : Names.First().Value;
}

/// <summary>A country's standard rate in basis points, and whether it is a member of the EU's VAT area.</summary>
public sealed record TaxRate(string Country, int RateBp, bool Eu);

/// <summary>The plans and tax rates that decisions read.</summary>
public sealed record Catalog(
    ImmutableSortedDictionary<string, Plan> Plans,
    ImmutableSortedDictionary<string, TaxRate> TaxRates)
{
    /// <summary>A catalog of nothing.</summary>
    public static Catalog Empty { get; } = new(
        ImmutableSortedDictionary.Create<string, Plan>(StringComparer.Ordinal),
        ImmutableSortedDictionary.Create<string, TaxRate>(StringComparer.Ordinal));
}
