using System.ComponentModel;
using System.Text.RegularExpressions;
using Dapper;
using Dunning.Hosting;
using Dunning.Ops.Frame;
using Dunning.Passes;
using Dunning.Postgres;
using Hangfire;
using Hangfire.Common;
using Hangfire.Dashboard;
using Hangfire.Logging;
using Hangfire.PostgreSql;
using Hangfire.Server;
using Hangfire.States;
using Microsoft.AspNetCore.Antiforgery;
using NodaTime;
using Npgsql;

namespace Dunning.Jobs.HangfireHost;

/// <summary>Hangfire: recurring jobs in our PostgreSQL, any number of servers on it, and a dashboard.</summary>
internal sealed partial class HangfireJobHost : IJobHost
{
    private const string ServerQueues = "server-";

    // More servers than that are not asked to join at once: each takes a batch at a time, and the database is one.
    private const int MaxHelpers = 3;

    // For what Hangfire itself has to end, after the jobs.
    private static readonly TimeSpan s_last = TimeSpan.FromSeconds(1);

    // A server that has not been heard of for so long may be dead; they tell every half minute.
    private static readonly Duration Silence = Duration.FromSeconds(90);

    // A queue of its own, so that others can ask this very server to join in a pass.
    private readonly string _queue = ServerQueues + QueueName().Replace(Environment.MachineName.ToLowerInvariant(), "-") + "-" + Guid.NewGuid().ToString("n")[..8];

    private JobHostOptions? _options;
    private JobStorage? _storage;
    private IBackgroundJobClient? _client;
    private BackgroundJobServer? _server;
    private DateTimeOffset? _silentSince;

    /// <inheritdoc/>
    public string? Pages => "/hangfire";

    /// <inheritdoc/>
    public void AddServices(IServiceCollection services, JobHostOptions options)
    {
        _options = options;
        // It is static, and one left by an earlier service of this process would log into what is gone.
        LogProvider.SetCurrentLogProvider(null);
        var connectionString = new NpgsqlConnectionStringBuilder(options.ConnectionString) { ApplicationName = "dunning-jobs" }.ConnectionString;
        services.AddTransient<HelperJob>();
        services.AddHangfire(hangfire => hangfire
            .SetDataCompatibilityLevel(CompatibilityLevel.Version_180)
            .UseSimpleAssemblyNameTypeSerializer()
            .UseRecommendedSerializerSettings()
            .UsePostgreSqlStorage(
                storage => storage.UseNpgsqlConnection(connectionString),
                new PostgreSqlStorageOptions
                {
                    SchemaName = HangfireSchema.Name,
                    PrepareSchemaIfNecessary = false,
                    UseSlidingInvisibilityTimeout = true,
                    InvisibilityTimeout = TimeSpan.FromMinutes(5),
                    QueuePollInterval = TimeSpan.FromSeconds(1),
                }));
        // Its pages ask this for what they send with each click.
        services.AddSingleton<IAntiforgery, DashboardForms>();
        NoRetries();
    }

    /// <inheritdoc/>
    public void Map(WebApplication app) => app.MapHangfireDashboard("/hangfire", new DashboardOptions
    {
        DashboardTitle = "Dunning",
        AppPath = "/ops",
        DisplayStorageConnectionString = false,
        // Who comes as far as here is signed in; by default it would answer to whoever is on this machine.
        Authorization = [],
        IsReadOnlyFunc = context => context.GetHttpContext().OpsOrNobody()?.User.May(OpsRole.Operator) != true,
    }).Needs(OpsRole.Viewer);

