using Dunning.Ops.Signals;
using Dunning.Time;
using NodaTime;
using Npgsql;

namespace Dunning.Ops.Alerts;

/// <summary>What looks, and what tells.</summary>
internal sealed record AlertParts(AlertRules Rules, AlertSender Sender, Guards Guards);

/// <summary>
/// Looks each minute whether something is wrong, and tells. Every server looks; what they find is one row for a cause, so it is told once. Without a
/// database there is nothing that could be kept: that it is away is for whoever asks <c>/health/ready</c> to tell.
/// </summary>
/// <param name="open">Makes what it needs, once the database may be asked.</param>
/// <param name="book">Where alerts are kept.</param>
/// <param name="meter">Shows what was found.</param>
/// <param name="settings">The limits.</param>
/// <param name="time">The clock.</param>
/// <param name="logger">Told of alerts, too.</param>
internal sealed class AlertJob(Func<AlertParts> open, AlertBook book, BookMeter meter, AlertSettings settings, TimeProvider time, ILogger<AlertJob> logger)
    : BackgroundService, IAsyncDisposable
{
    /// <summary>After so many tries, some three days, a message is given up.</summary>
    public const int MaxTries = 20;

    private AlertParts? _parts;
    private volatile AlertSettings _limits = settings;

    /// <summary>Takes new limits from the next look on. When a pass is late is told by readiness, too, and stays.</summary>
    public void Reload(AlertSettings limits) => _limits = limits with { PassLate = _limits.PassLate };

    /// <summary>Looks and tells, once.</summary>
    public async Task RunAsync(CancellationToken ct)
    {
        var (rules, sender, guards) = _parts ??= open();
        rules.Limits = _limits;
        var now = Now();
        var findings = await rules.LookAsync(now, ct);
        meter.Expiries = [.. rules.Expiries.Where(e => e.Ends is not null).Select(e => (e.What, e.Ends!.Value))];
        meter.Volumes = [.. rules.Volumes.Select(v => (v.Folder, v.Free, v.Size))];
        meter.Allowances = [.. (await guards.ListAsync(ct)).Select(g => (Guards.NameOf(g.Kind), g.TrippedAt is null ? Math.Max(0L, g.Limit - g.Taken) : 0L, g.TrippedAt is not null))];
        var (raised, resolved) = await book.TakeAsync(findings, rules.IsOurs, _limits.Quiet, _limits.Reminder, sender.Ways, now, ct);
        if (raised > 0 || resolved > 0)
        {
            logger.LogWarning("alerts: {Raised} raised, {Resolved} resolved, {Open} open: {Keys}", raised, resolved, findings.Items.Count, string.Join(", ", findings.Items.Select(f => f.Key)));
        }
        await SendAsync(sender, ct);
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(_limits.Every, time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                await RunAsync(stoppingToken);
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                // The next minute looks again.
                logger.LogError(e, "looking for alerts failed");
            }
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Dispose();
        if (_parts is { } parts)
        {
            await parts.Sender.DisposeAsync();
        }
    }

    private async Task SendAsync(AlertSender sender, CancellationToken ct)
    {
        foreach (var message in await book.ClaimAsync(sender.Ways, Now(), ct))
        {
            if (await sender.SendAsync(message, ct) is not { } fault)
            {
                await book.SentAsync(message.Id, Now(), ct);
                continue;
            }
            var isGivenUp = message.Tries >= MaxTries;
            await book.FailedAsync(message.Id, isGivenUp ? null : Now() + Backoff.After(message.Tries), fault, ct);
            logger.Log(isGivenUp ? LogLevel.Error : LogLevel.Warning, "the alert {Key} could not be told by {Way} ({Fault}), and {Verdict}",
                message.Key, message.Way, fault, isGivenUp ? "is given up" : "is tried again");
        }
    }

    private Instant Now() => Instant.FromUnixTimeSeconds(time.GetUtcNow().ToUnixTimeSeconds());
}
