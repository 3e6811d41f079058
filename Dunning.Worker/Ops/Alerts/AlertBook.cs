using Dapper;
using Dunning.Postgres;
using NodaTime;
using Npgsql;

namespace Dunning.Ops.Alerts;

/// <summary>A message that is to leave.</summary>
internal sealed record AlertMessage(
    long Id, string Way, string What, string Key, string Rule, string Severity, string Summary, string Page, DateTime RaisedAt, DateTime DecidedAt, int Tries);

/// <summary>An alert, as pages show it; instants are UTC.</summary>
public sealed record AlertView(string Key, string Rule, string Severity, string Summary, string Page, DateTime RaisedAt, DateTime LastSeenAt, DateTime? ResolvedAt);

/// <summary>The table of alerts: what is open is told once, again after a while, and once more when it is over.</summary>
internal sealed class AlertBook(NpgsqlDataSource source)
{
    // The letters "dun-alr".
    private const long LockKey = 0x64756e2d616c72;

    // What comes back so soon is the same.
    private static readonly Duration s_same = Duration.FromMinutes(30);

    // What is older is no news any more: a way that is configured anew does not begin with what was long ago.
    private static readonly Duration s_news = Duration.FromDays(7);

    // What only a machine that is gone could end.
    private static readonly Duration s_gone = Duration.FromDays(1);

    /// <summary>
    /// Compares what is open with what is found, and writes the messages that this comes to, all in one transaction and one server at a time. Returns how many
    /// alerts were raised and ended.
    /// </summary>
    /// <param name="findings">What this server has found.</param>
    /// <param name="isOurs">Whether this server may end what has such a key.</param>
    /// <param name="quiet">
    /// So long nobody must have seen it before it is over: servers may look at different moments and with different limits, and what one sees is not over because
    /// another does not.
    /// </param>
    /// <param name="reminder">When the same is told again; null: never.</param>
    /// <param name="ways">The ways that this server has.</param>
    /// <param name="now">The present instant.</param>
    /// <param name="ct">Stops it.</param>
    public async Task<(int Raised, int Resolved)> TakeAsync(
        Findings findings, Func<string, bool> isOurs, Duration quiet, Duration? reminder, IReadOnlyList<string> ways, Instant now, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        await connection.ExecuteAsync(new CommandDefinition("select pg_advisory_xact_lock(@LockKey)", new { LockKey }, transaction, cancellationToken: ct));
        var open = (await connection.QueryAsync<OpenRow>(new CommandDefinition(
            "select id, key, rule, told_at, last_seen_at from dunning.alert where resolved_at is null", transaction: transaction, cancellationToken: ct)))
            .ToDictionary(r => r.Key, StringComparer.Ordinal);
        var (raised, resolved) = (0, 0);
        foreach (var found in findings.Items)
        {
            if (!open.Remove(found.Key, out var row))
            {
                var id = await connection.ExecuteScalarAsync<long?>(new CommandDefinition(
                    """
                    update dunning.alert set resolved_at = null, severity = @severity, summary = @Summary, last_seen_at = @now, told_at = @now
                    where id = (select id from dunning.alert where key = @Key and resolved_at >= @since order by id desc limit 1)
                    returning id
                    """,
                    new { found.Key, severity = NameOf(found.Severity), found.Summary, now = now.Utc(), since = (now - s_same).Utc() }, transaction, cancellationToken: ct));
                id ??= await connection.ExecuteScalarAsync<long>(new CommandDefinition(
                    """
                    insert into dunning.alert (key, rule, severity, summary, page, raised_at, last_seen_at, told_at)
                    values (@Key, @Rule, @severity, @Summary, @Page, @now, @now, @now) returning id
                    """,
                    new { found.Key, found.Rule, severity = NameOf(found.Severity), found.Summary, found.Page, now = now.Utc() }, transaction, cancellationToken: ct));
                await TellAsync(id.Value, "raised", found.Summary);
                raised++;
                continue;
            }
            var isDue = reminder is { } wait && now - row.ToldAt.Instant() >= wait;
            await connection.ExecuteAsync(new CommandDefinition(
                """
                update dunning.alert set severity = @severity, summary = @Summary, last_seen_at = greatest(last_seen_at, @now), told_at = case when @isDue then @now else told_at end
                where id = @Id
                """,
                new { row.Id, severity = NameOf(found.Severity), found.Summary, now = now.Utc(), isDue }, transaction, cancellationToken: ct));
            if (isDue)
            {
                await TellAsync(row.Id, "reminder", found.Summary);
            }
            // A server without a way may have been the first to see it.
            await TellAsync(row.Id, "raised", found.Summary, onlyNew: true);
        }
        foreach (var row in open.Values)
        {
            var unseen = now - row.LastSeenAt.Instant();
            if (findings.Unsure.Contains(row.Key) || !((isOurs(row.Key) && (IsOneMachines(row.Key) || unseen >= quiet)) || unseen >= s_gone))
            {
                continue;
            }
            var summary = await connection.ExecuteScalarAsync<string>(new CommandDefinition(
                // A clock may have been set back since.
                "update dunning.alert set resolved_at = greatest(raised_at, @now) where id = @Id returning summary", new { row.Id, now = now.Utc() }, transaction, cancellationToken: ct));
            await TellAsync(row.Id, "resolved", summary!);
            resolved++;
        }
        await transaction.CommitAsync(ct);
        return (raised, resolved);

        // Also by the ways of other servers, who was told of it is told of its end.
        Task TellAsync(long id, string what, string summary, bool onlyNew = false) => connection.ExecuteAsync(new CommandDefinition(
            """
            with told as (select distinct way from dunning.alert_message where alert_id = @id)
            insert into dunning.alert_message (alert_id, way, what, decided_at, summary, next_try_at)
            select @id, way, @what, @now, @summary, @now
            from (select way from unnest(@ways) way union select way from told) w
            where not @onlyNew or way not in (select way from told)
            """,
            new { id, what, summary, ways = ways.ToArray(), now = now.Utc(), onlyNew }, transaction, cancellationToken: ct));
    }

