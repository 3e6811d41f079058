using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using Dunning.Documents;
using Dunning.Documents.Pdf;

namespace Dunning.Tests.Documents;

/// <summary>A logo is on the page as its owner sees it, and one that can't be is refused at start.</summary>
public sealed class PdfImageTests
{
    // Kind and depth of a PNG of two pixels, its palette and clear colour, its one line; and the two pixels as they stand on white paper.
    public static TheoryData<string, byte, byte, string, string, string, string> Kinds { get; } = new()
    {
        { "rgb", 2, 8, "", "", "FF0000 102030", "FF0000 102030" },
        { "rgb of 16 bits", 2, 16, "", "", "FF0000000000 10AA20BB30CC", "FF0000 102030" },
        { "rgb with a clear colour", 2, 8, "", "0010 0020 0030", "FF0000 102030", "FF0000 FFFFFF" },
        { "rgb with alpha", 6, 8, "", "", "FF0000FF 00000080", "FF0000 7F7F7F" },
        { "rgb with alpha of 16 bits", 6, 16, "", "", "FFFF000000000000 FFFF00000000FFFF", "FFFFFF FF0000" },
        { "gray", 0, 8, "", "", "00 80", "000000 808080" },
        { "gray of one bit", 0, 1, "", "", "40", "000000 FFFFFF" },
        { "gray of four bits", 0, 4, "", "", "0F", "000000 FFFFFF" },
        { "gray of two bits with a clear one", 0, 2, "", "0001", "90", "AAAAAA FFFFFF" },
        { "gray with alpha", 4, 8, "", "", "00FF 0000", "000000 FFFFFF" },
        { "palette", 3, 8, "FF0000 00FF00 0000FF", "", "02 00", "0000FF FF0000" },
        { "palette of four bits with a clear one", 3, 4, "FF0000 00FF00 0000FF", "FF00", "21", "0000FF FFFFFF" },
    };

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_png_is_its_pixels_on_white(string what, byte kind, byte depth, string palette, string clear, string line, string pixels)
    {
        var (image, fault) = PdfImage.Read(Png(2, 1, kind, depth, Hex(palette), Hex(clear), [0, .. Hex(line)]));
        Assert.True(fault is null, what + ": " + fault);
        Assert.Equal((2, 1), (image!.Width, image.Height));
        Assert.Equal(Hex(pixels), PixelsOf(image));
    }

    [Fact]
    public void Every_way_of_writing_a_line_gives_the_same_line()
    {
        // Each line is 40 50 60, 80 90 A0: plain, less its left, its upper, the mean of both, and the nearest of three.
        byte[] lines =
        [
            0, 0x40, 0x50, 0x60, 0x80, 0x90, 0xA0,
            1, 0x40, 0x50, 0x60, 0x40, 0x40, 0x40,
            2, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
            3, 0x20, 0x28, 0x30, 0x20, 0x20, 0x20,
            4, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        ];
        var image = PdfImage.Read(Png(2, 5, 2, 8, [], [], lines)).Image!;
        Assert.Equal(Enumerable.Repeat(Hex("405060 8090A0"), 5).SelectMany(b => b), PixelsOf(image));
    }

    [Theory]
    [InlineData(3, "/ColorSpace /DeviceRGB")]
    [InlineData(1, "/ColorSpace /DeviceGray")]
    public void A_jpeg_stands_in_the_document_as_it_is(byte components, string entry)
    {
        var jpeg = Jpeg(0xC2, components);
        var page = Page(PdfImage.Read(jpeg).Image!);
        Assert.Contains("/Width 300 /Height 200 " + entry + " /BitsPerComponent 8 /Filter /DCTDecode", page.Object(PdfFile.Number(page.Object(page.Pages.Single()), "Im1")));
        Assert.Equal(jpeg, page.Stream(PdfFile.Number(page.Object(page.Pages.Single()), "Im1")));
    }

