using System.Threading.RateLimiting;

namespace Dunning.Mail;

/// <summary>
/// Spaces what leaves to so many messages a minute: mail servers answer with 421 what comes faster than they like. For this process; several that
/// share a database each have their own.
/// </summary>
public sealed class MailPace : IAsyncDisposable
{
    private volatile TokenBucketRateLimiter? _bucket;

    /// <summary>Makes a pace.</summary>
    /// <param name="perMinute">Messages a minute; 0: as they come.</param>
    public MailPace(int perMinute) => _bucket = BucketOf(perMinute);

    /// <summary>Another pace from the next message on; those that wait keep their turn.</summary>
    public void Change(int perMinute)
    {
        // The old one is left to those that wait by it: disposing of it would fail them.
        _bucket = BucketOf(perMinute);
    }

    private static TokenBucketRateLimiter? BucketOf(int perMinute)
    {
        if (perMinute == 0)
        {
            return null;
        }
        // A second's worth at once, at most.
        var perPeriod = Math.Max(1, perMinute / 60);
        return new TokenBucketRateLimiter(new TokenBucketRateLimiterOptions
        {
            TokenLimit = perPeriod, TokensPerPeriod = perPeriod, ReplenishmentPeriod = TimeSpan.FromMinutes((double)perPeriod / perMinute),
            QueueLimit = int.MaxValue, QueueProcessingOrder = QueueProcessingOrder.OldestFirst, AutoReplenishment = true,
        });
    }

    /// <summary>Waits for a turn. False: <paramref name="ct"/> was quicker, and nothing may leave.</summary>
    public async ValueTask<bool> WaitAsync(CancellationToken ct)
    {
        if (_bucket is not { } bucket)
        {
            return !ct.IsCancellationRequested;
        }
        try
        {
            using var turn = await bucket.AcquireAsync(1, ct).ConfigureAwait(false);
            return turn.IsAcquired;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _bucket?.DisposeAsync() ?? ValueTask.CompletedTask;
}
