using Dunning.Gateways.Sandbox;

namespace Dunning.Tests.Gateways;

/// <summary>The grammar of RULES 11, to the letter.</summary>
public sealed class SandboxTokenTests
{
    [Fact]
    public void Each_form_is_read()
    {
        Assert.Equal(new SandboxToken.Ok("sandbox_ok"), Read("sandbox_ok"));
        Assert.Equal(new SandboxToken.Sca("sandbox_sca"), Read("sandbox_sca"));
        Assert.Equal(new SandboxToken.Decline("sandbox_decline_lost_card", "lost_card", null), Read("sandbox_decline_lost_card"));
        Assert.Equal(new SandboxToken.Decline("sandbox_decline_lost_card_x12", "lost_card", 12), Read("sandbox_decline_lost_card_x12"));
        Assert.Equal(new SandboxToken.OkThenDecline("sandbox_ok_x3_decline_lost_card", 3, "lost_card"), Read("sandbox_ok_x3_decline_lost_card"));
        Assert.Equal(new SandboxToken.Timeout("sandbox_timeout_x1", 1), Read("sandbox_timeout_x1"));
        Assert.Equal(new SandboxToken.Drop("sandbox_drop_x2", 2, null), Read("sandbox_drop_x2"));
        Assert.Equal(new SandboxToken.Drop("sandbox_drop_x2_decline_do_not_honor", 2, "do_not_honor"), Read("sandbox_drop_x2_decline_do_not_honor"));
        Assert.Equal(new SandboxToken.LostDecline("sandbox_lost_decline_lost_card_x2", 2, "lost_card"), Read("sandbox_lost_decline_lost_card_x2"));
        Assert.Equal(new SandboxToken.Timeout("sandbox_timeout_x1000000", 1_000_000), Read("sandbox_timeout_x1000000"));
        Assert.Equal(new SandboxToken.Decline("sandbox_decline_x3d", "x3d", null), Read("sandbox_decline_x3d"));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("sandbox_")]
    [InlineData("sandbox_OK")]
    [InlineData("Sandbox_ok")]
    [InlineData("sandbox_ok ")]
    [InlineData("sandbox_ok_x1")]
    [InlineData("sandbox_ok_x0_decline_lost_card")]
    [InlineData("sandbox_ok_x1_decline_")]
    [InlineData("sandbox_ok_x1_decline_lost_card_x2")]
    [InlineData("sandbox_sca_x1")]
    [InlineData("sandbox_decline")]
    [InlineData("sandbox_decline_")]
    [InlineData("sandbox_decline_x3")]
    [InlineData("sandbox_decline_lost_card_x0")]
    [InlineData("sandbox_decline_lost_card_x01")]
    [InlineData("sandbox_decline_lost_card_x1000001")]
    [InlineData("sandbox_decline_lost_card_x99999999999")]
    [InlineData("sandbox_decline_lost_card_x1_x2")]
    [InlineData("sandbox_decline_lost__card")]
    [InlineData("sandbox_decline_Lost_card")]
    [InlineData("sandbox_decline_lost-card")]
    [InlineData("sandbox_timeout")]
    [InlineData("sandbox_timeout_x")]
    [InlineData("sandbox_timeout_x+1")]
    [InlineData("sandbox_timeout_x-1")]
    [InlineData("sandbox_timeout_x1_decline_lost_card")]
    [InlineData("sandbox_drop_x1_")]
    [InlineData("sandbox_drop_x1_decline_lost_card_x2")]
    [InlineData("sandbox_lost_decline_lost_card")]
    [InlineData("sandbox_lost_decline_x2")]
    public void What_almost_looks_like_one_is_none(string? text) => Assert.False(SandboxToken.TryParse(text, out _));

    private static SandboxToken? Read(string text) => SandboxToken.TryParse(text, out var token) ? token : null;
}
