using System.Collections.Concurrent;
using Dapper;
using Dunning.Model;
using Dunning.Passes;
using Dunning.Ports;
using NodaTime;
using Npgsql;

namespace Dunning.Postgres;

/// <summary>
/// The store of accounts in PostgreSQL. Lock, then read, then decide, then save: each statement of a READ COMMITTED transaction sees what was
/// committed before it began, so a file read with the lock may be older than the lock. One commit for a batch.
/// </summary>
/// <param name="source">Made by <see cref="PostgresSource"/>.</param>
/// <param name="rules">Fingerprint of the configuration that the decisions are made with; a database of another is refused.</param>
/// <param name="seller">Who issues the invoices.</param>
/// <param name="guards">What stops harm to many; null: nothing does, as in a simulation.</param>
public sealed class PostgresBook(NpgsqlDataSource source, string rules, SellerIdentity seller, PostgresGuards? guards = null) : IBook
{
    /// <summary>How often a save is tried when the database, not the decision, was at fault.</summary>
    private const int MaxTries = 3;

    /// <summary>How long an account whose decision failed is left alone by claims, so that it does not stand in the way of the others.</summary>
    private static readonly Duration FaultPause = Duration.FromMinutes(1);

    private static readonly TimeSpan InDoubtPause = TimeSpan.FromMilliseconds(20);

    private static readonly string[] EveryPass = [.. Texts.Pass.Values.Select(p => Texts.Pass[p])];

    private readonly ConcurrentDictionary<string, Instant> _pausedUntil = new(StringComparer.Ordinal);

    /// <summary>The statement that finds and locks what is due for one pass: reads no more of <c>due</c> than it locks or skips.</summary>
    internal const string LockOnePass =
        """
        select a.id
        from dunning.due d
        join dunning.account a on a.id = d.account_id
        where d.pass = @pass and d.at <= @now and (a.lease_until is null or a.lease_until <= @now) and a.id <> all(@paused)
        order by d.at, d.account_id
        limit @limit
        for no key update of a skip locked
        """;

    // One index probe for each pass, read only as far as the limit: not sorted among passes, for that would read all that is due. An account that
    // is due for several comes several times.
    internal const string LockAnyPass =
        """
        select a.id
        from dunning.due d
        join dunning.account a on a.id = d.account_id
        where d.pass = any(@passes) and d.at <= @now and (a.lease_until is null or a.lease_until <= @now) and a.id <> all(@paused)
        limit @limit
        for no key update of a skip locked
        """;

    // Nothing is due for it that asks the gateway about a charge.
    private const string AndIsQuiet =
        "and not exists (select from dunning.due g where g.account_id = d.account_id and g.pass in ('reconcile', 'renew', 'dun') and g.at <= @now) ";

    private static readonly string LockOneQuietPass = LockOnePass.Replace("order by", AndIsQuiet + "order by", StringComparison.Ordinal);

    private static readonly string LockAnyQuietPass = LockAnyPass.Replace("limit @limit", AndIsQuiet + "limit @limit", StringComparison.Ordinal);

