using System.Globalization;
using System.Security.Cryptography;

namespace Dunning.Postgres.Embedded;

/// <summary>
/// The folders of throwaway servers. They lie below this user's own folder and not in the shared temporary one,
/// where root must not delete or stop by what others may have put there.
/// </summary>
internal static class ScratchFolders
{
    private static string Parent => Path.Combine(ServerFolder.UserRoot, "scratch");

    private static string LockFile => Path.Combine(Parent, "lock");

    /// <summary>Makes a fresh folder and takes its lease, which says to everyone that its owner lives.</summary>
    public static async Task<(ServerFolder Folder, FileLease Lease)> CreateAsync(
        PostgresBinaries binaries, TimeSpan timeout, CancellationToken ct)
    {
        await new ServerFolder(Parent).PrepareAsync(ct);
        using var alone = await FileLease.ExclusiveAsync(LockFile, timeout, ct);
        await DeleteLeftoversAsync(binaries, ct);

        // The pid is for people who look; whether the owner lives is told by the lease.
        var name = string.Create(
            CultureInfo.InvariantCulture, $"{Environment.ProcessId}-{RandomNumberGenerator.GetHexString(4, lowercase: true)}");
        var folder = new ServerFolder(Path.Combine(Parent, name));
        await folder.PrepareAsync(ct);
        return FileLease.TryShared(folder.LeaseFile) is { } lease
            ? (folder, lease)
            : throw new EmbeddedServerException($"'{folder.LeaseFile}' is held by another process although it was just made.");
    }

    /// <summary>Deletes the folder of a server that has been stopped.</summary>
    public static async Task DeleteAsync(ServerFolder folder, FileLease lease, TimeSpan timeout, CancellationToken ct)
    {
        using var alone = await FileLease.ExclusiveAsync(LockFile, timeout, ct);
        lease.Dispose();
        Directory.Delete(folder.Root, recursive: true);
    }

    // A process that was killed could not stop its server. Its lease fell with it.
    private static async Task DeleteLeftoversAsync(PostgresBinaries binaries, CancellationToken ct)
    {
        foreach (var path in Directory.EnumerateDirectories(Parent))
        {
            var folder = new ServerFolder(path);
            using (var lease = FileLease.TryExclusive(folder.LeaseFile))
            {
                if (lease is null)
                {
                    continue;
                }

                await folder.PrepareAsync(ct);
                await new ServerControl(folder, binaries).StopAsync(ShutdownMode.Immediate, ct);
                folder.DeleteEndpoint();
            }

            Directory.Delete(path, recursive: true);
        }
    }
}
