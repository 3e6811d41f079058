using System.Globalization;
using Dunning.Model;

namespace Dunning.Tests.Rules;

public sealed class MoneyTests
{
    private static readonly Currency Euro = Currency.Of("EUR");

    // RULES 1: half away from zero. A half is a half of the last minor unit.
    [Theory]
    [InlineData(0, 2000, 0)]
    [InlineData(1, 2000, 0)] // 0.2
    [InlineData(1, 5000, 1)] // 0.5
    [InlineData(1, 4999, 0)] // 0.4999
    [InlineData(3, 5000, 2)] // 1.5
    [InlineData(5, 5000, 3)] // 2.5: half to even would say 2
    [InlineData(-1, 5000, -1)]
    [InlineData(-5, 5000, -3)] // half up would say -2
    [InlineData(-1, 4999, 0)]
    [InlineData(999, 550, 55)] // 54.945
    [InlineData(1250, 2000, 250)]
    [InlineData(1_000_000_000_000, 2700, 270_000_000_000)]
    [InlineData(long.MaxValue / 10_000, 10_000, long.MaxValue / 10_000)] // the product needs more than 64 bits
    public void A_share_is_rounded_half_away_from_zero(long minor, int basisPoints, long expected) =>
        Assert.Equal(expected, new Money(minor, Euro).Share(basisPoints).Minor);

    [Theory]
    [InlineData(7, 2, 4)]
    [InlineData(-7, 2, -4)]
    [InlineData(7, 3, 2)]
    [InlineData(8, 3, 3)]
    [InlineData(-8, 3, -3)]
    [InlineData(0, 3, 0)]
    [InlineData(1, 2, 1)]
    [InlineData(-1, 2, -1)]
    public void A_quotient_is_rounded_half_away_from_zero(long dividend, long divisor, long expected) =>
        Assert.Equal(expected, Money.DivideRounded(dividend, divisor));

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    public void A_quotient_by_nothing_is_refused(long divisor) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => Money.DivideRounded(1, divisor));

    [Fact]
    public void Sums_that_overflow_throw()
    {
        var most = new Money(long.MaxValue, Euro);
        Assert.Throws<OverflowException>(() => most + new Money(1, Euro));
        Assert.Throws<OverflowException>(() => new Money(long.MinValue, Euro) - new Money(1, Euro));
        Assert.Throws<OverflowException>(() => most * 2);
        Assert.Throws<OverflowException>(() => most.Share(10_001));
    }

    [Fact]
    public void Currencies_do_not_mix()
    {
        var (euros, yen) = (new Money(1, Euro), new Money(1, Currency.Of("JPY")));
        Assert.Throws<InvalidOperationException>(() => euros + yen);
        Assert.Throws<InvalidOperationException>(() => euros - yen);
        Assert.Throws<InvalidOperationException>(() => Money.Min(euros, yen));
        Assert.Throws<InvalidOperationException>(() => euros < yen);
        Assert.NotEqual(euros, yen);
    }

    [Theory]
    [InlineData("EUR", 1499, "14.99 EUR")]
    [InlineData("EUR", -5, "-0.05 EUR")]
    [InlineData("JPY", 2400, "2400 JPY")]
    [InlineData("KWD", 5250, "5.250 KWD")]
    public void The_text_for_logs_is_the_same_in_every_culture(string currency, long minor, string expected)
    {
        var before = CultureInfo.CurrentCulture;
        try
        {
            CultureInfo.CurrentCulture = CultureInfo.GetCultureInfo("fr-FR");
            Assert.Equal(expected, new Money(minor, Currency.Of(currency)).ToString());
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }
    }

    [Theory]
    [InlineData("EUR", 2)]
    [InlineData("USD", 2)]
    [InlineData("GBP", 2)]
    [InlineData("JPY", 0)]
    [InlineData("KRW", 0)]
    [InlineData("CLP", 0)]
    [InlineData("ISK", 0)]
    [InlineData("XPF", 0)]
    [InlineData("KWD", 3)]
    [InlineData("TND", 3)]
    [InlineData("BHD", 3)]
    [InlineData("MAD", 2)]
    [InlineData("HUF", 2)]
    public void A_currency_has_the_digits_of_iso_4217(string code, int digits) => Assert.Equal(digits, Currency.Of(code).Digits);

    [Theory]
    [InlineData("eur")]
    [InlineData("EURO")]
    [InlineData("")]
    [InlineData("XXX")]
    public void A_code_that_is_not_in_the_list_is_no_currency(string code)
    {
        Assert.Null(Currency.Find(code));
        Assert.Contains($"'{code}'", Assert.Throws<ArgumentException>(() => Currency.Of(code)).Message);
    }
}
