using Dunning.Hosting;
using Dunning.Options;

namespace Dunning.Tests.Hosting;

/// <summary>What stands on every invoice for good is checked before the first one is issued.</summary>
public sealed class SellerSettingsTests
{
    private const string Prefix = "Dunning:Seller:";

    [Theory]
    [InlineData("Siren", "732829321", "must be the nine digits of a SIREN with its check digit, such as 732 829 320")]
    [InlineData("Siren", "73282932", "must be the nine digits")]
    [InlineData("Siren", "７32829320", "must be the nine digits")]
    [InlineData("VatNumber", "FR 44 732829320", "must be a country code and up to 13 letters and digits without spaces, such as FR44732829320")]
    [InlineData("VatNumber", "44732829320", "must be a country code")]
    [InlineData("InvoiceSeries", "F/2026", "must be 1 to 20 letters, digits, '-' or '_', such as INV: it begins numbers and file names")]
    [InlineData("CreditNoteSeries", "a b", "must be 1 to 20 letters")]
    [InlineData("CreditNoteSeries", "AAAAAAAAAAAAAAAAAAAAA", "must be 1 to 20 letters")]
    public void A_wrong_value_is_told_with_what_is_allowed(string key, string value, string allowed)
    {
        var (seller, faults) = Read((key, value));
        Assert.Null(seller);
        var fault = Assert.Single(faults);
        Assert.StartsWith($"{Prefix}{key} is '{value}', but {allowed}", fault, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("InvoiceSeries", "A")]
    [InlineData("InvoiceSeries", "A-2_AAAAAAAAAAAAAAAA")]
    [InlineData("Siren", "732 829 320")]
    [InlineData("VatNumber", "EL12")]
    [InlineData("VatNumber", "XI1234567890123")]
    public void What_is_allowed_is(string key, string value) => Assert.Empty(Read((key, value)).Faults);

    [Fact]
    public void All_faults_are_told_at_once_and_an_unknown_key_with_those_there_are()
    {
        var (_, faults) = Read(("Siren", "1"), ("VatNumber", "?"), ("Adress", "1 rue de la Paix"));
        Assert.Equal(3, faults.Length);
        Assert.StartsWith(Prefix + "Adress is unknown: the keys are Dunning:Seller:Country, TimeZone, Name, ", faults[0], StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_not_set_has_its_default()
    {
        var seller = Read(("Name", "Nuage"), ("Siren", "732 829 320"), ("Line2", "")).Seller!;
        Assert.Equal(("Nuage", "Nuage", "732829320", "INV", "CN"), (seller.Name, seller.LegalName, seller.Siren, seller.InvoiceSeries, seller.CreditNoteSeries));
        Assert.Null(seller.Address.Line2);
        Assert.Contains("no seller configured", Read().Seller!.LegalName, StringComparison.Ordinal);
    }

    private static (Dunning.Postgres.SellerIdentity? Seller, System.Collections.Immutable.ImmutableArray<string> Faults) Read(params (string Key, string Value)[] keys) =>
        SellerSettings.Read(keys.ToDictionary(k => Prefix + k.Key, k => (string?)k.Value, StringComparer.OrdinalIgnoreCase), new RuleOptions());
}
