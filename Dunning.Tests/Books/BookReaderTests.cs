using System.Text;
using Dunning.Books;
using Dunning.Gateways;
using Dunning.Gateways.Sandbox;
using Dunning.Gateways.Stripe;
using Dunning.Model;
using NodaTime;

namespace Dunning.Tests.Books;

public sealed class BookReaderTests
{
    public static TheoryData<string, int, int, int> Books => new()
    {
        { "tour", 29, 13, 833 },
        { "full", 240, 395, 9163 },
        { "outage", 80, 198, 2749 },
        { "edge-1", 80, 362, 5137 },
        { "edge-2", 80, 438, 5392 },
        { "edge-3", 80, 340, 5261 },
        { "edge-4", 80, 319, 7320 },
        { "edge-5", 80, 360, 8107 },
    };

    [Theory]
    [MemberData(nameof(Books))]
    public async Task Every_book_reads_without_fault(string name, int accounts, int actions, int events)
    {
        var folder = Path.Combine(AppContext.BaseDirectory, "books", name);

        var reading = await BookReader.ReadAsync(new BookRequest
        {
            Folder = folder,
            Use = BookUse.Simulation,
            IsToken = SandboxToken.IsToken,
        });

        Assert.Equal([], reading.Faults.Describe());
        var book = reading.Book!;
        Assert.Equal((accounts, actions), (book.AccountCount, book.Actions.Length));
        Assert.Equal(accounts, (await book.AccountsAsync().ToListAsync()).Select(a => a.ContentHash).Distinct().Count());
        var comparison = new EventComparison();
        Assert.True((await ExpectedEvents.ReadAsync(book.ExpectedEventsPath!, e =>
        {
            comparison.Expect(e);
            comparison.Happened(e);
        })).IsEmpty);
        Assert.True(comparison.Agrees);
        Assert.Equal(events, comparison.ExpectedCount);
    }

    // Stripe charges a customer's method: without the customer each charge would be refused, at the first renewal.
    [Fact]
    public async Task A_gateway_that_needs_customers_gets_no_account_without_its_own()
    {
        using var folder = new BookFolder();
        var stripe = new PaymentSettings { Stripe = new StripeOptions { Key = StripeKey.Find("sk_test_51HfSecretSecret")! } };

        var fault = await folder.TheFaultAsync(folder.Import with { IsCustomer = stripe.IsCustomer, CustomerHelp = stripe.CustomerHelp });

        Assert.Equal(("accounts.jsonl", 1, "gateway_customer"), (fault.File, fault.Line, fault.Field));
    }

    [Fact]
    public async Task An_account_starts_as_its_line_says()
    {
        using var folder = new BookFolder();
        var book = await folder.TheBookAsync();

        var account = (await book.AccountsAsync().ToListAsync())[1];

        var file = account.File;
        Assert.Equal(2, account.Line);
        Assert.Equal(("b-2", "Brume", "Brume GmbH", "DE", "Europe/Berlin", "EUR", "de", "DE1", 500, "cus_1"),
            (file.Id, file.Name, file.LegalName, file.Country, file.TimeZone, file.Currency.Code, file.Locale, file.VatNumber, file.Credit, file.GatewayCustomer));
        Assert.Equal(new Address("1 Weg", "Hof", "10115", "Berlin"), file.Address);
        Assert.Equal(
            [new Contact(1, "eva@brume.example", "Eva", ContactRole.Owner, null), new Contact(2, "konto@brume.example", "", ContactRole.Billing, "fr-CA")],
            file.Contacts.ToArray());
        Assert.Equal(2, file.ContactCount);
        Assert.Equal(
            [
                new PaymentMethod { Id = "pm-1", Token = "sandbox_ok", Expires = new YearMonth(2029, 6), IsDefault = true, Brand = "visa", Last4 = "4242", KnownAt = BookFolder.Now },
                new PaymentMethod { Id = "pm-2", Token = "sandbox_sca", Expires = new YearMonth(2030, 1), IsBackup = true, KnownAt = BookFolder.Now },
            ],
            file.Methods.ToArray());
        Assert.Equal(
            new Subscription
            {
                Id = "b-2-s2", PlanCode = "weekly", Interval = new(IntervalUnit.Week, 2), Quantity = 3, Anchor = new(2026, 3, 3),
                RenewsOn = new(2026, 3, 17), RenewsOnKnownAt = BookFolder.Now,
            },
            file.Subscriptions[1]);
        Assert.Equal(BookFolder.Now, file.LastEventAt);
    }

