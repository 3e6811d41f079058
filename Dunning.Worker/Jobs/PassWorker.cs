using System.Collections.Immutable;
using Dunning.Events;
using Dunning.Hosting;
using Dunning.Model;
using Dunning.Ops.Signals;
using Dunning.Passes;
using Dunning.Postgres;
using NodaTime;

namespace Dunning.Jobs;

/// <summary>Runs one pass; <paramref name="onSaved"/> is called for each decision saved, from several threads.</summary>
public delegate Task<PassReport> RunPass(PassKind pass, Action<Decision> onSaved, CancellationToken ct);

/// <summary>A way to other servers that have nothing to do.</summary>
public interface IHelpers
{
    /// <summary>Asks idle servers to join in a pass that has much due.</summary>
    Task CallAsync(PassKind pass, CancellationToken ct);
}

/// <summary>How a pass last went in this process.</summary>
/// <param name="Pass">Which.</param>
/// <param name="IsRunning">It runs now; the rest is of the run before.</param>
/// <param name="StartedAt">When the last completed run began; null: none yet.</param>
/// <param name="Duration">How long that took.</param>
/// <param name="Accounts">Accounts it claimed.</param>
/// <param name="Failures">Accounts it left as they were.</param>
/// <param name="HasFailed">The whole pass failed, such as for want of a database.</param>
public sealed record PassStatus(
    PassKind Pass, bool IsRunning, Instant? StartedAt, TimeSpan Duration, int Accounts, int Failures, bool HasFailed);

/// <summary>
/// What every job does: one pass, once at a time in this process, with its report logged. A pass that fails as a whole fails its job, for the job
/// host to show; nothing is tried again here, as what is due is due again at the next tick.
/// </summary>
public sealed class PassWorker(RunPass run, IHelpers helpers, TimeProvider time, ILogger<PassWorker> logger, IPassLog? log = null)
{
    private static readonly Duration BetweenMismatches = Duration.FromMinutes(1);

    private readonly ImmutableSortedDictionary<PassKind, Line> _lines = JobSettings.Passes.ToImmutableSortedDictionary(p => p, p => new Line(p));
    private readonly CancellationTokenSource _stopping = new();
    private readonly Lock _mismatchLock = new();
    private Instant? _mismatchToldAt;
    private volatile string? _mismatch;

    /// <summary>Each pass's last run, in their order.</summary>
    public IReadOnlyList<PassStatus> Statuses => [.. _lines.Values.Select(l => l.Status)];

    /// <summary>
    /// Why this server does no work at present: the database was worked out with other rules than its own, or an operator must confirm it. Null: it works.
    /// </summary>
    public string? Mismatch => _mismatch;

    /// <summary>With <see cref="Mismatch"/>: it works again once an operator has confirmed the database, without a restart.</summary>
    public bool NeedsConfirmation { get; private set; }

