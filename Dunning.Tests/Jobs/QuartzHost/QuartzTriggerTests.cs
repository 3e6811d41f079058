using Dunning.Hosting;
using Dunning.Jobs.QuartzHost;

namespace Dunning.Tests.Jobs.QuartzHost;

public sealed class QuartzTriggerTests
{
    // 2026-03-01 is a Sunday. In spring the clocks of Paris go from 02:00 to 03:00 on 2026-03-29.
    [Theory]
    [InlineData("* * * * *", "Etc/UTC", "2026-03-01T10:00:30Z", "2026-03-01T10:01:00Z")]
    [InlineData("*/15 * * * *", "Etc/UTC", "2026-03-01T10:01:00Z", "2026-03-01T10:15:00Z")]
    [InlineData("10-50/20 * * * *", "Etc/UTC", "2026-03-01T10:31:00Z", "2026-03-01T10:50:00Z")]
    [InlineData("0 9 * * *", "Europe/Paris", "2026-03-01T10:00:00Z", "2026-03-02T08:00:00Z")]
    [InlineData("0 9 1 * *", "Etc/UTC", "2026-03-01T10:00:00Z", "2026-04-01T09:00:00Z")]
    [InlineData("0 9 31 * *", "Etc/UTC", "2026-04-01T00:00:00Z", "2026-05-31T09:00:00Z")]
    [InlineData("0 9 29 2 *", "Etc/UTC", "2026-03-01T00:00:00Z", "2028-02-29T09:00:00Z")]
    [InlineData("0 9 * * 0", "Etc/UTC", "2026-03-02T00:00:00Z", "2026-03-08T09:00:00Z")]
    [InlineData("0 9 * * 7", "Etc/UTC", "2026-03-02T00:00:00Z", "2026-03-08T09:00:00Z")]
    [InlineData("0 9 * * 1", "Etc/UTC", "2026-03-01T00:00:00Z", "2026-03-02T09:00:00Z")]
    [InlineData("0 9 * * 1-5", "Etc/UTC", "2026-03-06T10:00:00Z", "2026-03-09T09:00:00Z")]
    [InlineData("0 9 * * 5-7", "Etc/UTC", "2026-03-07T10:00:00Z", "2026-03-08T09:00:00Z")]
    [InlineData("0 9 * * MON,WED", "Etc/UTC", "2026-03-02T10:00:00Z", "2026-03-04T09:00:00Z")]
    [InlineData("0 9 * JUL-AUG *", "Etc/UTC", "2026-03-01T00:00:00Z", "2026-07-01T09:00:00Z")]
    [InlineData("30 2 * * *", "Europe/Paris", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z")]
    public void Five_fields_are_read_as_cron_reads_them(string cron, string zone, string after, string next)
    {
        var (settings, faults) = JobSettings.Read([new("Jobs:TimeZone", zone), new("Jobs:Renew:Cron", cron)]);
        Assert.Empty(faults);

        var expression = QuartzJobHost.ExpressionOf(cron, settings!.Zone);

        Assert.Equal(DateTimeOffset.Parse(next), expression.GetNextValidTimeAfter(DateTimeOffset.Parse(after)));
    }
}
