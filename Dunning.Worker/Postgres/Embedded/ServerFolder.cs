using System.Globalization;
using System.Security.AccessControl;
using System.Security.Cryptography;
using System.Security.Principal;
using System.Text;

namespace Dunning.Postgres.Embedded;

/// <summary>
/// The folder of one server: what lies where, and who may read it.
/// <para>
/// Ours: <c>lock</c> (held alone while starting or stopping), <c>lease</c> (shared by each user of the server),
/// <c>endpoint</c>, <c>postgresql.conf</c>, <c>pg_hba.conf</c>, and an operator's <c>local.conf</c>.
/// The server's: <c>data</c>, <c>run</c> (its socket), <c>log</c>. As root these three belong to another account, and we
/// write nothing into them: that account could have left a symbolic link there for root to follow.
/// </para>
/// </summary>
internal sealed class ServerFolder
{
    /// <summary>The account in the server that we connect as. It owns everything there, as the server is ours alone.</summary>
    public const string Role = "dunning";

    /// <summary>The name is part of the socket's file name; with the socket in a private folder it need not be unique.</summary>
    public const int SocketPort = 5432;

    private const string LoopbackAddress = "127.0.0.1";

    // sockaddr_un.sun_path holds 108 bytes on Linux and 104 on macOS and BSD, a closing zero included.
    private const int SocketPathBytesMax = 103;

    private const int LogBytesMax = 16 * 1024 * 1024;
    private const int LogTailBytes = 4 * 1024;
    private const int LogTailLines = 20;

    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const UnixFileMode OthersMayPass = OwnerOnly | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;
    private const UnixFileMode OthersMayRead = OthersMayPass | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    private ServerUser? _user;

