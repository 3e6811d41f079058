using System.Globalization;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;

namespace Dunning.Hosting.Managed;

/// <summary>
/// Tells systemd how the service fares (sd_notify, <c>Type=notify</c>): datagrams to the socket that <c>NOTIFY_SOCKET</c> names. Nothing where systemd
/// does not listen.
/// </summary>
/// <remarks>
/// Ours, and not Microsoft.Extensions.Hosting.Systemd, because that knows READY and STOPPING alone, and takes the stopping over from the command
/// (docs/adr/0014).
/// </remarks>
internal sealed class SystemdNotifier(string? socket, TimeSpan? watchdog, TimeProvider time) : IServiceManager, IDisposable
{
    private readonly List<PosixSignalRegistration> _signals = [];

    /// <summary>By SIGHUP.</summary>
    public event Action? ReloadAsked;

    /// <summary>How often <see cref="WatchAsync"/> tells that all is well: twice in what systemd waits. Null: it does not wait for it.</summary>
    public TimeSpan? WatchdogInterval { get; } = watchdog / 2;

    /// <summary>As systemd has set the environment of this process.</summary>
    public static SystemdNotifier OfEnvironment(TimeProvider time)
    {
        var socket = OperatingSystem.IsWindows() ? null : Environment.GetEnvironmentVariable("NOTIFY_SOCKET") is { Length: > 0 } name ? name : null;
        var isOurs = Environment.GetEnvironmentVariable("WATCHDOG_PID") is not { Length: > 0 } pid
            || pid == Environment.ProcessId.ToString(CultureInfo.InvariantCulture);
        TimeSpan? watchdog = isOurs && long.TryParse(Environment.GetEnvironmentVariable("WATCHDOG_USEC"), NumberStyles.None, CultureInfo.InvariantCulture, out var microseconds)
            && microseconds > 0 ? TimeSpan.FromMicroseconds(microseconds) : null;
        return new SystemdNotifier(socket, watchdog, time);
    }

    /// <summary>From now on a SIGHUP, which would end the process, asks for new settings.</summary>
    public void TakeSignals()
    {
        if (!OperatingSystem.IsWindows())
        {
            _signals.Add(PosixSignalRegistration.Create(PosixSignal.SIGHUP, signal =>
            {
                signal.Cancel = true;
                ReloadAsked?.Invoke();
            }));
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _signals.ForEach(s => s.Dispose());

    /// <summary>It is still starting.</summary>
    public void Starting(string status) => Send("STATUS=" + status);

    /// <summary>It works.</summary>
    public void Ready(string status) => Send("READY=1\nSTATUS=" + status);

    /// <summary>It takes new settings; <see cref="Ready"/> follows.</summary>
    public void Reloading() => Send(string.Create(CultureInfo.InvariantCulture, $"RELOADING=1\nMONOTONIC_USEC={Environment.TickCount64 * 1000}"));

    /// <summary>It has begun to stop.</summary>
    public void Stopping() => Send("STOPPING=1\nSTATUS=finishing what is under way");

    /// <summary>
    /// Tells, until <paramref name="ct"/> is cancelled, that the service is alive, as long as <paramref name="isAlive"/> says so: one whose passes hang gets no more
    /// of it, and is killed and started again by systemd.
    /// </summary>
    public async Task WatchAsync(Func<CancellationToken, Task<bool>> isAlive, CancellationToken ct)
    {
        if (socket is null || WatchdogInterval is not { } interval)
        {
            return;
        }
        using var timer = new PeriodicTimer(interval, time);
        try
        {
            do
            {
                if (await isAlive(ct))
                {
                    Send("WATCHDOG=1");
                }
                else
                {
                    Send("STATUS=the passes hang: no sign of life until they go on");
                }
            }
            while (await timer.WaitForNextTickAsync(ct));
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
        }
    }

    // Nobody there is no reason to stop working.
    private void Send(string state)
    {
        if (socket is null)
        {
            return;
        }
        try
        {
            using var sender = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
            // An abstract name begins with NUL, which environment variables can't hold.
            sender.Connect(new UnixDomainSocketEndPoint(socket[0] == '@' ? "\0" + socket[1..] : socket));
            sender.Send(Encoding.UTF8.GetBytes(state));
        }
        catch (Exception e) when (e is SocketException or ArgumentException or PlatformNotSupportedException)
        {
        }
    }
}
