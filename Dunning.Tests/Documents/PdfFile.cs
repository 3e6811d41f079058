using System.Globalization;
using System.IO.Compression;
using System.Text;
using System.Text.RegularExpressions;

namespace Dunning.Tests.Documents;

/// <summary>
/// Reads a PDF back without our writer: its objects by the cross-reference table, its streams, and its text by the fonts' ToUnicode maps, as any other
/// reader would.
/// </summary>
internal sealed partial class PdfFile
{
    private readonly string _text;
    private readonly Dictionary<int, int> _offsets = [];

    public PdfFile(byte[] bytes)
    {
        _text = Encoding.Latin1.GetString(bytes);
        var table = int.Parse(Regex.Match(_text, @"startxref\n(\d+)\n%%EOF\n$").Groups[1].Value);
        var lines = _text[table..].Split('\n');
        Assert.Equal("xref", lines[0]);
        var count = int.Parse(lines[1].Split(' ')[1]);
        for (var i = 1; i < count; i++)
        {
            Assert.Matches(@"^\d{10} 00000 n $", lines[2 + i]);
            _offsets[i] = int.Parse(lines[2 + i][..10], CultureInfo.InvariantCulture);
            Assert.StartsWith($"{i} 0 obj\n", _text[_offsets[i]..]);
        }
        Trailer = _text[_text.IndexOf("trailer\n", StringComparison.Ordinal)..];
        Catalog = Object(Number(Trailer, "Root"));
    }

    public string Trailer { get; }

    public string Catalog { get; }

    public string Header => _text[..9];

    /// <summary>Numbers of the pages' objects, in order.</summary>
    public IEnumerable<int> Pages => Regex.Matches(Regex.Match(Object(Number(Catalog, "Pages")), @"/Kids \[([^\]]*)\]").Groups[1].Value, @"(\d+) 0 R")
        .Select(m => int.Parse(m.Groups[1].Value));

    /// <summary>All objects, without their streams.</summary>
    public IEnumerable<string> Objects => _offsets.Keys.Select(Object);

    /// <summary>An object's dictionary.</summary>
    public string Object(int number)
    {
        var text = _text[_offsets[number]..];
        return text[..text.IndexOf(text.IndexOf("stream\n", StringComparison.Ordinal) is > 0 and var at && at < text.IndexOf("endobj", StringComparison.Ordinal)
            ? "stream\n" : "endobj", StringComparison.Ordinal)];
    }

    /// <summary>The number of the object that a dictionary refers to.</summary>
    public static int Number(string dictionary, string key) => int.Parse(Regex.Match(dictionary, $@"/{key} \[?(\d+) 0 R").Groups[1].Value);

    /// <summary>An object's stream, decompressed.</summary>
    public byte[] Stream(int number)
    {
        var dictionary = Object(number);
        var start = _offsets[number] + dictionary.Length + "stream\n".Length;
        var length = int.Parse(Regex.Match(dictionary, @"/Length (\d+)").Groups[1].Value);
        Assert.Equal("\nendstream", _text[(start + length)..(start + length + 10)]);
        var bytes = Encoding.Latin1.GetBytes(_text.Substring(start, length));
        if (!dictionary.Contains("/FlateDecode", StringComparison.Ordinal))
        {
            return bytes;
        }
        using var zlib = new ZLibStream(new MemoryStream(bytes), CompressionMode.Decompress);
        using var plain = new MemoryStream();
        zlib.CopyTo(plain);
        return plain.ToArray();
    }

    public string StreamText(int number) => Encoding.UTF8.GetString(Stream(number));

    /// <summary>The attached file of that name.</summary>
    public byte[] Attachment(string name)
    {
        var file = int.Parse(Regex.Match(Catalog, $@"/EmbeddedFiles << /Names \[.*?\({Regex.Escape(name)}\) (\d+) 0 R").Groups[1].Value);
        return Stream(Number(Regex.Match(Object(file), "/EF << .*? >>").Value, "F"));
    }

    /// <summary>A page's texts in the order in which they were set.</summary>
    public List<(double X, double Y, string Text)> Texts(int page)
    {
        var dictionary = Object(page);
        var maps = Regex.Matches(dictionary, @"/(F\d+) (\d+) 0 R").ToDictionary(m => m.Groups[1].Value, m => ToUnicode(int.Parse(m.Groups[2].Value)));
        return [.. Shown().Matches(StreamText(Number(dictionary, "Contents"))).Select(m => (
            double.Parse(m.Groups[2].Value, CultureInfo.InvariantCulture), double.Parse(m.Groups[3].Value, CultureInfo.InvariantCulture),
            string.Concat(m.Groups[4].Value.Chunk(4).Select(g => maps[m.Groups[1].Value][new string(g)]))))];
    }

    /// <summary>Everything that it says.</summary>
    public string AllText => string.Join('\n', Pages.SelectMany(Texts).Select(t => t.Text));

    private Dictionary<string, string> ToUnicode(int font) => Regex.Matches(StreamText(Number(Object(font), "ToUnicode")), @"^<([0-9A-F]{4})> <([0-9A-F]+)>$", RegexOptions.Multiline)
        .Where(m => m.Groups[1].Value + m.Groups[2].Value != "0000FFFF")
        .ToDictionary(m => m.Groups[1].Value, m => Encoding.BigEndianUnicode.GetString(Convert.FromHexString(m.Groups[2].Value)));

    [GeneratedRegex(@"/(F\d+) [\d.]+ Tf ([\d.]+) ([\d.]+) Td <([0-9A-F]*)> Tj")]
    private static partial Regex Shown();
}
