using System.Diagnostics;
using System.Globalization;
using Npgsql;

namespace Dunning.Postgres.Embedded;

/// <summary>How a server is shut down.</summary>
internal enum ShutdownMode
{
    /// <summary>Ends the sessions and leaves data that opens at once.</summary>
    Fast,

    /// <summary>Drops everything: for data that is deleted next.</summary>
    Immediate,
}

/// <summary>Makes, starts and stops the server of one folder. The caller holds the folder's lock.</summary>
internal sealed class ServerControl(ServerFolder folder, PostgresBinaries binaries)
{
    private const int StartAttemptsMax = 3;
    private const int PingSecondsMax = 5;

    /// <summary>Long enough for a checkpoint of all its memory onto a slow disk.</summary>
    private static readonly TimeSpan StopTimeout = TimeSpan.FromMinutes(5);

    private static readonly TimeSpan StopPollInterval = TimeSpan.FromMilliseconds(25);
    private static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(250);

    /// <summary>The server that already runs here, once it answers; null when none does.</summary>
    public async Task<(Endpoint Endpoint, string Version)?> FindRunningAsync(TimeSpan timeout, CancellationToken ct)
    {
        var waited = Stopwatch.StartNew();
        while (await IsAliveAsync(ct))
        {
            if (folder.ReadEndpoint() is { } endpoint && await TryPingAsync(endpoint, ct) is { } version)
            {
                return (endpoint, version);
            }

            // Starting, recovering, or on its way out: it will answer or be gone.
            if (waited.Elapsed > timeout)
            {
                throw new EmbeddedServerException(
                    $"The PostgreSQL server in '{folder.Root}' runs but has not answered for {timeout.TotalSeconds:0} s. Its log ends with:\n{folder.LogTail()}");
            }

            await Task.Delay(RetryDelay, ct);
        }

        return null;
    }

    /// <summary>Makes the data directory, whole or not at all.</summary>
    public async Task InitializeAsync(bool scratch, bool loopbackTcp, CancellationToken ct)
    {
        // Renamed when done: a start that is killed half-way leaves nothing that looks like data.
        var fresh = await folder.CreateInitFolderAsync(ct);
        List<string> arguments =
        [
            "-D", fresh, "-U", ServerFolder.Role, "--encoding=UTF8",
            // One order of text on every machine and after every update of the system's C library.
            "--locale=C",
            loopbackTcp ? "--auth=scram-sha-256" : "--auth=trust",
        ];
        if (loopbackTcp)
        {
            arguments.AddRange(["--pwfile", await folder.CreatePasswordFileAsync(ct)]);
        }

        if (scratch)
        {
            arguments.Add("--no-sync");
        }

        var answer = await Tool.RunAsync(binaries.InitDb, arguments, folder.UserName, fresh, capture: true, ct);
        if (!answer.Succeeded)
        {
            // Ctrl-C on a terminal reaches initdb as well as us.
            ct.ThrowIfCancellationRequested();
            throw new EmbeddedServerException($"initdb could not make a database in '{fresh}':\n{answer.Output}");
        }

        Directory.Move(fresh, folder.Data);
    }

    /// <summary>Starts the server and returns when it takes connections.</summary>
    public async Task<(Endpoint Endpoint, string Version)> StartAsync(bool scratch, bool loopbackTcp, TimeSpan timeout, CancellationToken ct)
    {
        var waited = Stopwatch.StartNew();
        for (var attempt = 1; ; attempt++)
        {
            // Nothing of ours runs here, so what says otherwise is left from a crash, and its pid may be anyone's by now.
            File.Delete(Postmaster.FileOf(folder.Data));
            var endpoint = await folder.CreateEndpointAsync(loopbackTcp, ct);
            await folder.WriteConfigAsync(endpoint, scratch, ct);
            folder.RotateLog();

            var answer = await RunStartAsync(timeout, ct);
            if (answer.Succeeded && await FindRunningAsync(timeout, ct) is { } started)
            {
                return started;
            }

            ct.ThrowIfCancellationRequested();

            // A server that lost a race for its port, or that was started by a process killed meanwhile, is worth another
            // try. The children of a killed postmaster hold its memory until they notice: they get as long as we have.
            var isDying = folder.LogTail().Contains("is still in use", StringComparison.Ordinal);
            if (waited.Elapsed > timeout || (attempt >= StartAttemptsMax && !isDying))
            {
                throw new EmbeddedServerException(
                    $"The PostgreSQL {binaries.Major} server in '{folder.Root}' did not start. {answer.Output}\nIts log ends with:\n{folder.LogTail()}\n" +
                    $"Mend what it names (your own settings are in '{folder.LocalConfigFile}') and start again.");
            }

            await Task.Delay(RetryDelay, ct);
            if (await FindRunningAsync(timeout, ct) is { } running)
            {
                return running;
            }
        }
    }

