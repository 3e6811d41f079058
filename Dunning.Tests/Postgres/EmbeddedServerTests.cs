using System.Diagnostics;
using System.Globalization;
using Dunning.Postgres.Embedded;
using Npgsql;
using Xunit;

namespace Dunning.Tests.Postgres;

/// <summary>
/// The private server, with real PostgreSQL programs: how it starts, shares, survives what kills it, and goes.
/// The folders lie where root's server account may enter, which the repository's may not.
/// </summary>
public sealed class EmbeddedServerTests(EmbeddedServerTests.MadeFolder made) : IClassFixture<EmbeddedServerTests.MadeFolder>, IDisposable
{
    private readonly string _folder = NewFolder();

    public void Dispose()
    {
        if (Directory.Exists(_folder))
        {
            Directory.Delete(_folder, recursive: true);
        }
    }

    [Fact]
    public async Task Start_keeps_data_between_starts_and_a_clean_stop_leaves_no_process()
    {
        int pid;
        await using (var server = await StartAsync())
        {
            pid = PidOf(server);
            Assert.True(await server.EnsureDatabaseAsync("book"));
            Assert.False(await server.EnsureDatabaseAsync("book"));
            await ExecuteAsync(server, "create table t as select 42 as answer");
            Assert.True(IsRunning(pid));
            Assert.StartsWith(File.ReadAllText(Path.Combine(server.DataDirectory, "PG_VERSION")).Trim(), server.Version, StringComparison.Ordinal);
        }

        Assert.False(IsRunning(pid));
        Assert.False(File.Exists(Path.Combine(_folder, "data", "postmaster.pid")));

        await using (var again = await StartAsync())
        {
            Assert.Equal(42, await ScalarAsync(again, "select answer from t"));
        }
    }

    [Fact]
    public async Task Start_is_durable_unless_scratch_and_the_server_is_utf8_in_byte_order()
    {
        await using var server = await EmbeddedServer.StartAsync(new EmbeddedOptions { Folder = _folder });
        await server.CreateDatabaseAsync("book");
        Assert.Equal("on on on UTF8 C UTC", await ScalarAsync(server, """
            select concat_ws(' ', current_setting('fsync'), current_setting('synchronous_commit'), current_setting('full_page_writes'),
                current_setting('server_encoding'), (select datcollate from pg_database where datname = current_database()), current_setting('timezone'))
            """));
    }

    [Fact]
    public async Task Start_restarts_a_leftover_scratch_server_that_would_not_be_durable()
    {
        await using (var scratch = await StartOnMadeDataAsync())
        {
            var shared = await Assert.ThrowsAsync<EmbeddedServerException>(
                () => EmbeddedServer.StartAsync(new EmbeddedOptions { Folder = _folder }));
            Assert.Contains("without flushing", shared.Message, StringComparison.Ordinal);
        }

        await StartWithoutOwnerAsync();
        await using var server = await EmbeddedServer.StartAsync(new EmbeddedOptions { Folder = _folder });
        Assert.Equal("on", await ScalarAsync(server, "show fsync"));
    }

    [Fact]
    public async Task Start_recovers_after_the_postmaster_was_killed()
    {
        // Durable: a scratch server may rightly lose what it has just confirmed.
        await using var first = await StartOnMadeDataAsync(scratch: false);
        await ExecuteAsync(first, "create table t as select 42 as answer");
        var killed = PidOf(first);
        Kill(killed);

        await using var second = await StartOnMadeDataAsync(scratch: false);
        Assert.NotEqual(killed, PidOf(second));
        Assert.Equal(42, await ScalarAsync(second, "select answer from t"));
    }

    [Fact]
    public async Task Start_ignores_a_stale_pid_that_now_belongs_to_an_unrelated_process()
    {
        await using (await StartOnMadeDataAsync())
        {
        }

        // Of the server's own account, since PostgreSQL itself steps over those of others.
        using var stranger = await StartAsServerUserAsync("/bin/sleep", "60");
        var stale = Path.Combine(_folder, "data", "postmaster.pid");
        await File.WriteAllTextAsync(stale, string.Create(CultureInfo.InvariantCulture, $"{stranger.Id}\n{_folder}/data\n1\n5432\n{_folder}/run\n\n0 0\nready\n"));
        await File.WriteAllTextAsync(Path.Combine(_folder, "run", ".s.PGSQL.5432.lock"), string.Create(CultureInfo.InvariantCulture, $"{stranger.Id}\n"));

        try
        {
            await using var second = await StartOnMadeDataAsync();
            Assert.Equal(1, await ScalarAsync(second, "select 1"));
            Assert.False(stranger.HasExited);
        }
        finally
        {
            stranger.Kill();
        }
    }

