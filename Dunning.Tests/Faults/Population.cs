using System.Collections.Immutable;
using Dunning.Gateways;
using Dunning.Gateways.Sandbox;
using Dunning.Model;
using Dunning.Options;
using Dunning.Passes;
using Dunning.Postgres;
using Dunning.Tests.Postgres;
using NodaTime;

namespace Dunning.Tests.Faults;

/// <summary>Accounts by the hundred, each with a token that brings some trouble, first due at <see cref="Rig.Now"/> or on a later day.</summary>
internal static class Population
{
    public static readonly Catalog Catalog = new(
        ImmutableSortedDictionary.Create<string, Plan>(StringComparer.Ordinal).Add("solo", new Plan(
            "solo", 1,
            ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal).Add("en", "Solo"),
            new Model.Interval(IntervalUnit.Month, 1),
            ImmutableSortedDictionary.Create<string, long>(StringComparer.Ordinal).Add("EUR", 1499))),
        ImmutableSortedDictionary.Create<string, TaxRate>(StringComparer.Ordinal).Add("FR", new TaxRate("FR", 2000, true)));

    public static AccountFile Account(int number, string token, int renewsInDays = 0, string? backup = null, long credit = 0)
    {
        var file = Postgres.Samples.Account($"a{number:D5}", renewsInDays);
        var methods = file.Methods.SetItem(0, file.Methods[0] with { Token = token });
        return file with
        {
            Credit = credit,
            Methods = backup is null ? methods : methods.Add(new PaymentMethod
            {
                Id = file.Id + "-spare", Token = backup, IsBackup = true, Expires = new YearMonth(2030, 1), KnownAt = Rig.Now,
            }),
            Subscriptions = [file.Subscriptions[0] with { Anchor = file.Subscriptions[0].RenewsOn }],
        };
    }

    /// <summary>Puts schema, plans, tax rates, rules and accounts into an empty database. Returns the rules as decisions read them.</summary>
    public static async Task<Rulebook> SettleAsync(Npgsql.NpgsqlDataSource source, RuleOptions options, IEnumerable<AccountFile> accounts, bool isSimulation)
    {
        await new Migrator(source, TimeProvider.System).MigrateAsync(default);
        var store = new PostgresSettings(source);
        if (isSimulation)
        {
            await store.SetAsync(PostgresSettings.Simulation, "true", default);
        }
        var catalog = new PostgresCatalog(source);
        await catalog.UpsertPlansAsync(Catalog.Plans.Values, Rig.Now, default);
        await catalog.UpsertTaxRatesAsync(Catalog.TaxRates.Values, default);
        await using (var connection = await source.OpenConnectionAsync())
        {
            await GatewayBinding.BindAsync(connection, "sandbox", default);
            await SandboxSchema.CreateAsync(connection, default);
        }
        var rules = new Rulebook(options, await catalog.LoadAsync(default), await store.InstallationAsync(default));
        await new PostgresRework(source).EnsureAsync(options.Fingerprint, _ => default, default);
        await new PostgresImporter(source).ImportAsync(
            accounts.Select(a => new ImportedAccount(a, Pass.DueOf(a, Rig.Now - Duration.FromDays(1), rules), "hash of " + a.Id)).ToAsyncEnumerable(), default);
        return rules;
    }
}
