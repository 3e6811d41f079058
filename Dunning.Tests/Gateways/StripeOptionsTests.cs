using Dunning.Gateways;
using Dunning.Gateways.Stripe;
using Dunning.Hosting;
using Dunning.Options;
using Microsoft.Extensions.Configuration;
using NodaTime;

namespace Dunning.Tests.Gateways;

public sealed class StripeOptionsTests : IDisposable
{
    private const string Secret = "sk_test_51HfVeryVerySecret";

    private readonly string _file = Path.GetTempFileName();

    public void Dispose() => File.Delete(_file);

    [Fact]
    public void Read_AKeyAlone_IsEnough()
    {
        var options = Read(("SecretKey", Secret));
        Assert.Equal(("stripe test", new Uri("https://api.stripe.com"), StripeOptions.PinnedApiVersion, null, TimeSpan.FromSeconds(30), 50, 20),
            (options.Binding, options.BaseUrl, options.ApiVersion, options.StatementDescriptorSuffix, options.Timeout, options.Concurrency, options.PerSecond));
    }

    [Fact]
    public void Read_ALiveKeyInAFile_IsLiveAndFaster()
    {
        File.WriteAllText(_file, "rk_live_51HfRestricted\n");
        var options = Read(("SecretKeyFile", _file));
        Assert.Equal(("stripe live", true, 80, _file), (options.Binding, options.Key.IsLive, options.PerSecond, options.KeyFile));
    }

