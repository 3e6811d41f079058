using System.Globalization;

namespace Dunning.Model;

/// <summary>
/// An amount in the minor unit of its currency. Arithmetic is checked: an overflow throws, and so does mixing currencies.
/// The one rounding is half away from zero (RULES 1).
/// </summary>
public readonly record struct Money(long Minor, Currency Currency) : IComparable<Money>
{
    /// <summary>The largest amount that any input may carry: far below where <see cref="long"/> arithmetic could overflow.</summary>
    public const long MaxInputMinor = 1_000_000_000_000;

    /// <summary>Nothing, in that currency.</summary>
    public static Money Zero(Currency currency) => new(0, currency);

    /// <summary>Sum of two amounts of one currency.</summary>
    public static Money operator +(Money left, Money right) => new(checked(left.Minor + right.SameAs(left)), left.Currency);

    /// <summary>Difference of two amounts of one currency.</summary>
    public static Money operator -(Money left, Money right) => new(checked(left.Minor - right.SameAs(left)), left.Currency);

    /// <summary>The amount, so many times.</summary>
    public static Money operator *(Money unit, int quantity) => new(checked(unit.Minor * quantity), unit.Currency);

    /// <summary>The smaller of two amounts of one currency.</summary>
    public static Money Min(Money left, Money right) => new(Math.Min(left.Minor, right.SameAs(left)), left.Currency);

    /// <summary>This amount × <paramref name="basisPoints"/> / 10,000, rounded half away from zero.</summary>
    public Money Share(int basisPoints) => new(DivideRounded(checked((Int128)Minor * basisPoints), 10_000), Currency);

    /// <summary>Quotient rounded half away from zero.</summary>
    public static long DivideRounded(Int128 dividend, long divisor)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(divisor);
        var (quotient, rest) = Int128.DivRem(dividend, divisor);
        if (Int128.Abs(rest) * 2 >= divisor)
        {
            quotient += Int128.Sign(dividend);
        }
        return checked((long)quotient);
    }

    /// <inheritdoc/>
    public int CompareTo(Money other) => Minor.CompareTo(other.SameAs(this));

    /// <summary>Less than.</summary>
    public static bool operator <(Money left, Money right) => left.CompareTo(right) < 0;

    /// <summary>More than.</summary>
    public static bool operator >(Money left, Money right) => left.CompareTo(right) > 0;

    /// <summary>At most.</summary>
    public static bool operator <=(Money left, Money right) => left.CompareTo(right) <= 0;

    /// <summary>At least.</summary>
    public static bool operator >=(Money left, Money right) => left.CompareTo(right) >= 0;

    /// <summary>For logs and diagnostics: <c>14.99 EUR</c>, invariant. Mails format for the reader's locale.</summary>
    public override string ToString()
    {
        decimal scale = 1;
        for (var i = 0; i < Currency.Digits; i++)
        {
            scale *= 10;
        }
        return (Minor / scale).ToString("F" + Currency.Digits.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture)
            + " " + Currency.Code;
    }

    private long SameAs(Money other) =>
        Currency == other.Currency ? Minor
            : throw new InvalidOperationException($"amounts of {Currency} and {other.Currency} don't mix");
}