    /// <summary>Runs a pass. A trigger that finds it still running returns at once: that run takes what is due now along.</summary>
    /// <param name="pass">Which.</param>
    /// <param name="ct">No more accounts are claimed then; what is under way comes to its end.</param>
    /// <param name="callsHelpers">Whether others are asked to join in; false for a pass that was itself asked to.</param>
    public async Task RunAsync(PassKind pass, CancellationToken ct, bool callsHelpers = true)
    {
        var line = _lines[pass];
        if (_stopping.IsCancellationRequested || !await line.Gate.WaitAsync(TimeSpan.Zero, CancellationToken.None))
        {
            return;
        }
        try
        {
            using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, _stopping.Token);
            await RunAloneAsync(line, callsHelpers, either.Token);
        }
        finally
        {
            line.Gate.Release();
        }
    }

    /// <summary>No pass claims from now on.</summary>
    public void StopClaiming() => _stopping.Cancel();

    /// <summary>For how long the pass that runs longest has been running; zero: none runs.</summary>
    public TimeSpan LongestRun() => _lines.Values.Select(l => l.RunsFrom is not 0 and var from ? time.GetElapsedTime(from) : TimeSpan.Zero).Max();

    /// <summary>Waits until no pass runs. False: one still does after that time.</summary>
    public async Task<bool> IsIdleWithinAsync(TimeSpan limit)
    {
        StopClaiming();
        var started = time.GetTimestamp();
        foreach (var line in _lines.Values)
        {
            var left = limit - time.GetElapsedTime(started);
            // Not given back: nothing runs after this.
            if (!await line.Gate.WaitAsync(left > TimeSpan.Zero ? left : TimeSpan.Zero, CancellationToken.None))
            {
                return false;
            }
        }
        return true;
    }

    private async Task RunAloneAsync(Line line, bool callsHelpers, CancellationToken ct)
    {
        var (pass, startedAt, started) = (line.Status.Pass, Instant.FromDateTimeOffset(time.GetUtcNow()), time.GetTimestamp());
        line.Status = line.Status with { IsRunning = true };
        line.RunsFrom = started;
        using var span = Tracing.Source.StartActivity("pass " + Texts.Pass[pass]);
        using var scope = logger.BeginScope(new LogScope(pass));
        PassReport? report = null;
        var isMismatch = false;
        string? error = null;
        try
        {
            if (log is not null)
            {
                await log.BeginAsync(pass, startedAt, ct);
            }
            if (callsHelpers)
            {
                await helpers.CallAsync(pass, ct);
            }
            report = await run(pass, decision => Tell(pass, decision), ct);
            _mismatch = null;
        }
        catch (Exception e) when (e is ConfigurationMismatchException or EnvironmentException)
        {
            NeedsConfirmation = e is EnvironmentException;
            (isMismatch, error) = (true, e.GetType().Name);
            _mismatch = e.Message;
            TellMismatch(e.Message);
        }
        catch (Exception e) when (!ct.IsCancellationRequested || e is not OperationCanceledException)
        {
            // Told here, alike for every job host, whose own logs say no more.
            logger.LogError(e, "{Pass} failed as a whole", pass);
            error = e.GetType().Name;
            throw;
        }
        finally
        {
            line.RunsFrom = 0;
            line.Status = new PassStatus(
                pass, false, startedAt, time.GetElapsedTime(started), report?.Accounts ?? 0, report?.Faults.Count ?? 0, report is null && !isMismatch);
            span?.SetTag("dunning.pass", Texts.Pass[pass]).SetTag("dunning.accounts", line.Status.Accounts).SetTag("dunning.faults", line.Status.Failures);
            if (error is not null)
            {
                span.Fail(error);
            }
            if (log is not null)
            {
                await log.EndAsync(new EndedPass(pass, startedAt, line.Status.Duration, OutcomeOf(report, isMismatch, error is not null, ct), report, error ?? report?.StoppedBy ?? report?.Faults.FirstOrDefault()?.Exception.GetType().Name));
            }
        }
        if (report is not null)
        {
            Tell(report, line.Status.Duration, ct.IsCancellationRequested);
        }
    }

    private static PassOutcome OutcomeOf(PassReport? report, bool isMismatch, bool hasFailed, CancellationToken ct) =>
        isMismatch ? PassOutcome.Blocked
        : hasFailed ? PassOutcome.Failed
        : report is { IsStoppedByRefusal: true } ? PassOutcome.Refused
        : report is { Faults.Count: > 0 } ? PassOutcome.Faults
        : report is { IsOutOfTime: true } ? PassOutcome.OutOfTime
        : report is null || ct.IsCancellationRequested ? PassOutcome.Stopped
        : PassOutcome.Done;

    private void Tell(PassReport report, TimeSpan duration, bool isStopped)
    {
        foreach (var fault in report.Faults)
        {
            logger.LogError(fault.Exception, "{Pass} left account {Account} as it was", report.Kind, fault.Account);
        }
        foreach (var (reason, count) in report.Refusals)
        {
            logger.LogWarning("{Pass}: the gateway refused {Count} requests: {Reason}", report.Kind, count, reason);
        }
        if (report.UncertainMails > 0)
        {
            logger.LogWarning(
                "{Pass}: {Count} mails were handed over and got no answer: they are sent again with the same Message-ID, and may arrive twice",
                report.Kind, report.UncertainMails);
        }
        var isQuiet = report.Accounts == 0 && report.Faults.Count == 0;
        var end = report.IsStoppedByRefusal ? ", stopped: the gateway refuses this installation's requests"
            : report.IsOutOfTime ? ", out of time: the rest is the next tick's"
            : isStopped ? ", stopped: the service is stopping" : "";
        logger.Log(
            isQuiet ? LogLevel.Debug : LogLevel.Information,
            "{Pass}: {Accounts} accounts; charges: {Succeeded} succeeded, {Failed} failed, {Unknown} unknown, {Pending} pending; {Mails} mails sent; {Failures} failures; {DurationMs} ms{End}",
            report.Kind,
            report.Accounts,
            report.CountOf(EventTypes.ChargeSucceeded),
            report.CountOf(EventTypes.ChargeFailed),
            report.CountOf(EventTypes.ChargeUnknown),
            report.CountOf(EventTypes.ChargePending),
            report.CountOf(EventTypes.EmailSent),
            report.Faults.Count,
            (long)duration.TotalMilliseconds,
            end);
    }

    // What an operator must look at.
    private void Tell(PassKind pass, Decision decision)
    {
        foreach (var e in decision.Events)
        {
            if (e.Type == EventTypes.ChargeStuck)
            {
                logger.LogWarning(
                    "{Pass}: {Event}: account {Account}, subscription {Subscription}, period {Period}: the gateway does not know the charge, and it is too late to send it again",
                    pass, e.Type, e.Account, e.Subscription, e.PeriodStart);
            }
            else if (e.Type == EventTypes.ChargeDuplicate)
            {
                logger.LogWarning(
                    "{Pass}: {Event}: account {Account}, subscription {Subscription}, period {Period}: taken twice, and will be refunded",
                    pass, e.Type, e.Account, e.Subscription, e.PeriodStart);
            }
            else if (e.Type == EventTypes.ContactBouncing)
            {
                logger.LogWarning("{Pass}: {Event}: account {Account}, contact {Contact}: {Reason}", pass, e.Type, e.Account, e.To?[0].Contact, e.Reason);
            }
            else if (e.Type == EventTypes.AccountUnreachable)
            {
                logger.LogWarning("{Pass}: {Event}: account {Account}: none of its contacts can be reached by mail; look for another address", pass, e.Type, e.Account);
            }
        }
        foreach (var mail in decision.After.Mails)
        {
            var dead = DeadIn(mail);
            if (dead > 0 && dead > (decision.Before.Mails.FirstOrDefault(m => m.Number == mail.Number) is { } before ? DeadIn(before) : 0))
            {
                logger.LogWarning("{Pass}: mail {Mail} ({Template}) of account {Account} can't be delivered to {Dead} of {Recipients} recipients",
                    pass, mail.Number, mail.Template, decision.After.Id, dead, mail.Recipients.Length);
            }
        }

        static int DeadIn(Model.Mail mail) => mail.Recipients.Count(r => r.State == DeliveryState.Dead);
    }

    private void TellMismatch(string message)
    {
        var now = Instant.FromDateTimeOffset(time.GetUtcNow());
        lock (_mismatchLock)
        {
            if (_mismatchToldAt is { } told && now - told < BetweenMismatches)
            {
                return;
            }
            _mismatchToldAt = now;
        }
        logger.LogError("this server does no work: {Reason}", message);
    }

    private sealed class Line(PassKind pass)
    {
        private volatile PassStatus _status = new(pass, false, null, TimeSpan.Zero, 0, 0, false);

        private long _runsFrom;

        public SemaphoreSlim Gate { get; } = new(1);

        // When the run that is on began, as a timestamp; 0: none is.
        public long RunsFrom
        {
            get => Volatile.Read(ref _runsFrom);
            set => Volatile.Write(ref _runsFrom, value);
        }

        public PassStatus Status
        {
            get => _status;
            set => _status = value;
        }
    }
}
