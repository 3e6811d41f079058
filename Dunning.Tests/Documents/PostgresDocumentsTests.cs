using System.Collections.Immutable;
using System.Text;
using System.Xml.Linq;
using Dunning.Documents;
using Dunning.Mail;
using Dunning.Model;
using Dunning.Passes;
using Dunning.Ports;
using Dunning.Postgres;
using Dunning.Tests.Gateways;
using Dunning.Tests.Postgres;
using NodaTime;
using Npgsql;

namespace Dunning.Tests.Documents;

using Samples = Postgres.Samples;

/// <summary>Documents of invoices that the store itself issued, on a real database.</summary>
public sealed class PostgresDocumentsTests : IAsyncLifetime
{
    private Rig _rig = null!;

    public async Task InitializeAsync()
    {
        _rig = await Rig.NewAsync();
        await _rig.ImportAsync((Samples.Account("a"), Samples.DueToRenew(Rig.Now)));
        await _rig.Book.ClaimAsync(PassKind.Renew, Rig.Now, 1, f => Samples.Renew(f, Rig.Now), default);
    }

    public async Task DisposeAsync() => await _rig.DisposeAsync();

    private PostgresDocuments Documents(IDocumentRenderer? renderer = null) =>
        new(_rig.Source, renderer ?? DocumentSamples.Renderer, DocumentSamples.Texts, DocumentSamples.Mails, TimeProvider.System);

    private static Model.Mail Mail(string template, int? step = null, Instant? at = null) => new()
    {
        Number = 9,
        Template = template,
        DecidedAt = at ?? Rig.Now,
        Facts = new MailFacts { Subscription = "a-1", PeriodStart = template == MailTemplates.SubscriptionCanceled ? null : new LocalDate(2026, 3, 1), Step = step },
        Recipients = [],
    };

    private Task<ImmutableArray<MailAttachment>> ForAsync(Model.Mail mail, string language = "fr", IDocumentRenderer? renderer = null) =>
        Documents(renderer).ForMailAsync(Samples.Account("a"), mail, language, default);

    [Fact]
    public async Task The_first_failure_brings_the_invoice_and_the_later_ones_nothing()
    {
        var attachment = Assert.Single(await ForAsync(Mail(MailTemplates.PaymentFailed, step: 0)));
        Assert.Equal(("facture-F-2026-000001.pdf", "application/pdf"), (attachment.FileName, attachment.MediaType));
        var file = new PdfFile(attachment.Content.ToArray());
        Assert.Contains("F-2026-000001", file.AllText);
        Assert.Contains("Atelier SARL", file.AllText);
        Assert.Contains("17,99\u00A0€", file.AllText);
        var xml = XDocument.Parse(Encoding.UTF8.GetString(file.Attachment("factur-x.xml")));
        Assert.Equal("17.99", xml.Descendants().Single(e => e.Name.LocalName == "DuePayableAmount").Value);

        Assert.Empty(await ForAsync(Mail(MailTemplates.PaymentFailed, step: 1)));
        Assert.Empty(await ForAsync(Mail(MailTemplates.PaymentFailed)));
        Assert.Empty(await ForAsync(Mail(MailTemplates.SuspensionWarning, step: 0)));
        Assert.Empty(await ForAsync(Mail(MailTemplates.SubscriptionCanceled))); // nothing was voided
    }

    [Fact]
    public async Task A_payment_brings_invoice_and_receipt()
    {
        await _rig.Book.AnswerAsync([new AnswerFor("a", null, f => Samples.Paid(f, Rig.Now))], default);
        var files = await ForAsync(Mail(MailTemplates.Receipt), "en-GB");
        Assert.Equal(["invoice-F-2026-000001.pdf", "receipt-F-2026-000001.pdf"], files.Select(f => f.FileName));
        Assert.Contains("Paid on 1 March 2026: Visa ending in 4242.", new PdfFile(files[0].Content.ToArray()).AllText);
        Assert.Contains("€17.99", new PdfFile(files[1].Content.ToArray()).AllText);
    }

    [Fact]
    public async Task A_payment_after_a_return_has_a_receipt_of_its_own()
    {
        await _rig.Book.AnswerAsync([new AnswerFor("a", null, f => Samples.Paid(f, Rig.Now))], default);
        var first = (await ForAsync(Mail(MailTemplates.Receipt)))[1].Content.ToArray();
        await _rig.ExecuteAsync("update dunning.charge set state = 'reversed'; update dunning.receivable set state = 'open', settled_at = null");
        // The mail leaves late: by then nothing is received any more.
        Assert.Equal("facture-F-2026-000001.pdf", Assert.Single(await ForAsync(Mail(MailTemplates.Receipt))).FileName);

        await _rig.ExecuteAsync(
            """
            insert into dunning.charge select (jsonb_populate_record(c, '{"key": "again", "attempt": 2, "state": "succeeded"}')).* from dunning.charge c;
            update dunning.receivable set state = 'paid', settled_at = '2026-03-06T09:00:00Z'
            """);
        var second = (await ForAsync(Mail(MailTemplates.PaymentRecovered)))[1].Content.ToArray();
        Assert.Contains("6 mars 2026", new PdfFile(second).AllText);
        Assert.DoesNotContain("6 mars 2026", new PdfFile(first).AllText);
        Assert.Equal(second, (await ForAsync(Mail(MailTemplates.PaymentRecovered)))[1].Content.ToArray());
        Assert.Equal(3, await _rig.ScalarAsync<long>("select count(*) from dunning.document"));
    }

