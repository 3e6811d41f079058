using System.Threading.Channels;
using Dunning.Gateways.Webhooks;

namespace Dunning.Hosting;

/// <summary>
/// Works off what the gateway has told, while the service runs: as soon as it has come here, and each half minute what came to other servers or is to be
/// tried again. No pass: what it decides is decided for one account at a time, as actions are.
/// </summary>
internal sealed class WebhookJob(Func<WebhookWork> open, TimeProvider time, ILogger<WebhookJob> logger) : BackgroundService
{
    private static readonly TimeSpan s_pause = TimeSpan.FromSeconds(30);

    private readonly Channel<bool> _calls = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    /// <summary>There is something to do.</summary>
    public void Wake() => _calls.Writer.TryWrite(true);

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var work = open();
        while (true)
        {
            try
            {
                await work.RunAsync(stoppingToken);
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                // The next run takes up where this one ended.
                logger.LogError(e, "working off webhooks failed as a whole");
            }
            await WaitAsync(stoppingToken);
        }
    }

    private async Task WaitAsync(CancellationToken ct)
    {
        using var pause = new CancellationTokenSource(s_pause, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(pause.Token, ct);
        try
        {
            await _calls.Reader.ReadAsync(either.Token);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            // The pause is over.
        }
    }
}
