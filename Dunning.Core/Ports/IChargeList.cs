using Dunning.Model;
using NodaTime;

namespace Dunning.Ports;

/// <summary>A gateway that lists the charges that it knows, so that its books can be compared with ours.</summary>
public interface IChargeList
{
    /// <summary>
    /// Charges with keys of ours that were made at or after <paramref name="from"/> and before <paramref name="to"/>, in any order. A gateway that
    /// keeps no times lists all.
    /// </summary>
    /// <exception cref="GatewayListException">The gateway did not answer, or refused: what was listed is not all.</exception>
    IAsyncEnumerable<ListedCharge> ListAsync(Instant from, Instant to, CancellationToken ct);
}

/// <summary>A gateway whose keys belong to an account of the seller's.</summary>
public interface IGatewayAccount
{
    /// <summary>The account's id at the gateway; null where the key may not read it, or there was no answer.</summary>
    Task<string?> AccountAsync(CancellationToken ct);
}

/// <summary>A gateway that can be asked whether it takes the key, with nothing charged.</summary>
public interface IGatewayKey
{
    /// <summary>Asks it.</summary>
    Task<KeyVerdict> TryKeyAsync(CancellationToken ct);
}

/// <summary>What a gateway says of a key.</summary>
public abstract record KeyVerdict
{
    private KeyVerdict()
    {
    }

    /// <summary>It takes it.</summary>
    /// <param name="Account">Whose it is; null: this gateway does not tell.</param>
    public sealed record Taken(string? Account) : KeyVerdict;

    /// <summary>It may not be asked with this key, which may do for charges all the same.</summary>
    public sealed record NotTold : KeyVerdict;

    /// <summary>It refuses it.</summary>
    /// <param name="Why">For operators: codes alone.</param>
    public sealed record Refused(string Why) : KeyVerdict;

    /// <summary>There is no answer, or nothing could be asked.</summary>
    /// <param name="Why">For operators: codes alone.</param>
    public sealed record NoAnswer(string Why) : KeyVerdict;
}

/// <summary>A charge as the gateway lists it.</summary>
/// <param name="Key">Our key.</param>
/// <param name="Reference">Its id at the gateway.</param>
/// <param name="Account">Our account.</param>
/// <param name="SubscriptionId">What was paid for, where the gateway was told.</param>
/// <param name="PeriodStart">And for which period.</param>
/// <param name="Amount">What was asked for.</param>
/// <param name="Outcome">What has become of it; <see cref="GatewayOutcome.Unknown"/>: it is half done.</param>
/// <param name="CreatedAt">When it was made; null where the gateway keeps no times.</param>
/// <param name="IsOurs">It was made by this installation; null: it doesn't say, as one of an older version of this program.</param>
public sealed record ListedCharge(
    string Key, string Reference, string Account, string? SubscriptionId, LocalDate? PeriodStart, Money Amount, GatewayOutcome Outcome, Instant? CreatedAt, bool? IsOurs);

/// <summary>A gateway's list broke off.</summary>
public sealed class GatewayListException(string message) : Exception(message);
