using Dunning.Model;
using Dunning.Passes;
using NodaTime;

namespace Dunning.Ports;

/// <summary>A pure decision on an account's file, made while the account is locked.</summary>
public delegate Decision Decide(AccountFile file);

/// <summary>
/// The store of accounts. Both calls lock, then read, then decide, then save all of it in one transaction: an account is the unit of
/// decision, a batch the unit of commit. A decision that throws is reported and leaves its account as it was; the others go on.
/// </summary>
public interface IBook
{
    /// <summary>
    /// Claims at most <paramref name="limit"/> accounts for which <paramref name="pass"/> (or, for <see cref="PassKind.All"/>, any pass) is due at
    /// or before <paramref name="now"/>, skipping those that are busy, and decides each. Empty: nothing is due (or what is due is busy).
    /// </summary>
    Task<BatchResult> ClaimAsync(PassKind pass, Instant now, int limit, Decide decide, CancellationToken ct);

    /// <summary>The earliest instant at which any pass is due for any account; null: never, as things stand.</summary>
    Task<Instant?> NextDueAsync(CancellationToken ct);

    /// <summary>
    /// Decides on an answer for each of these accounts, waiting for their locks: an answer must not be lost. Charges named by key are in the
    /// files even when their outcome is known already.
    /// </summary>
    Task<BatchResult> AnswerAsync(IReadOnlyList<AnswerFor> answers, CancellationToken ct);
}

/// <summary>An answer to decide on: for which account, about which charge (if any), and how.</summary>
public sealed record AnswerFor(string Account, string? ChargeKey, Decide Decide)
{
    /// <summary>An invoice that must be in the file also when it is settled, with the charges that have succeeded for it.</summary>
    public (string Subscription, LocalDate PeriodStart)? Invoice { get; init; }
}

/// <summary>What a batch came to.</summary>
/// <param name="Decisions">Saved decisions.</param>
/// <param name="Faults">Accounts whose decision or save failed and which were left as they were.</param>
public sealed record BatchResult(IReadOnlyList<Decision> Decisions, IReadOnlyList<AccountFault> Faults)
{
    /// <summary>Nothing.</summary>
    public static BatchResult Empty { get; } = new([], []);
}

/// <summary>A fault of one account.</summary>
public sealed record AccountFault(string Account, Exception Exception);
