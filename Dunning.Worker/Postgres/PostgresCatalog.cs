using System.Collections.Immutable;
using System.Text.Json;
using Dapper;
using Dunning.Model;
using NodaTime;
using Npgsql;

namespace Dunning.Postgres;

/// <summary>Plans and tax rates. A changed plan is a new version; the latest counts for invoices issued from then on (RULES 15).</summary>
public sealed class PostgresCatalog(NpgsqlDataSource source)
{
    /// <summary>The latest version of each plan, and the tax rates.</summary>
    public async Task<Catalog> LoadAsync(CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        var plans = await LatestAsync(connection, null, ct);
        var rates = await connection.QueryAsync<TaxRateRow>(new CommandDefinition("select country, rate_bp, eu from dunning.tax_rate", cancellationToken: ct));
        return new Catalog(
            plans.ToImmutableSortedDictionary(StringComparer.Ordinal),
            rates.ToImmutableSortedDictionary(r => r.Country, r => new TaxRate(r.Country, r.RateBp, r.Eu), StringComparer.Ordinal));
    }

    /// <summary>A version of a plan, such as an invoice names.</summary>
    public async Task<Plan?> PlanAsync(string code, int version, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return (await connection.QuerySingleOrDefaultAsync<PlanRow>(new CommandDefinition(
            "select code, version, names, interval_unit, interval_count, prices from dunning.plan_version where code = @code and version = @version",
            new { code, version },
            cancellationToken: ct)))?.ToPlan();
    }

    /// <summary>
    /// Writes plans, whatever their version number says: one that differs from the latest version gets the next, an equal one none. Returns the
    /// codes of those that are new or changed. Plans that are not named stay.
    /// </summary>
    public async Task<IReadOnlyList<string>> UpsertPlansAsync(IEnumerable<Plan> plans, Instant now, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        // Two imports at once would number the same version twice; the key would refuse one of them.
        await connection.ExecuteAsync(new CommandDefinition("lock table dunning.plan_version in exclusive mode", transaction: transaction, cancellationToken: ct));
        var latest = await LatestAsync(connection, transaction, ct);
        var changed = new List<string>();
        foreach (var plan in plans)
        {
            var known = latest.GetValueOrDefault(plan.Code);
            if (known is not null && known.Interval == plan.Interval && known.Names.SequenceEqual(plan.Names) && known.Prices.SequenceEqual(plan.Prices))
            {
                continue;
            }
            await connection.ExecuteAsync(new CommandDefinition(
                """
                insert into dunning.plan_version (code, version, names, interval_unit, interval_count, prices, known_at)
                values (@Code, @version, @names::jsonb, @unit, @Count, @prices::jsonb, @now)
                """,
                new
                {
                    plan.Code,
                    version = (known?.Version ?? 0) + 1,
                    names = JsonSerializer.Serialize(plan.Names),
                    unit = Texts.Unit[plan.Interval.Unit],
                    plan.Interval.Count,
                    prices = JsonSerializer.Serialize(plan.Prices),
                    now = now.Utc(),
                },
                transaction,
                cancellationToken: ct));
            changed.Add(plan.Code);
        }
        await transaction.CommitAsync(ct);
        return changed;
    }

    /// <summary>Writes tax rates; issued invoices keep theirs.</summary>
    public async Task UpsertTaxRatesAsync(IEnumerable<TaxRate> rates, CancellationToken ct)
    {
        var rows = rates.ToList();
        await using var connection = await source.OpenConnectionAsync(ct);
        await connection.ExecuteAsync(new CommandDefinition(
            """
            insert into dunning.tax_rate (country, rate_bp, eu) select * from unnest(@countries, @bp, @eu)
            on conflict (country) do update set rate_bp = excluded.rate_bp, eu = excluded.eu
            """,
            new { countries = rows.Select(r => r.Country).ToArray(), bp = rows.Select(r => r.RateBp).ToArray(), eu = rows.Select(r => r.Eu).ToArray() },
            cancellationToken: ct));
    }

    private static async Task<Dictionary<string, Plan>> LatestAsync(NpgsqlConnection connection, NpgsqlTransaction? transaction, CancellationToken ct) =>
        (await connection.QueryAsync<PlanRow>(new CommandDefinition(
            """
            select distinct on (code) code, version, names, interval_unit, interval_count, prices
            from dunning.plan_version order by code, version desc
            """,
            transaction: transaction,
            cancellationToken: ct)))
        .ToDictionary(r => r.Code, r => r.ToPlan(), StringComparer.Ordinal);

    private sealed record TaxRateRow(string Country, int RateBp, bool Eu);

    private sealed record PlanRow(string Code, int Version, string Names, string IntervalUnit, int IntervalCount, string Prices)
    {
        public Plan ToPlan() => new(
            Code,
            Version,
            JsonSerializer.Deserialize<Dictionary<string, string>>(Names)!.ToImmutableSortedDictionary(StringComparer.Ordinal),
            new Model.Interval(Texts.Unit[IntervalUnit], IntervalCount),
            JsonSerializer.Deserialize<Dictionary<string, long>>(Prices)!.ToImmutableSortedDictionary(StringComparer.Ordinal));
    }
}
