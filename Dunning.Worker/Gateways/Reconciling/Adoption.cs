using Dunning.Hosting;
using Dunning.Ports;
using Npgsql;

namespace Dunning.Gateways.Reconciling;

/// <summary>Brings in what the gateway knows and the database doesn't.</summary>
public sealed class Adoption(Engine engine, NpgsqlDataSource source)
{
    /// <summary>
    /// Takes in the charges that are missing here, to be found by the attempts that are decided again, and tells the outcomes that are waited for. Returns
    /// how many.
    /// </summary>
    public async Task<int> TakeAsync(IReadOnlyList<Difference> differences, CancellationToken ct)
    {
        var missing = differences.Where(d => d.IsAdoptable).Select(d => new AdoptedCharge(
            d.Key, d.Account, d.SubscriptionId!, d.PeriodStart!.Value, d.There!.Amount, d.There.Outcome, d.There.Reference, d.There.CreatedAt!.Value)).ToList();
        await new AdoptedCharges(source).AddAsync(missing, engine.Now(), ct);
        var news = differences.Where(d => d.IsNews).ToList();
        foreach (var difference in news)
        {
            await engine.ToldAsync(difference.Account, new GatewayNews.Settled(difference.Key, difference.There!.Outcome), ct);
        }
        return missing.Count + news.Count;
    }
}
