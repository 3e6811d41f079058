using System.Globalization;

namespace Dunning.Postgres.Embedded;

/// <summary>A folder with PostgreSQL's server programs, version 15 or newer.</summary>
/// <param name="Folder">Where <c>initdb</c>, <c>pg_ctl</c> and <c>postgres</c> are.</param>
/// <param name="Major">The major version.</param>
public sealed record PostgresBinaries(string Folder, int Major)
{
    /// <summary>Older servers lack what our migrations use (<c>nulls not distinct</c>, <c>security_invoker</c>).</summary>
    public const int OldestMajor = 15;

    private static string Suffix => OperatingSystem.IsWindows() ? ".exe" : "";

    internal string InitDb => Path.Combine(Folder, "initdb" + Suffix);

    internal string PgCtl => Path.Combine(Folder, "pg_ctl" + Suffix);

    /// <summary>
    /// Looks in <paramref name="folder"/> alone when it is given, else on the PATH and then in the places where packages
    /// put them, highest version first.
    /// </summary>
    /// <param name="folder">A configured folder, or null.</param>
    /// <param name="major">The one version that can open existing data, or null for any that is new enough.</param>
    /// <param name="ct">Stops looking.</param>
    /// <returns>Null when there are none.</returns>
    public static async Task<PostgresBinaries?> FindAsync(string? folder = null, int? major = null, CancellationToken ct = default)
    {
        if (folder is not null)
        {
            return await TryFolderAsync(Path.GetFullPath(folder), major, ct);
        }

        var onPath = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
        foreach (var candidate in onPath.Where(Path.IsPathRooted))
        {
            if (await TryFolderAsync(candidate, major, ct) is { } found)
            {
                return found;
            }
        }

        PostgresBinaries? best = null;
        foreach (var candidate in PackageFolders())
        {
            if (await TryFolderAsync(candidate, major, ct) is { } found && found.Major > (best?.Major ?? 0))
            {
                best = found;
            }
        }

        return best;
    }

    private static async Task<PostgresBinaries?> TryFolderAsync(string folder, int? major, CancellationToken ct)
    {
        var postgres = Path.Combine(folder, "postgres" + Suffix);
        if (!File.Exists(postgres)
            || !File.Exists(Path.Combine(folder, "initdb" + Suffix))
            || !File.Exists(Path.Combine(folder, "pg_ctl" + Suffix)))
        {
            return null;
        }

        // The folder's name says little (/usr/bin, a symbolic link), so the program is asked.
        Tool.Result answer;
        try
        {
            answer = await Tool.RunAsync(postgres, ["--version"], user: null, folder, capture: true, ct);
        }
        catch (EmbeddedServerException)
        {
            // Not for this processor, or not for us to run: as good as absent, another place may have one that works.
            return null;
        }

        return answer.Succeeded && ParseMajor(answer.Output) is { } version && version >= OldestMajor && (major is null || version == major)
            ? new PostgresBinaries(folder, version)
            : null;
    }

    /// <summary>Reads the 17 of <c>postgres (PostgreSQL) 17.2 (Debian 17.2-1)</c> or of <c>17beta1</c>.</summary>
    internal static int? ParseMajor(string version)
    {
        const string marker = "(PostgreSQL) ";
        var at = version.IndexOf(marker, StringComparison.Ordinal);
        if (at < 0)
        {
            return null;
        }

        var digits = string.Concat(version.Skip(at + marker.Length).TakeWhile(char.IsAsciiDigit));
        return int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var major) ? major : null;
    }

    private static IEnumerable<string> PackageFolders()
    {
        if (OperatingSystem.IsWindows())
        {
            return Matches(Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.ProgramFiles), "PostgreSQL"), "*", "bin");
        }

        return
        [
            .. Matches("/usr/lib/postgresql", "*", "bin"), // Debian, Ubuntu
            .. Matches("/usr", "pgsql-*", "bin"), // the PostgreSQL project's packages for Fedora and RHEL
            .. Matches("/usr/lib", "postgresql*", "bin"), // SUSE
            .. Matches("/usr/libexec", "postgresql*", ""), // Alpine
            .. Matches("/opt/homebrew/opt", "postgresql*", "bin"), // Homebrew on Apple silicon
            .. Matches("/usr/local/opt", "postgresql*", "bin"), // Homebrew on Intel
            .. Matches("/home/linuxbrew/.linuxbrew/opt", "postgresql*", "bin"),
            .. Matches("/Applications/Postgres.app/Contents/Versions", "*", "bin"),
            // Often missing from the PATH of services and of desktop programs.
            "/opt/homebrew/bin", "/usr/local/bin", "/usr/local/pgsql/bin", "/usr/bin",
        ];
    }

    private static IEnumerable<string> Matches(string parent, string pattern, string below) => Directory.Exists(parent)
        ? Directory.EnumerateDirectories(parent, pattern).Select(found => Path.Combine(found, below))
        : [];
}
