using System.Collections.Immutable;
using System.Threading.Channels;
using Dunning.Model;
using Dunning.Ports;
using NodaTime;

namespace Dunning.Passes;

/// <summary>Limits of a pass.</summary>
public sealed record PassLimits
{
    /// <summary>Accounts per claim, and answers per save.</summary>
    public int BatchSize { get; init; } = 250;

    /// <summary>Effects under way at once: gateway calls, look-ups, deliveries.</summary>
    public int Concurrency { get; init; } = 50;

    /// <summary>How long a pass claims before it leaves the rest to the next tick.</summary>
    public Duration Budget { get; init; } = Duration.FromMinutes(5);

    /// <summary>Saves of answers at once.</summary>
    public int Savers { get; init; } = 1;
}

/// <summary>
/// The one loop between what decides and what does: claim, decide and save; perform the effects without a lock; decide on the answers and save.
/// The same for every pass, for the service and for the simulator. It retries nothing: what is lost is due again.
/// </summary>
public sealed class PassRunner
{
    private readonly IBook _book;
    private readonly Func<Rulebook> _rules;
    private readonly IPaymentGateway _gateway;
    private readonly IMailer _mailer;
    private readonly Func<Instant> _clock;
    private readonly PassLimits _limits;

    /// <summary>Makes a runner.</summary>
    /// <param name="book">The accounts.</param>
    /// <param name="rules">The rules, asked for once a pass.</param>
    /// <param name="gateway">Where charges go.</param>
    /// <param name="mailer">Where mails go.</param>
    /// <param name="clock">Read once per claim; cut to whole seconds.</param>
    /// <param name="limits">Batch size, concurrency, time budget.</param>
    public PassRunner(
        IBook book, Func<Rulebook> rules, IPaymentGateway gateway, IMailer mailer, Func<Instant> clock, PassLimits limits)
    {
        (_book, _rules, _gateway, _mailer, _clock, _limits) = (book, rules, gateway, mailer, clock, limits);
    }

    /// <summary>Called for each saved decision, from one thread at a time per account. The simulator collects its events here.</summary>
    public Action<Decision>? OnSaved { get; set; }

    /// <summary>
    /// Runs a pass until nothing is due, its budget is used up, or <paramref name="ct"/> asks it to stop: then it claims no more, and lets what is
    /// under way come to its end.
    /// </summary>
    public async Task<PassReport> RunAsync(PassKind kind, CancellationToken ct)
    {
        var run = new Run(this, kind, _rules());
        return await run.GoAsync(ct).ConfigureAwait(false);
    }

    private Instant Now() => Instant.FromUnixTimeSeconds(_clock().ToUnixTimeSeconds());

    private sealed class Run(PassRunner runner, PassKind kind, Rulebook rules)
    {
        private readonly Channel<(Effect Effect, Answer Answer)> _answers =
            Channel.CreateUnbounded<(Effect, Answer)>(new UnboundedChannelOptions { AllowSynchronousContinuations = false });

        private readonly SemaphoreSlim _slots = new(runner._limits.Concurrency);
        private readonly SemaphoreSlim _moved = new(0);
        private readonly PassReport _report = new() { Kind = kind };
        private int _underWay; // from the claim until the answer is saved
        private int _unanswered; // from the claim until the answer is here
        private int _saves; // of answers
        private volatile string? _refusedForAll;
        private volatile Exception? _lostSave;

        public async Task<PassReport> GoAsync(CancellationToken ct)
        {
            var savers = Enumerable.Range(0, runner._limits.Savers).Select(_ => Task.Run(SaveAnswersAsync, CancellationToken.None)).ToArray();
            try
            {
                await ClaimAllAsync(ct).ConfigureAwait(false);
            }
            finally
            {
                while (Volatile.Read(ref _underWay) > 0)
                {
                    await _moved.WaitAsync(CancellationToken.None).ConfigureAwait(false);
                }
                _answers.Writer.Complete();
                await Task.WhenAll(savers).ConfigureAwait(false);
            }
            if (_lostSave is { } lost)
            {
                throw new InvalidOperationException("answers could not be saved; their accounts are due again when their claims end", lost);
            }
            _report.StoppedBy = _refusedForAll;
            return _report;
        }

