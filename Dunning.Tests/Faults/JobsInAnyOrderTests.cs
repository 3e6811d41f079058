using Dapper;
using Dunning.Books;
using Dunning.Hosting;
using Dunning.Jobs;
using Dunning.Model;
using Dunning.Passes;
using Dunning.Postgres;
using Dunning.Tests.Books;
using Dunning.Tests.Postgres;
using Microsoft.Extensions.Logging.Abstractions;
using NodaTime;
using Xunit.Abstractions;

namespace Dunning.Tests.Faults;

/// <summary>
/// The books as the service works them: each pass by itself, in an order of chance, by two workers on one database. The end must be that of one
/// pass in order. A class for each book, so that they run side by side.
/// </summary>
public abstract class JobsInAnyOrder(string name, ITestOutputHelper output)
{
    [Fact]
    public async Task Two_workers_come_to_the_same_end()
    {
        var seed = Seeds.Next(output, name);
        var expected = await BookRuns.GetAsync(name, "memory");
        var book = await BookRuns.ReadAsync(name);
        var settings = BookRuns.Settings(await TestServer.NewDatabaseAsync());
        await using var database = await Database.OpenAsync(settings, default);
        await PrepareAsync(database, book);
        await using var first = await Worker.StartAsync(database, settings, book, new Random(seed));
        await using var second = await Worker.StartAsync(database, settings, book, new Random(seed + 1));
        await new PostgresImporter(database.Source).ImportAsync(ImportedAsync(book, first.Rules), default);

        var (actions, span, rounds) = (book.Actions, book.Span!, 0);
        var next = 0;
        for (var now = span.From; now <= span.To; now += span.Tick)
        {
            if (span.Outages.Any(o => o.Start <= now && now < o.End))
            {
                continue;
            }
            for (; next < actions.Length && actions[next].At <= now; next++)
            {
                await first.ActAsync(actions[next], now);
            }
            // As jobs that come every minute would: until nothing is left for this instant.
            while (await DuePassesAsync(database, now) is { Count: > 0 } due)
            {
                await Task.WhenAll(first.RunAsync(due, now), second.RunAsync(due, now));
                Assert.True(rounds++ < 100_000);
            }
        }

        output.WriteLine($"{name}: {rounds} rounds; accounts claimed {first.Claimed} and {second.Claimed}");
        Assert.Equal("", await Auditor.FaultsAsync(database.Source));
        Assert.Equal("", EndState.Difference(expected.End, await EndState.OfAsync(database.Source)));
        Assert.Equal("", await PeriodsNotDueAsync(database, book));
        Assert.True(first.Claimed > 0 && second.Claimed > 0, "one worker did everything");
    }

    private static async Task PrepareAsync(Database database, Book book)
    {
        await new Migrator(database.Source, TimeProvider.System).MigrateAsync(default);
        var store = new PostgresSettings(database.Source);
        await store.SetAsync(PostgresSettings.Installation, "simulation", default);
        await store.SetAsync(PostgresSettings.Simulation, "true", default);
        var catalog = new PostgresCatalog(database.Source);
        await catalog.UpsertPlansAsync(book.Catalog.Plans.Values, book.Span!.From, default);
        await catalog.UpsertTaxRatesAsync(book.Catalog.TaxRates.Values, default);
    }

    private static async IAsyncEnumerable<ImportedAccount> ImportedAsync(Book book, Rulebook rules)
    {
        await foreach (var account in book.AccountsAsync())
        {
            yield return new ImportedAccount(account.File, Pass.DueOf(account.File, book.KnownAt, rules), account.ContentHash);
        }
    }

    // Only those with something to do are run: the others read one index entry and go home.
    private static async Task<List<PassKind>> DuePassesAsync(Database database, Instant now)
    {
        await using var connection = await database.Source.OpenConnectionAsync();
        return [.. (await connection.QueryAsync<string>("select distinct pass from dunning.due where at <= @now", new { now = now.ToDateTimeUtc() }))
            .Select(p => JobSettings.Passes.First(k => k.ToString().Equals(p.Replace("_", "", StringComparison.Ordinal), StringComparison.OrdinalIgnoreCase)))];
    }

