using Dapper;
using Dunning.Model;
using Dunning.Passes;
using Dunning.Ports;
using Dunning.Postgres;
using NodaTime;
using Npgsql;

namespace Dunning.Gateways.Outages;

/// <summary>
/// Asks a gateway that is out whether it answers again: first a look-up, which can do no harm; when that is answered, the charge of one account. Reads
/// may work while charges fail.
/// </summary>
/// <param name="source">The database.</param>
/// <param name="gateway">The gateway itself.</param>
/// <param name="guard">Knows of the outage.</param>
/// <param name="trial">Runs a pass over one account through the gateway given, and says whether it found one.</param>
internal sealed class Probe(NpgsqlDataSource source, IPaymentGateway gateway, OutageGuard guard, Func<PassKind, GuardedGateway, Task<bool>> trial)
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(1);

    /// <summary>Asks, if it is this server's turn; where the gateway answers, the outage is over.</summary>
    public async Task RunAsync(CancellationToken ct)
    {
        if (!await guard.TakeProbeAsync(ct))
        {
            return;
        }
        var attempt = new GuardedGateway(gateway, guard, isTrial: true);
        if (await PickAsync(ct) is { } request)
        {
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(ct);
            patience.CancelAfter(s_patience);
            await attempt.LookUpAsync(request, patience.Token);
        }
        // What is unknown is sent again where it can't be found: that is an attempt like the others.
        foreach (var pass in (PassKind[])[PassKind.Renew, PassKind.Dun, PassKind.Reconcile])
        {
            // An account that needed no charge tells nothing of the gateway.
            var asked = attempt.Calls;
            if (attempt.Failures > 0 || (await trial(pass, attempt) && attempt.Calls > asked))
            {
                break;
            }
        }
        if (attempt is { Calls: > 0, Failures: 0 })
        {
            await guard.EndAsync(ct);
        }
    }

    // Any charge will do: that it is not found is an answer. An open one first, since what is asked for most lately lies nearest.
    private async Task<ChargeRequest?> PickAsync(CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return (await connection.QueryFirstOrDefaultAsync<ChargeRow>(new CommandDefinition(
            """
            select c.account_id, a.gateway_customer, c.key, c.subscription_id, c.period_start, c.amount, c.currency, c.method_id, c.method_generation,
                   m.token, c.first_called_at
            from (
                (select 1 as turn, o.* from dunning.charge o join dunning.account b on b.id = o.account_id
                 where o.state in ('in_flight', 'unknown', 'pending') and b.erased_at is null limit 1)
                union all
                (select 2 as turn, o.* from dunning.charge o join dunning.account b on b.id = o.account_id
                 where b.erased_at is null limit 1)
            ) c
            join dunning.account a on a.id = c.account_id
            left join dunning.payment_method m on m.account_id = c.account_id and m.id = c.method_id and m.generation = c.method_generation
            order by turn
            limit 1
            """,
            cancellationToken: ct)))?.ToRequest();
    }

    private sealed record ChargeRow(
        string AccountId, string? GatewayCustomer, string Key, string SubscriptionId, DateOnly PeriodStart, long Amount, string Currency, string MethodId,
        int MethodGeneration, string? Token, DateTime FirstCalledAt)
    {
        public ChargeRequest ToRequest() => new(
            AccountId, GatewayCustomer, Key, SubscriptionId, PeriodStart.Local(), new Money(Amount, Model.Currency.Of(Currency)), new MethodRef(MethodId, MethodGeneration),
            Token ?? "", false, FirstCalledAt.Instant());
    }
}
