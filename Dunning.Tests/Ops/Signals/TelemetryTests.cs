using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Dunning.Hosting;
using Dunning.Jobs;
using Dunning.Passes;
using Dunning.Tests.Jobs;
using Dunning.Tests.Mail;
using Microsoft.Extensions.DependencyInjection;

namespace Dunning.Tests.Ops.Signals;

/// <summary>Traces, OTLP, readiness and the log of running services.</summary>
[Collection(nameof(ServiceRig))]
public sealed class TelemetryTests
{
    [Fact]
    public async Task Metrics_and_traces_are_sent_by_OTLP_and_hold_no_person()
    {
        using var collector = new Collector();
        await using var rig = await ServiceRig.NewAsync(2,
            ("Telemetry:Otlp:Endpoint", collector.Url), ("Telemetry:Otlp:Protocol", "http"), ("Telemetry:Otlp:IntervalSeconds", "1"),
            ("Telemetry:Otlp:Headers", "authorization=Bearer%20otlp-key"));
        await using (var service = await rig.StartAsync())
        {
            await rig.WaitAsync(async () => await rig.ScalarAsync<long>("select count(*) from dunning.event where type = 'invoice.paid'") == 2);
            await rig.WaitAsync(async () =>
            {
                // Again and again: what it found busy would else wait for the next minute.
                await service.Services.GetRequiredService<PassWorker>().RunAsync(PassKind.Mail, default, callsHelpers: false);
                return collector.Text("/v1/metrics").Contains("dunning.renewals", StringComparison.Ordinal)
                    && collector.Text("/v1/traces").Contains("gateway charge", StringComparison.Ordinal) && collector.Text("/v1/traces").Contains("mail send", StringComparison.Ordinal);
            });
        }
        Assert.All(collector.Taken, t => Assert.Equal("Bearer otlp-key", t.Authorization));
        var traces = collector.Text("/v1/traces");
        foreach (var name in (string[])["pass renew", "claim", "answer", "gateway charge", "dunning.account", "mail send"])
        {
            Assert.Contains(name, traces, StringComparison.Ordinal);
        }
        var metrics = collector.Text("/v1/metrics");
        Assert.Contains("dunning.pass.backlog", metrics, StringComparison.Ordinal);
        foreach (var person in (string[])["@a1.example", "@a2.example", "Claire", "Atelier"])
        {
            Assert.DoesNotContain(person, traces, StringComparison.Ordinal);
            Assert.DoesNotContain(person, metrics, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task It_is_ready_until_its_settings_are_others_or_its_database_is_gone_and_lives_all_the_while()
    {
        await using var rig = await ServiceRig.NewAsync(1);
        await using var service = await rig.StartAsync();
        using var http = new HttpClient { BaseAddress = new Uri(service.Addresses.First()) };
        Assert.Equal((HttpStatusCode.OK, ""), await ReadyAsync(http));

        await rig.ScalarAsync<int?>("update dunning.setting set value = 'other' where key = 'rules'");
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "settings_differ"), await ReadyAsync(http));
        await rig.ScalarAsync<int?>("delete from dunning.migration where version = (select max(version) from dunning.migration)");
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "not_migrated,settings_differ"), await ReadyAsync(http));

