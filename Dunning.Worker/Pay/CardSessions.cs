using Dapper;
using Dunning.Model;
using Dunning.Postgres;
using NodaTime;
using Npgsql;

namespace Dunning.Pay;

/// <summary>A visit to a page of the gateway's: a row of <c>dunning.card_session</c>.</summary>
/// <param name="MethodId">Of a confirmation: which method; null: a new one is given.</param>
/// <param name="Reference">The gateway's id of it; null: it was not opened, or the answer was lost.</param>
/// <param name="State"><c>open</c>, <c>done</c>, <c>failed</c> or <c>closed</c>.</param>
/// <param name="HandedIn">What came of it was handed in to the rules, perhaps without their answer being seen.</param>
/// <param name="Code">Of a failed one: the decline code.</param>
internal sealed record CardSessionRow(
    string Id, string AccountId, int Contact, string? MethodId, int? MethodGeneration, string? Reference, string State, bool HandedIn, string? Code,
    DateTime StartedAt, DateTime? SettledAt, int Tries)
{
    /// <summary>Of a confirmation: which method.</summary>
    public MethodRef? Method => MethodId is null ? null : new MethodRef(MethodId, MethodGeneration!.Value);

    /// <summary>Nothing has come of it so far.</summary>
    public bool IsOpen => State == "open";
}

/// <summary>A reservation that is to be given back.</summary>
internal sealed record CardHoldRow(string SessionId, string AccountId, string? GatewayCustomer, string Currency, DateTime AskedAt, string? Reference, int Tries);

/// <summary>The tables <c>dunning.card_session</c> and <c>dunning.card_hold</c>.</summary>
internal sealed class CardSessions(NpgsqlDataSource source)
{
    /// <summary>How many visits an account may begin in an hour: each is an object at the gateway.</summary>
    public const int PerHour = 20;

    // Longer than the requests of one look take.
    private static readonly Duration s_lease = Duration.FromMinutes(3);

    private const string Columns =
        "id, account_id, contact, method_id, method_generation, reference, state, handed_in, code, started_at, settled_at, tries";

    /// <summary>Adds a visit; false: the account has begun too many.</summary>
    public async Task<bool> AddAsync(string id, string account, int contact, MethodRef? method, Instant now, Instant firstLook, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return await connection.ExecuteAsync(new CommandDefinition(
            """
            insert into dunning.card_session (id, account_id, contact, method_id, method_generation, state, started_at, next_look_at)
            select @id, @account, @contact, @methodId, @generation, 'open', @now, @firstLook
            where (select count(*) from dunning.card_session where account_id = @account and started_at > @hourAgo) < @PerHour
            """,
            new
            {
                id, account, contact, methodId = method?.Id, generation = method?.Generation, now = now.Utc(), firstLook = firstLook.Utc(),
                hourAgo = (now - Duration.FromHours(1)).Utc(), PerHour,
            },
            cancellationToken: ct)) > 0;
    }

    /// <summary>The gateway has opened it.</summary>
    public Task OpenedAsync(string id, string reference, CancellationToken ct) =>
        ExecuteAsync("update dunning.card_session set reference = @reference where id = @id", new { id, reference }, ct);

    /// <summary>A visit, or null when there is none of that id.</summary>
    public async Task<CardSessionRow?> FindAsync(string id, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return await connection.QuerySingleOrDefaultAsync<CardSessionRow>(
            new CommandDefinition($"select {Columns} from dunning.card_session where id = @id", new { id }, cancellationToken: ct));
    }

    /// <summary>Takes an open visit for oneself; null: somebody else has it, or it is over.</summary>
    public async Task<CardSessionRow?> ClaimAsync(string id, Instant now, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return await connection.QuerySingleOrDefaultAsync<CardSessionRow>(new CommandDefinition(
            $"""
            update dunning.card_session set lease_until = @lease
            where id = @id and state = 'open' and (lease_until is null or lease_until <= @now)
            returning {Columns}
            """,
            new { id, now = now.Utc(), lease = (now + s_lease).Utc() }, cancellationToken: ct));
    }

