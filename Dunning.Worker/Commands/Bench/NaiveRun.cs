using Dapper;
using Dunning.Passes;
using Dunning.Ports;
using Dunning.Postgres;
using Npgsql;

namespace Dunning.Commands.Bench;

/// <summary>
/// The naive way: a job for each account. Take a job (a commit), lock, read, decide and save its account (a commit), call the gateway, save the
/// answer (a commit), delete the job (a commit). Rules, store and rows are the product's own, for one account at a time.
/// </summary>
internal sealed class NaiveRun(BenchBook bench, PostgresBook book, NpgsqlDataSource source)
{
    private const string Take =
        """
        update public.bench_job set taken_at = clock_timestamp()
        where id = (select id from public.bench_job where taken_at is null order by id limit 1 for update skip locked)
        returning id, account_id
        """;

    private static readonly PassRun Run = new(BenchBook.Now, PassKind.Renew);

    /// <summary>Writes a job for each of so many accounts, and takes the others out of what is due.</summary>
    public async Task EnqueueAsync(int jobs, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        await connection.ExecuteAsync(new CommandDefinition(
            """
            create table public.bench_job (
                id bigint generated always as identity primary key, account_id text collate "C" not null, taken_at timestamptz);
            create index on public.bench_job (id) where taken_at is null;
            insert into public.bench_job (account_id)
                select account_id from dunning.due where pass = 'renew' order by at, account_id limit @jobs;
            analyze public.bench_job;
            """,
            new { jobs },
            commandTimeout: 0,
            cancellationToken: ct));
    }

    /// <summary>Works all jobs off with so many clients. Returns the seconds that it took.</summary>
    public async Task<double> RunAsync(int jobs, int clients, IPaymentGateway gateway, TimeProvider time, CancellationToken ct)
    {
        var began = time.GetTimestamp();
        var done = (await Task.WhenAll(Enumerable.Range(0, clients).Select(_ => Task.Run(() => DrainAsync(gateway, ct), ct)))).Sum();
        var seconds = time.GetElapsedTime(began).TotalSeconds;
        await using var connection = await source.OpenConnectionAsync(ct);
        var paid = await connection.ExecuteScalarAsync<long>(new CommandDefinition(
            "select count(*) from dunning.receivable where state = 'paid'", cancellationToken: ct));
        return done == jobs && paid == jobs
            ? seconds
            : throw new InvalidOperationException(FormattableString.Invariant($"the naive way did {done} and left {paid} paid instead of {jobs}"));
    }

    private async Task<int> DrainAsync(IPaymentGateway gateway, CancellationToken ct)
    {
        var done = 0;
        while (await TakeAsync(ct) is { } job)
        {
            var decision = await SaveAsync(job.Account, null, file => Pass.Begin(file, Run, bench.Rules), ct);
            while (decision.Effect is Effect.SendCharge send)
            {
                var outcome = await gateway.ChargeAsync(send.Request, ct);
                var answer = new Answer.Charged(send.Request.Key, outcome, send.IsResend);
                decision = await SaveAsync(job.Account, send.Request.Key, file => Pass.Resume(file, send, answer, bench.Rules), ct);
            }
            await using var connection = await source.OpenConnectionAsync(ct);
            await connection.ExecuteAsync(new CommandDefinition("delete from public.bench_job where id = @Id", new { job.Id }, cancellationToken: ct));
            done++;
        }
        return done;
    }

    private async Task<Job?> TakeAsync(CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return await connection.QuerySingleOrDefaultAsync<Job>(new CommandDefinition(Take, cancellationToken: ct));
    }

    private async Task<Decision> SaveAsync(string account, string? key, Decide decide, CancellationToken ct)
    {
        var result = await book.AnswerAsync([new AnswerFor(account, key, decide)], ct);
        return result.Faults.Count > 0 ? throw result.Faults[0].Exception : result.Decisions[0];
    }

    private sealed record Job(long Id, string AccountId)
    {
        public string Account => AccountId;
    }
}
