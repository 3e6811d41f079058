using System.Runtime.CompilerServices;
using Dapper;
using Dunning.Documents;
using NodaTime;
using Npgsql;

namespace Dunning.Postgres;

/// <summary>Which invoices and credit notes are asked for; null asks for any.</summary>
/// <param name="Account">Of this account.</param>
/// <param name="From">Issued on this date or later, in the seller's zone.</param>
/// <param name="To">Issued on this date or earlier.</param>
/// <param name="State">Of this state, as stored. A credit note goes with the state of its invoice, which is voided.</param>
/// <param name="EInvoice">Handed in to the e-invoicing platform or not: a state of <c>dunning.einvoice</c>.</param>
public sealed record InvoiceFilter(string? Account = null, LocalDate? From = null, LocalDate? To = null, string? State = null, string? EInvoice = null);

/// <summary>
/// An invoice or a credit note as bookkeeping wants it. Amounts are minor units. A credit note's amounts and quantity are its invoice's with the sign
/// turned, so that sums over both are right.
/// </summary>
/// <param name="Kind"><c>invoice</c> or <c>credit_note</c>.</param>
/// <param name="PeriodEnd">Exclusive.</param>
/// <param name="Buyer">Legal name when it was issued, else the name.</param>
/// <param name="State">The invoice's; null for a credit note, with which nothing is still to happen.</param>
/// <param name="Locale">The account's of now.</param>
/// <param name="CancelsSeries">Of a credit note: the invoice that it cancels.</param>
public sealed record LedgerRow(
    string Kind, string Series, int Year, long Count, DateTime IssuedAt, DateOnly IssuedOn, string Account, string Buyer, string Country, string? VatNumber,
    string Plan, string Subscription, DateOnly PeriodStart, DateOnly PeriodEnd, int Quantity, string Currency, long UnitPrice, long Subtotal, int TaxRateBp,
    string TaxTreatment, long Tax, long CreditApplied, long CarriedIn, long CarriedOut, long AmountDue, string? State, DateTime? SettledAt, string Locale, string? CancelsSeries = null,
    int? CancelsYear = null, long? CancelsCount = null)
{
    /// <summary>As it stands on the document.</summary>
    public string Number => DocumentNumber.Of(Series, Year, Count);

    /// <summary>Number of the invoice that a credit note cancels.</summary>
    public string? Cancels => CancelsSeries is null ? null : DocumentNumber.Of(CancelsSeries, CancelsYear!.Value, CancelsCount!.Value);

    /// <summary>Tax included.</summary>
    public long Total => checked(Subtotal + Tax);
}

#pragma warning disable CS1591 // rows of the tables of the same names, for people to look at

public sealed record AttemptRow(
    int Attempt, string Kind, string MethodId, string? Brand, string? Last4, long Amount, string State, string? Code, DateTime FirstCalledAt, bool RefundDue, long Refunded, DateTime? RefundAt);

public sealed record DocumentRow(string Kind, string Language, long Bytes, byte[] Sha256, DateTime MadeAt);

public sealed record EInvoiceRow(string Kind, string State, int Tries, DateTime? NextTryAt, DateTime? SettledAt, string? Fault);

#pragma warning restore CS1591

/// <summary>Everything about one invoice.</summary>
public sealed record InvoiceSheet(
    LedgerRow Invoice, LedgerRow? CreditNote, SellerIdentity Seller, string? PlanName, IReadOnlyList<AttemptRow> Attempts, DateOnly? CaseDayZero, int? CaseLastStep,
    IReadOnlyList<DocumentRow> Documents, IReadOnlyList<EInvoiceRow> EInvoices);

/// <summary>Invoices and credit notes as they were issued, for people and for bookkeeping. Nothing is decided on them.</summary>
public sealed class PostgresInvoices(NpgsqlDataSource source)
{
    /// <summary>Subscription and period of what has the number <c>@Series, @Year, @Count</c>: of an invoice, or of the one that a credit note cancels.</summary>
    internal const string KeyOfNumber =
        """
        select subscription_id, period_start from dunning.invoice where (series, year, number) = (@Series, @Year, @Count)
        union all
        select subscription_id, period_start from dunning.credit_note where (series, year, number) = (@Series, @Year, @Count)
        """;

    private const string Common =
        """
        i.account_id as account, coalesce(nullif(i.buyer->>'legal_name', ''), i.buyer->>'name', '') as buyer, i.buyer->>'country' as country,
               i.buyer->>'vat_number' as vat_number, i.plan_code as plan, i.subscription_id as subscription, i.period_start, i.period_end,
        """;

    /// <summary>
    /// What is asked for, one after the other as the server sends it: however many there are, one is in memory. All are of one instant, the first
    /// row's. Oldest first, or latest first.
    /// </summary>
    public async IAsyncEnumerable<LedgerRow> ReadAsync(InvoiceFilter filter, bool latestFirst, int? limit, [EnumeratorCancellation] CancellationToken ct)
    {
        var order = latestFirst ? "desc" : "asc";
        await using var connection = await source.OpenConnectionAsync(ct);
        var rows = connection.QueryUnbufferedAsync<LedgerRow>(
            $"{Select(filter)} order by issued_on {order}, issued_at {order}, series {order}, year {order}, count {order} limit @limit",
            new { filter.Account, From = filter.From.Date(), To = filter.To.Date(), filter.State, filter.EInvoice, limit },
            commandTimeout: 0);
        await foreach (var row in rows.WithCancellation(ct))
        {
            yield return row;
        }
    }

