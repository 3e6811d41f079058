using System.Collections.Immutable;
using Dunning.Model;
using Dunning.Passes;
using Dunning.Ports;
using NodaTime;

namespace Dunning.Simulation;

/// <summary>
/// A book in memory, for simulations where there is no PostgreSQL and for comparing engines. It keeps the contract of <see cref="IBook"/>, with one
/// difference: a decision that throws is thrown, since in a simulation it is a bug.
/// </summary>
public sealed class MemoryBook : IBook
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, (AccountFile File, DueTimes Due)> _accounts = new(StringComparer.Ordinal);
    private readonly SortedSet<(Instant At, string Account)> _due =
        new(Comparer<(Instant At, string Account)>.Create(static (x, y) =>
            x.At != y.At ? x.At.CompareTo(y.At) : string.CompareOrdinal(x.Account, y.Account)));

    private readonly Dictionary<string, Charge> _charges = new(StringComparer.Ordinal);
    private readonly Dictionary<(string Subscription, LocalDate PeriodStart), Invoice> _invoices = [];

    /// <summary>Every account as it stands.</summary>
    public IReadOnlyCollection<AccountFile> Accounts
    {
        get
        {
            lock (_lock)
            {
                return [.. _accounts.Values.Select(a => a.File)];
            }
        }
    }

    /// <summary>Every invoice ever issued, as it stands.</summary>
    public IReadOnlyCollection<Invoice> Invoices
    {
        get
        {
            lock (_lock)
            {
                return [.. _invoices.Values];
            }
        }
    }

    /// <summary>Adds an account.</summary>
    public void Add(AccountFile file, DueTimes due)
    {
        lock (_lock)
        {
            _accounts.Add(file.Id, (file, due));
            Schedule(file, due);
        }
    }

    /// <inheritdoc/>
    public Task<BatchResult> ClaimAsync(PassKind pass, Instant now, int limit, Decide decide, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        lock (_lock)
        {
            var ids = new List<string>();
            foreach (var (at, account) in _due)
            {
                if (at > now || ids.Count == limit)
                {
                    break;
                }
                if (_accounts[account].Due[pass] <= now)
                {
                    ids.Add(account);
                }
            }
            return Task.FromResult(new BatchResult([.. ids.Select(id => Save(decide(_accounts[id].File)))], []));
        }
    }

    /// <inheritdoc/>
    public Task<Instant?> NextDueAsync(CancellationToken ct)
    {
        lock (_lock)
        {
            return Task.FromResult(_due.Count == 0 ? (Instant?)null : _due.Min.At);
        }
    }

    /// <inheritdoc/>
    public Task<BatchResult> AnswerAsync(IReadOnlyList<AnswerFor> answers, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        lock (_lock)
        {
            var decisions = new List<Decision>(answers.Count);
            foreach (var answer in answers)
            {
                var (account, key, decide) = answer;
                var file = _accounts[account].File;
                if (answer.Invoice is { } asked && _invoices.TryGetValue(asked, out var invoice) && file.UnpaidInvoice(asked.Subscription, asked.PeriodStart) is null)
                {
                    file = file with
                    {
                        Invoices = file.Invoices.Add(invoice),
                        Charges = file.Charges.AddRange(_charges.Values.Where(c => (c.SubscriptionId, c.PeriodStart) == asked && c is { State: ChargeState.Succeeded, RefundDue: false })),
                    };
                }
                if (key is not null && file.Charges.All(c => c.Key != key) && _charges.TryGetValue(key, out var charge))
                {
                    file = file with { Charges = file.Charges.Add(charge) };
                }
                // What that charge was for, also when it is settled.
                if (key is not null && _charges.TryGetValue(key, out var named)
                    && file.Invoices.All(i => (i.SubscriptionId, i.PeriodStart) != (named.SubscriptionId, named.PeriodStart)))
                {
                    file = file with { Invoices = file.Invoices.Add(_invoices[(named.SubscriptionId, named.PeriodStart)]) };
                }
                decisions.Add(Save(decide(file)));
            }
            return Task.FromResult(new BatchResult(decisions, []));
        }
    }

    private Decision Save(Decision decision)
    {
        var (id, after) = (decision.After.Id, decision.After);
        foreach (var charge in after.Charges)
        {
            _charges[charge.Key] = charge;
        }
        foreach (var invoice in after.Invoices)
        {
            _invoices[(invoice.SubscriptionId, invoice.PeriodStart)] = invoice;
        }
        var (before, dueBefore) = _accounts[id];
        if (before.LeaseUntil is null && dueBefore[PassKind.All] is { } at)
        {
            _due.Remove((at, id));
        }
        var pruned = after.Pruned();
        _accounts[id] = (pruned, decision.Due);
        Schedule(pruned, decision.Due);
        return decision;
    }

    // A leased account isn't claimed: its effect is under way in this process, and its answer comes.
    private void Schedule(AccountFile file, DueTimes due)
    {
        if (file.LeaseUntil is null && due[PassKind.All] is { } at)
        {
            _due.Add((at, file.Id));
        }
    }
}