    [Theory]
    [InlineData("SecretKey", "pk_test_publishable1", "Payments:Stripe:SecretKey must be a secret or restricted key (its value is not shown), such as sk_test_… or rk_live_…")]
    [InlineData("SecretKeyFile", "/no/such/file", "Payments:Stripe:SecretKeyFile is '/no/such/file', but that file can't be read")]
    [InlineData("BaseUrl", "http://api.example.com", "Payments:Stripe:BaseUrl is 'http://api.example.com', but must be an https address without a path (http for this machine alone), such as https://api.stripe.com")]
    [InlineData("BaseUrl", "https://me:word@api.example.com", "Payments:Stripe:BaseUrl is 'https://…@api.example.com', but must be")]
    [InlineData("BaseUrl", "https://api.stripe.com/v1", "Payments:Stripe:BaseUrl is 'https://api.stripe.com/v1', but must be")]
    [InlineData("ApiVersion", "latest", "Payments:Stripe:ApiVersion is 'latest', but must be a version of Stripe's API, such as 2026-10-28.endive")]
    [InlineData("StatementDescriptorSuffix", "12345", "Payments:Stripe:StatementDescriptorSuffix is '12345', but must be 1 to 10 letters")]
    [InlineData("StatementDescriptorSuffix", "RENEWAL<1>", "Payments:Stripe:StatementDescriptorSuffix is 'RENEWAL<1>', but must be")]
    [InlineData("TimeoutSeconds", "61", "Payments:Stripe:TimeoutSeconds is '61', but must be a whole number from 1 to 60, such as 30")]
    [InlineData("Concurrency", "0", "Payments:Stripe:Concurrency is '0', but must be a whole number from 1 to 500, such as 50")]
    [InlineData("PerSecond", "1001", "Payments:Stripe:PerSecond is '1001', but must be a whole number from 1 to 1000, such as 20")]
    [InlineData("Secret", Secret, "Payments:Stripe:Secret is unknown: the keys are Payments:Stripe:SecretKey, Payments:Stripe:SecretKeyFile")]
    public void Read_AWrongValue_IsToldWithWhatIsAllowed(string key, string value, string fault)
    {
        var given = new List<(string, string)> { (key, value) };
        if (!key.StartsWith("SecretKey", StringComparison.Ordinal))
        {
            given.Add(("SecretKey", Secret));
        }
        var told = Assert.Single(Faults([.. given]));
        Assert.StartsWith(fault, told, StringComparison.Ordinal);
        Assert.DoesNotContain("VerySecret", told, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_ManyWrongValues_AreToldAtOnceWithTheOthersOfTheProgram()
    {
        var (settings, faults) = WorkerSettings.Read(new ConfigurationBuilder().AddInMemoryCollection(
        [
            new("Payments:Gateway", "stripe"), new("Payments:Stripe:Concurrency", "none"), new("Payments:Stripe:BaseUrl", "stripe.com"), new("Dunning:ChargeAt", "nine"),
        ]).Build());
        Assert.Null(settings);
        Assert.Equal(4, faults.Length);
        Assert.Contains(faults, f => f.StartsWith("Payments:Stripe:SecretKey is missing", StringComparison.Ordinal));
    }

    [Fact]
    public void Read_KeyAndFile_AreOneTooMany()
    {
        File.WriteAllText(_file, Secret);
        Assert.StartsWith("Payments:Stripe:SecretKey and Payments:Stripe:SecretKeyFile are both given",
            Assert.Single(Faults(("SecretKey", Secret), ("SecretKeyFile", _file))), StringComparison.Ordinal);
    }

    [Fact]
    public void Read_AGatewayThatIsNone_IsToldWithThoseThatAre()
    {
        var (_, faults) = PaymentSettings.Read(new Dictionary<string, string?> { ["Payments:Gateway"] = "paypal" }, new RuleOptions());
        Assert.Equal("Payments:Gateway is 'paypal', but must be sandbox, stripe or gocardless", Assert.Single(faults));
    }

    // Charged for real, but mailed into a folder: customers would never hear of it.
    [Theory]
    [InlineData("rk_live_51HfVeryVerySecret", "pickup", "false", 1)]
    [InlineData("rk_live_51HfVeryVerySecret", "pickup", "true", 0)]
    [InlineData(Secret, "pickup", "false", 0)]
    public void Read_ALiveKeyWithMailsThatDoNotLeave_IsAFault(string key, string transport, string allow, int faults) =>
        Assert.Equal(faults, WorkerSettings.Read(new ConfigurationBuilder().AddInMemoryCollection(
        [
            new("Payments:Gateway", "stripe"), new("Payments:Stripe:SecretKey", key), new("Mail:Transport", transport), new("Mail:AllowPickup", allow),
        ]).Build()).Faults.Length);

    [Fact]
    public void Print_Options_ShowNoKey()
    {
        var (settings, _) = WorkerSettings.Read(new ConfigurationBuilder().AddInMemoryCollection(
            [new("Payments:Gateway", "stripe"), new("Payments:Stripe:SecretKey", Secret)]).Build());
        Assert.DoesNotContain("VerySecret", settings!.Payments.ToString(), StringComparison.Ordinal);
        Assert.Equal("sk_test_…", settings.Payments.Stripe!.Key.ToString());
    }

    [Theory]
    [InlineData("pm_1Mr2JgLkdIwHu7ixp0nOTnTo", true)]
    [InlineData("card_1Mr2JgLkdIwHu7ix", true)]
    [InlineData("sandbox_ok", false)]
    [InlineData("4242424242424242", false)]
    public void Token_OfStripe_IsToldFromOthers(string token, bool isOne) =>
        Assert.Equal(isOne, new PaymentSettings { Stripe = Read(("SecretKey", Secret)) }.IsToken(token));

    private static StripeOptions Read(params (string Key, string Value)[] given)
    {
        var (options, faults) = StripeOptions.Read(Flat(given), Duration.FromSeconds(60));
        Assert.Empty(faults);
        return options!;
    }

    private static IReadOnlyList<string> Faults(params (string Key, string Value)[] given)
    {
        var (options, faults) = StripeOptions.Read(Flat(given), Duration.FromSeconds(60));
        Assert.Null(options);
        return faults;
    }

    private static IEnumerable<KeyValuePair<string, string?>> Flat((string Key, string Value)[] given) =>
        given.Select(g => new KeyValuePair<string, string?>("Payments:Stripe:" + g.Key, g.Value));
}