    [Fact]
    public async Task A_book_has_its_span_settings_catalog_and_actions()
    {
        using var folder = new BookFolder();
        folder.Replace("book.json", "\"09:00\"", "\"02:30\"");

        var book = await folder.TheBookAsync(folder.Simulation);

        Assert.Equal((Instant.FromUtc(2026, 3, 1, 0, 0), Instant.FromUtc(2026, 6, 30, 0, 0), Duration.FromHours(1)),
            (book.Span!.From, book.Span.To, book.Span.Tick));
        Assert.Equal([(Instant.FromUtc(2026, 4, 1, 0, 0), Instant.FromUtc(2026, 4, 2, 0, 0))], book.Span.Outages.ToArray());
        Assert.Equal(new LocalTime(2, 30), book.Options.ChargeAt);
        Assert.Equal("2025b", book.Options.Zones.Version);
        Assert.Equal((false, Duration.Zero), (book.Options.IsService, book.Options.AttemptGap));
        Assert.Equal(7900, book.Catalog.Plans["team"].Prices["JPY"]);
        Assert.Equal(new TaxRate("DE", 1900, true), book.Catalog.TaxRates["DE"]);
        Assert.Equal(
            [
                new AccountAction(Instant.FromUtc(2026, 3, 2, 9, 0), "a-1", ActionNames.Credit) { Amount = 0 },
                new AccountAction(Instant.FromUtc(2026, 3, 3, 9, 0), "b-2", ActionNames.UpdatePaymentMethod)
                    { Token = "sandbox_decline_do_not_honor", Expires = new YearMonth(2029, 7) },
                new AccountAction(Instant.FromUtc(2026, 3, 4, 9, 0), "b-2", ActionNames.AddContact)
                    { Email = "max@brume.example", Role = ContactRole.Admin, Name = "Max" },
                new AccountAction(Instant.FromUtc(2026, 3, 5, 9, 0), "b-2", ActionNames.SetAutoRenew) { Subscription = "b-2-s1", Value = true },
                new AccountAction(Instant.FromUtc(2026, 3, 6, 9, 0), "b-2", ActionNames.GrantAccess) { Days = -3 },
                new AccountAction(Instant.FromUtc(2026, 3, 7, 9, 0), "b-2", ActionNames.ChangePlan) { Subscription = "no-such", Plan = "no-such" },
            ],
            book.Actions.ToArray());
    }

    [Fact]
    public async Task An_import_goes_by_the_services_settings_not_by_the_books()
    {
        using var folder = new BookFolder();
        folder.Replace("book.json", "\"09:00\"", "\"02:30\"");

        var book = await folder.TheBookAsync(folder.Import with { Settings = [new("Dunning:ChargeAt", "07:15")] });

        Assert.Equal(new LocalTime(7, 15), book.Options.ChargeAt);
        Assert.True(book.Options.IsService);
        Assert.Same(Dunning.Time.ZoneData.Current, book.Options.Zones);
    }

    [Fact]
    public async Task Tax_rates_come_from_the_folder_above_when_the_book_has_none()
    {
        using var folder = new BookFolder();
        var inner = Directory.CreateDirectory(folder.In("inner")).FullName;
        foreach (var file in new[] { "plans.json", "accounts.jsonl" })
        {
            File.Move(folder.In(file), Path.Combine(inner, file));
        }

        Assert.Equal(3, (await folder.TheBookAsync(folder.Import with { Folder = inner + Path.DirectorySeparatorChar })).Catalog.TaxRates.Count);
    }

    [Fact]
    public async Task A_default_that_is_a_backup_too_is_only_the_default()
    {
        using var folder = new BookFolder();
        folder.Replace("accounts.jsonl", "\"default\":true", "\"default\":true,\"backup\":true");

        var method = (await (await folder.TheBookAsync()).AccountsAsync().LastAsync()).File.Methods[0];

        Assert.Equal((true, false), (method.IsDefault, method.IsBackup));
    }

