using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Dunning.Options;
using NodaTime;

namespace Dunning.Books;

/// <summary>What the check of accounts.jsonl found.</summary>
/// <param name="Count">Number of accounts.</param>
/// <param name="Skipped">Number of subscriptions moved to their next boundary.</param>
/// <param name="Ids">The accounts' ids; null when a line has none that can be told: then nothing is said about unknown accounts.</param>
internal sealed record AccountsCheck(int Count, int Skipped, IdSet? Ids);

/// <summary>
/// accounts.jsonl, read twice: once to check all of it, once to load it. Between them stays nothing but its hash, so memory is flat.
/// </summary>
internal sealed class AccountsFile(
    string path, BookRequest request, PlansFile? plans, TaxFile? tax, RuleOptions? options, Instant? knownAt)
{
    private byte[] _hash = [];

    /// <summary>First pass. Null: the file can't be read.</summary>
    public async Task<AccountsCheck?> CheckAsync(BookFaults faults, CancellationToken ct)
    {
        var scope = new FaultScope(faults, Path.GetFileName(path));
        if (BookFiles.Open(path, scope) is not { } stream)
        {
            return null;
        }
        var parser = new AccountParser(request, plans, tax, options, knownAt, scope);
        var (accounts, subscriptions) = (new IdSet(), new IdSet());
        var (count, skipped, areIdsKnown) = (0, 0, true);
        using var lines = new Utf8Lines(stream);
        while (await lines.ReadAsync(ct))
        {
            var before = faults.Count;
            if (!BookFiles.TryParseLine(lines, scope, out var value))
            {
                areIdsKnown &= faults.Count == before;
                continue;
            }
            count++;
            var account = parser.Parse(value!);
            if (account.Overdue.Count > 0 && !await IsPresentAsync(account))
            {
                foreach (var add in account.Overdue)
                {
                    add();
                }
            }
            skipped += account.Skipped;
            areIdsKnown &= account.Id is { } id && Once(accounts, id, "id", "an account once");
            foreach (var (subscription, field) in account.SubscriptionIds)
            {
                Once(subscriptions, subscription, field, "subscription ids are unique in the whole file");
            }
        }
        scope.Line = null;
        if (count == 0 && areIdsKnown)
        {
            scope.AddFile("is empty", "one account a line");
        }
        _hash = lines.Hash();
        return new AccountsCheck(count, skipped, areIdsKnown ? accounts : null);

        bool Once(IdSet ids, string id, string field, string fix)
        {
            var isNew = ids.Add(id, lines.Number, out var first);
            if (!isNew)
            {
                scope.Add(field, Given.Text(id), string.Create(CultureInfo.InvariantCulture, $"is there already, on line {first}"), fix);
            }
            return isNew;
        }
    }

    /// <summary>Second pass.</summary>
    public async IAsyncEnumerable<InitialAccount> LoadAsync([EnumeratorCancellation] CancellationToken ct)
    {
        var faults = new BookFaults(1);
        var scope = new FaultScope(faults, Path.GetFileName(path));
        var stream = BookFiles.Open(path, scope) ?? throw Changed(faults);
        var parser = new AccountParser(request, plans, tax, options, knownAt, scope);
        using var lines = new Utf8Lines(stream);
        while (await lines.ReadAsync(ct))
        {
            if (BookFiles.TryParseLine(lines, scope, out var value))
            {
                // Overdue renewals were judged by the first pass.
                var account = parser.Parse(value!);
                if (faults.IsEmpty)
                {
                    yield return new InitialAccount(account.File!, account.ContentHash!, lines.Number);
                }
            }
            if (!faults.IsEmpty)
            {
                throw Changed(faults);
            }
        }
        if (!CryptographicOperations.FixedTimeEquals(_hash, lines.Hash()))
        {
            throw Changed(faults);
        }
    }

    // Loading is one transaction, so throwing at the end undoes all of it.
    private InvalidDataException Changed(BookFaults faults) =>
        new($"{path} has changed since it was checked{(faults.IsEmpty ? "" : ": " + faults.Listed[0])}. " +
            "Nothing of it may be kept; start again");

    private async ValueTask<bool> IsPresentAsync(ParsedAccount account) =>
        request.IsPresent is { } isPresent && account is { Id: { } id, ContentHash: { } hash } && await isPresent(id, hash);
}

/// <summary>
/// Ids seen, by a 128-bit hash of each and the line it was first on: 36 bytes an id, whatever its length.
/// </summary>
internal sealed class IdSet
{
    private readonly Dictionary<Key, int> _lines = [];

    /// <summary>Adds an id. False: it is there, since line <paramref name="first"/>.</summary>
    public bool Add(string id, int line, out int first)
    {
        ref var known = ref CollectionsMarshal.GetValueRefOrAddDefault(_lines, Hash(id), out var exists);
        if (!exists)
        {
            known = line;
        }
        first = known;
        return !exists;
    }

    /// <summary>Whether the id is there.</summary>
    public bool Contains(string id) => _lines.ContainsKey(Hash(id));

    // Cryptographic, so that nobody can make two ids collide and have one refused.
    private static Key Hash(string id)
    {
        Span<byte> text = stackalloc byte[Shapes.MaxId * 4];
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(text[..Encoding.UTF8.GetBytes(id, text)], hash);
        return MemoryMarshal.Read<Key>(hash);
    }

    // Two longs rather than UInt128, whose alignment would make an entry a third larger.
    private readonly record struct Key(ulong High, ulong Low);
}
