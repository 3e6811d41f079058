using Dunning.Hosting;
using Dunning.Passes;
using Microsoft.Extensions.Configuration;

namespace Dunning.Tests.Jobs;

public sealed class JobSettingsTests
{
    [Fact]
    public void By_default_each_pass_runs_every_minute_and_at_start()
    {
        var (settings, faults) = JobSettings.Read([]);

        Assert.Empty(faults);
        Assert.Equal(7, settings!.Cron.Count);
        Assert.All(settings.Cron.Values, cron => Assert.Equal("* * * * *", cron));
        Assert.True(settings.RunsAtStart);
        Assert.Equal(TimeZoneInfo.Utc, settings.Zone);
    }

    [Fact]
    public void Keys_are_read_without_case()
    {
        var settings = Read(("jobs:timezone", "Europe/Paris"), ("Jobs:endaccess:cron", "*/5 6-22 * * MON-FRI"), ("Jobs:Mail:Cron", "off"), ("Jobs:RunAtStart", "False"));

        Assert.Equal("Europe/Paris", settings.Zone.Id);
        Assert.Equal("*/5 6-22 * * MON-FRI", settings.Cron[PassKind.EndAccess]);
        Assert.DoesNotContain(PassKind.Mail, settings.Recurring.Select(r => r.Key));
        Assert.False(settings.RunsAtStart);
    }

    [Fact]
    public void All_faults_are_told_at_once()
    {
        var (settings, faults) = JobSettings.Read(
        [
            new("Jobs:TimeZone", "Europe/Pariss"), new("Jobs:RunAtStart", "perhaps"), new("Jobs:Renew:Cron", "* * * *"),
            new("Jobs:Renewal:Cron", "* * * * *"), new("Jobs:All:Cron", "* * * * *"), new("Jobs:Mail", "off"), new("Jobs:Dun:Crn", "off"),
        ]);

        Assert.Null(settings);
        Assert.Equal(7, faults.Length);
        Assert.Contains("Jobs:TimeZone is 'Europe/Pariss'", faults[0]);
        Assert.Contains("Jobs:RunAtStart is 'perhaps'", faults[1]);
        Assert.Contains("it has not five fields", faults[2]);
        Assert.All(faults[3..], f => Assert.Contains("is unknown: the keys are Jobs:TimeZone, Jobs:RunAtStart and Jobs:PASS:Cron", f));
    }

    [Theory]
    [InlineData("* * * * *", "Etc/UTC", "2026-03-01T08:00:30Z", "2026-03-01T08:00:00Z")]
    [InlineData("*/15 * * * *", "Etc/UTC", "2026-03-01T08:14:59Z", "2026-03-01T08:00:00Z")]
    [InlineData("30 3 * * *", "Etc/UTC", "2026-03-01T03:29:00Z", "2026-02-28T03:30:00Z")]
    [InlineData("30 3 * * *", "Europe/Paris", "2026-07-01T01:30:00Z", "2026-07-01T01:30:00Z")]
    [InlineData("0 6 * * MON", "Etc/UTC", "2026-03-01T08:00:00Z", "2026-02-23T06:00:00Z")]
    [InlineData("0 6 * * 7", "Etc/UTC", "2026-03-01T08:00:00Z", "2026-03-01T06:00:00Z")]
    [InlineData("0 0 29 2 *", "Etc/UTC", "2026-03-01T08:00:00Z", "2024-02-29T00:00:00Z")]
    public void The_last_call_of_a_schedule_is_known(string cron, string zone, string now, string last) => Assert.Equal(
        NodaTime.Text.InstantPattern.General.Parse(last).Value,
        CronText.LastBefore(cron, TimeZoneInfo.FindSystemTimeZoneById(zone), NodaTime.Text.InstantPattern.ExtendedIso.Parse(now).Value));

    [Theory]
    [InlineData("* * * * *")]
    [InlineData("0 9 * * *")]
    [InlineData("*/15 0,12 1-5 * *")]
    [InlineData("59 23 31 12 *")]
    [InlineData("0 0 29 2 *")]
    [InlineData("0 0 * jan-MAR *")]
    [InlineData("0 0 * * 0")]
    [InlineData("0 0 * * 7")]
    [InlineData("0 0 * * sun,Sat")]
    [InlineData("10-50/20 * * * *")]
    [InlineData("0  9  *  *  *")]
    public void Sound(string cron) => Assert.Null(CronText.FaultOf(cron));

