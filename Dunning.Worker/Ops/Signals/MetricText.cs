using System.Globalization;
using System.Text;

namespace Dunning.Ops.Signals;

/// <summary>Writes metrics as Prometheus reads them: its own text format, or OpenMetrics where it asks for that.</summary>
internal static class MetricText
{
    /// <summary>The type of Prometheus's own format.</summary>
    public const string Prometheus = "text/plain; version=0.0.4; charset=utf-8";

    /// <summary>The type of OpenMetrics.</summary>
    public const string OpenMetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// <summary>The page. A family without a value is told all the same: what exists can be read off it.</summary>
    public static string Write(IEnumerable<MetricFamily> families, bool isOpen)
    {
        var text = new StringBuilder();
        foreach (var family in families)
        {
            var name = MetricNames.FamilyOf(family.Instrument);
            var sample = family.Kind == MetricKind.Counter ? name + "_total" : name;
            // The older format names a counter by its sample, OpenMetrics by its family.
            var title = isOpen ? name : sample;
            text.Append("# HELP ").Append(title).Append(' ').Append(Help(family.Instrument.Description ?? "")).Append('\n')
                .Append("# TYPE ").Append(title).Append(' ').Append(TypeOf(family.Kind)).Append('\n');
            if (isOpen && MetricNames.UnitOf(family.Instrument) is { } unit)
            {
                text.Append("# UNIT ").Append(title).Append(' ').Append(unit).Append('\n');
            }
            foreach (var series in family.Series)
            {
                if (family.Kind == MetricKind.Histogram)
                {
                    Write(text, name, family, series);
                }
                else
                {
                    Sample(text, sample, series.Labels, null, series.Value);
                }
            }
        }
        return isOpen ? text.Append("# EOF\n").ToString() : text.ToString();
    }

    private static void Write(StringBuilder text, string name, MetricFamily family, MetricSeries series)
    {
        long below = 0;
        for (var i = 0; i < series.Buckets.Length; i++)
        {
            below += series.Buckets[i];
            Sample(text, name + "_bucket", series.Labels, i < family.Bounds.Count ? Number(family.Bounds[i]) : "+Inf", below);
        }
        Sample(text, name + "_sum", series.Labels, null, series.Value);
        Sample(text, name + "_count", series.Labels, null, below);
    }

    private static void Sample(StringBuilder text, string name, IReadOnlyList<KeyValuePair<string, string>> labels, string? bound, double value)
    {
        text.Append(name);
        if (labels.Count > 0 || bound is not null)
        {
            var next = '{';
            foreach (var (label, content) in labels)
            {
                text.Append(next).Append(label).Append("=\"").Append(Content(content)).Append('"');
                next = ',';
            }
            if (bound is not null)
            {
                text.Append(next).Append("le=\"").Append(bound).Append('"');
            }
            text.Append('}');
        }
        text.Append(' ').Append(Number(value)).Append('\n');
    }

    private static string TypeOf(MetricKind kind) => kind switch
    {
        MetricKind.Counter => "counter",
        MetricKind.Gauge => "gauge",
        MetricKind.Histogram => "histogram",
    };

    private static string Number(double value) => double.IsNaN(value) ? "NaN" : double.IsPositiveInfinity(value) ? "+Inf" : double.IsNegativeInfinity(value) ? "-Inf"
        : value.ToString("R", CultureInfo.InvariantCulture);

    private static string Help(string text) => text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);

    private static string Content(string text) => Help(text).Replace("\"", "\\\"", StringComparison.Ordinal);
}