    /// <summary>The invoice of that number, or the one that the credit note of that number cancels; null when there is none.</summary>
    public async Task<InvoiceSheet?> ShowAsync(string number, CancellationToken ct)
    {
        if (DocumentNumber.Parse(number) is not { } parsed)
        {
            return null;
        }
        await using var connection = await source.OpenConnectionAsync(ct);
        var rows = (await connection.QueryAsync<LedgerRow>(new CommandDefinition(
            Select(new InvoiceFilter(), $"(i.subscription_id, i.period_start) in ({KeyOfNumber})"),
            new { parsed.Series, parsed.Year, parsed.Count }, cancellationToken: ct))).AsList();
        if (rows.Find(r => r.Kind == "invoice") is not { } invoice)
        {
            return null;
        }
        await using var read = await connection.QueryMultipleAsync(new CommandDefinition(
            $"""
            select s.identity::text as identity, coalesce(p.names->>'en', p.names->>'fr') as plan, r.case_day_zero, r.case_last_step
            from dunning.invoice i
            join dunning.receivable r using (subscription_id, period_start)
            join dunning.seller s on s.fingerprint = i.seller
            left join dunning.plan_version p on p.code = i.plan_code and p.version = i.plan_version
            where (i.subscription_id, i.period_start) = (@Subscription, @PeriodStart);

            select c.attempt, c.kind, c.method_id, m.brand, m.last4, c.amount, c.state, c.code, c.first_called_at, c.refund_due, c.refunded, {PostgresQueries.RefundAt} as refund_at
            from dunning.charge c
            join dunning.receivable r using (subscription_id, period_start)
            left join dunning.payment_method m on (m.account_id, m.id, m.generation) = (c.account_id, c.method_id, c.method_generation)
            where (c.account_id, c.subscription_id, c.period_start) = (@Account, @Subscription, @PeriodStart)
            order by c.first_called_at, c.key;

            select kind, language, octet_length(bytes)::bigint as bytes, sha256, made_at
            from dunning.document where (account_id, subscription_id, period_start) = (@Account, @Subscription, @PeriodStart)
            order by made_at, kind, language;

            select kind, state, tries, next_try_at, settled_at, fault
            from dunning.einvoice where (subscription_id, period_start) = (@Subscription, @PeriodStart) order by kind desc;
            """,
            new { invoice.Account, invoice.Subscription, invoice.PeriodStart }, cancellationToken: ct));
        var about = await read.ReadSingleAsync<AboutRow>();
        return new InvoiceSheet(
            invoice, rows.Find(r => r.Kind != "invoice"), SellerIdentity.FromJson(about.Identity), about.Plan, (await read.ReadAsync<AttemptRow>()).AsList(),
            about.CaseDayZero, about.CaseLastStep, (await read.ReadAsync<DocumentRow>()).AsList(), (await read.ReadAsync<EInvoiceRow>()).AsList());
    }

    /// <summary>The last number given in the series and year of a number; null when none was, or it is no number.</summary>
    public async Task<string?> LastOfSeriesAsync(string number, CancellationToken ct)
    {
        if (DocumentNumber.Parse(number) is not { } parsed)
        {
            return null;
        }
        await using var connection = await source.OpenConnectionAsync(ct);
        var last = await connection.ExecuteScalarAsync<long?>(new CommandDefinition(
            "select last_number from dunning.invoice_series where (series, year) = (@Series, @Year)", new { parsed.Series, parsed.Year }, cancellationToken: ct));
        return last is null ? null : DocumentNumber.Of(parsed.Series, parsed.Year, last.Value);
    }

    private static string Select(InvoiceFilter filter, string? also = null)
    {
        // Conditions that were not asked for are left out: a plan made for "or null" reads everything.
        string?[] both =
        [
            filter.Account is null ? null : "i.subscription_id = any(array(select id from dunning.subscription where account_id = @Account))",
            filter.State is null ? null : "r.state = @State", also,
        ];
        return $"""
            select 'invoice' as kind, i.series, i.year, i.number as count, i.issued_at, i.issued_on, {Common}
                   i.quantity, i.currency, i.unit_price, i.subtotal, i.tax_rate_bp, i.tax_treatment, i.tax, i.credit_applied, i.carried_in, i.carried_out, i.amount_due, r.state, r.settled_at,
                   a.locale, null::text as cancels_series, null::int as cancels_year, null::bigint as cancels_count
            from dunning.invoice i join dunning.receivable r using (subscription_id, period_start) join dunning.account a on a.id = i.account_id
            {Where("i")}
            union all
            select 'credit_note', c.series, c.year, c.number, c.issued_at, c.issued_on, {Common}
                   -i.quantity, i.currency, i.unit_price, -i.subtotal, i.tax_rate_bp, i.tax_treatment, -i.tax, -i.credit_applied, -i.carried_in, -i.carried_out, -i.amount_due, null, null,
                   a.locale, i.series, i.year, i.number
            from dunning.credit_note c join dunning.invoice i using (subscription_id, period_start)
            join dunning.receivable r using (subscription_id, period_start) join dunning.account a on a.id = i.account_id
            {Where("c")}
            """;

        string Where(string table)
        {
            string?[] all =
            [
                .. both, filter.From is null ? null : table + ".issued_on >= @From", filter.To is null ? null : table + ".issued_on <= @To",
                filter.EInvoice is null ? null : $"({table}.series, {table}.year, {table}.number) in (select series, year, number from dunning.einvoice where state = @EInvoice)",
            ];
            return string.Join(" and ", all.OfType<string>()) is { Length: > 0 } conditions ? "where " + conditions : "";
        }
    }

    private sealed record AboutRow(string Identity, string? Plan, DateOnly? CaseDayZero, int? CaseLastStep);
}
