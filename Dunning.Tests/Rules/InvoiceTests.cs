using Dunning.Model;
using Dunning.Rules;
using NodaTime;

namespace Dunning.Tests.Rules;

public sealed class InvoiceTests
{
    // RULES 3: the seller's country, then the EU without and with a VAT number, then the rest.
    [Theory]
    [InlineData("FR", "FR", null, TaxTreatment.Domestic, 2000)]
    [InlineData("FR", "FR", "FR123", TaxTreatment.Domestic, 2000)]
    [InlineData("FR", "DE", null, TaxTreatment.EuConsumer, 1900)]
    [InlineData("FR", "DE", "DE123", TaxTreatment.ReverseCharge, 0)]
    [InlineData("FR", "GB", null, TaxTreatment.Export, 0)]
    [InlineData("FR", "GB", "GB123", TaxTreatment.Export, 0)]
    [InlineData("FR", "US", null, TaxTreatment.Export, 0)]
    [InlineData("DE", "DE", "DE123", TaxTreatment.Domestic, 1900)]
    [InlineData("DE", "FR", null, TaxTreatment.EuConsumer, 2000)]
    [InlineData("GB", "GB", null, TaxTreatment.Domestic, 2000)]
    [InlineData("GB", "FR", null, TaxTreatment.EuConsumer, 2000)]
    public void Tax_depends_on_seller_and_buyer(string seller, string buyer, string? vatNumber, TaxTreatment treatment, int rateBp)
    {
        var account = Samples.Account("a", default, country: buyer) with { VatNumber = vatNumber };
        Assert.Equal((treatment, rateBp), Renewing.TaxOf(account, Samples.Rules(("Dunning:Seller:Country", seller))));
    }

    // What hints at fraud, theft or loss must not be read by whoever has the card.
    [Theory]
    [InlineData("fraudulent")]
    [InlineData("lost_card")]
    [InlineData("stolen_card")]
    [InlineData("pickup_card")]
    [InlineData("merchant_blacklist")]
    [InlineData("highest_risk_level")]
    [InlineData("restricted_card")]
    [InlineData("a code of next year")]
    public void Customers_are_told_a_plain_decline(string code) => Assert.Equal(Declines.PlainWords, Declines.Of(code).Words);

    [Fact]
    public void A_country_without_a_rate_is_a_broken_invariant() =>
        Assert.Throws<InvalidOperationException>(() => Renewing.TaxOf(Samples.Account("a", default, country: "AQ"), Samples.Rules()));

    // RULES 4: the declines that block a method. The list is money: a code in or out of it decides whether a card is tried again.
    [Theory]
    [InlineData("lost_card stolen_card pickup_card fraudulent merchant_blacklist highest_risk_level invalid_account " +
        "new_account_information_available revocation_of_authorization revocation_of_all_authorizations stop_payment_order card_not_supported " +
        "currency_not_supported restricted_card transaction_not_allowed security_violation service_not_allowed not_permitted do_not_try_again " +
        "pin_try_exceeded expired_card incorrect_number invalid_number incorrect_cvc invalid_cvc invalid_expiry_month invalid_expiry_year " +
        "incorrect_zip incorrect_address")]
    public void Hard_declines_are_these_and_no_others(string codes) =>
        Assert.Equal(codes.Split(' ').Order(StringComparer.Ordinal), Declines.All.Where(d => Declines.Blocks(d.Class)).Select(d => d.Code).Order(StringComparer.Ordinal));

    [Theory]
    [InlineData("insufficient_funds")]
    [InlineData("generic_decline")]
    [InlineData("do_not_honor")]
    [InlineData("card_velocity_exceeded")]
    [InlineData("authentication_required")]
    [InlineData("Lost_card")]
    [InlineData("")]
    public void Every_other_code_is_soft(string code) => Assert.False(Declines.Blocks(Declines.Of(code).Class));

    [Fact]
    public void A_key_is_of_its_attempt_and_of_nothing_else()
    {
        var (period, method) = (new LocalDate(2026, 3, 1), new MethodRef("card", 0));
        var key = Charging.KeyOf("here", "s", period, 1, method);
        Assert.Equal(key, Charging.KeyOf("here", "s", period, 1, method));
        Assert.Equal(
            6,
            new[]
            {
                key, Charging.KeyOf("there", "s", period, 1, method), Charging.KeyOf("here", "t", period, 1, method),
                Charging.KeyOf("here", "s", period.PlusDays(1), 1, method), Charging.KeyOf("here", "s", period, 2, method),
                Charging.KeyOf("here", "s", period, 1, method with { Generation = 1 }),
            }.Distinct().Count());
        // Kept in databases and at the gateway: another form would charge a crashed attempt twice after an upgrade.
        Assert.Equal("dun_", key[..4]);
        Assert.Equal(44, key.Length);
    }
}
