using System.Collections.Immutable;
using Dunning.Model;
using Dunning.Postgres;
using NodaTime;

namespace Dunning.Documents;

/// <summary>Who buys, as it was when the invoice was issued.</summary>
public sealed record Buyer(string Name, string LegalName, string Country, Address Address, string? VatNumber);

/// <summary>A line of an invoice.</summary>
/// <param name="Description">What was supplied, in the document's language.</param>
/// <param name="Quantity">How many.</param>
/// <param name="UnitPrice">Of one, without VAT.</param>
/// <param name="Net">Quantity × unit price.</param>
/// <param name="RateBp">VAT rate in basis points.</param>
/// <param name="Tax">VAT of the line, rounded by itself.</param>
public sealed record InvoiceLine(string Description, int Quantity, Money UnitPrice, Money Net, int RateBp, Money Tax);

/// <summary>VAT of the lines of one rate.</summary>
public sealed record VatGroup(int RateBp, Money Base, Money Tax);

/// <summary>The credit note of a voided invoice.</summary>
public sealed record CreditNoteFacts(string Number, Instant IssuedAt, LocalDate IssuedOn, SellerIdentity Seller);

/// <summary>What paid an invoice.</summary>
/// <param name="Amount">What was charged; zero when credit paid all.</param>
/// <param name="On">Date in the seller's zone.</param>
/// <param name="At">The instant.</param>
/// <param name="AtFirst">By the renewal itself: no payment had failed.</param>
/// <param name="ByCredit">Without a charge.</param>
/// <param name="CardBrand">Brand of the method charged, where known.</param>
/// <param name="CardLast4">Its last four digits, where known.</param>
public sealed record PaymentFacts(Money Amount, LocalDate On, Instant At, bool AtFirst, bool ByCredit, string? CardBrand, string? CardLast4);

/// <summary>Everything that the documents of one invoice tell: all of it frozen when the invoice was issued, voided or paid.</summary>
public sealed record InvoiceFacts
{
    /// <summary>The invoice's number.</summary>
    public required string Number { get; init; }

    public required Instant IssuedAt { get; init; }

    /// <summary>Date in the seller's zone.</summary>
    public required LocalDate IssuedOn { get; init; }

    public required SellerIdentity Seller { get; init; }
    public required Buyer Buyer { get; init; }

    /// <summary>Name of the plan, in the document's language.</summary>
    public required string Plan { get; init; }

    public required LocalDate PeriodStart { get; init; }

    /// <summary>Exclusive.</summary>
    public required LocalDate PeriodEnd { get; init; }

    public required ImmutableArray<InvoiceLine> Lines { get; init; }
    public required TaxTreatment TaxTreatment { get; init; }
    public required Money Subtotal { get; init; }
    public required Money Tax { get; init; }
    public required Money CreditApplied { get; init; }

    /// <summary>Left over by earlier invoices, since the gateway could not take it, and asked for by this one.</summary>
    public required Money CarriedIn { get; init; }

    /// <summary>Left over for the next invoice.</summary>
    public required Money CarriedOut { get; init; }

    /// <summary>What is left after the credit and what is carried over.</summary>
    public required Money AmountDue { get; init; }

    /// <summary>Set once it is paid.</summary>
    public PaymentFacts? Payment { get; init; }

    /// <summary>Set once it is voided.</summary>
    public CreditNoteFacts? CreditNote { get; init; }

    public Money Total => Subtotal + Tax;

    /// <summary>
    /// The payment that the invoice itself tells of. Only one at the first attempt: in all other cases the invoice was sent while it was due, and its
    /// copy in another language says what it said.
    /// </summary>
    public PaymentFacts? PaidAtFirst => Payment is { AtFirst: true } ? Payment : null;

    /// <summary>What the invoice asks for: nothing when the renewal itself was paid.</summary>
    public Money StillDue => PaidAtFirst is null ? AmountDue : Money.Zero(AmountDue.Currency);

    /// <summary>VAT by rate, highest first.</summary>
    public IEnumerable<VatGroup> VatGroups => Lines.GroupBy(l => l.RateBp).OrderByDescending(g => g.Key)
        .Select(g => new VatGroup(g.Key, Sum(g.Select(l => l.Net)), Sum(g.Select(l => l.Tax))));

    private Money Sum(IEnumerable<Money> amounts) => amounts.Aggregate(Money.Zero(Subtotal.Currency), (sum, amount) => sum + amount);
}
