using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text.Json;
using System.Xml;
using Dapper;
using Dunning.Mail;
using Dunning.Model;
using Dunning.Postgres;
using Dunning.Time;
using NodaTime;
using NodaTime.Text;
using Npgsql;

namespace Dunning.Documents;

/// <summary>A stored document.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Number">The number on it; a receipt has its invoice's.</param>
/// <param name="FileName">Such as <c>invoice-INV-2026-000042.pdf</c>.</param>
/// <param name="Content">The PDF.</param>
public sealed record StoredDocument(DocumentKind Kind, string Number, string FileName, byte[] Content);

/// <summary>Documents in <c>dunning.document</c>: made when first asked for, kept as they were made.</summary>
public sealed class PostgresDocuments(NpgsqlDataSource source, IDocumentRenderer renderer, DocumentTexts texts, MailTexts mails, TimeProvider time) : IDocuments
{
    private const string Pdf = "application/pdf";

    /// <summary>How long an invoice waits for its first charge's outcome, before it is one that was sent while it was due.</summary>
    internal static readonly Duration Patience = Duration.FromDays(1);

    /// <summary>
    /// Whether an invoice (<c>i</c>, with its receivable <c>r</c>) says from now on what it says now: its first charge has its outcome, or it was issued by
    /// <c>@patient</c>, that is, has waited long enough for it. Before, a document is made but not kept.
    /// </summary>
    internal const string IsFinal = "(r.state <> 'open' or r.case_schedule is not null or i.issued_at <= @patient)";

    /// <summary>Those of a database, with the built-in languages: what users write is mails.</summary>
    public static PostgresDocuments Open(NpgsqlDataSource source, DocumentLook look, TimeProvider time)
    {
        var languages = MailTexts.Load();
        var texts = DocumentTexts.Load(languages);
        return new PostgresDocuments(source, new PdfRenderer(texts, look), texts, languages, time);
    }

    /// <inheritdoc/>
    public async Task<ImmutableArray<MailAttachment>> ForMailAsync(AccountFile account, Model.Mail mail, string language, CancellationToken ct)
    {
        var attachments = ImmutableArray.CreateBuilder<MailAttachment>();
        foreach (var one in mail.Parts.Prepend(mail))
        {
            attachments.AddRange(await ForOneAsync(one, language, ct));
        }
        return attachments.ToImmutable();
    }

    private async Task<ImmutableArray<MailAttachment>> ForOneAsync(Model.Mail mail, string language, CancellationToken ct)
    {
        ImmutableArray<DocumentKind> kinds = mail.Template switch
        {
            MailTemplates.PaymentFailed when mail.Facts.Step == 0 => [DocumentKind.Invoice],
            MailTemplates.Receipt or MailTemplates.PaymentRecovered => [DocumentKind.Invoice, DocumentKind.Receipt],
            MailTemplates.SubscriptionCanceled => [DocumentKind.CreditNote],
            _ => [],
        };
        if (kinds.IsEmpty || mail.Facts.Subscription is not { } subscription)
        {
            return [];
        }
        // A cancellation's facts name no invoice. Its credit note, if it has one, is of the very pass that decided the mail.
        var which = kinds[0] == DocumentKind.CreditNote
            ? (await QueryAsync("c.subscription_id = @subscription and c.issued_at = @at", new { subscription, at = mail.DecidedAt.Utc() }, ct)).FirstOrDefault()
            : mail.Facts.PeriodStart is { } start
                ? await RowAsync(subscription, start, ct) : null;
        if (which is null)
        {
            return [];
        }
        var attachments = ImmutableArray.CreateBuilder<MailAttachment>();
        // No receipt where nothing was received: carried over whole, or taken back by the bank before the mail left.
        foreach (var kind in kinds.Where(which.Has))
        {
            var document = await GetAsync(which, kind, mails.LanguageFor(language), ct);
            attachments.Add(new MailAttachment(document.FileName, Pdf, document.Content));
        }
        return attachments.ToImmutable();
    }

    /// <summary>
    /// The document of that number, an invoice's or a credit note's, or another of the same invoice; null when there is none of that number, or none of
    /// that kind: no payment, nothing voided.
    /// </summary>
    public async Task<StoredDocument?> FindAsync(string number, DocumentKind? kind, string language, CancellationToken ct)
    {
        if (DocumentNumber.Parse(number) is not { } parsed)
        {
            return null;
        }
        var row = (await QueryAsync(
            $"(i.subscription_id, i.period_start) in ({PostgresInvoices.KeyOfNumber})", new { parsed.Series, parsed.Year, parsed.Count }, ct)).FirstOrDefault();
        return row is null ? null
            : await FindAsync(row, kind ?? (row.InvoiceNumber == number ? DocumentKind.Invoice : DocumentKind.CreditNote), language, ct);
    }

    /// <summary>A document of the invoice of that subscription and period; null when there is none of that kind.</summary>
    public async Task<StoredDocument?> FindAsync(string subscription, LocalDate start, DocumentKind kind, string language, CancellationToken ct) =>
        await RowAsync(subscription, start, ct) is { } row ? await FindAsync(row, kind, language, ct) : null;

