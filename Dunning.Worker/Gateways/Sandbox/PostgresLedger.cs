using System.Data.Common;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Dapper;
using Dunning.Model;
using Dunning.Ports;
using Npgsql;

namespace Dunning.Gateways.Sandbox;

/// <summary>
/// A ledger in PostgreSQL, on connections of its own, for the running service: what it has answered survives a crash of ours, and several
/// processes may use it on one database. Make its tables first (<see cref="SandboxSchema"/>).
/// </summary>
/// <remarks>
/// One commit a call would be one fsync a call, some hundreds a second. So calls queue, and one writer commits what has gathered while
/// the group before was being committed; each caller is answered after the commit that holds its call. Look-ups stand in the same queue:
/// they see every call that this process handed in before them, also one whose caller has given up.
/// </remarks>
public sealed partial class PostgresLedger : ISandboxLedger, IAsyncDisposable
{
    private const int MaxGroup = 500;
    private const int MaxQueued = 20_000;

    // Each try fails only because another process has just committed one of our keys: more than a few in a row means that something is wrong.
    private const int MaxTries = 10;

    private readonly NpgsqlDataSource _database;
    private readonly ILogger _logger;
    private readonly Channel<Job> _queue = Channel.CreateBounded<Job>(new BoundedChannelOptions(MaxQueued) { SingleReader = true });
    private readonly Task _writer;

    /// <summary>Starts the writer; dispose of the ledger to end it. The data source stays the caller's.</summary>
    public PostgresLedger(NpgsqlDataSource database, ILogger<PostgresLedger> logger)
    {
        _database = database;
        _logger = logger;
        _writer = Task.Run(WriteAsync);
    }

    /// <inheritdoc/>
    public async Task<GatewayOutcome> ChargeAsync(SandboxOrder order, CancellationToken ct) =>
        await EnqueueAsync(new Job(order.Key, order, null, ct), ct)
            ?? throw new InvalidOperationException("a call was answered as a look-up");

    /// <inheritdoc/>
    public Task<GatewayOutcome?> FindAsync(string key, CancellationToken ct) => EnqueueAsync(new Job(key, null, null, ct), ct);

    /// <inheritdoc/>
    public Task<GatewayOutcome?> FenceAsync(SandboxFence fence, CancellationToken ct) => EnqueueAsync(new Job(fence.Key, null, fence, ct), ct);

    /// <inheritdoc/>
    public Task<bool> RefundAsync(SandboxRefund refund, CancellationToken ct) => AloneAsync(
        connection => connection.QuerySingleAsync<bool>(new CommandDefinition(
            """
            insert into sandbox.refund (key, charge_key)
            select @Key, key from sandbox.call
            where key = @ChargeKey and outcome = 'succeeded' and account_id = @Account and amount = @Minor and currency = @Code
            on conflict do nothing;

            select exists (
                select from sandbox.refund r join sandbox.call c on c.key = r.charge_key
                where r.charge_key = @ChargeKey and c.account_id = @Account and c.amount = @Minor and c.currency = @Code);
            """,
            new { refund.Key, refund.ChargeKey, refund.Account, refund.Amount.Minor, refund.Amount.Currency.Code },
            cancellationToken: ct)),
        ct);

    /// <inheritdoc/>
    public Task DetachAsync(string account, MethodRef method, CancellationToken ct) => AloneAsync(
        connection => connection.ExecuteAsync(new CommandDefinition(
            """
            insert into sandbox.method (account_id, id, generation, calls, detached)
            values (@account, @Id, @Generation, 0, true)
            on conflict (account_id, id, generation) do update set detached = true
            """,
            new { account, method.Id, method.Generation }, cancellationToken: ct)),
        ct);

    /// <inheritdoc/>
    public async IAsyncEnumerable<SandboxCall> CallsAsync([EnumeratorCancellation] CancellationToken ct)
    {
        await using var connection = await _database.OpenConnectionAsync(ct);
        var rows = connection.QueryUnbufferedAsync<LedgerTransaction.CallRow>(
            LedgerTransaction.SelectCalls + " order by c.key collate \"C\"");
        await foreach (var row in rows.WithCancellation(ct))
        {
            yield return row.ToCall();
        }
    }

    /// <summary>Takes no more calls, and waits until those taken are committed and answered.</summary>
    public async ValueTask DisposeAsync()
    {
        _queue.Writer.TryComplete();
        await _writer;
    }

    private async Task<GatewayOutcome?> EnqueueAsync(Job job, CancellationToken ct)
    {
        try
        {
            await _queue.Writer.WriteAsync(job, ct);
        }
        catch (ChannelClosedException closed)
        {
            throw new SandboxUnavailableException("the sandbox is closing", closed);
        }
        // From here on the call may be taken whether or not anyone still waits for it.
        return await job.Answer.Task.WaitAsync(ct);
    }

    private async Task WriteAsync()
    {
        var group = new List<Job>(MaxGroup);
        while (await _queue.Reader.WaitToReadAsync())
        {
            group.Clear();
            while (group.Count < MaxGroup && _queue.Reader.TryRead(out var job))
            {
                // Given up before it was taken: never sent, as when a connection could not be had in time.
                if (!job.Withdrawn.IsCancellationRequested)
                {
                    group.Add(job);
                }
            }
            if (group.Count > 0)
            {
                await AnswerAsync(group);
            }
        }
    }

    private async Task AnswerAsync(List<Job> group)
    {
        try
        {
            var answers = await SettleAsync(group);
            for (var i = 0; i < group.Count; i++)
            {
                group[i].Answer.TrySetResult(answers[i]);
            }
        }
        catch (Exception failure)
        {
            // Handed to everyone who waits, none of it is swallowed here; the writer itself must outlive it.
            var told = failure is DbException ? Unavailable(failure, group.Count) : failure;
            foreach (var job in group)
            {
                job.Answer.TrySetException(told);
            }
        }
    }

    // No second try after a failure: if it struck the commit, the lost calls in the group would count twice. The caller's reconcile sorts it out.
    private async Task<GatewayOutcome?[]> SettleAsync(List<Job> group)
    {
        await using var connection = await _database.OpenConnectionAsync();
        for (var i = 0; i < MaxTries; i++)
        {
            if (await LedgerTransaction.TrySettleAsync(connection, group) is { } answers)
            {
                return answers;
            }
        }
        throw Unavailable(new InvalidOperationException("other processes have kept taking the keys of one group of calls"), group.Count);
    }

    private async Task<T> AloneAsync<T>(Func<NpgsqlConnection, Task<T>> run, CancellationToken ct)
    {
        try
        {
            await using var connection = await _database.OpenConnectionAsync(ct);
            return await run(connection);
        }
        catch (DbException failure)
        {
            throw Unavailable(failure, 1);
        }
    }

    private SandboxUnavailableException Unavailable(Exception failure, int calls)
    {
        LogFailure(calls, failure);
        return new SandboxUnavailableException("the sandbox's database failed", failure);
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "The sandbox's database failed: {Calls} calls are left without an answer")]
    private partial void LogFailure(int calls, Exception failure);

    /// <summary>A call, a fence or, with neither an order nor a fence, a look-up that waits for its answer.</summary>
    internal sealed record Job(string Key, SandboxOrder? Order, SandboxFence? Fence, CancellationToken Withdrawn)
    {
        // Asynchronously: the writer must not run its callers' code between two commits.
        public TaskCompletionSource<GatewayOutcome?> Answer { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
