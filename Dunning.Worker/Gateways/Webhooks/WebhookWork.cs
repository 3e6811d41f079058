using Dunning.Ops.Signals;
using Dunning.Ports;
using Dunning.Time;
using NodaTime;
using Npgsql;

namespace Dunning.Gateways.Webhooks;

/// <summary>Hands news of a gateway in for an account.</summary>
internal delegate Task Hear(string account, GatewayNews news, CancellationToken ct);

/// <summary>
/// Works off what gateways have told. What waits stands in the database, so a late, doubled or lost run harms nothing, and servers share the work.
/// </summary>
internal sealed class WebhookWork(IWebhookGateway gateway, WebhookStore store, Hear hear, Func<Instant> clock, ILogger<WebhookWork> logger, BookMeter? meter = null)
{
    /// <summary>After so many tries, some three days, an event has failed.</summary>
    public const int MaxTries = 20;

    private const int Batch = 50;

    // Charges come first in the gateway's rate, and a burst of renewals is told as a burst of events.
    private const int AtOnce = 8;

    /// <summary>Works off all whose turn has come. Returns how many that was.</summary>
    public async Task<int> RunAsync(CancellationToken ct)
    {
        var count = 0;
        while (await store.ClaimAsync(gateway.Name, clock(), Batch, ct) is { Count: > 0 } turns)
        {
            await Parallel.ForEachAsync(turns, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = ct },
                async (turn, token) => await WorkOffAsync(turn, token));
            count += turns.Count;
        }
        return count;
    }

    private async Task WorkOffAsync(WebhookTurn turn, CancellationToken ct)
    {
        string fault;
        try
        {
            switch (turn.ChargeKey is { } settled && await store.IsPaidAsync(settled, ct) ? null : await gateway.AskAsync(turn.Event, ct))
            {
                case null:
                    await store.SettleAsync(gateway.Name, turn, wasOurs: true, clock(), ct);
                    meter?.CountWebhooks("done");
                    return;
                case WebhookAnswer.Tells(var news):
                    var wasOurs = false;
                    foreach (var one in news)
                    {
                        foreach (var account in await store.ConcernedAsync(one, ct))
                        {
                            await hear(account, one, ct);
                            wasOurs = true;
                        }
                    }
                    await store.SettleAsync(gateway.Name, turn, wasOurs, clock(), ct);
                    meter?.CountWebhooks(wasOurs ? "done" : "ignored");
                    return;
                case WebhookAnswer.NoAnswer(var why):
                    fault = why;
                    break;
                default:
                    throw new InvalidOperationException("an answer of a kind that is not known");
            }
        }
        catch (Exception e) when (e is not (OperationCanceledException or NpgsqlException { IsTransient: true }))
        {
            // The text of an exception may tell more than operators' lists should hold.
            logger.LogError(e, "the event {Event} ({Type}) can't be worked off", turn.EventId, turn.Type);
            fault = $"it can't be decided on ({e.GetType().Name}): the log tells why";
        }
        var now = clock();
        var hasFailed = turn.Tries >= MaxTries;
        await store.PutOffAsync(gateway.Name, turn, hasFailed ? null : now + Backoff.After(turn.Tries), now, fault, ct);
        meter?.CountWebhooks(hasFailed ? "failed" : "deferred");
        logger.Log(hasFailed ? LogLevel.Error : LogLevel.Warning, "the event {Event} ({Type}) {Verdict}: {Fault}",
            turn.EventId, turn.Type, hasFailed ? "has failed for good" : "is tried again later", fault);
    }
}
