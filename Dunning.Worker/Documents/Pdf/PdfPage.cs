using System.Globalization;
using System.Text;

namespace Dunning.Documents.Pdf;

/// <summary>A colour of sRGB, each part from 0 to 255.</summary>
public readonly record struct PdfColor(byte Red, byte Green, byte Blue);

/// <summary>
/// A page of A4. Measures are points from its upper left corner, as on a screen; a text stands on <c>y</c>, its base line.
/// </summary>
public sealed class PdfPage
{
    /// <summary>A4.</summary>
    public const double Width = 595.28;

    /// <inheritdoc cref="Width"/>
    public const double Height = 841.89;

    private readonly StringBuilder _content = new();

    internal PdfPage()
    {
    }

    internal byte[] Content => Encoding.ASCII.GetBytes(_content.ToString());

    /// <summary>A line of text from <paramref name="x"/>.</summary>
    public void Text(double x, double y, PdfFont font, double size, PdfColor color, string text)
    {
        if (text.Length > 0)
        {
            _content.Append(CultureInfo.InvariantCulture,
                $"BT {Color(color)} rg /{font.Resource} {Number(size)} Tf {Number(x)} {Number(Height - y)} Td <{font.Encode(text)}> Tj ET\n");
        }
    }

    /// <summary>A line of text that ends at <paramref name="right"/>.</summary>
    public void TextTo(double right, double y, PdfFont font, double size, PdfColor color, string text) =>
        Text(right - font.Measure(text, size), y, font, size, color, text);

    /// <summary>A level line.</summary>
    public void Rule(double left, double right, double y, double width, PdfColor color) => _content.Append(CultureInfo.InvariantCulture,
        $"{Color(color)} RG {Number(width)} w {Number(left)} {Number(Height - y)} m {Number(right)} {Number(Height - y)} l S\n");

    /// <summary>A filled box.</summary>
    public void Box(double left, double top, double width, double height, PdfColor color) => _content.Append(CultureInfo.InvariantCulture,
        $"{Color(color)} rg {Number(left)} {Number(Height - top - height)} {Number(width)} {Number(height)} re f\n");

    /// <summary>A picture, by the name that <see cref="PdfDocument.AddImage"/> gave it.</summary>
    public void Image(double left, double top, double width, double height, string resource) => _content.Append(CultureInfo.InvariantCulture,
        $"q {Number(width)} 0 0 {Number(height)} {Number(left)} {Number(Height - top - height)} cm /{resource} Do Q\n");

    private static string Color(PdfColor color) => $"{Number(color.Red / 255.0)} {Number(color.Green / 255.0)} {Number(color.Blue / 255.0)}";

    private static string Number(double value) => value.ToString("0.###", CultureInfo.InvariantCulture);
}
