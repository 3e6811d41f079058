using System.Globalization;
using Dapper;
using Dunning.Hosting;
using Dunning.Model;
using Dunning.Ops;
using Dunning.Passes;
using NodaTime;
using Npgsql;

namespace Dunning.Postgres;

/// <summary>A limit that was met, with what it holds back.</summary>
/// <param name="Kind">Which.</param>
/// <param name="At">When.</param>
/// <param name="Allowed">The limit, as it was then.</param>
/// <param name="Wanted">What would have been done within 24 hours with the batch that met it: at least so much.</param>
public sealed record GuardTrip(GuardKinds Kind, Instant At, int Allowed, int Wanted);

/// <summary>
/// Counts harm over all servers, where its limit must hold: in the transaction that saves the decision, under one lock that is held until the commit. So
/// what is not saved takes no room, and two servers never share the last of it.
/// </summary>
/// <param name="settings">The limits.</param>
/// <param name="logger">Where a trip is told.</param>
public sealed class PostgresGuards(GuardSettings settings, ILogger<PostgresGuards> logger)
{
    /// <summary>What the audit says of a trip.</summary>
    public static string TripText(int wanted, int allowed) => FormattableString.Invariant($"{wanted} wanted in 24 hours, {allowed} allowed");

    /// <summary>The numbers of such a text; null: it is none.</summary>
    public static (int Wanted, int Allowed)? ReadTrip(string text) =>
        text.Split(' ') is [var first, "wanted", "in", "24", "hours,", var second, "allowed"]
        && int.TryParse(first, NumberStyles.None, CultureInfo.InvariantCulture, out var wanted) && int.TryParse(second, NumberStyles.None, CultureInfo.InvariantCulture, out var allowed)
            ? (wanted, allowed) : null;

    /// <summary>Every kind.</summary>
    internal static readonly GuardKinds[] Kinds = [GuardKinds.Suspensions, GuardKinds.Purges, GuardKinds.Mails];

    /// <summary>What is barred, for every server at once.</summary>
    internal const string Barred = "select kind from dunning.guard_trip where approved_at is null";

    /// <summary>"guards" in ASCII. Taken after the accounts' locks, and before those of invoice numbers.</summary>
    internal const long LockKey = 0x677561726473;

    /// <summary>How far back is counted.</summary>
    internal static readonly Duration Window = Duration.FromHours(24);

    private const string Live = "select count(*)::int from dunning.account where not closed and purged_at is null";

    // Counting a large book takes a while; it is counted anew before a limit that follows from it bars anything.
    private static readonly Duration CountedFor = Duration.FromMinutes(10);

    private volatile Count? _counted;

    /// <summary>The enum of what the database has.</summary>
    internal static GuardKinds KindsOf(IEnumerable<string> texts) => texts.Aggregate(GuardKinds.None, (all, text) => all | Texts.Guard[text]);

    /// <summary>The minute that something counts in.</summary>
    internal static Instant MinuteOf(Instant at) => Instant.FromUnixTimeSeconds(at.ToUnixTimeSeconds() / 60 * 60);

    /// <summary>Opens the count for a save. From now until the transaction's end no other server takes room.</summary>
    internal async Task<GuardRoom> OpenAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, Instant now, CancellationToken ct)
    {
        await using var both = await connection.QueryMultipleAsync(new CommandDefinition(
            $"""
            select pg_advisory_xact_lock(@LockKey);
            select k.kind, coalesce((select sum(b.taken) from dunning.guard_bucket b where b.kind = k.kind and b.minute >= @since), 0)::int as taken
            from unnest(@kinds) k(kind);
            {Barred}
            """,
            new { LockKey, since = MinuteOf(now - Window).Utc(), kinds = Kinds.Select(k => Texts.Guard[k]).ToArray() }, transaction, cancellationToken: ct));
        await both.ReadAsync();
        var taken = (await both.ReadAsync<(string Kind, int Taken)>()).ToDictionary(r => Texts.Guard[r.Kind], r => r.Taken);
        return new GuardRoom(this, connection, transaction, now, taken, KindsOf(await both.ReadAsync<string>()));
    }

    internal void Tell(GuardTrip trip) => logger.LogCritical(
        "the guard of {Kind} has tripped: {Wanted} in 24 hours, and {Allowed} are allowed. No server does any more of them until an operator approves: "
        + "look first at what waits, then 'dunning guard approve {Kind} --reason …'. Everything else goes on",
        Texts.Guard[trip.Kind], trip.Wanted, trip.Allowed, Texts.Guard[trip.Kind]);

    internal async ValueTask<int> LimitAsync(GuardKinds kind, Instant now, NpgsqlConnection connection, NpgsqlTransaction? transaction, bool anew, CancellationToken ct)
    {
        var counted = _counted;
        if (anew || counted is null || now - counted.At > CountedFor || now < counted.At)
        {
            counted = new Count(now, await connection.ExecuteScalarAsync<int>(new CommandDefinition(Live, transaction: transaction, cancellationToken: ct)));
            _counted = counted;
        }
        return settings[kind].For(counted.Live);
    }

    private sealed record Count(Instant At, int Live);
}

