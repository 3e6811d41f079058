using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using Dunning.Hosting;
using Dunning.Ops.Alerts;
using Dunning.Ops.Signals;
using Dunning.Tests.Jobs;
using Dunning.Tests.Mail;
using Microsoft.Extensions.Logging.Abstractions;
using NodaTime;

namespace Dunning.Tests.Ops.Alerts;

/// <summary>The alerts of one machine over a real database, with a mail server and a webhook that take what they are told.</summary>
internal sealed class AlertRig : IAsyncDisposable
{
    public const string Secret = "0123456789abcdef";

    private readonly Dictionary<string, int> _told = new(StringComparer.Ordinal);
    private readonly List<AlertJob> _jobs = [];
    private readonly List<IDisposable> _owned = [];
    private long _posts;

    private AlertRig(ServiceRig rig, ScriptedSmtpServer smtp, HttpSink sink, MovedTime time, WorkerSettings settings)
    {
        (Rig, Smtp, Sink, Time, Settings) = (rig, smtp, sink, time, settings);
    }

    public ServiceRig Rig { get; }

    public ScriptedSmtpServer Smtp { get; }

    public HttpSink Sink { get; }

    public MovedTime Time { get; }

    public WorkerSettings Settings { get; }

    public Engine Engine { get; private set; } = null!;

    public AlertJob Job { get; private set; } = null!;

    public Instant Now => Instant.FromDateTimeOffset(Time.GetUtcNow());

    /// <param name="accounts">Overdue ones; 0: one for which nothing is due.</param>
    /// <param name="refuse">What customers' mail server refuses; never what goes to operators.</param>
    /// <param name="keys">Settings.</param>
    public static async Task<AlertRig> NewAsync(int accounts, Func<string, string?>? refuse, params (string Key, string Value)[] keys)
    {
        var (smtp, sink, time) = (new ScriptedSmtpServer(refuse), new HttpSink(), new MovedTime());
        var rig = await ServiceRig.NewAsync(Math.Max(1, accounts),
        [
            ("Mail:Transport", "smtp"), ("Mail:From", "billing@acme.example"), ("Mail:Smtp:Host", "127.0.0.1"),
            ("Mail:Smtp:Port", smtp.Port.ToString(CultureInfo.InvariantCulture)), ("Mail:Smtp:Security", "none"), ("Alerts:Mail:To", "ops@acme.example"),
            ("Alerts:Webhook:Url", sink.Url), ("Alerts:Webhook:Secret", Secret), ("Ops:PublicUrl", "https://127.0.0.1:9/"), .. keys,
        ]);
        if (accounts == 0)
        {
            await rig.ScalarAsync<int?>("delete from dunning.due");
        }
        // The clock is put forward by days here: that it is wrong is another test's.
        var settings = rig.Settings with { Alerts = rig.Settings.Alerts with { ClockSkew = Duration.FromDays(1000) } };
        var alerts = new AlertRig(rig, smtp, sink, time, settings);
        alerts.Engine = await Engine.OpenAsync(rig.Database, settings, time, NullLoggerFactory.Instance, takesOver: true, default);
        alerts.Job = alerts.NewJob(settings);
        return alerts;
    }

    /// <summary>Another machine's, or the same with other settings.</summary>
    public AlertJob NewJob(WorkerSettings settings, Watch? watch = null, string machine = "m1", Duration? startedAgo = null)
    {
        var figures = new FiguresReader(Rig.Database.Source, Time);
        var meter = new BookMeter(figures, "sandbox");
        var job = new AlertJob(
            () => new AlertParts(
                new AlertRules(Rig.Database.Source, settings, figures, Engine.Guards, watch ?? new Watch(settings, null, Time) { VolumeOf = _ => null }, machine,
                    Now - (startedAgo ?? Duration.FromDays(1))),
                new AlertSender(settings, Engine.Installation, Time), Engine.Guards),
            new AlertBook(Rig.Database.Source), meter, settings.Alerts, Time, NullLogger<AlertJob>.Instance);
        _jobs.Add(job);
        _owned.AddRange([meter, figures]);
        return job;
    }

