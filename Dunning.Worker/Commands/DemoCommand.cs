using System.CommandLine;
using System.Globalization;
using Dunning.Books;
using Dunning.Hosting;
using Dunning.Postgres.Embedded;
using Dunning.Simulation;
using NodaTime;

namespace Dunning.Commands;

/// <summary><c>demo</c>: the tour book in time-lapse, each of its stories told as it happens.</summary>
internal static class DemoCommand
{
    private const string Unlimited = "max";

    public static Command Create(CommandContext context)
    {
        var speed = new Option<string>("--speed")
        {
            Description = "Simulated days a second, such as 10 or 0.5; max: as fast as it goes",
            DefaultValueFactory = _ => "1",
        };
        var folder = new Option<string?>("--book") { Description = "Another book's folder instead of the tour's" };
        var command = new Command("demo",
            """
            Half a year of the book 'tour' in time-lapse, a simulated day a second: renewals, declines, suspensions, returns, a purge. It runs the
            real passes with the sandbox gateway, in a database of its own (dunning_demo) that is made anew each time. Nothing is charged or mailed.

              dunning demo
              dunning demo --speed 10
            """)
        { speed, folder };
        command.SetAction(async (parsed, ct) =>
        {
            var daysPerSecond = SpeedOf(parsed.GetValue(speed)!);
            if (parsed.GetValue(context.Options.Database) is { Length: > 0 } name && name != Database.DemoName)
            {
                throw new CommandException($"demo makes its database anew each time, so it takes none but '{Database.DemoName}': leave --database away");
            }
            // The server's own database, not the demo's: that one is dropped and made from there.
            var settings = context.ReadSettings(parsed, namesDatabase: false);
            if (await SimulateCommand.ReadBookAsync(context, settings, FindBook(parsed.GetValue(folder)), ct) is not { } book)
            {
                return CommandLine.Wanting;
            }
            return await RunAsync(context, settings, book, daysPerSecond, ct);
        });
        return command;
    }

    private static async Task<int> RunAsync(CommandContext context, WorkerSettings settings, Book book, double? daysPerSecond, CancellationToken ct)
    {
        var (output, span) = (context.Output, book.Span!);
        var paint = Paint.For(output);
        await output.WriteLineAsync(paint.Bold(string.Create(CultureInfo.InvariantCulture,
            $"{Math.Ceiling((span.To - span.From).TotalDays)} days in the life of {book.AccountCount} customers, {Pacing(daysPerSecond)}; each line is the next turn of a customer's story.")));
        await output.WriteLineAsync(
            "Rules, passes and database are the real ones; the gateway is a sandbox: nothing is charged or mailed. Times are each customer's own.");

        var (run, where) = await StartAsync(context, settings, book, span, ct);
        await using var owned = run;
        await output.WriteLineAsync();
        var words = new Dictionary<string, AccountWords>(StringComparer.Ordinal);
        await foreach (var account in book.AccountsAsync(ct))
        {
            words.Add(account.File.Id, new AccountWords(account.File, book.Catalog, book.Options.Zones));
        }
        var screen = new DemoScreen(output, paint, words.Keys.Max(k => k.Length));
        var pace = new Pacemaker(span.From, daysPerSecond, context.Time);
        var lastTold = new Dictionary<string, string>(StringComparer.Ordinal);
        LocalDate? day = null;
        run.OnTick = async (now, events) =>
        {
            var date = now.InUtc().Date;
            if (events.Count == 0 && date == day)
            {
                return;
            }
            day = date;
            screen.ShowDate(date);
            await pace.WaitAsync(now, ct);
            foreach (var byAccount in events.GroupBy(e => e.Account, StringComparer.Ordinal).OrderBy(g => g.Key, StringComparer.Ordinal))
            {
                var told = byAccount.ToList();
                var file = DemoStories.NeedsFile(told) ? await run.FileAsync(byAccount.Key, ct) : null;
                var line = DemoStories.Tell(byAccount.Key, told, file, words[byAccount.Key]);
                // A charge that stays unknown is looked up at every pass: no news, until there is.
                if (lastTold.GetValueOrDefault(byAccount.Key) != line.Text)
                {
                    lastTold[byAccount.Key] = line.Text;
                    screen.Tell(line);
                }
            }
        };
        try
        {
            await run.RunAsync(ct);
        }
        catch (OperationCanceledException)
        {
            screen.Clear();
            await output.WriteLineAsync();
            await output.WriteLineAsync(WhereToLook(words.Keys, where));
            throw;
        }
        screen.Clear();
        await output.WriteLineAsync();
        await output.WriteLineAsync(SimulationSummary.Of(run.Events, await run.AccountStatesAsync(ct)).ToText());
        await output.WriteLineAsync();
        await output.WriteLineAsync(WhereToLook(words.Keys, where));
        return CommandLine.Ok;
    }

    // The database outlives the demo, and says so; in memory nothing does.
    private static async Task<(SimulationRun Run, string? Where)> StartAsync(
        CommandContext context, WorkerSettings settings, Book book, SimulationSpan span, CancellationToken ct)
    {
        Database database;
        try
        {
            database = await Database.OpenAsync(settings, ct, name: Database.DemoName, anew: true);
        }
        catch (NoPostgresException)
        {
            await context.Error.WriteLineAsync(
                "no PostgreSQL on this machine: running in memory, so nothing is left to look at afterwards. Install it with: " + PostgresInstall.Command());
            return (await SimulationRun.StartAsync(context, settings, book, span, inMemory: true, ct), null);
        }
        var where = database.Description;
        return (await SimulationRun.OnDatabaseAsync(context, settings, book, span, database, ct), where);
    }

    private static double? SpeedOf(string text) =>
        text.Equals(Unlimited, StringComparison.OrdinalIgnoreCase) ? null
        : double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var speed) && speed is >= 0.01 and <= 100_000 ? speed
        : throw new CommandException($"--speed is '{text}', but must be simulated days a second, such as 10 or 0.5, or {Unlimited}");

    private static string Pacing(double? daysPerSecond) => daysPerSecond switch
    {
        null => "as fast as it goes",
        1 => "a day a second (faster: --speed 10)",
        { } speed => string.Create(CultureInfo.InvariantCulture, $"{speed} days a second"),
    };

    // Beside the program, since it is started from anywhere; in the current folder, for a program that was copied without its books.
    private static string FindBook(string? given)
    {
        if (given is not null)
        {
            return given;
        }
        string[] places = [Path.Combine(AppContext.BaseDirectory, "books", "tour"), Path.GetFullPath(Path.Combine("books", "tour"))];
        return places.FirstOrDefault(p => File.Exists(Path.Combine(p, "book.json")))
            ?? throw new CommandException($"the book of the demo is not there: neither {places[0]} nor {places[1]}. Name its folder with --book");
    }

    private static string WhereToLook(IEnumerable<string> accounts, string? where)
    {
        if (where is null)
        {
            return "It ran in memory: nothing is left to look at. " + Documentation();
        }
        var ids = accounts.ToList();
        // The two stories with the most in them, where this is the tour.
        var worthALook = ids.Where(a => a is "suspended-then-returns" or "yearly-gets-days-back").DefaultIfEmpty(ids[0]);
        return $"It stays in the {where}, until the next demo. To look at an account:" + Environment.NewLine
            + string.Concat(worthALook.Select(a => $"  {Invocation.Of($"show {a} --database {Database.DemoName}")}{Environment.NewLine}"))
            + Documentation();
    }

    private static string Documentation() => "What the service does and how to run it: README.md and docs/.";
}
