using System.Diagnostics;

namespace Dunning.Tests.Ops.Signals;

/// <summary>Prometheus's own checker, where it is installed.</summary>
internal static class Promtool
{
    /// <summary>Where it is; null: nowhere.</summary>
    public static string? Path { get; } = new[] { "/usr/bin/promtool", "/usr/local/bin/promtool" }.FirstOrDefault(File.Exists);

    public static async Task<(int Code, string Output)> RunAsync(string? input, params string[] args)
    {
        using var process = Process.Start(new ProcessStartInfo(Path!, args)
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
        })!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        await process.WaitForExitAsync(patience.Token);
        return (process.ExitCode, await output + await error);
    }
}
