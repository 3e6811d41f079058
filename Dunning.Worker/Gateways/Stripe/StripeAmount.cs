using System.Collections.Frozen;
using Dunning.Model;
using Dunning.Options;

namespace Dunning.Gateways.Stripe;

/// <summary>
/// Amounts as Stripe counts them. Its units are ISO 4217's but for a few currencies, and it takes only multiples of a step and no less than a least
/// amount. Source: docs.stripe.com/currencies.
/// </summary>
internal static class StripeAmount
{
    // ISO counts these without a decimal, Stripe keeps two for old times' sake: always 00.
    private static readonly FrozenSet<string> s_hundredfold = FrozenSet.Create(StringComparer.Ordinal, "ISK", "UGX");

    // ISO counts these in hundredths (the ariary's are fifths), Stripe in whole ones.
    private static readonly FrozenSet<string> s_whole = FrozenSet.Create(StringComparer.Ordinal, "MGA");

    // In Stripe's units, where charge and settlement have the same currency; where they differ, Stripe's answer tells.
    private static readonly FrozenDictionary<string, long> s_least = new Dictionary<string, long>(StringComparer.Ordinal)
    {
        ["USD"] = 50, ["AED"] = 200, ["AUD"] = 50, ["BGN"] = 100, ["BRL"] = 50, ["CAD"] = 50, ["CHF"] = 50, ["CZK"] = 1500, ["DKK"] = 250, ["EUR"] = 50,
        ["GBP"] = 30, ["HKD"] = 400, ["HUF"] = 17500, ["INR"] = 50, ["JPY"] = 50, ["MXN"] = 1000, ["MYR"] = 200, ["NOK"] = 300, ["NZD"] = 50,
        ["PLN"] = 200, ["RON"] = 200, ["SEK"] = 300, ["SGD"] = 50, ["THB"] = 1000,
    }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>The amount of Stripe's units in a currency, written as Stripe does; null: a currency that we don't know.</summary>
    public static Money? Of(long units, string currency)
    {
        var code = currency.ToUpperInvariant();
        return Currency.Find(code) is not { } known ? null
            : new Money(s_hundredfold.Contains(code) ? units / 100 : s_whole.Contains(code) ? checked(units * 100) : units, known);
    }

    /// <summary>What Stripe takes in a currency, in ISO 4217's minor units. A least amount that is not known here is told by its answer.</summary>
    public static ChargeableAmounts Taken(Currency currency)
    {
        var (code, least) = (currency.Code, Math.Max(1, s_least.GetValueOrDefault(currency.Code)));
        return s_hundredfold.Contains(code) ? new ChargeableAmounts(Math.Max(1, least / 100), 1)
            : s_whole.Contains(code) ? new ChargeableAmounts(least * 100, 100)
            : currency.Digits == 3 ? new ChargeableAmounts(Math.Max(10, least), 10)
            : new ChargeableAmounts(least, 1);
    }

    /// <summary>The amount in Stripe's units, or why Stripe would not take it.</summary>
    public static (long Units, string? Fault) Of(Money amount)
    {
        var code = amount.Currency.Code;
        var units = amount.Minor;
        if (s_hundredfold.Contains(code))
        {
            units = checked(units * 100);
        }
        else if (s_whole.Contains(code))
        {
            if (units % 100 != 0)
            {
                return (0, $"Stripe takes whole {code} only");
            }
            units /= 100;
        }
        else if (amount.Currency.Digits == 3 && units % 10 != 0)
        {
            return (0, $"Stripe takes {code} in steps of 0.010 only");
        }
        return units < s_least.GetValueOrDefault(code) ? (0, $"the amount is below the least that Stripe takes in {code}") : (units, null);
    }

    /// <summary>An amount in Stripe's units and its lower-case code; null: a currency that is not known.</summary>
    public static Money? From(long units, string currency)
    {
        if (Currency.Find(currency.ToUpperInvariant()) is not { } known)
        {
            return null;
        }
        return new Money(s_hundredfold.Contains(known.Code) ? units / 100 : s_whole.Contains(known.Code) ? checked(units * 100) : units, known);
    }

    /// <summary>The currency's main unit in Stripe's units, or the least that it takes if that is more.</summary>
    public static long LeastFrom(Currency currency) => Math.Max(Of(MainUnit(currency)).Units, s_least.GetValueOrDefault(currency.Code));

    private static Money MainUnit(Currency currency) => new(currency.Digits switch { 0 => 1, 2 => 100, _ => 1000 }, currency);
}
