using Dunning.Documents.EInvoices;

namespace Dunning.Hosting;

/// <summary>
/// Hands documents in every minute while the service runs. No pass: it decides nothing about accounts, and must not hold up what does. It tells in the
/// log what it could not hand in.
/// </summary>
internal sealed class EInvoicingJob(EInvoicing work, TimeProvider time, ILogger<EInvoicingJob> logger) : BackgroundService
{
    private static readonly TimeSpan s_pause = TimeSpan.FromMinutes(1);

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (true)
        {
            try
            {
                Tell(await work.RunAsync(stoppingToken));
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                // The next run takes up where this one ended.
                logger.LogError(e, "e-invoicing failed as a whole");
            }
            await Task.Delay(s_pause, time, stoppingToken);
        }
    }

    private void Tell(EInvoicingReport report)
    {
        foreach (var document in report.Inexpressible)
        {
            logger.LogWarning("not for the e-invoicing platform, and to be sent otherwise: {Document}", document);
        }
        if (report.Faults.Count > 0)
        {
            logger.LogError("{Count} documents could not be handed in and are tried again; the first: {Fault}", report.Faults.Count, report.Faults[0]);
        }
        if (report.HandedIn > 0)
        {
            logger.LogInformation("{Count} documents handed in to the e-invoicing platform", report.HandedIn);
        }
    }
}