        private async Task ClaimAllAsync(CancellationToken ct)
        {
            var until = runner.Now() + runner._limits.Budget;
            var (size, slots) = (runner._limits.BatchSize, runner._limits.Concurrency);
            // One more wave of calls than is out, or a batch: a call waits for its turn within its lease.
            var ahead = Math.Max(size, slots * 2);
            // The next claim begins while half a wave still waits: slots must not run empty while it is read and saved.
            var least = Math.Max(1, Math.Min(size, ahead - slots - (slots / 2)));
            while (!ct.IsCancellationRequested && _refusedForAll is null && _lostSave is null)
            {
                var saves = Volatile.Read(ref _saves);
                var underWay = Volatile.Read(ref _underWay);
                var unanswered = Volatile.Read(ref _unanswered);
                var room = ahead - unanswered;
                // Answers that wait to be saved hold no slot, so they are no reason to let the gateway idle; but they must not pile up.
                if (room < least || underWay - unanswered >= size * 2)
                {
                    await _moved.WaitAsync(CancellationToken.None).ConfigureAwait(false);
                    continue;
                }
                var now = runner.Now();
                if (now > until)
                {
                    _report.IsOutOfTime = true;
                    return;
                }
                var passRun = new PassRun(now, kind);
                // Stopped between batches, never within: a commit whose outcome is unknown would leave calls unmade until their claims end.
                var batch = await runner._book.ClaimAsync(kind, now, Math.Min(room, size),
                    file => Pass.Begin(file, passRun, rules), CancellationToken.None).ConfigureAwait(false);
                Saved(batch);
                _report.AddAccounts(batch.Decisions.Count);
                if (batch.Decisions.Count > 0 || batch.Faults.Count > 0)
                {
                    continue;
                }
                if (underWay == 0)
                {
                    return;
                }
                // An answer that is saved may make something due: one more look then.
                while (Volatile.Read(ref _saves) == saves && Volatile.Read(ref _underWay) > 0)
                {
                    await _moved.WaitAsync(CancellationToken.None).ConfigureAwait(false);
                }
            }
        }

        private void Saved(BatchResult batch)
        {
            foreach (var decision in batch.Decisions)
            {
                _report.Count(decision.Events);
                runner.OnSaved?.Invoke(decision);
            }
            foreach (var fault in batch.Faults)
            {
                _report.AddFault(fault);
            }
            foreach (var decision in batch.Decisions)
            {
                if (decision.Effect is { } effect)
                {
                    Interlocked.Increment(ref _unanswered);
                    Interlocked.Increment(ref _underWay);
                    _ = PerformAsync(effect);
                }
            }
        }

        private async Task PerformAsync(Effect effect)
        {
            var askedAt = runner.Now();
            await _slots.WaitAsync(CancellationToken.None).ConfigureAwait(false);
            // A call that begins after its claim's margin could end after the claim, when another server takes it for unknown: it is not made.
            var waited = runner.Now() - askedAt;
            var isTooLate = waited > rules.Options.LeaseMargin;
            Answer? answer = null;
            try
            {
                // A mail may be begun until its token ends, and takes no longer than the margin: its wait counts.
                var time = effect is Effect.Deliver ? Duration.Max(Duration.Zero, rules.Options.CallTimeout - waited) : rules.Options.CallTimeout;
                using var timeout = new CancellationTokenSource(time.ToTimeSpan());
                answer = await AnswerAsync(effect, isTooLate, timeout.Token).ConfigureAwait(false);
            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                // A port broke its word not to throw. The claim's end makes the account due again; a charge is unknown then.
                _report.AddFault(new AccountFault(effect.Account, e));
            }
            finally
            {
                _slots.Release();
                Interlocked.Decrement(ref _unanswered);
                Signal();
            }
            if (answer is null)
            {
                Landed();
            }
            else
            {
                _answers.Writer.TryWrite((effect, answer));
            }
        }

