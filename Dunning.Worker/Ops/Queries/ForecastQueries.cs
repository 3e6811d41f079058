using Dapper;
using Dunning.Model;
using Dunning.Options;
using Dunning.Postgres;
using Dunning.Rules;
using Dunning.Time;
using NodaTime;
using Npgsql;

namespace Dunning.Ops.Queries;

#pragma warning disable CS1591 // rows for one page; their names say what they are

/// <summary>A purge that is ahead.</summary>
internal sealed record PurgeRow(string Account, string Name, DateOnly PurgeOn, string Zone, string Access, bool Held, bool Exempt, bool Waits, string? Currency, long Owed);

/// <summary>So many purges at an instant; those that wait are not done before what they wait for is gone.</summary>
internal sealed record PurgesAt(Instant At, bool Waits, long Count);

/// <summary>What is expected on a day, in one currency: minor units, tax included.</summary>
internal sealed record ExpectedDay(LocalDate Day, string Currency, long Renewals, long Cash);

#pragma warning restore CS1591

/// <summary>
/// What is ahead of the whole book. An estimate: by today's plans, prices and tax rates, every renewal in its turn; without credit and carried amounts; suspended
/// accounts are left out, as their renewals are held.
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
            select s.anchor, s.renews_on, s.plan_code as plan, s.pending_plan as pending, s.interval_unit as unit, s.interval_count as every, s.quantity,
                   a.currency, a.country, a.vat_number is not null as has_vat, count(*) as count
            from dunning.subscription s join dunning.account a on a.id = s.account_id
            where s.state = 'live' and s.auto_renew and not s.cancel_at_period_end and s.renews_on <= @until and a.access = 'active' and a.purged_at is null
            group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
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
            var present = new Schedule(row.Anchor.Local(), new Model.Interval(Texts.Unit[row.Unit], row.Every));
            Model.Interval? pending = row.Pending is null ? null : catalog.Plans[row.Pending].Interval;
            foreach (var day in Forecast.RenewalDates(present, pending, row.RenewsOn.Local(), until))
            {
                var key = (LocalDate.Max(day, from), row.Currency);
                var (renewals, cash) = days.GetValueOrDefault(key);
                days[key] = (renewals + row.Count, checked(cash + (price * row.Count)));
            }
        }
        return [.. days.Select(d => new ExpectedDay(d.Key.Item1, d.Key.Item2, d.Value.Renewals, d.Value.Cash))];
    }

    /// <summary>Purges so far ahead are told apart, on the overview and beside the forecast.</summary>
    public static readonly Duration Soon = Duration.FromDays(30);

    // What a purge waits for, as the rule has it (PurgeForecast): a test compares them.
    private const string Waits =
        """
        (a.access <> 'suspended' or a.legal_hold or a.exempt
            or exists (select from dunning.receivable r where r.account_id = a.id and r.state = 'open' and (r.paused_until is not null or r.recharge_due))
            or exists (select from dunning.charge c where c.account_id = a.id and c.state in ('in_flight', 'unknown', 'pending'))
            or exists (select from dunning.outbox o where o.account_id = a.id and o.state in ('pending', 'held') and o.template = 'purge_warning'))
        """;

    /// <summary>Purges that fall due until an instant, the next first.</summary>
    public async Task<IReadOnlyList<PurgeRow>> PurgesAsync(Instant until, RuleOptions rules, int limit, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return [.. (await connection.QueryAsync<PurgeRow>(new CommandDefinition(
            $"""
            select a.id as account, a.name, a.purge_on, a.time_zone as zone, a.access, a.legal_hold as held, a.exempt, {Waits} as waits, a.currency,
                   coalesce((select sum(i.amount_due) from dunning.receivable r join dunning.invoice i using (subscription_id, period_start)
                             where r.account_id = a.id and r.state = 'open'), 0)::bigint as owed
            from dunning.account a
            where a.access <> 'active' and a.purge_on <= @until and a.purged_at is null
            order by a.purge_on, a.id limit @limit
            """,
            new { until = LastDate(until), limit }, cancellationToken: ct))).Where(r => DueAt(r.PurgeOn, r.Zone, rules) <= until)];
    }

    /// <summary>How many purges fall due until an instant, and when.</summary>
    public async Task<IReadOnlyList<PurgesAt>> PurgesAheadAsync(Instant until, RuleOptions rules, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return [.. (await connection.QueryAsync<(DateOnly PurgeOn, string Zone, bool Waits, long Count)>(new CommandDefinition(
            $"""
            select a.purge_on, a.time_zone, {Waits}, count(*) from dunning.account a
            where a.access <> 'active' and a.purge_on <= @until and a.purged_at is null group by 1, 2, 3
            """,
            new { until = LastDate(until) }, cancellationToken: ct)))
            .Select(r => new PurgesAt(DueAt(r.PurgeOn, r.Zone, rules), r.Waits, r.Count)).Where(r => r.At <= until)];
    }

    // Dates are local: that of the easternmost zone is a day ahead.
    private static DateOnly LastDate(Instant until) => until.InUtc().Date.PlusDays(1).Date();

    private static Instant DueAt(DateOnly date, string zone, RuleOptions rules) => LocalClock.DueAt(date.Local(), rules.ChargeAt, rules.Zones[zone]);

    private static long? PriceOf(GroupRow row, Catalog catalog, string seller)
    {
        if (!catalog.Plans.TryGetValue(row.Pending ?? row.Plan, out var plan) || !plan.Prices.TryGetValue(row.Currency, out var unit) || !catalog.TaxRates.TryGetValue(row.Country, out var rate))
        {
            return null;
        }
        var net = new Money(unit, Currency.Of(row.Currency)) * row.Quantity;
        var isTaxed = row.Country == seller || (rate.Eu && !row.HasVat);
        return (isTaxed ? net + net.Share(rate.RateBp) : net).Minor;
    }

    private sealed record GroupRow(
        DateOnly Anchor, DateOnly RenewsOn, string Plan, string? Pending, string Unit, int Every, int Quantity, string Currency, string Country, bool HasVat, long Count);
}
