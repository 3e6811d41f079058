using System.CommandLine;

namespace Dunning.Commands;

internal static class RunCommand
{
    public static Command Create(CommandContext context) => new("run", "not written yet");

    public static Task<int> RunAsync(CommandContext context, ParseResult parsed, CancellationToken ct) => Task.FromResult(CommandLine.Failed);
}
