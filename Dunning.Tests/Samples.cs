using System.Collections.Immutable;
using Dunning.Model;
using Dunning.Options;
using Dunning.Passes;
using Dunning.Time;
using NodaTime;

namespace Dunning.Tests;

/// <summary>Small accounts, plans and rules for tests of the rules.</summary>
internal static class Samples
{
    /// <summary>Plans: the name says the interval; <c>free</c> costs nothing, <c>euro-only</c> has one price.</summary>
    public static Catalog Catalog { get; } = new(
        new[]
        {
            Plan("monthly", IntervalUnit.Month, 1, 1500), Plan("yearly", IntervalUnit.Year, 1, 49990), Plan("half-yearly", IntervalUnit.Month, 6, 8000),
            Plan("five-monthly", IntervalUnit.Month, 5, 7000), Plan("weekly", IntervalUnit.Week, 1, 999), Plan("daily", IntervalUnit.Day, 1, 105),
            Plan("five-daily", IntervalUnit.Day, 5, 1555), Plan("28-daily", IntervalUnit.Day, 28, 2450), Plan("free", IntervalUnit.Month, 1, 0),
            Plan("euro-only", IntervalUnit.Month, 1, 1000) with { Prices = Prices(("EUR", 1000)) },
        }.ToImmutableSortedDictionary(p => p.Code, p => p, StringComparer.Ordinal),
        new TaxRate[]
        {
            new("FR", 2000, true), new("DE", 1900, true), new("LU", 1700, true), new("HU", 2700, true), new("GB", 2000, false), new("US", 0, false),
            new("JP", 1000, false), new("MA", 2000, false), new("AU", 1000, false),
        }.ToImmutableSortedDictionary(t => t.Country, t => t, StringComparer.Ordinal));

    /// <summary>The rules of a simulation, with settings over the defaults.</summary>
    public static Rulebook Rules(params (string Key, string Value)[] settings)
    {
        var (options, faults) = RuleOptions.Read(settings.Select(s => new KeyValuePair<string, string?>(s.Key, s.Value)));
        Assert.Empty(faults);
        return new Rulebook(options!.ForSimulation() with { Zones = ZoneData.V2025b }, Catalog, "tests");
    }

    /// <summary>An account in Paris that pays in euros, known since an instant.</summary>
    public static AccountFile Account(string id, Instant knownAt, string zone = "Europe/Paris", string country = "FR", string currency = "EUR") => new()
    {
        Id = id,
        Name = id,
        LegalName = id,
        Country = country,
        TimeZone = zone,
        Currency = Currency.Of(currency),
        Locale = "en",
        Address = new Address("1 Street", null, "75001", "Paris"),
        LastEventAt = knownAt,
        ContactCount = 1,
        Contacts = [new Contact(1, $"owner@{id}.example", "", ContactRole.Owner, null)],
    };

    /// <summary>A subscription.</summary>
    public static Subscription Subscription(string id, string plan, LocalDate anchor, LocalDate renewsOn, Instant knownAt) => new()
    {
        Id = id,
        PlanCode = plan,
        Interval = Catalog.Plans[plan].Interval,
        Quantity = 1,
        Anchor = anchor,
        RenewsOn = renewsOn,
        RenewsOnKnownAt = knownAt,
    };

    /// <summary>The default method: a card that outlasts every test.</summary>
    public static PaymentMethod Card(string token, Instant knownAt, string id = "card") =>
        new() { Id = id, Token = token, Expires = new YearMonth(2049, 12), IsDefault = true, KnownAt = knownAt };

    /// <summary>A backup method.</summary>
    public static PaymentMethod Backup(string id, string token, Instant knownAt) =>
        new() { Id = id, Token = token, Expires = new YearMonth(2049, 12), IsBackup = true, KnownAt = knownAt };

    private static Plan Plan(string code, IntervalUnit unit, int count, long price) => new(
        code, 1, ImmutableSortedDictionary<string, string>.Empty.Add("en", code), new Model.Interval(unit, count),
        Prices(("EUR", price), ("USD", price), ("GBP", price), ("JPY", price), ("KWD", price)));

    private static ImmutableSortedDictionary<string, long> Prices(params (string Currency, long Minor)[] prices) =>
        prices.ToImmutableSortedDictionary(p => p.Currency, p => p.Minor, StringComparer.Ordinal);
}
