using Dapper;
using Dunning.Ports;
using Dunning.Postgres;
using NodaTime;
using Npgsql;

namespace Dunning.Gateways.Webhooks;

/// <summary>An event whose turn it is.</summary>
/// <param name="Tries">This one included.</param>
internal sealed record WebhookTurn(string EventId, string Type, string ObjectId, string? ChargeKey, int Tries)
{
    public WebhookEvent Event => new(EventId, Type, ObjectId, ChargeKey);
}

/// <summary>An event as operators see it; instants are UTC. What it is about is not shown: it may be a token.</summary>
internal sealed record WebhookView(string Gateway, string EventId, string Type, DateTime ReceivedAt, string State, int Tries, DateTime? NextTryAt, DateTime? SettledAt, string? Fault);

/// <summary>How many events wait, and how many have failed for good.</summary>
internal sealed record WebhookCounts(long Pending, long Failed);

/// <summary>The table <c>dunning.webhook</c>: what gateways have told, and what became of it.</summary>
internal sealed class WebhookStore(NpgsqlDataSource source)
{
    private const string ByToken = "select distinct account_id from dunning.payment_method where token = @id and not retired";

    // As long as one batch may take; after a crash its events come again then.
    private static readonly Duration s_lease = Duration.FromMinutes(5);

    // Gateways deliver again for days, and people for weeks; an event that comes again after that is worked off again, which harms nothing.

    /// <summary>Keeps events, each once. One that had failed for good and is sent again is tried again.</summary>
    public async Task TakeAsync(string gateway, IReadOnlyCollection<WebhookEvent> events, Instant now, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        await connection.ExecuteAsync(new CommandDefinition(
            """
            insert into dunning.webhook as w (gateway, event_id, type, object_id, charge_key, received_at, state, tries, next_try_at)
            select distinct on (id) @gateway, id, type, object_id, charge_key, @now, 'pending', 0, @now
            from unnest(@ids, @types, @objects, @keys) as e (id, type, object_id, charge_key)
            order by id
            on conflict (gateway, event_id) do update set state = 'pending', tries = 0, next_try_at = excluded.next_try_at, settled_at = null, fault = null
            where w.state = 'failed'
            """,
            new
            {
                gateway, now = now.Utc(), ids = events.Select(e => e.Id).ToArray(), types = events.Select(e => e.Type).ToArray(),
                objects = events.Select(e => e.ObjectId).ToArray(), keys = events.Select(e => e.SettlesKey).ToArray(),
            },
            cancellationToken: ct));
    }

    /// <summary>Takes events of a gateway whose turn has come, oldest first. They are nobody else's until the lease ends.</summary>
    public async Task<IReadOnlyList<WebhookTurn>> ClaimAsync(string gateway, Instant now, int batch, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return (await connection.QueryAsync<WebhookTurn>(new CommandDefinition(
            """
            update dunning.webhook w set tries = w.tries + 1, next_try_at = @lease
            from (
                select gateway, event_id from dunning.webhook
                where gateway = @gateway and state = 'pending' and next_try_at <= @now
                order by next_try_at, event_id limit @batch
                for update skip locked
            ) d
            where (w.gateway, w.event_id) = (d.gateway, d.event_id)
            returning w.event_id, w.type, w.object_id, w.charge_key, w.tries
            """,
            new { gateway, now = now.Utc(), lease = (now + s_lease).Utc(), batch }, cancellationToken: ct))).AsList();
    }

    /// <summary>It is worked off; with <paramref name="wasOurs"/> false it told nothing that concerns us.</summary>
    public Task SettleAsync(string gateway, WebhookTurn turn, bool wasOurs, Instant now, CancellationToken ct) =>
        SetAsync(gateway, turn, wasOurs ? "done" : "ignored", null, now, null, ct);

