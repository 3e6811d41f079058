using System.Collections.Concurrent;
using Dunning.Passes;
using Dunning.Ports;
using NodaTime;

namespace Dunning.Commands.Bench;

/// <summary>What several benchmarks tell of their runs.</summary>
internal static class Measures
{
    /// <summary>The middle one, or the mean of the two in the middle; there must be one.</summary>
    public static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return sorted.Length % 2 == 1 ? sorted[sorted.Length / 2] : (sorted[(sorted.Length / 2) - 1] + sorted[sorted.Length / 2]) / 2;
    }
}

/// <summary>Counts durations in buckets five per cent wide, so that it is of one size however many there are.</summary>
internal sealed class Histogram
{
    private const double Width = 1.05;
    private readonly long[] _counts = new long[512];

    public void Add(TimeSpan took)
    {
        var bucket = (int)Math.Clamp(Math.Log(Math.Max(1, took.TotalMicroseconds), Width), 0, _counts.Length - 1);
        Interlocked.Increment(ref _counts[bucket]);
    }

    /// <summary>Milliseconds that this share of them was not above.</summary>
    public double At(double share)
    {
        var left = (long)Math.Ceiling(_counts.Sum() * share);
        for (var i = 0; i < _counts.Length; i++)
        {
            left -= _counts[i];
            if (left <= 0)
            {
                return Math.Pow(Width, i + 1) / 1000;
            }
        }
        return 0;
    }
}

/// <summary>A store that takes the time of what is asked of it.</summary>
internal sealed class MeasuredBook(IBook book, TimeProvider time) : IBook
{
    // Only what is under way, so that it stays small.
    private readonly ConcurrentDictionary<string, long> _claimedAt = new(StringComparer.Ordinal);
    private int _commits;

    /// <summary>Transactions that saved something.</summary>
    public int Commits => _commits;

    /// <summary>Claims that found something.</summary>
    public Histogram Claims { get; } = new();

    /// <summary>Saves of answers.</summary>
    public Histogram Answers { get; } = new();

    /// <summary>From the commit of a claim to that of its answer.</summary>
    public Histogram Renewals { get; } = new();

    /// <inheritdoc/>
    public async Task<BatchResult> ClaimAsync(PassKind pass, Instant now, int limit, Decide decide, CancellationToken ct)
    {
        var began = time.GetTimestamp();
        var result = await book.ClaimAsync(pass, now, limit, decide, ct);
        var ended = time.GetTimestamp();
        if (result.Decisions.Count > 0)
        {
            Interlocked.Increment(ref _commits);
            Claims.Add(time.GetElapsedTime(began, ended));
        }
        foreach (var decision in result.Decisions)
        {
            _claimedAt[decision.After.Id] = ended;
        }
        return result;
    }

    /// <inheritdoc/>
    public async Task<BatchResult> AnswerAsync(IReadOnlyList<AnswerFor> answers, CancellationToken ct)
    {
        var began = time.GetTimestamp();
        var result = await book.AnswerAsync(answers, ct);
        var ended = time.GetTimestamp();
        Interlocked.Increment(ref _commits);
        Answers.Add(time.GetElapsedTime(began, ended));
        foreach (var decision in result.Decisions)
        {
            if (_claimedAt.TryRemove(decision.After.Id, out var at))
            {
                Renewals.Add(time.GetElapsedTime(at, ended));
            }
        }
        return result;
    }

    /// <inheritdoc/>
    public Task<Instant?> NextDueAsync(CancellationToken ct) => book.NextDueAsync(ct);
}

/// <summary>The most memory that the process had while this was alive, by looking twenty times a second.</summary>
internal sealed class MemoryWatch : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _watching;

    /// <summary>Gives back what came before, so that it is not counted, and watches.</summary>
    public MemoryWatch(TimeProvider time)
    {
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        GC.WaitForPendingFinalizers();
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        _watching = Task.Run(() => WatchAsync(time), CancellationToken.None);
    }

    /// <summary>Bytes of the process in memory, at most.</summary>
    public long WorkingSet { get; private set; }

    /// <summary>Bytes of the managed heap, garbage included, at most.</summary>
    public long Heap { get; private set; }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _watching;
        _stop.Dispose();
    }

    private async Task WatchAsync(TimeProvider time)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(50), time);
        try
        {
            do
            {
                WorkingSet = Math.Max(WorkingSet, Environment.WorkingSet);
                Heap = Math.Max(Heap, GC.GetTotalMemory(forceFullCollection: false));
            }
            while (await timer.WaitForNextTickAsync(_stop.Token));
        }
        catch (OperationCanceledException)
        {
            // Asked to stop.
        }
    }
}
