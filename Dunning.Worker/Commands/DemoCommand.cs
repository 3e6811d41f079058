using System.CommandLine;

namespace Dunning.Commands;

internal static class DemoCommand
{
    public static Command Create(CommandContext context) => new("demo", "not written yet");

    public static Task<int> RunAsync(CommandContext context, ParseResult parsed, CancellationToken ct) => Task.FromResult(CommandLine.Failed);
}
