using System.Collections.Concurrent;
using System.Collections.Immutable;
using Dunning.Events;
using Dunning.Hosting;
using Dunning.Jobs;
using Dunning.Model;
using Dunning.Passes;
using Dunning.Postgres;
using Dunning.Tests.Gateways;
using Dunning.Tests.Postgres;
using Microsoft.Extensions.Logging;

namespace Dunning.Tests.Jobs;

public sealed class PassWorkerTests : IHelpers
{
    private readonly Recorder _log = new();
    private readonly ManualTime _time = new();
    private readonly List<PassKind> _called = [];

    [Fact]
    public async Task A_trigger_that_finds_the_pass_running_returns_at_once()
    {
        var (runs, end) = (0, new TaskCompletionSource());
        var worker = Worker(async (pass, _, _) =>
        {
            Interlocked.Increment(ref runs);
            if (pass == PassKind.Renew)
            {
                await end.Task;
            }
            return Report(pass);
        });

        var first = worker.RunAsync(PassKind.Renew, default);
        await worker.RunAsync(PassKind.Renew, default);
        Assert.Equal(1, runs);
        Assert.True(Status(worker, PassKind.Renew).IsRunning);

        // Another pass is not held up by it.
        await worker.RunAsync(PassKind.Mail, default);
        Assert.Equal(2, runs);

        end.SetResult();
        await first;
        await worker.RunAsync(PassKind.Renew, default);
        Assert.Equal(3, runs);
        Assert.False(Status(worker, PassKind.Renew).IsRunning);
    }

    [Fact]
    public async Task A_pass_that_hangs_is_noticed_by_how_long_it_runs()
    {
        var end = new TaskCompletionSource();
        var worker = Worker(async (pass, _, _) =>
        {
            await (pass == PassKind.Renew ? end.Task : Task.CompletedTask);
            return Report(pass);
        });
        Assert.Equal(TimeSpan.Zero, worker.LongestRun());
        var hanging = worker.RunAsync(PassKind.Renew, default);
        await Task.Delay(60);
        await worker.RunAsync(PassKind.Mail, default);
        Assert.InRange(worker.LongestRun(), TimeSpan.FromMilliseconds(50), TimeSpan.FromMinutes(5));
        end.SetResult();
        await hanging;
        Assert.Equal(TimeSpan.Zero, worker.LongestRun());
    }

    [Fact]
    public async Task A_stop_asks_the_pass_to_stop_waits_for_it_and_lets_none_begin()
    {
        var runs = 0;
        var worker = Worker(async (pass, _, ct) =>
        {
            runs++;
            var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            await using (ct.Register(asked.SetResult))
            {
                await asked.Task;
            }
            return Report(pass);
        });

        var running = worker.RunAsync(PassKind.Renew, default);
        Assert.True(await worker.IsIdleWithinAsync(TimeSpan.FromSeconds(10)));

        await running;
        await worker.RunAsync(PassKind.Renew, default);
        await worker.RunAsync(PassKind.Mail, default);
        Assert.Equal(1, runs);
    }

    [Fact]
    public async Task A_stop_has_an_end_when_a_pass_has_none()
    {
        var end = new TaskCompletionSource();
        var worker = Worker(async (pass, _, _) =>
        {
            await end.Task;
            return Report(pass);
        });

        var running = worker.RunAsync(PassKind.Renew, default);
        Assert.False(await worker.IsIdleWithinAsync(TimeSpan.FromMilliseconds(20)));

        end.SetResult();
        await running;
    }

    [Fact]
    public async Task A_pass_that_fails_as_a_whole_fails_its_job_and_the_next_may_run()
    {
        var runs = 0;
        var worker = Worker((pass, _, _) => ++runs == 1 ? throw new TimeoutException("no database") : Task.FromResult(Report(pass)));

        await Assert.ThrowsAsync<TimeoutException>(() => worker.RunAsync(PassKind.Dun, default));
        Assert.True(Status(worker, PassKind.Dun).HasFailed);
        Assert.Equal((LogLevel.Error, "Dun failed as a whole"), Assert.Single(_log.Lines));
        Assert.NotNull(Status(worker, PassKind.Dun).StartedAt);

        await worker.RunAsync(PassKind.Dun, default);
        Assert.False(Status(worker, PassKind.Dun).HasFailed);
    }

