using NodaTime;
using NodaTime.Text;

namespace Dunning.Commands;

/// <summary>Where the demo tells its stories: lines, and on a terminal below them the simulated date, which moves on through quiet days.</summary>
internal sealed class DemoScreen(TextWriter output, Paint paint, int nameWidth)
{
    private const int WhenWidth = 22;
    private const int NarrowIndent = 4;
    private const int MinTextWidth = 40;

    private static readonly LocalDatePattern DatePattern = LocalDatePattern.CreateWithInvariantCulture("ddd d MMM uuuu");

    private readonly bool _isTerminal = Paint.IsTerminal(output);
    private bool _isDateShown;

    /// <summary>Moves the date line on; nothing where it can't be written over.</summary>
    public void ShowDate(LocalDate date)
    {
        if (_isTerminal)
        {
            output.Write("\r\u001b[K" + paint.Dim(DatePattern.Format(date)));
            output.Flush();
            _isDateShown = true;
        }
    }

    /// <summary>Takes the date line away.</summary>
    public void Clear()
    {
        if (_isDateShown)
        {
            output.Write("\r\u001b[K");
            _isDateShown = false;
        }
    }

    /// <summary>Writes a line of a story.</summary>
    public void Tell(StoryLine line)
    {
        Clear();
        var indent = WhenWidth + nameWidth + 2;
        var width = _isTerminal ? Console.WindowWidth - 1 : int.MaxValue;
        var first = true;
        foreach (var part in Wrap(line.Text, width - indent >= MinTextWidth ? width - indent : Math.Max(MinTextWidth, width - NarrowIndent)))
        {
            var isWide = width - indent >= MinTextWidth;
            output.WriteLine(
                (first ? paint.Dim(line.When.PadRight(WhenWidth)) + paint.Bold(line.Account.PadRight(isWide ? nameWidth + 2 : 0)) : "")
                + (first && !isWide ? Environment.NewLine : "")
                + new string(' ', isWide ? first ? 0 : indent : NarrowIndent)
                + Coloured(line.Mood, part));
            first = false;
        }
    }

    private static IEnumerable<string> Wrap(string text, int width)
    {
        while (text.Length > width)
        {
            var at = text.LastIndexOf(' ', width);
            at = at <= 0 ? width : at;
            yield return text[..at];
            text = text[at..].TrimStart();
        }
        yield return text;
    }

    private string Coloured(Mood mood, string text) => mood switch
    {
        Mood.Plain => text,
        Mood.Good => paint.Green(text),
        Mood.Bad => paint.Yellow(text),
        Mood.Grave => paint.Red(text),
    };
}