    [Fact]
    public async Task A_digest_brings_what_each_of_its_mails_would_have_brought()
    {
        await _rig.Book.AnswerAsync([new AnswerFor("a", null, f => Samples.Paid(f, Rig.Now))], default);
        var (receipt, credit) = (Mail(MailTemplates.Receipt), Mail(MailTemplates.CreditIssued));
        var digest = Mail(MailTemplates.Digest) with
        {
            DecidedAt = Rig.Now + Duration.FromDays(7),
            Facts = new MailFacts { Items = [new(credit.Template, Rig.Now, credit.Facts), new(receipt.Template, Rig.Now, receipt.Facts)] },
        };
        Assert.Equal((await ForAsync(receipt)).Select(f => (f.FileName, f.Content.Length)), (await ForAsync(digest)).Select(f => (f.FileName, f.Content.Length)));
        Assert.Equal(2, await _rig.ScalarAsync<long>("select count(*) from dunning.document"));
    }

    [Fact]
    public async Task A_cancellation_brings_the_credit_note_of_its_own_pass()
    {
        var at = Rig.Now + Duration.FromDays(3);
        await _rig.Book.AnswerAsync([new AnswerFor("a", null, f => Samples.Decide(f, at, default, a => a with
        {
            LeaseUntil = null, LeaseVersion = 0, Charges = [f.Charges[0] with { State = ChargeState.Failed, Code = "do_not_honor" }],
            Invoices = [f.Invoices[0] with { State = InvoiceState.Voided, SettledAt = at }],
        }))], default);
        var attachment = Assert.Single(await ForAsync(Mail(MailTemplates.SubscriptionCanceled, at: at)));
        Assert.Equal("avoir-A-2026-000001.pdf", attachment.FileName);
        Assert.Contains("F-2026-000001 du 1er mars 2026", new PdfFile(attachment.Content.ToArray()).AllText);
        Assert.Empty(await ForAsync(Mail(MailTemplates.SubscriptionCanceled, at: at + Duration.FromDays(30))));
        Assert.Equal(DocumentKind.CreditNote, (await Documents().FindAsync("A-2026-000001", null, "fr", default))!.Kind);
        Assert.Null(await Documents().FindAsync("A-2026-000002", null, "fr", default));
    }

    // Asked for while the charge is under way, it would say 'due' for ever of an invoice that is paid a second later.
    [Fact]
    public async Task A_document_is_kept_once_the_first_charge_has_its_outcome()
    {
        var documents = PostgresDocuments.Open(_rig.Source, new DocumentLook(), new ManualTime());
        Assert.Contains("À payer", new PdfFile((await documents.FindAsync("F-2026-000001", null, "fr", default))!.Content).AllText);
        Assert.Equal(0, await _rig.ScalarAsync<long>("select count(*) from dunning.document"));
        Assert.Null(await documents.FindAsync("F-2026-000001", DocumentKind.Receipt, "fr", default));

        await _rig.Book.AnswerAsync([new AnswerFor("a", null, f => Samples.Paid(f, Rig.Now))], default);
        Assert.Contains("Payée le 1er mars 2026", new PdfFile((await documents.FindAsync("F-2026-000001", null, "fr", default))!.Content).AllText);
        Assert.NotNull(await documents.FindAsync("F-2026-000001", DocumentKind.Receipt, "fr", default));
        Assert.Equal(2, await _rig.ScalarAsync<long>("select count(*) from dunning.document"));
    }

    // What a customer has in hand is what we have, whatever the renderer becomes, and after erasure too.
    [Fact]
    public async Task What_was_made_stays()
    {
        var first = (await ForAsync(Mail(MailTemplates.PaymentFailed, step: 0)))[0].Content.ToArray();
        await _rig.Book.AnswerAsync([new AnswerFor("a", null, f => Samples.Paid(f, Rig.Now))], default);
        await _rig.ExecuteAsync("update dunning.outbox set state = 'dead', settled_at = '2026-03-02'; select dunning.erase_account('a')");

        Assert.Equal(first, (await ForAsync(Mail(MailTemplates.PaymentRecovered), renderer: new OtherRenderer()))[0].Content.ToArray());
        Assert.Equal("other", Encoding.ASCII.GetString((await ForAsync(Mail(MailTemplates.PaymentFailed, step: 0), "en", new OtherRenderer()))[0].Content.Span));
        foreach (var sql in new[] { "update dunning.document set language = 'de'", "delete from dunning.document", "truncate dunning.document" })
        {
            Assert.Contains("append-only", (await Assert.ThrowsAsync<PostgresException>(() => _rig.ExecuteAsync(sql))).MessageText, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Servers_that_make_a_document_together_give_the_same_one()
    {
        var all = await Task.WhenAll(Enumerable.Range(0, 6).Select(i => ForAsync(Mail(MailTemplates.PaymentFailed, step: 0), renderer: new OtherRenderer(i))));
        Assert.Single(all.Select(a => Encoding.ASCII.GetString(a[0].Content.Span)).Distinct());
        Assert.Equal(1, await _rig.ScalarAsync<long>("select count(*) from dunning.document"));
    }

    private sealed class OtherRenderer(int? number = null) : IDocumentRenderer
    {
        public byte[] Render(DocumentKind kind, InvoiceFacts facts, Language language) => Encoding.ASCII.GetBytes("other" + number);
    }
}
