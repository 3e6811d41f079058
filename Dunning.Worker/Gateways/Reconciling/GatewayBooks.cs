using System.Runtime.CompilerServices;
using Dapper;
using Dunning.Model;
using Dunning.Ports;
using Dunning.Postgres;
using NodaTime;
using Npgsql;

namespace Dunning.Gateways.Reconciling;

/// <summary>How a charge differs between the gateway's books and ours.</summary>
public enum DifferenceKind
{
    /// <summary>The gateway has it, we don't.</summary>
    MissingHere,

    /// <summary>We have its outcome, the gateway doesn't know it.</summary>
    MissingThere,

    /// <summary>The amounts are not the same.</summary>
    AmountDiffers,

    /// <summary>The outcomes are not the same, or we don't know it yet.</summary>
    StateDiffers,

    /// <summary>The gateway has taken the money of an invoice that another charge has paid.</summary>
    TakenTwice,
}

/// <summary>A charge that differs.</summary>
/// <param name="Kind">How.</param>
/// <param name="Key">Its key.</param>
/// <param name="Account">Its account.</param>
/// <param name="SubscriptionId">What it is for.</param>
/// <param name="PeriodStart">And for which period.</param>
/// <param name="Here">Its state here; null: it isn't.</param>
/// <param name="AmountHere">Its amount here.</param>
/// <param name="There">As the gateway has it; null: it doesn't.</param>
public sealed record Difference(
    DifferenceKind Kind, string Key, string Account, string? SubscriptionId, LocalDate? PeriodStart, string? Here, Money? AmountHere, ListedCharge? There)
{
    private bool IsOpenHere => Here is "in_flight" or "unknown" or "pending";

    /// <summary>The gateway tells the outcome of a charge that has none here.</summary>
    public bool IsNews => Kind == DifferenceKind.StateDiffers && IsOpenHere && There!.Outcome is GatewayOutcome.Succeeded or GatewayOutcome.Declined;

    /// <summary>The charge can be taken in.</summary>
    public bool IsAdoptable => (Kind == DifferenceKind.MissingHere || (Kind == DifferenceKind.StateDiffers && Here is null)) && SubscriptionId is not null && PeriodStart is not null && There!.CreatedAt is not null
        && There.Outcome is GatewayOutcome.Succeeded or GatewayOutcome.Pending or GatewayOutcome.Declined;
}

/// <summary>What a comparison has come to.</summary>
public sealed record Comparison(int There, int Here, IReadOnlyList<Difference> Differences);

/// <summary>Compares the gateway's charges with ours, whoever is right. What was adopted before counts as ours.</summary>
public sealed class GatewayBooks(NpgsqlDataSource source, IChargeList list)
{
    private const int BatchSize = 500;

    // A charge whose first call was lost is sent again for as long as its key may be used; and clocks differ.
    private static readonly Duration s_before = Duration.FromDays(1);
    private static readonly Duration s_after = Duration.FromDays(2);

    /// <summary>Compares charges first called, here, or made, there, at or after <paramref name="from"/> and before <paramref name="to"/>.</summary>
    /// <exception cref="GatewayListException">The gateway's list broke off.</exception>
    public async Task<Comparison> CompareAsync(Instant from, Instant to, CancellationToken ct)
    {
        var differences = new List<Difference>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var there = 0;
        await using var connection = await source.OpenConnectionAsync(ct);
        await foreach (var batch in BatchesAsync(list.ListAsync(from - s_before, to + s_after, ct), ct))
        {
            var keys = batch.Select(c => c.Key).ToArray();
            var ours = (await connection.QueryAsync<ChargeRow>(new CommandDefinition(SelectHere, new { keys }, cancellationToken: ct)))
                .ToDictionary(r => r.Key, StringComparer.Ordinal);
            var subscriptions = (await connection.QueryAsync<string>(new CommandDefinition(
                "select id from dunning.subscription where id = any(@ids)",
                new { ids = batch.Where(c => c.IsOurs is null && c.SubscriptionId is not null).Select(c => c.SubscriptionId!).Distinct().ToArray() }, cancellationToken: ct)))
                .ToHashSet(StringComparer.Ordinal);
            foreach (var charge in batch)
            {
                var here = ours.GetValueOrDefault(charge.Key);
                if (here is null && !(charge.IsOurs ?? (charge.SubscriptionId is { } id && subscriptions.Contains(id))))
                {
                    continue;
                }
                seen.Add(charge.Key);
                var isInSpan = charge.CreatedAt is null || (charge.CreatedAt >= from && charge.CreatedAt < to);
                there += isInSpan ? 1 : 0;
                if (isInSpan && KindOf(here, charge) is { } kind)
                {
                    differences.Add(new Difference(
                        kind, charge.Key, charge.Account, charge.SubscriptionId ?? here?.SubscriptionId, charge.PeriodStart ?? here?.PeriodStart.Local(),
                        here?.State, here?.Money, charge));
                }
            }
        }
        var count = 0;
        await foreach (var row in connection.QueryUnbufferedAsync<ChargeRow>(SelectSpan, new { from = from.Utc(), to = to.Utc() }).WithCancellation(ct))
        {
            count++;
            if (row.State is "succeeded" or "failed" or "pending" or "reversed" && !seen.Contains(row.Key))
            {
                differences.Add(new Difference(DifferenceKind.MissingThere, row.Key, row.AccountId, row.SubscriptionId, row.PeriodStart.Local(), row.State, row.Money, null));
            }
        }
        return new Comparison(there, count, differences);
    }

