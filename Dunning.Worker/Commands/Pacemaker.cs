using NodaTime;

namespace Dunning.Commands;

/// <summary>
/// Holds simulated time to so many days a second of real time. Measured from the start, so that a slow day is caught up by the next ones instead of
/// putting everything off.
/// </summary>
internal sealed class Pacemaker(Instant from, double? daysPerSecond, TimeProvider time)
{
    private readonly long _started = time.GetTimestamp();

    /// <summary>Waits until that simulated instant has come; not at all where there is no speed to hold.</summary>
    public async Task WaitAsync(Instant now, CancellationToken ct)
    {
        if (daysPerSecond is not { } speed)
        {
            return;
        }
        var ahead = TimeSpan.FromSeconds((now - from).TotalDays / speed) - time.GetElapsedTime(_started);
        if (ahead > TimeSpan.Zero)
        {
            await Task.Delay(ahead, time, ct);
        }
    }
}
