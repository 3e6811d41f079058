using System.Diagnostics;
using Dunning.Commands;

namespace Dunning.Tests.Commands;

/// <summary>What hands the program to a service manager is what that manager understands.</summary>
public sealed class ServiceCommandTests
{
    [Fact]
    public void The_unit_names_the_program_the_settings_and_the_user()
    {
        var unit = ServiceCommand.UnitOf(ServiceCommand.ReadUnit(), "/opt/my apps/100%/dunning", "/etc/dunning/dunning.json", "billing");
        Assert.Contains("\nExecStart=\"/opt/my apps/100%%/dunning\" run --config /etc/dunning/dunning.json\n", unit);
        Assert.Contains("\nUser=billing\nGroup=billing\n", unit);
        foreach (var line in (string[])["Type=notify", "WatchdogSec=120", "NoNewPrivileges=true", "ProtectSystem=strict", "CapabilityBoundingSet=", "SystemCallFilter=@system-service"])
        {
            Assert.Contains($"\n{line}\n", unit);
        }
    }

    [Fact]
    public async Task Systemd_finds_no_fault_with_the_unit()
    {
        if (!File.Exists("/usr/bin/systemd-analyze"))
        {
            return;
        }
        var folder = Directory.CreateTempSubdirectory("dunning-unit-").FullName;
        try
        {
            // It wants a program that is there.
            var file = Path.Combine(folder, "dunning.service");
            await File.WriteAllTextAsync(file, ServiceCommand.UnitOf(ServiceCommand.ReadUnit(), "/bin/true", "/etc/dunning/dunning.json", "root"));
            var (code, said) = await AnalyzeAsync("verify", "--man=no", file);
            Assert.True(code == 0 && said == "", $"{code}: {said}");

            // And one that is not right is found.
            await File.WriteAllTextAsync(file, (await File.ReadAllTextAsync(file)).Replace("WatchdogSec=", "WatchdogSeconds=", StringComparison.Ordinal));
            Assert.Contains("WatchdogSeconds", (await AnalyzeAsync("verify", "--man=no", file)).Said);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void On_Windows_the_service_starts_this_program_with_its_settings_and_is_started_again()
    {
        var calls = ServiceCommand.WindowsInstall("dunning", @"C:\Program Files\Dunning\dunning.exe", @"C:\ProgramData\Dunning\dunning.json", null);
        Assert.Equal(
            ["sc.exe", "create", "dunning", "binPath=", "\"C:\\Program Files\\Dunning\\dunning.exe\" service run --name dunning --config \"C:\\ProgramData\\Dunning\\dunning.json\"",
                "start=", "delayed-auto", "DisplayName=", "Dunning", "obj=", @"NT SERVICE\dunning"],
            calls[0]);
        Assert.Contains(calls, c => c is ["sc.exe", "failure", "dunning", ..]);
        // sc.exe wants each option's name with its '=' as one argument, and its value as the next.
        Assert.All(calls[0].Skip(3).Where((_, i) => i % 2 == 0), name => Assert.EndsWith("=", name));
    }

    [Fact]
    public async Task A_service_run_by_hand_is_refused_with_what_to_do()
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }
        var error = new StringWriter();
        Assert.Equal(2, await CommandLine.RunAsync(["service", "run"], TextWriter.Null, error));
        Assert.Contains("dunning run", error.ToString());
        Assert.Equal(2, await CommandLine.RunAsync(["service", "install"], TextWriter.Null, error));
        Assert.Contains("--config", error.ToString());
    }

    private static async Task<(int Code, string Said)> AnalyzeAsync(params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("systemd-analyze", arguments) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(60));
        return (process.ExitCode, await output + await error);
    }
}