    // An invoice of a period that has not begun by the end of the book would be one too many.
    private static async Task<string> PeriodsNotDueAsync(Database database, Book book)
    {
        await using var connection = await database.Source.OpenConnectionAsync();
        var rows = await connection.QueryAsync<(string Subscription, DateOnly Start, string Zone, DateTime At)>(
            """
            select i.subscription_id, i.period_start, a.time_zone, i.issued_at from dunning.invoice i join dunning.account a on a.id = i.account_id
            """);
        return string.Join('\n', rows.Where(r =>
            Instant.FromDateTimeUtc(r.At) < Time.LocalClock.DueAt(LocalDate.FromDateOnly(r.Start), book.Options.ChargeAt, book.Options.Zones[r.Zone])));
    }

    /// <summary>A server: its own engine, and the job classes that a job host would call.</summary>
    private sealed class Worker : IAsyncDisposable, IHelpers
    {
        private readonly Engine _engine;
        private readonly Random _random;
        private readonly PassWorker _jobs;
        private Instant _now;

        private Worker(Engine engine, Rulebook rules, Random random)
        {
            (_engine, Rules, _random) = (engine, rules, random);
            _jobs = new PassWorker(RunAsync, this, TimeProvider.System, NullLogger<PassWorker>.Instance);
        }

        public Rulebook Rules { get; }

        public int Claimed { get; private set; }

        public static async Task<Worker> StartAsync(Database database, WorkerSettings settings, Book book, Random random)
        {
            var engine = await Engine.OpenAsync(
                database, settings, TimeProvider.System, NullLoggerFactory.Instance, takesOver: true, default, book.Options, sendsMail: false);
            return new Worker(engine, await engine.RulebookAsync(default), random);
        }

        public async Task RunAsync(IReadOnlyCollection<PassKind> passes, Instant now)
        {
            _now = now;
            var order = passes.ToArray();
            _random.Shuffle(order);
            foreach (var pass in order)
            {
                await ((IPassJob)Activator.CreateInstance(PassJobs.TypeOf(pass), _jobs)!).RunAsync(default);
            }
        }

        public async Task ActAsync(AccountAction action, Instant now)
        {
            var result = await _engine.Book.AnswerAsync([new Ports.AnswerFor(action.Account, null, f => Pass.Act(f, action, now, Rules))], default);
            Assert.Empty(result.Faults);
        }

        public Task CallAsync(PassKind pass, CancellationToken ct) => Task.CompletedTask;

        public ValueTask DisposeAsync() => _engine.DisposeAsync();

        private async Task<PassReport> RunAsync(PassKind pass, Action<Decision> onSaved, CancellationToken ct)
        {
            var limits = new PassLimits { BatchSize = _random.Next(1, 60), Concurrency = 8, Budget = Duration.FromDays(1) };
            var runner = new PassRunner(_engine.Book, () => Rules, _engine.Gateway, _engine.Mailer, () => _now, limits) { OnSaved = onSaved };
            var report = await runner.RunAsync(pass, ct);
            Assert.True(report.Faults.Count == 0, report.Faults.Count == 0 ? "" : $"{_now} {pass} {report.Faults[0].Account}: {report.Faults[0].Exception}");
            Claimed += report.Accounts;
            return report;
        }
    }
}

/// <inheritdoc/>
public sealed class TourInAnyOrderTests(ITestOutputHelper output) : JobsInAnyOrder("tour", output);

/// <inheritdoc/>
public sealed class OutageInAnyOrderTests(ITestOutputHelper output) : JobsInAnyOrder("outage", output);

/// <inheritdoc/>
public sealed class FullInAnyOrderTests(ITestOutputHelper output) : JobsInAnyOrder("full", output);
