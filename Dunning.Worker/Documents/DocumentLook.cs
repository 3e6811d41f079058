using Dunning.Documents.Pdf;

namespace Dunning.Documents;

/// <summary>How documents look, those that are made from now on.</summary>
public sealed record DocumentLook
{
    /// <summary><c>Documents:Logo</c>: stands at the head instead of the seller's name.</summary>
    public PdfImage? Logo { get; init; }

    /// <summary><c>Documents:Accent</c>: of the name and the line below it.</summary>
    public PdfColor Accent { get; init; } = new(0x1F, 0x4E, 0x79);
}
