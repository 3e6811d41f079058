using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using Dunning.Hosting;
using Dunning.Hosting.Managed;
using Dunning.Passes;
using Dunning.Tests.Faults;
using Dunning.Tests.Jobs;
using Microsoft.Extensions.Logging.Abstractions;
using NodaTime;
using Xunit.Abstractions;

namespace Dunning.Tests.Hosting.Managed;

/// <summary>The service's process as systemd sees it: what it says on the socket, and how it takes signals.</summary>
[Collection(nameof(ServiceTests))]
public sealed class ManagedServiceTests(ITestOutputHelper output)
{
    private const int Accounts = 2000;

    [Fact]
    public async Task SIGTERM_amid_a_pass_over_2000_accounts_stops_it_within_ten_seconds_and_loses_nothing()
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }
        await using var rig = await ServiceRig.NewAsync(Accounts);
        using var systemd = new Systemd();

        // A gateway that does not answer: its calls outlive the process.
        var process = Start(rig, systemd, "Payments:Sandbox:LatencyMs=60000");
        await rig.WaitAsync(async () => await rig.ScalarAsync<long>("select count(*) from dunning.charge where state = 'in_flight'") >= 100);
        output.WriteLine($"hanging gateway: {await StopAsync(process, rig)}");
        var hanging = await rig.ScalarAsync<long>("select count(*) from dunning.charge where state in ('in_flight', 'unknown')");
        Assert.True(hanging >= 100, $"only {hanging} calls were under way: nothing is shown");

        process = Start(rig, systemd, "Payments:Sandbox:LatencyMs=40", "Passes:Concurrency=20", "Passes:BatchSize=100");
        await rig.WaitAsync(async () => await rig.ScalarAsync<long>("select count(*) from dunning.receivable where state = 'paid'") >= 500);
        output.WriteLine($"working gateway: {await StopAsync(process, rig)}");
        Assert.Equal(hanging, await rig.ScalarAsync<long>("select count(*) from dunning.charge where state in ('in_flight', 'unknown')"));
        Assert.InRange(await rig.ScalarAsync<long>("select count(*) from dunning.receivable where state = 'paid'"), 500, Accounts - 100);
        // What was said is heard a little later on a busy machine.
        await Until(() => systemd.Said.Count(s => s.Contains("READY=1")) == 2 && systemd.Said.Count(s => s.Contains("STOPPING=1")) == 2);
        Assert.Contains("WATCHDOG=1", systemd.Said);

        // The claims of the first have ended by then: its calls are looked up.
        var later = Instant.FromDateTimeOffset(TimeProvider.System.GetUtcNow()) + Duration.FromMinutes(10);
        await using (var engine = await Engine.OpenAsync(rig.Database, rig.Settings, TimeProvider.System, NullLoggerFactory.Instance, takesOver: false, default))
        {
            for (var runs = 0; await rig.ScalarAsync<long>("select count(*) from dunning.receivable where state = 'paid'") < Accounts; runs++)
            {
                Assert.True(runs < 10, "it does not come to rest");
                foreach (var pass in (PassKind[])[PassKind.Reconcile, PassKind.Renew, PassKind.Dun])
                {
                    await engine.RunAsync(pass, default, () => later + Duration.FromMinutes(10 * runs));
                }
            }
        }
        Assert.Equal("", await Auditor.FaultsAsync(rig.Database.Source));
        Assert.Equal(Accounts, await rig.ScalarAsync<long>("select count(*) from sandbox.call where outcome = 'succeeded'"));
        Assert.Equal(Accounts, await rig.ScalarAsync<long>("select count(distinct account_id) from dunning.charge where state = 'succeeded'"));
    }

    [Fact]
    public async Task SIGHUP_takes_what_may_be_taken_names_what_waits_and_refuses_what_is_wrong()
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }
        await using var rig = await ServiceRig.NewAsync(accounts: 1);
        using var systemd = new Systemd();
        var config = Path.Combine(systemd.Folder, "mine.json");
        await File.WriteAllTextAsync(config, "{}");
        var process = Start(rig, systemd, ["--config", config]);
        await Until(() => systemd.Said.Any(s => s.Contains("READY=1")), () => string.Join(" | ", systemd.Said) + systemd.Output);
        await rig.WaitAsync(async () => await rig.ScalarAsync<long>("select count(*) from dunning.event where type = 'invoice.paid'") == 1);

        await File.WriteAllTextAsync(config, """{ "Passes": { "BatchSize": 99 }, "Dunning": { "PurgeAfterDays": 100 }, "Logging": { "LogLevel": { "Dunning.Jobs.PassWorker": "Debug" } } }""");
        Signal(process, 1);
        await HearAsync(systemd, "settings reloaded: Logging:LogLevel:Dunning.Jobs.PassWorker, Passes:BatchSize");
        await HearAsync(systemd, "taken by a restart only: Dunning:PurgeAfterDays");
        await File.WriteAllTextAsync(config, """{ "Passes": { "BatchSize": 0 } }""");
        Signal(process, 1);
        await HearAsync(systemd, "not reloaded: Passes:BatchSize is '0', but must be a whole number from 1 to 2000");
        await Until(() => systemd.Said.Count(s => s.Contains("RELOADING=1")) == 2);
        Assert.False(process.HasExited);
        await StopAsync(process, rig);
        Assert.Equal(0, process.ExitCode);
    }

    [Fact]
    public async Task A_service_whose_passes_hang_shows_no_sign_of_life()
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }
        using var systemd = new Systemd();
        var notifier = new SystemdNotifier(systemd.Socket, TimeSpan.FromMilliseconds(100), TimeProvider.System);
        using var stop = new CancellationTokenSource();
        var (isAlive, asked) = (true, 0);
        var watch = notifier.WatchAsync(
            _ =>
            {
                asked++;
                return Task.FromResult(isAlive);
            }, stop.Token);
        await Until(() => systemd.Said.Count(s => s == "WATCHDOG=1") >= 3);
        isAlive = false;
        await Until(() => systemd.Said.Any(s => s.StartsWith("STATUS=the passes hang", StringComparison.Ordinal)));
        var before = (systemd.Said.Count(s => s == "WATCHDOG=1"), asked);
        await Until(() => asked >= before.asked + 3);
        Assert.Equal(before.Item1, systemd.Said.Count(s => s == "WATCHDOG=1"));
        isAlive = true;
        await Until(() => systemd.Said.Count(s => s == "WATCHDOG=1") > before.Item1);
        await stop.CancelAsync();
        await watch;
    }

    private static Task HearAsync(Systemd systemd, string words) => Until(() => systemd.Output.Contains(words, StringComparison.Ordinal), () => systemd.Output);

    private static async Task Until(Func<bool> isSo, Func<string>? heard = null)
    {
        var started = TimeProvider.System.GetTimestamp();
        while (!isSo())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(started) < TimeSpan.FromMinutes(2), "waited in vain: " + heard?.Invoke());
            await Task.Delay(10);
        }
    }

    private static async Task<string> StopAsync(Process process, ServiceRig rig)
    {
        var paid = await rig.ScalarAsync<long>("select count(*) from dunning.receivable where state = 'paid'");
        var started = TimeProvider.System.GetTimestamp();
        Signal(process, 15);
        await process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(60));
        var took = TimeProvider.System.GetElapsedTime(started);
        Assert.InRange(took, TimeSpan.Zero, TimeSpan.FromSeconds(10));
        Assert.Equal(0, process.ExitCode);
        return FormattableString.Invariant($"ended {took.TotalSeconds:F1} s after SIGTERM, with {paid} of {Accounts} invoices paid before");
    }

    private static Process Start(ServiceRig rig, Systemd systemd, params string[] settings) =>
        Start(rig, systemd, settings is ["--config", ..] ? settings : [.. settings.SelectMany(s => new[] { "--set", s })], 0);

    private static Process Start(ServiceRig rig, Systemd systemd, string[] arguments, int port)
    {
        var start = new ProcessStartInfo("dotnet")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = systemd.Folder,
        };
        foreach (var argument in (string[])[Path.Combine(AppContext.BaseDirectory, "Dunning.Worker.dll"), "run", "--set", $"Http:Urls=http://127.0.0.1:{port}", "--set", "Mail:Pickup=" + rig.MailFolder, "--set", "Jobs:Mail:Cron=off", .. arguments])
        {
            start.ArgumentList.Add(argument);
        }
        if (IsHangUpIgnored())
        {
            // As under nohup: a program would not hear it, nor would one that it starts.
            (start.FileName, var program) = ("env", start.FileName);
            start.ArgumentList.Insert(0, "--default-signal=HUP");
            start.ArgumentList.Insert(1, program);
        }
        start.Environment["ConnectionStrings__Dunning"] = rig.ConnectionString;
        start.Environment["NOTIFY_SOCKET"] = systemd.Socket;
        start.Environment["WATCHDOG_USEC"] = "1000000";
        var process = Process.Start(start)!;
        systemd.Processes.Add(process);
        process.OutputDataReceived += (_, line) => systemd.Hear(line.Data);
        process.ErrorDataReceived += (_, line) => systemd.Hear(line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return process;
    }

    private static bool IsHangUpIgnored() => OperatingSystem.IsLinux()
        && File.ReadLines("/proc/self/status").First(l => l.StartsWith("SigIgn:", StringComparison.Ordinal))[^1] is '1' or '3' or '5' or '7' or '9' or 'b' or 'd' or 'f';

    private static void Signal(Process process, int signal) => Assert.Equal(0, Kill(process.Id, signal));

    [DllImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static extern int Kill(int process, int signal);

    // systemd's end of the socket.
    private sealed class Systemd : IDisposable
    {
        private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        private readonly List<string> _said = [];
        private readonly StringBuilder _output = new();

        public Systemd()
        {
            Folder = Directory.CreateTempSubdirectory("dn-").FullName;
            Socket = Path.Combine(Folder, "notify");
            _socket.Bind(new UnixDomainSocketEndPoint(Socket));
            _ = ListenAsync();
        }

        /// <summary>Killed with it, should a test have failed before it has stopped them.</summary>
        public List<Process> Processes { get; } = [];

        public string Folder { get; }

        public string Socket { get; }

        public IReadOnlyList<string> Said
        {
            get
            {
                lock (_said)
                {
                    return [.. _said];
                }
            }
        }

        public string Output
        {
            get
            {
                lock (_output)
                {
                    return _output.ToString();
                }
            }
        }

        public void Hear(string? line)
        {
            lock (_output)
            {
                _output.AppendLine(line);
            }
        }

        public void Dispose()
        {
            foreach (var process in Processes)
            {
                process.Kill();
                process.Dispose();
            }
            _socket.Dispose();
            Directory.Delete(Folder, recursive: true);
        }

        private async Task ListenAsync()
        {
            var buffer = new byte[4096];
            try
            {
                while (true)
                {
                    var length = await _socket.ReceiveAsync(buffer);
                    lock (_said)
                    {
                        _said.Add(Encoding.UTF8.GetString(buffer, 0, length));
                    }
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
            }
        }
    }
}
