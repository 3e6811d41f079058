using System.Buffers.Binary;
using System.Globalization;
using System.IO.Compression;

namespace Dunning.Documents.Pdf;

/// <summary>
/// A picture as PDF takes it: a JPEG as it is, a PNG as pixels on white, for paper has nothing that could shine through. The standards ask for no colour
/// profile of its own where it is sRGB, as pictures for screens are.
/// </summary>
public sealed class PdfImage
{
    /// <summary>It stands in every document.</summary>
    public const int MaxBytes = 256 * 1024;

    /// <summary>Far more than print needs.</summary>
    public const int MaxSide = 2000;

    private PdfImage(int width, int height, string colors, string filter, byte[] data) =>
        (Width, Height, Data, Entries) = (width, height, data, string.Create(CultureInfo.InvariantCulture,
            $"/Type /XObject /Subtype /Image /Width {width} /Height {height} /ColorSpace /{colors} /BitsPerComponent 8 /Filter /{filter} "));

    /// <summary>Pixels.</summary>
    public int Width { get; }

    /// <summary>Pixels.</summary>
    public int Height { get; }

    internal string Entries { get; }

    internal byte[] Data { get; }

    /// <summary>Reads a PNG or a JPEG; or says what is wrong with it, as the end of a sentence.</summary>
    public static (PdfImage? Image, string? Fault) Read(byte[] file)
    {
        if (file.Length > MaxBytes)
        {
            return (null, string.Create(CultureInfo.InvariantCulture, $"it has more than {MaxBytes / 1024} KB, and stands in every document"));
        }
        try
        {
            var image = file is [0x89, (byte)'P', (byte)'N', (byte)'G', ..] ? ReadPng(file)
                : file is [0xFF, 0xD8, ..] ? ReadJpeg(file) : throw new InvalidDataException("it is neither a PNG nor a JPEG");
            return (image, null);
        }
        catch (InvalidDataException e)
        {
            return (null, e.Message);
        }
        catch (Exception e) when (e is ArgumentOutOfRangeException or IndexOutOfRangeException or EndOfStreamException)
        {
            return (null, "it ends in the middle");
        }
    }

    private static PdfImage ReadJpeg(byte[] file)
    {
        for (var at = 2; ;)
        {
            var marker = file[at + 1];
            var part = file.AsSpan(at + 2);
            if (file[at] != 0xFF)
            {
                throw new InvalidDataException("it is no whole JPEG");
            }
            if (marker == 0xFF)
            {
                at++; // a fill byte
                continue;
            }
            if (marker is 0xC0 or 0xC1 or 0xC2)
            {
                var (height, width) = (BinaryPrimitives.ReadUInt16BigEndian(part[3..]), BinaryPrimitives.ReadUInt16BigEndian(part[5..]));
                CheckSides(width, height);
                return new PdfImage(width, height, part[7] switch
                {
                    1 => "DeviceGray",
                    3 => "DeviceRGB",
                    _ => throw new InvalidDataException("it is a JPEG for printers (CMYK): save it as RGB"),
                }, "DCTDecode", file);
            }
            if (marker is 0xDA or 0xD9)
            {
                throw new InvalidDataException("it is no JPEG of a common kind: save it as a baseline or progressive one");
            }
            at += 2 + BinaryPrimitives.ReadUInt16BigEndian(part);
        }
    }

    private static PdfImage ReadPng(byte[] file)
    {
        var (header, palette, clear) = (default(ReadOnlyMemory<byte>), default(ReadOnlyMemory<byte>), default(ReadOnlyMemory<byte>));
        using var packed = new MemoryStream();
        for (var at = 8; ;)
        {
            var length = BinaryPrimitives.ReadInt32BigEndian(file.AsSpan(at));
            var (type, data) = (BinaryPrimitives.ReadInt32BigEndian(file.AsSpan(at + 4)), file.AsMemory(at + 8, length));
            switch (type)
            {
                case 0x49484452: // IHDR
                    header = data;
                    break;
                case 0x504C5445: // PLTE
                    palette = data;
                    break;
                case 0x74524E53: // tRNS
                    clear = data;
                    break;
                case 0x49444154: // IDAT
                    packed.Write(data.Span);
                    break;
                case 0x49454E44: // IEND
                    packed.Position = 0;
                    return FromPixels(header.Span, palette.Span, clear.Span, packed);
                default:
                    break;
            }
            at += 12 + length;
        }
    }

