using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;

namespace Dunning.Hosting.Managed;

/// <summary>
/// The service as Windows's service manager starts and stops it. It gives the process's thread to the manager's dispatcher, which calls back: the service
/// itself runs as by command, and its token is cancelled when Windows wants it to stop.
/// </summary>
/// <remarks>Ours, because Microsoft.Extensions.Hosting.WindowsServices wants to own a host's lifetime, and is not on every feed (docs/adr/0014).</remarks>
[SupportedOSPlatform("windows")]
internal sealed class WindowsService : IServiceManager, IDisposable
{
    /// <summary>Windows did not start this process as a service.</summary>
    public const int NotAService = 1063;

    private const int OwnProcess = 0x10;
    private const int ControlStop = 1;
    private const int ControlInterrogate = 4;
    private const int ControlShutdown = 5;
    private const int ControlParamChange = 6;
    private const int StartPending = 2;
    private const int StopPending = 3;
    private const int Running = 4;
    private const int Stopped = 1;
    private const int AcceptStop = 0x1;
    private const int AcceptShutdown = 0x4;
    private const int AcceptParamChange = 0x8;
    private const int NotImplemented = 120;
    private const int ServiceSpecificError = 1066;

    private readonly Func<IServiceManager, CancellationToken, Task<int>> _run;
    private readonly CancellationTokenSource _stop = new();
    private readonly ManualResetEventSlim _ended = new();
    private readonly Lock _one = new();

    // Held, or the collector would take what Windows calls.
    private readonly ServiceMain _main;
    private readonly Handler _handler;
    private nint _status;
    private int _state = StartPending;
    private uint _checkPoint;
    private int _code;

    private WindowsService(Func<IServiceManager, CancellationToken, Task<int>> run)
    {
        (_run, _main, _handler) = (run, Main, Handle);
    }

    private delegate void ServiceMain(uint count, nint arguments);

    private delegate uint Handler(uint control, uint eventType, nint eventData, nint context);

    /// <inheritdoc/>
    public event Action? ReloadAsked;

    /// <summary>Runs as the service of a name until Windows stops it. Returns the exit code, or <see cref="NotAService"/>.</summary>
    public static int Run(string name, Func<IServiceManager, CancellationToken, Task<int>> run)
    {
        using var service = new WindowsService(run);
        var table = new[] { new Entry { Name = name, Main = Marshal.GetFunctionPointerForDelegate(service._main) }, default };
        if (!StartServiceCtrlDispatcherW(table))
        {
            return Marshal.GetLastPInvokeError() is NotAService ? NotAService : throw new Win32Exception(Marshal.GetLastPInvokeError());
        }
        GC.KeepAlive(service);
        return service._code;
    }

    /// <inheritdoc/>
    public void Starting(string status) => Tell(StartPending, TimeSpan.FromMinutes(10));

    /// <inheritdoc/>
    public void Ready(string status) => Tell(Running, TimeSpan.Zero);

    /// <inheritdoc/>
    public void Reloading()
    {
    }

    /// <inheritdoc/>
    public void Stopping() => Tell(StopPending, TimeSpan.FromSeconds(15));

    /// <summary>Windows has no watchdog: it starts a process again that ends, which <c>service install</c> asks for.</summary>
    public Task WatchAsync(Func<CancellationToken, Task<bool>> isAlive, CancellationToken ct) => Task.CompletedTask;

    /// <inheritdoc/>
    public void Dispose()
    {
        _stop.Dispose();
        _ended.Dispose();
    }

    // Called by Windows on a thread of its own; the service is stopped when it returns.
    private void Main(uint count, nint arguments)
    {
        _status = RegisterServiceCtrlHandlerExW("", _handler, 0);
        if (_status == 0)
        {
            return;
        }
        Tell(StartPending, TimeSpan.FromMinutes(10));
        _ = RunToEndAsync();
        _ended.Wait(CancellationToken.None);
        Tell(Stopped, TimeSpan.Zero);
    }

    private async Task RunToEndAsync()
    {
        // Off this thread at once: it waits for the end.
        await Task.Yield();
        try
        {
            _code = await _run(this, _stop.Token);
        }
        catch (Exception e)
        {
            await Console.Error.WriteLineAsync(e.ToString());
            _code = Commands.CommandLine.Failed;
        }
        finally
        {
            _ended.Set();
        }
    }

    private uint Handle(uint control, uint eventType, nint eventData, nint context)
    {
        switch (control)
        {
            case ControlStop or ControlShutdown:
                Stopping();
                _stop.Cancel();
                return 0;
            case ControlParamChange:
                ThreadPool.QueueUserWorkItem(_ => ReloadAsked?.Invoke());
                return 0;
            case ControlInterrogate:
                return 0;
            default:
                return NotImplemented;
        }
    }

    private void Tell(int state, TimeSpan patience)
    {
        lock (_one)
        {
            // A start that is told after the stop was asked for would undo it.
            if (_status == 0 || (_state == StopPending && state is not (Stopped or StopPending)))
            {
                return;
            }
            _state = state;
            var status = new Status
            {
                Type = OwnProcess,
                State = state,
                Accepts = state == Running ? AcceptStop | AcceptShutdown | AcceptParamChange : state == StartPending ? AcceptStop : 0,
                ExitCode = state == Stopped && _code != 0 ? ServiceSpecificError : 0,
                SpecificCode = state == Stopped ? _code : 0,
                CheckPoint = state is StartPending or StopPending ? ++_checkPoint : 0,
                WaitHint = (uint)patience.TotalMilliseconds,
            };
            SetServiceStatus(_status, ref status);
        }
    }

    [DllImport("advapi32.dll", CharSet = CharSet.Unicode, SetLastError = true, ExactSpelling = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static extern bool StartServiceCtrlDispatcherW([In] Entry[] table);

    [DllImport("advapi32.dll", CharSet = CharSet.Unicode, SetLastError = true, ExactSpelling = true)]
    private static extern nint RegisterServiceCtrlHandlerExW(string name, Handler handler, nint context);

    [DllImport("advapi32.dll", SetLastError = true, ExactSpelling = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static extern bool SetServiceStatus(nint handle, ref Status status);

    [StructLayout(LayoutKind.Sequential, CharSet = CharSet.Unicode)]
    private struct Entry
    {
        [MarshalAs(UnmanagedType.LPWStr)]
        public string? Name;
        public nint Main;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Status
    {
        public int Type;
        public int State;
        public int Accepts;
        public int ExitCode;
        public int SpecificCode;
        public uint CheckPoint;
        public uint WaitHint;
    }
}
