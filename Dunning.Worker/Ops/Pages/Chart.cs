using System.Globalization;
using Dunning.Ops.Frame;

namespace Dunning.Ops.Pages;

/// <summary>A bar of a chart: parts one above the other, the lowest first.</summary>
/// <param name="Label">What it stands for.</param>
/// <param name="Parts">Their heights, none negative.</param>
internal sealed record Bar(string Label, params double[] Parts);

/// <summary>Charts as SVG in the page: no script, no style attribute. Each has a text alternative; the figures themselves stand in a table beside it.</summary>
internal static class Chart
{
    private const int Width = 1000;
    private const int Height = 160;

    /// <summary>
    /// Bars side by side. The parts have the classes <c>part0</c>, <c>part1</c> and so on. The drawing takes what width there is; what is written stands beside it as
    /// text, so that it is as large on a phone as anywhere.
    /// </summary>
    /// <param name="alternative">What a screen reader says instead.</param>
    /// <param name="bars">From left to right; a label's part before its colon stands below the first and the last.</param>
    /// <param name="most">The height of the chart; at least the highest bar's.</param>
    /// <param name="scale">What the top line says.</param>
    public static Html Bars(string alternative, IReadOnlyList<Bar> bars, double most, string scale)
    {
        if (bars.Count == 0)
        {
            return Html.Empty;
        }
        var highest = Math.Max(most, bars.Max(b => b.Parts.Sum()));
        var step = (double)Width / bars.Count;
        var all = Html.Each(bars.Index(), b =>
        {
            var y = (double)Height;
            return Html.Of($"<g><title>{b.Item.Label}</title>{Html.Each(b.Item.Parts.Index(), p =>
            {
                var height = highest <= 0 ? 0 : p.Item / highest * Height;
                y -= height;
                return height <= 0 ? Html.Empty : Html.Of($"<rect class=\"part{p.Index}\" x=\"{N((b.Index * step) + (step * .1))}\" y=\"{N(y)}\" width=\"{N(step * .8)}\" height=\"{N(height)}\"/>");
            })}</g>");
        });
        return Html.Of(
            $"""
            <p class="scale">{scale}</p>
            <svg class="chart" viewBox="0 0 {Width} {Height}" preserveAspectRatio="none" role="img" aria-label="{alternative}">
            {all}
            </svg>
            <p class="scale ends"><span>{bars[0].Label.Split(':')[0]}</span> <span>{bars[^1].Label.Split(':')[0]}</span></p>

            """);
    }

    /// <summary>A small line of shares from 0 to 1, for a table's cell; a gap where there is none.</summary>
    public static Html Spark(string alternative, IReadOnlyList<double?> shares)
    {
        const int w = 96;
        const int h = 24;
        var step = shares.Count < 2 ? 0 : (double)(w - 4) / (shares.Count - 1);
        var points = string.Join(' ', shares.Index().Where(s => s.Item is not null).Select(s => $"{N(2 + (s.Index * step))},{N(h - 2 - (s.Item!.Value * (h - 4)))}"));
        return Html.Of($"<svg class=\"spark\" viewBox=\"0 0 {w} {h}\" role=\"img\" aria-label=\"{alternative}\"><polyline points=\"{points}\"/></svg>");
    }

    private static string N(double number) => number.ToString("0.##", CultureInfo.InvariantCulture);
}
