using Dunning.Documents.Pdf;

namespace Dunning.Documents;

/// <summary>Sets blocks below one another, from page to page: what a document looks like, whatever it says.</summary>
internal sealed class Sheet(PdfDocument document, PdfFont regular, PdfFont bold)
{
    public const double Left = 56;
    public const double Right = PdfPage.Width - 56;

    private const double Top = 62;
    private const double Bottom = 774;
    private const double Middle = Left + 250;
    private const double RowPadding = 5;

    public static readonly PdfColor Ink = new(0x1F, 0x29, 0x33);
    public static readonly PdfColor Grey = new(0x5F, 0x6B, 0x7A);
    public static readonly PdfColor Line = new(0xD3, 0xD9, 0xE0);
    private static readonly PdfColor s_band = new(0xF3, 0xF5, 0xF8);

    public PdfDocument Document => document;

    public PdfFont Regular => regular;

    public PdfFont Bold => bold;

    public PdfPage Page { get; private set; } = document.AddPage();

    /// <summary>Where the next block begins.</summary>
    public double Y { get; set; } = Top;

    /// <summary>Begins a new page unless so much of this one is left. True if it did.</summary>
    public bool Reserve(double height)
    {
        if (Y + height <= Bottom)
        {
            return false;
        }
        Page = document.AddPage();
        Y = Top;
        return true;
    }

    /// <summary>Labels with their values, a line each.</summary>
    public void Pairs(IEnumerable<(string Label, string Value)> pairs)
    {
        foreach (var (label, value) in pairs)
        {
            Page.Text(Left, Y, regular, 9, Grey, label);
            foreach (var line in Wrap(value, regular, 9.5, Right - Left - 130))
            {
                Page.Text(Left + 130, Y, regular, 9.5, Ink, line);
                Y += 14;
            }
        }
        Y += 12;
    }

    /// <summary>Two blocks of lines side by side; the first line of each is strong.</summary>
    public void Columns((string Title, List<string> Lines) first, (string Title, List<string> Lines) second)
    {
        var ends = new[] { (Left, first), (Middle, second) }.Select(c =>
        {
            var (x, y) = (c.Item1, Y);
            Page.Text(x, y, regular, 8, Grey, c.Item2.Title);
            foreach (var (i, text) in c.Item2.Lines.Index())
            {
                foreach (var line in Wrap(text, i == 0 ? bold : regular, 9.5, 230))
                {
                    y += 13;
                    Page.Text(x, y, i == 0 ? bold : regular, 9.5, Ink, line);
                }
            }
            return y;
        }).ToList();
        Y = ends.Max() + 28;
    }

    /// <summary>A table whose first column wraps and whose others are set to the right; the header comes again on each page.</summary>
    public void Table(IReadOnlyList<string> header, IReadOnlyList<double> edges, IEnumerable<IReadOnlyList<string>> rows)
    {
        var width = edges[1] - Left - 48;
        Header();
        foreach (var row in rows)
        {
            var lines = Wrap(row[0], regular, 9, width);
            if (Reserve((lines.Count * 12) + (2 * RowPadding)))
            {
                Header();
            }
            Y += RowPadding + 8;
            for (var i = 1; i < row.Count; i++)
            {
                Page.TextTo(edges[i], Y, regular, 9, Ink, row[i]);
            }
            foreach (var line in lines)
            {
                Page.Text(Left + 4, Y, regular, 9, Ink, line);
                Y += 12;
            }
            Y += RowPadding - 8;
            Page.Rule(Left, Right, Y, 0.5, Line);
        }

        void Header()
        {
            Reserve(50);
            var lines = header.Select((h, i) => Wrap(h, bold, 8, i == 0 ? width : 72)).ToList();
            var height = 9 + (lines.Max(l => l.Count) * 10);
            Page.Box(Left, Y, Right - Left, height, s_band);
            foreach (var (i, cell) in lines.Index())
            {
                foreach (var (n, line) in cell.Index())
                {
                    if (i == 0)
                    {
                        Page.Text(Left + 4, Y + 12, bold, 8, Ink, line);
                    }
                    else
                    {
                        Page.TextTo(edges[i], Y + 12 + (10 * n), bold, 8, Ink, line);
                    }
                }
            }
            Y += height;
        }
    }

    /// <summary>A small table: the first column to the left, the others to the right.</summary>
    public void Small(double left, IReadOnlyList<string> header, IReadOnlyList<double> edges, IEnumerable<IReadOnlyList<string>> rows)
    {
        foreach (var (n, row) in rows.Prepend(header).Index())
        {
            Y += 11;
            Page.Text(left, Y, regular, 8.5, n == 0 ? Grey : Ink, row[0]);
            for (var i = 1; i < row.Count; i++)
            {
                Page.TextTo(edges[i], Y, regular, 8.5, n == 0 ? Grey : Ink, row[i]);
            }
            Y += 4;
        }
    }

    /// <summary>Sums, at the right.</summary>
    public void Totals(IEnumerable<(string Label, string Value, bool IsStrong)> rows)
    {
        foreach (var (label, value, strong) in rows)
        {
            Y += 11;
            var (font, size) = (strong ? bold : regular, strong ? 10.0 : 9.5);
            Page.Text(Middle + 40, Y, font, size, Ink, label);
            Page.TextTo(Right, Y, font, size, Ink, value);
            Y += 4;
            Page.Rule(Middle + 40, Right, Y, 0.5, Line);
            Y += 1;
        }
    }

    /// <summary>Text over the whole width.</summary>
    public void Paragraph(string text, PdfFont font, double size, PdfColor color)
    {
        foreach (var line in Wrap(text, font, size, Right - Left))
        {
            Reserve(size * 1.4);
            Page.Text(Left, Y + (size * 0.4), font, size, color, line);
            Y += size * 1.4;
        }
        Y += 2;
    }

    /// <summary>The text, or its beginning with an ellipsis.</summary>
    public static string Fit(string text, PdfFont font, double size, double width)
    {
        if (font.Measure(text, size) <= width)
        {
            return text;
        }
        var runes = text.EnumerateRunes().ToList();
        while (runes.Count > 0 && font.Measure(string.Concat(runes) + "…", size) > width)
        {
            runes.RemoveAt(runes.Count - 1);
        }
        return string.Concat(runes) + "…";
    }

    /// <summary>The text in lines of at most that width: broken at spaces, and a word that is too long anywhere.</summary>
    internal static List<string> Wrap(string text, PdfFont font, double size, double width)
    {
        var lines = new List<string>();
        var line = "";
        foreach (var word in text.Split(' '))
        {
            var longer = line.Length == 0 ? word : line + " " + word;
            if (font.Measure(longer, size) <= width)
            {
                line = longer;
                continue;
            }
            if (line.Length > 0)
            {
                lines.Add(line);
            }
            line = "";
            foreach (var rune in word.EnumerateRunes())
            {
                if (line.Length > 0 && font.Measure(line + rune, size) > width)
                {
                    lines.Add(line);
                    line = "";
                }
                line += rune;
            }
        }
        lines.Add(line);
        return lines;
    }
}