    // One probe at the head of the index for each pass.
    private static readonly string NextDue =
        $"select min(at) from ({string.Join(" union all ", Texts.Pass.Values.Select(p =>
            $"(select at from dunning.due where pass = '{Texts.Pass[p]}' order by at limit 1)"))}) d";

    private const string LockThese = "select id from dunning.account where id = any(@ids) order by id for no key update";

    private const string LockTheseUnlessBusy = "select id from dunning.account where id = any(@ids) order by id for no key update skip locked";

    // Read after the lock: whoever works due out anew sets its mark first and then waits for the locks, so nothing slips between.
    private const string Mark = "select key, value from dunning.setting where key in ('rules', 'rework')";

    // Asked for once rows are locked, so that nothing is numbered when nothing is due. It tells later whether the commit came through.
    private const string Number = "select pg_current_xact_id_if_assigned()::text";

    /// <inheritdoc/>
    public Task<BatchResult> ClaimAsync(PassKind pass, Instant now, int limit, Decide decide, CancellationToken ct) =>
        ClaimAsync(pass, pass == PassKind.All ? LockAnyPass : LockOnePass, now, limit, decide, ct);

    /// <summary>
    /// As <see cref="ClaimAsync(PassKind, Instant, int, Decide, CancellationToken)"/>, but only accounts for which no charge, and nothing else that asks the
    /// gateway about one, is due.
    /// </summary>
    public Task<BatchResult> ClaimQuietAsync(PassKind pass, Instant now, int limit, Decide decide, CancellationToken ct) =>
        pass is PassKind.Reconcile or PassKind.Renew or PassKind.Dun ? Task.FromResult(BatchResult.Empty)
            : ClaimAsync(pass, pass == PassKind.All ? LockAnyQuietPass : LockOneQuietPass, now, limit, decide, ct);

    private async Task<BatchResult> ClaimAsync(PassKind pass, string sql, Instant now, int limit, Decide decide, CancellationToken ct)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(limit);
        foreach (var (account, until) in _pausedUntil)
        {
            if (until <= now)
            {
                _pausedUntil.TryRemove(account, out _);
            }
        }
        var claim = new Claim(pass, now, decide);
        while (true)
        {
            var paused = _pausedUntil.Keys.ToArray();
            var locking = new Lock(
                sql,
                new { pass = pass == PassKind.All ? null : Texts.Pass[pass], passes = EveryPass, now = now.Utc(), limit, paused });
            var outcome = await SaveAsync(locking, claim, ct);
            foreach (var fault in outcome.Result.Faults)
            {
                _pausedUntil[fault.Account] = now + FaultPause;
            }
            // Others were quicker with everything that we found: look again, there may be more.
            if (outcome.Locked == 0 || outcome.Result.Decisions.Count + outcome.Result.Faults.Count > 0)
            {
                return outcome.Result;
            }
        }
    }

    /// <inheritdoc/>
    public async Task<Instant?> NextDueAsync(CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return (await connection.ExecuteScalarAsync<DateTime?>(new CommandDefinition(NextDue, cancellationToken: ct))).Instant();
    }

    /// <inheritdoc/>
    public async Task<BatchResult> AnswerAsync(IReadOnlyList<AnswerFor> answers, CancellationToken ct)
    {
        var decisions = new List<Decision>(answers.Count);
        var faults = new List<AccountFault>();
        // Several answers for one account: one after the other, each on the file that the one before left.
        foreach (var round in answers
            .GroupBy(a => a.Account, StringComparer.Ordinal)
            .SelectMany(g => g.Select((answer, index) => (answer, index)))
            .GroupBy(a => a.index, a => a.answer)
            .OrderBy(g => g.Key))
        {
            var work = new Answers(round.ToDictionary(a => a.Account, StringComparer.Ordinal));
            var outcome = await SaveAsync(new Lock(LockThese, new { ids = work.Ids }), work, ct);
            decisions.AddRange(outcome.Result.Decisions);
            faults.AddRange(outcome.Result.Faults);
            var seen = outcome.Result.Decisions.Select(d => d.Before.Id).Concat(outcome.Result.Faults.Select(f => f.Account)).ToHashSet(StringComparer.Ordinal);
            faults.AddRange(work.Ids.Where(id => !seen.Contains(id)).Select(id => new AccountFault(id, new KeyNotFoundException($"there is no account '{id}'"))));
        }
        return new BatchResult(decisions, faults);
    }

    private async Task<Outcome> SaveAsync(Lock locking, IWork work, CancellationToken ct)
    {
        for (var tries = 1; ; tries++)
        {
            string[] locked = [];
            string? number = null;
            Outcome? inDoubt = null;
            IReadOnlyList<GuardTrip> trips = [];
            try
            {
                await using var connection = await source.OpenConnectionAsync(ct);
                await using var transaction = await connection.BeginTransactionAsync(ct);
                (locked, number, var barred) = await LockAsync(connection, transaction, locking, work, ct);
                if (locked.Length == 0)
                {
                    return new Outcome(0, BatchResult.Empty);
                }
                var read = await Files.ReadAsync(connection, transaction, locked, work.Keys, work.Invoices, ct);
                var (decided, faults) = DecideAll(read, work, barred);
                var room = guards is null || decided.TrueForAll(d => d.Decision.Room.IsEmpty) ? null
                    : await guards.OpenAsync(connection, transaction, decided.Max(d => d.Decision.Now), ct);
                if (room is not null)
                {
                    decided = await KeepToAsync(room, decided, work, barred, faults, ct);
                }
                var changes = new Changes();
                var decisions = new List<Decision>(decided.Count);
                foreach (var (file, decision) in decided)
                {
                    try
                    {
                        changes.Add(Changes.Of(file, decision));
                        decisions.Add(decision);
                    }
                    catch (Exception e) when (e is not OperationCanceledException)
                    {
                        faults.Add(new AccountFault(file.File.Id, e));
                    }
                }
                var result = new BatchResult(decisions, faults);
                if (changes.Accounts.Count > 0)
                {
                    if (room is not null)
                    {
                        trips = await room.WriteAsync(ct);
                    }
                    await Save.WriteAsync(connection, transaction, changes, seller, ct);
                    inDoubt = new Outcome(locked.Length, result);
                    await transaction.CommitAsync(ct);
                    Tell(trips);
                }
                return new Outcome(locked.Length, result);
            }
            catch (Exception e) when (IsPassing(e) && inDoubt is not null)
            {
                // The connection was lost in the commit. Deciding again what is saved already would apply an action twice.
                if (await IsCommittedAsync(number!, ct))
                {
                    Tell(trips);
                    return inDoubt;
                }
                if (tries == MaxTries)
                {
                    throw;
                }
            }
            catch (Exception e) when (IsPassing(e) && tries < MaxTries)
            {
                // Safe to decide again: the rules are pure, and whatever was saved meanwhile is read again.
            }
            catch (Exception e) when (e is PostgresException { IsTransient: false } or InvalidOperationException or ArgumentException or InvalidCastException or OverflowException
                && locked.Length > 0)
            {
                return await SplitAsync(locked, e, work, ct);
            }
        }
    }

    // Cut between two results of a statement, Npgsql complains of a reader or connection that is closed.
    private static bool IsPassing(Exception e) => e is NpgsqlException { IsTransient: true } or InvalidOperationException { Source: "Npgsql" };

    private async Task<bool> IsCommittedAsync(string number, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        while (true)
        {
            switch (await connection.ExecuteScalarAsync<string>(
                new CommandDefinition("select pg_xact_status(@number::xid8)", new { number }, cancellationToken: ct)))
            {
                case "committed":
                    return true;
                case "in progress":
                    // The server has yet to notice that its client is gone.
                    await Task.Delay(InDoubtPause, ct);
                    break;
                default:
                    return false;
            }
        }
    }

    // One account's rows are refused: halve the batch until it is found, so that the others are saved.
    private async Task<Outcome> SplitAsync(string[] locked, Exception e, IWork work, CancellationToken ct)
    {
        if (locked.Length == 1)
        {
            return new Outcome(1, new BatchResult([], [new AccountFault(locked[0], e)]));
        }
        var decisions = new List<Decision>();
        var faults = new List<AccountFault>();
        foreach (var half in new[] { locked[..(locked.Length / 2)], locked[(locked.Length / 2)..] })
        {
            var outcome = await SaveAsync(new Lock(work.MustWait ? LockThese : LockTheseUnlessBusy, new { ids = half }), work, ct);
            decisions.AddRange(outcome.Result.Decisions);
            faults.AddRange(outcome.Result.Faults);
        }
        return new Outcome(locked.Length, new BatchResult(decisions, faults));
    }

    /// <summary>Whether the database was worked out with these rules, as every claim checks again.</summary>
    /// <exception cref="ConfigurationMismatchException">With others, or with none yet: no pass may run.</exception>
    public async Task CheckRulesAsync(CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        CheckRules((await connection.QueryAsync<(string Key, string Value)>(new CommandDefinition(Mark, cancellationToken: ct)))
            .ToDictionary(m => m.Key, m => m.Value, StringComparer.Ordinal));
    }

    private async Task<(string[] Ids, string? Number, GuardKinds Barred)> LockAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, Lock locking, IWork work, CancellationToken ct)
    {
        await using var both = await connection.QueryMultipleAsync(
            new CommandDefinition(Files.OnlyProbes + locking.Sql + ";\n" + Mark + ";\n" + Number + ";\n" + PostgresGuards.Barred, locking.Parameters, transaction, cancellationToken: ct));
        var ids = (await both.ReadAsync<string>()).Distinct(StringComparer.Ordinal).ToArray();
        var marks = (await both.ReadAsync<(string Key, string Value)>()).ToDictionary(m => m.Key, m => m.Value, StringComparer.Ordinal);
        var number = await both.ReadSingleAsync<string?>();
        var barred = PostgresGuards.KindsOf(await both.ReadAsync<string>());
        CheckRules(marks);
        return !work.MustWait && marks.ContainsKey(PostgresSettings.Rework)
            ? throw new ConfigurationMismatchException("what is due is being worked out anew: passes wait until that is complete")
            : (ids, number, guards is null ? GuardKinds.None : barred);
    }

    private void CheckRules(Dictionary<string, string> marks)
    {
        if (marks.GetValueOrDefault(PostgresSettings.Rules) is { } known && known != rules)
        {
            throw new ConfigurationMismatchException(
                $"the database was last worked out with other rules than this server's: restart the servers with one configuration. Database: {known}. Here: {rules}.");
        }
        if (!marks.ContainsKey(PostgresSettings.Rules))
        {
            throw new ConfigurationMismatchException("the database has not been worked out with any rules yet: that is done when a server starts");
        }
    }

    private static (List<(ReadFile File, Decision Decision)> Decided, List<AccountFault> Faults) DecideAll(ReadFiles read, IWork work, GuardKinds barred)
    {
        var decided = new List<(ReadFile, Decision)>(read.Files.Count);
        var faults = read.Faults.Select(f => new AccountFault(f.Account, f.Exception)).ToList();
        foreach (var file in read.Files)
        {
            if (Decide(file, work, barred, faults) is { } decision)
            {
                decided.Add((file, decision));
            }
        }
        return (decided, faults);
    }

    private static Decision? Decide(ReadFile file, IWork work, GuardKinds barred, List<AccountFault> faults)
    {
        try
        {
            var decision = work.Decide(barred == GuardKinds.None ? file : file with { File = file.File with { Barred = barred } });
            return decision?.After.Version <= file.File.Version
                ? decision with { After = decision.After with { Version = file.File.Version + 1 } } : decision;
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // The one catch of a decision: its account stays as it was, the next goes on.
            faults.Add(new AccountFault(file.File.Id, e));
            return null;
        }
    }

    // Decides again, without it, what wants more than there is. Whoever comes after the room is used up finds it barred as well.
    private static async Task<List<(ReadFile File, Decision Decision)>> KeepToAsync(
        GuardRoom room, List<(ReadFile File, Decision Decision)> decided, IWork work, GuardKinds barred, List<AccountFault> faults, CancellationToken ct)
    {
        var kept = new List<(ReadFile, Decision)>(decided.Count);
        foreach (var (file, first) in decided)
        {
            var (decision, without) = ((Decision?)first, barred);
            while (decision is not null && await room.BarsAsync(decision.Room, ct) is var more && (more & ~without) != GuardKinds.None)
            {
                without |= more;
                decision = Decide(file, work, without, faults);
            }
            if (decision is not null)
            {
                room.Take(decision.Room);
                kept.Add((file, decision));
            }
        }
        return kept;
    }

    private void Tell(IReadOnlyList<GuardTrip> trips)
    {
        foreach (var trip in trips)
        {
            guards!.Tell(trip);
        }
    }

    private sealed record Lock(string Sql, object Parameters);

    private sealed record Outcome(int Locked, BatchResult Result);

    /// <summary>What to decide on locked accounts.</summary>
    private interface IWork
    {
        /// <summary>Charges to read whatever their state.</summary>
        string[] Keys { get; }

        /// <summary>Invoices to read whatever their state.</summary>
        IReadOnlyList<(string Subscription, LocalDate PeriodStart)> Invoices { get; }

        /// <summary>Whether it waits for a busy account, also while due is worked out anew.</summary>
        bool MustWait { get; }

        /// <summary>Null: there is nothing to decide any more.</summary>
        Decision? Decide(ReadFile file);
    }

    private sealed class Claim(PassKind pass, Instant now, Decide decide) : IWork
    {
        private readonly Instant _now = ((Instant?)now).ToMicroseconds()!.Value;

        public string[] Keys => [];

        public IReadOnlyList<(string Subscription, LocalDate PeriodStart)> Invoices => [];

        public bool MustWait => false;

        public Decision? Decide(ReadFile file)
        {
            // It was due when it was found, not under the lock: another may have been quicker.
            if (!IsDue(file) || file.File.LeaseUntil > _now)
            {
                return null;
            }
            var decision = decide(file.File);
            return decision.Events.IsEmpty && decision.Effect is null && StaysDue(file, decision)
                ? throw new InvalidOperationException("broken invariant: the account is due, but nothing was decided and it stays due")
                : decision;
        }

        private bool IsDue(ReadFile file) =>
            pass == PassKind.All ? file.Due.Values.Any(at => at <= _now) : file.Due.TryGetValue(pass, out var at) && at <= _now;

        private bool StaysDue(ReadFile file, Decision decision) =>
            Texts.Pass.Values.All(p => decision.Due[p].ToMicroseconds() == (file.Due.TryGetValue(p, out var at) ? at : null))
            && decision.After with { Version = 0 } == decision.Before with { Version = 0 };
    }

    private sealed class Answers(Dictionary<string, AnswerFor> answers) : IWork
    {
        public string[] Ids { get; } = [.. answers.Keys];

        public string[] Keys { get; } = [.. answers.Values.Select(a => a.ChargeKey).OfType<string>()];

        public IReadOnlyList<(string Subscription, LocalDate PeriodStart)> Invoices { get; } = [.. answers.Values.Select(a => a.Invoice).OfType<(string, LocalDate)>()];

        public bool MustWait => true;

        public Decision? Decide(ReadFile file) => answers[file.File.Id].Decide(file.File);
    }
}
