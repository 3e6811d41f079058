using System.CommandLine;

namespace Dunning.Commands;

internal static class BenchCommand
{
    public static Command Create(CommandContext context) => new("bench", "not written yet");

    public static Task<int> RunAsync(CommandContext context, ParseResult parsed, CancellationToken ct) => Task.FromResult(CommandLine.Failed);
}