    [Fact]
    public async Task Start_removes_an_empty_pid_file_and_a_half_made_data_directory()
    {
        await using (await StartOnMadeDataAsync())
        {
        }

        await File.WriteAllTextAsync(Path.Combine(_folder, "data", "postmaster.pid"), "");
        Directory.CreateDirectory(Path.Combine(_folder, "data.new-0badf00d", "base"));
        await using (await StartAsync())
        {
        }

        Directory.Delete(Path.Combine(_folder, "data"), recursive: true);
        await using (await StartAsync())
        {
        }

        Assert.Empty(Directory.EnumerateDirectories(_folder, "data.new-*"));
    }

    [Fact]
    public async Task Starts_at_once_on_an_empty_folder_share_one_server_and_the_last_stops_it()
    {
        var servers = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => StartAsync())));
        var pid = Assert.Single(servers.Select(PidOf).Distinct());
        var made = await Task.WhenAll(servers.Select(server => server.EnsureDatabaseAsync("book")));
        Assert.Single(made, isMade => isMade);

        foreach (var server in servers[..^1])
        {
            await server.DisposeAsync();
            Assert.True(IsRunning(pid));
        }

        Assert.Equal(1, await ScalarAsync(servers[^1], "select 1"));
        await servers[^1].DisposeAsync();
        Assert.False(IsRunning(pid));
    }

    [Fact]
    public async Task Start_adopts_a_server_that_was_left_running()
    {
        await using (await StartOnMadeDataAsync())
        {
        }

        await StartWithoutOwnerAsync();
        var left = int.Parse(File.ReadLines(Path.Combine(_folder, "data", "postmaster.pid")).First(), CultureInfo.InvariantCulture);

        await using (var adopted = await StartAsync())
        {
            Assert.Equal(left, PidOf(adopted));
            Assert.Equal(1, await ScalarAsync(adopted, "select 1"));
        }

        Assert.False(IsRunning(left));
    }

    [Fact]
    public async Task Start_as_root_runs_the_server_as_an_unprivileged_account()
    {
        await using var server = await StartOnMadeDataAsync();
        if (OperatingSystem.IsLinux())
        {
            var uid = UidOf(PidOf(server));
            Assert.NotEqual(0, uid);
            Assert.Equal(Environment.IsPrivilegedProcess, uid != UidOf(Environment.ProcessId));
            Assert.Equal(
                UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute,
                File.GetUnixFileMode(Path.Combine(_folder, "run")));
        }
    }

    [Fact]
    public async Task Start_as_root_names_the_folder_that_the_server_account_may_not_enter()
    {
        if (OperatingSystem.IsWindows() || !Environment.IsPrivilegedProcess)
        {
            return;
        }

        Directory.CreateDirectory(_folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var inside = Path.Combine(_folder, "pg");
        var refused = await Assert.ThrowsAsync<EmbeddedServerException>(
            () => EmbeddedServer.StartAsync(new EmbeddedOptions { Folder = inside, Scratch = true }));
        Assert.Contains($"'{_folder}' is closed", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_puts_the_socket_elsewhere_when_the_folders_name_is_too_long_for_one()
    {
        var inside = Path.Combine(_folder, new string('x', 120), "with a space");
        string socketFolder;
        await using (var server = await StartOnMadeDataAsync(inside))
        {
            socketFolder = new NpgsqlConnectionStringBuilder(server.ConnectionString("postgres")).Host!;
            Assert.Equal(1, await ScalarAsync(server, "select 1"));

            await using var shared = await StartOnMadeDataAsync(inside);
            Assert.Equal(PidOf(server), PidOf(shared));
        }

        Assert.False(Directory.Exists(socketFolder));
    }

    [Fact]
    public async Task Start_on_loopback_asks_for_the_generated_password()
    {
        var options = new EmbeddedOptions { Folder = _folder, Scratch = true, LoopbackTcp = true };
        await using (var first = await EmbeddedServer.StartAsync(options))
        {
            await first.CreateDatabaseAsync("book");
        }

        await using var server = await EmbeddedServer.StartAsync(options);
        Assert.Equal("127.0.0.1", await ScalarAsync(server, "select host(inet_server_addr())"));

        var wrong = new NpgsqlConnectionStringBuilder(server.ConnectionString("book")) { Password = "guess", Pooling = false };
        await using var connection = new NpgsqlConnection(wrong.ConnectionString);
        var refused = await Assert.ThrowsAsync<PostgresException>(() => connection.OpenAsync());
        Assert.Equal(PostgresErrorCodes.InvalidPassword, refused.SqlState);
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(_folder, "password")));
        }
    }

    [Fact]
    public async Task Start_shows_the_log_when_the_server_refuses_its_settings()
    {
        Directory.CreateDirectory(_folder);
        await File.WriteAllTextAsync(Path.Combine(_folder, "local.conf"), "no_such_setting = 1\n");
        var refused = await Assert.ThrowsAsync<EmbeddedServerException>(() => StartAsync());
        Assert.Contains("no_such_setting", refused.Message, StringComparison.Ordinal);
        Assert.Contains("local.conf", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_cancelled_leaves_no_process()
    {
        using var cancel = new CancellationTokenSource();
        var starting = StartAsync(ct: cancel.Token);
        var pidFile = Path.Combine(_folder, "data", "postmaster.pid");
        while (!File.Exists(pidFile) && !starting.IsCompleted)
        {
            await Task.Delay(1);
        }

        await cancel.CancelAsync();
        try
        {
            await (await starting).DisposeAsync();
        }
        catch (OperationCanceledException)
        {
            // The usual outcome; a fast machine may have been done before.
        }

        Assert.False(File.Exists(pidFile));
    }

    [Fact]
    public async Task Scratch_server_is_deleted_with_its_owner()
    {
        string folder;
        await using (var server = await EmbeddedServer.StartAsync(new EmbeddedOptions { Scratch = true }))
        {
            folder = server.Folder;
            await server.CreateDatabaseAsync("one");
            await server.CreateDatabaseAsync("a \"copy\"", template: "one");
            await server.DropDatabaseAsync("a \"copy\"");
            await server.DropDatabaseAsync("never was");
            Assert.Equal("off", await ScalarAsync(server, "show fsync", "one"));
        }

        Assert.False(Directory.Exists(folder));
    }

    [Fact]
    public async Task Find_gives_null_without_binaries_and_Start_says_how_to_install_them()
    {
        Directory.CreateDirectory(_folder);
        Assert.Null(await PostgresBinaries.FindAsync(_folder));
        Assert.Null(await PostgresBinaries.FindAsync(major: 9));

        var refused = await Assert.ThrowsAsync<EmbeddedServerException>(
            () => EmbeddedServer.StartAsync(new EmbeddedOptions { Folder = _folder, BinariesFolder = _folder }));
        Assert.Contains(PostgresInstall.Command(), refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_names_the_version_that_made_the_data_when_it_is_missing()
    {
        Directory.CreateDirectory(Path.Combine(_folder, "data"));
        await File.WriteAllTextAsync(Path.Combine(_folder, "data", "PG_VERSION"), "9\n");
        if (Environment.IsPrivilegedProcess)
        {
            await RunAsync("chown", "-R", "nobody", Path.Combine(_folder, "data"));
        }

        var refused = await Assert.ThrowsAsync<EmbeddedServerException>(() => StartAsync());
        Assert.Contains("made by PostgreSQL 9", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_refuses_a_folder_that_is_some_servers_data_directory()
    {
        Directory.CreateDirectory(_folder);
        await File.WriteAllTextAsync(Path.Combine(_folder, "PG_VERSION"), "15\n");
        var refused = await Assert.ThrowsAsync<EmbeddedServerException>(() => StartAsync());
        Assert.Contains("data directory of some", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("ID=debian\nVERSION_ID=\"12\"", "apt-get install -y postgresql")]
    [InlineData("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\nVERSION_ID=\"21\"", "apt-get install -y postgresql")]
    [InlineData("ID=ubuntu\nVERSION_ID=\"24.04\"", "apt-get install -y postgresql")]
    [InlineData("ID=fedora\nVERSION_ID=42", "dnf install -y postgresql-server")]
    [InlineData("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"9.4\"", "dnf module install -y postgresql:16/server")]
    [InlineData("ID=\"rhel\"\nID_LIKE=\"fedora\"\nVERSION_ID=\"10.0\"", "dnf install -y postgresql-server")]
    [InlineData("ID=alpine\nVERSION_ID=3.21.0", "apk add postgresql")]
    [InlineData("ID=manjaro\nID_LIKE=arch", "pacman -S --noconfirm postgresql")]
    [InlineData("", "apt-get install -y postgresql")]
    public void CommandForLinux_reads_os_release(string osRelease, string command) =>
        Assert.Equal(command, PostgresInstall.CommandForLinux(osRelease));

    [Fact]
    public void CommandForLinux_takes_newer_packages_where_the_systems_own_are_too_old() =>
        Assert.EndsWith("postgresql-17", PostgresInstall.CommandForLinux("ID=ubuntu\nVERSION_ID=\"22.04\""), StringComparison.Ordinal);

    [Fact]
    public async Task TestServer_gives_each_caller_an_empty_database()
    {
        var databases = await Task.WhenAll(TestServer.NewDatabaseAsync(), TestServer.NewDatabaseAsync());
        Assert.NotEqual(databases[0], databases[1]);
        foreach (var database in databases)
        {
            await using var connection = new NpgsqlConnection(database);
            await connection.OpenAsync();
            await using var create = new NpgsqlCommand("create table t (); select count(*) from t", connection);
            Assert.Equal(0L, await create.ExecuteScalarAsync());
        }
    }

    private static string NewFolder() => Path.Combine(Path.GetTempPath(), "dt-" + Guid.NewGuid().ToString("N")[..8]);

    private Task<EmbeddedServer> StartAsync(string? folder = null, CancellationToken ct = default) =>
        EmbeddedServer.StartAsync(new EmbeddedOptions { Folder = folder ?? _folder, Scratch = true }, ct);

    /// <summary>Starts on data made before, with the database <c>book</c>: initdb is most of the time of a test.</summary>
    private async Task<EmbeddedServer> StartOnMadeDataAsync(string? folder = null, bool scratch = true)
    {
        folder ??= _folder;
        if (!Directory.Exists(folder) && !OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(Path.GetDirectoryName(folder)!);
            await RunAsync("cp", "-a", made.Folder, folder);
        }

        var server = await EmbeddedServer.StartAsync(new EmbeddedOptions { Folder = folder, Scratch = scratch });
        await server.EnsureDatabaseAsync("book");
        return server;
    }

    /// <summary>The folder of a stopped server, to be copied.</summary>
    public sealed class MadeFolder : IAsyncLifetime
    {
        /// <summary>Where it is.</summary>
        public string Folder { get; } = NewFolder();

        /// <inheritdoc/>
        public async Task InitializeAsync()
        {
            await using var server = await EmbeddedServer.StartAsync(new EmbeddedOptions { Folder = Folder, Scratch = true });
            await server.CreateDatabaseAsync("book");
        }

        /// <inheritdoc/>
        public Task DisposeAsync()
        {
            Directory.Delete(Folder, recursive: true);
            return Task.CompletedTask;
        }
    }

    /// <summary>Starts the server as a killed Dunning leaves it: running, with nobody holding the lease.</summary>
    private async Task StartWithoutOwnerAsync()
    {
        var binaries = await PostgresBinaries.FindAsync() ?? throw new InvalidOperationException("No PostgreSQL here.");
        await File.WriteAllTextAsync(Path.Combine(_folder, "endpoint"), $"{Path.Combine(_folder, "run")}\n5432\n");
        using var pgCtl = await StartAsServerUserAsync(
            Path.Combine(binaries.Folder, "pg_ctl"),
            "start", "-s", "-w", "-D", Path.Combine(_folder, "data"), "-l", Path.Combine(_folder, "log", "server.log"),
            "-o", $"-c config_file={Path.Combine(_folder, "postgresql.conf")}");
        await pgCtl.WaitForExitAsync();
        Assert.Equal(0, pgCtl.ExitCode);
    }

    private async Task<Process> StartAsServerUserAsync(string file, params string[] arguments)
    {
        var start = new ProcessStartInfo(file, arguments) { WorkingDirectory = "/" };
        if (Environment.IsPrivilegedProcess)
        {
            start.UserName = (await RunAsync("stat", "-c", "%U", Path.Combine(_folder, "data"))).Trim();
        }

        return Process.Start(start)!;
    }

    private static async Task<string> RunAsync(string file, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(file, arguments) { RedirectStandardOutput = true })!;
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.Equal(0, process.ExitCode);
        return output;
    }

    private static int PidOf(EmbeddedServer server) =>
        int.Parse(File.ReadLines(Path.Combine(server.DataDirectory, "postmaster.pid")).First(), CultureInfo.InvariantCulture);

    private static int UidOf(int pid)
    {
        var line = File.ReadLines(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/status")).First(l => l.StartsWith("Uid:", StringComparison.Ordinal));
        return int.Parse(line.Split('\t')[1], CultureInfo.InvariantCulture);
    }

    // A killed server may stay a while as a zombie, which is no longer a server.
    private static bool IsRunning(int pid)
    {
        try
        {
            using var process = Process.GetProcessById(pid);
            return !OperatingSystem.IsLinux() || File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/cmdline")).Length > 0;
        }
        catch (Exception e) when (e is ArgumentException or IOException)
        {
            return false;
        }
    }

    private static void Kill(int pid)
    {
        using var process = Process.GetProcessById(pid);
        process.Kill();
        Assert.True(SpinWait.SpinUntil(() => !IsRunning(pid), 10_000));
    }

    private static async Task ExecuteAsync(EmbeddedServer server, string sql) => await ScalarAsync(server, sql);

    private static async Task<object?> ScalarAsync(EmbeddedServer server, string sql, string database = "book")
    {
        var settings = new NpgsqlConnectionStringBuilder(server.ConnectionString(database)) { Pooling = false };
        await using var connection = new NpgsqlConnection(settings.ConnectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync();
    }
}