    private static PdfImage FromPixels(ReadOnlySpan<byte> header, ReadOnlySpan<byte> palette, ReadOnlySpan<byte> clear, Stream packed)
    {
        var (width, height, depth, kind) = (BinaryPrimitives.ReadInt32BigEndian(header), BinaryPrimitives.ReadInt32BigEndian(header[4..]), (int)header[8], header[9]);
        CheckSides(width, height);
        if (header[12] != 0)
        {
            throw new InvalidDataException("it is an interlaced PNG: save it without interlacing");
        }
        var channels = kind switch { 0 or 3 => 1, 2 => 3, 4 => 2, 6 => 4, _ => throw new InvalidDataException("it is no PNG of a known kind") };
        if (depth is not (1 or 2 or 4 or 8 or 16))
        {
            throw new InvalidDataException("it is no PNG of a known depth");
        }
        var (stride, step) = (((width * channels * depth) + 7) / 8, Math.Max(1, channels * depth / 8));
        var (line, above, rgb) = (new byte[stride], new byte[stride], new byte[width * height * 3]);
        using var plain = new ZLibStream(packed, CompressionMode.Decompress);
        Span<int> samples = stackalloc int[4];
        for (var y = 0; y < height; y++)
        {
            var filter = plain.ReadByte();
            plain.ReadExactly(line);
            Unfilter(filter, line, above, step);
            for (var x = 0; x < width; x++)
            {
                for (var c = 0; c < channels; c++)
                {
                    samples[c] = Sample(line, (x * channels) + c, depth);
                }
                var (red, green, blue, alpha) = Pixel(kind, depth, samples, palette, clear);
                var to = ((y * width) + x) * 3;
                (rgb[to], rgb[to + 1], rgb[to + 2]) = (OnWhite(red, alpha), OnWhite(green, alpha), OnWhite(blue, alpha));
            }
            (line, above) = (above, line);
        }
        using var data = new MemoryStream();
        using (var zlib = new ZLibStream(data, CompressionLevel.Optimal, leaveOpen: true))
        {
            zlib.Write(rgb);
        }
        return new PdfImage(width, height, "DeviceRGB", "FlateDecode", data.ToArray());
    }

    // Each of 0 to 255.
    private static (int Red, int Green, int Blue, int Alpha) Pixel(
        byte kind, int depth, ReadOnlySpan<int> samples, ReadOnlySpan<byte> palette, ReadOnlySpan<byte> clear)
    {
        if (kind == 3)
        {
            var i = samples[0];
            return (palette[3 * i], palette[(3 * i) + 1], palette[(3 * i) + 2], i < clear.Length ? clear[i] : 255);
        }
        var isGray = kind is 0 or 4;
        var (red, green, blue) = isGray ? (samples[0], samples[0], samples[0]) : (samples[0], samples[1], samples[2]);
        // One colour may be declared clear.
        var isClear = clear.Length > 0 && red == Declared(clear, 0) && (isGray || (green == Declared(clear, 1) && blue == Declared(clear, 2)));
        return (Scaled(red), Scaled(green), Scaled(blue), kind is 4 or 6 ? Scaled(samples[isGray ? 1 : 3]) : isClear ? 0 : 255);

        static int Declared(ReadOnlySpan<byte> clear, int channel) => BinaryPrimitives.ReadUInt16BigEndian(clear[(2 * channel)..]);

        int Scaled(int sample) => depth == 16 ? sample >> 8 : sample * 255 / ((1 << depth) - 1);
    }

    private static int Sample(ReadOnlySpan<byte> line, int index, int depth) => depth switch
    {
        8 => line[index],
        16 => BinaryPrimitives.ReadUInt16BigEndian(line[(2 * index)..]),
        _ => (line[index * depth / 8] >> (8 - depth - (index * depth % 8))) & ((1 << depth) - 1),
    };

    private static void Unfilter(int filter, Span<byte> line, ReadOnlySpan<byte> above, int step)
    {
        for (var i = 0; i < line.Length; i++)
        {
            var (left, up, corner) = (i < step ? 0 : line[i - step], (int)above[i], i < step ? 0 : above[i - step]);
            line[i] = unchecked((byte)(line[i] + filter switch
            {
                0 => 0,
                1 => left,
                2 => up,
                3 => (left + up) / 2,
                4 => Paeth(left, up, corner),
                _ => throw new InvalidDataException("its pixels can't be read"),
            }));
        }
    }

    private static int Paeth(int left, int up, int corner)
    {
        var (toLeft, toUp, toCorner) = (Math.Abs(up - corner), Math.Abs(left - corner), Math.Abs(left + up - (2 * corner)));
        return toLeft <= toUp && toLeft <= toCorner ? left : toUp <= toCorner ? up : corner;
    }

    private static byte OnWhite(int part, int alpha) => (byte)(((part * alpha) + (255 * (255 - alpha)) + 127) / 255);

    private static void CheckSides(int width, int height)
    {
        if (width is < 1 or > MaxSide || height is < 1 or > MaxSide)
        {
            throw new InvalidDataException(string.Create(CultureInfo.InvariantCulture, $"it is {width} × {height} pixels, and each side must be from 1 to {MaxSide}"));
        }
    }
}
