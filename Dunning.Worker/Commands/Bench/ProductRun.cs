using Dunning.Hosting;
using Dunning.Mail;
using Dunning.Passes;
using Dunning.Postgres;
using NodaTime;
using Npgsql;

namespace Dunning.Commands.Bench;

/// <summary>One run of the product: its Renew pass over a book in which everything is due.</summary>
/// <param name="Seconds">From the first claim until every worker's pass had ended.</param>
/// <param name="Commits">Transactions that saved something.</param>
/// <param name="ClaimMs">Median and 99th percentile of a claim: lock, read, decide, save, commit.</param>
/// <param name="AnswerMs">The same of a save of answers.</param>
/// <param name="RenewalMs">From the commit of a claim to that of its answer.</param>
/// <param name="WorkingSet">Bytes of the process in memory, at most.</param>
/// <param name="Heap">Bytes of the managed heap, at most.</param>
internal sealed record ProductRun(
    double Seconds, int Commits, (double P50, double P99) ClaimMs, (double P50, double P99) AnswerMs, (double P50, double P99) RenewalMs,
    long WorkingSet, long Heap)
{
    /// <summary>Renews everything and checks that it did. Faults are told in <paramref name="faults"/>.</summary>
    public static async Task<ProductRun> RunAsync(
        BenchBook bench, WorkerSettings settings, RenewalsPlan plan, TimeSpan latency, NpgsqlDataSource source, TimeProvider time,
        List<string> faults, CancellationToken ct)
    {
        var gateway = new BenchGateway(plan.Accounts, latency, time);
        var book = new MeasuredBook(bench.On(source), time);
        var report = new List<PassReport>();
        double seconds;
        var watch = new MemoryWatch(time);
        await using (watch)
        {
            var began = time.GetTimestamp();
            var passes = Enumerable.Range(0, plan.Workers).Select(worker =>
            {
                var limits = settings.Limits with
                {
                    BatchSize = plan.Batch,
                    // What is left over goes to the first workers.
                    Concurrency = (plan.Concurrency / plan.Workers) + (worker < plan.Concurrency % plan.Workers ? 1 : 0),
                    Budget = Duration.FromDays(1),
                };
                var runner = new PassRunner(book, () => bench.Rules, gateway, new SinkMailer(), () => BenchBook.Now, limits);
                return Task.Run(() => runner.RunAsync(PassKind.Renew, ct), ct);
            });
            report.AddRange(await Task.WhenAll(passes));
            seconds = time.GetElapsedTime(began).TotalSeconds;
        }
        faults.AddRange(report.SelectMany(r => r.Faults).Take(5).Select(f => $"product: account {f.Account}: {f.Exception.Message}"));
        faults.AddRange((await RowCheck.VerifyAsync(source, plan.Accounts, gateway, ct)).Select(f => "product: " + f));
        return new ProductRun(
            seconds, book.Commits, Percentiles(book.Claims), Percentiles(book.Answers), Percentiles(book.Renewals), watch.WorkingSet, watch.Heap);
    }

    private static (double, double) Percentiles(Histogram of) => (of.At(0.5), of.At(0.99));
}
