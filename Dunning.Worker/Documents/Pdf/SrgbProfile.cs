using System.Buffers.Binary;
using System.Text;

namespace Dunning.Documents.Pdf;

/// <summary>
/// An ICC profile (version 2.1, a display's) of the colours of IEC 61966-2-1: sRGB's primaries, adapted to D50, and its curve at 1,024 points.
/// Made here, since the copyright of the usual files is somebody's.
/// </summary>
internal static class SrgbProfile
{
    /// <summary>What the profile calls itself.</summary>
    public const string Name = "sRGB IEC61966-2.1";

    private const int Points = 1024;

    private static readonly Lazy<byte[]> s_bytes = new(Make);

    /// <summary>The profile's file.</summary>
    public static byte[] Bytes => s_bytes.Value;

    private static byte[] Make()
    {
        var curve = Tag("curv", 4 + (2 * Points), data =>
        {
            BinaryPrimitives.WriteInt32BigEndian(data, Points);
            for (var i = 0; i < Points; i++)
            {
                BinaryPrimitives.WriteUInt16BigEndian(data[(4 + (2 * i))..], Linear((double)i / (Points - 1)));
            }
        });
        (string Name, byte[] Data)[] tags =
        [
            ("desc", Description()),
            ("cprt", Tag("text", 14, d => Encoding.ASCII.GetBytes("Public domain", d))),
            ("wtpt", Xyz(0xF6D6, 0x10000, 0xD32D)),
            ("rXYZ", Xyz(0x6FA2, 0x38F5, 0x0390)),
            ("gXYZ", Xyz(0x6299, 0xB785, 0x18DA)),
            ("bXYZ", Xyz(0x24A0, 0x0F84, 0xB6CF)),
            ("rTRC", curve), ("gTRC", curve), ("bTRC", curve),
        ];
        var table = 128 + 4 + (12 * tags.Length);
        var placed = new Dictionary<byte[], int>(); // the three curves are one array, and stand in the file once
        var length = table;
        foreach (var (_, data) in tags.Where(t => placed.TryAdd(t.Data, 0)))
        {
            placed[data] = length;
            length += data.Length;
        }
        var file = new byte[length];
        var head = file.AsSpan();
        BinaryPrimitives.WriteInt32BigEndian(head, length);
        BinaryPrimitives.WriteInt32BigEndian(head[8..], 0x02100000);
        Encoding.ASCII.GetBytes("mntrRGB XYZ ", head[12..]);
        BinaryPrimitives.WriteUInt16BigEndian(head[24..], 2026);
        head[27] = head[29] = 1;
        Encoding.ASCII.GetBytes("acsp", head[36..]);
        Xyz(0xF6D6, 0x10000, 0xD32D).AsSpan(8).CopyTo(head[68..]); // the illuminant, D50
        BinaryPrimitives.WriteInt32BigEndian(head[128..], tags.Length);
        foreach (var (i, (name, data)) in tags.Index())
        {
            var row = file.AsSpan(132 + (12 * i));
            Encoding.ASCII.GetBytes(name, row);
            BinaryPrimitives.WriteInt32BigEndian(row[4..], placed[data]);
            BinaryPrimitives.WriteInt32BigEndian(row[8..], data.Length);
            data.CopyTo(file, placed[data]);
        }
        return file;
    }

    private static ushort Linear(double value) =>
        (ushort)Math.Round(65535 * (value <= 0.04045 ? value / 12.92 : Math.Pow((value + 0.055) / 1.055, 2.4)), MidpointRounding.AwayFromZero);

    private static byte[] Xyz(params int[] values) => Tag("XYZ ", 12, data =>
    {
        for (var i = 0; i < 3; i++)
        {
            BinaryPrimitives.WriteInt32BigEndian(data[(4 * i)..], values[i]);
        }
    });

    // ASCII with its length, then empty Unicode and Macintosh forms.
    private static byte[] Description() => Tag("desc", 4 + Name.Length + 1 + 4 + 4 + 2 + 1 + 67, data =>
    {
        BinaryPrimitives.WriteInt32BigEndian(data, Name.Length + 1);
        Encoding.ASCII.GetBytes(Name, data[4..]);
    });

    private delegate void Fill(Span<byte> data);

    private static byte[] Tag(string type, int length, Fill fill)
    {
        var tag = new byte[(8 + length + 3) / 4 * 4];
        Encoding.ASCII.GetBytes(type, tag);
        fill(tag.AsSpan(8));
        return tag;
    }
}