    /// <summary>Takes open visits whose turn has come: customers that never came back.</summary>
    public async Task<IReadOnlyList<CardSessionRow>> ClaimDueAsync(Instant now, int batch, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return (await connection.QueryAsync<CardSessionRow>(new CommandDefinition(
            $"""
            update dunning.card_session set lease_until = @lease, tries = tries + 1
            where id = any(array(
                select id from dunning.card_session
                where state = 'open' and next_look_at <= @now and (lease_until is null or lease_until <= @now)
                order by next_look_at limit @batch for update skip locked))
            returning {Columns}
            """,
            new { now = now.Utc(), lease = (now + s_lease).Utc(), batch }, cancellationToken: ct))).AsList();
    }

    /// <summary>Nothing has come of it yet.</summary>
    public Task ReleaseAsync(string id, Instant? nextLook, CancellationToken ct) => ExecuteAsync(
        "update dunning.card_session set lease_until = null, next_look_at = coalesce(@next, next_look_at) where id = @id and state = 'open'",
        new { id, next = nextLook.Utc() }, ct);

    /// <summary>What came of it is about to be handed in.</summary>
    public Task HandInAsync(string id, CancellationToken ct) => ExecuteAsync("update dunning.card_session set handed_in = true where id = @id", new { id }, ct);

    /// <summary>It is over.</summary>
    public Task SettleAsync(string id, string state, string? code, Instant now, CancellationToken ct) => ExecuteAsync(
        """
        update dunning.card_session set state = @state, code = @code, settled_at = @now, next_look_at = null, lease_until = null
        where id = @id and state = 'open'
        """,
        new { id, state, code, now = now.Utc() }, ct);

    /// <summary>Whether an account has, or ever had, a method with that token.</summary>
    public async Task<bool> KnowsTokenAsync(string account, string token, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return await connection.ExecuteScalarAsync<bool>(new CommandDefinition(
            "select exists(select from dunning.payment_method where account_id = @account and token = @token)", new { account, token }, cancellationToken: ct));
    }

    /// <summary>A reservation is about to be asked for. Asked again, it is the same.</summary>
    public Task AskHoldAsync(string session, string account, Currency currency, Instant now, Instant voidAt, CancellationToken ct) => ExecuteAsync(
        """
        insert into dunning.card_hold (session_id, account_id, currency, asked_at, state, void_at)
        values (@session, @account, @Code, @now, 'held', @voidAt) on conflict (session_id) do nothing
        """,
        new { session, account, currency.Code, now = now.Utc(), voidAt = voidAt.Utc() }, ct);

    /// <summary>It is reserved.</summary>
    public Task HeldAsync(string session, string reference, CancellationToken ct) =>
        ExecuteAsync("update dunning.card_hold set reference = @reference where session_id = @session", new { session, reference }, ct);

    /// <summary>Nothing is reserved: <c>declined</c>, or <c>voided</c>.</summary>
    public Task SettleHoldAsync(string session, string state, Instant now, CancellationToken ct) => ExecuteAsync(
        "update dunning.card_hold set state = @state, settled_at = @now, void_at = null where session_id = @session and state = 'held'",
        new { session, state, now = now.Utc() }, ct);

    /// <summary>Takes reservations whose time has come; they are nobody else's until the lease ends.</summary>
    public async Task<IReadOnlyList<CardHoldRow>> ClaimHoldsAsync(Instant now, int batch, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return (await connection.QueryAsync<CardHoldRow>(new CommandDefinition(
            """
            update dunning.card_hold h set tries = h.tries + 1, void_at = @lease
            from (
                select c.session_id, a.gateway_customer from dunning.card_hold c join dunning.account a on a.id = c.account_id
                where c.state = 'held' and c.void_at <= @now order by c.void_at limit @batch for update of c skip locked
            ) d
            where h.session_id = d.session_id
            returning h.session_id, h.account_id, d.gateway_customer, h.currency, h.asked_at, h.reference, h.tries
            """,
            new { now = now.Utc(), lease = (now + Duration.FromMinutes(10)).Utc(), batch }, cancellationToken: ct))).AsList();
    }

    /// <summary>It could not be given back.</summary>
    public Task PutOffAsync(string session, Instant next, CancellationToken ct) =>
        ExecuteAsync("update dunning.card_hold set void_at = @next where session_id = @session and state = 'held'", new { session, next = next.Utc() }, ct);

    private async Task ExecuteAsync(string sql, object values, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        await connection.ExecuteAsync(new CommandDefinition(sql, values, cancellationToken: ct));
    }
}
