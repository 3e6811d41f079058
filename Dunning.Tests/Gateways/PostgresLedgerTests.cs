using System.Diagnostics;
using System.Globalization;
using Dapper;
using Dunning.Gateways;
using Dunning.Gateways.Sandbox;
using Dunning.Model;
using Dunning.Ports;
using Dunning.Tests.Postgres;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Xunit;
using Xunit.Abstractions;

namespace Dunning.Tests.Gateways;

public sealed class PostgresLedgerTests(ITestOutputHelper output) : SandboxLedgerContract
{
    // One for the class, emptied before each test: making a database takes longer than most of these tests.
    private static readonly Lazy<Task<string>> Database = new(() => TestServer.NewDatabaseAsync());

    private readonly List<IAsyncDisposable> _opened = [];
    private string _connectionString = "";

    public override async Task InitializeAsync()
    {
        _connectionString = await Database.Value;
        await using var connection = await ConnectAsync();
        await SandboxSchema.CreateAsync(connection, default);
        await connection.ExecuteAsync("truncate sandbox.refund, sandbox.call, sandbox.method, sandbox.fence; drop schema if exists dunning cascade");
        await base.InitializeAsync();
    }

    public override async Task DisposeAsync()
    {
        foreach (var opened in Enumerable.Reverse(_opened))
        {
            await opened.DisposeAsync();
        }
    }

    protected override Task<ISandboxLedger> OpenAsync() => Task.FromResult<ISandboxLedger>(Open(NullLogger<PostgresLedger>.Instance));

    [Fact]
    public async Task Ledger_OpenedAnew_AnswersTheSame()
    {
        string[] tokens = ["sandbox_ok", "sandbox_timeout_x1", "sandbox_drop_x1", "sandbox_lost_decline_lost_card_x1", "sandbox_decline_lost_card_x1"];
        var requests = tokens.Select((token, n) => Request(Key(n), token) with { Method = new(token, 0) }).ToArray();
        foreach (var request in requests)
        {
            await Gateway().ChargeAsync(request, default);
        }
        await ((PostgresLedger)Ledger).DisposeAsync();

        var after = Gateway(await OpenAsync());
        var found = new List<string>();
        foreach (var request in requests)
        {
            found.Add(Letter(await after.LookUpAsync(request, default)));
            found.Add(Letter(await after.ChargeAsync(request, default))); // of the dropped one the second call, of the others replays
            found.Add(Letter(await after.ChargeAsync(request with { Key = request.Key + "next" }, default)));
        }
        Assert.Equal("sss sss -ss lls lls", string.Join(' ', found.Chunk(3).Select(letters => string.Concat(letters))));
    }

    [Fact]
    public async Task Charge_DatabaseGone_IsUnknownAndLoggedOnce()
    {
        var log = new CountingLogger();
        var gateway = Gateway(Open(log, new NpgsqlConnectionStringBuilder(_connectionString) { Database = "nowhere" }.ConnectionString));
        Assert.Equal("?", Letter(await gateway.ChargeAsync(Request("k", "sandbox_ok"), default)));
        Assert.Equal(1, log.Errors);
        Assert.Equal("?", Letter(await gateway.LookUpAsync(Request("k", "sandbox_ok"), default)));
        Assert.False(await gateway.RefundAsync(Request("k", "sandbox_ok"), "r", default));
        Assert.Equal(3, log.Errors);
    }

