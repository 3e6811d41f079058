using System.Diagnostics;
using System.Globalization;

namespace Dunning.Postgres.Embedded;

/// <summary>What a data directory's <c>postmaster.pid</c> says about the server that runs, or ran, on it.</summary>
internal sealed record Postmaster(int Pid, long StartedUnixSeconds)
{
    /// <summary>
    /// Between the start of a process and the moment PostgreSQL notes the time; only used where the command line cannot be read.
    /// </summary>
    private const int StartToleranceSeconds = 30;

    public static string FileOf(string dataDirectory) => Path.Combine(dataDirectory, "postmaster.pid");

    /// <summary>Null when there is no such file (no server), or when it is not yet written or half gone.</summary>
    public static Postmaster? Read(string dataDirectory)
    {
        string[] lines;
        try
        {
            // On Windows the server keeps it open.
            using var file = new StreamReader(new FileStream(
                FileOf(dataDirectory), FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete));
            lines = file.ReadToEnd().Split('\n');
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }

        return lines.Length >= 3
            && int.TryParse(lines[0], NumberStyles.None, CultureInfo.InvariantCulture, out var pid)
            && long.TryParse(lines[2], NumberStyles.None, CultureInfo.InvariantCulture, out var started)
                ? new Postmaster(pid, started)
                : null;
    }

    /// <summary>
    /// True when the process of that pid is this directory's server. PostgreSQL itself only asks whether the pid lives:
    /// after a reboot or in a new container it may belong to anyone, and the server would refuse to start.
    /// </summary>
    public async Task<bool> IsAliveAsync(string dataDirectory, CancellationToken ct)
    {
        if (OperatingSystem.IsLinux())
        {
            var commandLine = Path.Combine("/proc", Pid.ToString(CultureInfo.InvariantCulture), "cmdline");
            try
            {
                // Empty for a zombie, and without the directory for the server's children, which rename themselves.
                return (await File.ReadAllTextAsync(commandLine, ct)).Split('\0').Contains(dataDirectory, StringComparer.Ordinal);
            }
            catch (IOException)
            {
                // Not there, or gone while it was read: both mean that the process has ended.
                return false;
            }
        }

        if (!OperatingSystem.IsWindows())
        {
            var ps = await Tool.RunAsync(
                "ps", ["-o", "command=", "-p", Pid.ToString(CultureInfo.InvariantCulture)], user: null, "/", capture: true, ct);
            return ps.Output.Contains(dataDirectory, StringComparison.Ordinal);
        }

        try
        {
            using var process = Process.GetProcessById(Pid);
            var started = new DateTimeOffset(process.StartTime).ToUnixTimeSeconds();
            return process.ProcessName is "postgres" && Math.Abs(started - StartedUnixSeconds) <= StartToleranceSeconds;
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException)
        {
            return false;
        }
    }
}