    [Fact]
    public void What_cannot_stand_on_a_page_is_told()
    {
        var png = Png(2, 1, 2, 8, [], [], [0, 1, 2, 3, 4, 5, 6]);
        var interlaced = png.ToArray();
        interlaced[28] = 1;
        foreach (var (file, fault) in new (byte[] File, string Fault)[]
        {
            ("GIF89a"u8.ToArray(), "it is neither a PNG nor a JPEG"), ([], "neither"), (png[..50], "it ends in the middle"), (interlaced, "interlaced"),
            (Png(2001, 1, 2, 8, [], [], [0]), "it is 2001 × 1 pixels, and each side must be from 1 to 2000"), (Png(2, 1, 2, 8, [], [], [0, 1]), "ends in the middle"),
            (Png(2, 1, 2, 8, [], [], [9, 1, 2, 3, 4, 5, 6]), "its pixels can't be read"), (Png(2, 1, 3, 8, [1, 2, 3], [], [0, 0, 9]), "ends in the middle"),
            (Jpeg(0xC0, 4), "CMYK"), (Jpeg(0xC9, 3), "no JPEG of a common kind"), ([0xFF, 0xD8, 0xFF], "ends in the middle"), (new byte[PdfImage.MaxBytes + 1], "more than 256 KB"),
        })
        {
            var (image, told) = PdfImage.Read(file);
            Assert.Null(image);
            Assert.Contains(fault, told, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_logo_stands_at_the_head_instead_of_the_name()
    {
        var look = new DocumentLook { Logo = PdfImage.Read(Png(2, 1, 2, 8, [], [], [0, 1, 2, 3, 4, 5, 6])).Image, Accent = new PdfColor(0xFF, 0, 0) };
        byte[] Render() => new PdfRenderer(DocumentSamples.Texts, look).Render(DocumentKind.Invoice, DocumentSamples.All["long"], DocumentSamples.In("fr"));
        Assert.Equal(Render(), Render());
        var file = new PdfFile(Render());
        var contents = file.Pages.Select(p => file.StreamText(PdfFile.Number(file.Object(p), "Contents"))).ToList();
        Assert.Contains("q 80 0 0 40 56 767.89 cm /Im1 Do Q", contents[0], StringComparison.Ordinal); // within 180 × 40 points, above the line
        Assert.Contains("1 0 0 RG", contents[0], StringComparison.Ordinal);
        Assert.All(contents[1..], c => Assert.DoesNotContain("Do Q", c, StringComparison.Ordinal));
        Assert.DoesNotContain("Nuage & Cie", file.AllText);
        Assert.Contains("Nuage SAS", file.AllText);
    }

    private static byte[] PixelsOf(PdfImage image)
    {
        var page = Page(image);
        return page.Stream(PdfFile.Number(page.Object(page.Pages.Single()), "Im1"));
    }

    private static PdfFile Page(PdfImage image)
    {
        var document = new PdfDocument(new PdfInfo("t", "a", "en", DocumentSamples.IssuedAt));
        document.AddPage().Image(50, 50, 100, 50, document.AddImage(image));
        return new PdfFile(document.Save());
    }

    private static byte[] Hex(string text) => Convert.FromHexString(text.Replace(" ", "", StringComparison.Ordinal));

    private static byte[] Jpeg(byte frame, byte components) =>
        [0xFF, 0xD8, 0xFF, 0xE0, 0, 4, 1, 2, 0xFF, 0xFF, frame, 0, 8, 8, 0, 200, 1, 44, components, 0xFF, 0xDA, 0, 2, 0xFF, 0xD9];

    private static byte[] Png(int width, int height, byte kind, byte depth, byte[] palette, byte[] clear, byte[] lines)
    {
        using var file = new MemoryStream();
        file.Write([0x89, .. "PNG\r\n"u8, 0x1A, (byte)'\n']);
        var header = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, width);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), height);
        (header[8], header[9]) = (depth, kind);
        Chunk("IHDR", header);
        Chunk("gAMA", [0, 0, 0, 1]);
        if (palette.Length > 0)
        {
            Chunk("PLTE", palette);
        }
        if (clear.Length > 0)
        {
            Chunk("tRNS", clear);
        }
        using var packed = new MemoryStream();
        using (var zlib = new ZLibStream(packed, CompressionLevel.Fastest, leaveOpen: true))
        {
            zlib.Write(lines);
        }
        Chunk("IDAT", packed.ToArray()[..3]);
        Chunk("IDAT", packed.ToArray()[3..]);
        Chunk("IEND", []);
        return file.ToArray();

        void Chunk(string type, byte[] data)
        {
            var length = new byte[4];
            BinaryPrimitives.WriteInt32BigEndian(length, data.Length);
            file.Write([.. length, .. Encoding.ASCII.GetBytes(type), .. data, 0, 0, 0, 0]);
        }
    }
}
