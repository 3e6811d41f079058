using System.Globalization;
using Dunning.Mail;

namespace Dunning.Hosting.Doctor;

/// <summary>This machine: disk, folders, languages, time zones.</summary>
internal static class MachineCheck
{
    private const long LeastBytes = 1L << 30;
    private const double LeastShare = 0.05;

    /// <summary>Looks at all of it.</summary>
    public static IReadOnlyList<Finding> Look(WorkerSettings settings) =>
        [.. Folders(settings).SelectMany(f => Look(f.Area, f.Folder, f.IsMade)), .. Disks(Folders(settings).Select(f => f.Folder)), Languages(), .. TimeZones(settings)];

    private static IEnumerable<(string Area, string Folder, bool IsMade)> Folders(WorkerSettings settings)
    {
        if (settings.Mail.Transport == MailWay.Pickup)
        {
            yield return ("Mail:Pickup", settings.Mail.PickupFolder, true);
        }
        if (settings.Mail.BounceFolder is { } bounces)
        {
            yield return ("Mail:BounceFolder", bounces, false);
        }
        if (settings.Documents.EInvoicing is { } eInvoicing)
        {
            yield return ("Documents:EInvoicing:Drop", eInvoicing.Drop, false);
        }
        if (settings.EnvironmentFile is { } environment)
        {
            yield return ("Environment:File", Path.GetDirectoryName(Path.GetFullPath(environment))!, true);
        }
    }

    private static IEnumerable<Finding> Look(string area, string folder, bool isMade)
    {
        // What the service makes itself is tried in the nearest folder that is there.
        var there = Path.GetFullPath(folder);
        while (isMade && !Directory.Exists(there) && Path.GetDirectoryName(there) is { } parent)
        {
            there = parent;
        }
        Finding finding;
        try
        {
            var probe = Path.Combine(there, ".dunning-doctor-" + Guid.NewGuid().ToString("n"));
            File.WriteAllBytes(probe, [0]);
            File.Delete(probe);
            finding = Finding.Ok(area, $"{folder} can be written");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            finding = Finding.Fault(area, $"{folder} can't be written by {Environment.UserName}: {e.Message}",
                OperatingSystem.IsWindows() ? $"icacls \"{folder}\" /grant \"{Environment.UserName}:(OI)(CI)M\"" : $"install -d -o {Environment.UserName} -m 0750 {folder}");
        }
        yield return finding;
    }

    private static IEnumerable<Finding> Disks(IEnumerable<string> folders)
    {
        foreach (var drive in folders.Append(Path.GetTempPath()).Select(DriveOf).OfType<DriveInfo>().DistinctBy(d => d.Name))
        {
            var (free, share) = (drive.AvailableFreeSpace, (double)drive.AvailableFreeSpace / Math.Max(1, drive.TotalSize));
            var says = string.Create(CultureInfo.InvariantCulture, $"{drive.Name}: {free / (1 << 20)} MiB free, {share * 100:F0} %");
            yield return free < LeastBytes || share < LeastShare ? Finding.Warning("disk", says, "make room, or put Mail:Pickup and the database elsewhere") : Finding.Ok("disk", says);
        }
    }

    private static DriveInfo? DriveOf(string folder)
    {
        try
        {
            var full = Path.GetFullPath(folder);
            return DriveInfo.GetDrives().Where(d => d.IsReady && d.TotalSize > 0 && full.StartsWith(d.RootDirectory.FullName, StringComparison.Ordinal))
                .MaxBy(d => d.RootDirectory.FullName.Length);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static Finding Languages()
    {
        try
        {
            var price = 1234.5m.ToString("C", CultureInfo.GetCultureInfo("fr-FR", predefinedOnly: true));
            return price.Contains(',', StringComparison.Ordinal) ? Finding.Ok("languages", "ICU is there: dates and amounts are written in each language")
                : Finding.Fault("languages", "this machine writes amounts without a language", "install libicu (Debian: apt-get install 'libicu*'), and unset DOTNET_SYSTEM_GLOBALIZATION_INVARIANT");
        }
        catch (CultureNotFoundException)
        {
            return Finding.Fault("languages", "this machine knows no languages", "install libicu (Debian: apt-get install 'libicu*'), and unset DOTNET_SYSTEM_GLOBALIZATION_INVARIANT");
        }
    }

    private static IEnumerable<Finding> TimeZones(WorkerSettings settings)
    {
        var programs = settings.Rules.Zones.Version;
        yield return TimeZoneInfo.TryFindSystemTimeZoneById("Europe/Paris", out _)
            ? Finding.Ok("time zones", $"the program's time-zone data is {programs}; the machine has its own for cron expressions")
            : Finding.Warning("time zones", $"the program's time-zone data is {programs}; this machine has none, so Jobs:TimeZone can only be Etc/UTC", "install the package tzdata");
    }
}
