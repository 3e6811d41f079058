using System.Collections.Immutable;
using Dapper;
using Dunning.Hosting;
using Dunning.Model;
using Dunning.Postgres;
using NodaTime;
using Npgsql;

namespace Dunning.Ops;

/// <summary>How one guard stands.</summary>
/// <param name="Kind">Which.</param>
/// <param name="Limit">What may be done within 24 hours.</param>
/// <param name="Taken">What was done of it, or is under way.</param>
/// <param name="TrippedAt">Since when nothing more is done until an operator approves; null: it has not tripped.</param>
/// <param name="Wanted">What would have been done in 24 hours by the batch that tripped it.</param>
public sealed record GuardState(GuardKinds Kind, int Limit, int Taken, Instant? TrippedAt, int? Wanted);

/// <summary>A trip, and the word that ended it.</summary>
public sealed record PastTrip(GuardKinds Kind, Instant At, int Allowed, int Wanted, Instant? ApprovedAt, string? ApprovedBy, string? ApprovedReason);

/// <summary>The guards against harm to many, as operators see and approve them.</summary>
/// <param name="source">The database.</param>
/// <param name="settings">The limits.</param>
/// <param name="clock">The present instant.</param>
/// <param name="logger">Where approvals are told.</param>
public sealed class Guards(NpgsqlDataSource source, GuardSettings settings, Func<Instant> clock, ILogger<PostgresGuards> logger)
{
    private readonly PostgresGuards _guards = new(settings, logger);

    /// <summary>The kinds by the names that commands, pages and the database give them.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. PostgresGuards.Kinds.Select(NameOf)];

    /// <summary>The name of a kind.</summary>
    public static string NameOf(GuardKinds kind) => Texts.Guard[kind];

    /// <summary>The kind of a name; null: there is none.</summary>
    public static GuardKinds? Find(string? name) => Names.Contains(name, StringComparer.Ordinal) ? Texts.Guard[name!] : null;

    /// <summary>Every guard.</summary>
    public async Task<ImmutableArray<GuardState>> ListAsync(CancellationToken ct)
    {
        var now = clock();
        await using var connection = await source.OpenConnectionAsync(ct);
        var rows = await connection.QueryAsync<StateRow>(new CommandDefinition(
            """
            select k.kind, coalesce((select sum(b.taken) from dunning.guard_bucket b where b.kind = k.kind and b.minute >= @since), 0)::int as taken,
                   t.tripped_at, t.wanted
            from unnest(@kinds) with ordinality k(kind, place)
            left join dunning.guard_trip t on t.kind = k.kind and t.approved_at is null
            order by k.place
            """,
            new { since = PostgresGuards.MinuteOf(now - PostgresGuards.Window).Utc(), kinds = Names.ToArray() }, cancellationToken: ct));
        var states = ImmutableArray.CreateBuilder<GuardState>();
        foreach (var row in rows)
        {
            var kind = Texts.Guard[row.Kind];
            states.Add(new GuardState(
                kind, await _guards.LimitAsync(kind, now, connection, null, anew: false, ct), row.Taken, row.TrippedAt.Instant(), row.Wanted));
        }
        return states.ToImmutable();
    }

    /// <summary>The last trips, newest first, with what became of them.</summary>
    public async Task<IReadOnlyList<PastTrip>> TripsAsync(int limit, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        var rows = await connection.QueryAsync<TripRow>(new CommandDefinition(
            "select kind, tripped_at, allowed, wanted, approved_at, approved_by, approved_reason from dunning.guard_trip order by id desc limit @limit",
            new { limit }, cancellationToken: ct));
        return [.. rows.Select(r => new PastTrip(
            Texts.Guard[r.Kind], r.TrippedAt.Instant(), r.Allowed, r.Wanted, r.ApprovedAt.Instant(), r.ApprovedBy, r.ApprovedReason))];
    }