    /// <summary>What the documents of an invoice tell, and the words of their language.</summary>
    /// <exception cref="InvalidOperationException">There is no invoice of that subscription and period.</exception>
    internal async Task<(InvoiceFacts Facts, DocumentWords Words)> FactsAsync(string subscription, LocalDate start, string language, CancellationToken ct)
    {
        var row = await RowAsync(subscription, start, ct) ?? throw new InvalidOperationException($"there is no invoice of {subscription} and {start}");
        var of = mails.LanguageFor(language);
        return (row.ToFacts(of.Code), texts.In(of));
    }

    private async Task<StoredDocument?> FindAsync(InvoiceRow row, DocumentKind kind, string language, CancellationToken ct) =>
        row.Has(kind) ? await GetAsync(row, kind, mails.LanguageFor(language), ct) : null;

    private async Task<StoredDocument> GetAsync(InvoiceRow row, DocumentKind kind, Language language, CancellationToken ct)
    {
        var number = kind == DocumentKind.CreditNote ? row.CreditNoteNumber! : row.InvoiceNumber;
        // A payment that was taken back has its own receipt, and the one after it another.
        var again = kind == DocumentKind.Receipt && row.WasReturned ? ":" + InstantPattern.General.Format(row.SettledAt!.Value.Instant()) : "";
        var (key, name) = ($"{Texts.Document[kind]}:{number}{again}", texts.In(language)["file." + Texts.Document[kind], ("number", number)]);
        var bytes = await ReadAsync(key, language.Code, ct);
        if (bytes is null)
        {
            var made = renderer.Render(kind, row.ToFacts(language.Code), language);
            if (!row.IsFinal)
            {
                return new StoredDocument(kind, number, name, made);
            }
            await using var connection = await source.OpenConnectionAsync(ct);
            await connection.ExecuteAsync(new CommandDefinition(
                """
                insert into dunning.document (key, language, kind, account_id, subscription_id, period_start, bytes, sha256, made_at)
                values (@key, @language, @kind, @AccountId, @SubscriptionId, @PeriodStart, @made, @hash, @now)
                on conflict do nothing
                """,
                new
                {
                    key, language = language.Code, kind = Texts.Document[kind], row.AccountId, row.SubscriptionId, row.PeriodStart, made,
                    hash = SHA256.HashData(made), now = time.GetUtcNow().UtcDateTime,
                },
                cancellationToken: ct));
            bytes = await ReadAsync(key, language.Code, ct); // another may have been first
        }
        return new StoredDocument(kind, number, name, bytes!);
    }

    private async Task<byte[]?> ReadAsync(string key, string language, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return await connection.ExecuteScalarAsync<byte[]?>(new CommandDefinition(
            "select bytes from dunning.document where key = @key and language = @language", new { key, language }, cancellationToken: ct));
    }

    private async Task<InvoiceRow?> RowAsync(string subscription, LocalDate start, CancellationToken ct) =>
        (await QueryAsync("i.subscription_id = @subscription and i.period_start = @start", new { subscription, start = start.Date() }, ct)).FirstOrDefault();

    private async Task<IEnumerable<InvoiceRow>> QueryAsync(string where, object parameters, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        var given = new DynamicParameters(parameters);
        given.Add("patient", (Instant.FromDateTimeOffset(time.GetUtcNow()) - Patience).Utc());
        return await connection.QueryAsync<InvoiceRow>(new CommandDefinition(
            $"""
            select i.account_id, i.subscription_id, i.period_start, i.period_end, i.series, i.year, i.number, i.issued_at, i.issued_on, i.plan_code,
                   p.names::text as plan_names, i.quantity, i.currency, i.unit_price, i.subtotal, i.tax_treatment, i.tax_rate_bp, i.tax, i.credit_applied,
                   i.carried_in, i.carried_out, i.amount_due, s.identity::text as seller, i.buyer::text as buyer, r.state, r.settled_at,
                   r.case_schedule is null as has_no_case, {IsFinal} as is_final,
                   paid.amount as paid_amount, paid.brand as paid_brand, paid.last4 as paid_last4,
                   c.series as note_series, c.year as note_year, c.number as note_number, c.issued_at as note_issued_at, c.issued_on as note_issued_on,
                   t.identity::text as note_seller,
                   exists (select from dunning.charge b
                       where (b.account_id, b.subscription_id, b.period_start) = (i.account_id, i.subscription_id, i.period_start) and b.state = 'reversed') as was_returned
            from dunning.invoice i
            join dunning.receivable r using (subscription_id, period_start)
            join dunning.seller s on s.fingerprint = i.seller
            left join dunning.plan_version p on p.code = i.plan_code and p.version = i.plan_version
            left join dunning.credit_note c using (subscription_id, period_start)
            left join dunning.seller t on t.fingerprint = c.seller
            left join lateral (
                select h.amount, m.brand, m.last4 from dunning.charge h
                left join dunning.payment_method m on (m.account_id, m.id, m.generation) = (h.account_id, h.method_id, h.method_generation)
                where (h.account_id, h.subscription_id, h.period_start) = (i.account_id, i.subscription_id, i.period_start)
                  and h.state = 'succeeded' and not h.refund_due
                order by h.first_called_at, h.key limit 1
            ) paid on r.state = 'paid'
            where {where}
            """,
            given,
            cancellationToken: ct));
    }

