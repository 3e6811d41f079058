using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using HandlebarsDotNet;

namespace Dunning.Mail;

/// <summary>
/// A template that remembers what it writes. All that templates here can do is place values, leave parts out where a value is empty, and go through
/// lists; so what is written is the same pieces of text between the values for as long as the same ones are empty. The library writes them once for
/// each such case, and thousands of mails are those pieces with their own values in between.
/// </summary>
internal sealed class Template
{
    // Of a mail there are a few dozen cases; a digest of many items, whose key is long, is one of its own.
    private const int MostCases = 500;
    private const int LongestKey = 256;

    // Stands for a value, with the slot's number and an end. Escaped or not is seen at the ampersand.
    private const string RawMark = "&\u0001";
    private const string EscapedMark = "&amp;\u0001";
    private const char End = '\u0002';

    private readonly HandlebarsTemplate<TextWriter, object, object> _compiled;
    private readonly ITextEncoder? _encoder;
    private readonly bool _isMarkable;
    private readonly ConcurrentDictionary<string, Piece[]> _cases = new(StringComparer.Ordinal);

    /// <summary>Compiles it.</summary>
    public Template(IHandlebars environment, string source)
    {
        _compiled = environment.Compile(new StringReader(source));
        _encoder = environment.Configuration.TextEncoder;
        _isMarkable = !source.AsSpan().ContainsAny(RawMark[1], End);
    }

    /// <summary>Writes it.</summary>
    /// <param name="page">Takes it.</param>
    /// <param name="words">Values by name: text, or lists of texts by name.</param>
    public void Write(PageWriter page, Dictionary<string, object> words)
    {
        Span<char> key = stackalloc char[LongestKey];
        key = key[..CaseOf(words, key)];
        if (!_cases.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(key, out var pieces))
        {
            if (!_isMarkable || key.IsEmpty || _cases.Count >= MostCases)
            {
                _compiled(page, words, null!);
                return;
            }
            _cases.TryAdd(key.ToString(), pieces = PiecesOf(words));
        }
        foreach (var piece in pieces)
        {
            page.Write(piece.Text);
            if (piece.Slot is { } slot)
            {
                var value = slot.List is null ? (string)words[slot.Name] : ((IReadOnlyList<Dictionary<string, string>>)words[slot.List])[slot.Index][slot.Name];
                if (slot.IsEscaped)
                {
                    _encoder!.Encode(value, page); // it was there to escape the mark
                }
                else
                {
                    page.Write(value);
                }
            }
        }
    }

    // Which values are empty, and how long lists are. Returns the key's length; 0 when it does not fit.
    private static int CaseOf(Dictionary<string, object> words, Span<char> key)
    {
        var length = 0;
        foreach (var value in words.Values)
        {
            if (value is string text)
            {
                Put(key, ref length, text.Length > 0 ? '1' : '0');
                continue;
            }
            foreach (var item in (IReadOnlyList<Dictionary<string, string>>)value)
            {
                Put(key, ref length, '[');
                foreach (var part in item.Values)
                {
                    Put(key, ref length, part.Length > 0 ? '1' : '0');
                }
            }
            Put(key, ref length, ']');
        }
        return length <= key.Length ? length : 0;

        static void Put(Span<char> key, ref int length, char mark)
        {
            if (length < key.Length)
            {
                key[length] = mark;
            }
            length++;
        }
    }

    private Piece[] PiecesOf(Dictionary<string, object> words)
    {
        var slots = new List<Slot>();
        var marks = new Dictionary<string, object>(StringComparer.Ordinal);
        foreach (var (name, value) in words)
        {
            marks[name] = value is string text ? Mark(text, new Slot(name, null, 0, false))
                : ((IReadOnlyList<Dictionary<string, string>>)value)
                    .Select((item, i) => item.ToDictionary(p => p.Key, p => Mark(p.Value, new Slot(p.Key, name, i, false)), StringComparer.Ordinal)).ToList();
        }
        var written = new StringWriter();
        _compiled(written, marks, null!);

        var (rest, pieces) = (written.ToString(), new List<Piece>());
        for (var at = rest.IndexOf(RawMark[1]); at >= 0; at = rest.IndexOf(RawMark[1]))
        {
            var mark = rest.AsSpan(0, at + 1).EndsWith(EscapedMark) ? EscapedMark : RawMark;
            var end = rest.IndexOf(End, at);
            var slot = slots[int.Parse(rest.AsSpan((at + 1)..end), NumberStyles.None, CultureInfo.InvariantCulture)];
            pieces.Add(new Piece(rest[..(at + 1 - mark.Length)], slot with { IsEscaped = mark == EscapedMark }));
            rest = rest[(end + 1)..];
        }
        pieces.Add(new Piece(rest, null));
        return [.. pieces];

        string Mark(string value, Slot slot)
        {
            if (value.Length == 0)
            {
                return "";
            }
            slots.Add(slot);
            return string.Create(CultureInfo.InvariantCulture, $"{RawMark}{slots.Count - 1}{End}");
        }
    }

    private sealed record Slot(string Name, string? List, int Index, bool IsEscaped);

    private sealed record Piece(string Text, Slot? Slot);
}
