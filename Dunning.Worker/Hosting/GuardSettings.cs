using System.Collections.Immutable;
using Dunning.Model;

namespace Dunning.Hosting;

/// <summary>How much of one kind of harm may be done in any 24 hours without an operator's word.</summary>
/// <param name="Count">So many, however small the book is; or</param>
/// <param name="Percent">this share of the live accounts, if that is more.</param>
public readonly record struct GuardLimit(int Count, int Percent)
{
    /// <summary>The limit for a book of that many live accounts.</summary>
    public int For(int liveAccounts) => (int)Math.Min(int.MaxValue, Math.Max(Count, (long)liveAccounts * Percent / 100));
}

/// <summary>The guards' limits, over all passes and servers.</summary>
public sealed record GuardSettings
{
    private const string Section = "Guards:";

    /// <summary><c>Guards:Suspensions</c>: attempts whose failure suspends. Default 50, or 2 % of the live accounts.</summary>
    public GuardLimit Suspensions { get; init; } = new(50, 2);

    /// <summary><c>Guards:Purges</c>: purges, and erasures of closed accounts. Default 20, or 1 %.</summary>
    public GuardLimit Purges { get; init; } = new(20, 1);

    /// <summary><c>Guards:Mails</c>: messages that leave. Default 2,000, or 300 %: three for each account.</summary>
    public GuardLimit Mails { get; init; } = new(2000, 300);

    /// <summary>The limit of one kind.</summary>
    public GuardLimit this[GuardKinds kind] => kind switch
    {
        GuardKinds.Suspensions => Suspensions,
        GuardKinds.Purges => Purges,
        GuardKinds.Mails => Mails,
        _ => throw new ArgumentOutOfRangeException(nameof(kind)),
    };

    /// <summary>
    /// Reads the keys of <c>Guards</c> out of a flat configuration, without case; an empty value is none. Returns the settings or every fault: key, given
    /// value, what is allowed.
    /// </summary>
    public static (GuardSettings? Settings, ImmutableArray<string> Faults) Read(IEnumerable<KeyValuePair<string, string?>> settings)
    {
        var given = settings.Where(s => !string.IsNullOrEmpty(s.Value) && s.Key.StartsWith(Section, StringComparison.OrdinalIgnoreCase))
            .ToDictionary(s => s.Key, s => s.Value!, StringComparer.OrdinalIgnoreCase);
        var faults = ImmutableArray.CreateBuilder<string>();
        var standard = new GuardSettings();
        var read = new GuardSettings
        {
            Suspensions = Limit("Suspensions", standard.Suspensions),
            Purges = Limit("Purges", standard.Purges),
            Mails = Limit("Mails", standard.Mails),
        };
        return faults.Count > 0 ? (null, faults.ToImmutable()) : (read, []);

        GuardLimit Limit(string kind, GuardLimit usual) => new(
            Number($"{Section}{kind}:Count", usual.Count, 1, 10_000_000), Number($"{Section}{kind}:Percent", usual.Percent, 0, 10_000));

        int Number(string key, int usual, int min, int max) => WholeNumber.Read(given.GetValueOrDefault(key), key, usual, min, max, faults);
    }
}
