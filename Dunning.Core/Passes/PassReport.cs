using Dunning.Events;
using Dunning.Ports;

namespace Dunning.Passes;

/// <summary>What a pass did. Counted while it runs, from several threads.</summary>
public sealed class PassReport
{
    private readonly Lock _lock = new();
    private readonly SortedDictionary<string, int> _events = new(StringComparer.Ordinal);
    private readonly List<AccountFault> _faults = [];
    private readonly SortedDictionary<string, int> _refusals = new(StringComparer.Ordinal);
    private int _accounts;
    private int _uncertainMails;

    /// <summary>Which pass.</summary>
    public required PassKind Kind { get; init; }

    /// <summary>Accounts claimed.</summary>
    public int Accounts => _accounts;

    /// <summary>Messages that were handed over whole and got no answer: they are tried again, and may arrive twice.</summary>
    public int UncertainMails => _uncertainMails;

    /// <summary>It stopped claiming because its time was up: the rest is the next tick's.</summary>
    public bool IsOutOfTime { get; internal set; }

    /// <summary>The gateway refuses this installation's requests: nothing more was sent.</summary>
    public bool IsStoppedByRefusal => StoppedBy is not null;

    /// <summary>Why it does, the first time that it said so; null: it does not.</summary>
    public string? StoppedBy { get; internal set; }

    /// <summary>Events by type.</summary>
    public IReadOnlyDictionary<string, int> Events
    {
        get
        {
            lock (_lock)
            {
                return new SortedDictionary<string, int>(_events, StringComparer.Ordinal);
            }
        }
    }

    /// <summary>Accounts left as they were because deciding or saving failed.</summary>
    public IReadOnlyList<AccountFault> Faults
    {
        get
        {
            lock (_lock)
            {
                return [.. _faults];
            }
        }
    }

    /// <summary>Refused requests by reason.</summary>
    public IReadOnlyDictionary<string, int> Refusals
    {
        get
        {
            lock (_lock)
            {
                return new SortedDictionary<string, int>(_refusals, StringComparer.Ordinal);
            }
        }
    }

    /// <summary>How many events of a type.</summary>
    public int CountOf(string eventType)
    {
        lock (_lock)
        {
            return _events.GetValueOrDefault(eventType);
        }
    }

    internal void AddAccounts(int count) => Interlocked.Add(ref _accounts, count);

    internal void AddUncertainMails(int count) => Interlocked.Add(ref _uncertainMails, count);

    internal void Count(IEnumerable<BookEvent> events)
    {
        lock (_lock)
        {
            foreach (var e in events)
            {
                _events[e.Type] = _events.GetValueOrDefault(e.Type) + 1;
            }
        }
    }

    internal void AddFault(AccountFault fault)
    {
        lock (_lock)
        {
            _faults.Add(fault);
        }
    }

    internal void AddRefusal(string reason)
    {
        lock (_lock)
        {
            _refusals[reason] = _refusals.GetValueOrDefault(reason) + 1;
        }
    }
}
