using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using System.Runtime.Versioning;
using System.Text.RegularExpressions;
using Dunning.Hosting.Managed;

namespace Dunning.Commands;

/// <summary><c>service install|uninstall</c>: hands the program to this machine's service manager, or takes it back.</summary>
internal static partial class ServiceCommand
{
    private const string UnitFolder = "/etc/systemd/system";
    private const string UnitResource = "deploy/systemd/dunning.service";

    public static Command Create(CommandContext context) => new(
        "service",
        """
        Hand the program over to this machine's service manager (Windows's, or systemd), or take it back. As an administrator, or root.

          dunning service install --config /etc/dunning/dunning.json
        """)
    { Install(context), Uninstall(context), Run(context) };

    private static Command Install(CommandContext context)
    {
        var (name, user, isDry) = (Name(), User(), new Option<bool>("--dry-run") { Description = "Show what would be done, and do nothing" });
        var command = new Command("install",
            """
            Install this very file as a service that starts with the machine, with the settings of --config. Its state goes to /var/lib/dunning, on Windows,
            with its log, to the folder of its settings. It is not started yet: try the settings with 'dunning doctor' first.
            """)
        { name, user, isDry };
        command.SetAction(async (parsed, ct) =>
        {
            var config = (parsed.GetValue(context.Options.Config)?.FullName)
                ?? throw new CommandException("name the service's settings with --config, such as --config " + (OperatingSystem.IsWindows() ? @"C:\ProgramData\Dunning\dunning.json" : "/etc/dunning/dunning.json"));
            if (!File.Exists(config))
            {
                throw new CommandException($"{config} is not there: write it first; 'dunning config reference' lists the keys");
            }
            var (called, program) = (parsed.GetValue(name)!, Program());
            return OperatingSystem.IsWindows()
                ? await DoAsync(context, WindowsInstall(called, program, config, parsed.GetValue(user)), parsed.GetValue(isDry), $"start it with: sc.exe start {called}", ct)
                : await InstallUnitAsync(context, called, UnitOf(ReadUnit(), program, config, parsed.GetValue(user) ?? "dunning"), parsed.GetValue(user) ?? "dunning", parsed.GetValue(isDry), ct);
        });
        return command;
    }

    private static Command Uninstall(CommandContext context)
    {
        var (name, isDry) = (Name(), new Option<bool>("--dry-run") { Description = "Show what would be done, and do nothing" });
        var command = new Command("uninstall", "Stop the service and take it from the service manager. Settings, state and database stay.") { name, isDry };
        command.SetAction(async (parsed, ct) =>
        {
            var called = parsed.GetValue(name)!;
            if (OperatingSystem.IsWindows())
            {
                return await DoAsync(context, [["sc.exe", "stop", called], ["sc.exe", "delete", called]], parsed.GetValue(isDry), "settings, state and database are left", ct, optional: 1);
            }
            var unit = Path.Combine(UnitFolder, called + ".service");
            if (!File.Exists(unit))
            {
                throw new CommandException($"{unit} is not there: nothing to take away");
            }
            if (parsed.GetValue(isDry))
            {
                await context.Output.WriteLineAsync($"systemctl disable --now {called}.service\nrm {unit}\nsystemctl daemon-reload");
                return CommandLine.Ok;
            }
            if (IsSystemdRunning && await CallAsync(context, ["systemctl", "disable", "--now", called + ".service"], ct) is not 0 and var stopped)
            {
                throw new CommandException($"systemctl could not stop it (exit code {stopped}); nothing was taken away");
            }
            File.Delete(unit);
            if (IsSystemdRunning)
            {
                await CallAsync(context, ["systemctl", "daemon-reload"], ct);
            }
            await context.Output.WriteLineAsync($"{unit} is gone; settings, /var/lib/dunning and the database are left");
            return CommandLine.Ok;
        });
        return command;
    }

