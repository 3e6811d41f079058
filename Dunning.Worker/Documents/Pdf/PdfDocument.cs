using System.Globalization;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using NodaTime;
using NodaTime.Text;

namespace Dunning.Documents.Pdf;

/// <summary>Which standard a file keeps. Attachments need <see cref="A3b"/>.</summary>
public enum PdfConformance { A1b, A3b }

/// <summary>What a document says about itself.</summary>
/// <param name="Title">Its title.</param>
/// <param name="Author">Who made it.</param>
/// <param name="Language">Such as <c>fr</c>.</param>
/// <param name="At">When: part of the bytes, so it is the document's own instant, not that of the writing.</param>
public sealed record PdfInfo(string Title, string Author, string Language, Instant At);

/// <summary>A file in the document.</summary>
/// <param name="Name">File name, ASCII.</param>
/// <param name="MediaType">Such as <c>text/xml</c>.</param>
/// <param name="Relationship">Its relationship to the document: <c>Alternative</c>, <c>Data</c>, <c>Source</c>, <c>Supplement</c>.</param>
/// <param name="Description">For people.</param>
/// <param name="Content">The file.</param>
public sealed record PdfAttachment(string Name, string MediaType, string Relationship, string Description, byte[] Content);

/// <summary>
/// A PDF/A file: text in embedded fonts, lines, boxes, attachments. What it is given decides every byte: no clock, no random number, no culture.
/// </summary>
public sealed class PdfDocument(PdfInfo info, PdfConformance conformance = PdfConformance.A3b)
{
    private const string Producer = "Dunning";

    private readonly List<PdfPage> _pages = [];
    private readonly List<PdfFont> _fonts = [];
    private readonly List<PdfImage> _images = [];
    private readonly List<PdfAttachment> _attachments = [];
    private readonly List<byte[]> _objects = [];

    /// <summary>Pages so far.</summary>
    public IReadOnlyList<PdfPage> Pages => _pages;

    /// <summary>RDF that goes into the document's XMP beside its own: <c>rdf:Description</c> elements.</summary>
    public string? ExtraMetadata { get; set; }

    /// <summary>Begins a page.</summary>
    public PdfPage AddPage()
    {
        _pages.Add(new PdfPage());
        return _pages[^1];
    }

    /// <summary>Takes a font into the document. Only what is used of it is written.</summary>
    public PdfFont AddFont(TrueTypeFont face)
    {
        _fonts.Add(new PdfFont(string.Create(CultureInfo.InvariantCulture, $"F{_fonts.Count + 1}"), face));
        return _fonts[^1];
    }

    /// <summary>Takes a picture into the document, and names it.</summary>
    public string AddImage(PdfImage image)
    {
        _images.Add(image);
        return ImageName(_images.Count);
    }

    /// <summary>Attaches a file.</summary>
    public void Attach(PdfAttachment attachment) => _attachments.Add(conformance == PdfConformance.A3b ? attachment
        : throw new InvalidOperationException("PDF/A-1 has no attachments"));

