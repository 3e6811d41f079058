using System.Buffers.Binary;
using System.Text;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Dunning.Documents;
using Dunning.Documents.Pdf;
using Dunning.Model;

namespace Dunning.Tests.Documents;

/// <summary>What a document says and is, read back from its bytes.</summary>
public sealed class PdfRendererTests
{
    public static TheoryData<string> Cases { get; } = [.. DocumentSamples.All.Keys];

    [Theory]
    [MemberData(nameof(Cases))]
    public void The_same_invoice_is_the_same_bytes(string name) => Assert.Equal(DocumentSamples.Render(name), DocumentSamples.Render(name));

    // A customer who pays by what the PDF says and an accountant who books what the XML says must mean the same sum.
    [Theory]
    [MemberData(nameof(Cases))]
    public void Every_figure_of_the_invoice_is_on_it(string name)
    {
        var facts = DocumentSamples.All[name];
        foreach (var code in new[] { "fr", "en" })
        {
            var (language, text) = (DocumentSamples.In(code), new PdfFile(DocumentSamples.Render(name, language: code)).AllText);
            Money[] amounts =
            [
                facts.Subtotal, facts.Tax, facts.Total, facts.StillDue, .. facts.Lines.SelectMany(l => new[] { l.UnitPrice, l.Net }),
                .. facts.VatGroups.SelectMany(g => new[] { g.Base, g.Tax }),
                .. facts.CreditApplied.Minor > 0 ? new[] { Money.Zero(facts.Total.Currency) - facts.CreditApplied } : [],
            ];
            foreach (var amount in amounts)
            {
                Assert.Contains(language.Amount(amount.Minor, amount.Currency).Replace('\u202F', '\u00A0'), text.Replace('\u202F', '\u00A0'));
            }
            string[] words =
            [
                facts.Number, language.Date(facts.IssuedOn), language.Days(facts.PeriodStart, facts.PeriodEnd), "Nuage SAS", "732\u00A0829\u00A0320",
                "FR44732829320", "RCS Lyon 732 829 320", "10 000 €", "12 rue de la République", "40", facts.Buyer.LegalName, facts.Buyer.Address.Line1, facts.Buyer.Address.City,
            ];
            Assert.All(words, w => Assert.Contains(w, text));
            Assert.Equal(facts.Buyer.VatNumber is not null, text.Contains(facts.Buyer.VatNumber ?? "no number", StringComparison.Ordinal));
        }
    }

    [Theory]
    [InlineData("domestic", "À payer : 53,96 €")]
    [InlineData("recovered", "À payer : ")] // what the receipt tells is not the invoice's to tell
    [InlineData("paid-at-first", "Payée le 1er mars 2026 : Visa se terminant par 4242.")]
    [InlineData("all-by-credit", "Payée le 1er mars 2026 par votre crédit.")]
    [InlineData("reverse-charge", "Autoliquidation : la TVA est due par le preneur")]
    [InlineData("export", "TVA non applicable : services fournis à un client établi hors de l'Union européenne")]
    [InlineData("jpy", "15 800 ¥")]
    [InlineData("kwd", "16,745 KWD")]
    public void An_invoice_says_how_it_stands(string name, string words) =>
        Assert.Contains(words, Regex.Replace(new PdfFile(DocumentSamples.Render(name)).AllText, "[\u00A0\u202F\n]", " "));

    [Fact]
    public void A_receipt_says_that_it_is_no_invoice()
    {
        var text = new PdfFile(DocumentSamples.Render("recovered", DocumentKind.Receipt, "en")).AllText;
        Assert.Contains("This receipt proves a payment. It is not an invoice.", text);
        Assert.Contains("€1,481,481.47", text);
        Assert.Contains("Visa ending in 4242", text);
        Assert.Contains("5 March 2026", text);
        Assert.Contains("F-2026-000042 of 1 March 2026", text);
        Assert.DoesNotContain("Invoice\n", text);
    }

    [Fact]
    public void A_credit_note_names_the_invoice_that_it_cancels()
    {
        var text = new PdfFile(DocumentSamples.Render("voided", DocumentKind.CreditNote, "en")).AllText;
        Assert.Contains("A-2026-000007", text);
        Assert.Contains("10 March 2026", text);
        Assert.Contains("F-2026-000042 of 1 March 2026", text);
        Assert.Contains("€53.96", text);
        Assert.Contains("The credit of €10.00", text);
    }

    [Fact]
    public void What_did_not_happen_has_no_document()
    {
        Assert.Throws<InvalidOperationException>(() => DocumentSamples.Render("domestic", DocumentKind.Receipt));
        Assert.Throws<InvalidOperationException>(() => DocumentSamples.Render("domestic", DocumentKind.CreditNote));
    }

