using Dapper;
using Dunning.Hosting;
using Dunning.Model;
using Dunning.Options;
using Dunning.Passes;
using Dunning.Tests.Books;
using Dunning.Tests.Faults;
using Dunning.Tests.Gateways;
using Dunning.Tests.Postgres;
using Microsoft.Extensions.Logging;
using NodaTime;

namespace Dunning.Tests.Guards;

/// <summary>A database with due accounts, a clock that a test moves, and as many servers as it opens. Suspends on the second day.</summary>
internal sealed class GuardRig : IAsyncDisposable
{
    private readonly List<Engine> _engines = [];

    private GuardRig(Database database, WorkerSettings settings)
    {
        (Database, Settings) = (database, settings);
    }

    /// <summary>Steps on days 0, 1 and 2; the last suspends.</summary>
    public static RuleOptions Rules { get; } = new()
    {
        PurgeAfterDays = 8,
        Steps = StepSchedule.Create(
        [
            new(0, MailTemplates.PaymentFailed, null, false),
            new(1, MailTemplates.SuspensionWarning, null, false),
            new(2, MailTemplates.AccountSuspended, null, true),
        ]).Schedule!,
    };

    public Database Database { get; }

    public WorkerSettings Settings { get; }

    public SteppedTime Time { get; } = new();

    public Told Log { get; } = new();

    public static async Task<GuardRig> NewAsync(IEnumerable<AccountFile> accounts, params (string Key, string Value)[] keys)
    {
        var settings = BookRuns.Settings(await TestServer.NewDatabaseAsync(), keys);
        var database = await Database.OpenAsync(settings, default);
        await Population.SettleAsync(database.Source, Rules, accounts, isSimulation: false);
        return new GuardRig(database, settings);
    }

    /// <summary>A server of its own.</summary>
    public async Task<Engine> ServerAsync()
    {
        var engine = await Engine.OpenAsync(Database, Settings, Time, Log, takesOver: true, default, Rules, sendsMail: false);
        _engines.Add(engine);
        return engine;
    }

    /// <summary>Runs every phase on these servers at once.</summary>
    public static async Task<PassReport[]> RunAsync(params Engine[] servers)
    {
        var reports = await Task.WhenAll(servers.Select(s => Task.Run(() => s.RunAsync(PassKind.All, default))));
        Assert.Empty(reports.SelectMany(r => r.Faults));
        return reports;
    }

    /// <summary>Runs every phase now and on each of the following mornings.</summary>
    public async Task DaysAsync(int days, Engine server)
    {
        await RunAsync(server);
        for (var day = 0; day < days; day++)
        {
            Time.Advance(TimeSpan.FromDays(1));
            await RunAsync(server);
        }
    }

    public async Task<T> ScalarAsync<T>(string sql)
    {
        await using var connection = await Database.Source.OpenConnectionAsync();
        return (await connection.ExecuteScalarAsync<T>(sql))!;
    }

    public async Task<IReadOnlyList<string>> ListAsync(string sql)
    {
        await using var connection = await Database.Source.OpenConnectionAsync();
        return [.. await connection.QueryAsync<string>(sql)];
    }

    public Task<long> CountAsync(string eventType) => ScalarAsync<long>($"select count(*) from dunning.event where type = '{eventType}'");

    public async ValueTask DisposeAsync()
    {
        foreach (var engine in _engines)
        {
            await engine.DisposeAsync();
        }
        await Database.DisposeAsync();
    }

    /// <summary>What was logged as critical.</summary>
    internal sealed class Told : ILoggerFactory, ILogger
    {
        private readonly List<string> _lines = [];

        public string[] Lines
        {
            get
            {
                lock (_lines)
                {
                    return [.. _lines];
                }
            }
        }

        public void AddProvider(ILoggerProvider provider)
        {
        }

        public ILogger CreateLogger(string categoryName) => this;

        public void Dispose()
        {
        }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel == LogLevel.Critical;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (logLevel == LogLevel.Critical)
            {
                lock (_lines)
                {
                    _lines.Add(formatter(state, exception));
                }
            }
        }
    }
}
