using Dapper;
using Dunning.Events;
using Dunning.Jobs;
using Dunning.Passes;
using NodaTime;
using Npgsql;

namespace Dunning.Postgres;

/// <summary>
/// Writes <c>pass_state</c>, one row a pass and server, in place, and <c>pass_run</c>, one row a run that did something or failed: passes run each
/// minute for years, and most find nothing.
/// </summary>
/// <param name="source">The database.</param>
/// <param name="server">Names this server.</param>
/// <param name="logger">Told when the database can't be.</param>
public sealed class PostgresPassLog(NpgsqlDataSource source, string server, ILogger<PostgresPassLog> logger) : IPassLog
{
    // Of a server that is gone nothing is of interest after this.
    private static readonly Duration s_gone = Duration.FromDays(2);

    // In seconds: what is written down is worth no wait, least of all when the service is stopping.
    private const int Patience = 3;

    /// <summary>The name of this process as a server: two on one machine are two.</summary>
    public static string ThisServer { get; } = FormattableString.Invariant($"{Environment.MachineName}:{Environment.ProcessId}");

    /// <summary>An outcome as it is stored.</summary>
    public static string NameOf(PassOutcome outcome) => outcome switch
    {
        PassOutcome.Done => "done",
        PassOutcome.Faults => "faults",
        PassOutcome.Failed => "failed",
        PassOutcome.Refused => "refused",
        PassOutcome.OutOfTime => "out_of_time",
        PassOutcome.Stopped => "stopped",
        PassOutcome.Blocked => "blocked",
        _ => throw new ArgumentOutOfRangeException(nameof(outcome)),
    };

    /// <inheritdoc/>
    public Task BeginAsync(PassKind pass, Instant startedAt, CancellationToken ct) => TryAsync(
        connection => connection.ExecuteAsync(new CommandDefinition(
            """
            insert into dunning.pass_state (pass, server, started_at) values (@pass, @server, @at)
            on conflict (pass, server) do update set started_at = excluded.started_at, ended_at = null
            """,
            new { pass = Texts.Pass[pass], server, at = startedAt.Utc() }, commandTimeout: Patience, cancellationToken: ct)),
        ct);

    /// <inheritdoc/>
    public Task EndAsync(EndedPass run)
    {
        var endedAt = run.StartedAt + Duration.FromTimeSpan(run.Duration);
        var report = run.Report;
        var row = new
        {
            pass = Texts.Pass[run.Pass],
            server,
            startedAt = run.StartedAt.Utc(),
            endedAt = endedAt.Utc(),
            outcome = NameOf(run.Outcome),
            run.Error,
            isFailure = report is null && run.Outcome != PassOutcome.Stopped,
            accounts = report?.Accounts ?? 0,
            faults = report?.Faults.Count ?? 0,
            succeeded = report?.CountOf(EventTypes.ChargeSucceeded) ?? 0,
            failed = report?.CountOf(EventTypes.ChargeFailed) ?? 0,
            unknown = report?.CountOf(EventTypes.ChargeUnknown) ?? 0,
            pending = report?.CountOf(EventTypes.ChargePending) ?? 0,
            mails = report?.CountOf(EventTypes.EmailSent) ?? 0,
            gone = (endedAt - s_gone).Utc(),
        };
        // A server that may not work would write a row each minute for as long as nobody looks: the state says it.
        var isWorthARow = row.accounts > 0 || row.faults > 0 || run.Outcome is not (PassOutcome.Done or PassOutcome.Blocked or PassOutcome.Stopped);
        return TryAsync(
            connection => connection.ExecuteAsync(new CommandDefinition(
                """
                insert into dunning.pass_state (pass, server, started_at, ended_at, outcome, succeeded_at, failures, runs, error)
                values (@pass, @server, @startedAt, @endedAt, @outcome, case when @isFailure then null else @endedAt end, case when @isFailure then 1 else 0 end, 1, @Error)
                on conflict (pass, server) do update set started_at = excluded.started_at, ended_at = excluded.ended_at, outcome = excluded.outcome,
                    succeeded_at = coalesce(excluded.succeeded_at, pass_state.succeeded_at),
                    failures = case when @isFailure then pass_state.failures + 1 else 0 end,
                    runs = pass_state.runs + 1, error = excluded.error;
                delete from dunning.pass_state where pass = @pass and started_at < @gone;

                """
                + (isWorthARow
                    ? """
                      insert into dunning.pass_run (pass, server, started_at, ended_at, outcome, accounts, faults, charges_succeeded, charges_failed, charges_unknown,
                          charges_pending, mails_sent, error)
                      values (@pass, @server, @startedAt, @endedAt, @outcome, @accounts, @faults, @succeeded, @failed, @unknown, @pending, @mails, @Error)
                      """
                    : ""),
                row, commandTimeout: Patience)),
            CancellationToken.None);
    }

    private async Task TryAsync(Func<NpgsqlConnection, Task> write, CancellationToken ct)
    {
        try
        {
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(ct);
            patience.CancelAfter(TimeSpan.FromSeconds(Patience));
            await using var connection = await source.OpenConnectionAsync(patience.Token);
            await write(connection);
        }
        catch (Exception e) when (e is NpgsqlException or TimeoutException or OperationCanceledException or InvalidOperationException)
        {
            // The pass itself tells that the database is away.
            logger.LogDebug(e, "how a pass went could not be written down");
        }
    }
}