    // The connection dies between the call and the commit: nothing was taken, and the writer goes on with the next group.
    [Fact]
    public async Task Charge_ConnectionLostInTheTransaction_IsUnknownAndTheNextCallIsTaken()
    {
        var request = Request("k", "sandbox_ok");
        await Gateway().ChargeAsync(request with { Key = "first" }, default);
        await using var connection = await ConnectAsync();
        await using (var lockHolder = await connection.BeginTransactionAsync())
        {
            await connection.ExecuteAsync("select from sandbox.method for update", transaction: lockHolder);
            var answer = Gateway().ChargeAsync(request, default);
            await WaitForBlockedAsync();
            await using var killer = await ConnectAsync();
            await killer.ExecuteAsync(
                """
                select pg_terminate_backend(pid) from pg_stat_activity
                where datname = current_database() and wait_event_type = 'Lock'
                """);
            Assert.Equal("?", Letter(await answer));
        }
        Assert.Null(await Gateway().LookUpAsync(request, default));
        Assert.Equal("s", Letter(await Gateway().ChargeAsync(request, default)));
        Assert.Equal([1L, 2L], (await AllAsync(Ledger)).Select(call => call.CallNumber).Order());
    }

    // Another process is just committing our key for another method, which no lock of ours covers: decided anew, and not counted.
    [Fact]
    public async Task Charge_KeyTakenMeanwhileOnAnotherMethod_IsRefusedAndNoCall()
    {
        await using var connection = await ConnectAsync();
        await using var other = await connection.BeginTransactionAsync();
        await connection.ExecuteAsync(
            """
            insert into sandbox.call (key, account_id, method_id, generation, amount, currency, outcome, call_number)
            values ('k', 'a', 'other', 0, 1000, 'EUR', 'succeeded', 1)
            """,
            transaction: other);
        var request = Request("k", "sandbox_ok_x1_decline_lost_card");
        var answer = Gateway().ChargeAsync(request, default);
        await WaitForBlockedAsync();
        await other.CommitAsync();
        Assert.Equal("!", Letter(await answer));
        Assert.Equal("s", Letter(await Gateway().ChargeAsync(request with { Key = "next" }, default)));
    }

    // The caller gives up while the call is being committed: unknown, though it is taken; a look-up after it waits its turn and finds it.
    [Fact]
    public async Task Charge_CanceledWhileCommitting_IsUnknownAndFoundByTheNextLookUp()
    {
        var request = Request("k", "sandbox_ok");
        await Gateway().ChargeAsync(request with { Key = "first" }, default);
        await using var connection = await ConnectAsync();
        var lockHolder = await connection.BeginTransactionAsync();
        await connection.ExecuteAsync("select from sandbox.method for update", transaction: lockHolder);

        using var cancel = new CancellationTokenSource();
        var answer = Gateway().ChargeAsync(request, cancel.Token);
        await WaitForBlockedAsync();
        var queued = Gateway().ChargeAsync(request with { Key = "queued" }, cancel.Token);
        await cancel.CancelAsync();
        Assert.Equal("?", Letter(await answer));
        Assert.Equal("?", Letter(await queued));

        var found = Gateway().LookUpAsync(request, default);
        await lockHolder.RollbackAsync();
        Assert.Equal("s", Letter(await found));
        Assert.Null(await Gateway().LookUpAsync(request with { Key = "queued" }, default)); // withdrawn before it was its turn
    }

    [Fact]
    public async Task Dispose_WithCallsUnderWay_AnswersThemAndTakesNoMore()
    {
        var ledger = (PostgresLedger)Ledger;
        var answers = Enumerable.Range(0, 50).Select(n => Gateway().ChargeAsync(Request(Key(n), "sandbox_ok"), default)).ToArray();
        await ledger.DisposeAsync();
        Assert.All(await Task.WhenAll(answers), answer => Assert.Equal("s", Letter(answer)));
        Assert.Equal("?", Letter(await Gateway().ChargeAsync(Request("late", "sandbox_ok"), default)));
    }

