using Dunning.Books;
using Dunning.Commands;

namespace Dunning.Tests.Books;

/// <summary>
/// A book on PostgreSQL and in memory: each gives the expected events, and both give the same bytes and the same end. A class for each book, so that
/// the runs on PostgreSQL, which wait for it most of the time, go side by side.
/// </summary>
public abstract class BookOnEngines(string book)
{
    [Theory]
    [InlineData("memory")]
    [InlineData("postgres")]
    public async Task It_gives_every_expected_event(string engine)
    {
        var comparison = new EventComparison();
        var faults = await ExpectedEvents.ReadAsync(Path.Combine(BookRuns.Folder(book), Book.EventsFile), comparison.Expect);
        Assert.Empty(faults.Describe());

        foreach (var e in (await BookRuns.GetAsync(book, engine)).Events)
        {
            comparison.Happened(ComparableEvent.Of(e));
        }

        Assert.True(comparison.Agrees, string.Join('\n', comparison.Describe()));
        Assert.True(comparison.ExpectedCount > 500, $"only {comparison.ExpectedCount} events were compared");
    }

    [Fact]
    public async Task Memory_and_postgres_give_the_same_bytes_and_the_same_end()
    {
        var memory = await BookRuns.GetAsync(book, "memory");
        var postgres = await BookRuns.GetAsync(book, "postgres");

        Assert.Equal("", EndState.Difference(memory.Lines, postgres.Lines));
        Assert.Equal(memory.Lines, postgres.Lines);
        Assert.Equal("", EndState.Difference(memory.End, postgres.End));
    }

    [Fact]
    public async Task Run_twice_in_memory_it_gives_the_same_bytes()
    {
        var first = await BookRuns.GetAsync(book, "memory");
        var second = await BookRuns.InMemoryAsync(book);

        Assert.Equal(first.Lines, second.Lines);
        Assert.Equal(first.End, second.End);
    }

    internal string Name => book;
}

/// <inheritdoc/>
public sealed class TourOnEnginesTests() : BookOnEngines("tour");

/// <inheritdoc/>
public sealed class FullOnEnginesTests() : BookOnEngines("full");

/// <inheritdoc/>
public sealed class OutageOnEnginesTests() : BookOnEngines("outage");

/// <inheritdoc/>
public sealed class Edge1OnEnginesTests() : BookOnEngines("edge-1");

/// <inheritdoc/>
public sealed class Edge2OnEnginesTests() : BookOnEngines("edge-2");

/// <inheritdoc/>
public sealed class Edge3OnEnginesTests() : BookOnEngines("edge-3");

/// <inheritdoc/>
public sealed class Edge4OnEnginesTests() : BookOnEngines("edge-4");

/// <inheritdoc/>
public sealed class Edge5OnEnginesTests() : BookOnEngines("edge-5");

/// <summary>What one book is enough for.</summary>
public sealed class BooksOnEnginesTests
{
    [Fact]
    public void Every_book_has_its_class() => Assert.Equal(
        BookRuns.Names.Order(StringComparer.Ordinal),
        typeof(BookOnEngines).Assembly.GetTypes().Where(t => t.IsSubclassOf(typeof(BookOnEngines)))
            .Select(t => ((BookOnEngines)Activator.CreateInstance(t)!).Name).Order(StringComparer.Ordinal));

    // One is enough: each book on PostgreSQL gives the bytes that it gives in memory.
    [Fact]
    public async Task A_book_run_twice_on_postgres_gives_the_same_bytes()
    {
        var first = await BookRuns.GetAsync("tour", "postgres");
        var second = await BookRuns.OnPostgresAsync("tour");

        Assert.Equal(first.Lines, second.Lines);
        Assert.Equal(first.End, second.End);
    }

    [Theory]
    [InlineData("another field", "\"step\": 1", "\"step\": 2")]
    [InlineData("another instant", "T08:00:00Z", "T09:00:00Z")]
    [InlineData("a line less", null, null)]
    public async Task A_changed_line_is_found(string what, string? old, string? @new)
    {
        var book = Directory.CreateTempSubdirectory("dunning-changed-").FullName;
        try
        {
            foreach (var file in Directory.GetFiles(BookRuns.Folder("tour")))
            {
                File.Copy(file, Path.Combine(book, Path.GetFileName(file)));
            }
            File.Copy(Path.Combine(AppContext.BaseDirectory, "books", "tax.csv"), Path.Combine(book, "tax.csv"));
            var path = Path.Combine(book, Book.EventsFile);
            var lines = (await File.ReadAllLinesAsync(path)).ToList();

            var index = old is null ? lines.Count / 2 : lines.FindIndex(l => l.Contains(old, StringComparison.Ordinal));
            Assert.True(index >= 0, what);
            var account = System.Text.Json.JsonDocument.Parse(lines[index]).RootElement.GetProperty("account").GetString()!;
            Assert.Equal(CommandLine.Ok, (await SimulateAsync(book)).Code);
            if (old is null)
            {
                lines.RemoveAt(index);
            }
            else
            {
                lines[index] = lines[index].Replace(old, @new, StringComparison.Ordinal);
            }
            await File.WriteAllLinesAsync(path, lines);

            var (code, error) = await SimulateAsync(book);

            Assert.Equal(CommandLine.Wanting, code);
            Assert.Contains(account, error, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(book, recursive: true);
        }
    }

    [Fact]
    public async Task The_events_file_of_the_command_is_the_same_every_time()
    {
        var folder = Directory.CreateTempSubdirectory("dunning-events-").FullName;
        try
        {
            var files = new[] { Path.Combine(folder, "1"), Path.Combine(folder, "2") };
            foreach (var file in files)
            {
                Assert.Equal(CommandLine.Ok, (await SimulateAsync(BookRuns.Folder("tour"), "--events", file)).Code);
            }
            Assert.Equal(await File.ReadAllBytesAsync(files[0]), await File.ReadAllBytesAsync(files[1]));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<(int Code, string Error)> SimulateAsync(string folder, params string[] more)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        var code = await CommandLine.RunAsync(["simulate", folder, "--engine", "memory", .. more], output, error);
        return (code, error.ToString());
    }
}
