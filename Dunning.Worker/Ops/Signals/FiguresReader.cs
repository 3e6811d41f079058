using Dapper;
using Dunning.Gateways.Outages;
using Dunning.Hosting;
using Dunning.Jobs;
using Dunning.Postgres;
using NodaTime;
using Npgsql;

namespace Dunning.Ops.Signals;

/// <summary>
/// Reads <see cref="Figures"/>, for all who ask within fifteen seconds once: a scrape is no load. What is read off whole tables is read once a minute.
/// </summary>
internal sealed class FiguresReader(NpgsqlDataSource source, TimeProvider time) : IDisposable
{
    private static readonly Duration s_fresh = Duration.FromSeconds(15);
    private static readonly Duration s_wholeTables = Duration.FromMinutes(1);

    private readonly SemaphoreSlim _one = new(1);
    private volatile Figures? _last;
    private Instant? _failedAt;
    private Tables? _tables;

    /// <summary>What was read last; null: the database can't be asked.</summary>
    public Figures? Last => _last;

    /// <summary>Reads anew unless that was done a moment ago. Whatever keeps the database from answering, there are no figures then.</summary>
    public async Task<Figures?> ReadAsync(CancellationToken ct)
    {
        await _one.WaitAsync(ct);
        try
        {
            var now = Now();
            if ((_last is { } last && now - last.At < s_fresh) || (_failedAt is { } failed && now - failed < s_fresh))
            {
                return _last;
            }
            try
            {
                using var patience = CancellationTokenSource.CreateLinkedTokenSource(ct);
                patience.CancelAfter(TimeSpan.FromSeconds(5));
                _last = await ReadAsync(now, patience.Token);
                _failedAt = null;
            }
            catch (Exception e) when (e is NpgsqlException or OperationCanceledException or TimeoutException or InvalidOperationException)
            {
                ct.ThrowIfCancellationRequested();
                (_last, _failedAt) = (null, now);
            }
            return _last;
        }
        finally
        {
            _one.Release();
        }
    }

    /// <summary>Reads them now, however fresh the last ones are.</summary>
    public async Task<Figures> ReadAsync(Instant now, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        var before = time.GetUtcNow();
        var theirs = (await connection.ExecuteScalarAsync<DateTime>(new CommandDefinition("select clock_timestamp()", cancellationToken: ct))).Instant();
        var half = (time.GetUtcNow() - before) / 2;
        // Any instant between question and answer may be the one that was told: what the way may have taken is no skew.
        var skew = (theirs - Instant.FromDateTimeOffset(before + half)).TotalSeconds;
        skew = Math.Sign(skew) * Math.Max(0, Math.Abs(skew) - half.TotalSeconds);
        using var many = await connection.QueryMultipleAsync(new CommandDefinition(
            """
            select p.pass, d.backlog, d.oldest, s.succeeded_at, s.failures
            from unnest(@passes) with ordinality p(pass, n)
            cross join lateral (select count(*) as backlog, min(d.at) as oldest from dunning.due d where d.pass = p.pass and d.at <= @now) d
            cross join lateral (select max(s.succeeded_at) as succeeded_at, coalesce(max(s.failures), 0) as failures from dunning.pass_state s where s.pass = p.pass) s
            order by p.n;
            select count(*) as count, min(decided_at) as oldest from dunning.outbox where state = 'pending';
            select count(*) from dunning.outbox where state = 'dead';
            select state, stuck, count(*) as count, min(first_called_at) as oldest from dunning.charge where state in ('in_flight', 'unknown', 'pending') group by state, stuck;
            select began_at, reason, status from dunning.outage where ended_at is null;
            select began_at, runs, reason, status from dunning.gateway_refusal;
            select (select count(*) from dunning.webhook where state = 'pending') as pending, (select count(*) from dunning.webhook where state = 'failed') as failed;
            select rule, severity, count(*) as count from dunning.alert where resolved_at is null group by rule, severity;
            """,
            new { passes = JobSettings.Passes.Select(PassName).ToArray(), now = now.Utc() }, cancellationToken: ct));
        var passes = (await many.ReadAsync<PassRow>()).Select(r => new PassFigures(r.Pass, r.Backlog, r.Oldest.Instant(), r.SucceededAt.Instant(), r.Failures)).ToList();
        var pending = await many.ReadSingleAsync<CountRow>();
        var dead = await many.ReadSingleAsync<long>();
        var charges = (await many.ReadAsync<ChargeRow>()).ToList();
        var outage = await many.ReadSingleOrDefaultAsync<OutageRow>();
        var refusal = await many.ReadSingleOrDefaultAsync<RefusalRow>();
        var (waiting, failed) = await many.ReadSingleAsync<(long, long)>();
        var alerts = (await many.ReadAsync<(string, string, long)>()).ToList();
        var tables = _tables is { } known && now - known.At < s_wholeTables ? known : _tables = await TablesAsync(connection, now, ct);
        return new Figures
        {
            At = now,
            ClockSkew = skew,
            Passes = passes,
            Pending = (pending.Count, pending.Oldest.Instant()),
            Dead = dead,
            OpenCharges = [.. charges.GroupBy(c => c.State).Select(g => (g.Key, g.Sum(c => c.Count), g.Min(c => c.Oldest).Instant()))],
            Stuck = charges.Where(c => c.Stuck).Sum(c => c.Count),
            OutSince = outage?.BeganAt.Instant(),
            OutBecause = outage?.Reason is { } cause ? new GatewayRefusal(cause, outage.Status) : null,
            Refusing = refusal is null ? null : new GatewayRefusing(refusal.BeganAt.Instant(), refusal.Runs, new GatewayRefusal(refusal.Reason, refusal.Status)),
            Webhooks = (waiting, failed),
            Open = tables.Open,
            Accounts = tables.Accounts,
            Alerts = alerts,
        };
    }

    /// <inheritdoc/>
    public void Dispose() => _one.Dispose();

    private static string PassName(Passes.PassKind pass) => Texts.Pass[pass];

    private static async Task<Tables> TablesAsync(NpgsqlConnection connection, Instant now, CancellationToken ct)
    {
        using var many = await connection.QueryMultipleAsync(new CommandDefinition(
            """
            select i.currency, r.case_last_step as step, count(*) as count, sum(i.amount_due)::bigint as minor
            from dunning.receivable r join dunning.invoice i using (subscription_id, period_start)
            where r.state = 'open' group by i.currency, r.case_last_step;
            select case when erased_at is not null then 'erased' when purged_at is not null then 'purged' when closed then 'closed' else access end as access,
                count(*) as count
            from dunning.account group by 1;
            """,
            cancellationToken: ct));
        return new Tables(now, (await many.ReadAsync<(string, int?, long, long)>()).ToList(), (await many.ReadAsync<(string, long)>()).ToList());
    }

    private Instant Now() => Instant.FromDateTimeOffset(time.GetUtcNow());

    private sealed record Tables(Instant At, IReadOnlyList<(string, int?, long, long)> Open, IReadOnlyList<(string, long)> Accounts);

    private sealed record PassRow(string Pass, long Backlog, DateTime? Oldest, DateTime? SucceededAt, int Failures);

    private sealed record CountRow(long Count, DateTime? Oldest);

    private sealed record OutageRow(DateTime BeganAt, string? Reason, int? Status);

    private sealed record RefusalRow(DateTime BeganAt, int Runs, string Reason, int? Status);

    private sealed record ChargeRow(string State, bool Stuck, long Count, DateTime Oldest);
}
