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
    private const int Width = 720;
    private const int Height = 180;
    private const int Foot = 20;

    /// <summary>Bars side by side. The parts have the classes <c>part0</c>, <c>part1</c> and so on.</summary>
    /// <param name="alternative">What a screen reader says instead.</param>
    /// <param name="bars">From left to right.</param>
    /// <param name="most">The height of the chart; at least the highest bar's.</param>
    /// <param name="scale">What the top line says.</param>
    public static Html Bars(string alternative, IReadOnlyList<Bar> bars, double most, string scale)
    {
        if (bars.Count == 0)
        {
            return Html.Empty;
        }
        var highest = Math.Max(most, bars.Max(b => b.Parts.Sum()));
        var (step, drawn) = ((double)Width / bars.Count, Height - Foot - 16.0);
        var all = Html.Each(bars.Index(), b =>
        {
            var y = Height - (double)Foot;
            return Html.Of($"<g><title>{b.Item.Label}</title>{Html.Each(b.Item.Parts.Index(), p =>
            {
                var height = highest <= 0 ? 0 : p.Item / highest * drawn;
                y -= height;
                return height <= 0 ? Html.Empty : Html.Of($"<rect class=\"part{p.Index}\" x=\"{N((b.Index * step) + (step * .1))}\" y=\"{N(y)}\" width=\"{N(step * .8)}\" height=\"{N(height)}\"/>");
            })}</g>");
        });
        return Html.Of(
            $"""
            <svg class="chart" viewBox="0 0 {Width} {Height}" role="img" aria-label="{alternative}">
            <line class="axis" x1="0" y1="{Height - Foot}" x2="{Width}" y2="{Height - Foot}"/><line class="grid" x1="0" y1="16" x2="{Width}" y2="16"/>
            <text class="scale" x="0" y="11">{scale}</text>
            {all}
            <text class="scale" x="0" y="{Height - 5}">{bars[0].Label.Split(':')[0]}</text><text class="scale end" x="{Width}" y="{Height - 5}">{bars[^1].Label.Split(':')[0]}</text>
            </svg>

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
