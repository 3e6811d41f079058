using System.Diagnostics;

namespace Dunning.Postgres.Embedded;

/// <summary>
/// A lock held through an open file. The operating system gives it up when the process dies, however it dies,
/// which a pid written into a file cannot promise.
/// </summary>
internal sealed class FileLease : IDisposable
{
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(25);

    private readonly FileStream _file;

    private FileLease(FileStream file) => _file = file;

    /// <summary>Takes the lock alone; null when anyone else holds it.</summary>
    public static FileLease? TryExclusive(string path) => TryOpen(path, FileAccess.ReadWrite, FileShare.None);

    /// <summary>Takes the lock beside other sharers; null when somebody holds it alone.</summary>
    public static FileLease? TryShared(string path) => TryOpen(path, FileAccess.Read, FileShare.Read);

    /// <summary>Waits until the lock can be taken alone.</summary>
    public static async Task<FileLease> ExclusiveAsync(string path, TimeSpan timeout, CancellationToken ct)
    {
        var waited = Stopwatch.StartNew();
        while (true)
        {
            if (TryExclusive(path) is { } lease)
            {
                return lease;
            }

            if (waited.Elapsed > timeout)
            {
                throw new EmbeddedServerException(
                    $"Another process has been starting or stopping the embedded PostgreSQL server for {timeout.TotalSeconds:0} s " +
                    $"(it holds '{path}'). Let it finish, or end it, and start again.");
            }

            await Task.Delay(PollInterval, ct);
        }
    }

    public void Dispose() => _file.Dispose();

    private static FileLease? TryOpen(string path, FileAccess access, FileShare share)
    {
        var how = new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = access, Share = share, BufferSize = 0 };
        if (!OperatingSystem.IsWindows())
        {
            how.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        try
        {
            return new FileLease(new FileStream(path, how));
        }
        catch (IOException e) when (IsHeldByAnother(e))
        {
            return null;
        }
    }

    // .NET has no exception type for this: the code is EWOULDBLOCK (Linux 11, BSD and macOS 35) or
    // ERROR_SHARING_VIOLATION. Anything else (no space, read-only disk) must not pass for "held by another".
    private static bool IsHeldByAnother(IOException e) => OperatingSystem.IsWindows()
        ? e.HResult == unchecked((int)0x80070020)
        : e.HResult is 11 or 35;
}
