using System.Globalization;

namespace Dunning.Postgres.Embedded;

/// <summary>The account the server runs as when we are root: PostgreSQL refuses to run as root.</summary>
internal sealed record ServerUser(string Name, int Uid, int Gid)
{
    private static readonly string[] Preferred = ["postgres", "_postgres", "nobody"];

    /// <summary>Null when the server simply runs as we do: an ordinary user, or Windows (pg_ctl drops rights there itself).</summary>
    public static ServerUser? Choose()
    {
        if (OperatingSystem.IsWindows() || !Environment.IsPrivilegedProcess)
        {
            return null;
        }

        var accounts = File.ReadLines("/etc/passwd")
            .Select(line => line.Split(':'))
            .Where(fields => fields.Length >= 4)
            .ToLookup(fields => fields[0], StringComparer.Ordinal);
        foreach (var name in Preferred)
        {
            if (accounts[name].FirstOrDefault() is { } fields)
            {
                return new ServerUser(
                    name,
                    int.Parse(fields[2], CultureInfo.InvariantCulture),
                    int.Parse(fields[3], CultureInfo.InvariantCulture));
            }
        }

        throw new EmbeddedServerException(
            "PostgreSQL does not run as root, and /etc/passwd has neither 'postgres' nor 'nobody' to run it as. " +
            "Start Dunning as an ordinary user, or add the account 'postgres'.");
    }
}
