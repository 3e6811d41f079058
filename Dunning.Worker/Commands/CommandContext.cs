using System.CommandLine;
using System.Text.Json;
using Dunning.Hosting;
using Dunning.Hosting.Configuration;

namespace Dunning.Commands;

/// <summary>Options that every command has.</summary>
internal sealed class SharedOptions
{
    public Option<FileInfo?> Config { get; } = new("--config")
    {
        Description = "A settings file over appsettings.json (which is read from the program's folder, then from the current one)",
        Recursive = true,
    };

    public Option<string[]> Set { get; } = new("--set")
    {
        Description = "A setting over all others, as KEY=VALUE; may be repeated. Environment variables work too: Dunning__ChargeAt=10:00",
        Recursive = true,
        DefaultValueFactory = _ => [],
    };

    public Option<string?> Database { get; } = new("--database")
    {
        Description = "Name of the database, on the private server or beside the configured one (demo leaves its story in 'dunning_demo')",
        Recursive = true,
    };

    public IEnumerable<Option> All => [Config, Set, Database];
}

/// <summary>What commands share: where they write, the clock, and how settings are read.</summary>
internal sealed record CommandContext(SharedOptions Options, TextWriter Output, TextWriter Error, TimeProvider Time)
{
    /// <summary>Reads and checks the configuration. <c>--database</c> counts unless the command has a database of its own.</summary>
    /// <exception cref="CommandException">Every fault, one a line.</exception>
    public WorkerSettings ReadSettings(ParseResult parsed, bool namesDatabase = true)
    {
        var configuration = Configure(parsed);
        var (settings, faults) = WorkerSettings.Read(configuration);
        if (settings is null)
        {
            throw new CommandException("the configuration has faults:" + Environment.NewLine
                + string.Join(Environment.NewLine, faults.Select(f => "  " + f)));
        }
        return !namesDatabase || parsed.GetValue(Options.Database) is not { Length: > 0 } name ? settings : settings with
        {
            DatabaseName = name,
            ConnectionString = settings.ConnectionString is { } configured
                ? new Npgsql.NpgsqlConnectionStringBuilder(configured) { Database = name }.ConnectionString : null,
        };
    }

    /// <summary>The configuration: files, environment, then <c>--set</c>.</summary>
    public IConfiguration Configure(ParseResult parsed)
    {
        var builder = new ConfigurationBuilder();
        var folders = new[] { AppContext.BaseDirectory, Directory.GetCurrentDirectory() }.Select(Path.GetFullPath).Distinct();
        try
        {
            foreach (var folder in folders)
            {
                builder.AddJsonFile(Path.Combine(folder, "appsettings.json"), optional: true);
            }
            if (parsed.GetValue(Options.Config) is { } file)
            {
                builder.AddJsonFile(file.FullName, optional: false);
            }
            if (Environment.GetEnvironmentVariable(CredentialsSource.Variable) is { Length: > 0 } credentials)
            {
                builder.Add(new CredentialsSource(credentials));
            }
            builder.AddEnvironmentVariables();
            var set = new Dictionary<string, string?>(StringComparer.OrdinalIgnoreCase);
            foreach (var pair in parsed.GetValue(Options.Set) ?? [])
            {
                var at = pair.IndexOf('=', StringComparison.Ordinal);
                if (at < 1)
                {
                    throw new CommandException($"--set '{pair}': expected KEY=VALUE, such as Dunning:ChargeAt=10:00");
                }
                set[pair[..at]] = pair[(at + 1)..];
            }
            builder.AddInMemoryCollection(set);
            return builder.Build();
        }
        catch (Exception e) when (e is InvalidDataException or FileNotFoundException or JsonException)
        {
            throw new CommandException($"the settings can't be read: {e.Message} {e.InnerException?.Message}".Trim());
        }
    }

    /// <summary>A logger for commands: warnings and worse, on standard error.</summary>
    public static ILoggerFactory QuietLoggers() => LoggerFactory.Create(builder => builder
        .SetMinimumLevel(LogLevel.Warning)
        .AddSimpleConsole(console => console.SingleLine = true)
        .Services.Configure<Microsoft.Extensions.Logging.Console.ConsoleLoggerOptions>(o => o.LogToStandardErrorThreshold = LogLevel.Trace));

    /// <summary>Opens the live book's database for one command: the private server's with its schema brought up to date, another's only when it is.</summary>
    public async Task<Database> OpenDatabaseAsync(WorkerSettings settings, CancellationToken ct)
    {
        var database = await Database.OpenAsync(settings, ct);
        try
        {
            var migrator = new Postgres.Migrator(database.Source, Time);
            if (settings.ConnectionString is null)
            {
                await migrator.MigrateAsync(ct);
            }
            else
            {
                await migrator.CheckAsync(ct);
            }
            return database;
        }
        catch
        {
            await database.DisposeAsync();
            throw;
        }
    }

    /// <summary>Opens the live book's engine for one command.</summary>
    public async Task<LiveBook> OpenBookAsync(ParseResult parsed, CancellationToken ct)
    {
        var settings = ReadSettings(parsed);
        var database = await OpenDatabaseAsync(settings, ct);
        try
        {
            var loggers = QuietLoggers();
            var engine = await Engine.OpenAsync(database, settings, Time, loggers, takesOver: false, ct);
            return new LiveBook(settings, database, engine, loggers);
        }
        catch
        {
            await database.DisposeAsync();
            throw;
        }
    }
}

/// <summary>An open book, closed with everything below it.</summary>
internal sealed record LiveBook(WorkerSettings Settings, Database Database, Engine Engine, ILoggerFactory Loggers) : IAsyncDisposable
{
    public async ValueTask DisposeAsync()
    {
        await Engine.DisposeAsync();
        await Database.DisposeAsync();
        Loggers.Dispose();
    }
}
