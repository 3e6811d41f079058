using System.Globalization;
using Dunning.Ops.Frame;

namespace Dunning.Ops.Pages;

/// <summary>A bar of a chart: parts one above the other, the lowest first.</summary>
/// <param name="Label">What it stands for.</param>
/// <param name="Parts">Their heights, none negative.</param>
internal sealed record Bar(string Label, params double[] Parts)
{
    /// <summary>What a bar without height means.</summary>
    public BarKind Is { get; init; }
}

/// <summary>What a bar's height tells.</summary>
internal enum BarKind
{
    /// <summary>A sum: none is nothing to be seen.</summary>
    Sum,

    /// <summary>A share: none of some is seen as a line.</summary>
    Rate,

    /// <summary>There is nothing that it could be a share of.</summary>
    Nothing,
}

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
            var (x, width) = (N((b.Index * step) + (step * .1)), N(step * .8));
            return Html.Of($"<g><title>{b.Item.Label}</title>{Sign(b.Item, x, width)}{Html.Each(b.Item.Parts.Index(), p =>
            {
                var height = highest <= 0 ? 0 : p.Item / highest * Height;
                y -= height;
                return height <= 0 ? Html.Empty : Html.Of($"<rect class=\"part{p.Index}\" x=\"{x}\" y=\"{N(y)}\" width=\"{width}\" height=\"{N(height)}\"/>");
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

    /// <summary>A small line of shares from 0 to 1, for a table's cell: a gap where there is none, a point where its neighbours have none.</summary>
    public static Html Spark(string alternative, IReadOnlyList<double?> shares)
    {
        const int w = 96;
        const int h = 24;
        var step = shares.Count < 2 ? 0 : (double)(w - 4) / (shares.Count - 1);
        var runs = new List<List<(double X, double Y)>>();
        foreach (var (at, share) in shares.Index())
        {
            if (share is not { } height)
            {
                continue;
            }
            if (at == 0 || shares[at - 1] is null)
            {
                runs.Add([]);
            }
            runs[^1].Add((2 + (at * step), h - 2 - (height * (h - 4))));
        }
        return Html.Of($"<svg class=\"spark\" viewBox=\"0 0 {w} {h}\" role=\"img\" aria-label=\"{alternative}\">{Html.Each(runs, r => r.Count == 1
            ? Html.Of($"<circle cx=\"{N(r[0].X)}\" cy=\"{N(r[0].Y)}\" r=\"2\"/>")
            : Html.Of($"<polyline points=\"{string.Join(' ', r.Select(p => $"{N(p.X)},{N(p.Y)}"))}\"/>"))}</svg>");
    }

    // None of some, and none of none.
    private static Html Sign(Bar bar, string x, string width) => bar switch
    {
        { Is: BarKind.Nothing } => Html.Of($"<rect class=\"none\" x=\"{x}\" y=\"0\" width=\"{width}\" height=\"{Height}\"/>"),
        { Is: BarKind.Rate } when bar.Parts.Sum() <= 0 => Html.Of($"<rect class=\"part0\" x=\"{x}\" y=\"{Height - 3}\" width=\"{width}\" height=\"3\"/>"),
        _ => Html.Empty,
    };

    private static string N(double number) => number.ToString("0.##", CultureInfo.InvariantCulture);
}
