using Dapper;
using Dunning.Model;
using Dunning.Postgres;
using NodaTime;
using Npgsql;

namespace Dunning.Ops.Queries;

#pragma warning disable CS1591 // rows for one page; their names say what they are

/// <summary>A purge that is ahead.</summary>
internal sealed record PurgeRow(string Account, string Name, DateOnly PurgeOn, string Access, bool Held, bool Exempt, string? Currency, long Owed);

/// <summary>What is expected on a day, in one currency: minor units, tax included.</summary>
internal sealed record ExpectedDay(LocalDate Day, string Currency, long Renewals, long Cash);

#pragma warning restore CS1591

/// <summary>
/// What is ahead of the whole book. An estimate: by today's plans, prices and tax rates, every renewal in its turn; without credit, carried amounts and the rare
/// year-end turns of anchors; what accounts owe that are suspended is left out, as their renewals are held.
/// </summary>
internal sealed class ForecastQueries(NpgsqlDataSource source)
{
    /// <summary>Renewals of each day from <paramref name="from"/> to <paramref name="until"/>, by the catalog and rules of now.</summary>
    /// <param name="from">The first day; what should have renewed before is told on it.</param>
    /// <param name="until">The last day.</param>
    /// <param name="catalog">Plans and tax rates.</param>
    /// <param name="seller">The seller's country.</param>
    /// <param name="ct">Gives up.</param>
    public async Task<IReadOnlyList<ExpectedDay>> RenewalsAsync(LocalDate from, LocalDate until, Catalog catalog, string seller, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        var groups = await connection.QueryAsync<GroupRow>(new CommandDefinition(
            """
            select s.renews_on, coalesce(s.pending_plan, s.plan_code) as plan, s.interval_unit as unit, s.interval_count as every, s.quantity,
                   a.currency, a.country, a.vat_number is not null as has_vat, count(*) as count
            from dunning.subscription s join dunning.account a on a.id = s.account_id
            where s.state = 'live' and s.auto_renew and not s.cancel_at_period_end and s.renews_on <= @until and a.access = 'active' and a.purged_at is null
            group by 1, 2, 3, 4, 5, 6, 7, 8
            """,
            new { until = until.Date() }, cancellationToken: ct));
        var days = new SortedDictionary<(LocalDate, string), (long Renewals, long Cash)>(Comparer<(LocalDate Day, string Currency)>.Create(
            (x, y) => x.Day != y.Day ? x.Day.CompareTo(y.Day) : string.CompareOrdinal(x.Currency, y.Currency)));
        foreach (var row in groups)
        {
            if (PriceOf(row, catalog, seller) is not { } price)
            {
                continue;
            }
            for (var (day, turn) = (row.RenewsOn.Local(), 0); day <= until; day = Next(row, ++turn))
            {
                var key = (LocalDate.Max(day, from), row.Currency);
                var (renewals, cash) = days.GetValueOrDefault(key);
                days[key] = (renewals + row.Count, checked(cash + (price * row.Count)));
            }
        }
        return [.. days.Select(d => new ExpectedDay(d.Key.Item1, d.Key.Item2, d.Value.Renewals, d.Value.Cash))];
    }

    /// <summary>Purges ahead, the next first.</summary>
    public async Task<IReadOnlyList<PurgeRow>> PurgesAsync(LocalDate until, int limit, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return (await connection.QueryAsync<PurgeRow>(new CommandDefinition(
            """
            select a.id as account, a.name, a.purge_on, a.access, a.legal_hold as held, a.exempt, a.currency,
                   coalesce((select sum(i.amount_due) from dunning.receivable r join dunning.invoice i using (subscription_id, period_start)
                             where r.account_id = a.id and r.state = 'open'), 0)::bigint as owed
            from dunning.account a
            where a.access <> 'active' and a.purge_on <= @until and a.purged_at is null
            order by a.purge_on, a.id limit @limit
            """,
            new { until = until.Date(), limit }, cancellationToken: ct))).AsList();
    }

    /// <summary>How many purges there are on each day.</summary>
    public async Task<IReadOnlyList<(DateOnly Day, long Count)>> PurgeDaysAsync(LocalDate until, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return (await connection.QueryAsync<(DateOnly, long)>(new CommandDefinition(
            "select purge_on, count(*) from dunning.account where access <> 'active' and purge_on <= @until and purged_at is null group by 1 order by 1",
            new { until = until.Date() }, cancellationToken: ct))).AsList();
    }

    private static LocalDate Next(GroupRow row, int turn)
    {
        var first = row.RenewsOn.Local();
        var count = turn * row.Every;
        return Texts.Unit[row.Unit] switch
        {
            IntervalUnit.Day => first.PlusDays(count),
            IntervalUnit.Week => first.PlusWeeks(count),
            IntervalUnit.Month => first.PlusMonths(count),
            IntervalUnit.Year => first.PlusYears(count),
        };
    }

    private static long? PriceOf(GroupRow row, Catalog catalog, string seller)
    {
        if (!catalog.Plans.TryGetValue(row.Plan, out var plan) || !plan.Prices.TryGetValue(row.Currency, out var unit) || !catalog.TaxRates.TryGetValue(row.Country, out var rate))
        {
            return null;
        }
        var net = new Money(unit, Currency.Of(row.Currency)) * row.Quantity;
        var isTaxed = row.Country == seller || (rate.Eu && !row.HasVat);
        return (isTaxed ? net + net.Share(rate.RateBp) : net).Minor;
    }

    private sealed record GroupRow(
        DateOnly RenewsOn, string Plan, string Unit, int Every, int Quantity, string Currency, string Country, bool HasVat, long Count);
}
