using System.Globalization;
using Dapper;
using Dunning.Postgres;
using NodaTime;
using Npgsql;

namespace Dunning.Gateways.Outages;

/// <summary>An outage of the gateway, as every server knows it.</summary>
/// <param name="BeganAt">When a server first found it out.</param>
/// <param name="Calls">That server's calls in the window.</param>
/// <param name="Failures">Those of them that failed.</param>
/// <param name="Probes">How often it was asked since.</param>
/// <param name="NextProbeAt">When it is asked again.</param>
/// <param name="Refusal">What most of those that failed were refused with; null: they got no answer.</param>
public sealed record Outage(Instant BeganAt, int Calls, int Failures, int Probes, Instant NextProbeAt, GatewayRefusal? Refusal);

/// <summary>Why the gateway refuses what this installation asks of it.</summary>
/// <param name="Reason">For operators: codes alone.</param>
/// <param name="Status">What it answered, as an HTTP status; null: it was not asked, as when the key's file can't be read.</param>
public sealed record GatewayRefusal(string Reason, int? Status)
{
    /// <summary>In words, after "the gateway".</summary>
    public string Words => Status switch
    {
        401 => "refuses our key (401)",
        403 => "does not let our key do it (403)",
        429 => "says that we ask too often (429)",
        { } status => string.Create(CultureInfo.InvariantCulture, $"refuses our requests ({status})"),
        null => "can't be asked",
    };
}

/// <summary>
/// Tells a gateway that is out from one that declines, and keeps the passes from attempting anything while it is: an attempt that can't be answered
/// leaves a charge unknown that a customer waits for. Each server counts its own calls; the outage itself stands in the database, so that it outlives
/// a restart and holds for all servers.
/// </summary>
public sealed class OutageGuard(NpgsqlDataSource source, OutageOptions options, Func<Instant> clock, ILogger<OutageGuard> logger) : IDisposable
{
    private static readonly Duration s_firstWait = Duration.FromMinutes(1);
    private static readonly Duration s_longestWait = Duration.FromMinutes(16);

    private readonly Lock _lock = new();
    private readonly Queue<(Instant At, bool IsFailure, GatewayRefusal? Refusal)> _calls = new();
    private readonly SemaphoreSlim _database = new(1);
    private int _failures;
    private volatile bool _isOut;

    /// <summary>Whether the gateway was out when this server last looked.</summary>
    public bool IsOut => _isOut;

    /// <summary>The outage that is on; null: none. This server holds its attempts, or lets go of them, by what it reads.</summary>
    public async Task<Outage?> ReadAsync(CancellationToken ct)
    {
        await _database.WaitAsync(ct);
        try
        {
            await using var connection = await source.OpenConnectionAsync(ct);
            var row = await connection.QuerySingleOrDefaultAsync<OutageRow>(new CommandDefinition(
                "select began_at, calls, failures, probes, next_probe_at, reason, status from dunning.outage where ended_at is null", cancellationToken: ct));
            if (row is null && _isOut)
            {
                Forget();
            }
            _isOut = row is not null;
            return row is null ? null : new Outage(
                row.BeganAt.Instant(), row.Calls, row.Failures, row.Probes, row.NextProbeAt.Instant(), row.Reason is null ? null : new GatewayRefusal(row.Reason, row.Status));
        }
        finally
        {
            _database.Release();
        }
    }

    /// <summary>Counts a call that has ended. Past the threshold the gateway is out, for all servers.</summary>
    /// <param name="isFailure">It failed.</param>
    /// <param name="refusal">It was refused for everyone with this; null: it was not.</param>
    public async ValueTask CountAsync(bool isFailure, GatewayRefusal? refusal = null)
    {
        var now = clock();
        int calls, failures;
        GatewayRefusal? cause;
        lock (_lock)
        {
            _calls.Enqueue((now, isFailure, refusal));
            _failures += isFailure ? 1 : 0;
            while (_calls.TryPeek(out var oldest) && oldest.At <= now - options.Window)
            {
                _failures -= _calls.Dequeue().IsFailure ? 1 : 0;
            }
            (calls, failures) = (_calls.Count, _failures);
            if (_isOut || failures < options.Failures || failures * 2 < calls)
            {
                return;
            }
            _isOut = true;
            cause = _calls.Where(c => c.IsFailure).GroupBy(c => c.Refusal).MaxBy(g => g.Count())?.Key;
        }
        await BeginAsync(now, calls, failures, cause);
    }

