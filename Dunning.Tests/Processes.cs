using System.Diagnostics;
using System.Globalization;

namespace Dunning.Tests;

/// <summary>Programs that tests start.</summary>
internal static class Processes
{
    /// <summary>Asks it to end, as a service manager does, and waits until it has; on Windows, where there is no such signal, it is killed.</summary>
    public static async Task EndAsync(this Process process)
    {
        if (OperatingSystem.IsWindows() || process.HasExited)
        {
            process.Kill();
        }
        else
        {
            using var _ = Process.Start("kill", process.Id.ToString(CultureInfo.InvariantCulture));
        }
        await process.WaitForExitAsync();
    }
}
