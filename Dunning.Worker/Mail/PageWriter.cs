using System.Text;

namespace Dunning.Mail;

/// <summary>
/// Takes what a template writes, and gives it tidied. One buffer, used again and again: a page is some 7 kB, and thousands leave in a minute.
/// </summary>
internal sealed class PageWriter : TextWriter
{
    private char[] _chars = new char[16 * 1024];
    private int _length;

    /// <inheritdoc/>
    public override Encoding Encoding => Encoding.Unicode;

    /// <summary>Forgets what was written.</summary>
    public void Clear() => _length = 0;

    /// <inheritdoc/>
    public override void Write(char value)
    {
        Room(1)[0] = value;
        _length++;
    }

    /// <inheritdoc/>
    public override void Write(ReadOnlySpan<char> buffer)
    {
        buffer.CopyTo(Room(buffer.Length));
        _length += buffer.Length;
    }

    /// <inheritdoc/>
    public override void Write(char[] buffer, int index, int count) => Write(buffer.AsSpan(index, count));

    /// <inheritdoc/>
    public override void Write(string? value) => Write(value.AsSpan());

    /// <summary>
    /// What was written, without spaces at the ends of lines, with at most one blank line between others and none at the ends: a paragraph whose every
    /// part was left out leaves no gap.
    /// </summary>
    /// <param name="end">What follows it.</param>
    public string Tidy(string end = "")
    {
        // In its place: it never gets longer.
        var from = _chars.AsSpan(0, _length);
        var (to, isGap) = (0, false);
        for (var start = 0; start <= from.Length;)
        {
            var length = from[start..].IndexOf('\n') is var at and >= 0 ? at : from.Length - start;
            var line = from.Slice(start, length).TrimEnd(" \t");
            start += length + 1;
            if (line.IsEmpty)
            {
                isGap = true;
                continue;
            }
            if (to > 0)
            {
                from[to++] = '\n';
                if (isGap)
                {
                    from[to++] = '\n';
                }
            }
            line.CopyTo(from[to..]);
            to += line.Length;
            isGap = false;
        }
        return string.Concat(from[..to], end);
    }

    private Span<char> Room(int length)
    {
        if (_chars.Length - _length < length)
        {
            Array.Resize(ref _chars, Math.Max(_chars.Length * 2, _length + length));
        }
        return _chars.AsSpan(_length);
    }
}
