using Dunning.Hosting;
using Dunning.Ops.Pages;
using NodaTime.Text;

namespace Dunning.Tests.Ops.Pages;

/// <summary>What the pages read and type, without a browser: when a job runs next, and amounts as people write them.</summary>
public sealed class PagingTests
{
    [Theory]
    [InlineData("* * * * *", "2026-11-28T20:59:30Z", "Etc/UTC", "2026-11-28T21:00:00Z")]
    [InlineData("0 9 * * *", "2026-11-28T08:00:00Z", "Europe/Paris", "2026-11-29T08:00:00Z")]
    [InlineData("0 9 * * *", "2026-11-28T07:59:59Z", "Europe/Paris", "2026-11-28T08:00:00Z")]
    [InlineData("*/15 2 1 JAN *", "2026-11-28T08:00:00Z", "Etc/UTC", "2027-01-01T02:00:00Z")]
    [InlineData("30 6 * * 7", "2026-11-28T08:00:00Z", "Etc/UTC", "2026-11-29T06:30:00Z")]
    [InlineData("0 0 29 2 *", "2026-11-28T08:00:00Z", "Etc/UTC", "2028-02-29T00:00:00Z")]
    // The night in which 02:30 does not exist: the next time that does.
    [InlineData("30 2 * * *", "2026-03-28T23:30:00Z", "Europe/Paris", "2026-03-30T00:30:00Z")]
    public void The_next_run_is_told(string cron, string after, string zone, string next) =>
        Assert.Equal(InstantPattern.General.Parse(next).Value, CronText.NextAfter(cron, InstantPattern.General.Parse(after).Value, TimeZoneInfo.FindSystemTimeZoneById(zone)));

    [Theory]
    [InlineData("12.50", 2, 1250L)]
    [InlineData("12,5", 2, 1250L)]
    [InlineData(" 7 ", 2, 700L)]
    [InlineData("7900", 0, 7900L)]
    [InlineData("0.001", 3, 1L)]
    [InlineData("7.9", 0, null)]
    [InlineData("1.234", 2, null)]
    [InlineData("1 000", 2, null)]
    [InlineData("1,000.00", 2, null)]
    [InlineData("-3", 2, null)]
    [InlineData("0", 2, null)]
    [InlineData("", 2, null)]
    [InlineData(".5", 2, null)]
    [InlineData("9999999999999", 2, null)]
    [InlineData("٣", 2, null)]
    public void An_amount_is_read_as_people_write_it(string text, int digits, long? minor) => Assert.Equal(minor, AccountPages.Minor(text, digits));
}