/// <summary>The room that is left while the guards' lock is held, and what a save takes of it.</summary>
internal sealed class GuardRoom(
    PostgresGuards guards, NpgsqlConnection connection, NpgsqlTransaction transaction, Instant now, Dictionary<GuardKinds, int> taken, GuardKinds barred)
{
    private readonly List<RoomChange> _changes = [];
    private readonly Dictionary<GuardKinds, int> _refused = [];
    private readonly Dictionary<GuardKinds, int> _limits = [];

    /// <summary>What a decision wants and can't have: it must be made again without.</summary>
    public async Task<GuardKinds> BarsAsync(IEnumerable<RoomChange> room, CancellationToken ct)
    {
        var without = GuardKinds.None;
        foreach (var group in room.Where(r => r.Count > 0).GroupBy(r => r.Kind))
        {
            var wanted = group.Sum(r => r.Count);
            if (barred.HasFlag(group.Key))
            {
                without |= group.Key;
            }
            else if (!await HasRoomAsync(group.Key, wanted, anew: false, ct) && !await HasRoomAsync(group.Key, wanted, anew: true, ct))
            {
                without |= group.Key;
                _refused[group.Key] = _refused.GetValueOrDefault(group.Key) + wanted;
            }
        }
        return without;
    }

    /// <summary>Takes what a decision wants. What can't be made otherwise, such as for an outcome that has come, counts all the same.</summary>
    public void Take(IEnumerable<RoomChange> room)
    {
        foreach (var change in room)
        {
            _changes.Add(change);
            if (change.Count > 0)
            {
                taken[change.Kind] += change.Count;
            }
        }
    }

    /// <summary>Writes what was taken and given back, and which limits were met.</summary>
    public async Task<IReadOnlyList<GuardTrip>> WriteAsync(CancellationToken ct)
    {
        var changes = _changes.GroupBy(c => (c.Kind, Minute: PostgresGuards.MinuteOf(c.At))).Select(g => (g.Key.Kind, g.Key.Minute, Count: g.Sum(c => c.Count))).ToList();
        await connection.ExecuteAsync(new CommandDefinition(
            """
            insert into dunning.guard_bucket (kind, minute, taken)
            select * from unnest(@kinds, @minutes, @counts) u(kind, minute, taken) where taken > 0
            on conflict (kind, minute) do update set taken = guard_bucket.taken + excluded.taken;

            update dunning.guard_bucket b set taken = greatest(0, b.taken + u.taken)
            from unnest(@kinds, @minutes, @counts) u(kind, minute, taken) where u.taken < 0 and b.kind = u.kind and b.minute = u.minute
            """,
            new
            {
                kinds = changes.Select(c => Texts.Guard[c.Kind]).ToArray(),
                minutes = changes.Select(c => c.Minute.Utc()).ToArray(),
                counts = changes.Select(c => c.Count).ToArray(),
            },
            transaction, cancellationToken: ct));
        var trips = _refused.Select(r => new GuardTrip(r.Key, now, _limits[r.Key], taken[r.Key] + r.Value)).ToList();
        foreach (var trip in trips)
        {
            var kind = Texts.Guard[trip.Kind];
            await connection.ExecuteAsync(new CommandDefinition(
                "insert into dunning.guard_trip (kind, tripped_at, allowed, wanted) values (@kind, @at, @Allowed, @Wanted)",
                new { kind, at = trip.At.Utc(), trip.Allowed, trip.Wanted }, transaction, cancellationToken: ct));
            await Audit.WriteAsync(
                connection, transaction, trip.At, new Mandate(AuditAct.Itself, PostgresGuards.TripText(trip.Wanted, trip.Allowed)),
                AuditAct.GuardTripped, kind, ct);
        }
        return trips;
    }

    // Once a kind is refused it stays refused: a smaller decision that would fit must not slip past one that waits.
    private async Task<bool> HasRoomAsync(GuardKinds kind, int wanted, bool anew, CancellationToken ct)
    {
        if (_refused.ContainsKey(kind))
        {
            return false;
        }
        var limit = _limits[kind] = await guards.LimitAsync(kind, now, connection, transaction, anew, ct);
        return taken[kind] + wanted <= limit;
    }
}
