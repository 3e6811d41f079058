using System.Text;

namespace Dunning.Commands;

/// <summary>A page of text for a person: headings, and rows of a label and what is to say about it.</summary>
internal abstract class TextSheet(Paint paint, int labelWidth)
{
    private readonly StringBuilder _text = new();

    protected Paint Paint => paint;

    /// <summary>What was written, without blank lines at its end.</summary>
    public override string ToString() => _text.ToString().TrimEnd();

    protected void Heading(string title)
    {
        Line("");
        Line(paint.Bold(title.ToUpperInvariant()));
    }

    protected void Row(string label, string value) => Line($"  {label.PadRight(labelWidth)} {value}");

    protected void None(bool isEmpty, string text)
    {
        if (isEmpty)
        {
            Line("  " + paint.Dim(text));
        }
    }

    protected void Line(string text) => _text.AppendLine(text);
}
