using Dunning.Books;
using Dunning.Events;
using Dunning.Gateways;
using Dunning.Gateways.Sandbox;
using Dunning.Hosting;
using Dunning.Mail;
using Dunning.Model;
using Dunning.Passes;
using Dunning.Postgres;
using Dunning.Simulation;
using NodaTime;
using NodaTime.Text;

namespace Dunning.Commands;

/// <summary>A book being simulated, on a database or in memory: loading it, running it, and its state at the end.</summary>
internal sealed class SimulationRun : IAsyncDisposable
{
    // The installation of every simulation, so that the same book gives the same idempotency keys.
    private const string Installation = "simulation";

    private readonly Simulator _simulator;
    private readonly IReadOnlyList<AccountAction> _actions;
    private readonly Func<CancellationToken, Task<IReadOnlyList<AccountState>>> _states;
    private readonly Func<string, CancellationToken, Task<AccountFile?>> _file;
    private readonly Func<Instant, Task> _reached;
    private readonly List<IAsyncDisposable> _owned;

    private SimulationRun(
        Simulator simulator, IReadOnlyList<AccountAction> actions,
        Func<CancellationToken, Task<IReadOnlyList<AccountState>>> states, Func<string, CancellationToken, Task<AccountFile?>> file,
        Func<Instant, Task> reached, List<IAsyncDisposable> owned)
    {
        (_simulator, _actions, _states, _file, _reached, _owned) = (simulator, actions, states, file, reached, owned);
        _simulator.OnTick = (now, events, _) => OnTick?.Invoke(now, events) ?? Task.CompletedTask;
    }

    /// <summary>Called after each tick.</summary>
    public Func<Instant, IReadOnlyList<BookEvent>, Task>? OnTick { get; set; }

    /// <summary>Every event, once it has run.</summary>
    public IReadOnlyList<BookEvent> Events { get; private set; } = [];

    /// <summary>Loads the book: in memory when that is asked for or this machine has no PostgreSQL, which is told.</summary>
    public static async Task<SimulationRun> StartAsync(
        CommandContext context, WorkerSettings settings, Book book, SimulationSpan span, bool inMemory, CancellationToken ct)
    {
        if (!inMemory)
        {
            if (await Database.OpenScratchAsync(settings, ct) is { } database)
            {
                return await OnDatabaseAsync(context, settings, book, span, database, ct);
            }
            await context.Error.WriteLineAsync(
                "no PostgreSQL on this machine: running in memory. Install it with: " + Postgres.Embedded.PostgresInstall.Command());
        }
        return await InMemoryAsync(context, book, span, ct);
    }

    /// <summary>Loads the book into a database that the run then owns.</summary>
    public static async Task<SimulationRun> OnDatabaseAsync(
        CommandContext context, WorkerSettings settings, Book book, SimulationSpan span, Database database, CancellationToken ct)
    {
        var loggers = CommandContext.QuietLoggers();
        var owned = new List<IAsyncDisposable> { database };
        try
        {
            await new Migrator(database.Source, context.Time).MigrateAsync(ct);
            var store = new PostgresSettings(database.Source);
            await store.SetAsync(PostgresSettings.Installation, Installation, ct);
            await store.SetAsync(PostgresSettings.Simulation, InstantPattern.General.Format(span.From), ct);
            var catalog = new PostgresCatalog(database.Source);
            await catalog.UpsertPlansAsync(book.Catalog.Plans.Values, span.From, ct);
            await catalog.UpsertTaxRatesAsync(book.Catalog.TaxRates.Values, ct);
            var engine = await Engine.OpenAsync(
                database, settings with { Payments = PaymentSettings.Simulated }, context.Time, loggers, takesOver: true, ct, book.Options, sendsMail: false);
            owned.Insert(0, engine);
            var rules = await engine.RulebookAsync(ct);
            await new PostgresImporter(database.Source).ImportAsync(ImportedAsync(book, rules, ct), ct);
            var simulator = new Simulator(engine.Book, rules, engine.Gateway, engine.Mailer, span, settings.Limits);
            return new SimulationRun(
                simulator, book.Actions,
                token => AccountState.ReadAsync(database.Source, token),
                (id, token) => new PostgresFiles(database.Source).FileAsync(id, token),
                now => store.SetAsync(PostgresSettings.Simulation, InstantPattern.General.Format(now), CancellationToken.None),
                owned);
        }
        catch
        {
            foreach (var one in owned)
            {
                await one.DisposeAsync();
            }
            throw;
        }
    }

    /// <summary>Runs to the end. The database is told how far it came, also when it is stopped: whoever looks at it later lives in its time.</summary>
    public async Task RunAsync(CancellationToken ct)
    {
        try
        {
            Events = await _simulator.RunAsync(_actions, ct);
        }
        catch (OperationCanceledException)
        {
            await _reached(_simulator.Now);
            throw;
        }
        await _reached(_simulator.Now);
    }

    /// <summary>An account as it stands, or null when there is none of that id.</summary>
    public Task<AccountFile?> FileAsync(string id, CancellationToken ct) => _file(id, ct);

    /// <summary>Every account's state.</summary>
    public Task<IReadOnlyList<AccountState>> AccountStatesAsync(CancellationToken ct) => _states(ct);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (var one in _owned)
        {
            await one.DisposeAsync();
        }
    }

    private static async Task<SimulationRun> InMemoryAsync(CommandContext context, Book book, SimulationSpan span, CancellationToken ct)
    {
        var rules = new Rulebook(book.Options, book.Catalog, Installation);
        var memory = new MemoryBook();
        await foreach (var account in book.AccountsAsync(ct))
        {
            memory.Add(account.File, Pass.DueOf(account.File, book.KnownAt, rules));
        }
        var gateway = new SandboxGateway(new MemoryLedger(), new SandboxOptions(), context.Time);
        var simulator = new Simulator(memory, rules, gateway, new SinkMailer(), span, new PassLimits());
        return new SimulationRun(
            simulator, book.Actions,
            _ => Task.FromResult<IReadOnlyList<AccountState>>([.. memory.Accounts.Select(AccountState.Of)]),
            (id, _) => Task.FromResult(memory.Accounts.FirstOrDefault(a => a.Id == id)),
            _ => Task.CompletedTask,
            []);
    }

    private static async IAsyncEnumerable<ImportedAccount> ImportedAsync(
        Book book, Rulebook rules, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken ct)
    {
        await foreach (var account in book.AccountsAsync(ct))
        {
            yield return new ImportedAccount(account.File, Pass.DueOf(account.File, book.KnownAt, rules), account.ContentHash);
        }
    }
}
