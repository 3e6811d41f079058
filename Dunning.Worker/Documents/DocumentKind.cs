namespace Dunning.Documents;

/// <summary>What a document is.</summary>
public enum DocumentKind
{
    /// <summary>What is owed for a period, and why.</summary>
    Invoice,

    /// <summary>The proof of a payment; no invoice.</summary>
    Receipt,

    /// <summary>Undoes an invoice.</summary>
    CreditNote,
}
