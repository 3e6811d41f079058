using Dunning.Model;
using NodaTime;

namespace Dunning.Options;

/// <summary>What rules must know of the gateway that charges.</summary>
public sealed record GatewayTraits
{
    /// <summary>A gateway that takes any amount and remembers its keys for good.</summary>
    public static GatewayTraits Any { get; } = new();

    /// <summary>What it takes in a currency.</summary>
    public Func<Currency, ChargeableAmounts> Amounts { get; init; } = _ => ChargeableAmounts.Any;

    /// <summary>
    /// How long it remembers a key. An older charge that healthy look-ups don't find was never made. Null: not found is never an answer by itself.
    /// </summary>
    public Duration? KeyLife { get; init; }
}

/// <summary>What a gateway takes in a currency, in minor units.</summary>
/// <param name="Least">The smallest charge.</param>
/// <param name="Step">Amounts are multiples of it.</param>
public readonly record struct ChargeableAmounts(long Least, long Step)
{
    /// <summary>Any amount.</summary>
    public static ChargeableAmounts Any { get; } = new(1, 1);

    /// <summary>The part of an amount that can be charged now; the rest is carried over.</summary>
    public long Of(long amount) => amount - (amount % Step) is var whole && whole < Least ? 0 : whole;
}