    /// <summary>The file.</summary>
    public byte[] Save()
    {
        _objects.Clear();
        var (catalog, pages) = (Reserve(), Reserve());
        var fonts = string.Join(' ', _fonts.Where(f => f.Used.Count > 0).Select(f => $"/{f.Resource} {Ref(WriteFont(f))}"));
        var images = string.Join(' ', _images.Select((image, i) => $"/{ImageName(i + 1)} {Ref(AddStream(image.Entries, image.Data, compress: false))}"));
        var pictures = images.Length == 0 ? "" : $"/XObject << {images} >> ";
        var kids = _pages.Select(page => Add(
            $"<< /Type /Page /Parent {Ref(pages)} /MediaBox [0 0 {Number(PdfPage.Width)} {Number(PdfPage.Height)}] " +
            $"/Resources << /Font << {fonts} >> {pictures}>> /Contents {Ref(AddStream("", page.Content))} >>")).ToList();
        Set(pages, $"<< /Type /Pages /Count {Number(kids.Count)} /Kids [{string.Join(' ', kids.Select(Ref))}] >>");
        var metadata = AddStream("/Type /Metadata /Subtype /XML ", Encoding.UTF8.GetBytes(Xmp.Write(info, Producer, conformance, ExtraMetadata)), compress: false);
        var profile = AddStream("/N 3 ", SrgbProfile.Bytes);
        var intent = Add(
            $"<< /Type /OutputIntent /S /GTS_PDFA1 /OutputConditionIdentifier ({SrgbProfile.Name}) /Info ({SrgbProfile.Name}) /DestOutputProfile {Ref(profile)} >>");
        var files = _attachments.OrderBy(a => a.Name, StringComparer.Ordinal).Select(a => (a.Name, Object: WriteAttachment(a))).ToList();
        Set(catalog, $"<< /Type /Catalog /Pages {Ref(pages)} /Metadata {Ref(metadata)} /OutputIntents [{Ref(intent)}] /Lang {Literal(info.Language)} "
            + "/ViewerPreferences << /DisplayDocTitle true >> "
            + (files.Count == 0 ? "" : $"/AF [{string.Join(' ', files.Select(f => Ref(f.Object)))}] /PageMode /UseAttachments "
                + $"/Names << /EmbeddedFiles << /Names [{string.Join(' ', files.Select(f => $"{Literal(f.Name)} {Ref(f.Object)}"))}] >> >> ") + ">>");
        var about = Add($"<< /Title {Unicode(info.Title)} /Author {Unicode(info.Author)} /Creator ({Producer}) /Producer ({Producer}) "
            + $"/CreationDate ({Date}) /ModDate ({Date}) >>");
        return Assemble(catalog, about);
    }

    private string Date => InstantPattern.CreateWithInvariantCulture("'D:'uuuuMMddHHmmss'Z'").Format(info.At);

    private byte[] Assemble(int catalog, int about)
    {
        using var file = new MemoryStream();
        // Four bytes above 127: those who guess should guess that it is binary.
        Write(conformance == PdfConformance.A1b ? "%PDF-1.4\n%" : "%PDF-1.7\n%");
        file.Write([0xE2, 0xE3, 0xCF, 0xD3, (byte)'\n']);
        var offsets = new List<long>();
        foreach (var (i, content) in _objects.Index())
        {
            offsets.Add(file.Length);
            Write($"{Number(i + 1)} 0 obj\n");
            file.Write(content);
            Write("\nendobj\n");
        }
        var id = Convert.ToHexString(SHA256.HashData(file.ToArray()))[..32];
        var table = file.Length;
        Write($"xref\n0 {Number(offsets.Count + 1)}\n0000000000 65535 f \n");
        offsets.ForEach(o => Write(o.ToString("D10", CultureInfo.InvariantCulture) + " 00000 n \n"));
        Write($"trailer\n<< /Size {Number(offsets.Count + 1)} /Root {Ref(catalog)} /Info {Ref(about)} /ID [<{id}> <{id}>] >>\nstartxref\n{Number(table)}\n%%EOF\n");
        return file.ToArray();

        void Write(string text) => file.Write(Encoding.Latin1.GetBytes(text));
    }

    private int WriteFont(PdfFont font)
    {
        var (face, used) = (font.Face, font.Used);
        var subset = face.Subset(used.Keys);
        var tag = string.Concat(SHA256.HashData(subset).Take(6).Select(b => (char)('A' + (b % 26)))) + "+" + face.Name;
        var file = AddStream($"/Length1 {Number(subset.Length)} ", subset);
        var set = conformance == PdfConformance.A1b ? $"/CIDSet {Ref(AddStream("", SetOf(face.WithParts(used.Keys))))} " : "";
        var descriptor = Add($"<< /Type /FontDescriptor /FontName /{tag} /Flags 4 /FontBBox [{Number(face.XMin)} {Number(face.YMin)} {Number(face.XMax)} {Number(face.YMax)}] "
            + $"/ItalicAngle 0 /Ascent {Number(face.Ascent)} /Descent {Number(face.Descent)} /CapHeight {Number(face.CapHeight)} /StemV 80 {set}/FontFile2 {Ref(file)} >>");
        var widths = string.Join(' ', used.Keys.Prepend((ushort)0).Distinct().Select(g => $"{Number(g)} [{Number(face.WidthOf(g))}]"));
        var descendant = Add($"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /{tag} /CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> "
            + $"/FontDescriptor {Ref(descriptor)} /CIDToGIDMap /Identity /DW 0 /W [{widths}] >>");
        return Add($"<< /Type /Font /Subtype /Type0 /BaseFont /{tag} /Encoding /Identity-H /DescendantFonts [{Ref(descendant)}] "
            + $"/ToUnicode {Ref(AddStream("", Encoding.ASCII.GetBytes(ToUnicode(used))))} >>");
    }

