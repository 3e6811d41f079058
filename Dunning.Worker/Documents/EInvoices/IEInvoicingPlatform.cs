namespace Dunning.Documents.EInvoices;

/// <summary>In which form a platform takes documents.</summary>
public enum EInvoiceFormat
{
    /// <summary>The PDF with its data inside, in the syntax CII.</summary>
    FacturX,

    /// <summary>The data alone, in UN/CEFACT's syntax.</summary>
    Cii,

    /// <summary>The data alone, in OASIS' syntax.</summary>
    Ubl,
}

/// <summary>An invoice or credit note as a platform takes it.</summary>
/// <param name="Number">The number on it, which names it for good.</param>
/// <param name="Kind">Invoice or credit note.</param>
/// <param name="Pdf">The PDF that the customer has.</param>
/// <param name="Xml">Its data by EN 16931, in the platform's syntax.</param>
public sealed record EInvoice(string Number, DocumentKind Kind, byte[] Pdf, byte[] Xml);

/// <summary>Takes issued documents on to their buyers and the tax administration.</summary>
public interface IEInvoicingPlatform
{
    /// <summary>How it wants them.</summary>
    EInvoiceFormat Format { get; }

    /// <summary>
    /// Hands a document in. After a crash the same document may come again: by its number the platform has it once. Any exception means that it doesn't
    /// have it yet, and that it is to be tried again.
    /// </summary>
    Task HandInAsync(EInvoice document, CancellationToken ct);
}