    /// <summary>Stops the server if it runs, and returns when its process has ended.</summary>
    public async Task StopAsync(ShutdownMode mode, CancellationToken ct)
    {
        if (Postmaster.Read(folder.Data) is not { } postmaster)
        {
            return;
        }

        // pg_ctl only sends the signal and we do the waiting: an impatient second Ctrl-C would end a pg_ctl that waits.
        var answer = new Tool.Result(0, "");
        var waited = Stopwatch.StartNew();
        for (var isAsked = false; await postmaster.IsAliveAsync(folder.Data, ct); await Task.Delay(StopPollInterval, ct))
        {
            if (waited.Elapsed > StopTimeout)
            {
                throw new EmbeddedServerException(
                    $"The PostgreSQL server in '{folder.Root}' did not stop. {answer.Output}\nIts log ends with:\n{folder.LogTail()}\n" +
                    $"Its data is safe. Stop it with: {binaries.PgCtl} stop -D '{folder.Data}' -m immediate");
            }

            if (!isAsked)
            {
                answer = await Tool.RunAsync(
                    binaries.PgCtl,
                    ["stop", "-D", folder.Data, "-s", "-W", "-m", mode is ShutdownMode.Fast ? "fast" : "immediate"],
                    folder.UserName,
                    folder.Data,
                    capture: true,
                    ct);
                isAsked = answer.Succeeded;
            }
        }
    }

    private async Task<Tool.Result> RunStartAsync(TimeSpan timeout, CancellationToken ct)
    {
        var starting = Tool.RunAsync(
            binaries.PgCtl,
            [
                "start", "-D", folder.Data, "-l", folder.ServerLog, "-s", "-w",
                "-t", Math.Max(1, (int)timeout.TotalSeconds).ToString(CultureInfo.InvariantCulture),
                "-o", $"-c \"config_file={folder.ConfigFile}\"",
            ],
            folder.UserName,
            folder.Data,
            // On Windows the server would inherit our pipes; elsewhere pg_ctl gives it the log instead.
            capture: !OperatingSystem.IsWindows(),
            CancellationToken.None);
        try
        {
            return await starting.WaitAsync(ct);
        }
        catch (OperationCanceledException)
        {
            // Killing pg_ctl could leave behind a server that is just being born, which nobody would find to stop.
            // So that is waited for, and the server stopped, which ends pg_ctl.
            while (!starting.IsCompleted)
            {
                await StopAsync(ShutdownMode.Fast, CancellationToken.None);
                await Task.WhenAny(starting, Task.Delay(StopPollInterval, CancellationToken.None));
            }

            await starting;
            throw;
        }
    }

    private async Task<bool> IsAliveAsync(CancellationToken ct) =>
        Postmaster.Read(folder.Data) is { } postmaster && await postmaster.IsAliveAsync(folder.Data, ct);

    private static async Task<string?> TryPingAsync(Endpoint endpoint, CancellationToken ct)
    {
        var settings = EmbeddedServer.Settings(endpoint, EmbeddedServer.MaintenanceDatabase);
        settings.Pooling = false;
        settings.Timeout = PingSecondsMax;
        await using var connection = new NpgsqlConnection(settings.ConnectionString);
        try
        {
            await connection.OpenAsync(ct);
            return connection.PostgreSqlVersion.ToString();
        }
        catch (NpgsqlException e) when (e.IsTransient)
        {
            // No socket yet, or "the database system is starting up" or "… shutting down".
            return null;
        }
    }
}
