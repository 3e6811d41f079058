using System.Buffers.Binary;
using System.Collections.Frozen;
using System.Text;

namespace Dunning.Documents.Pdf;

/// <summary>
/// A TrueType font as a PDF needs it: which glyph a character has, how wide it is, and a file of only the glyphs used. Reads fonts with glyf
/// outlines and a Unicode cmap of format 4 or 12.
/// </summary>
public sealed class TrueTypeFont
{
    // What a renderer needs of an embedded font whose glyphs are named by number: no names, no cmap, no layout tables.
    private static readonly string[] s_kept = ["cvt ", "fpgm", "glyf", "head", "hhea", "hmtx", "loca", "maxp", "prep"];

    private readonly byte[] _file;
    private readonly FrozenDictionary<string, (int Offset, int Length)> _tables;
    private readonly FrozenDictionary<int, ushort> _glyphs;
    private readonly int[] _offsets;
    private readonly ushort[] _advances;

    /// <summary>Reads a font file.</summary>
    /// <param name="name">PostScript name, such as <c>LiberationSans</c>.</param>
    /// <param name="file">The whole file.</param>
    /// <exception cref="FormatException">The file is none, or lacks a table.</exception>
    public TrueTypeFont(string name, byte[] file)
    {
        (Name, _file) = (name, file);
        try
        {
            _tables = Enumerable.Range(0, U16(4)).Select(i => 12 + (16 * i)).ToFrozenDictionary(
                at => Encoding.ASCII.GetString(_file, at, 4), at => (I32(at + 8), I32(at + 12)), StringComparer.Ordinal);
            var (head, hhea) = (Table("head"), Table("hhea"));
            UnitsPerEm = U16(head + 18);
            (XMin, YMin, XMax, YMax) = (Scaled(I16(head + 36)), Scaled(I16(head + 38)), Scaled(I16(head + 40)), Scaled(I16(head + 42)));
            (Ascent, Descent) = (Scaled(I16(hhea + 4)), Scaled(I16(hhea + 6)));
            CapHeight = Scaled(I16(Table("OS/2") + 88));
            var count = U16(Table("maxp") + 4);
            var isLong = I16(head + 50) != 0;
            var loca = Table("loca");
            _offsets = [.. Enumerable.Range(0, count + 1).Select(i => isLong ? I32(loca + (4 * i)) : U16(loca + (2 * i)) * 2)];
            var (metrics, hmtx) = (U16(hhea + 34), Table("hmtx"));
            _advances = [.. Enumerable.Range(0, count).Select(i => U16(hmtx + (4 * Math.Min(i, metrics - 1))))];
            _glyphs = ReadCmap().Where(p => p.Value != 0).ToFrozenDictionary();
        }
        catch (Exception e) when (e is IndexOutOfRangeException or ArgumentOutOfRangeException or KeyNotFoundException or OverflowException)
        {
            throw new FormatException($"the font {name} can't be read: {e.Message}", e);
        }
    }

    /// <summary>PostScript name.</summary>
    public string Name { get; }

    /// <summary>Units of the em square.</summary>
    public int UnitsPerEm { get; }

    /// <summary>Extents of all glyphs, in thousandths of the size, as are all measures here.</summary>
    public int XMin { get; }

    /// <inheritdoc cref="XMin"/>
    public int YMin { get; }

    /// <inheritdoc cref="XMin"/>
    public int XMax { get; }

    /// <inheritdoc cref="XMin"/>
    public int YMax { get; }

    /// <summary>Above the base line.</summary>
    public int Ascent { get; }

    /// <summary>Below the base line; negative.</summary>
    public int Descent { get; }

    /// <summary>Height of a capital.</summary>
    public int CapHeight { get; }

    /// <summary>Number of the character's glyph; 0 when the font has none.</summary>
    public ushort GlyphOf(Rune character) => _glyphs.GetValueOrDefault(character.Value);

    /// <summary>Advance of a glyph.</summary>
    public int WidthOf(ushort glyph) => Scaled(_advances[glyph]);

    /// <summary>The glyphs, those that they are composed of, and glyph 0, which every font has.</summary>
    public IReadOnlySet<ushort> WithParts(IEnumerable<ushort> glyphs)
    {
        var wanted = new SortedSet<ushort>(glyphs) { 0 };
        for (var left = new Queue<ushort>(wanted); left.TryDequeue(out var glyph);)
        {
            foreach (var part in PartsOf(glyph).Where(wanted.Add))
            {
                left.Enqueue(part);
            }
        }
        return wanted;
    }

    /// <summary>A font file of these glyphs and their parts, which keep their numbers; the same glyphs give the same bytes.</summary>
    public byte[] Subset(IEnumerable<ushort> glyphs)
    {
        var wanted = WithParts(glyphs);
        using var outlines = new MemoryStream();
        var loca = new byte[4 * _offsets.Length];
        for (var i = 0; i + 1 < _offsets.Length; i++)
        {
            BinaryPrimitives.WriteInt32BigEndian(loca.AsSpan(4 * i), (int)outlines.Length);
            if (wanted.Contains((ushort)i))
            {
                outlines.Write(_file, Table("glyf") + _offsets[i], _offsets[i + 1] - _offsets[i]);
                outlines.Write(new byte[(4 - (outlines.Length % 4)) % 4]);
            }
        }
        BinaryPrimitives.WriteInt32BigEndian(loca.AsSpan(loca.Length - 4), (int)outlines.Length);
        var head = Bytes("head");
        BinaryPrimitives.WriteInt32BigEndian(head.AsSpan(8), 0); // the sum over the file, filled in last
        BinaryPrimitives.WriteInt16BigEndian(head.AsSpan(50), 1); // long offsets
        return Assemble([.. s_kept.Where(_tables.ContainsKey).Select(t => (t, t switch
        {
            "glyf" => outlines.ToArray(),
            "head" => head,
            "loca" => loca,
            _ => Bytes(t),
        }))]);
    }