    /// <summary>Which guards have tripped and wait for an operator, and since when: what any account's page must say of what they hold back.</summary>
    public static async Task<IReadOnlyDictionary<GuardKinds, Instant>> TrippedAsync(NpgsqlDataSource source, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        var rows = await connection.QueryAsync<(string Kind, DateTime At)>(new CommandDefinition(
            "select kind, tripped_at from dunning.guard_trip where approved_at is null", cancellationToken: ct));
        return rows.ToDictionary(r => Texts.Guard[r.Kind], r => r.At.Instant());
    }

    /// <summary>
    /// Lets a guard that has tripped go on: as much again as its limit, counted from now. What waits is looked at by the next passes. It is in the audit
    /// with the same transaction. False: it has not tripped, and nothing has changed.
    /// </summary>
    public async Task<bool> ApproveAsync(GuardKinds kind, Mandate mandate, CancellationToken ct)
    {
        var (now, name) = (clock(), NameOf(kind));
        await using var connection = await source.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        // Under the lock of those who take room: what they took counts before the approval or after it, never both.
        await connection.ExecuteAsync(new CommandDefinition(
            "select pg_advisory_xact_lock(@LockKey)", new { PostgresGuards.LockKey }, transaction, cancellationToken: ct));
        var isTripped = await connection.ExecuteAsync(new CommandDefinition(
            """
            update dunning.guard_trip set approved_at = @now, approved_by = @Operator, approved_reason = @Reason
            where kind = @name and approved_at is null
            """,
            new { now = now.Utc(), mandate.Operator, mandate.Reason, name }, transaction, cancellationToken: ct)) == 1;
        if (!isTripped)
        {
            return false;
        }
        await connection.ExecuteAsync(new CommandDefinition("delete from dunning.guard_bucket where kind = @name", new { name }, transaction, cancellationToken: ct));
        await Audit.WriteAsync(connection, transaction, now, mandate, AuditAct.ApproveGuard, name, ct);
        await transaction.CommitAsync(ct);
        logger.LogCritical("the guard of {Kind} was approved by {Operator}: as much again is done", name, mandate.Operator);
        try
        {
            await HastenAsync(connection, PassOf(kind), now, ct);
        }
        catch (Exception e) when (e is NpgsqlException or OperationCanceledException)
        {
            // It is approved whatever becomes of this: what waits is looked at a quarter of an hour later at worst.
            logger.LogWarning(e, "what waits for the guard of {Kind} is looked at within 15 minutes", name);
        }
        return true;
    }

    /// <summary>
    /// What waits was to be looked at later. A row that is too early does no harm: its pass finds nothing to do and writes it anew. One that a pass has in its
    /// hands is left to it, so that neither waits for the other.
    /// </summary>
    private static async Task HastenAsync(NpgsqlConnection connection, string pass, Instant now, CancellationToken ct)
    {
        const int Batch = 500;
        int done;
        do
        {
            done = await connection.ExecuteAsync(new CommandDefinition(
                """
                update dunning.due d set at = @now
                from (select account_id, pass from dunning.due where pass = @pass and at > @now and at <= @until limit @Batch for update skip locked) waiting
                where d.account_id = waiting.account_id and d.pass = waiting.pass
                """,
                new { now = now.Utc(), until = (now + Duration.FromMinutes(15)).Utc(), pass, Batch }, cancellationToken: ct));
        }
        while (done == Batch);
    }

    private static string PassOf(GuardKinds kind) => Texts.Pass[kind switch
    {
        GuardKinds.Suspensions => Passes.PassKind.Dun,
        GuardKinds.Purges => Passes.PassKind.Purge,
        _ => Passes.PassKind.Mail,
    }];

    private sealed record StateRow(string Kind, int Taken, DateTime? TrippedAt, int? Wanted);

    private sealed record TripRow(
        string Kind, DateTime TrippedAt, int Allowed, int Wanted, DateTime? ApprovedAt, string? ApprovedBy, string? ApprovedReason);
}
