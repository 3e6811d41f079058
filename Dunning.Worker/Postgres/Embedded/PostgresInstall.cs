using System.Globalization;

namespace Dunning.Postgres.Embedded;

/// <summary>Knows the one command that installs a PostgreSQL server on this system.</summary>
public static class PostgresInstall
{
    private const string OsReleaseFile = "/etc/os-release";

    /// <summary>The command for this machine and this user.</summary>
    public static string Command()
    {
        if (OperatingSystem.IsWindows())
        {
            return "winget install PostgreSQL.PostgreSQL.17";
        }

        if (OperatingSystem.IsMacOS())
        {
            return "brew install postgresql@17";
        }

        var command = CommandForLinux(File.Exists(OsReleaseFile) ? File.ReadAllText(OsReleaseFile) : "");
        if (Environment.IsPrivilegedProcess)
        {
            return command;
        }

        return command.Contains("&&", StringComparison.Ordinal) ? $"sudo sh -c '{command}'" : $"sudo {command}";
    }

    /// <summary>The command, to be run by root, for the Linux that describes itself with this <c>/etc/os-release</c>.</summary>
    public static string CommandForLinux(string osRelease)
    {
        ArgumentNullException.ThrowIfNull(osRelease);
        var fields = osRelease.Split('\n')
            .Select(line => line.Split('=', 2))
            .Where(pair => pair.Length == 2)
            .ToLookup(pair => pair[0].Trim(), pair => pair[1].Trim().Trim('"', '\''), StringComparer.Ordinal);
        var id = fields["ID"].FirstOrDefault("");

        // 12, 24.04, 9.4 or 3.21.0: the first number is enough. Rolling systems have none and are new.
        var major = fields["VERSION_ID"].FirstOrDefault("").Split('.')[0];
        var version = int.TryParse(major, NumberStyles.None, CultureInfo.InvariantCulture, out var parsed) ? parsed : int.MaxValue;

        foreach (var name in fields["ID_LIKE"].FirstOrDefault("").Split(' ').Prepend(id))
        {
            switch (name)
            {
                // Their own packages are older than 15, so the PostgreSQL project's are taken.
                case "debian" when id == "debian" && version < 12:
                case "ubuntu" when id == "ubuntu" && version < 23:
                    return "apt-get install -y postgresql-common && /usr/share/postgresql-common/pgdg/apt.postgresql.org.sh -y " +
                           "&& apt-get install -y postgresql-17";
                case "debian" or "ubuntu":
                    return "apt-get install -y postgresql";
                case "amzn":
                    return "dnf install -y postgresql15-server";
                // "fedora" is in the ID_LIKE of RHEL's family as well; its releases below 10 default to PostgreSQL 13 or older.
                case "rhel" or "centos" or "rocky" or "almalinux" or "ol" when version < 10:
                    return "dnf module install -y postgresql:16/server";
                case "fedora" or "rhel" or "centos" or "rocky" or "almalinux" or "ol":
                    return "dnf install -y postgresql-server";
                case "alpine":
                    return "apk add postgresql";
                case "arch":
                    return "pacman -S --noconfirm postgresql";
                case "suse" or "opensuse" or "opensuse-leap" or "opensuse-tumbleweed" or "sles":
                    return "zypper install -y postgresql-server";
            }
        }

        return "apt-get install -y postgresql";
    }
}