        private async Task<Answer> AnswerAsync(Effect effect, bool isTooLate, CancellationToken timeout)
        {
            switch (effect)
            {
                case Effect.SendCharge send:
                    var outcome = _refusedForAll is not null
                        ? new GatewayOutcome.Refused("not sent: the gateway refuses this installation's requests", RefusalScope.Everyone)
                        : isTooLate
                        ? new GatewayOutcome.Refused("not sent: it waited too long for its turn", RefusalScope.Request)
                        : await runner._gateway.ChargeAsync(send.Request, timeout).ConfigureAwait(false);
                    if (outcome is GatewayOutcome.Refused refused)
                    {
                        _report.AddRefusal(refused.Reason);
                        if (refused.Scope == RefusalScope.Everyone)
                        {
                            _refusedForAll ??= refused.Reason;
                        }
                    }
                    return new Answer.Charged(send.Request.Key, outcome, send.IsResend);
                case Effect.LookUp lookUp:
                    return new Answer.LookedUp(lookUp.Request.Key,
                        await runner._gateway.LookUpAsync(lookUp.Request, timeout).ConfigureAwait(false));
                case Effect.Fence fence:
                    return new Answer.Fenced(fence.Request.Key,
                        await runner._gateway.FenceAsync(fence.Request, timeout).ConfigureAwait(false));
                case Effect.Refund refund:
                    return new Answer.Refunded(refund.Request.Key,
                        await runner._gateway.RefundAsync(refund.Request, refund.RefundKey, timeout).ConfigureAwait(false));
                case Effect.Detach detach:
                    var done = true;
                    foreach (var method in detach.Methods)
                    {
                        done &= await runner._gateway.DetachAsync(detach.Account, method, timeout).ConfigureAwait(false);
                    }
                    return new Answer.Detached(done);
                case Effect.Deliver deliver:
                    var results = ImmutableArray.CreateBuilder<(int, ImmutableArray<DeliveryResult>)>(deliver.Mails.Length);
                    foreach (var mail in deliver.Mails)
                    {
                        var delivered = await runner._mailer.DeliverAsync(deliver.File, mail, timeout).ConfigureAwait(false);
                        _report.AddUncertainMails(delivered.Count(r => r.MayHaveLeft));
                        results.Add((mail.Number, delivered));
                    }
                    return new Answer.Delivered(results.ToImmutable());
                default:
                    throw new InvalidOperationException($"no such effect: {effect.GetType().Name}");
            }
        }

        private async Task SaveAnswersAsync()
        {
            var batch = new List<(Effect Effect, Answer Answer)>();
            while (await _answers.Reader.WaitToReadAsync(CancellationToken.None).ConfigureAwait(false))
            {
                batch.Clear();
                while (batch.Count < runner._limits.BatchSize && _answers.Reader.TryRead(out var answer))
                {
                    batch.Add(answer);
                }
                try
                {
                    Saved(await runner._book.AnswerAsync(
                        [.. batch.Select(a => new AnswerFor(a.Effect.Account, KeyOf(a.Answer), file => Pass.Resume(file, a.Effect, a.Answer, rules)))],
                        CancellationToken.None).ConfigureAwait(false));
                }
                catch (Exception e) when (e is not OutOfMemoryException)
                {
                    // Told at the end of the pass; until then those that are under way are still awaited.
                    _lostSave = e;
                }
                Interlocked.Increment(ref _saves);
                foreach (var _ in batch)
                {
                    Landed();
                }
            }
        }

        private static string? KeyOf(Answer answer) => answer switch
        {
            Answer.Charged charged => charged.Key,
            Answer.LookedUp lookedUp => lookedUp.Key,
            Answer.Fenced fenced => fenced.Key,
            Answer.Refunded refunded => refunded.Key,
            _ => null,
        };

        private void Landed()
        {
            Interlocked.Decrement(ref _underWay);
            Signal();
        }

        // One signal stands for all that came before it is taken: there is one who waits, and it looks at everything.
        private void Signal()
        {
            if (_moved.CurrentCount == 0)
            {
                _moved.Release();
            }
        }
    }
}