    [Fact]
    public void Two_hundred_lines_break_between_rows_under_a_header_on_each_page()
    {
        var file = new PdfFile(DocumentSamples.Render("long"));
        var pages = file.Pages.Select(file.Texts).ToList();
        Assert.InRange(pages.Count, 5, 10);
        Assert.All(pages, (page, i) =>
        {
            Assert.Single(page, t => t.Text == "Désignation");
            Assert.Single(page, t => t.Text == $"Page {i + 1} sur {pages.Count}");
            // Nothing is set over the foot, or over another line.
            Assert.All(page.Where(t => !t.Text.StartsWith("Page ", StringComparison.Ordinal) && t.Y > 40), t => Assert.InRange(t.Y, PdfPage.Height - 780, PdfPage.Height - 60));
            Assert.Equal(page.Count, page.Select(t => (t.X, t.Y)).Distinct().Count());
        });
        Assert.Equal(
            Enumerable.Range(1, 200),
            pages.SelectMany(p => p).Where(t => t.Text.StartsWith("Poste ", StringComparison.Ordinal)).Select(t => int.Parse(Regex.Match(t.Text, @"\d+").Value)));
    }

    // One by one, since no checker of PDF/A runs here: each of these is what one refuses a file for.
    [Fact]
    public void It_is_a_pdf_a_3b()
    {
        var file = new PdfFile(DocumentSamples.Render("domestic"));
        Assert.Equal("%PDF-1.7\n", file.Header);
        Assert.Matches(@"/ID \[<([0-9A-F]{32})> <\1>\]", file.Trailer);
        Assert.DoesNotContain("/Encrypt", file.Trailer);

        var xmp = XDocument.Parse(file.StreamText(PdfFile.Number(file.Catalog, "Metadata"))).Descendants().ToLookup(e => e.Name.LocalName, e => e.Value.Trim());
        Assert.DoesNotContain("/Filter", file.Object(PdfFile.Number(file.Catalog, "Metadata")));
        Assert.Equal(["3"], xmp["part"]);
        Assert.Equal("B", xmp["conformance"].First());
        Assert.Equal(["2026-03-01T08:00:00Z"], xmp["CreateDate"]);
        Assert.Equal(["Facture F-2026-000042"], xmp["title"]);
        Assert.Equal(["EN 16931"], xmp["ConformanceLevel"]);
        Assert.Equal(["factur-x.xml"], xmp["DocumentFileName"]);
        Assert.Equal(["INVOICE"], xmp["DocumentType"]);
        Assert.Equal(["urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#"], xmp["namespaceURI"]);
        var about = file.Object(PdfFile.Number(file.Trailer, "Info"));
        Assert.Contains("/CreationDate (D:20260301080000Z)", about);
        Assert.Contains($"/Title <FEFF{Convert.ToHexString(Encoding.BigEndianUnicode.GetBytes("Facture F-2026-000042"))}>", about);

        var intent = file.Object(PdfFile.Number(file.Catalog, "OutputIntents"));
        Assert.Contains("/S /GTS_PDFA1", intent);
        var profile = file.Stream(PdfFile.Number(intent, "DestOutputProfile"));
        Assert.Equal(profile.Length, BinaryPrimitives.ReadInt32BigEndian(profile));
        Assert.Equal("mntrRGB XYZ ", Encoding.ASCII.GetString(profile, 12, 12));
        Assert.Equal("acsp", Encoding.ASCII.GetString(profile, 36, 4));

        var attached = file.Object(PdfFile.Number(file.Catalog, "AF"));
        Assert.Contains("/AFRelationship /Alternative", attached);
        Assert.Contains("/F (factur-x.xml)", attached);
        Assert.Contains("/Subtype /text#2Fxml", file.Object(PdfFile.Number(Regex.Match(attached, "/EF << .*? >>").Value, "F")));
    }

