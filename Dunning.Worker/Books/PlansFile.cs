using System.Collections.Immutable;
using System.Globalization;
using Dunning.Model;

namespace Dunning.Books;

/// <summary>Plans of a book.</summary>
/// <param name="Plans">Plans without fault, by code.</param>
/// <param name="Named">Codes that are there, be it on a faulty plan: its fault is told once, not with every subscription.</param>
internal sealed record PlansFile(ImmutableSortedDictionary<string, Plan> Plans, ImmutableHashSet<string> Named)
{
    private static readonly string[] Fields = ["code", "name", "interval", "interval_count", "prices"];
    private static readonly string[] Units = ["day", "week", "month", "year"];

    /// <summary>Reads plans.json. Null when it can't be read at all.</summary>
    public static async Task<PlansFile?> ReadAsync(string path, BookFaults faults, CancellationToken ct)
    {
        var (root, scope) = await BookFiles.ReadJsonAsync(path, faults, ct);
        if (root is null)
        {
            return null;
        }
        if (root.Kind != JsonKind.Array)
        {
            scope.Add(null, Given.Value(root), "must be a list of plans",
                "[{\"code\": …, \"name\": …, \"interval\": …, \"interval_count\": …, \"prices\": …}]");
            return null;
        }
        if (root.Items.Count == 0)
        {
            scope.Add(null, null, "has no plan", "give at least one");
        }
        var plans = ImmutableSortedDictionary.CreateBuilder<string, Plan>(StringComparer.Ordinal);
        var named = ImmutableHashSet.CreateBuilder<string>(StringComparer.Ordinal);
        for (var i = 0; i < root.Items.Count; i++)
        {
            var item = root.Items[i];
            var place = string.Create(CultureInfo.InvariantCulture, $"[{i}]");
            if (item.Kind != JsonKind.Object)
            {
                scope.AddKind(place, item, "an object", "{\"code\": …, …}");
                continue;
            }
            var fields = new ObjectFields(item, place, scope, Fields);
            var before = scope.Count;
            var code = fields.Text("code", Shapes.MaxId);
            var names = ReadNames(fields, scope);
            var unit = fields.Word("interval", Units);
            // A hundred years: beyond that a boundary may leave the calendar.
            var count = fields.Whole("interval_count", 1, unit == (int)IntervalUnit.Year ? 100 : 1200);
            var prices = ReadPrices(fields, scope);
            if (code is not null && !named.Add(code))
            {
                fields.Add("code", Given.Text(code), "is there already", "a code once");
            }
            else if (code is not null && names is not null && unit >= 0 && count is { } n && prices is not null && scope.Count == before)
            {
                plans.Add(code, new Plan(code, 1, names, new Interval((IntervalUnit)unit, (int)n), prices));
            }
        }
        return new PlansFile(plans.ToImmutable(), named.ToImmutable());
    }

    private static ImmutableSortedDictionary<string, string>? ReadNames(ObjectFields plan, FaultScope scope)
    {
        if (plan.Object("name") is not { } value)
        {
            return null;
        }
        var names = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        var fields = new ObjectFields(value, plan.Path("name"), scope, [.. value.Members.Select(m => m.Name)]);
        foreach (var language in value.Members.Select(m => m.Name).Distinct(StringComparer.Ordinal))
        {
            if (!Shapes.IsLocale(language))
            {
                fields.Add(language, null, "is no language", "names by language, such as {\"fr\": …, \"en\": …}");
            }
            else if (fields.Text(language, Shapes.MaxName) is { } name)
            {
                names.Add(language, name);
            }
        }
        if (value.Members.Count == 0)
        {
            plan.Add("name", null, "has no language", "a name in at least one language, such as {\"en\": \"Team\"}");
        }
        return names.ToImmutable();
    }

    private static ImmutableSortedDictionary<string, long>? ReadPrices(ObjectFields plan, FaultScope scope)
    {
        if (plan.Object("prices") is not { } value)
        {
            return null;
        }
        var prices = ImmutableSortedDictionary.CreateBuilder<string, long>(StringComparer.Ordinal);
        var fields = new ObjectFields(value, plan.Path("prices"), scope, [.. value.Members.Select(m => m.Name)]);
        foreach (var code in value.Members.Select(m => m.Name).Distinct(StringComparer.Ordinal))
        {
            if (Currency.Find(code) is null)
            {
                fields.Add(code, null, "is no currency", "a code of ISO 4217 in capitals, such as EUR");
            }
            else if (fields.Whole(code, 0, Money.MaxInputMinor) is { } price)
            {
                prices.Add(code, price);
            }
        }
        if (value.Members.Count == 0)
        {
            plan.Add("prices", null, "has no price", "a price in at least one currency, in minor units, such as {\"EUR\": 1500}");
        }
        return prices.ToImmutable();
    }
}
