using Dunning.Housekeeping;
using Dunning.Time;
using NodaTime;

namespace Dunning.Hosting;

/// <summary>
/// Tidies up once a day at a quiet hour, on whichever server looks first. No pass: it decides nothing about accounts. A day that was missed is made up
/// for as soon as a server runs; a run that failed is tried again after an hour.
/// </summary>
internal sealed class HousekeepingJob(Housekeeper work, LocalTime at, string zone, TimeProvider time, ILogger<HousekeepingJob> logger) : BackgroundService
{
    private static readonly TimeSpan s_pause = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan s_pauseAfterFailure = TimeSpan.FromHours(1);

    /// <summary>The last quiet hour at or before an instant.</summary>
    internal static Instant LastTurn(Instant now, LocalTime at, DateTimeZone zone)
    {
        var today = LocalClock.LocalDateOf(now, zone);
        var turn = LocalClock.DueAt(today, at, zone);
        return turn <= now ? turn : LocalClock.DueAt(today.PlusDays(-1), at, zone);
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var local = ZoneData.Current[zone];
        while (true)
        {
            var pause = s_pause;
            try
            {
                var now = Instant.FromDateTimeOffset(time.GetUtcNow());
                if (await work.LastRunAsync(stoppingToken) < LastTurn(now, at, local) && await work.RunAsync(stoppingToken) is { } report)
                {
                    var removed = string.Join(", ", report.Removed.Where(r => r.Value > 0).Select(r => FormattableString.Invariant($"{r.Value} {r.Key}")));
                    logger.LogInformation(
                        "housekeeping: {Removed}{End}", removed.Length == 0 ? "nothing was old" : removed + " removed", report.IsOutOfTime ? "; out of time: the rest is tomorrow's" : "");
                    if (report.Fault is { } fault)
                    {
                        logger.LogWarning("housekeeping: {Fault}", fault);
                    }
                }
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                logger.LogError(e, "housekeeping failed");
                pause = s_pauseAfterFailure;
            }
            await Task.Delay(pause, time, stoppingToken);
        }
    }
}
