using Dapper;
using Dunning.Books;
using Dunning.Hosting;
using Dunning.Model;
using Dunning.Passes;
using Dunning.Postgres;
using Dunning.Tests.Books;
using Dunning.Tests.Postgres;
using NodaTime;
using Xunit.Abstractions;

namespace Dunning.Tests.Faults;

/// <summary>
/// The books as the service works them: each pass by itself, in an order of chance, by two workers on one database. The end must be that of one
/// pass in order.
/// </summary>
public sealed class JobsInAnyOrderTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("tour")]
    [InlineData("outage")]
    [InlineData("full")]
    public async Task Two_workers_with_jobs_in_any_order_come_to_the_same_end(string name)
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

    private sealed class Worker(Engine engine, Rulebook rules, Random random) : IAsyncDisposable
    {
        private Instant _now;

        public Rulebook Rules => rules;

        public int Claimed { get; private set; }

        public static async Task<Worker> StartAsync(Database database, WorkerSettings settings, Book book, Random random)
        {
            var engine = await Engine.OpenAsync(
                database, settings, TimeProvider.System, global::Dunning.Commands.CommandContext.QuietLoggers(), takesOver: true, default, book.Options, sendsMail: false);
            return new Worker(engine, await engine.RulebookAsync(default), random);
        }

        public async Task RunAsync(IReadOnlyCollection<PassKind> passes, Instant now)
        {
            _now = now;
            var order = passes.ToArray();
            random.Shuffle(order);
            var limits = new PassLimits { BatchSize = random.Next(1, 60), Concurrency = 8, Budget = Duration.FromDays(1) };
            foreach (var pass in order)
            {
                var report = await new PassRunner(engine.Book, () => rules, engine.Gateway, engine.Mailer, () => _now, limits).RunAsync(pass, default);
                Assert.True(report.Faults.Count == 0, report.Faults.Count == 0 ? "" : $"{now} {pass} {report.Faults[0].Account}: {report.Faults[0].Exception}");
                Claimed += report.Accounts;
            }
        }

        public async Task ActAsync(AccountAction action, Instant now)
        {
            var result = await engine.Book.AnswerAsync([new Ports.AnswerFor(action.Account, null, f => Pass.Act(f, action, now, rules))], default);
            Assert.Empty(result.Faults);
        }

        public ValueTask DisposeAsync() => engine.DisposeAsync();
    }
}
