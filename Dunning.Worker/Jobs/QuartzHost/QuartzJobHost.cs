using Dunning.Hosting;
using Dunning.Passes;
using Quartz;

namespace Dunning.Jobs.QuartzHost;

/// <summary>
/// Quartz with its triggers in memory, where a package feed has no Hangfire. Each server triggers for itself, so several share the work without
/// being asked to.
/// </summary>
internal sealed class QuartzJobHost : IJobHost
{
    private JobHostOptions? _options;
    private IScheduler? _scheduler;

    /// <inheritdoc/>
    public string? Pages => null;

    /// <inheritdoc/>
    public void AddServices(IServiceCollection services, JobHostOptions options)
    {
        _options = options;
        services.AddQuartz(quartz =>
        {
            quartz.UseInMemoryStore();
            quartz.UseDefaultThreadPool(JobSettings.Passes.Length + 1);
            quartz.UseTimeProvider(options.Time);
        });
    }

    /// <inheritdoc/>
    public void Map(WebApplication app)
    {
    }

    /// <inheritdoc/>
    public async Task StartAsync(IServiceProvider services, CancellationToken ct)
    {
        _scheduler = await services.GetRequiredService<ISchedulerFactory>().GetScheduler(ct);
        foreach (var (pass, cron) in _options!.Jobs.Cron)
        {
            var job = JobBuilder.Create().OfType(typeof(TriggeredPass<>).MakeGenericType(PassJobs.TypeOf(pass)))
                .WithIdentity(KeyOf(pass))
                .StoreDurably()
                .Build();
            if (cron == JobSettings.Off)
            {
                await _scheduler.AddJob(job, cancellationToken: ct);
                continue;
            }
            await _scheduler.ScheduleJob(job, TriggerOf(cron, _options.Jobs.Zone), cancellationToken: ct);
        }
        await _scheduler.Start(ct);
    }

    /// <inheritdoc/>
    public async Task TriggerAsync(PassKind pass, CancellationToken ct) => await _scheduler!.TriggerJob(KeyOf(pass), cancellationToken: ct);

    /// <inheritdoc/>
    public Task CallAsync(PassKind pass, CancellationToken ct) => Task.CompletedTask;

    /// <inheritdoc/>
    public async Task<bool> IsAliveAsync(CancellationToken ct)
    {
        if (_scheduler is not { Status: SchedulerStatus.Running } scheduler)
        {
            return false;
        }
        var now = _options!.Time.GetUtcNow();
        foreach (var (pass, _) in _options.Jobs.Recurring)
        {
            foreach (var trigger in await scheduler.GetTriggersOfJob(KeyOf(pass), ct))
            {
                if (trigger.NextFireTimeUtc is { } next && now - next > JobHostOptions.Silence)
                {
                    return false;
                }
            }
        }
        return true;
    }

    /// <inheritdoc/>
    public async Task StopAsync()
    {
        if (_scheduler is null)
        {
            return;
        }
        using var limit = new CancellationTokenSource(JobHostOptions.StopTimeout);
        try
        {
            await _scheduler.Shutdown(true, limit.Token);
        }
        catch (OperationCanceledException)
        {
            await _scheduler.Shutdown(false, CancellationToken.None);
        }
    }

    /// <summary>An expression of five fields, as Quartz means it.</summary>
    internal static CronExpression ExpressionOf(string cron, TimeZoneInfo zone) => CronExpression.Parse(cron, CronFormat.Unix).WithTimeZone(zone);

    // Missed while the machine slept: the next tick does it all.
    private static ITrigger TriggerOf(string cron, TimeZoneInfo zone) => TriggerBuilder.Create()
        .WithSchedule(CronScheduleBuilder.Create(ExpressionOf(cron, zone)).WithMisfireInstruction(CronTriggerMisfireInstruction.DoNothing))
        .Build();

    private static JobKey KeyOf(PassKind pass) => new(PassJobs.NameOf(pass));
}

/// <summary>A pass's job, as Quartz calls it.</summary>
[DisallowConcurrentExecution]
internal sealed class TriggeredPass<TJob>(TJob job) : IJob
    where TJob : IPassJob
{
    /// <inheritdoc/>
    public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken) => new(job.RunAsync(cancellationToken));
}
