using System.Globalization;
using System.Text;

namespace Dunning.Documents.Pdf;

/// <summary>A font in a document, with the glyphs that the document uses of it.</summary>
public sealed class PdfFont
{
    private static readonly Rune s_missing = new('\u25A1');

    private readonly SortedDictionary<ushort, string> _used = [];

    internal PdfFont(string resource, TrueTypeFont face) => (Resource, Face) = (resource, face);

    /// <summary>The font itself.</summary>
    public TrueTypeFont Face { get; }

    internal string Resource { get; }

    /// <summary>Glyphs used so far, in their order, each with the text that it shows.</summary>
    internal IReadOnlyDictionary<ushort, string> Used => _used;

    /// <summary>The text's width, in the unit of <paramref name="size"/>.</summary>
    public double Measure(string text, double size) => text.EnumerateRunes().Sum(r => Face.WidthOf(GlyphOf(r).Glyph)) * size / 1000;

    /// <summary>The text as a hexadecimal string of glyph numbers.</summary>
    internal string Encode(string text)
    {
        var hex = new StringBuilder();
        foreach (var rune in text.EnumerateRunes())
        {
            var (glyph, shown) = GlyphOf(rune);
            _used.TryAdd(glyph, shown);
            hex.Append(glyph.ToString("X4", CultureInfo.InvariantCulture));
        }
        return hex.ToString();
    }

    // What the font lacks is a box, never glyph 0: PDF/A forbids to show that one. The narrow no-break space is in few fonts.
    private (ushort Glyph, string Text) GlyphOf(Rune rune) =>
        Face.GlyphOf(rune) is > 0 and var glyph ? (glyph, rune.ToString())
            : rune.Value is 0x202F or 0x2011 && Face.GlyphOf(new Rune(rune.Value == 0x202F ? '\u00A0' : '-')) is > 0 and var alike
                ? (alike, rune.Value == 0x202F ? "\u00A0" : "-")
            : (Face.GlyphOf(s_missing), s_missing.ToString());
}
