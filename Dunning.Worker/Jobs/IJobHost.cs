using Dunning.Hosting;
using Dunning.Passes;
using Npgsql;

namespace Dunning.Jobs;

/// <summary>What triggers the jobs. It only triggers: which one was built in changes no outcome (docs/adr/0001).</summary>
internal interface IJobHost : IHelpers
{
    /// <summary>A link to its own pages, when it has any.</summary>
    string? Pages { get; }

    /// <summary>Registers what it needs. The jobs are there.</summary>
    void AddServices(IServiceCollection services, JobHostOptions options);

    /// <summary>Maps its pages.</summary>
    void Map(WebApplication app);

    /// <summary>Sets the recurring jobs and begins to trigger.</summary>
    Task StartAsync(IServiceProvider services, CancellationToken ct);

    /// <summary>Runs a pass's job soon, on whichever server.</summary>
    Task TriggerAsync(PassKind pass, CancellationToken ct);

    /// <summary>
    /// Whether it still triggers. False only where a restart of this process would help: never for want of a database.
    /// </summary>
    Task<bool> IsAliveAsync(CancellationToken ct);

    /// <summary>Triggers no more, and waits for the jobs that run, but not for ever.</summary>
    Task StopAsync();
}

/// <summary>What a job host is told.</summary>
/// <param name="Jobs">When the jobs run.</param>
/// <param name="Source">The database, for what we ask of it.</param>
/// <param name="ConnectionString">The same, for those that make connections of their own.</param>
/// <param name="ManyDue">So many accounts due for a pass are much.</param>
/// <param name="Time">The clock.</param>
internal sealed record JobHostOptions(JobSettings Jobs, NpgsqlDataSource Source, string ConnectionString, int ManyDue, TimeProvider Time)
{
    /// <summary>
    /// How long a stop waits for a running pass. All waits of a stop together stay below ten seconds, after which service managers and container engines
    /// kill: a call without an answer by then is looked up at the next start.
    /// </summary>
    public static TimeSpan StopTimeout => TimeSpan.FromSeconds(4);

    /// <summary>A job host that has not been heard of for so long triggers nothing any more.</summary>
    public static TimeSpan Silence => TimeSpan.FromMinutes(5);
}

/// <summary>The one job host of this build.</summary>
internal static class JobHosts
{
    public static IJobHost Create() =>
#if JOBHOST_HANGFIRE
        new HangfireHost.HangfireJobHost();
#elif JOBHOST_QUARTZ
        new QuartzHost.QuartzJobHost();
#endif
}