    // renews_on of b-2-s1, due at 08:00Z: now, --allow-overdue, --skip-missed, expected fault, renews_on as started.
    [Theory]
    [InlineData("2026-03-31T08:00:00Z", false, false, null, "2026-03-31")] // DST: 09:00 is 07:00Z, so an hour late
    [InlineData("2026-03-31T07:00:00Z", false, false, null, "2026-03-31")]
    [InlineData("2026-03-31T07:00:01Z", false, false, "is overdue", null)]
    [InlineData("2026-03-31T07:00:01Z", true, false, null, "2026-03-31")]
    [InlineData("2026-03-31T07:00:01Z", false, true, "is overdue", null)]
    [InlineData("2026-04-30T07:00:00Z", true, false, null, "2026-03-31")]
    [InlineData("2026-04-30T07:00:01Z", true, false, "is overdue by more than one period", null)]
    [InlineData("2026-04-30T07:00:01Z", true, true, null, "2026-04-30")]
    [InlineData("2026-05-02T00:00:00Z", true, true, null, "2026-05-31")]
    public async Task An_overdue_renewal_is_refused_unless_allowed(string now, bool allow, bool skip, string? problem, string? renewsOn)
    {
        using var folder = new BookFolder();
        folder.Write("accounts.jsonl", BookFolder.Account2.Replace("\"2026-03-17\"", "\"2026-06-09\"", StringComparison.Ordinal));
        File.Delete(folder.In("actions.jsonl"));
        var request = folder.Import with
        {
            Now = NodaTime.Text.InstantPattern.General.Parse(now).Value,
            AllowOverdue = allow,
            SkipMissed = skip,
        };
        if (now == "2026-03-31T08:00:00Z")
        {
            problem = "is overdue";
        }

        if (problem is not null)
        {
            var fault = await folder.TheFaultAsync(request);
            Assert.Equal(("subscriptions[0].renews_on", problem), (fault.Field, fault.Problem));
            return;
        }
        var book = await folder.TheBookAsync(request);
        var account = await book.AccountsAsync().SingleAsync();
        Assert.Equal(renewsOn, NodaTime.Text.LocalDatePattern.Iso.Format(account.File.Subscriptions[0].RenewsOn));
        Assert.Equal(renewsOn == "2026-03-31" ? 0 : 1, book.SkippedCount);
    }

    [Fact]
    public async Task The_same_file_can_be_imported_again_when_its_renewals_are_long_past()
    {
        using var folder = new BookFolder();
        var hashes = (await (await folder.TheBookAsync()).AccountsAsync().ToListAsync()).ToDictionary(a => a.File.Id, a => a.ContentHash);
        var later = folder.Import with { Now = Instant.FromUtc(2027, 3, 1, 0, 0) };

        Assert.False((await BookReader.ReadAsync(later)).Faults.IsEmpty);
        var again = await folder.TheBookAsync(later with { IsPresent = (id, hash) => ValueTask.FromResult(hashes[id] == hash) });

        Assert.Equal(hashes, (await again.AccountsAsync().ToListAsync()).ToDictionary(a => a.File.Id, a => a.ContentHash));
    }

    [Fact]
    public async Task A_simulation_takes_what_is_overdue()
    {
        using var folder = new BookFolder();
        folder.Replace("accounts.jsonl", "\"2026-03-31\"", "\"2025-12-31\"");

        var account = await (await folder.TheBookAsync(folder.Simulation)).AccountsAsync().LastAsync();

        Assert.Equal(new LocalDate(2025, 12, 31), account.File.Subscriptions[0].RenewsOn);
    }

    [Fact]
    public async Task A_file_that_changes_between_the_check_and_the_load_is_noticed()
    {
        using var folder = new BookFolder();
        var book = await folder.TheBookAsync();
        folder.Replace("accounts.jsonl", "\"credit\":500", "\"credit\":501");

        await Assert.ThrowsAsync<InvalidDataException>(async () => await book.AccountsAsync().ToListAsync());
    }

    [Theory]
    [InlineData("eva.maria+rechnung@brume.example")]
    [InlineData("e@b.co")]
    [InlineData("müller@bücher.example")]
    [InlineData("o'neill@xn--bcher-kva.example")]
    [InlineData("用户@例子.测试")]
    public async Task Real_addresses_are_taken(string address)
    {
        using var folder = new BookFolder();
        folder.Replace("accounts.jsonl", "eva@brume.example", address);

        Assert.Equal(address, (await (await folder.TheBookAsync()).AccountsAsync().LastAsync()).File.Contacts[0].Email);
    }
}