    /// <inheritdoc/>
    public Task StartAsync(IServiceProvider services, CancellationToken ct)
    {
        var options = _options!;
        _storage = services.GetRequiredService<JobStorage>();
        _client = services.GetRequiredService<IBackgroundJobClient>();
        var recurring = services.GetRequiredService<IRecurringJobManager>();
        foreach (var (pass, cron) in options.Jobs.Cron)
        {
            if (cron == JobSettings.Off)
            {
                recurring.RemoveIfExists(PassJobs.NameOf(pass));
            }
            else
            {
                // Missed while no server ran: the next tick does it all.
                recurring.AddOrUpdate(PassJobs.NameOf(pass), JobOf(pass), cron,
                    new RecurringJobOptions { TimeZone = options.Jobs.Zone, MisfireHandling = MisfireHandlingMode.Ignorable });
            }
        }
        ClearDeadServersQueues();
        _server = new BackgroundJobServer(
            new BackgroundJobServerOptions
            {
                Activator = services.GetRequiredService<JobActivator>(),
                Queues = [EnqueuedState.DefaultQueue, _queue],
                WorkerCount = JobSettings.Passes.Length + 1,
                StopTimeout = JobHostOptions.StopTimeout,
                ShutdownTimeout = JobHostOptions.StopTimeout + s_last,
            },
            _storage);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task TriggerAsync(PassKind pass, CancellationToken ct)
    {
        _client!.Create(JobOf(pass), new EnqueuedState());
        return Task.CompletedTask;
    }

    /// <summary>A recurring job runs on one server; where much is due, each other server is asked by its own queue to join in.</summary>
    public async Task CallAsync(PassKind pass, CancellationToken ct)
    {
        var now = Instant.FromDateTimeOffset(_options!.Time.GetUtcNow());
        var others = Servers()
            .Where(s => s.Heartbeat is { } heard && now - Instant.FromDateTimeUtc(DateTime.SpecifyKind(heard, DateTimeKind.Utc)) < Silence)
            .SelectMany(s => s.Queues.Where(q => q.StartsWith(ServerQueues, StringComparison.Ordinal) && q != _queue))
            .Take(MaxHelpers).ToList();
        if (others.Count == 0 || !await IsMuchDueAsync(pass, now, ct))
        {
            return;
        }
        foreach (var queue in others)
        {
            _client!.Create(Job.FromExpression<HelperJob>(job => job.RunAsync(PassJobs.NameOf(pass), CancellationToken.None)), new EnqueuedState(queue));
        }
    }

    /// <summary>Hangfire's server writes a heartbeat, and comes back by itself after a while without a database.</summary>
    public async Task<bool> IsAliveAsync(CancellationToken ct)
    {
        try
        {
            // It blocks.
            var heard = await Task.Run(() => Servers().FirstOrDefault(s => s.Queues.Contains(_queue))?.Heartbeat, ct).WaitAsync(TimeSpan.FromSeconds(5), _options!.Time, ct);
            var now = _options.Time.GetUtcNow();
            if (heard is { } at && now - new DateTimeOffset(DateTime.SpecifyKind(at, DateTimeKind.Utc)) < JobHostOptions.Silence)
            {
                _silentSince = null;
                return true;
            }
            // After a long sleep of the machine, or of the database, it needs a moment to tell.
            _silentSince ??= now;
            return now - _silentSince < JobHostOptions.Silence;
        }
        catch (Exception) when (!ct.IsCancellationRequested)
        {
            // Whatever keeps it from being asked: it lies in the database.
            return true;
        }
    }

    /// <inheritdoc/>
    public async Task StopAsync()
    {
        LogProvider.SetCurrentLogProvider(null);
        if (_server is not { } server)
        {
            return;
        }
        server.SendStop();
        using var limit = new CancellationTokenSource(JobHostOptions.StopTimeout + s_last);
        try
        {
            await server.WaitForShutdownAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            // A job that does not end: its trigger is seen again after the invisibility timeout.
        }
        server.Dispose();
    }

    private async Task<bool> IsMuchDueAsync(PassKind pass, Instant now, CancellationToken ct)
    {
        await using var connection = await _options!.Source.OpenConnectionAsync(ct);
        return await connection.ExecuteScalarAsync<int>(new CommandDefinition(
            "select count(*)::int from (select from dunning.due where pass = @pass and at <= @now limit @many) d",
            new { pass = Texts.Pass[pass], now = now.Utc(), many = _options.ManyDue + 1 },
            cancellationToken: ct)) > _options.ManyDue;
    }

    // What a killed server was asked to join in is nobody else's.
    private void ClearDeadServersQueues()
    {
        var alive = Servers().SelectMany(s => s.Queues).ToHashSet(StringComparer.Ordinal);
        var monitoring = _storage!.GetMonitoringApi();
        foreach (var queue in monitoring.Queues().Where(q => q.Name.StartsWith(ServerQueues, StringComparison.Ordinal) && !alive.Contains(q.Name)))
        {
            foreach (var (id, _) in monitoring.EnqueuedJobs(queue.Name, 0, 1000))
            {
                _client!.ChangeState(id, new DeletedState());
            }
        }
    }

    private IList<Hangfire.Storage.Monitoring.ServerDto> Servers() => _storage!.GetMonitoringApi().Servers();

    private static Job JobOf(PassKind pass)
    {
        var type = PassJobs.TypeOf(pass);
        return new Job(type, type.GetMethod(nameof(IPassJob.RunAsync)), CancellationToken.None);
    }

    // Its own retries, ten by default and global, would be a second dunning engine.
    private static void NoRetries()
    {
        foreach (var filter in GlobalJobFilters.Filters.Where(f => f.Instance is AutomaticRetryAttribute).ToList())
        {
            GlobalJobFilters.Filters.Remove(filter.Instance);
        }
        GlobalJobFilters.Filters.Add(new AutomaticRetryAttribute { Attempts = 0, LogEvents = false });
    }

    [GeneratedRegex("[^a-z0-9-]+", RegexOptions.CultureInvariant)]
    private static partial Regex QueueName();
}

/// <summary>A pass that another server has asked this one to join in. Its name stands in job stores.</summary>
public sealed class HelperJob(PassWorker worker)
{
    [DisplayName("Join in: {0}")]
    public Task RunAsync(string pass, CancellationToken ct) =>
        worker.RunAsync(JobSettings.Passes.First(p => PassJobs.NameOf(p) == pass), ct, callsHelpers: false);
}
