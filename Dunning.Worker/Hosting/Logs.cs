using Microsoft.Extensions.Logging.Console;

namespace Dunning.Hosting;

/// <summary>The service's log: on standard output, by UTC, as lines or as JSON.</summary>
internal static class Logs
{
    /// <summary>Our own words from information on, the frameworks' warnings; <c>Logging:LogLevel:…</c> over that.</summary>
    public static void Configure(ILoggingBuilder logging, WorkerSettings settings, IConfiguration configuration)
    {
        const string UtcStamp = "yyyy-MM-ddTHH:mm:ss.fffZ ";
        logging.SetMinimumLevel(LogLevel.Information);
        foreach (var framework in (string[])["Microsoft", "System", "Hangfire", "Quartz", "Npgsql"])
        {
            logging.AddFilter(framework, LogLevel.Warning);
        }
        // A start that fails is told by the command, in a line.
        logging.AddFilter("Microsoft.Extensions.Hosting", LogLevel.Critical);
        // A job that fails has told why itself.
        logging.AddFilter("Quartz.Core.JobRunShell", LogLevel.Critical);
        logging.AddConfiguration(configuration.GetSection("Logging"));
        // These write the addresses that are asked for, and a customer's link is a key: whatever is configured, for all providers or for one, they don't.
        logging.Services.PostConfigure<LoggerFilterOptions>(filters =>
        {
            foreach (var teller in (string[])["Microsoft.AspNetCore.Hosting.Diagnostics", "Microsoft.AspNetCore.Routing", "Microsoft.AspNetCore.Server.Kestrel"])
            {
                foreach (var rule in filters.Rules.Where(r => r.CategoryName?.StartsWith(teller, StringComparison.OrdinalIgnoreCase) == true).ToList())
                {
                    filters.Rules.Remove(rule);
                }
                filters.Rules.Add(new LoggerFilterRule(null, teller, LogLevel.Warning, null));
                filters.Rules.Add(new LoggerFilterRule("Console", teller, LogLevel.Warning, null));
            }
        });
        // Scopes hold those addresses too; JsonLines takes of them only what is ours.
        logging.Services.PostConfigure<SimpleConsoleFormatterOptions>(console => console.IncludeScopes = false);
        if (settings.LogsJson)
        {
            logging.AddConsoleFormatter<JsonLines, ConsoleFormatterOptions>();
            logging.AddConsole(console => console.FormatterName = JsonLines.FormatterName);
        }
        else
        {
            logging.AddSimpleConsole(console =>
                (console.UseUtcTimestamp, console.TimestampFormat, console.SingleLine) = (true, UtcStamp, true));
        }
    }
}
