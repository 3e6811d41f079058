using System.CommandLine;
using System.Text.Encodings.Web;
using System.Text.Json;
using Dunning.Hosting;
using Dunning.Hosting.Configuration;

namespace Dunning.Commands;

/// <summary><c>config</c>: what can be set, and what holds.</summary>
internal static class ConfigCommand
{
    private static readonly JsonSerializerOptions s_json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public static Command Create(CommandContext context)
    {
        var command = new Command("config", "What can be set, and what holds.");
        command.Add(Reference(context));
        command.Add(Show(context));
        return command;
    }

    private static Command Reference(CommandContext context)
    {
        var command = new Command("reference", "Every key with its default and what is allowed, as Markdown: docs/configuration.md.");
        command.SetAction(async (_, _) =>
        {
            await context.Output.WriteAsync(ConfigurationReference.Write());
            return CommandLine.Ok;
        });
        return command;
    }

    private static Command Show(CommandContext context)
    {
        var all = new Option<bool>("--all") { Description = "Also keys that have no value" };
        var json = new Option<bool>("--json") { Description = "As JSON" };
        var command = new Command("show",
            """
            What holds, key by key, with where it was given; secrets are not shown. Then every fault, if there are any (exit code 1).

              dunning config show --set Dunning:ChargeAt=10:00
            """) { all, json };
        command.SetAction(async (parsed, ct) =>
        {
            var configuration = context.Configure(parsed);
            var settings = EffectiveSettings.Of(configuration, parsed.GetValue(all));
            var (_, faults) = WorkerSettings.Read(configuration);
            if (parsed.GetValue(json))
            {
                await context.Output.WriteLineAsync(JsonSerializer.Serialize(
                    new { Settings = settings.Select(s => new { s.Key, s.Value, Source = s.Source ?? "default", s.IsSecret }), Faults = faults }, s_json).AsMemory(), ct);
            }
            else
            {
                var (names, values) = (settings.Max(s => s.Key.Length), Math.Min(60, settings.Max(s => s.Value?.Length ?? 0)));
                foreach (var setting in settings)
                {
                    await context.Output.WriteLineAsync(
                        $"{setting.Key.PadRight(names)}  {(setting.Value ?? "").ReplaceLineEndings("\\n").PadRight(values)}  {setting.Source ?? "default"}".AsMemory(), ct);
                }
                foreach (var fault in faults)
                {
                    await context.Error.WriteLineAsync("fault: " + fault);
                }
            }
            return faults.Length == 0 ? CommandLine.Ok : CommandLine.Wanting;
        });
        return command;
    }
}
