using System.CommandLine;
using System.Net;
using Dunning.Hosting;

namespace Dunning.Commands;

/// <summary><c>health</c>: asks the service on this machine whether it can work, for container engines whose images have no other way to.</summary>
internal static class HealthCommand
{
    public static Command Create(CommandContext context)
    {
        var command = new Command("health",
            "Ask the service that listens on Http:Urls whether it can work (/health/ready). Exit code 1 when it can't, or does not answer within five seconds.");
        command.SetAction(async (parsed, ct) =>
        {
            var (settings, faults) = WorkerSettings.Read(context.Configure(parsed));
            if (settings is null)
            {
                throw new CommandException("the configuration has faults: " + string.Join("; ", faults));
            }
            using var http = new HttpClient { Timeout = TimeSpan.FromSeconds(5) };
            try
            {
                using var answer = await http.GetAsync(new Uri(AddressOf(settings.Urls), "/health/ready"), ct);
                await context.Output.WriteLineAsync(answer.StatusCode == HttpStatusCode.OK ? "ready" : $"not ready: {(int)answer.StatusCode}");
                return answer.StatusCode == HttpStatusCode.OK ? CommandLine.Ok : CommandLine.Wanting;
            }
            catch (Exception e) when (e is HttpRequestException or TaskCanceledException && !ct.IsCancellationRequested)
            {
                await context.Error.WriteLineAsync("no answer: " + e.Message);
                return CommandLine.Wanting;
            }
        });
        return command;
    }

    /// <summary>The first address that the service listens on, as this machine reaches it: one for all interfaces is reached by loopback.</summary>
    internal static Uri AddressOf(string urls)
    {
        var address = BindingAddress.Parse(urls.Split(';')[0]);
        var host = address.Host is "*" or "+" or "0.0.0.0" or "[::]" ? "127.0.0.1" : address.Host;
        return new UriBuilder("http", host, address.Port).Uri;
    }
}
