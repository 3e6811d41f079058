using Dunning.Books;
using Dunning.Commands;
using Dunning.Hosting;
using Microsoft.Extensions.Configuration;

namespace Dunning.Tests.Commands;

/// <summary>The tour, for the commands that read it or show it.</summary>
internal static class TourBook
{
    public static string Folder { get; } = Path.Combine(AppContext.BaseDirectory, "books", "tour");

    public static CommandContext Context { get; } = new(new SharedOptions(), TextWriter.Null, TextWriter.Null, TimeProvider.System);

    public static WorkerSettings Settings(string? connectionString = null)
    {
        var configuration = new ConfigurationBuilder()
            .AddInMemoryCollection(new Dictionary<string, string?> { ["ConnectionStrings:Dunning"] = connectionString }).Build();
        return WorkerSettings.Read(configuration).Settings!;
    }

    public static async Task<Book> ReadAsync() => (await SimulateCommand.ReadBookAsync(Context, Settings(), Folder, default))!;

    /// <summary>Runs a command line in this process.</summary>
    public static async Task<(int Code, string Output, string Error)> RunAsync(params string[] args)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        var code = await CommandLine.RunAsync(args, output, error);
        return (code, output.ToString(), error.ToString());
    }
}
