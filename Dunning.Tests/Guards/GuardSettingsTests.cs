using Dunning.Hosting;

namespace Dunning.Tests.Guards;

public sealed class GuardSettingsTests
{
    [Theory]
    [InlineData(50, 2, 0, 50)]
    [InlineData(50, 2, 2500, 50)]
    [InlineData(50, 2, 2550, 51)]
    [InlineData(1, 10_000, 2_000_000_000, int.MaxValue)]
    [InlineData(7, 0, 1_000_000, 7)]
    public void A_limit_is_the_count_or_the_share_whichever_is_more(int count, int percent, int live, int limit) =>
        Assert.Equal(limit, new GuardLimit(count, percent).For(live));

    [Fact]
    public void Every_fault_is_told_with_its_key_and_bounds()
    {
        var (settings, faults) = GuardSettings.Read(
        [
            new("Guards:Suspensions:Count", "0"), new("Guards:Purges:Percent", "10001"), new("guards:mails:count", "7"),
        ]);
        Assert.Null(settings);
        Assert.Equal(
            [
                "Guards:Suspensions:Count is '0', but must be a whole number from 1 to 10000000, such as 50",
                "Guards:Purges:Percent is '10001', but must be a whole number from 0 to 10000, such as 1",
            ],
            faults.ToArray());
    }

    [Fact]
    public void Keys_are_read_one_by_one_over_the_defaults() =>
        Assert.Equal(
            new GuardSettings { Purges = new GuardLimit(1, 1), Mails = new GuardLimit(2000, 0) },
            GuardSettings.Read([new("guards:purges:count", "1"), new("Guards:Mails:Percent", "0"), new("Guards:Mails:Count", "")]).Settings);
}
