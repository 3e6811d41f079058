using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.CompilerServices;
using Dunning.Gateways.Sandbox;
using Dunning.Hosting;
using Dunning.Model;
using Dunning.Passes;
using Dunning.Postgres;
using NodaTime;

namespace Dunning.Commands.Bench;

/// <summary>
/// The book that is measured: accounts with one or two contacts, a card and a monthly subscription that renews on one day. Always the same, and
/// decided at one instant, so that different ways to renew it leave the same rows.
/// </summary>
internal sealed class BenchBook(WorkerSettings settings)
{
    private const string Installation = "bench";
    private const string PlanCode = "team";

    // Odd, so that multiplying by it is one to one modulo 2^32: ids in no order, as those of real accounts.
    private const uint Scramble = 2654435761;
    private const uint Unscramble = 244002641;

    /// <summary>The day on which everything renews.</summary>
    public static readonly LocalDate RenewsOn = new(2026, 3, 16);

    /// <summary>The instant of the pass: everywhere in the book it is that day and past the charge time.</summary>
    public static readonly Instant Now = Instant.FromUtc(2026, 3, 16, 21, 0);

    private static readonly Instant KnownAt = Instant.FromUtc(2026, 2, 16, 21, 0);

    private static readonly (string Country, string Zone, string Locale, string? Vat)[] Buyers =
    [
        ("FR", "Europe/Paris", "fr", null), ("FR", "Europe/Paris", "fr", "FR40303265045"), ("FR", "Europe/Paris", "en", null),
        ("DE", "Europe/Berlin", "en", null), ("DE", "Europe/Berlin", "en", "DE136695976"), ("US", "America/New_York", "en", null),
    ];

    /// <summary>The rules as the service has them.</summary>
    public Rulebook Rules { get; } = new(
        settings.Rules,
        new Catalog(
            ImmutableSortedDictionary.CreateRange(StringComparer.Ordinal,
            [
                KeyValuePair.Create(PlanCode, new Plan(
                    PlanCode, 1, ImmutableSortedDictionary<string, string>.Empty.Add("en", "Team").Add("fr", "Équipe"),
                    new Model.Interval(IntervalUnit.Month, 1), ImmutableSortedDictionary<string, long>.Empty.Add("EUR", 1900))),
            ]),
            ImmutableSortedDictionary.CreateRange(StringComparer.Ordinal,
            [
                KeyValuePair.Create("FR", new TaxRate("FR", 2000, true)), KeyValuePair.Create("DE", new TaxRate("DE", 1900, true)),
                KeyValuePair.Create("US", new TaxRate("US", 0, false)),
            ])),
        Installation);

    /// <summary>The store over a source.</summary>
    public PostgresBook On(Npgsql.NpgsqlDataSource source) => new(source, settings.Rules.Fingerprint, settings.Seller);

    /// <summary>Makes the schema, the plans and the settings in an empty database.</summary>
    public async Task PrepareAsync(Npgsql.NpgsqlDataSource source, TimeProvider time, CancellationToken ct)
    {
        await new Migrator(source, time).MigrateAsync(ct);
        await new PostgresSettings(source).SetAsync(PostgresSettings.Installation, Installation, ct);
        var catalog = new PostgresCatalog(source);
        await catalog.UpsertPlansAsync(Rules.Catalog.Plans.Values, KnownAt, ct);
        await catalog.UpsertTaxRatesAsync(Rules.Catalog.TaxRates.Values, ct);
        await new PostgresRework(source).EnsureAsync(settings.Rules.Fingerprint, file => Pass.DueOf(file, Now, Rules), ct);
    }

    /// <summary>Imports accounts, as the product does.</summary>
    public async Task ImportAsync(Npgsql.NpgsqlDataSource source, int accounts, Action<int> progress, CancellationToken ct) =>
        await new PostgresImporter(source).ImportAsync(AccountsAsync(accounts, progress, ct), ct);

    /// <summary>The id of the account with that index.</summary>
    public static string IdOf(int index) => string.Create(CultureInfo.InvariantCulture, $"acc_{unchecked((uint)index * Scramble):x8}");

    /// <summary>The index of an account.</summary>
    public static int IndexOf(string id) =>
        unchecked((int)(uint.Parse(id.AsSpan(4, 8), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture) * Unscramble));

    /// <summary>SQL for <see cref="IdOf"/>, of <c>i</c>.</summary>
    public const string IdSql = "'acc_' || lpad(to_hex((i::bigint * 2654435761) % 4294967296), 8, '0')";

#pragma warning disable CS1998 // a stream by its consumer's wish
    private async IAsyncEnumerable<ImportedAccount> AccountsAsync(
        int accounts, Action<int> progress, [EnumeratorCancellation] CancellationToken ct)
#pragma warning restore CS1998
    {
        for (var i = 0; i < accounts; i++)
        {
            ct.ThrowIfCancellationRequested();
            if (i % 1000 == 0)
            {
                progress(i);
            }
            var file = AccountOf(i);
            yield return new ImportedAccount(file, Pass.DueOf(file, KnownAt, Rules), file.Id);
        }
    }

    private static AccountFile AccountOf(int index)
    {
        var id = IdOf(index);
        var (country, zone, locale, vat) = Buyers[index % Buyers.Length];
        var number = index.ToString(CultureInfo.InvariantCulture);
        var contacts = index % 2 == 0 ? 1 : 2;
        return new AccountFile
        {
            Id = id,
            Name = "Atelier " + number,
            LegalName = "Atelier " + number + " SARL",
            Country = country,
            TimeZone = zone,
            Currency = Currency.Of("EUR"),
            Locale = locale,
            Address = new Address(number + " rue de la République", index % 3 == 0 ? "Bâtiment B" : null, "69002", "Lyon"),
            VatNumber = vat,
            GatewayCustomer = "cus_" + number,
            LastEventAt = KnownAt,
            ContactCount = contacts,
            Contacts =
            [
                .. new[]
                {
                    new Contact(1, $"owner@{id}.example", "Claire Martin", ContactRole.Owner, null),
                    new Contact(2, $"billing@{id}.example", "Accounts payable", ContactRole.Billing, "en"),
                }.Take(contacts),
            ],
            Methods =
            [
                new PaymentMethod
                {
                    Id = "card_" + number, Token = "sandbox_ok", Expires = new YearMonth(2028, 1 + (index % 12)), IsDefault = true, Brand = "visa",
                    Last4 = "4242", KnownAt = KnownAt,
                },
            ],
            Subscriptions =
            [
                new Subscription
                {
                    Id = "sub_" + id[4..], PlanCode = PlanCode, Interval = new Model.Interval(IntervalUnit.Month, 1), Quantity = 1 + (index % 5),
                    Anchor = RenewsOn.PlusMonths(-14), RenewsOn = RenewsOn, RenewsOnKnownAt = KnownAt,
                },
            ],
        };
    }
}