    [Fact]
    public async Task Another_configuration_is_told_once_a_minute_and_fails_no_job()
    {
        var isMended = false;
        var worker = Worker((pass, _, _) => isMended ? Task.FromResult(Report(pass)) : throw new ConfigurationMismatchException("restart"));

        await worker.RunAsync(PassKind.Dun, default);
        await worker.RunAsync(PassKind.Mail, default);
        _time.Advance(TimeSpan.FromSeconds(59));
        await worker.RunAsync(PassKind.Renew, default);
        Assert.Equal((LogLevel.Error, "this server does no work: restart"), Assert.Single(_log.Lines));
        Assert.Equal("restart", worker.Mismatch);

        _time.Advance(TimeSpan.FromSeconds(1));
        await worker.RunAsync(PassKind.Renew, default);
        Assert.Equal(2, _log.Lines.Count);
        Assert.False(Status(worker, PassKind.Renew).HasFailed);

        isMended = true;
        await worker.RunAsync(PassKind.Renew, default);
        Assert.Null(worker.Mismatch);
    }

    [Fact]
    public async Task A_database_that_must_be_confirmed_is_told_and_work_goes_on_once_it_is()
    {
        var isConfirmed = false;
        var worker = Worker((pass, _, _) => isConfirmed ? Task.FromResult(Report(pass)) : throw new EnvironmentException("it is a copy"));

        await worker.RunAsync(PassKind.Renew, default);
        Assert.Equal((LogLevel.Error, "this server does no work: it is a copy"), Assert.Single(_log.Lines));
        Assert.Equal(("it is a copy", true), (worker.Mismatch, worker.NeedsConfirmation));
        Assert.False(Status(worker, PassKind.Renew).HasFailed);

        isConfirmed = true;
        await worker.RunAsync(PassKind.Renew, default);
        Assert.Null(worker.Mismatch);
    }

    [Fact]
    public async Task What_operators_must_look_at_is_a_warning()
    {
        var file = Postgres.Samples.Account("a1");
        var mail = Postgres.Samples.Mail(file, Rig.Now);
        var dead = mail with { Recipients = [.. mail.Recipients.Select((r, i) => r with { State = i == 0 ? DeliveryState.Dead : DeliveryState.Accepted })] };
        var decision = Postgres.Samples.Decide(
            file with { Mails = [mail] },
            Rig.Now,
            default,
            f => f with { Mails = [dead] },
            new BookEvent(Rig.Now, "a1", EventTypes.ChargeStuck) { Subscription = "a1-1", PeriodStart = new(2026, 3, 1) },
            new BookEvent(Rig.Now, "a1", EventTypes.ChargeDuplicate) { Subscription = "a1-1", PeriodStart = new(2026, 3, 1) },
            new BookEvent(Rig.Now, "a1", EventTypes.InvoicePaid));
        var worker = Worker((pass, onSaved, _) =>
        {
            onSaved(decision);
            // Dead since before: told then.
            onSaved(Postgres.Samples.Decide(file with { Mails = [dead] }, Rig.Now, default, f => f));
            return Task.FromResult(Report(pass));
        });

        await worker.RunAsync(PassKind.Reconcile, default);

        var warnings = _log.Lines.Where(l => l.Level == LogLevel.Warning).Select(l => l.Text).ToList();
        Assert.Equal(3, warnings.Count);
        Assert.Contains("charge.stuck: account a1, subscription a1-1", warnings[0]);
        Assert.Contains("charge.duplicate: account a1, subscription a1-1", warnings[1]);
        Assert.Contains("mail 1 (receipt) of account a1 can't be delivered to 1 of 2 recipients", warnings[2]);
        Assert.DoesNotContain(_log.Lines, l => l.Text.Contains('@'));
    }

    [Fact]
    public async Task Idle_servers_are_asked_to_join_in_but_not_by_one_that_was_asked()
    {
        var worker = Worker((pass, _, _) => Task.FromResult(Report(pass)));

        await worker.RunAsync(PassKind.Renew, default);
        await worker.RunAsync(PassKind.Dun, default, callsHelpers: false);

        Assert.Equal([PassKind.Renew], _called);
    }

    [Fact]
    public async Task A_pass_that_found_nothing_is_not_worth_a_line()
    {
        await Worker((pass, _, _) => Task.FromResult(Report(pass))).RunAsync(PassKind.Renew, default);

        Assert.Equal(LogLevel.Debug, Assert.Single(_log.Lines).Level);
    }

    Task IHelpers.CallAsync(PassKind pass, CancellationToken ct)
    {
        _called.Add(pass);
        return Task.CompletedTask;
    }

    private PassWorker Worker(RunPass run) => new(run, this, _time, _log);

    private static PassReport Report(PassKind pass) => new() { Kind = pass };

    private static PassStatus Status(PassWorker worker, PassKind pass) => worker.Statuses.Single(s => s.Pass == pass);

    private sealed class Recorder : ILogger<PassWorker>
    {
        private readonly ConcurrentQueue<(LogLevel, string)> _lines = [];

        public IReadOnlyList<(LogLevel Level, string Text)> Lines => [.. _lines];

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            _lines.Enqueue((logLevel, formatter(state, exception)));
    }
}
