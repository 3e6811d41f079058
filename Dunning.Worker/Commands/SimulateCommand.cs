using System.CommandLine;
using System.Globalization;
using System.Text;
using Dunning.Books;
using Dunning.Events;
using Dunning.Gateways.Sandbox;
using Dunning.Hosting;
using Dunning.Passes;
using Dunning.Simulation;
using NodaTime;
using NodaTime.Text;

namespace Dunning.Commands;

/// <summary><c>simulate BOOKDIR</c>: runs a book through simulated time, and compares what happens with what it expects.</summary>
internal static class SimulateCommand
{
    public static Command Create(CommandContext context)
    {
        var folder = new Argument<string>("BOOKDIR") { Description = "Folder of the book: book.json, plans.json, accounts.jsonl, actions.jsonl, events.jsonl" };
        var events = new Option<FileInfo?>("--events") { Description = "Write every event to this file, one JSON object a line" };
        var expect = new Option<FileInfo?>("--expect") { Description = "Compare with these events (default: the book's events.jsonl, when there is one)" };
        var engine = new Option<string>("--engine") { Description = "postgres: the real store and passes on a scratch database; memory", DefaultValueFactory = _ => "postgres" };
        engine.AcceptOnlyFromAmong("postgres", "memory");
        var from = new Option<string?>("--from") { Description = "First instant instead of the book's, such as 2026-03-01T00:00:00Z" };
        var to = new Option<string?>("--to") { Description = "Last instant instead of the book's" };
        var tick = new Option<string?>("--tick") { Description = "Time between passes instead of the book's: 15m, 1h, 1d" };
        var json = new Option<bool>("--json") { Description = "The summary as JSON" };
        var command = new Command("simulate",
            """
            Run a book through simulated time with the sandbox gateway, and compare its events with the expected ones.

              dunning simulate books/tour
              dunning simulate books/full --engine memory --events /tmp/events.jsonl
            """)
        { folder, events, expect, engine, from, to, tick, json };
        command.SetAction(async (parsed, ct) =>
        {
            var settings = context.ReadSettings(parsed);
            if (await ReadBookAsync(context, settings, parsed.GetValue(folder)!, ct) is not { } book)
            {
                return CommandLine.Wanting;
            }
            var span = SpanOf(book, parsed.GetValue(from), parsed.GetValue(to), parsed.GetValue(tick));
            await using var run = await SimulationRun.StartAsync(context, settings, book, span, parsed.GetValue(engine) == "memory", ct);
            using (var progress = new ProgressLine(context.Error, "simulate", context.Time))
            {
                run.OnTick = (now, told) =>
                {
                    progress.Show(
                        span.To == span.From ? 1 : (now - span.From) / (span.To - span.From),
                        LocalDatePattern.Iso.Format(now.InUtc().Date));
                    return Task.CompletedTask;
                };
                await run.RunAsync(ct);
            }
            if (parsed.GetValue(events) is { } file)
            {
                await WriteAsync(file, run.Events, ct);
            }
            var summary = SimulationSummary.Of(run.Events, await run.AccountStatesAsync(ct));
            await context.Output.WriteLineAsync(parsed.GetValue(json) ? summary.ToJson() : summary.ToText());
            return await CompareAsync(context, book, parsed.GetValue(expect)?.FullName ?? book.ExpectedEventsPath, span, run.Events, ct);
        });
        return command;
    }

    /// <summary>Reads a book for a simulation, or tells its faults.</summary>
    public static async Task<Book?> ReadBookAsync(CommandContext context, WorkerSettings settings, string folder, CancellationToken ct)
    {
        var reading = await BookReader.ReadAsync(
            new BookRequest
            {
                Folder = folder,
                Use = BookUse.Simulation,
                Settings = settings.Flat.Where(s => s.Key.StartsWith("Dunning:", StringComparison.OrdinalIgnoreCase)
                    || s.Key.Equals("Payments:KeyHours", StringComparison.OrdinalIgnoreCase)),
                IsToken = SandboxToken.IsToken,
                TokenHelp = "a token of the sandbox, such as sandbox_ok",
                AllowOverdue = true,
            },
            ct);
        foreach (var line in reading.Faults.Describe())
        {
            await context.Error.WriteLineAsync(line);
        }
        return reading.Book;
    }

    private static SimulationSpan SpanOf(Book book, string? from, string? to, string? tick)
    {
        var own = book.Span!;
        var span = new SimulationSpan(
            InstantOf("--from", from) ?? own.From,
            InstantOf("--to", to) ?? own.To,
            TickOf(tick) ?? own.Tick,
            [.. own.Outages.Select(o => (o.Start, o.End))]);
        return span.To >= span.From ? span
            : throw new CommandException("--to is before --from");
    }

    private static Instant? InstantOf(string option, string? text)
    {
        if (text is null)
        {
            return null;
        }
        var parsed = InstantPattern.General.Parse(text);
        return parsed.Success ? parsed.Value : throw new CommandException($"{option} is '{text}', but must be an instant such as 2026-03-01T00:00:00Z");
    }

    private static Duration? TickOf(string? text)
    {
        if (text is null)
        {
            return null;
        }
        if (text.Length > 1 && long.TryParse(text[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out var count) && count is > 0 and <= 100_000)
        {
            switch (text[^1])
            {
                case 's':
                    return Duration.FromSeconds(count);
                case 'm':
                    return Duration.FromMinutes(count);
                case 'h':
                    return Duration.FromHours(count);
                case 'd':
                    return Duration.FromDays(count);
            }
        }
        throw new CommandException($"--tick is '{text}', but must be a span such as 15m, 1h or 1d");
    }

    private static async Task WriteAsync(FileInfo file, IReadOnlyList<BookEvent> events, CancellationToken ct)
    {
        await using var writer = new StreamWriter(file.FullName, append: false, new UTF8Encoding(false)) { NewLine = "\n" };
        foreach (var e in events)
        {
            await writer.WriteLineAsync(EventJson.Write(e).AsMemory(), ct);
        }
    }

    private static async Task<int> CompareAsync(
        CommandContext context, Book book, string? path, SimulationSpan span, IReadOnlyList<BookEvent> events, CancellationToken ct)
    {
        if (path is null)
        {
            return CommandLine.Ok;
        }
        var comparison = new EventComparison();
        var faults = await ExpectedEvents.ReadAsync(path, comparison.Expect, span.To < book.Span!.To ? span.To : null, ct: ct);
        foreach (var line in faults.Describe())
        {
            await context.Error.WriteLineAsync(line);
        }
        foreach (var e in events)
        {
            comparison.Happened(ComparableEvent.Of(e));
        }
        foreach (var line in comparison.Describe())
        {
            await (comparison.Agrees ? context.Output : context.Error).WriteLineAsync(line);
        }
        return comparison.Agrees && faults.IsEmpty ? CommandLine.Ok : CommandLine.Wanting;
    }
}
