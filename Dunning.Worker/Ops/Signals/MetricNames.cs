using System.Diagnostics.Metrics;

namespace Dunning.Ops.Signals;

/// <summary>An instrument's name as Prometheus and OpenMetrics write it.</summary>
internal static class MetricNames
{
    /// <summary>The family's name: its unit at its end, and no <c>_total</c>.</summary>
    public static string FamilyOf(Instrument instrument)
    {
        var name = instrument.Name.Replace('.', '_');
        return UnitOf(instrument) is { } unit && !name.EndsWith("_" + unit, StringComparison.Ordinal) ? name + "_" + unit : name;
    }

    /// <summary>The base unit in words, or null: a count, or an amount of money.</summary>
    public static string? UnitOf(Instrument instrument) => instrument.Unit switch
    {
        "s" => "seconds",
        "By" => "bytes",
        "1" => "ratio",
        _ => null,
    };
}