    public ServerFolder(string path)
    {
        Root = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));

        // pg_ctl pastes its paths into a shell command between double quotes.
        if (Root.AsSpan().ContainsAny(OperatingSystem.IsWindows() ? "\"%'\r\n" : "\"$`\\'\r\n"))
        {
            throw new EmbeddedServerException(
                $"The folder '{Root}' has a quote or another character in its name that PostgreSQL's programs cannot take. Choose another folder.");
        }
    }

    /// <summary>Where this user's servers live. Root's lies where the account that the server runs as may enter.</summary>
    public static string UserRoot
    {
        get
        {
            if (OperatingSystem.IsWindows())
            {
                return Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData), "Dunning");
            }

            if (Environment.IsPrivilegedProcess)
            {
                return "/var/lib/dunning";
            }

            // $XDG_DATA_HOME, or ~/.local/share, on Linux; ~/Library/Application Support on macOS.
            var data = Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify);
            return data.Length > 0
                ? Path.Combine(data, "dunning")
                : Path.Combine(Path.GetTempPath(), "dunning-" + Environment.UserName);
        }
    }

    public string Root { get; }

    public string Data => Path.Combine(Root, "data");

    public string LockFile => Path.Combine(Root, "lock");

    public string LeaseFile => Path.Combine(Root, "lease");

    /// <summary>The account that the server's programs run as; null means our own.</summary>
    public string? UserName => _user?.Name;

    public string ServerLog => Path.Combine(LogFolder, "server.log");

    public string ConfigFile => Path.Combine(Root, "postgresql.conf");

    public string LocalConfigFile => Path.Combine(Root, "local.conf");

    private string HbaFile => Path.Combine(Root, "pg_hba.conf");

    private string EndpointFile => Path.Combine(Root, "endpoint");

    private string PasswordFile => Path.Combine(Root, "password");

    private string RunFolder => Path.Combine(Root, "run");

    private string LogFolder => Path.Combine(Root, "log");

    private string InitFolderPrefix => "data.new-";

    /// <summary>The major version of the data that is already there; null for an empty folder.</summary>
    public int? DataMajor()
    {
        var versionFile = Path.Combine(Data, "PG_VERSION");
        return File.Exists(versionFile)
            ? int.Parse(File.ReadAllText(versionFile).Trim(), CultureInfo.InvariantCulture)
            : null;
    }

    /// <summary>Makes the folder, or checks that an existing one is ours to use.</summary>
    public async Task PrepareAsync(CancellationToken ct)
    {
        if (File.Exists(Path.Combine(Root, "PG_VERSION")))
        {
            throw new EmbeddedServerException(
                $"'{Root}' is the data directory of some PostgreSQL server. Name an empty folder: the embedded server makes its own data in it.");
        }

        var user = ServerUser.Choose();
        CreateFolder(Root, user is null ? OwnerOnly : OthersMayPass);
        _user = user is not null && Directory.Exists(Data) ? await OwnerOfDataAsync(user, ct) : user;
    }

    /// <summary>Makes what the server needs besides its data. To be called before it is started, under the lock.</summary>
    public async Task PrepareServerFoldersAsync(CancellationToken ct)
    {
        await CreateServerFolderAsync(RunFolder, ct);
        await CreateServerFolderAsync(LogFolder, ct);
        await RequireUserMayEnterAsync(Root, ct);
    }

    /// <summary>An empty folder for initdb, which must not find one half filled by a start that was killed.</summary>
    public async Task<string> CreateInitFolderAsync(CancellationToken ct)
    {
        foreach (var leftover in Directory.EnumerateDirectories(Root, InitFolderPrefix + "*"))
        {
            Directory.Delete(leftover, recursive: true);
        }

        var folder = Path.Combine(Root, InitFolderPrefix + RandomNumberGenerator.GetHexString(8, lowercase: true));
        await CreateServerFolderAsync(folder, ct);
        return folder;
    }

    /// <summary>Makes the password of a server on TCP and returns the file for initdb to read it from.</summary>
    public async Task<string> CreatePasswordFileAsync(CancellationToken ct)
    {
        File.Delete(PasswordFile);
        if (OperatingSystem.IsWindows())
        {
            // The folder may be configured to lie outside the profile, where a new file is readable by every user.
            var onlyMe = new FileSecurity();
            onlyMe.SetAccessRuleProtection(isProtected: true, preserveInheritance: false);
            var me = WindowsIdentity.GetCurrent().User ?? throw new EmbeddedServerException("This Windows account has no SID.");
            onlyMe.AddAccessRule(new FileSystemAccessRule(me, FileSystemRights.FullControl, AccessControlType.Allow));
            using var created = new FileInfo(PasswordFile).Create(
                FileMode.CreateNew, FileSystemRights.FullControl, FileShare.None, bufferSize: 1, FileOptions.None, onlyMe);
        }
        else
        {
            using var created = new FileStream(PasswordFile, new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.Write,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            });
        }

        await File.WriteAllTextAsync(PasswordFile, RandomNumberGenerator.GetHexString(32, lowercase: true), ct);
        await GiveToUserAsync(PasswordFile, ct);
        return PasswordFile;
    }

    /// <summary>Says where the server shall listen, and clears what an earlier one left there.</summary>
    public async Task<Endpoint> CreateEndpointAsync(bool loopbackTcp, CancellationToken ct)
    {
        DeleteEndpoint();
        if (loopbackTcp)
        {
            if (!File.Exists(PasswordFile))
            {
                throw new EmbeddedServerException(
                    $"The server in '{Root}' was made for a Unix socket and has no password, so it cannot listen on TCP. Use the socket, or another folder.");
            }

            var tcp = new Endpoint(LoopbackAddress, FreePort(), (await File.ReadAllTextAsync(PasswordFile, ct)).Trim());
            await WriteEndpointAsync(tcp, ct);
            return tcp;
        }

        var folder = RunFolder;
        if (!FitsASocket(folder))
        {
            folder = Directory.CreateTempSubdirectory("dunning-").FullName;
            await GiveToUserAsync(folder, ct);
            if (!FitsASocket(folder))
            {
                Directory.Delete(folder);
                throw new EmbeddedServerException(
                    $"Neither '{RunFolder}' nor '{folder}' can hold a Unix socket: the name is too long or has unusual characters. " +
                    "Choose a folder with a short name, or set TMPDIR=/tmp.");
            }

            await RequireUserMayEnterAsync(folder, ct);
        }

        var socket = new Endpoint(folder, SocketPort, Password: null);
        await WriteEndpointAsync(socket, ct);
        return socket;
    }

    /// <summary>Where the running server listens.</summary>
    public Endpoint? ReadEndpoint()
    {
        if (!File.Exists(EndpointFile))
        {
            return null;
        }

        var lines = File.ReadAllLines(EndpointFile);
        if (lines.Length < 2)
        {
            return null;
        }

        var port = int.Parse(lines[1], CultureInfo.InvariantCulture);
        return lines[0] == LoopbackAddress
            ? new Endpoint(LoopbackAddress, port, File.ReadAllText(PasswordFile).Trim())
            : new Endpoint(lines[0], port, Password: null);
    }

    /// <summary>Clears the socket of a server that no longer runs: one that was killed leaves it, and its lock with it.</summary>
    public void DeleteEndpoint()
    {
        if (ReadEndpoint() is { Password: null } old && Directory.Exists(old.Host))
        {
            foreach (var leftover in Directory.EnumerateFiles(old.Host, ".s.PGSQL.*"))
            {
                File.Delete(leftover);
            }

            if (old.Host != RunFolder && !Directory.EnumerateFileSystemEntries(old.Host).Any())
            {
                Directory.Delete(old.Host);
            }
        }

        File.Delete(EndpointFile);
    }

    /// <summary>Writes the server's settings anew, so that a newer Dunning's are used with older data.</summary>
    public async Task WriteConfigAsync(Endpoint endpoint, bool scratch, CancellationToken ct)
    {
        var isTcp = endpoint.Password is not null;
        var config = $"""
            # Written by Dunning at every start. Put your own settings into local.conf beside this file: they win.
            data_directory = '{Quoted(Data)}'
            hba_file = '{Quoted(HbaFile)}'
            listen_addresses = '{(isTcp ? LoopbackAddress : "")}'
            port = {endpoint.Port.ToString(CultureInfo.InvariantCulture)}
            unix_socket_directories = '{(isTcp ? "" : Quoted(endpoint.Host))}'
            unix_socket_permissions = 0700
            max_connections = 200

            # A small machine, many short transactions.
            shared_buffers = {(scratch ? "128MB" : "256MB")}
            max_wal_size = 2GB
            checkpoint_timeout = 15min
            jit = off
            # Containers give /dev/shm 64 MB, which parallel plans overrun.
            max_parallel_workers_per_gather = 0

            timezone = 'UTC'
            log_timezone = 'UTC'
            lc_messages = 'C'
            log_line_prefix = '%m [%p] '
            log_checkpoints = off
            # Statements and error details hold addresses of customers; they do not belong into a log.
            log_min_error_statement = panic
            log_error_verbosity = terse

            """;
        config += scratch
            ? """
                # A throwaway server: a power cut destroys it.
                fsync = off
                synchronous_commit = off
                full_page_writes = off
                wal_level = minimal
                max_wal_senders = 0

                """
            : """
                fsync = on
                synchronous_commit = on

                """;
        if (File.Exists(LocalConfigFile))
        {
            config += "include 'local.conf'\n";
        }

        // On a socket the private folder is the guard: only this account and root can reach it.
        var hba = isTcp
            ? $"host all all {LoopbackAddress}/32 scram-sha-256\n"
            : "local all all trust\n";

        await WriteForServerAsync(ConfigFile, config, ct);
        await WriteForServerAsync(HbaFile, hba, ct);
    }

    /// <summary>Keeps one old log: the server only ever appends.</summary>
    public void RotateLog()
    {
        var log = new FileInfo(ServerLog);
        if (log.Exists && log.Length > LogBytesMax)
        {
            log.MoveTo(ServerLog + ".1", overwrite: true);
        }
    }

    /// <summary>The last lines that the server wrote, for an error message.</summary>
    public string LogTail()
    {
        var log = new FileInfo(ServerLog);
        if (!log.Exists || log.LinkTarget is not null)
        {
            return "(the server wrote no log)";
        }

        using var file = log.Open(FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        file.Seek(-Math.Min(file.Length, LogTailBytes), SeekOrigin.End);
        using var reader = new StreamReader(file, Encoding.UTF8);
        return string.Join('\n', reader.ReadToEnd().Trim().Split('\n').TakeLast(LogTailLines));
    }

    private static string Quoted(string value) => value.Replace("'", "''", StringComparison.Ordinal).Replace('\\', '/');

    // Both programs read a comma as the start of another address, and Npgsql a semicolon as the next setting.
    private static bool FitsASocket(string folder) =>
        Encoding.UTF8.GetByteCount(Path.Combine(folder, ".s.PGSQL.5432")) <= SocketPathBytesMax
        && !folder.AsSpan().ContainsAny(",;=\" ");

    private static int FreePort()
    {
        using var listener = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        listener.Start();
        return ((System.Net.IPEndPoint)listener.LocalEndpoint).Port;
    }

    private Task WriteEndpointAsync(Endpoint endpoint, CancellationToken ct) => File.WriteAllTextAsync(
        EndpointFile, string.Create(CultureInfo.InvariantCulture, $"{endpoint.Host}\n{endpoint.Port}\n"), ct);

    private static async Task WriteForServerAsync(string path, string text, CancellationToken ct)
    {
        await File.WriteAllTextAsync(path, text, ct);
        if (!OperatingSystem.IsWindows())
        {
            // Root's umask may be 077, and the server runs as another account.
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        }
    }

    // The mode is set apart from the creation, which the umask cuts down; folders already there keep theirs.
    private static void CreateFolder(string path, UnixFileMode mode)
    {
        if (Directory.Exists(path))
        {
            return;
        }

        if (Path.GetDirectoryName(path) is { } parent)
        {
            CreateFolder(parent, OthersMayRead);
        }

        Directory.CreateDirectory(path);
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(path, mode);
        }
    }

    private async Task CreateServerFolderAsync(string path, CancellationToken ct)
    {
        if (Directory.Exists(path))
        {
            return;
        }

        CreateFolder(path, OwnerOnly);
        await GiveToUserAsync(path, ct);
    }

    private async Task GiveToUserAsync(string path, CancellationToken ct)
    {
        if (_user is null)
        {
            return;
        }

        var owner = string.Create(CultureInfo.InvariantCulture, $"{_user.Uid}:{_user.Gid}");
        var answer = await Tool.RunAsync("chown", ["-h", owner, path], user: null, "/", capture: true, ct);
        if (!answer.Succeeded)
        {
            throw new EmbeddedServerException($"'{path}' cannot be given to the account '{_user.Name}' that the server runs as: {answer.Output}");
        }
    }

    private async Task RequireUserMayEnterAsync(string folder, CancellationToken ct)
    {
        if (_user is null || OperatingSystem.IsWindows())
        {
            return;
        }

        var answer = await Tool.RunAsync("/bin/sh", ["-c", "cd -- \"$1\"", "sh", folder], _user.Name, "/", capture: true, ct);
        if (answer.Succeeded)
        {
            return;
        }

        var closed = folder;
        for (var above = folder; above is not null; above = Path.GetDirectoryName(above))
        {
            if (!File.GetUnixFileMode(above).HasFlag(UnixFileMode.OtherExecute))
            {
                closed = above;
            }
        }

        throw new EmbeddedServerException(
            $"PostgreSQL does not run as root, so it runs as '{_user.Name}', and that account may not enter '{folder}': '{closed}' is closed to it. " +
            $"Choose another folder (the default is '{EmbeddedOptions.DefaultFolder}'), or open that one with: chmod o+x '{closed}'");
    }

    // As root: the server must run as the owner of its data, whoever made it.
    private async Task<ServerUser> OwnerOfDataAsync(ServerUser preferred, CancellationToken ct)
    {
        string[] format = OperatingSystem.IsMacOS() ? ["-f", "%u %g %Su"] : ["-c", "%u %g %U"];
        var answer = await Tool.RunAsync("stat", [.. format, Data], user: null, "/", capture: true, ct);
        var fields = answer.Output.Split(' ');
        if (!answer.Succeeded || fields.Length != 3)
        {
            throw new EmbeddedServerException($"The owner of '{Data}' cannot be found out: {answer.Output}");
        }

        var owner = new ServerUser(
            fields[2],
            int.Parse(fields[0], CultureInfo.InvariantCulture),
            int.Parse(fields[1], CultureInfo.InvariantCulture));
        return owner.Uid == 0 || owner.Name is "UNKNOWN"
            ? throw new EmbeddedServerException(
                $"'{Data}' belongs to the account {fields[0]} ({owner.Name}), which PostgreSQL cannot run as. " +
                $"Give it to '{preferred.Name}' with: chown -R {preferred.Name} '{Data}'")
            : owner;
    }

}

/// <summary>Where a server listens: a folder with its socket, or loopback with a password.</summary>
internal sealed record Endpoint(string Host, int Port, string? Password)
{
    // A record prints its fields, and this one may end up in a log.
    private bool PrintMembers(StringBuilder text)
    {
        text.Append(CultureInfo.InvariantCulture, $"{Host}:{Port}");
        return true;
    }
}
