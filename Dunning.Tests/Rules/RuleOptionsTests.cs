using Dunning.Options;
using NodaTime;

namespace Dunning.Tests.Rules;

public sealed class RuleOptionsTests
{
    [Fact]
    public void Without_settings_the_defaults_are_those_of_the_rule_book()
    {
        var options = Valid();
        Assert.Equal(
            (new LocalTime(9, 0), 90, "FR", "Europe/Paris", 23, Duration.FromMinutes(10), Duration.FromSeconds(60), true),
            (options.ChargeAt, options.PurgeAfterDays, options.SellerCountry, options.SellerTimeZone, options.KeyHours, options.AttemptGap, options.CallTimeout,
                options.IsService));
        Assert.Equal(RuleOptions.DefaultSteps, options.Steps);
        Assert.Equal((Duration.Zero, false), (options.ForSimulation().AttemptGap, options.ForSimulation().IsService));
    }

    // Each key: the last value that is allowed, and the first that is not.
    [Theory]
    [InlineData("Dunning:ChargeAt", "00:00", "24:00")]
    [InlineData("Dunning:ChargeAt", "23:59", "23:60")]
    [InlineData("Dunning:ChargeAt", "09:05", "9:05")]
    [InlineData("Dunning:PurgeAfterDays", "8", "7")]
    [InlineData("Dunning:EraseClosedAfterDays", "30", "29")]
    [InlineData("Dunning:EraseClosedAfterDays", "3650", "0")]
    [InlineData("Dunning:PurgeAfterDays", "3650", "3651")]
    [InlineData("Dunning:PurgeAfterDays", "90", "90.5")]
    [InlineData("Dunning:Seller:Country", "DE", "de")]
    [InlineData("Dunning:Seller:Country", "GB", "GBR")]
    [InlineData("Dunning:Seller:TimeZone", "Asia/Tokyo", "Asia/Edo")]
    [InlineData("Dunning:AttemptGap", "1", "0")]
    [InlineData("Dunning:AttemptGap", "1440", "1441")]
    [InlineData("Dunning:TimeZoneData", "2025b", "2025c")]
    [InlineData("Payments:KeyHours", "1", "0")]
    [InlineData("Payments:KeyHours", "23", "24")]
    [InlineData("Payments:CallTimeoutSeconds", "1", "0")]
    [InlineData("Payments:CallTimeoutSeconds", "600", "601")]
    [InlineData("Dunning:Steps:1:Day", "3", "4")]
    [InlineData("Dunning:Steps:1:Day", "1", "0")]
    [InlineData("Dunning:Steps:1:Day", "2", "two")]
    [InlineData("Dunning:Steps:1:Email", "suspension_warning", "receipt")]
    [InlineData("Dunning:Steps:1:Notice", "owner_admins", "everyone")]
    [InlineData("Dunning:Steps:1:Off", "true", "yes")]
    [InlineData("Dunning:Steps:1:Suspend", "False", "0")]
    public void A_value_is_checked_at_its_limit(string key, string allowed, string refused)
    {
        Valid((key, allowed));
        // Keys are compared without case, as configuration does.
        Valid((key.ToUpperInvariant(), allowed));
        var fault = Assert.Single(Faults((key, refused)));
        // The given value is in the message, so that an operator sees what was read and not what he believes he wrote.
        Assert.Contains(refused, fault, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Dunning:ChargeAs", "09:00")]
    [InlineData("Dunning:PurgeAfter", "90")]
    [InlineData("Dunning:Steps:1:Days", "2")]
    [InlineData("Dunning:Steps:one:Day", "2")]
    [InlineData("Dunning:Steps:100:Day", "2")]
    [InlineData("Dunning:Steps:-1:Day", "2")]
    [InlineData("Dunning:Steps:1", "2")]
    [InlineData("Dunning:Steps:1:Day:Month", "2")]
    public void A_misspelt_key_is_a_fault(string key, string value) =>
        Assert.Contains(key.Split(':')[^1], Assert.Single(Faults((key, value))), StringComparison.Ordinal);

    [Theory]
    [InlineData("Logging:LogLevel:Default", "Debug")]
    [InlineData("Dunning:Jobs:Workers", "3")]
    [InlineData("Dunning:ChargeAt", null)]
    [InlineData("Dunning:Steps", null)]
    [InlineData("Dunning:Steps:1", null)]
    public void Keys_of_others_and_sections_are_none_of_its_business(string key, string? value)
    {
        var (options, faults) = RuleOptions.Read([new(key, value)]);
        Assert.Empty(faults);
        Assert.Equal(Valid().Fingerprint, options!.Fingerprint);
    }

    [Fact]
    public void All_faults_are_told_at_once() => Assert.Equal(
        5, Faults(("Dunning:ChargeAt", "x"), ("Dunning:PurgeAfterDays", "1"), ("Payments:KeyHours", "x"), ("Dunning:Foo", "x"), ("Dunning:Steps:1:Off", "x")).Length);

    [Fact]
    public void A_step_is_overridden_key_by_key()
    {
        var steps = Valid(("Dunning:Steps:3:Day", "14"), ("Dunning:Steps:2:Notice", "")).Steps.Steps;
        Assert.Equal(RuleOptions.DefaultSteps.Steps[3] with { Day = 14 }, steps[3]);
        Assert.Equal(RuleOptions.DefaultSteps.Steps[2] with { Notice = null }, steps[2]);
        Assert.Equal(RuleOptions.DefaultSteps.Steps[4], steps[4]);
    }

    [Fact]
    public void A_step_that_is_off_is_left_out_and_the_others_are_numbered_anew() => Assert.Equal(
        """
        0|payment_failed||
        21|suspension_warning|all_agents|
        29|account_suspended||suspend
        """,
        Valid(("Dunning:Steps:1:Off", "true"), ("Dunning:Steps:2:Off", "True")).Steps.Text);

    [Fact]
    public void The_suspending_step_cannot_be_left_out() =>
        Assert.Contains("the last step must suspend", Assert.Single(Faults(("Dunning:Steps:4:Off", "true"))), StringComparison.Ordinal);

    [Fact]
    public void Steps_beyond_the_defaults_come_after_them_in_order_of_their_numbers()
    {
        var steps = Valid(
            ("Dunning:Steps:4:Suspend", "false"), ("Dunning:Steps:4:Email", "payment_failed"),
            ("Dunning:Steps:20:Day", "50"), ("Dunning:Steps:20:Email", "account_suspended"), ("Dunning:Steps:20:Suspend", "true"),
            ("Dunning:Steps:9:Day", "40"), ("Dunning:Steps:9:Email", "suspension_warning")).Steps;
        Assert.Equal([0, 2, 4, 21, 29, 40, 50], steps.Steps.Select(s => s.Day));
        Assert.Equal(5, steps.LastWarning);
        Assert.Contains("needs Day and Email", Assert.Single(Faults(("Dunning:Steps:5:Day", "40"))), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Dunning:ChargeAt", "10:00")]
    [InlineData("Dunning:PurgeAfterDays", "91")]
    [InlineData("Dunning:EraseClosedAfterDays", "30")]
    [InlineData("Dunning:Seller:Country", "DE")]
    [InlineData("Dunning:Seller:TimeZone", "Europe/Berlin")]
    [InlineData("Dunning:AttemptGap", "11")]
    [InlineData("Dunning:TimeZoneData", "2025b")]
    [InlineData("Payments:KeyHours", "22")]
    [InlineData("Dunning:Steps:1:Day", "3")]
    public void What_decisions_depend_on_is_in_the_fingerprint(string key, string value) =>
        Assert.NotEqual(Valid().Fingerprint, Valid((key, value)).Fingerprint);

    private static RuleOptions Valid(params (string Key, string Value)[] settings)
    {
        var (options, faults) = RuleOptions.Read(settings.Select(s => new KeyValuePair<string, string?>(s.Key, s.Value)));
        Assert.Empty(faults);
        return options!;
    }

    private static string[] Faults(params (string Key, string Value)[] settings)
    {
        var (options, faults) = RuleOptions.Read(settings.Select(s => new KeyValuePair<string, string?>(s.Key, s.Value)));
        Assert.Null(options);
        return [.. faults];
    }
}