        await rig.DropDatabaseAsync();
        var (status, codes) = await ReadyAsync(http);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, status);
        Assert.Contains("database_unreachable", codes, StringComparison.Ordinal);
        Assert.Equal("live", await http.GetStringAsync("/health/live"));
        Assert.Contains("\ndunning_database_up 0\n", await http.GetStringAsync("/metrics"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_run_in_which_charges_and_mails_fail_logs_no_person()
    {
        // A mail server's words mostly repeat the address.
        await using var smtp = new ScriptedSmtpServer(line => line.StartsWith("RCPT", StringComparison.Ordinal)
            ? (line.Contains("@a1.", StringComparison.Ordinal) ? "451 4.2.1 " : "550 5.1.1 ") + line[(line.IndexOf('<', StringComparison.Ordinal) + 1)..].Split('>')[0] + " is unknown here" : null);
        await using var rig = await ServiceRig.NewAsync(4);
        foreach (var (account, token) in new[] { ("a1", "sandbox_decline_insufficient_funds"), ("a2", "sandbox_decline_lost_card"), ("a3", "sandbox_timeout_x1"), ("a4", "sandbox_drop_x5") })
        {
            await rig.ScalarAsync<int?>($"update dunning.payment_method set token = '{token}' where account_id = '{account}'");
        }
        // Their mails wait already, so that the first Mail pass has something to fail at.
        foreach (var account in (string[])["a1", "a2"])
        {
            var (code, _, error) = await rig.CommandAsync("act", account, "credit", "--amount", "5");
            Assert.True(code == 0, error);
        }
        // A row that can't be read: an account is left as it was.
        await rig.ScalarAsync<int?>("update dunning.account set time_zone = 'Nowhere/Else' where id = 'a4'");

        string[] settings =
        [
            "Mail:Transport=smtp", "Mail:From=billing@acme.example", "Mail:Smtp:Host=127.0.0.1", "Mail:Smtp:Port=" + smtp.Port.ToString(CultureInfo.InvariantCulture),
            "Mail:Smtp:Security=none", "Logging:Format=json", "Logging:LogLevel:Default=Debug",
        ];
        // One after the other: a pass that finds an account with another comes back a minute later.
        var (charges, first) = await RunAsync(rig, [.. settings, "Jobs:Mail:Cron=off"], () =>
            rig.WaitAsync(async () => await rig.ScalarAsync<long>("select count(*) from dunning.charge where state = 'failed'") == 2));
        var (mails, second) = await RunAsync(rig, settings, () => rig.WaitAsync(async () => await rig.ScalarAsync<long>("select count(*) from dunning.outbox where state = 'dead'") > 0
            && await rig.ScalarAsync<long>("select count(*) from dunning.outbox where state = 'pending' and tries > 0") > 0));
        var (output, ended) = (charges + "\n" + mails, first && second);

        Assert.True(ended);
        Assert.Contains("left account a4 as it was", output, StringComparison.Ordinal);
        Assert.Contains("can't be delivered", output, StringComparison.Ordinal);
        foreach (var personal in (string[])["@a1.example", "@a2.example", "@a3.example", "@a4.example", "Claire", "Atelier", "République", "sandbox_decline", "sandbox_timeout"])
        {
            Assert.DoesNotContain(personal, output, StringComparison.OrdinalIgnoreCase);
        }
        var lines = output.Split('\n').Where(l => l.StartsWith('{')).Select(l => JsonDocument.Parse(l).RootElement).ToList();
        var left = lines.First(l => l.GetProperty("message").GetString()!.Contains("left account a4", StringComparison.Ordinal));
        Assert.Equal(("a4", "error"), (left.GetProperty("account").GetString(), left.GetProperty("level").GetString()));
        Assert.Contains(left.GetProperty("pass").GetString(), JobSettings.Passes.Select(PassJobs.NameOf));
        Assert.True(left.TryGetProperty("exception", out _));
    }

    private static async Task<(HttpStatusCode, string)> ReadyAsync(HttpClient http)
    {
        using var answer = await http.GetAsync("/health/ready");
        var json = JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement;
        Assert.Equal(answer.IsSuccessStatusCode, json.GetProperty("is_ready").GetBoolean());
        return (answer.StatusCode, string.Join(',', json.GetProperty("reasons").EnumerateArray().Select(r => r.GetProperty("code").GetString())));
    }

    // The real program, as the log is the process's.
    private static async Task<(string Output, bool Ended)> RunAsync(ServiceRig rig, string[] settings, Func<Task> until)
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add(typeof(Service).Assembly.Location);
        start.ArgumentList.Add("run");
        foreach (var setting in (string[])["ConnectionStrings:Dunning=" + rig.ConnectionString, "Http:Urls=http://127.0.0.1:0", .. settings])
        {
            start.ArgumentList.Add("--set");
            start.ArgumentList.Add(setting);
        }
        var output = new ConcurrentQueue<string>();
        using var process = Process.Start(start)!;
        process.OutputDataReceived += (_, e) => output.Enqueue(e.Data ?? "");
        process.ErrorDataReceived += (_, e) => output.Enqueue(e.Data ?? "");
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        try
        {
            await until();
            // The lines of what has just been saved.
            await Task.Delay(1500);
        }
        finally
        {
            if (!OperatingSystem.IsWindows())
            {
                _ = Kill(process.Id, 15);
            }
            else
            {
                process.Kill();
            }
        }
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        await process.WaitForExitAsync(patience.Token);
        return (string.Join('\n', output), process.HasExited);
    }

    [DllImport("libc", EntryPoint = "kill")]
    private static extern int Kill(int process, int signal);

    /// <summary>An OTLP collector that keeps what it is sent.</summary>
    private sealed class Collector : IDisposable
    {
        private readonly HttpListener _listener = new();

        public Collector()
        {
            Url = string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{FreePort.Take()}/");
            _listener.Prefixes.Add(Url);
            _listener.Start();
            _ = TakeAsync();
        }

        public string Url { get; }

        public ConcurrentQueue<(string Path, string? Authorization, string Body)> Taken { get; } = [];

        // Protobuf's strings stand in it as they are.
        public string Text(string path) => string.Concat(Taken.Where(t => t.Path == path).Select(t => t.Body));

        public void Dispose() => _listener.Close();

        private async Task TakeAsync()
        {
            try
            {
                while (true)
                {
                    var context = await _listener.GetContextAsync();
                    using var body = new MemoryStream();
                    await context.Request.InputStream.CopyToAsync(body);
                    Taken.Enqueue((context.Request.Url!.AbsolutePath, context.Request.Headers["Authorization"], Encoding.UTF8.GetString(body.ToArray())));
                    context.Response.ContentType = "application/x-protobuf";
                    context.Response.Close();
                }
            }
            catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
            {
                // Closed.
            }
        }
    }
}
