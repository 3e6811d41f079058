using System.Collections.Immutable;
using Dunning.Model;
using Dunning.Options;
using Dunning.Simulation;
using NodaTime;

namespace Dunning.Books;

/// <summary>What a book's folder is read for.</summary>
public enum BookUse
{
    /// <summary>Its accounts are taken into the service, as of now. <c>book.json</c> need not be there.</summary>
    Import,

    /// <summary>It is run from its own start. A renewal that is overdue then is part of the story.</summary>
    Simulation,
}

/// <summary>What to read, and by which measure.</summary>
public sealed record BookRequest
{
    /// <summary>The book's folder.</summary>
    public required string Folder { get; init; }

    /// <summary>What for.</summary>
    public required BookUse Use { get; init; }

    /// <summary>Now, for an import; a simulation starts at the book's <c>from</c>.</summary>
    public Instant? Now { get; init; }

    /// <summary>Configuration of the service; for a simulation the book's own settings go over it.</summary>
    public IEnumerable<KeyValuePair<string, string?>> Settings { get; init; } = [];

    /// <summary>Whether a text is a token of the gateway.</summary>
    public required Func<string, bool> IsToken { get; init; }

    /// <summary>What the gateway's tokens look like, told with the fault of one that is none.</summary>
    public string TokenHelp { get; init; } = "a token of the payment gateway";

    /// <summary>Whether a text can be a customer's id at the gateway.</summary>
    public Func<string, bool> IsCustomer { get; init; } = _ => true;

    /// <summary>What the gateway's customers look like, told with the fault of an account without its own; null: the gateway needs none.</summary>
    public string? CustomerHelp { get; init; }

    /// <summary>Import: a renewal that is overdue by at most one period is let through, and made at once.</summary>
    public bool AllowOverdue { get; init; }

    /// <summary>Import: a subscription overdue by more than one period starts at its next boundary; none between is billed.</summary>
    public bool SkipMissed { get; init; }

    /// <summary>
    /// Import: whether the account of that id is there already with that content. Asked only about accounts with an overdue renewal,
    /// whose <c>renews_on</c> was right when they were imported: so that the same file can be imported again later.
    /// </summary>
    public Func<string, string, ValueTask<bool>>? IsPresent { get; init; }

    /// <summary>How many faults are listed; the rest is counted.</summary>
    public int MaxFaults { get; init; } = BookFaults.DefaultLimit;
}

/// <summary>A book, or what is wrong with it.</summary>
/// <param name="Book">Null when there is any fault.</param>
/// <param name="Faults">The faults.</param>
public sealed record BookReading(Book? Book, BookFaults Faults);

/// <summary>An account as it starts.</summary>
/// <param name="File">The account.</param>
/// <param name="ContentHash">
/// Hash of what its line says: key order, white space, the order of lists and defaults written out don't matter. The same before and after
/// a subscription was moved by <see cref="BookRequest.SkipMissed"/>.
/// </param>
/// <param name="Line">Its line in accounts.jsonl.</param>
public sealed record InitialAccount(AccountFile File, string ContentHash, int Line);

/// <summary>A book that has been checked from end to end. Its accounts stay in their file, and are read anew for each use.</summary>
public sealed class Book
{
    private readonly AccountsFile _accounts;

    internal Book(AccountsFile accounts) => _accounts = accounts;

    /// <summary>Name of the file of expected events.</summary>
    public const string EventsFile = "events.jsonl";

    /// <summary>The book's folder.</summary>
    public required string Folder { get; init; }

    /// <summary>When it runs; null when an import has no <c>book.json</c>.</summary>
    public required SimulationSpan? Span { get; init; }

    /// <summary>The book's own settings.</summary>
    public required ImmutableSortedDictionary<string, string> Settings { get; init; }

    /// <summary>The rules' options: for a simulation with the book's settings, and as a simulation uses them.</summary>
    public required RuleOptions Options { get; init; }

    /// <summary>Plans (each as version 1) and tax rates.</summary>
    public required Catalog Catalog { get; init; }

    /// <summary>Actions in order of their instants.</summary>
    public required ImmutableArray<AccountAction> Actions { get; init; }

    /// <summary>Number of accounts.</summary>
    public required int AccountCount { get; init; }

    /// <summary>Number of subscriptions that <see cref="BookRequest.SkipMissed"/> moves.</summary>
    public required int SkippedCount { get; init; }

    /// <summary>The instant that the accounts are known from: now, or the book's start.</summary>
    public required Instant KnownAt { get; init; }

    /// <summary>File of expected events, or null when the book has none.</summary>
    public string? ExpectedEventsPath => Path.Combine(Folder, EventsFile) is var path && File.Exists(path) ? path : null;

    /// <summary>The accounts, one after the other, in flat memory.</summary>
    /// <exception cref="InvalidDataException">The file is no longer the one that was checked.</exception>
    public IAsyncEnumerable<InitialAccount> AccountsAsync(CancellationToken ct = default) => _accounts.LoadAsync(ct);
}
