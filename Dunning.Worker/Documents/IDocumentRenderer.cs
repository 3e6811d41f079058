using Dunning.Mail;

namespace Dunning.Documents;

/// <summary>Makes a document's file. Pure: the same facts give the same bytes.</summary>
public interface IDocumentRenderer
{
    /// <summary>The file, a PDF.</summary>
    /// <exception cref="InvalidOperationException">The facts have none of that kind: no payment for a receipt, nothing voided for a credit note.</exception>
    byte[] Render(DocumentKind kind, InvoiceFacts facts, Language language);
}
