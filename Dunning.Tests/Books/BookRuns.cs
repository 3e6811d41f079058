using System.Collections.Concurrent;
using Dunning.Books;
using Dunning.Commands;
using Dunning.Events;
using Dunning.Gateways.Sandbox;
using Dunning.Hosting;
using Dunning.Mail;
using Dunning.Passes;
using Dunning.Simulation;
using Dunning.Tests.Postgres;
using Microsoft.Extensions.Configuration;
using NodaTime;

namespace Dunning.Tests.Books;

/// <summary>A book that has been run to its end.</summary>
/// <param name="Lines">Its events, a line each, as the events file holds them.</param>
/// <param name="Events">The same.</param>
/// <param name="End">How it ended.</param>
internal sealed record BookRun(string[] Lines, IReadOnlyList<BookEvent> Events, string[] End);

/// <summary>Runs of the repository's books. A run on PostgreSQL takes long: tests that only read share one.</summary>
internal static class BookRuns
{
    public static readonly string[] Names = ["tour", "full", "outage", "edge-1", "edge-2", "edge-3", "edge-4", "edge-5"];

    private static readonly ConcurrentDictionary<(string, string), Lazy<Task<BookRun>>> Shared = new();

    public static string Folder(string name) => Path.Combine(AppContext.BaseDirectory, "books", name);

    public static Task<BookRun> GetAsync(string name, string engine) =>
        Shared.GetOrAdd((name, engine), _ => new Lazy<Task<BookRun>>(() => engine == "memory" ? InMemoryAsync(name) : OnPostgresAsync(name))).Value;

    public static async Task<Book> ReadAsync(string name)
    {
        var settings = Settings(null);
        var book = await SimulateCommand.ReadBookAsync(Context, settings, Folder(name), default);
        Assert.NotNull(book);
        return book;
    }

    public static SimulationSpan SpanOf(Book book) => book.Span!;

    public static WorkerSettings Settings(string? connectionString, params (string Key, string Value)[] more)
    {
        var (settings, faults) = WorkerSettings.Read(new ConfigurationBuilder()
            .AddInMemoryCollection(more.Append(("ConnectionStrings:Dunning", connectionString ?? "")).ToDictionary(s => s.Item1, s => (string?)s.Item2))
            .Build());
        Assert.Empty(faults);
        return settings!;
    }

    public static CommandContext Context { get; } = new(new SharedOptions(), TextWriter.Null, TextWriter.Null, TimeProvider.System);

    public static async Task<BookRun> InMemoryAsync(string name)
    {
        var book = await ReadAsync(name);
        var rules = new Rulebook(book.Options, book.Catalog, "simulation");
        var memory = new MemoryBook();
        await foreach (var account in book.AccountsAsync())
        {
            memory.Add(account.File, Pass.DueOf(account.File, book.KnownAt, rules));
        }
        var gateway = new SandboxGateway(new MemoryLedger(), new SandboxOptions(), TimeProvider.System);
        var simulator = new Simulator(memory, rules, gateway, new SinkMailer(), SpanOf(book), new PassLimits());
        var events = await simulator.RunAsync(book.Actions, default);
        return new BookRun([.. events.Select(EventJson.Write)], events, EndState.Of(memory, events));
    }

    public static async Task<BookRun> OnPostgresAsync(string name)
    {
        var book = await ReadAsync(name);
        var settings = Settings(await TestServer.NewDatabaseAsync());
        var database = await Database.OpenAsync(settings, default);
        await using var run = await SimulationRun.OnDatabaseAsync(Context, settings, book, SpanOf(book), database, default);
        await run.RunAsync(default);
        return new BookRun([.. run.Events.Select(EventJson.Write)], run.Events, await EndState.OfAsync(database.Source));
    }
}