    // What Windows's service manager starts.
    private static Command Run(CommandContext context)
    {
        var name = Name();
        var command = new Command("run", "Run as Windows's service manager starts it; by hand it is 'dunning run'") { name };
        command.Hidden = true;
        command.SetAction((parsed, _) =>
        {
            if (!OperatingSystem.IsWindows())
            {
                throw new CommandException("'service run' is for Windows's service manager; here the service runs by 'dunning run'");
            }
            return Task.FromResult(RunOnWindows(context, parsed, parsed.GetValue(name)!));
        });
        return command;
    }

    [SupportedOSPlatform("windows")]
    private static int RunOnWindows(CommandContext context, ParseResult parsed, string name) =>
        WindowsService.Run(name, async (manager, ct) =>
        {
            // A service has no console: all that would be told there, its log too, goes into a file beside its settings.
            var folder = parsed.GetValue(context.Options.Config)?.DirectoryName
                ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.CommonApplicationData), "Dunning");
            Directory.CreateDirectory(folder);
            Directory.SetCurrentDirectory(folder);
            await using var file = new LogFile(Path.Combine(folder, name + ".log"));
            Console.SetOut(file.Writer());
            Console.SetError(file.Writer());
            await using var log = file.Writer();
            try
            {
                return await RunCommand.RunAsync(context with { Output = log, Error = log }, parsed, manager, ct);
            }
            catch (Exception e)
            {
                await log.WriteLineAsync("dunning: " + (CommandLine.Explain(e) ?? e.ToString()));
                return CommandLine.Failed;
            }
        }) is var code && code == WindowsService.NotAService
            ? throw new CommandException("'service run' is for Windows's service manager; by hand the service runs by 'dunning run'") : code;

    /// <summary>What makes a Windows service: automatic start, started again when it ends by itself, and a state folder.</summary>
    internal static IReadOnlyList<string[]> WindowsInstall(string name, string program, string config, string? user) =>
    [
        ["sc.exe", "create", name, "binPath=", $"\"{program}\" service run --name {name} --config \"{config}\"", "start=", "delayed-auto", "DisplayName=", "Dunning",
            "obj=", user ?? $@"NT SERVICE\{name}"],
        ["sc.exe", "description", name, "Renewals, charges and reminders"],
        // Started again after 5 s, 30 s and then each minute; counted anew after a day. Also when it ends with an exit code, not only when it crashes.
        ["sc.exe", "failure", name, "reset=", "86400", "actions=", "restart/5000/restart/30000/restart/60000"],
        ["sc.exe", "failureflag", name, "1"],
        ["sc.exe", "sidtype", name, "unrestricted"],
    ];

    /// <summary>The unit with this program, its settings and its user.</summary>
    internal static string UnitOf(string unit, string program, string config, string user)
    {
        // systemd takes percent signs and backslashes for its own, and quotes what has spaces.
        var text = ExecStart().Replace(unit, $"ExecStart={Quoted(program)} run --config {Quoted(config)}".Replace("$", "$$", StringComparison.Ordinal));
        text = UserLine().Replace(text, "User=" + user);
        return GroupLine().Replace(text, "Group=" + user);

        static string Quoted(string path)
        {
            var escaped = path.Replace("%", "%%", StringComparison.Ordinal).Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal);
            return escaped.Contains(' ', StringComparison.Ordinal) ? $"\"{escaped}\"" : escaped;
        }
    }

    internal static string ReadUnit()
    {
        using var reader = new StreamReader(Assembly.GetExecutingAssembly().GetManifestResourceStream(UnitResource)!);
        return reader.ReadToEnd();
    }

    private static async Task<int> InstallUnitAsync(CommandContext context, string name, string unit, string user, bool isDry, CancellationToken ct)
    {
        var file = Path.Combine(UnitFolder, name + ".service");
        if (isDry)
        {
            await context.Output.WriteAsync($"# {file}\n{unit}");
            return CommandLine.Ok;
        }
        if (File.Exists(file))
        {
            throw new CommandException($"{file} is there already: 'dunning service uninstall' takes it away; an upgrade only replaces the program and restarts the service");
        }
        if (!Directory.Exists("/run/systemd") && !Directory.Exists(UnitFolder))
        {
            throw new CommandException("this machine has no systemd: run 'dunning run' under what it has, which may stop it by SIGTERM");
        }
        if (await CallAsync(context, ["getent", "passwd", user], ct, quiet: true) != 0
            && await CallAsync(context, ["useradd", "--system", "--home-dir", "/var/lib/dunning", "--shell", "/usr/sbin/nologin", "--user-group", user], ct) is not 0 and var made)
        {
            throw new CommandException($"the user {user} can't be made (useradd ended with {made}): run it as root");
        }
        try
        {
            Directory.CreateDirectory(UnitFolder);
            await File.WriteAllTextAsync(file, unit, ct);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CommandException($"{file} can't be written: {e.Message} Run it as root");
        }
        if (IsSystemdRunning)
        {
            await CallAsync(context, ["systemctl", "daemon-reload"], ct);
            await CallAsync(context, ["systemctl", "enable", name + ".service"], ct);
        }
        await context.Output.WriteLineAsync($"{file} is written. Start it with: systemctl {(IsSystemdRunning ? "start" : "enable --now")} {name}");
        return CommandLine.Ok;
    }

    private static bool IsSystemdRunning => Directory.Exists("/run/systemd/system");

    private static async Task<int> DoAsync(CommandContext context, IReadOnlyList<string[]> calls, bool isDry, string done, CancellationToken ct, int optional = 0)
    {
        foreach (var (call, index) in calls.Select((c, i) => (c, i)))
        {
            if (isDry)
            {
                await context.Output.WriteLineAsync(string.Join(' ', call.Select(a => a.Contains(' ', StringComparison.Ordinal) ? $"\"{a.Replace("\"", "\\\"", StringComparison.Ordinal)}\"" : a)));
            }
            else if (await CallAsync(context, call, ct) is not 0 and var code && index >= optional)
            {
                throw new CommandException(string.Create(CultureInfo.InvariantCulture, $"{call[0]} {call[1]} ended with {code}: run it as an administrator"));
            }
        }
        await context.Output.WriteLineAsync(isDry ? "nothing was done" : done);
        return CommandLine.Ok;
    }

    private static async Task<int> CallAsync(CommandContext context, string[] call, CancellationToken ct, bool quiet = false)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(call[0], call[1..]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            var (output, error) = (process.StandardOutput.ReadToEndAsync(ct), process.StandardError.ReadToEndAsync(ct));
            await process.WaitForExitAsync(ct);
            if (!quiet)
            {
                await context.Error.WriteAsync((await output + await error).AsMemory(), ct);
            }
            return process.ExitCode;
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new CommandException($"{call[0]} can't be run: {e.Message}");
        }
    }

    // The program itself; when it was started by 'dotnet Dunning.Worker.dll' there is none to hand over.
    private static string Program() => Environment.ProcessPath is { } path && !Path.GetFileNameWithoutExtension(path).Equals("dotnet", StringComparison.OrdinalIgnoreCase)
        ? path : throw new CommandException("install the published program, not the build: deploy/publish.sh makes it");

    private static Option<string> Name()
    {
        var name = new Option<string>("--name") { Description = "The service's name", DefaultValueFactory = _ => "dunning" };
        name.Validators.Add(result =>
        {
            if (result.Tokens.Count > 0 && !ServiceName().IsMatch(result.Tokens[^1].Value))
            {
                result.AddError("--name must be 1 to 40 letters, digits, '-' or '_', such as dunning");
            }
        });
        return name;
    }

    private static Option<string?> User() => new("--user")
    {
        Description = "The account that it runs as. Default: dunning, which is made when it is missing; on Windows the service's own virtual account",
    };

    [GeneratedRegex("^ExecStart=.*$", RegexOptions.Multiline | RegexOptions.CultureInvariant)]
    private static partial Regex ExecStart();

    [GeneratedRegex("^User=.*$", RegexOptions.Multiline | RegexOptions.CultureInvariant)]
    private static partial Regex UserLine();

    [GeneratedRegex("^Group=.*$", RegexOptions.Multiline | RegexOptions.CultureInvariant)]
    private static partial Regex GroupLine();

    [GeneratedRegex("^[A-Za-z0-9_-]{1,40}$", RegexOptions.CultureInvariant)]
    private static partial Regex ServiceName();
}