    /// <summary>
    /// Takes messages whose turn it is, of those ways alone; they are nobody else's for some minutes. A message by a way that no server has any more goes with
    /// its alert.
    /// </summary>
    public async Task<IReadOnlyList<AlertMessage>> ClaimAsync(IReadOnlyList<string> ways, Instant now, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return (await connection.QueryAsync<AlertMessage>(new CommandDefinition(
            """
            with mine as (
                select id from dunning.alert_message where next_try_at <= @now and way = any(@ways) and decided_at >= @oldest order by next_try_at, id limit 50 for update skip locked
            ), taken as (
                update dunning.alert_message m set tries = m.tries + 1, next_try_at = @lease from mine where m.id = mine.id
                returning m.id, m.way, m.what, m.alert_id, m.summary, m.decided_at, m.tries
            )
            select t.id, t.way, t.what, a.key, a.rule, a.severity, t.summary, a.page, a.raised_at, t.decided_at, t.tries
            from taken t join dunning.alert a on a.id = t.alert_id order by t.id
            """,
            new { now = now.Utc(), lease = (now + Duration.FromMinutes(5)).Utc(), ways = ways.ToArray(), oldest = (now - s_news).Utc() }, cancellationToken: ct))).AsList();
    }

    /// <summary>A message has left.</summary>
    public Task SentAsync(long id, Instant now, CancellationToken ct) => ExecuteAsync(
        "update dunning.alert_message set sent_at = @now, next_try_at = null, error = null where id = @id", new { id, now = now.Utc() }, ct);

    /// <summary>It has not, and is tried again, or never.</summary>
    public Task FailedAsync(long id, Instant? nextTry, string error, CancellationToken ct) => ExecuteAsync(
        "update dunning.alert_message set next_try_at = @next, error = @error where id = @id", new { id, next = nextTry.Utc(), error }, ct);

    /// <summary>Alerts that are open, then those that were resolved since; each the latest first.</summary>
    public async Task<IReadOnlyList<AlertView>> ListAsync(Instant resolvedSince, int limit, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return (await connection.QueryAsync<AlertView>(new CommandDefinition(
            """
            select key, rule, severity, summary, page, raised_at, last_seen_at, resolved_at from dunning.alert
            where resolved_at is null or resolved_at >= @since
            order by resolved_at is not null, raised_at desc, id desc limit @limit
            """,
            new { since = resolvedSince.Utc(), limit }, cancellationToken: ct))).AsList();
    }

    // No other looks at it, so none has another view of it.
    private static bool IsOneMachines(string key) => key.Contains('@', StringComparison.Ordinal);

    private static string NameOf(Severity severity) => severity switch
    {
        Severity.Warning => "warning",
        Severity.Critical => "critical",
    };

    private async Task ExecuteAsync(string sql, object parameters, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        await connection.ExecuteAsync(new CommandDefinition(sql, parameters, cancellationToken: ct));
    }

    private sealed record OpenRow(long Id, string Key, string Rule, DateTime ToldAt, DateTime LastSeenAt);
}