    [Fact]
    public async Task CreateSchema_ByManyAtOnceAndAgain_IsMadeOnce()
    {
        _connectionString = await TestServer.NewDatabaseAsync();
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(CreateAsync)));
        await CreateAsync();

        async Task CreateAsync()
        {
            await using var connection = await ConnectAsync();
            await SandboxSchema.CreateAsync(connection, default);
        }
    }

    [Fact]
    public async Task Bind_DatabaseOfNoGatewayOrOurs_IsBoundForGood()
    {
        await using var connection = await ConnectAsync();
        await connection.ExecuteAsync("create schema dunning; create table dunning.setting (key text primary key, value text)");
        await GatewayBinding.BindAsync(connection, "sandbox", default);
        await GatewayBinding.BindAsync(connection, "sandbox", default);
        Assert.Equal("sandbox", await connection.QuerySingleAsync<string>("select value from dunning.setting where key = 'gateway'"));
    }

    [Theory]
    [InlineData("'stripe'")]
    [InlineData("'Sandbox'")]
    [InlineData("''")]
    [InlineData("null")] // someone has emptied it by hand: whose it was is not known, so that it is not ours
    public async Task Bind_DatabaseOfAnotherGateway_IsRefused(string value)
    {
        await using var connection = await ConnectAsync();
        await connection.ExecuteAsync(
            "create schema dunning; create table dunning.setting (key text primary key, value text); " +
            $"insert into dunning.setting values ('gateway', {value})");
        var refused = await Assert.ThrowsAsync<GatewayBindingException>(() => GatewayBinding.BindAsync(connection, "sandbox", default));
        Assert.Contains(value.Trim('\'').Replace("null", "", StringComparison.Ordinal), refused.Message, StringComparison.Ordinal);
    }

    // Printed, not asserted: a shared machine's pace proves nothing. A server for measuring is named by DUNNING_SANDBOX_BENCH, since the
    // tests' own one doesn't wait for its disk.
    [Fact]
    public async Task Charge_ManyCallers_Pace()
    {
        if (Environment.GetEnvironmentVariable("DUNNING_SANDBOX_BENCH") is { Length: > 0 } server)
        {
            _connectionString = server;
            await using var connection = await ConnectAsync();
            await SandboxSchema.CreateAsync(connection, default);
        }
        var gateway = Gateway(Open(NullLogger<PostgresLedger>.Instance));
        var run = Guid.NewGuid().ToString("N");
        await MeasureAsync(1, 50);
        foreach (var (callers, calls) in new[] { (1, 400), (50, 5_000), (500, 10_000) })
        {
            var perSecond = await MeasureAsync(callers, calls);
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{callers} callers: {perSecond:F0} calls/s"));
        }

        async Task<double> MeasureAsync(int callers, int calls)
        {
            var watch = Stopwatch.StartNew();
            await Parallel.ForAsync(0, calls, new ParallelOptions { MaxDegreeOfParallelism = callers }, async (n, ct) =>
            {
                var key = string.Create(CultureInfo.InvariantCulture, $"{run}-{callers}-{calls}-{n}");
                var request = Request(key, "sandbox_ok") with { Account = key };
                Assert.IsType<GatewayOutcome.Succeeded>(await gateway.ChargeAsync(request, ct));
            });
            return calls / watch.Elapsed.TotalSeconds;
        }
    }

    private PostgresLedger Open(ILogger<PostgresLedger> logger, string? connectionString = null)
    {
        var database = NpgsqlDataSource.Create(connectionString ?? _connectionString);
        var ledger = new PostgresLedger(database, logger);
        _opened.Add(database);
        _opened.Add(ledger);
        return ledger;
    }

    private async Task<NpgsqlConnection> ConnectAsync()
    {
        var connection = new NpgsqlConnection(_connectionString);
        await connection.OpenAsync();
        return connection;
    }

    private async Task WaitForBlockedAsync()
    {
        await using var connection = await ConnectAsync();
        for (var i = 0; ; i++)
        {
            if (await connection.QuerySingleAsync<bool>(
                "select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')"))
            {
                return;
            }
            Assert.True(i < 2000, "waited for 20 seconds");
            await Task.Delay(10);
        }
    }

    private sealed class CountingLogger : ILogger<PostgresLedger>
    {
        private int _errors;

        public int Errors => _errors;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (logLevel >= LogLevel.Error)
            {
                Assert.NotNull(exception);
                Interlocked.Increment(ref _errors);
            }
        }
    }
}
