using System.Collections.Immutable;
using Dunning.Events;
using Dunning.Model;
using Dunning.Passes;
using Dunning.Ports;
using Dunning.Postgres;
using NodaTime;
using Npgsql;
using Xunit;

namespace Dunning.Tests.Postgres;

public sealed class StoreTests
{
    [Fact]
    public async Task A_number_is_taken_last_and_has_no_gap_whatever_is_rolled_back()
    {
        await using var rig = await Rig.NewAsync();
        await rig.ImportAsync(Enumerable.Range(0, 120).Select(i => (Samples.Account($"a{i:000}"), Samples.DueToRenew(Rig.Now))));

        // Four servers, and in every batch an account whose save is refused: batches roll back and split all the time.
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            var book = new PostgresBook(rig.Source, Rig.Rules, Rig.Seller);
            while (await book.ClaimAsync(PassKind.Renew, Rig.Now, 10, f =>
                f.Id.EndsWith('3') ? Samples.Decide(f, Rig.Now, default, f => f with { Credit = -1 }) : Samples.Renew(f, Rig.Now), default)
                is { } batch && batch.Decisions.Count + batch.Faults.Count > 0)
            {
            }
        })));

        Assert.Equal("1 108 108", await rig.ScalarAsync<string>("select min(number) || ' ' || max(number) || ' ' || count(distinct number) from dunning.invoice"));
        Assert.Equal(108, await rig.ScalarAsync<long>("select last_number from dunning.invoice_series"));
    }

    [Fact]
    public async Task The_year_of_a_number_is_the_sellers()
    {
        await using var rig = await Rig.NewAsync();
        await rig.ImportAsync((Samples.Account("a"), Samples.DueToRenew(Rig.Now)), (Samples.Account("b"), Samples.DueToRenew(Rig.Now)));
        var newYearInParis = Instant.FromUtc(2026, 12, 31, 23, 0);

        await rig.Book.ClaimAsync(PassKind.Renew, newYearInParis - Duration.FromSeconds(1), 1, f => Samples.Renew(f, newYearInParis - Duration.FromSeconds(1)), default);
        await rig.Book.ClaimAsync(PassKind.Renew, newYearInParis, 1, f => Samples.Renew(f, newYearInParis), default);

        Assert.Equal("F 2026 1 2026-12-31, F 2027 1 2027-01-01",
            await rig.ScalarAsync<string>("select string_agg(concat_ws(' ', series, year, number, issued_on), ', ' order by year) from dunning.invoice"));
    }

    [Fact]
    public async Task A_voided_invoice_has_a_credit_note()
    {
        await using var rig = await Rig.NewAsync();
        await rig.ImportAsync((Samples.Account("a"), Samples.DueToRenew(Rig.Now)));
        await rig.Book.ClaimAsync(PassKind.Renew, Rig.Now, 1, f => Samples.Renew(f, Rig.Now), default);
        await rig.Book.AnswerAsync([new AnswerFor("a", null, f => Samples.Decide(f, Rig.Now, default, f => f with
        {
            Charges = [f.Charges[0] with { State = ChargeState.Failed, Code = "do_not_honor" }],
            Invoices = [f.Invoices[0] with { State = InvoiceState.Voided, SettledAt = Rig.Now }],
        }))], default);

        var sheet = await new PostgresQueries(rig.Source).ShowAsync("a", default);

        Assert.Equal(new CreditNoteView("A", 2026, 1, "a-1", new DateOnly(2026, 3, 1), new DateOnly(2026, 3, 1)), Assert.Single(sheet!.CreditNotes));
        var invoice = Assert.Single(sheet.Invoices);
        Assert.Equal(("voided", 1L), (invoice.State, invoice.Number));
        Assert.Equal(Rig.Seller, await new PostgresQueries(rig.Source).SellerAsync(invoice.Seller, default));
    }

    [Fact]
    public async Task A_refused_first_call_is_made_again_with_the_same_key_and_no_other_call_is()
    {
        await using var rig = await Rig.NewAsync();
        await rig.ImportAsync((Samples.Account("a"), Samples.DueToRenew(Rig.Now)));
        var key = (await rig.Book.ClaimAsync(PassKind.Renew, Rig.Now, 1, f => Samples.Renew(f, Rig.Now), default)).Decisions.Single().After.Charges[0];
        await SetAsync(ChargeState.Refused);

        Assert.Empty((await AgainAsync()).Faults);
        Assert.Equal(ChargeState.InFlight, (await rig.ReadAsync("a")).Charges.Single().State);

        await SetAsync(ChargeState.Succeeded);
        Assert.Single((await AgainAsync()).Faults);
        Assert.Equal("succeeded", await rig.ScalarAsync<string>("select state from dunning.charge"));

        Task<BatchResult> AgainAsync() => rig.Book.AnswerAsync([new AnswerFor("a", null, f =>
            Samples.Decide(f, Rig.Now, default, f => f with { Charges = f.Charges.Add(key) }))], default);
        Task<BatchResult> SetAsync(ChargeState state) => rig.Book.AnswerAsync([new AnswerFor("a", key.Key, f =>
            Samples.Decide(f, Rig.Now, default, f => f with { Charges = [f.Charges.Single() with { State = state }] }))], default);
    }

    [Fact]
    public async Task Events_come_back_as_they_were_told_until_the_person_is_erased()
    {
        await using var rig = await Rig.NewAsync();
        await rig.ImportAsync((Samples.Account("a"), Samples.DueToRenew(Rig.Now)), (Samples.Account("b"), Samples.DueToRenew(Rig.Now)));
        var told = new List<BookEvent>();
        told.AddRange((await rig.Book.ClaimAsync(PassKind.Renew, Rig.Now, 10, f => Samples.Renew(f, Rig.Now), default)).Decisions.SelectMany(d => d.Events));
        told.AddRange((await rig.Book.AnswerAsync([.. new[] { "a", "b" }.Select(id => new AnswerFor(id, null, f => Samples.Paid(f, Rig.Now)))], default)).Decisions.SelectMany(d => d.Events));
        told.AddRange((await rig.Book.AnswerAsync([.. new[] { "a", "b" }.Select(id => new AnswerFor(id, null, f => Delivered(f, Rig.Now)))], default)).Decisions.SelectMany(d => d.Events));
        Assert.Equal(told.Select(EventJson.Write).Order(), (await ReadAsync()).Order());

        // Purge, then erase as the rules do.
        var purged = await rig.Book.AnswerAsync([new AnswerFor("a", null, f => Samples.Decide(f, Rig.Now, default, f => f with { PurgedAt = Rig.Now }))], default);
        var erased = await rig.Book.AnswerAsync([new AnswerFor("a", null, f => Samples.Decide(f, Rig.Now, default, f => f with
        {
            ErasedAt = Rig.Now, Name = "", LegalName = "", Address = new Address("", null, "", ""), VatNumber = null, Contacts = [], Methods = [],
        }))], default);
        Assert.Empty(purged.Faults.Concat(erased.Faults));

        var events = await ReadAsync();
        Assert.DoesNotContain(events, e => e.Contains("@a.example", StringComparison.Ordinal));
        Assert.Contains(events, e => e.Contains("\"to\":[\"(erased)\",\"(erased)\"]", StringComparison.Ordinal) && e.Contains("\"a\"", StringComparison.Ordinal));
        Assert.Contains(events, e => e.Contains("\"method\":\"(erased)\"", StringComparison.Ordinal));
        Assert.Equal(told.Where(e => e.Account == "b").Select(EventJson.Write).Order(), events.Where(e => e.Contains("\"account\":\"b\"", StringComparison.Ordinal)).Order());

        // Nothing personal is left in any row but the invoice's.
        foreach (var table in new[] { "account", "contact", "payment_method", "subscription", "receivable", "charge", "outbox", "notice", "event", "due" })
        {
            foreach (var personal in new[] { "@a.example", "Claire", "Atelier", "République", "sandbox_ok", "4242" })
            {
                Assert.Equal(0, await rig.ScalarAsync<long>(
                    $"select count(*) from dunning.{table} t where {(table == "account" ? "id" : "account_id")} = 'a' and t::text like '%{personal}%'"));
            }
        }
        Assert.Equal("Atelier", await rig.ScalarAsync<string>("select buyer ->> 'name' from dunning.invoice where account_id = 'a'"));
        Assert.Empty((await rig.ReadAsync("a")).Contacts);

        async Task<List<string>> ReadAsync() => await new PostgresEvents(rig.Source).AllAsync(default).Select(EventJson.Write).ToListAsync();
    }

    [Fact]
    public async Task Nobody_is_erased_while_a_mail_has_not_left()
    {
        await using var rig = await Rig.NewAsync();
        await rig.ImportAsync((Samples.Account("a"), Samples.DueToRenew(Rig.Now)));
        await rig.Book.ClaimAsync(PassKind.Renew, Rig.Now, 10, f => Samples.Renew(f, Rig.Now), default);
        await rig.Book.AnswerAsync([new AnswerFor("a", null, f => Samples.Paid(f, Rig.Now))], default);

        await Assert.ThrowsAsync<PostgresException>(() => rig.ExecuteAsync("select dunning.erase_account('a')"));
    }

    [Fact]
    public async Task Notices_follow_their_events()
    {
        await using var rig = await Rig.NewAsync();
        await rig.ImportAsync((Samples.Account("a"), Samples.DueToRenew(Rig.Now)));
        var posted = new BookEvent(Rig.Now, "a", EventTypes.NoticePosted)
        {
            Subscription = "a-1", PeriodStart = new LocalDate(2026, 3, 1), Kind = MailTemplates.PaymentFailed, Audience = Audiences.OwnerAdmins,
        };
        await rig.Book.AnswerAsync([new AnswerFor("a", null, f => Samples.Decide(f, Rig.Now, default, f => f, posted))], default);
        var notices = (await new PostgresQueries(rig.Source).ShowAsync("a", default))!.Notices;
        Assert.Null(Assert.Single(notices).ClearedAt);

        await rig.Book.AnswerAsync([new AnswerFor("a", null, f => Samples.Decide(f, Rig.Now, default, f => f,
            new BookEvent(Rig.Now, "a", EventTypes.NoticeCleared) { Subscription = "a-1", PeriodStart = new LocalDate(2026, 3, 1) }))], default);
        Assert.NotNull((await new PostgresQueries(rig.Source).ShowAsync("a", default))!.Notices.Single().ClearedAt);
    }

    [Fact]
    public async Task An_import_is_whole_or_not_at_all()
    {
        await using var rig = await Rig.NewAsync();
        var importer = new PostgresImporter(rig.Source);
        await Assert.ThrowsAsync<PostgresException>(() => importer.ImportAsync(Lines(2500, last: "a-7"), default));
        Assert.Equal(0, await rig.ScalarAsync<long>("select (select count(*) from dunning.account) + (select count(*) from dunning.due)"));

        Assert.Equal(2501, await importer.ImportAsync(Lines(2500, last: "z"), default));

        Assert.Equal(2501, await rig.ScalarAsync<long>("select count(*) from dunning.subscription"));
        var hashes = await importer.ExistingHashesAsync(["a-7", "nobody"], default);
        Assert.Equal(("a-7", "hash"), (Assert.Single(hashes).Key, hashes["a-7"]));
        Assert.Equal("a-7", Assert.Single(await importer.ExistingSubscriptionsAsync(["a-7-1", "nothing"], default)).Value);

        static IAsyncEnumerable<ImportedAccount> Lines(int count, string last) => Enumerable.Range(0, count).Select(i => $"a-{i}").Append(last)
            .Select(id => new ImportedAccount(Samples.Account(id), Samples.DueToRenew(Rig.Now), "hash")).ToAsyncEnumerable();
    }

    [Fact]
    public async Task A_changed_plan_is_a_new_version()
    {
        await using var rig = await Rig.NewAsync();
        var catalog = new PostgresCatalog(rig.Source);
        var plan = new Plan("solo", 1, ImmutableSortedDictionary<string, string>.Empty.Add("en", "Solo").Add("fr", "Solo é"), new Model.Interval(IntervalUnit.Month, 1),
            ImmutableSortedDictionary<string, long>.Empty.Add("EUR", 1499).Add("JPY", 2000));
        await catalog.UpsertTaxRatesAsync([new TaxRate("FR", 2000, true)], default);

        Assert.Equal(["solo"], await catalog.UpsertPlansAsync([plan], Rig.Now, default));
        Assert.Empty(await catalog.UpsertPlansAsync([plan], Rig.Now, default));
        Assert.Equal(["solo"], await catalog.UpsertPlansAsync([plan with { Prices = plan.Prices.SetItem("EUR", 1599) }], Rig.Now, default));

        var loaded = await catalog.LoadAsync(default);
        Assert.Equal((2, 1599L), (loaded.Plans["solo"].Version, loaded.Plans["solo"].Prices["EUR"]));
        Assert.Equal(new TaxRate("FR", 2000, true), loaded.TaxRates["FR"]);
        Assert.Equal("Solo é", (await catalog.PlanAsync("solo", 1, default))!.NameIn("fr"));
    }

    [Fact]
    public async Task A_setting_is_bound_by_whoever_comes_first()
    {
        await using var rig = await Rig.NewAsync();
        var settings = new PostgresSettings(rig.Source);
        Assert.Equal("sandbox", await settings.BindAsync(PostgresSettings.Gateway, "sandbox", default));
        Assert.Equal("sandbox", await settings.BindAsync(PostgresSettings.Gateway, "stripe", default));
        await settings.SetAsync(PostgresSettings.Gateway, null, default);
        Assert.Null(await settings.GetAsync(PostgresSettings.Gateway, default));
    }

    [Fact]
    public async Task The_summary_counts()
    {
        await using var rig = await Rig.NewAsync();
        await rig.ImportAsync((Samples.Account("a"), Samples.DueToRenew(Rig.Now)), (Samples.Account("b"), default));
        await rig.Book.ClaimAsync(PassKind.Renew, Rig.Now, 10, f => Samples.Renew(f, Rig.Now), default);
        await rig.Book.AnswerAsync([new AnswerFor("a", null, f => Samples.Paid(f, Rig.Now))], default);

        Assert.Equal(
            [
                new CountRow("accounts", "active", 2), new CountRow("charges", "succeeded", 1), new CountRow("invoices", "paid", 1),
                new CountRow("mails receipt", "pending", 2), new CountRow("subscriptions", "live", 2),
            ],
            await new PostgresQueries(rig.Source).SummaryAsync(default));
    }

    private static Decision Delivered(AccountFile file, Instant now)
    {
        var mail = file.Mails.Single();
        ImmutableArray<Recipient> recipients = [.. mail.Recipients.Select(r => r with { State = DeliveryState.Accepted, SettledAt = now, Tries = 1 })];
        return Samples.Decide(file, now, default, f => f with { Mails = [mail with { Recipients = recipients }] },
            new BookEvent(now, file.Id, EventTypes.EmailSent) { Template = mail.Template, To = recipients });
    }
}
