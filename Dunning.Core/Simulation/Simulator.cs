using System.Collections.Immutable;
using Dunning.Events;
using Dunning.Model;
using Dunning.Passes;
using Dunning.Ports;
using NodaTime;

namespace Dunning.Simulation;

/// <summary>When a simulation begins and ends, how often passes run, and when they don't.</summary>
/// <param name="From">The first tick.</param>
/// <param name="To">The last tick is at or before it.</param>
/// <param name="Tick">Time between passes.</param>
/// <param name="Outages">Spans [start, end) in which no pass runs and actions wait.</param>
public sealed record SimulationSpan(
    Instant From, Instant To, Duration Tick, ImmutableArray<(Instant Start, Instant End)> Outages);

/// <summary>
/// Runs a book through simulated time with the real passes: at every tick the actions that have come, in their order, then one pass of all phases.
/// </summary>
public sealed class Simulator
{
    private readonly IBook _book;
    private readonly Rulebook _rules;
    private readonly PassRunner _runner;
    private readonly SimulationSpan _span;
    private readonly List<BookEvent> _events = [];
    private readonly Lock _lock = new();
    private Instant _now;

    /// <summary>Makes a simulation over a book that holds its accounts already.</summary>
    public Simulator(
        IBook book, Rulebook rules, IPaymentGateway gateway, IMailer mailer, SimulationSpan span, PassLimits limits)
    {
        (_book, _rules, _span, _now) = (book, rules, span, span.From);
        _runner = new PassRunner(book, () => rules, gateway, mailer, () => _now, limits with { Budget = Duration.FromDays(1) })
        {
            OnSaved = Collect,
        };
    }

    /// <summary>Called after each tick with its instant and its events.</summary>
    public Func<Instant, IReadOnlyList<BookEvent>, CancellationToken, Task>? OnTick { get; set; }

    /// <summary>The simulated instant.</summary>
    public Instant Now => _now;

    /// <summary>
    /// Runs to the end. Returns every event, ordered by instant and account; within one account's pass as they happened.
    /// </summary>
    public async Task<IReadOnlyList<BookEvent>> RunAsync(IReadOnlyList<AccountAction> actions, CancellationToken ct)
    {
        var nextAction = 0;
        var nextDue = await _book.NextDueAsync(ct).ConfigureAwait(false);
        for (var now = _span.From; now <= _span.To; now += _span.Tick)
        {
            ct.ThrowIfCancellationRequested();
            if (_span.Outages.Any(o => o.Start <= now && now < o.End))
            {
                continue;
            }
            _now = now;
            var before = _events.Count;
            var first = nextAction;
            while (nextAction < actions.Count && actions[nextAction].At <= now)
            {
                nextAction++;
            }
            if (nextAction > first)
            {
                var result = await _book.AnswerAsync(
                    [.. actions.Skip(first).Take(nextAction - first).Select(a => new AnswerFor(a.Account, null, f => Pass.Act(f, a, now, _rules)))],
                    ct).ConfigureAwait(false);
                ThrowIfFaulty(result.Faults);
                foreach (var decision in result.Decisions)
                {
                    Collect(decision);
                }
            }
            // Most ticks have nothing to do, and a pass over nothing does nothing.
            if (nextAction > first || nextDue <= now)
            {
                var report = await _runner.RunAsync(PassKind.All, ct).ConfigureAwait(false);
                ThrowIfFaulty(report.Faults);
                nextDue = await _book.NextDueAsync(ct).ConfigureAwait(false);
            }
            if (OnTick is { } onTick)
            {
                await onTick(now, _events[before..], ct).ConfigureAwait(false);
            }
        }
        return [.. _events.OrderBy(e => e.At).ThenBy(e => e.Account, StringComparer.Ordinal)];
    }

    private void Collect(Decision decision)
    {
        lock (_lock)
        {
            _events.AddRange(decision.Events);
        }
    }

    private static void ThrowIfFaulty(IReadOnlyList<AccountFault> faults)
    {
        if (faults.Count > 0)
        {
            throw new InvalidOperationException($"the account {faults[0].Account} could not be decided", faults[0].Exception);
        }
    }
}
