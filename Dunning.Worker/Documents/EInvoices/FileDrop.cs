using Dunning.Hosting;

namespace Dunning.Documents.EInvoices;

/// <summary>
/// A folder from which a platform's client takes documents: each a file named by its number, there whole or not at all. The folder is never made: one
/// that is missing is a share that is not mounted.
/// </summary>
public sealed class FileDrop(string folder, EInvoiceFormat format) : IEInvoicingPlatform
{
    /// <inheritdoc/>
    public EInvoiceFormat Format => format;

    /// <inheritdoc/>
    /// <exception cref="IOException">It can't be written, or another document of that number stands there.</exception>
    public async Task HandInAsync(EInvoice document, CancellationToken ct)
    {
        var (content, extension) = format == EInvoiceFormat.FacturX ? (document.Pdf, ".pdf") : (document.Xml, ".xml");
        var path = Path.Combine(folder, document.Number + extension);
        if (!File.Exists(path))
        {
            await WholeFile.WriteAsync(path, content, ct);
        }
        else if (!(await File.ReadAllBytesAsync(path, ct)).SequenceEqual(content))
        {
            throw new IOException($"{path} is there already with another content: a number names one document for good, so it is left as it is");
        }
    }
}