    private sealed record InvoiceRow(
        string AccountId, string SubscriptionId, DateOnly PeriodStart, DateOnly PeriodEnd, string Series, int Year, long Number, DateTime IssuedAt,
        DateOnly IssuedOn, string PlanCode, string? PlanNames, int Quantity, string Currency, long UnitPrice, long Subtotal, string TaxTreatment, int TaxRateBp,
        long Tax, long CreditApplied, long CarriedIn, long CarriedOut, long AmountDue, string Seller, string Buyer, string State, DateTime? SettledAt, bool HasNoCase, bool IsFinal, long? PaidAmount,
        string? PaidBrand, string? PaidLast4, string? NoteSeries, int? NoteYear, long? NoteNumber, DateTime? NoteIssuedAt, DateOnly? NoteIssuedOn,
        string? NoteSeller, bool WasReturned)
    {
        public string InvoiceNumber => DocumentNumber.Of(Series, Year, Number);

        public string? CreditNoteNumber => NoteSeries is null ? null : DocumentNumber.Of(NoteSeries, NoteYear!.Value, NoteNumber!.Value);

        public bool Has(DocumentKind kind) => kind switch
        {
            DocumentKind.Invoice => true,
            // Of an invoice that is carried over whole nothing was received.
            DocumentKind.Receipt => State == "paid" && (AmountDue > 0 || CreditApplied > 0 || CarriedOut == 0),
            DocumentKind.CreditNote => NoteSeries is not null,
        };

        public InvoiceFacts ToFacts(string language)
        {
            var currency = Model.Currency.Of(Currency);
            var seller = Clean(SellerIdentity.FromJson(Seller));
            var names = PlanNames is null ? null : JsonSerializer.Deserialize<Dictionary<string, string>>(PlanNames);
            var plan = Clean(names?.GetValueOrDefault(language) ?? names?.GetValueOrDefault("en") ?? names?.Values.FirstOrDefault() ?? PlanCode);
            return new InvoiceFacts
            {
                Number = InvoiceNumber,
                IssuedAt = IssuedAt.Instant(),
                IssuedOn = IssuedOn.Local(),
                Seller = seller,
                Buyer = ToBuyer(),
                Plan = plan,
                PeriodStart = PeriodStart.Local(),
                PeriodEnd = PeriodEnd.Local(),
                Lines = [new InvoiceLine(plan, Quantity, Of(UnitPrice), Of(Subtotal), TaxRateBp, Of(Tax))],
                TaxTreatment = Texts.Tax[TaxTreatment],
                Subtotal = Of(Subtotal),
                Tax = Of(Tax),
                CreditApplied = Of(CreditApplied),
                CarriedIn = Of(CarriedIn),
                CarriedOut = Of(CarriedOut),
                AmountDue = Of(AmountDue),
                Payment = State != "paid" ? null : new PaymentFacts(
                    Of(PaidAmount ?? 0), LocalClock.LocalDateOf(SettledAt!.Value.Instant(), ZoneData.Current[seller.TimeZone]), SettledAt.Value.Instant(),
                    HasNoCase && SettledAt.Value - IssuedAt < Patience.ToTimeSpan(),
                    PaidAmount is null, PaidBrand, PaidLast4),
                CreditNote = CreditNoteNumber is not { } number ? null : new CreditNoteFacts(
                    number, NoteIssuedAt!.Value.Instant(), NoteIssuedOn!.Value.Local(), Clean(SellerIdentity.FromJson(NoteSeller!))),
            };

            Money Of(long minor) => new(minor, currency);
        }

        private Buyer ToBuyer()
        {
            using var json = JsonDocument.Parse(Buyer);
            return new Buyer(At("name"), At("legal_name"), At("country"), new Address(At("line1"), Or("line2"), At("postal_code"), At("city")), Or("vat_number"));

            string At(string name) => Or(name) ?? "";

            string? Or(string name) => json.RootElement.TryGetProperty(name, out var value) && value.GetString() is { Length: > 0 } text ? Clean(text) : null;
        }

        private static SellerIdentity Clean(SellerIdentity seller) => seller with
        {
            Name = Clean(seller.Name),
            LegalName = Clean(seller.LegalName),
            Address = new Address(Clean(seller.Address.Line1), seller.Address.Line2, Clean(seller.Address.PostalCode), Clean(seller.Address.City)),
        };

        // Composed, as fonts have it, on one line, and of characters that XML may hold.
        private static string Clean(string text) =>
            string.Concat((OneLine.Of(text) ?? "").Select(c => XmlConvert.IsXmlChar(c) || char.IsSurrogate(c) ? c : '\uFFFD')).Normalize();
    }
}
