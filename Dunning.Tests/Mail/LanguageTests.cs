using Dunning.Mail;
using Dunning.Model;
using NodaTime;
using Xunit;

namespace Dunning.Tests.Mail;

/// <summary>Amounts and dates as their reader writes them, whatever culture data the machine has.</summary>
public sealed class LanguageTests
{
    private static readonly Language s_english = Samples.Texts.LanguageFor("en");
    private static readonly Language s_french = Samples.Texts.LanguageFor("fr");

    [Theory]
    [InlineData(1499, "EUR", "€14.99", "14,99\u00A0€")]
    [InlineData(0, "EUR", "€0.00", "0,00\u00A0€")]
    [InlineData(5, "EUR", "€0.05", "0,05\u00A0€")]
    [InlineData(-500, "EUR", "-€5.00", "-5,00\u00A0€")]
    [InlineData(99999, "USD", "$999.99", "999,99\u00A0$")]
    [InlineData(100000, "USD", "$1,000.00", "1\u202F000,00\u00A0$")]
    [InlineData(123456789012, "GBP", "£1,234,567,890.12", "1\u202F234\u202F567\u202F890,12\u00A0£")]
    [InlineData(7900, "JPY", "¥7,900", "7\u202F900\u00A0¥")]
    [InlineData(0, "JPY", "¥0", "0\u00A0¥")]
    [InlineData(16745, "KWD", "KWD\u00A016.745", "16,745\u00A0KWD")]
    [InlineData(7, "KWD", "KWD\u00A00.007", "0,007\u00A0KWD")]
    [InlineData(long.MinValue, "JPY", "-¥9,223,372,036,854,775,808", "-9\u202F223\u202F372\u202F036\u202F854\u202F775\u202F808\u00A0¥")]
    public void An_amount_has_its_currencys_decimals(long minor, string currency, string english, string french)
    {
        Assert.Equal(english, s_english.Amount(minor, Currency.Of(currency)));
        Assert.Equal(french, s_french.Amount(minor, Currency.Of(currency)));
    }

    [Theory]
    [InlineData(2026, 3, 3, "3 March 2026", "3 mars 2026")]
    [InlineData(2026, 3, 1, "1 March 2026", "1er mars 2026")]
    [InlineData(2026, 8, 31, "31 August 2026", "31 août 2026")]
    [InlineData(2028, 2, 29, "29 February 2028", "29 février 2028")]
    public void A_date_has_its_months_name(int year, int month, int day, string english, string french)
    {
        Assert.Equal(english, s_english.Date(new LocalDate(year, month, day)));
        Assert.Equal(french, s_french.Date(new LocalDate(year, month, day)));
    }

    [Fact]
    public void A_period_ends_with_its_last_day()
    {
        var start = new LocalDate(2026, 3, 1);
        Assert.Equal("1 March 2026 to 31 March 2026", s_english.Days(start, new LocalDate(2026, 4, 1)));
        Assert.Equal("du 1er mars 2026 au 31 mars 2026", s_french.Days(start, new LocalDate(2026, 4, 1)));
        Assert.Equal("1 March 2026", s_english.Days(start, new LocalDate(2026, 3, 2)));
        Assert.Equal("from 1 March 2026", s_english.Days(start, null));
    }

    [Fact]
    public void A_time_is_in_the_accounts_zone_which_is_named()
    {
        var instant = Instant.FromUtc(2026, 3, 31, 22, 5);
        Assert.Equal("1er avril 2026 à 00:05 (Europe/Paris)", s_french.Time(instant, "Europe/Paris"));
        Assert.Equal("31 March 2026 at 18:05 (America/New_York)", s_english.Time(instant, "America/New_York"));
    }

    [Theory]
    [InlineData("visa", "4242", "Visa ending in 4242", "Visa se terminant par 4242")]
    [InlineData("MasterCard", null, "Mastercard", "Mastercard")]
    [InlineData(null, "4242", "card ending in 4242", "carte se terminant par 4242")]
    [InlineData("sepa_debit", "3000", "SEPA direct debit ending in 3000", "prélèvement SEPA se terminant par 3000")]
    [InlineData("Troy", "1", "Troy ending in 1", "Troy se terminant par 1")]
    [InlineData("{last4}", "1", "{last4} ending in 1", "{last4} se terminant par 1")]
    [InlineData(null, null, null, null)]
    [InlineData("", " ", null, null)]
    public void A_card_is_named_by_what_is_known(string? brand, string? last4, string? english, string? french)
    {
        Assert.Equal(english, s_english.Card(brand, last4));
        Assert.Equal(french, s_french.Card(brand, last4));
    }
}