    [Theory]
    [InlineData("domestic")]
    [InlineData("reverse-charge")]
    [InlineData("cyrillic")]
    public void Every_font_is_embedded_with_all_that_the_text_uses(string name)
    {
        var file = new PdfFile(DocumentSamples.Render(name));
        var fonts = file.Objects.Where(o => o.Contains("/Subtype /Type0", StringComparison.Ordinal)).ToList();
        Assert.Equal(2, fonts.Count);
        var contents = string.Concat(file.Pages.Select(p => file.StreamText(PdfFile.Number(file.Object(p), "Contents"))));
        foreach (var (i, font) in fonts.Index())
        {
            Assert.Contains("/Encoding /Identity-H", font);
            var descendant = file.Object(PdfFile.Number(font, "DescendantFonts"));
            Assert.Contains("/CIDToGIDMap /Identity", descendant);
            var program = file.Stream(PdfFile.Number(file.Object(PdfFile.Number(descendant, "FontDescriptor")), "FontFile2"));
            var tables = Enumerable.Range(0, BinaryPrimitives.ReadUInt16BigEndian(program.AsSpan(4))).ToDictionary(
                t => Encoding.ASCII.GetString(program, 12 + (16 * t), 4), t => BinaryPrimitives.ReadInt32BigEndian(program.AsSpan(20 + (16 * t))));
            Assert.Equal(["cvt ", "fpgm", "glyf", "head", "hhea", "hmtx", "loca", "maxp", "prep"], tables.Keys.Order(StringComparer.Ordinal));
            Assert.Equal(0xB1B0AFBAu, unchecked(Enumerable.Range(0, program.Length / 4).Aggregate(0u, (sum, w) => sum + BinaryPrimitives.ReadUInt32BigEndian(program.AsSpan(4 * w)))));
            var used = Regex.Matches(contents, $"/F{i + 1} [^<]*<([0-9A-F]*)>").SelectMany(m => m.Groups[1].Value.Chunk(4)).Select(g => Convert.ToInt32(new string(g), 16)).Distinct().ToList();
            Assert.DoesNotContain(0, used); // PDF/A forbids to show .notdef
            foreach (var glyph in used.Where(g => !IsSpace(g)))
            {
                Assert.True(Offset(glyph + 1) > Offset(glyph), $"glyph {glyph} is shown, but has no outline in the file");
                Assert.Matches($@"[\[ ]{glyph} \[\d+\]", descendant);
            }

            int Offset(int glyph) => BinaryPrimitives.ReadInt32BigEndian(program.AsSpan(tables["loca"] + (4 * glyph)));

            bool IsSpace(int glyph) => Regex.IsMatch(file.StreamText(PdfFile.Number(font, "ToUnicode")), $"<{glyph:X4}> <(0020|00A0|202F)>");
        }
    }

    [Fact]
    public void A_subset_keeps_outlines_and_their_parts()
    {
        using var stream = typeof(PdfRenderer).Assembly.GetManifestResourceStream("Documents/Fonts/LiberationSans-Regular.ttf")!;
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        var font = new TrueTypeFont("LiberationSans", bytes);
        var (accented, plain) = (font.GlyphOf(new Rune('É')), font.GlyphOf(new Rune('E')));
        // É is made of E: without it the page would show an accent alone.
        Assert.Contains(plain, font.WithParts([accented]));
        Assert.Equal(font.Subset([accented, plain]), font.Subset([plain, accented]));
        Assert.InRange(font.Subset([accented]).Length, 1000, bytes.Length / 4);
        foreach (var c in "AzÀÿŐžΆωЖяҐ€œ…’–«»".EnumerateRunes())
        {
            Assert.NotEqual(0, font.GlyphOf(c));
        }
        Assert.Throws<FormatException>(() => new TrueTypeFont("none", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]));
    }

    [Fact]
    public void What_the_font_lacks_is_a_box()
    {
        var facts = DocumentSamples.All["jpy"];
        var file = new PdfFile(DocumentSamples.Renderer.Render(
            DocumentKind.Invoice, facts with { Buyer = facts.Buyer with { LegalName = "さくら K.K." } }, DocumentSamples.In("fr")));
        Assert.Contains("□□□ K.K.", file.AllText);
        Assert.Contains("さくら K.K.", Encoding.UTF8.GetString(file.Attachment("factur-x.xml")));
    }

    [Fact]
    public void The_a_1b_form_has_its_set_of_glyphs_and_no_attachment()
    {
        var document = new PdfDocument(new PdfInfo("Title", "Author", "en", DocumentSamples.IssuedAt), PdfConformance.A1b);
        using var stream = typeof(PdfRenderer).Assembly.GetManifestResourceStream("Documents/Fonts/LiberationSans-Regular.ttf")!;
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        var font = document.AddFont(new TrueTypeFont("LiberationSans", bytes));
        document.AddPage().Text(50, 50, font, 12, new PdfColor(0, 0, 0), "Été");
        Assert.Throws<InvalidOperationException>(() => document.Attach(new PdfAttachment("a.xml", "text/xml", "Data", "", [])));

        var file = new PdfFile(document.Save());
        Assert.Equal("%PDF-1.4\n", file.Header);
        Assert.Contains("<pdfaid:part>1</pdfaid:part>", file.StreamText(PdfFile.Number(file.Catalog, "Metadata")));
        var set = file.Stream(PdfFile.Number(file.Objects.Single(o => o.Contains("/CIDSet", StringComparison.Ordinal)), "CIDSet"));
        Assert.All(font.Face.WithParts("Été".EnumerateRunes().Select(font.Face.GlyphOf)), g => Assert.NotEqual(0, set[g / 8] & (0x80 >> (g % 8))));
    }
}
