using Dunning.Pay;

namespace Dunning.Hosting;

/// <summary>
/// Every minute while the service runs: looks what came of customers' visits to the gateway's pages whose customers did not come back, and gives
/// reservations back. No pass: it decides nothing about accounts by itself.
/// </summary>
internal sealed class CardJob(Func<CardDesk> desk, TimeProvider time, ILogger<CardJob> logger) : BackgroundService
{
    private static readonly TimeSpan s_pause = TimeSpan.FromMinutes(1);

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (true)
        {
            try
            {
                await desk().RunAsync(stoppingToken);
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                // The next run takes up where this one ended.
                logger.LogError(e, "looking after customers' new payment methods failed as a whole");
            }
            await Task.Delay(s_pause, time, stoppingToken);
        }
    }
}