    /// <summary>It could not be worked off, and is tried again at an instant; null: never.</summary>
    public Task PutOffAsync(string gateway, WebhookTurn turn, Instant? next, Instant now, string fault, CancellationToken ct) =>
        SetAsync(gateway, turn, next is null ? "failed" : "pending", next, next is null ? now : null, fault, ct);

    /// <summary>Whether a charge is known to have been paid, whatever came after that.</summary>
    public async Task<bool> IsPaidAsync(string chargeKey, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return await connection.ExecuteScalarAsync<bool>(new CommandDefinition(
            "select exists (select from dunning.charge where key = @chargeKey and state in ('succeeded', 'reversed'))", new { chargeKey }, cancellationToken: ct));
    }

    /// <summary>Whose news it is. Nobody's: it is of another book, or of a method that was replaced.</summary>
    public async Task<IReadOnlyList<string>> ConcernedAsync(GatewayNews news, CancellationToken ct)
    {
        var (sql, id) = news switch
        {
            GatewayNews.PaidElsewhere paid => ("select account_id from dunning.subscription where id = @id", paid.SubscriptionId),
            GatewayNews.CardReplaced replaced => (ByToken, replaced.Token),
            GatewayNews.MethodGone gone => (ByToken, gone.Token),
            _ => ("select account_id from dunning.charge where key = @id", news.FindKey() ?? throw new InvalidOperationException($"{news.GetType().Name} is about nobody")),
        };
        await using var connection = await source.OpenConnectionAsync(ct);
        return (await connection.QueryAsync<string>(new CommandDefinition(sql, new { id }, cancellationToken: ct))).AsList();
    }

    /// <summary>What waits and what has failed.</summary>
    public async Task<WebhookCounts> CountAsync(CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return await connection.QuerySingleAsync<WebhookCounts>(new CommandDefinition(
            """
            select (select count(*) from dunning.webhook where state = 'pending') as pending,
                   (select count(*) from dunning.webhook where state = 'failed') as failed
            """,
            cancellationToken: ct));
    }

    /// <summary>Events in a state, or in any; the latest received first.</summary>
    public async Task<IReadOnlyList<WebhookView>> ListAsync(string? state, int limit, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return (await connection.QueryAsync<WebhookView>(new CommandDefinition(
            """
            select gateway, event_id, type, received_at, state, tries, next_try_at, settled_at, fault
            from dunning.webhook where @state::text is null or state = @state
            order by received_at desc, gateway, event_id limit @limit
            """,
            new { state, limit }, cancellationToken: ct))).AsList();
    }

    /// <summary>Lets one event that has failed, or all, be tried again. Returns how many. What is to be noted of it is, in the same transaction.</summary>
    public async Task<int> ReviveAsync(string? eventId, Instant now, CancellationToken ct, Func<NpgsqlConnection, NpgsqlTransaction, Task>? note = null)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        var revived = await connection.ExecuteAsync(new CommandDefinition(
            """
            update dunning.webhook set state = 'pending', tries = 0, next_try_at = @now, settled_at = null, fault = null
            where state = 'failed' and (@eventId::text is null or event_id = @eventId)
            """,
            new { eventId, now = now.Utc() }, transaction, cancellationToken: ct));
        if (revived > 0 && note is not null)
        {
            await note(connection, transaction);
        }
        await transaction.CommitAsync(ct);
        return revived;
    }

    private async Task SetAsync(string gateway, WebhookTurn turn, string state, Instant? next, Instant? settled, string? fault, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        // Where the lease has ended, another server may have settled it since.
        await connection.ExecuteAsync(new CommandDefinition(
            """
            update dunning.webhook set state = @state, next_try_at = @next, settled_at = @settled, fault = @fault,
                object_id = case when @state in ('done', 'ignored') then null else object_id end
            where gateway = @gateway and event_id = @EventId and state = 'pending'
            """,
            new { gateway, turn.EventId, state, next = next.Utc(), settled = settled.Utc(), fault }, cancellationToken: ct));
    }
}
