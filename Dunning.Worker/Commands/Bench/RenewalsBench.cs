using System.Data;
using Dapper;
using Dunning.Hosting;
using Dunning.Postgres;
using Npgsql;

namespace Dunning.Commands.Bench;

/// <summary>What <c>bench renewals</c> is asked to do.</summary>
internal sealed record RenewalsPlan
{
    /// <summary>All of them due.</summary>
    public required int Accounts { get; init; }

    /// <summary>How long the gateway takes.</summary>
    public required TimeSpan GatewayLatency { get; init; }

    /// <summary>Passes at once.</summary>
    public required int Workers { get; init; }

    /// <summary>Calls under way at once, in all workers together.</summary>
    public required int Concurrency { get; init; }

    /// <summary>Accounts a commit.</summary>
    public required int Batch { get; init; }

    /// <summary>Runs of each kind.</summary>
    public required int Runs { get; init; }

    /// <summary>Whether the floor and the naive way run too.</summary>
    public required bool WithBaseline { get; init; }

    /// <summary>Accounts in a naive run, at most.</summary>
    public required int NaiveAccounts { get; init; }
}

/// <summary>
/// Renews the same book over and over: the product, the product with a slow gateway, the floor, the naive way, in turn. Each run has a fresh copy
/// of one database, analyzed, with a checkpoint behind it.
/// </summary>
internal sealed class RenewalsBench(BenchServer server, WorkerSettings settings, RenewalsPlan plan, TimeProvider time, ProgressLine progress)
{
    private const string Base = "base";
    private const string Copy = "run";
    private const int WarmUpAccounts = 2000;

    private static readonly int[] NaiveClients = [1, 4, 8];

    private readonly BenchBook _bench = new(settings);
    private int _step;

    /// <summary>Makes the book, runs everything, and tells what came of it.</summary>
    public async Task<RenewalsResult> RunAsync(CancellationToken ct)
    {
        var result = new RenewalsResult(plan, await server.FactsAsync(ct), MachineFacts.Now(), Connections());
        var naiveJobs = Math.Min(plan.NaiveAccounts, plan.Accounts);
        await MakeBaseAsync(ct);
        await WarmUpAsync(ct);
        for (var round = 0; round < plan.Runs; round++)
        {
            var runs = new List<Func<Task>> { () => ProductAsync(TimeSpan.Zero, result.Product) };
            if (plan.GatewayLatency > TimeSpan.Zero)
            {
                runs.Add(() => ProductAsync(plan.GatewayLatency, result.ProductWithLatency));
            }
            if (plan.WithBaseline)
            {
                runs.Add(FloorAsync);
                runs.AddRange(NaiveClients.Select<int, Func<Task>>(clients => () => NaiveAsync(clients)));
            }
            // Whoever comes first in one round does not in the next: what the disk still does then strikes each in turn.
            for (var i = 0; i < runs.Count; i++)
            {
                await runs[(i + round) % runs.Count]();
            }
        }
        await server.DropAsync(Copy, ct);
        return result;

        async Task ProductAsync(TimeSpan latency, List<ProductRun> into)
        {
            await using var source = await FreshAsync(latency > TimeSpan.Zero ? "product, slow gateway" : "product", ct);
            into.Add(await ProductRun.RunAsync(_bench, settings, plan, latency, source, time, result.Faults, ct));
            result.Compare("product", await RowCheck.StateAsync(source, ct));
        }

        async Task FloorAsync()
        {
            await using var source = await FreshAsync("floor", ct);
            var seconds = await new FloorRun(_bench, settings, plan).RunAsync(ConnectionString(), Connections(), time, ct);
            result.Floor.Add(plan.Accounts / seconds);
            result.Faults.AddRange((await RowCheck.VerifyAsync(source, plan.Accounts, null, ct)).Select(f => "floor: " + f));
            result.Compare("floor", await RowCheck.StateAsync(source, ct));
        }

        async Task NaiveAsync(int clients)
        {
            await using var source = await FreshAsync(FormattableString.Invariant($"naive, {clients} clients"), ct);
            // Batches are planned anew each time; statements for one account are better off prepared, with plans that are kept.
            await using var kept = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(ConnectionString()) { MaxAutoPrepare = 200, AutoPrepareMinUsages = 2 });
            var naive = new NaiveRun(_bench, _bench.On(kept), kept);
            await naive.EnqueueAsync(naiveJobs, ct);
            await server.CheckpointAsync(ct);
            var seconds = await naive.RunAsync(naiveJobs, clients, new BenchGateway(plan.Accounts, TimeSpan.Zero, time), time, ct);
            if (!result.Naive.TryGetValue(clients, out var runs))
            {
                result.Naive[clients] = runs = [];
            }
            runs.Add(naiveJobs / seconds);
        }
    }

    /// <summary>As many as the product may use: each worker one to claim and some to save answers.</summary>
    private int Connections() => plan.Workers * (1 + settings.Limits.Savers);

    private async Task MakeBaseAsync(CancellationToken ct)
    {
        await server.CreateAsync(Base, null, ct);
        await using var source = PostgresSource.Create(server.ConnectionString(Base));
        await _bench.PrepareAsync(source, time, ct);
        await _bench.ImportAsync(source, plan.Accounts, done => progress.Show((double)done / plan.Accounts, "making accounts"), ct);
        await using var connection = await source.OpenConnectionAsync(ct);
        // Whoever reads a row first writes that it is committed: not in the measured runs.
        await connection.ExecuteAsync(new CommandDefinition("vacuum analyze", commandTimeout: 0, cancellationToken: ct));
    }

    // The runtime compiles what it runs often anew: that is over when the service has run for a minute.
    private async Task WarmUpAsync(CancellationToken ct)
    {
        var accounts = Math.Min(plan.Accounts, WarmUpAccounts);
        for (var i = 0; i < 2; i++)
        {
            await using var source = await FreshAsync("warming up", ct);
            await using (var connection = await source.OpenConnectionAsync(ct))
            {
                await connection.ExecuteAsync(new CommandDefinition(
                    """
                    delete from dunning.due where account_id not in (
                        select account_id from dunning.due where pass = 'renew' order by at, account_id limit @accounts)
                    """,
                    new { accounts },
                    commandTimeout: 0,
                    cancellationToken: ct));
            }
            await ProductRun.RunAsync(_bench, settings, plan, TimeSpan.Zero, source, time, [], ct);
        }
    }

    private async Task<NpgsqlDataSource> FreshAsync(string what, CancellationToken ct)
    {
        var steps = 2 + (plan.Runs * (1 + (plan.GatewayLatency > TimeSpan.Zero ? 1 : 0) + (plan.WithBaseline ? 1 + NaiveClients.Length : 0)));
        progress.Show((double)_step++ / steps, what);
        await server.CreateAsync(Copy, Base, ct);
        var source = PostgresSource.Create(ConnectionString());
        try
        {
            await using (var connection = await source.OpenConnectionAsync(ct))
            {
                await connection.ExecuteAsync(new CommandDefinition("analyze", commandTimeout: 0, commandType: CommandType.Text, cancellationToken: ct));
            }
            await server.CheckpointAsync(ct);
            return source;
        }
        catch
        {
            await source.DisposeAsync();
            throw;
        }
    }

    private string ConnectionString() => server.ConnectionString(Copy);
}
