using Dunning.Hosting;
using Dunning.Pay;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;

namespace Dunning.Tests.Pay;

/// <summary>What is configured about links, what pages say, and what a log may never hold.</summary>
public sealed class PaySettingsTests
{
    [Fact]
    public void Without_an_address_there_are_no_links_and_cards_are_verified_by_being_stored()
    {
        var settings = Read();
        Assert.Null(settings.PublicUrl);
        Assert.Null(settings.PageAt("/pay/x"));
        Assert.Equal((Verification.Setup, 3), (settings.Verification, settings.VerificationVoidDays));
    }

    [Theory]
    [InlineData("https://billing.example.com")]
    [InlineData("https://example.com/billing/")]
    [InlineData("http://127.0.0.1:5080")]
    public void An_address_of_ours_is_taken_as_it_is(string url) =>
        Assert.Equal(url.TrimEnd('/') + "/pay/x", Read(("Links:PublicUrl", url), ("Payments:VerificationVoidDays", "6")).PageAt("/pay/x")!.AbsoluteUri);

    [Theory]
    [InlineData("Links:PublicUrl", "http://example.com", "Links:PublicUrl is 'http://example.com', but must be a whole https address without a query (http for this machine alone), such as https://billing.example.com")]
    [InlineData("Links:PublicUrl", "https://example.com/?a={account}", "Links:PublicUrl is 'https://example.com/?a={account}', but must be a whole https address without a query (http for this machine alone), such as https://billing.example.com")]
    [InlineData("Links:PublicUrl", "billing", "Links:PublicUrl is 'billing', but must be a whole https address without a query (http for this machine alone), such as https://billing.example.com")]
    [InlineData("Links:Url", "https://example.com", "Links:Url is unknown: the keys are Links:PublicUrl, Links:Proxies")]
    [InlineData("Links:Proxies", "10.0.0.5, proxy", "Links:Proxies has 'proxy', but must be IP addresses parted by commas, such as 10.0.0.5")]
    [InlineData("Payments:Verification", "charge", "Payments:Verification is 'charge', but must be setup or authorize")]
    [InlineData("Payments:VerificationVoidDays", "7", "Payments:VerificationVoidDays is '7', but must be a whole number from 0 to 6, such as 3")]
    [InlineData("Payments:VerificationVoidDays", "-1", "Payments:VerificationVoidDays is '-1', but must be a whole number from 0 to 6, such as 3")]
    public void What_is_wrong_is_told_with_what_is_allowed(string key, string value, string fault) =>
        Assert.Equal(fault, Assert.Single(LinkSettings.Read(new Dictionary<string, string?> { [key] = value }).Faults));

    // Would miss: a page with a hole in one language.
    [Fact]
    public void Every_language_says_the_same_things()
    {
        Assert.Equal(["en", "fr"], PayTexts.Load().Languages);
        var (_, faults) = PayTexts.Read(new Dictionary<string, string> { ["en"] = "a = {x}\nb = 1\n", ["fr"] = "a = {y}\nc = 2\nd\n" });
        Assert.Equal("fr.txt: 'd' is no new 'key = value'\nfr.txt: a must have the slots of en.txt: x\nfr.txt: b is missing\nfr.txt: c is unknown", string.Join('\n', faults));
    }

    // Would miss: links in a log, where whoever reads logs could use them. These write the addresses that are asked for, whatever is configured.
    [Theory]
    [InlineData("Microsoft.AspNetCore.Hosting.Diagnostics")]
    [InlineData("Microsoft.AspNetCore.Routing.Matching.DfaMatcher")]
    [InlineData("Microsoft.AspNetCore.Routing.EndpointRoutingMiddleware")]
    [InlineData("Microsoft.AspNetCore.Server.Kestrel.Connections")]
    public void No_setting_lets_addresses_into_the_log(string category)
    {
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(
        [
            new("Logging:LogLevel:Default", "Trace"), new("Logging:LogLevel:Microsoft", "Trace"), new("Logging:LogLevel:" + category, "Trace"),
            new("Logging:Console:LogLevel:Default", "Trace"), new("Logging:Console:LogLevel:" + category, "Trace"),
        ]).Build();
        var (settings, _) = WorkerSettings.Read(configuration);
        using var loggers = LoggerFactory.Create(logging => Logs.Configure(logging, settings!, configuration));
        Assert.False(loggers.CreateLogger(category).IsEnabled(LogLevel.Information));
        Assert.True(loggers.CreateLogger(category).IsEnabled(LogLevel.Warning));
    }

    private static LinkSettings Read(params (string Key, string Value)[] keys)
    {
        var (settings, faults) = LinkSettings.Read(keys.ToDictionary(k => k.Key, k => (string?)k.Value));
        Assert.Empty(faults);
        return settings!;
    }
}