    /// <summary>What was told since the last call, by mail and by webhook alike: state and key.</summary>
    public async Task<IReadOnlyList<string>> TellAsync(AlertJob? job = null)
    {
        await (job ?? Job).RunAsync(default);
        var posts = Sink.Taken.Skip((int)_posts).Select(t => JsonDocument.Parse(t.Body).RootElement).ToList();
        _posts += posts.Count;
        var told = posts.Select(p => $"{p.GetProperty("state").GetString()} {p.GetProperty("key").GetString()}").Order(StringComparer.Ordinal).ToList();
        var mails = Smtp.Taken.Where(t => t.To == "ops@acme.example").Skip(_told.GetValueOrDefault("mails")).ToList();
        _told["mails"] = _told.GetValueOrDefault("mails") + mails.Count;
        Assert.Equal(posts.Count, mails.Count);
        // The texts tell nothing of a customer but the account's id.
        Assert.All(posts.Select(p => p.GetRawText()), t => Assert.DoesNotMatch("@a[0-9]+\\.example|Claire|Atelier", t));
        Assert.All(mails, m => Assert.DoesNotMatch("@a[0-9]+\\.example|Claire|Atelier", m.Data));
        return told;
    }

    /// <summary>Some minutes later, when nobody has seen it any more.</summary>
    public Task<IReadOnlyList<string>> TellLaterAsync(AlertJob? job = null)
    {
        Time.Ahead += TimeSpan.FromMinutes(4);
        return TellAsync(job);
    }

    /// <summary>It is told once, not again while it lasts, and once more when it is over.</summary>
    public async Task FiresOnceAndResolvesAsync(string key, Func<Task> cause, Func<Task> cure, AlertJob? job = null)
    {
        Assert.Empty(await TellAsync(job));
        await cause();
        Assert.Equal(["raised " + key], await TellAsync(job));
        Assert.Empty(await TellAsync(job));
        await cure();
        // What is one machine's is over at once.
        Assert.Equal(["resolved " + key], key.Contains('@') ? await TellAsync(job) : await TellLaterAsync(job));
        Assert.Empty(await TellAsync(job));
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var job in _jobs)
        {
            await job.DisposeAsync();
        }
        _owned.ForEach(o => o.Dispose());
        await Engine.DisposeAsync();
        await Smtp.DisposeAsync();
        Sink.Dispose();
        await Rig.DisposeAsync();
    }
}

/// <summary>The machine's clock, which goes on, put forward.</summary>
internal sealed class MovedTime : TimeProvider
{
    private long _ticks;

    public TimeSpan Ahead
    {
        get => new(Interlocked.Read(ref _ticks));
        set => Interlocked.Exchange(ref _ticks, value.Ticks);
    }

    public override DateTimeOffset GetUtcNow() => System.GetUtcNow() + Ahead;
}

/// <summary>A webhook's receiver on the loopback.</summary>
internal sealed class HttpSink : IDisposable
{
    private readonly HttpListener _listener = new();

    public HttpSink()
    {
        Url = string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{FreePort.Take()}/hook/");
        _listener.Prefixes.Add(Url);
        _listener.Start();
        _ = TakeAsync();
    }

    public string Url { get; }

    /// <summary>What it answers.</summary>
    public int Status { get; set; } = 200;

    public ConcurrentQueue<(string? Signature, string Body)> Taken { get; } = [];

    /// <summary>Posts that were not taken.</summary>
    public int Refused { get; private set; }

    public void Dispose() => _listener.Close();

    private async Task TakeAsync()
    {
        try
        {
            while (true)
            {
                var context = await _listener.GetContextAsync();
                using var reader = new StreamReader(context.Request.InputStream, Encoding.UTF8);
                var body = await reader.ReadToEndAsync();
                if (Status == 200)
                {
                    Taken.Enqueue((context.Request.Headers["Dunning-Signature"], body));
                }
                else
                {
                    Refused++;
                }
                context.Response.StatusCode = Status;
                context.Response.Close();
            }
        }
        catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
        {
            // Closed.
        }
    }
}