    /// <summary>A pass has ended that the gateway's refusals stopped: every server tells operators.</summary>
    public async Task RefusedAsync(GatewayRefusal refusal, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        await connection.ExecuteAsync(new CommandDefinition(
            """
            insert into dunning.gateway_refusal (began_at, runs, status, reason) values (@now, 1, @Status, @Reason)
            on conflict (is_only) do update set runs = gateway_refusal.runs + 1, status = excluded.status, reason = excluded.reason
            """,
            new { now = clock().Utc(), refusal.Status, refusal.Reason }, cancellationToken: ct));
    }

    /// <summary>The gateway has answered charges of a pass: it refuses us no more.</summary>
    public async Task AnsweredAsync(CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        if (await connection.ExecuteScalarAsync<DateTime?>(new CommandDefinition("delete from dunning.gateway_refusal returning began_at", cancellationToken: ct)) is { } beganAt)
        {
            logger.LogWarning("the gateway takes our charges again, after {Minutes} minutes in which it refused them", (long)(clock() - beganAt.Instant()).TotalMinutes);
        }
    }

    /// <summary>Whether it is this server's turn to ask the gateway: one server does, a minute after the outage began, then after ever longer waits.</summary>
    public async Task<bool> TakeProbeAsync(CancellationToken ct)
    {
        var now = clock();
        if (await ReadAsync(ct) is not { } outage || outage.NextProbeAt > now)
        {
            return false;
        }
        var wait = Duration.Min(s_longestWait, s_firstWait * (2L << Math.Min(outage.Probes, 10)));
        await using var connection = await source.OpenConnectionAsync(ct);
        return await connection.ExecuteAsync(new CommandDefinition(
            "update dunning.outage set probes = probes + 1, next_probe_at = @at where ended_at is null and probes = @Probes",
            new { at = (now + wait).Utc(), outage.Probes }, cancellationToken: ct)) == 1;
    }

    /// <summary>The gateway answers again: every server goes on.</summary>
    public async Task EndAsync(CancellationToken ct)
    {
        var now = clock();
        await using var connection = await source.OpenConnectionAsync(ct);
        var row = await connection.QuerySingleOrDefaultAsync<(DateTime BeganAt, int Probes)?>(new CommandDefinition(
            "update dunning.outage set ended_at = @now where ended_at is null returning began_at, probes", new { now = now.Utc() }, cancellationToken: ct));
        if (row is var (beganAt, probes))
        {
            logger.LogWarning("the gateway answers again after {Minutes} minutes and {Probes} probes: charges go on, and what is unknown is looked up",
                (long)(now - beganAt.Instant()).TotalMinutes, probes);
        }
        Forget();
        _isOut = false;
    }

    /// <inheritdoc/>
    public void Dispose() => _database.Dispose();

    private async Task BeginAsync(Instant now, int calls, int failures, GatewayRefusal? cause)
    {
        await _database.WaitAsync();
        try
        {
            await using var connection = await source.OpenConnectionAsync();
            var isFirst = await connection.ExecuteAsync(
                """
                insert into dunning.outage (began_at, calls, failures, next_probe_at, reason, status) values (@now, @calls, @failures, @probeAt, @Reason, @Status)
                on conflict do nothing
                """,
                new { now = now.Utc(), calls, failures, probeAt = (now + s_firstWait).Utc(), cause?.Reason, cause?.Status }) == 1;
            if (isFirst)
            {
                logger.LogError(
                    "the gateway is out: {Failures} of {Calls} calls within {Seconds} seconds got no answer, or were refused for everyone ({Cause}). Nothing is charged until it "
                    + "answers again; it is asked at growing intervals, and no customer hears of it",
                    failures, calls, (long)options.Window.TotalSeconds, cause?.Reason ?? "no answer");
            }
        }
        catch (NpgsqlException e)
        {
            // Nothing may be thrown into an answer that is still to be saved. This server holds its attempts until it can ask the database.
            logger.LogError(e, "the gateway is out, and the database can't be told");
        }
        finally
        {
            _database.Release();
        }
    }

    private void Forget()
    {
        lock (_lock)
        {
            _calls.Clear();
            _failures = 0;
        }
    }

    private sealed record OutageRow(DateTime BeganAt, int Calls, int Failures, int Probes, DateTime NextProbeAt, string? Reason, int? Status);
}
