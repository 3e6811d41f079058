using Dunning.Gateways.Webhooks;
using Dunning.Housekeeping;
using Dunning.Jobs;
using Dunning.Ops;
using Dunning.Ops.Alerts;
using Dunning.Ops.Pages;
using Dunning.Ops.Signals;
using Dunning.Passes;
using Dunning.Pay;
using Dunning.Postgres;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http.Features;
using NodaTime;

namespace Dunning.Hosting;

/// <summary>An address that the service is to listen on can't be had.</summary>
public sealed class ListenException(string message) : Exception(message);

/// <summary>The service: recurring jobs over one database, and the pages that tell how it fares.</summary>
internal sealed class Service : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly Engine _engine;
    private readonly PassWorker _worker;
    private readonly IJobHost _host;
    private OpsSite? _site;
    private int _isStopped;

    private TimeSpan _longestRun;

    private Service(WebApplication app, Engine engine, PassWorker worker, IJobHost host, WorkerSettings settings)
    {
        (_app, _engine, _worker, _host) = (app, engine, worker, host);
        _longestRun = LongestRunOf(settings);
    }

    /// <summary>Where it listens; the port is the real one where 0 was asked for.</summary>
    public IReadOnlyCollection<string> Addresses =>
        [.. _app.Services.GetRequiredService<IServer>().Features.GetRequiredFeature<IServerAddressesFeature>().Addresses];

    /// <summary>The one-time token that opens the operators' pages while nobody is set up, for the console alone; null: somebody is.</summary>
    public string? FirstToken { get; private set; }

    /// <summary>The services of the process.</summary>
    public IServiceProvider Services => _app.Services;

    /// <summary>
    /// Starts it on a database whose schema is there: works a change of the rules' settings in, listens, then lets the jobs run.
    /// </summary>
    /// <exception cref="ListenException">An address can't be had.</exception>
    public static async Task<Service> StartAsync(
        Database database, WorkerSettings settings, IConfiguration configuration, TimeProvider time, CancellationToken ct)
    {
        var host = JobHosts.Create();
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions
        {
            ApplicationName = typeof(Service).Assembly.GetName().Name,
            ContentRootPath = AppContext.BaseDirectory,
            EnvironmentName = Environments.Production,
        });
        Logs.Configure(builder.Logging, settings, configuration);
        builder.WebHost.UseKestrelCore().UseUrls(settings.Urls);
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.AddServerHeader = false);
        // Stopped by the command, whose token hears Ctrl-C and SIGTERM: two listeners to one signal would race.
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        builder.Services.Configure<HostOptions>(o => o.ShutdownTimeout = TimeSpan.FromSeconds(1));
        builder.Services.AddRoutingCore();
        builder.Services.AddSingleton(time);
        Engine? engine = null;
        // Disposed with the container.
        builder.Services.AddSingleton(_ => new FiguresReader(database.Source, time));
        builder.Services.AddSingleton(provider => new BookMeter(provider.GetRequiredService<FiguresReader>(), settings.Payments.Gateway));
        builder.Services.AddHostedService(provider => new Telemetry(settings.Signals, provider.GetRequiredService<FiguresReader>(), time));
        builder.Services.AddSingleton(provider => new PassWorker(
            (pass, onSaved, stop) => engine!.RunAsync(pass, stop, onSaved: onSaved), host, time, provider.GetRequiredService<ILogger<PassWorker>>(),
            new MeasuredPassLog(
                new PostgresPassLog(database.Source, PostgresPassLog.ThisServer, provider.GetRequiredService<ILogger<PostgresPassLog>>()),
                provider.GetRequiredService<BookMeter>())));
        foreach (var pass in JobSettings.Passes)
        {
            builder.Services.AddTransient(PassJobs.TypeOf(pass));
        }
        builder.Services.AddHostedService(provider => new HousekeepingJob(
            new Housekeeper(database.Source, settings.Retention, () => Instant.FromDateTimeOffset(time.GetUtcNow())), settings.Retention.At, settings.Jobs.TimeZone,
            time, provider.GetRequiredService<ILogger<HousekeepingJob>>()));
        if (settings.Documents.EInvoicing is { } eInvoicing)
        {
            builder.Services.AddHostedService(provider => new EInvoicingJob(
                eInvoicing.Open(database.Source, settings.Documents.Look, time), time, provider.GetRequiredService<ILogger<EInvoicingJob>>()));
        }
        var webhooks = settings.Payments.TakesWebhooks ? new WebhookStore(database.Source) : null;
        if (webhooks is not null)
        {
            builder.Services.AddSingleton(provider => new WebhookJob(
                () => new WebhookWork(engine!.Webhooks!, webhooks, engine.ToldAsync, () => Instant.FromDateTimeOffset(time.GetUtcNow()),
                    provider.GetRequiredService<ILogger<WebhookWork>>(), provider.GetRequiredService<BookMeter>()),
                time, provider.GetRequiredService<ILogger<WebhookJob>>()));
            builder.Services.AddHostedService(provider => provider.GetRequiredService<WebhookJob>());
        }
        builder.Services.AddSingleton(provider => new AlertJob(
            () => new AlertParts(
                new AlertRules(
                    database.Source, settings, provider.GetRequiredService<FiguresReader>(), engine!.Guards, new Watch(settings, database.Folder, time),
                    Environment.MachineName, engine.Now()),
                new AlertSender(settings, engine.Installation, time), engine.Guards),
            new AlertBook(database.Source), provider.GetRequiredService<BookMeter>(), settings.Alerts, time, provider.GetRequiredService<ILogger<AlertJob>>()));
        builder.Services.AddHostedService(provider => provider.GetRequiredService<AlertJob>());
        CardDesk? desk = null;
        PayPages? pages = null;
        if (settings.Links.PublicUrl is not null)
        {
            builder.Services.AddRateLimiter(limits =>
            {
                limits.GlobalLimiter = PayLimits.Create();
                limits.OnRejected = (rejected, _) => new ValueTask(pages!.WriteTooManyAsync(rejected.HttpContext));
            });
            builder.Services.AddHostedService(provider => new CardJob(() => desk!, time, provider.GetRequiredService<ILogger<CardJob>>()));
        }
        host.AddServices(
            builder.Services, new JobHostOptions(settings.Jobs, database.Source, database.ConnectionString, settings.Limits.BatchSize, time));
        var app = builder.Build();
        Service? service = null;
        try
        {
            engine = await Engine.OpenAsync(database, settings, time, app.Services.GetRequiredService<ILoggerFactory>(), takesOver: true, ct,
                meter: app.Services.GetRequiredService<BookMeter>());
            if (engine.Environment is { } environment)
            {
                await environment.EnterAsync(ct);
                await environment.StayAsync(ct);
            }
            var meter = app.Services.GetRequiredService<BookMeter>();
            meter.Know((await engine.RulebookAsync(ct)).Catalog.Plans.Values.SelectMany(p => p.Prices.Keys).Distinct(), engine.Rules.Steps.Steps.Length);
            var worker = app.Services.GetRequiredService<PassWorker>();
            service = new Service(app, engine, worker, host, settings);
            var site = new OpsSite(settings, database.Source, host.Pages, time, app.Services.GetRequiredService<ILoggerFactory>());
            service._site = site;
            site.Map(app);
            OpsPages.Map(app, site.Frame, engine, settings, worker, host.TriggerAsync, time, app.Services.GetRequiredService<ILoggerFactory>());
            new HealthPage(worker, database.Source, settings.Payments.Gateway, webhooks).Map(app);
            new ReadyPage(worker, database.Source, engine.Rules.Fingerprint, settings, time).Map(app);
            new MetricsPage(meter, app.Services.GetRequiredService<FiguresReader>(), () => settings.Signals).Map(app);
            if (webhooks is not null)
            {
                new WebhookEndpoint(engine.Webhooks!, webhooks, app.Services.GetRequiredService<WebhookJob>(), time,
                    app.Services.GetRequiredService<ILogger<WebhookEndpoint>>(), meter).Map(app);
            }
            host.Map(app);
            if (settings.Links.PublicUrl is not null)
            {
                var loggers = app.Services.GetRequiredService<ILoggerFactory>();
                desk = new CardDesk(engine, settings.Links, ct => host.TriggerAsync(PassKind.Dun, ct), time, loggers.CreateLogger<CardDesk>());
                pages = new PayPages(engine, desk, settings, time, loggers.CreateLogger<PayPages>());
                pages.Map(app);
            }
            service.FirstToken = await site.MakeFirstTokenAsync(ct);
            await ListenAsync(app, settings.Urls, ct);
            await host.StartAsync(app.Services, ct);
            if (settings.Jobs.RunsAtStart)
            {
                foreach (var (pass, _) in settings.Jobs.Recurring)
                {
                    await host.TriggerAsync(pass, ct);
                }
            }
            return service;
        }
        catch
        {
            if (service is not null)
            {
                await service.DisposeAsync();
            }
            else
            {
                await app.DisposeAsync();
                if (engine is not null)
                {
                    await engine.DisposeAsync();
                }
            }
            throw;
        }
    }

    /// <summary>
    /// Whether a restart would help it: no pass is far beyond its time, and the scheduler triggers. A database or a gateway that is away is no reason, as a restart
    /// brings neither back.
    /// </summary>
    public async Task<bool> IsAliveAsync(CancellationToken ct) => _worker.LongestRun() < _longestRun && await _host.IsAliveAsync(ct);

    /// <summary>How long a pass may run before it counts as one that hangs.</summary>
    internal TimeSpan Patience => _longestRun;

    /// <summary>Takes what a running service may take of new settings; the log's levels follow the configuration by themselves.</summary>
    public void Reload(WorkerSettings settings)
    {
        var longest = LongestRunOf(settings);
        // A pass that runs keeps the budget that it began with.
        _longestRun = longest > _longestRun || _worker.LongestRun() == TimeSpan.Zero ? longest : _longestRun;
        _engine.Reload(settings);
        _app.Services.GetRequiredService<AlertJob>().Reload(settings.Alerts);
    }

    /// <summary>
    /// Stops: no pass claims any more, what is under way lands and is saved. False: a pass still ran when the patience ended, such as for a gateway
    /// that does not answer; its charges are looked up when their claims have ended.
    /// </summary>
    public async Task<bool> StopAsync()
    {
        if (Interlocked.Exchange(ref _isStopped, 1) != 0)
        {
            return true;
        }
        _worker.StopClaiming();
        await _host.StopAsync();
        var isIdle = await _worker.IsIdleWithinAsync(TimeSpan.FromSeconds(1));
        await _app.StopAsync(CancellationToken.None);
        return isIdle;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        await _app.DisposeAsync();
        _site?.Dispose();
        await _engine.DisposeAsync();
    }

    // The last call of a pass begins when its budget ends. What takes twice that and more has come to a stand.
    internal static TimeSpan LongestRunOf(WorkerSettings settings) =>
        (2 * (settings.Limits.Budget + settings.Rules.CallTimeout + settings.Rules.LeaseMargin)).ToTimeSpan() + TimeSpan.FromMinutes(2);

    private static async Task ListenAsync(WebApplication app, string urls, CancellationToken ct)
    {
        try
        {
            await app.StartAsync(ct);
        }
        catch (Exception e) when (e is IOException or System.Net.Sockets.SocketException)
        {
            throw new ListenException($"can't listen on Http:Urls ({urls}): {e.Message} Name another with --set Http:Urls=http://127.0.0.1:PORT");
        }
    }

    private sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
