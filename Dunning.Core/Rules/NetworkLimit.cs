using System.Collections.Immutable;
using Dunning.Model;
using Dunning.Passes;
using NodaTime;

namespace Dunning.Rules;

/// <summary>
/// What card networks allow: so many attempts that follow a decline, on a card and amount, since its last success. Whatever began them counts. Bank
/// debits know no such limit.
/// </summary>
internal static class NetworkLimit
{
    /// <summary>Why a charge is skipped.</summary>
    public const string Reason = "network_limit";

    private static readonly Duration Day = Duration.FromDays(1);
    private static readonly Duration Month = Duration.FromDays(30);

    /// <summary>Whether the limit allows an attempt now.</summary>
    public static bool IsOpen(Draft draft, PaymentMethod method, Money amount) => OpensAt(draft, method, amount) is not { } at || at <= draft.Now;

    /// <summary>From when on the limit allows an attempt; null: it always has.</summary>
    public static Instant? OpensAt(Draft draft, PaymentMethod method, Money amount)
    {
        if (method.IsDebit)
        {
            return null;
        }
        var followed = method.Tries.Where(t => t.Minor == amount.Minor).Skip(1).Select(t => t.At).Order().ToList();
        return Max(After(Month, draft.Options.NetworkLimitPerMonth), After(Day, draft.Options.NetworkLimitPerDay));

        // The attempt that must have left the window before another one fits in.
        Instant? After(Duration window, int limit) => followed.Count < limit ? null : followed[^limit] + window;
    }

    /// <summary>An attempt begins: it counts when it follows a decline.</summary>
    public static void Count(Draft draft, PaymentMethod method, Money amount)
    {
        if (!method.IsDebit && method.Tries.Any(t => t.Minor == amount.Minor))
        {
            Set(draft, method, [.. Recent(draft, method), new CardTry(amount.Minor, draft.Now)]);
        }
    }

    /// <summary>A card was declined: attempts count from now on.</summary>
    public static void Declined(Draft draft, MethodRef method, Money amount)
    {
        if (Find(draft, method) is { IsDebit: false } card && card.Tries.All(t => t.Minor != amount.Minor))
        {
            Set(draft, card, [.. Recent(draft, card), new CardTry(amount.Minor, draft.Now)]);
        }
    }

    /// <summary>A call that was never made does not count.</summary>
    public static void Forget(Draft draft, Charge charge)
    {
        if (Find(draft, charge.Method) is { } card)
        {
            var tries = card.Tries.Select((t, i) => (Try: t, Index: i)).Where(t => t.Try.Minor == charge.Amount.Minor).Skip(1)
                .LastOrDefault(t => t.Try.At == charge.FirstCalledAt, (Try: default, Index: -1));
            if (tries.Index >= 0)
            {
                Set(draft, card, card.Tries.RemoveAt(tries.Index));
            }
        }
    }

    /// <summary>A success begins the count anew.</summary>
    public static void Clear(Draft draft, MethodRef method, Money amount)
    {
        if (Find(draft, method) is { } card && card.Tries.Any(t => t.Minor == amount.Minor))
        {
            Set(draft, card, card.Tries.RemoveAll(t => t.Minor == amount.Minor));
        }
    }

    // A decline stands for the attempts after it; those are forgotten once they are out of every window.
    private static IEnumerable<CardTry> Recent(Draft draft, PaymentMethod method) =>
        method.Tries.GroupBy(t => t.Minor).SelectMany(g => g.Where((t, i) => i == 0 || draft.Now - t.At <= Month));

    private static PaymentMethod? Find(Draft draft, MethodRef method) => draft.File.Methods.FirstOrDefault(m => m.Ref == method && !m.IsRetired);

    private static void Set(Draft draft, PaymentMethod method, ImmutableArray<CardTry> tries) => draft.Set(method with { Tries = tries });

    private static Instant? Max(Instant? left, Instant? right) => left is null ? right : right is null ? left : Instant.Max(left.Value, right.Value);
}
