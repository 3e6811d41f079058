using System.CommandLine;
using Dunning.Hosting;
using Dunning.Hosting.Managed;
using Dunning.Jobs;
using Dunning.Ops.SignIn;
using Dunning.Postgres;

namespace Dunning.Commands;

/// <summary><c>run</c>, the default: the service.</summary>
internal static class RunCommand
{
    public static Command Create(CommandContext context)
    {
        var command = new Command("run",
            """
            Run the service: the passes as recurring jobs, a health page, and the pages for operators. Stop it with Ctrl-C or
            SIGTERM: what is under way is finished and saved first, for ten seconds at most. SIGHUP: settings are read anew, as far as a running
            service can take them. This is what 'dunning' alone does.

              dunning run --set Http:Urls=http://127.0.0.1:5081
            """);
        command.SetAction((parsed, ct) => RunAsync(context, parsed, ct));
        return command;
    }

    public static async Task<int> RunAsync(CommandContext context, ParseResult parsed, CancellationToken ct)
    {
        using var systemd = SystemdNotifier.OfEnvironment(context.Time);
        systemd.TakeSignals();
        return await RunAsync(context, parsed, systemd, ct);
    }

    /// <summary>Runs for whoever manages it.</summary>
    public static async Task<int> RunAsync(CommandContext context, ParseResult parsed, IServiceManager manager, CancellationToken ct)
    {
        // Asked for while it starts: done once it has, as the settings may have been read before they were changed.
        Reloader? reloader = null;
        var isAsked = false;
        var status = "";
        manager.ReloadAsked += Reload;
        var settings = context.ReadSettings(parsed);
        manager.Starting("opening the database");
        await using var database = await Database.OpenAsync(settings, ct);
        if (settings.MigratesAtStart)
        {
            await MigrateCommand.MigrateAsync(database, context.Time, ct);
        }
        else
        {
            await new Migrator(database.Source, context.Time).CheckAsync(ct);
            await using var connection = await database.Source.OpenConnectionAsync(ct);
            await JobSchema.CheckAsync(connection, ct);
        }
        if (await new PostgresSettings(database.Source).GetAsync(PostgresSettings.Simulation, ct) is not null)
        {
            throw new CommandException(
                $"{database.Description} was made for a simulation (by demo or simulate): its accounts live by a clock of its own, and the service by the real one. "
                + "Name a database of its own in ConnectionStrings:Dunning, or leave --database out");
        }
        manager.Starting("starting");
        var configuration = context.Configure(parsed);
        await using var service = await Service.StartAsync(database, settings, configuration, context.Time, ct);
        reloader = new Reloader(configuration, () => context.Configure(parsed), service.Reload, service.Services.GetRequiredService<ILogger<Reloader>>());
        status = $"charging through {settings.Payments.Gateway}, listening on {string.Join(", ", service.Addresses)}";
        await context.Output.WriteLineAsync(
            $"{BuildInfo.Description}: {database.Description}; charging through {settings.Payments.Gateway}; listening on {string.Join(", ", service.Addresses)}");
        var pages = (settings.Ops.PublicUrl?.AbsoluteUri ?? service.Addresses.First()).TrimEnd('/') + "/ops";
        await context.Output.WriteLineAsync("operators' pages: " + pages + (service.FirstToken is null ? "" : NoUsers(
            service.FirstToken, IsSeenByItsStarterAlone(ReferenceEquals(context.Output, Console.Out) && !Console.IsOutputRedirected, Environment.GetEnvironmentVariable))));
        manager.Ready(status);
        if (Volatile.Read(ref isAsked))
        {
            Reload();
        }
        using var watching = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var watch = manager.WatchAsync(service.IsAliveAsync, watching.Token);
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using (ct.Register(asked.SetResult))
        {
            await asked.Task;
        }
        manager.ReloadAsked -= Reload;
        manager.Stopping();
        await watch;
        await context.Output.WriteLineAsync("stopping");
        if (!await service.StopAsync())
        {
            await context.Error.WriteLineAsync("a pass was still under way: its charges are looked up when the service runs again");
        }
        return CommandLine.Ok;

        void Reload()
        {
            Volatile.Write(ref isAsked, true);
            if (reloader is null)
            {
                return;
            }
            manager.Reloading();
            reloader.Reload();
            manager.Ready(status);
        }
    }

    /// <summary>
    /// Whether what is written is seen by who has started the service, and kept by nobody. Where it goes to a file, a pipe, a journal or a container's log,
    /// whoever reads that would be let in by the token.
    /// </summary>
    internal static bool IsSeenByItsStarterAlone(bool isConsole, Func<string, string?> environment) =>
        isConsole && ((string[])["NOTIFY_SOCKET", "DOTNET_RUNNING_IN_CONTAINER", "KUBERNETES_SERVICE_HOST", "container"]).All(v => environment(v) is not { Length: > 0 });

    private static string NoUsers(string token, bool isPrinted) =>
        (isPrinted ? $" (no users yet: from this machine, once, with the one-time token {token}; " : " (no users yet; ") + $"set one up with: {OpsGate.AddUser})";
}
