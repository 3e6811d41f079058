using System.ComponentModel;
using System.Diagnostics;

namespace Dunning.Postgres.Embedded;

/// <summary>Runs one of PostgreSQL's programs, or the system's, to its end.</summary>
internal static class Tool
{
    internal sealed record Result(int ExitCode, string Output)
    {
        public bool Succeeded => ExitCode == 0;
    }

    /// <param name="file">The program.</param>
    /// <param name="arguments">Its arguments, unquoted.</param>
    /// <param name="user">The account to run it as; null means our own.</param>
    /// <param name="workingDirectory">A folder that this account may enter: PostgreSQL's programs complain otherwise.</param>
    /// <param name="capture">False where a long-lived child would inherit our pipes, so that their end never came.</param>
    /// <param name="ct">Ends the program.</param>
    public static async Task<Result> RunAsync(
        string file,
        IEnumerable<string> arguments,
        string? user,
        string workingDirectory,
        bool capture,
        CancellationToken ct)
    {
        var start = new ProcessStartInfo(file, arguments)
        {
            WorkingDirectory = workingDirectory,
            // Also keeps it off our console: on Windows Ctrl-C would reach the server before us.
            CreateNoWindow = true,
            UseShellExecute = false,
            RedirectStandardInput = capture,
            RedirectStandardOutput = capture,
            RedirectStandardError = capture,
        };
        if (user is not null)
        {
            start.UserName = user;
        }

        // PGDATA, PGPORT, PGOPTIONS and their like are about somebody else's server.
        foreach (var name in start.Environment.Keys.Where(k => k.StartsWith("PG", StringComparison.OrdinalIgnoreCase)).ToList())
        {
            start.Environment.Remove(name);
        }

        start.Environment["LC_ALL"] = "C";

        using var process = Start(start);
        var output = "";
        try
        {
            if (capture)
            {
                process.StandardInput.Close();
                var texts = await Task.WhenAll(
                    process.StandardOutput.ReadToEndAsync(ct),
                    process.StandardError.ReadToEndAsync(ct));
                output = string.Concat(texts).Trim();
            }

            await process.WaitForExitAsync(ct);
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill();
            }
        }

        return new Result(process.ExitCode, output);
    }

    private static Process Start(ProcessStartInfo start)
    {
        try
        {
            return Process.Start(start) ?? throw new EmbeddedServerException($"'{start.FileName}' did not start.");
        }
        catch (Win32Exception e)
        {
            var asWhom = string.IsNullOrEmpty(start.UserName) ? "" : $" as user '{start.UserName}'";
            throw new EmbeddedServerException($"'{start.FileName}' cannot be run{asWhom}: {e.Message}", e);
        }
    }
}