    private static DifferenceKind? KindOf(ChargeRow? here, ListedCharge there)
    {
        if (here is null)
        {
            // It took no money and never will: nothing was lost with it.
            return there.Outcome is GatewayOutcome.NeverMade ? null : DifferenceKind.MissingHere;
        }
        if (here.Money != there.Amount)
        {
            return DifferenceKind.AmountDiffers;
        }
        if (here.IsTwice && there.Outcome is GatewayOutcome.Succeeded)
        {
            return DifferenceKind.TakenTwice;
        }
        var agrees = there.Outcome switch
        {
            // One that the bank has taken back is a success still, of which the gateway keeps the return beside.
            GatewayOutcome.Succeeded => here.State is "succeeded" or "reversed" || here.Adopted == "succeeded",
            GatewayOutcome.Declined => here.State == "failed" || here.Adopted == "declined",
            GatewayOutcome.Pending => here.State == "pending" || here.Adopted == "pending",
            GatewayOutcome.NeverMade => here.State is "abandoned" or null,
            _ => false,
        };
        return agrees ? null : DifferenceKind.StateDiffers;
    }

    private static async IAsyncEnumerable<List<ListedCharge>> BatchesAsync(IAsyncEnumerable<ListedCharge> charges, [EnumeratorCancellation] CancellationToken ct)
    {
        var batch = new List<ListedCharge>(BatchSize);
        await foreach (var charge in charges.WithCancellation(ct))
        {
            batch.Add(charge);
            if (batch.Count == BatchSize)
            {
                yield return batch;
                batch = new List<ListedCharge>(BatchSize);
            }
        }
        if (batch.Count > 0)
        {
            yield return batch;
        }
    }

    // One that was adopted and then decided again is both; one whose invoice another charge of ours has paid was taken twice.
    private const string SelectHere =
        """
        select coalesce(c.key, a.key) as key, coalesce(c.account_id, a.account_id) as account_id, coalesce(c.subscription_id, a.subscription_id) as subscription_id,
               coalesce(c.period_start, a.period_start) as period_start, coalesce(c.amount, a.amount) as amount, coalesce(c.currency, a.currency) as currency,
               c.state, a.outcome as adopted,
               (coalesce(c.state, '') not in ('succeeded', 'reversed') and exists (
                   select from dunning.charge o
                   where o.account_id = a.account_id and o.subscription_id = a.subscription_id and o.period_start = a.period_start and o.state = 'succeeded')) as is_twice
        from (select * from dunning.charge where key = any(@keys)) c
        full join (select * from dunning.adopted_charge where key = any(@keys)) a on a.key = c.key
        """;

    private const string SelectSpan =
        """
        select key, account_id, subscription_id, period_start, amount, currency, state, null::text as adopted, false as is_twice
        from dunning.charge where first_called_at >= @from and first_called_at < @to
        order by first_called_at, key
        """;

    private sealed record ChargeRow(
        string Key, string AccountId, string SubscriptionId, DateOnly PeriodStart, long Amount, string Currency, string? State, string? Adopted, bool IsTwice)
    {
        public Money Money => new(Amount, Model.Currency.Of(Currency));
    }
}