    private static byte[] Assemble((string Tag, byte[] Data)[] tables)
    {
        const uint sumOfFile = 0xB1B0AFBA;
        var start = 12 + (16 * tables.Length);
        var file = new byte[start + tables.Sum(t => Padded(t.Data.Length))];
        var power = 1 << (int)Math.Log2(tables.Length);
        BinaryPrimitives.WriteUInt32BigEndian(file, 0x00010000);
        BinaryPrimitives.WriteUInt16BigEndian(file.AsSpan(4), (ushort)tables.Length);
        BinaryPrimitives.WriteUInt16BigEndian(file.AsSpan(6), (ushort)(power * 16));
        BinaryPrimitives.WriteUInt16BigEndian(file.AsSpan(8), (ushort)Math.Log2(power));
        BinaryPrimitives.WriteUInt16BigEndian(file.AsSpan(10), (ushort)((tables.Length - power) * 16));
        var (at, head) = (start, 0);
        foreach (var (i, (tag, data)) in tables.Index())
        {
            data.CopyTo(file, at);
            var row = file.AsSpan(12 + (16 * i));
            Encoding.ASCII.GetBytes(tag, row);
            BinaryPrimitives.WriteUInt32BigEndian(row[4..], Sum(file.AsSpan(at, Padded(data.Length))));
            BinaryPrimitives.WriteInt32BigEndian(row[8..], at);
            BinaryPrimitives.WriteInt32BigEndian(row[12..], data.Length);
            head = tag == "head" ? at : head;
            at += Padded(data.Length);
        }
        BinaryPrimitives.WriteUInt32BigEndian(file.AsSpan(head + 8), unchecked(sumOfFile - Sum(file)));
        return file;

        static int Padded(int length) => (length + 3) / 4 * 4;
    }

    private static uint Sum(ReadOnlySpan<byte> data)
    {
        uint sum = 0;
        for (var i = 0; i < data.Length; i += 4)
        {
            sum = unchecked(sum + BinaryPrimitives.ReadUInt32BigEndian(data[i..]));
        }
        return sum;
    }

    // The glyphs that a composite glyph is made of.
    private IEnumerable<ushort> PartsOf(ushort glyph)
    {
        const int wordArguments = 1, scale = 8, more = 32, twoScales = 64, matrix = 128;
        var at = Table("glyf") + _offsets[glyph];
        if (_offsets[glyph] == _offsets[glyph + 1] || I16(at) >= 0)
        {
            yield break;
        }
        at += 10;
        for (var flags = more; (flags & more) != 0;)
        {
            flags = U16(at);
            yield return U16(at + 2);
            at += 4 + ((flags & wordArguments) != 0 ? 4 : 2)
                + ((flags & scale) != 0 ? 2 : (flags & twoScales) != 0 ? 4 : (flags & matrix) != 0 ? 8 : 0);
        }
    }

    private Dictionary<int, ushort> ReadCmap()
    {
        var cmap = Table("cmap");
        var map = new Dictionary<int, ushort>();
        var unicode = Enumerable.Range(0, U16(cmap + 2)).Select(i => cmap + 4 + (8 * i))
            .Where(at => (U16(at), U16(at + 2)) is (0, _) or (3, 1) or (3, 10)).Select(at => cmap + I32(at + 4)).Distinct();
        foreach (var table in unicode)
        {
            if (U16(table) == 4)
            {
                ReadSegments(table, map);
            }
            else if (U16(table) == 12)
            {
                for (var group = table + 16; group < table + 16 + (12 * I32(table + 12)); group += 12)
                {
                    for (var c = I32(group); c <= I32(group + 4); c++)
                    {
                        map[c] = (ushort)(I32(group + 8) + c - I32(group));
                    }
                }
            }
        }
        return map.Count > 0 ? map : throw new FormatException($"the font {Name} has no Unicode cmap of format 4 or 12");
    }

    private void ReadSegments(int table, Dictionary<int, ushort> map)
    {
        var twice = (int)U16(table + 6);
        for (var i = 0; i < twice; i += 2)
        {
            var (last, first) = (U16(table + 14 + i), U16(table + 16 + twice + i));
            var delta = U16(table + 16 + (2 * twice) + i);
            var at = table + 16 + (3 * twice) + i;
            var range = U16(at);
            for (var c = (int)first; c <= last && c != 0xFFFF; c++)
            {
                var glyph = range == 0 ? c : U16(at + range + (2 * (c - first)));
                map[c] = (ushort)(range != 0 && glyph == 0 ? 0 : (glyph + delta) & 0xFFFF);
            }
        }
    }

    private int Scaled(int units) => (int)Model.Money.DivideRounded((Int128)units * 1000, UnitsPerEm);

    private int Table(string tag) => _tables[tag].Offset;

    private byte[] Bytes(string tag) => _file.AsSpan(_tables[tag].Offset, _tables[tag].Length).ToArray();

    private ushort U16(int at) => BinaryPrimitives.ReadUInt16BigEndian(_file.AsSpan(at));

    private short I16(int at) => BinaryPrimitives.ReadInt16BigEndian(_file.AsSpan(at));

    private int I32(int at) => BinaryPrimitives.ReadInt32BigEndian(_file.AsSpan(at));
}
