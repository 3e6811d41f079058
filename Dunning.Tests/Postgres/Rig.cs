using System.Collections.Immutable;
using Dapper;
using Dunning.Events;
using Dunning.Model;
using Dunning.Options;
using Dunning.Passes;
using Dunning.Postgres;
using NodaTime;
using Npgsql;

namespace Dunning.Tests.Postgres;

using Mail = Model.Mail; // in here, as the namespace Dunning.Mail comes before what is imported outside

/// <summary>A migrated database of its own, with a book on it.</summary>
public sealed class Rig : IAsyncDisposable
{
    public const string Rules = "test";

    public static readonly Instant Now = Instant.FromUtc(2026, 3, 1, 8, 0);

    public static readonly SellerIdentity Seller = new(
        "Dunning", "Dunning SAS", "FR", new Address("1 rue de la Paix", null, "75002", "Paris"), "FR00123456789", "RCS 123", "Europe/Paris", "F", "A");

    private Rig(string connectionString)
    {
        ConnectionString = connectionString;
        Source = PostgresSource.Create(connectionString);
        Book = new PostgresBook(Source, Rules, Seller);
    }

    public string ConnectionString { get; }

    public NpgsqlDataSource Source { get; }

    public PostgresBook Book { get; }

    public static async Task<Rig> NewAsync()
    {
        var rig = new Rig(await TestServer.NewDatabaseAsync());
        await new Migrator(rig.Source, TimeProvider.System).MigrateAsync(default);
        await new PostgresRework(rig.Source).EnsureAsync(Rules, _ => default, default);
        return rig;
    }

    public async Task ImportAsync(params IEnumerable<(AccountFile File, DueTimes Due)> accounts) =>
        await new PostgresImporter(Source).ImportAsync(
            accounts.Select(a => new ImportedAccount(a.File, a.Due, "hash of " + a.File.Id)).ToAsyncEnumerable(), default);

    public async Task<T> ScalarAsync<T>(string sql)
    {
        await using var connection = await Source.OpenConnectionAsync();
        return (await connection.ExecuteScalarAsync<T>(sql))!;
    }

    public async Task<int> ExecuteAsync(string sql)
    {
        await using var connection = await Source.OpenConnectionAsync();
        return await connection.ExecuteAsync(sql);
    }

    /// <summary>The file as the store reads it.</summary>
    public async Task<AccountFile> ReadAsync(string id)
    {
        await using var connection = await Source.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        return (await Files.ReadAsync(connection, transaction, [id], [], [], default)).Files.Single().File;
    }

    public ValueTask DisposeAsync() => Source.DisposeAsync();
}

/// <summary>Accounts and decisions that need no rule book.</summary>
public static class Samples
{
    private static readonly Currency Euro = Currency.Of("EUR");

    public static AccountFile Account(string id, int renewsInDays = 0) => new()
    {
        Id = id,
        Name = "Atelier",
        LegalName = "Atelier SARL",
        Country = "FR",
        TimeZone = "Europe/Paris",
        Currency = Euro,
        Locale = "fr",
        Address = new Address("12 rue de la République", null, "69002", "Lyon"),
        LastEventAt = Rig.Now - Duration.FromDays(1),
        ContactCount = 2,
        Contacts =
        [
            new Contact(1, $"owner@{id}.example", "Claire", ContactRole.Owner, null),
            new Contact(2, $"billing@{id}.example", "", ContactRole.Billing, "en"),
        ],
        Methods =
        [
            new PaymentMethod
            {
                Id = id + "-card", Token = "sandbox_ok", Expires = new YearMonth(2029, 6), IsDefault = true, Brand = "visa", Last4 = "4242",
                KnownAt = Rig.Now,
            },
        ],
        Subscriptions =
        [
            new Subscription
            {
                Id = id + "-1", PlanCode = "solo", Interval = new Model.Interval(IntervalUnit.Month, 1), Quantity = 1,
                Anchor = new LocalDate(2025, 3, 1), RenewsOn = new LocalDate(2026, 3, 1).PlusDays(renewsInDays), RenewsOnKnownAt = Rig.Now,
            },
        ],
    };

    public static DueTimes DueToRenew(Instant at) => new() { Renew = at };

    /// <summary>A decision that says so and changes the file so.</summary>
    public static Decision Decide(AccountFile before, Instant now, DueTimes due, Func<AccountFile, AccountFile> change, params ImmutableArray<BookEvent> events) => new()
    {
        Before = before,
        After = change(before) with
        {
            Version = before.Version + 1,
            EventCount = before.EventCount + events.Length,
            LastEventAt = now,
        },
        Events = events,
        Due = due,
        Now = now,
    };