    // PDF/A-1 asks for the set of a subset's glyphs, a bit each; later parts did away with it.
    private static byte[] SetOf(IReadOnlySet<ushort> glyphs)
    {
        var set = new byte[(glyphs.Max() / 8) + 1];
        foreach (var glyph in glyphs)
        {
            set[glyph / 8] |= (byte)(0x80 >> (glyph % 8));
        }
        return set;
    }

    private static string ToUnicode(IReadOnlyDictionary<ushort, string> used)
    {
        var map = new StringBuilder(
            "/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def\n"
            + "/CMapName /Adobe-Identity-UCS def\n/CMapType 2 def\n1 begincodespacerange\n<0000> <FFFF>\nendcodespacerange\n");
        foreach (var part in used.Chunk(100)) // the most that one block may hold
        {
            map.Append(CultureInfo.InvariantCulture, $"{part.Length} beginbfchar\n");
            foreach (var (glyph, text) in part)
            {
                map.Append(CultureInfo.InvariantCulture, $"<{glyph:X4}> <{Convert.ToHexString(Encoding.BigEndianUnicode.GetBytes(text))}>\n");
            }
            map.Append("endbfchar\n");
        }
        return map.Append("endcmap\nCMapName currentdict /CMap defineresource pop\nend\nend\n").ToString();
    }

    private int WriteAttachment(PdfAttachment attachment)
    {
        var file = AddStream($"/Type /EmbeddedFile /Subtype /{attachment.MediaType.Replace("/", "#2F", StringComparison.Ordinal)} "
            + $"/Params << /Size {Number(attachment.Content.Length)} /ModDate ({Date}) >> ", attachment.Content);
        return Add($"<< /Type /Filespec /F {Literal(attachment.Name)} /UF {Unicode(attachment.Name)} /AFRelationship /{attachment.Relationship} "
            + $"/Desc {Unicode(attachment.Description)} /EF << /F {Ref(file)} /UF {Ref(file)} >> >>");
    }

    private static string ImageName(int number) => "Im" + Number(number);

    private int Reserve()
    {
        _objects.Add([]);
        return _objects.Count;
    }

    private int Add(string content)
    {
        var number = Reserve();
        Set(number, content);
        return number;
    }

    private void Set(int number, string content) => _objects[number - 1] = Encoding.Latin1.GetBytes(content);

    // Metadata stays readable for those that search files for it.
    private int AddStream(string entries, byte[] data, bool compress = true)
    {
        using var body = new MemoryStream();
        if (compress)
        {
            using var zlib = new ZLibStream(body, CompressionLevel.Optimal, leaveOpen: true);
            zlib.Write(data);
        }
        else
        {
            body.Write(data);
        }
        var bytes = body.ToArray();
        var number = Reserve();
        _objects[number - 1] = [
            .. Encoding.Latin1.GetBytes($"<< {entries}{(compress ? "/Filter /FlateDecode " : "")}/Length {Number(bytes.Length)} >>\nstream\n"),
            .. bytes, .. "\nendstream"u8];
        return number;
    }

    private static string Ref(int number) => $"{Number(number)} 0 R";

    private static string Literal(string ascii) =>
        "(" + ascii.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("(", "\\(", StringComparison.Ordinal).Replace(")", "\\)", StringComparison.Ordinal) + ")";

    private static string Unicode(string text) => $"<FEFF{Convert.ToHexString(Encoding.BigEndianUnicode.GetBytes(text))}>";

    private static string Number(IFormattable value) => value.ToString("0.###", CultureInfo.InvariantCulture);
}