    [Theory]
    [InlineData("", "five fields")]
    [InlineData("* * * * * *", "five fields")]
    [InlineData("0 0 ? * *", "'?' is no day of the month")]
    [InlineData("60 * * * *", "'60' is no minute")]
    [InlineData("* 24 * * *", "'24' is no hour")]
    [InlineData("* * 0 * *", "'0' is no day of the month")]
    [InlineData("* * L * *", "'L' is no day of the month")]
    [InlineData("* * * 13 *", "'13' is no month")]
    [InlineData("* * * * 8", "'8' is no day of the week")]
    [InlineData("* * * * MONDAY", "'MONDAY' is no day of the week")]
    [InlineData("50-10 * * * *", "'50-10' is no minute")]
    [InlineData("5/10 * * * *", "'5/10' is no minute")]
    [InlineData("*/0 * * * *", "'*/0' is no minute")]
    [InlineData("*/60 * * * *", "'*/60' is no minute")]
    [InlineData("1,,2 * * * *", "'1,,2' is no minute")]
    [InlineData("-1 * * * *", "'-1' is no minute")]
    [InlineData("0 0 13 * 5", "both the day of the month and the day of the week")]
    [InlineData("0 0 30 2 *", "no month has such a day")]
    [InlineData("0 0 31 4,6,9,11 *", "no month has such a day")]
    public void Unsound(string cron, string why) => Assert.Contains(why, CronText.FaultOf(cron));

    [Theory]
    [InlineData("Http:Urls", "localhost", "Http:Urls is 'localhost'")]
    [InlineData("Http:Urls", "https://127.0.0.1:5080", "Http:Urls is 'https://127.0.0.1:5080'")]
    [InlineData("Http:Urls", "http://127.0.0.1:5080;http://127.0.0.1:5081/path", "Http:Urls is 'http://127.0.0.1:5081/path'")]
    [InlineData("Logging:Format", "xml", "Logging:Format is 'xml'")]
    public void The_service_has_faults_too(string key, string value, string fault)
    {
        var (settings, faults) = WorkerSettings.Read(new ConfigurationBuilder().AddInMemoryCollection([new(key, value)]).Build());

        Assert.Null(settings);
        Assert.StartsWith(fault, Assert.Single(faults));
    }

    [Fact]
    public void The_settings_file_says_what_the_defaults_are()
    {
        var file = Path.Combine(AppContext.BaseDirectory, "appsettings.json");
        Assert.True(File.Exists(file));
        var (written, faults) = WorkerSettings.Read(new ConfigurationBuilder().AddJsonFile(file).Build());
        var (standard, _) = WorkerSettings.Read(new ConfigurationBuilder().Build());

        Assert.Empty(faults);
        Assert.Equal(standard!.Rules.Fingerprint, written!.Rules.Fingerprint);
        Assert.Equal(standard.Rules.CallTimeout, written.Rules.CallTimeout);
        Assert.Equal(standard.Seller, written.Seller);
        Assert.Equal(standard.Mail, written.Mail);
        Assert.Equal(standard.Payments, written.Payments);
        Assert.Equal(standard.Limits, written.Limits);
        Assert.Equal(standard.Jobs.Cron, written.Jobs.Cron);
        Assert.Equal(standard.Jobs with { Cron = written.Jobs.Cron }, written.Jobs);
        Assert.Equal(
            (standard.ConnectionString, standard.DatabaseFolder, standard.DatabaseBinaries, standard.DatabaseName, standard.MigratesAtStart, standard.Urls, standard.LogsJson),
            (written.ConnectionString, written.DatabaseFolder, written.DatabaseBinaries, written.DatabaseName, written.MigratesAtStart, written.Urls, written.LogsJson));
    }

    private static JobSettings Read(params (string Key, string Value)[] keys)
    {
        var (settings, faults) = JobSettings.Read(keys.Select(k => new KeyValuePair<string, string?>(k.Key, k.Value)));
        Assert.Empty(faults);
        return settings!;
    }
}