    /// <summary>Nothing but a count: the account is not due any more.</summary>
    public static Decision Touch(AccountFile before) =>
        Decide(before, Rig.Now, default, f => f, new BookEvent(Rig.Now, before.Id, EventTypes.AccountAccessEnded));

    public static Invoice Invoice(AccountFile file, LocalDate start, Instant now) => new()
    {
        SubscriptionId = file.Subscriptions[0].Id,
        PeriodStart = start,
        PeriodEnd = start.PlusMonths(1),
        PlanCode = "solo",
        PlanVersion = 1,
        Quantity = 1,
        UnitPrice = new Money(1499, Euro),
        Subtotal = new Money(1499, Euro),
        TaxTreatment = TaxTreatment.Domestic,
        TaxRateBp = 2000,
        Tax = new Money(300, Euro),
        CreditApplied = Money.Zero(Euro),
        AmountDue = new Money(1799, Euro),
        IssuedAt = now,
        Attempts = 1,
        AttemptedAt = now,
    };

    /// <summary>First half of a renewal: the invoice, and the charge whose call is about to go out.</summary>
    public static Decision Renew(AccountFile file, Instant now)
    {
        var subscription = file.Subscriptions[0];
        var start = subscription.RenewsOn;
        var invoice = Invoice(file, start, now);
        var lease = now + Duration.FromMinutes(2);
        return Decide(
            file,
            now,
            new DueTimes { Reconcile = lease, Renew = now + Duration.FromDays(30) },
            f => f with
            {
                LeaseUntil = lease,
                LeaseVersion = f.Version + 1,
                Subscriptions = [subscription with { RenewsOn = start.PlusMonths(1), RenewsOnKnownAt = now, LastRenewedOn = start }],
                Invoices = f.Invoices.Add(invoice),
                Charges = f.Charges.Add(new Charge
                {
                    Key = $"i:{subscription.Id}:{start:uuuu-MM-dd}:1:{f.Methods[0].Id}:0",
                    SubscriptionId = subscription.Id,
                    PeriodStart = start,
                    Attempt = 1,
                    Kind = AttemptKind.First,
                    Method = f.Methods[0].Ref,
                    Token = f.Methods[0].Token,
                    Amount = invoice.AmountDue,
                    FirstCalledAt = now,
                    LastCalledAt = now,
                }),
            },
            new BookEvent(now, file.Id, EventTypes.InvoiceIssued)
            {
                Subscription = subscription.Id, PeriodStart = start, PeriodEnd = invoice.PeriodEnd, Subtotal = 1499, Tax = 300, CreditApplied = 0,
                AmountDue = 1799, Currency = "EUR",
            },
            new BookEvent(now, file.Id, EventTypes.SubscriptionRenewed)
            {
                Subscription = subscription.Id, PeriodStart = start, PeriodEnd = invoice.PeriodEnd,
            });
    }

    /// <summary>Second half: the money was taken.</summary>
    public static Decision Paid(AccountFile file, Instant now)
    {
        var charge = file.Charges.Single();
        var invoice = file.Invoices.Single();
        return Decide(
            file,
            now,
            new DueTimes { Renew = now + Duration.FromDays(30), Mail = now },
            f => f with
            {
                LeaseUntil = null,
                LeaseVersion = 0,
                MailCount = f.MailCount + 1,
                Invoices = [invoice with { State = InvoiceState.Paid, SettledAt = now }],
                Charges = [charge with { State = ChargeState.Succeeded }],
                Mails = f.Mails.Add(Mail(f, now)),
            },
            new BookEvent(now, file.Id, EventTypes.ChargeSucceeded)
            {
                Subscription = charge.SubscriptionId, PeriodStart = charge.PeriodStart, Amount = 1799, Method = charge.Method, Token = charge.Token,
            },
            new BookEvent(now, file.Id, EventTypes.InvoicePaid) { Subscription = charge.SubscriptionId, PeriodStart = charge.PeriodStart });
    }

    public static Mail Mail(AccountFile file, Instant now) => new()
    {
        Number = file.MailCount + 1,
        Template = MailTemplates.Receipt,
        DecidedAt = now,
        Facts = new MailFacts { Subscription = file.Subscriptions[0].Id, Amount = 1799, Currency = "EUR" },
        Recipients = [.. file.Contacts.Select(c => new Recipient { Contact = c.Number, Email = c.Email, Name = c.Name, Locale = c.Locale ?? file.Locale })],
    };
}
