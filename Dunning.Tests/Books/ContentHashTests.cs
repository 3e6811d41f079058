using Dunning.Books;

namespace Dunning.Tests.Books;

/// <summary>The hash says whether an account that is imported again is the same.</summary>
public sealed class ContentHashTests
{
    // Key order, white space, the order of lists, defaults written out, null for absent, escapes.
    private const string Rewritten =
        """{ "subscriptions": [ {"renews_on":"2026-03-17","anchor":"2026-03-03","quantity":3,"plan":"weekly","id":"b-2-s2","auto_renew":true,"cancel_at_period_end":false}, {"id":"b-2-s1","plan":"team","quantity":7,"anchor":"2025-01-31","renews_on":"2026-03-31"} ],"payment_methods":[{"id":"pm-2","token":"sandbox_sca","exp":"2030-01","backup":true,"default":false,"brand":null},{"id":"pm-1","token":"sandbox_ok","exp":"2029-06","default":true,"brand":"visa","last4":"4242"}],"contacts":[{"email":"konto@brume.example","name":"","role":"billing","locale":"fr-CA","frequency":"at_once"},{"email":"eva@brume.example","name":"\u0045va","role":"owner"}],"gateway_customer":"cus_1","credit":500,"vat_number":"DE1","address":{"city":"Berlin","postal_code":"10115","line2":"Hof","line1":"1 Weg"},"locale":"de","currency":"EUR","time_zone":"Europe/Berlin","country":"DE","legal_name":"Brume GmbH","name":"Brume","id":"b-2" }""";

    [Fact]
    public async Task How_a_line_is_written_does_not_matter() =>
        Assert.Equal(await HashAsync(BookFolder.Account2), await HashAsync(Rewritten));

    // The hash is stored with each account: another form would make every account look changed.
    [Fact]
    public async Task The_form_is_frozen() =>
        Assert.Equal("1:69114a93c12c4bfd21bb05badf02c3a27f2ca24763697788e4c042b40cb00042", await HashAsync(BookFolder.Account2));

    [Theory]
    [InlineData("\"name\":\"Brume\"", "\"name\":\"Brumes\"")]
    [InlineData("\"legal_name\":\"Brume GmbH\"", "\"legal_name\":\"Brume AG\"")]
    [InlineData("\"country\":\"DE\"", "\"country\":\"FR\"")]
    [InlineData("Europe/Berlin", "Europe/Paris")]
    [InlineData("\"locale\":\"de\"", "\"locale\":\"en\"")]
    [InlineData("\"1 Weg\"", "\"2 Weg\"")]
    [InlineData("\"line2\":\"Hof\",", "")]
    [InlineData("\"10115\"", "\"10116\"")]
    [InlineData("\"city\":\"Berlin\"", "\"city\":\"Bern\"")]
    [InlineData("\"vat_number\":\"DE1\",", "")]
    [InlineData("\"credit\":500", "\"credit\":501")]
    [InlineData("\"legal_hold\":false", "\"legal_hold\":true")]
    [InlineData("\"cus_1\"", "\"cus_2\"")]
    [InlineData("\"Eva\"", "\"Ewa\"")]
    [InlineData("eva@brume.example", "ewa@brume.example")]
    [InlineData("\"role\":\"billing\"", "\"role\":\"admin\"")]
    [InlineData("\"fr-CA\"", "\"fr\"")]
    [InlineData("\"fr-CA\"", "\"fr-CA\",\"frequency\":\"weekly\"")]
    [InlineData("\"pm-1\"", "\"pm-3\"")]
    [InlineData("sandbox_sca", "sandbox_ok")]
    [InlineData("\"2029-06\"", "\"2029-07\"")]
    [InlineData("\"default\":true", "\"default\":false")]
    [InlineData("\"backup\":true", "\"backup\":false")]
    [InlineData("\"visa\"", "\"amex\"")]
    [InlineData("\"4242\"", "\"4243\"")]
    [InlineData("\"b-2-s1\"", "\"b-2-s3\"")]
    [InlineData("\"plan\":\"weekly\"", "\"plan\":\"fortnightly\"")]
    [InlineData("\"quantity\":7", "\"quantity\":8")]
    [InlineData("\"2025-01-31\"", "\"2024-01-31\"")]
    [InlineData("\"2026-03-31\"", "\"2026-04-30\"")]
    [InlineData("\"auto_renew\":true", "\"auto_renew\":false")]
    [InlineData("\"cancel_at_period_end\":false", "\"cancel_at_period_end\":true")]
    public async Task Every_change_matters(string old, string @new) => Assert.NotEqual(
        await HashAsync(BookFolder.Account2), await HashAsync(BookFolder.Account2.Replace(old, @new, StringComparison.Ordinal)));

    [Fact]
    public async Task Skipping_missed_periods_does_not_change_it()
    {
        using var folder = new BookFolder();
        var hash = (await (await folder.TheBookAsync()).AccountsAsync().LastAsync()).ContentHash;

        var later = await folder.TheBookAsync(folder.Import with { Now = NodaTime.Instant.FromUtc(2027, 1, 1, 0, 0), SkipMissed = true });

        Assert.Equal(hash, (await later.AccountsAsync().LastAsync()).ContentHash);
        Assert.Equal(3, later.SkippedCount);
    }

    private static async Task<string> HashAsync(string line)
    {
        using var folder = new BookFolder();
        File.Delete(folder.In("actions.jsonl"));
        folder.Write("accounts.jsonl", line);
        folder.Replace("plans.json", "\n]", ",\n {\"code\": \"fortnightly\", \"name\": {\"en\": \"F\"}, \"interval\": \"week\", \"interval_count\": 2, \"prices\": {\"EUR\": 999}}\n]");
        return (await (await folder.TheBookAsync()).AccountsAsync().SingleAsync()).ContentHash;
    }
}
