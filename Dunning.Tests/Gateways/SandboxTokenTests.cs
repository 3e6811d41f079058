using System.Globalization;
using Dunning.Gateways.Sandbox;
using Xunit;

namespace Dunning.Tests.Gateways;

public sealed class SandboxTokenTests
{
    public static TheoryData<string, SandboxToken> Tokens => new()
    {
        { "sandbox_ok", new SandboxToken.Ok() },
        { "sandbox_sca", new SandboxToken.Sca() },
        { "sandbox_decline_lost_card", new SandboxToken.Decline("lost_card", null) },
        { "sandbox_decline_x", new SandboxToken.Decline("x", null) },
        { "sandbox_decline_box_x2", new SandboxToken.Decline("box", 2) },
        { "sandbox_decline_decline_x1", new SandboxToken.Decline("decline", 1) },
        { "sandbox_decline_generic_decline_x1000000", new SandboxToken.Decline("generic_decline", 1_000_000) },
        { "sandbox_ok_x1_decline_expired_card", new SandboxToken.OkThenDecline(1, "expired_card") },
        { "sandbox_timeout_x3", new SandboxToken.Timeout(3) },
        { "sandbox_drop_x4", new SandboxToken.Drop(4, null) },
        { "sandbox_drop_x10_decline_do_not_honor", new SandboxToken.Drop(10, "do_not_honor") },
        { "sandbox_lost_decline_authentication_required_x2", new SandboxToken.LostDecline(2, "authentication_required") },
    };

    [Theory]
    [MemberData(nameof(Tokens))]
    public void TryParse_TokenOfTheRules_IsThatKind(string text, SandboxToken expected)
    {
        Assert.True(SandboxToken.TryParse(text, out var token));
        Assert.Equal(expected, token);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("sandbox_")]
    [InlineData("tok_visa")]
    [InlineData("pm_1NfX")]
    [InlineData(" sandbox_ok")]
    [InlineData("sandbox_ok ")]
    [InlineData("sandbox_ok\n")]
    [InlineData("SANDBOX_OK")]
    [InlineData("sandbox_ok_x2")]
    [InlineData("sandbox_ok_x2_decline_")]
    [InlineData("sandbox_ok_decline_lost_card")]
    [InlineData("sandbox_sca_x2")]
    [InlineData("sandbox_timeout")]
    [InlineData("sandbox_timeout_x")]
    [InlineData("sandbox_timeout_x0")]
    [InlineData("sandbox_timeout_x01")]
    [InlineData("sandbox_timeout_x-1")]
    [InlineData("sandbox_timeout_x1000001")]
    [InlineData("sandbox_timeout_x99999999999999999999")]
    [InlineData("sandbox_timeout_x\u0661")] // an Arabic-Indic one: a digit to char.IsDigit, not to us
    [InlineData("sandbox_timeout_x1_decline_lost_card")]
    [InlineData("sandbox_drop")]
    [InlineData("sandbox_drop_lost_card_x1")]
    [InlineData("sandbox_decline")]
    [InlineData("sandbox_decline_")]
    [InlineData("sandbox_decline_Lost")]
    [InlineData("sandbox_decline_lost-card")]
    [InlineData("sandbox_decline_lost_card_x0")]
    [InlineData("sandbox_decline_lost_card_x2_x2")]
    [InlineData("sandbox_lost_decline_lost_card")]
    [InlineData("sandbox_lost_decline_x2")]
    public void TryParse_AnythingElse_IsRefused(string? text)
    {
        Assert.False(SandboxToken.TryParse(text, out var token));
        Assert.Null(token);
    }

    // One letter a call: s succeeds, d declines, S and D the same with the answer lost, - never reaches the gateway.
    [Theory]
    [InlineData("sandbox_ok", "ssss")]
    [InlineData("sandbox_decline_lost_card", "dddd")]
    [InlineData("sandbox_decline_lost_card_x1", "dsss")]
    [InlineData("sandbox_decline_lost_card_x2", "ddss")]
    [InlineData("sandbox_ok_x1_decline_lost_card", "sddd")]
    [InlineData("sandbox_ok_x3_decline_lost_card", "sssd")]
    [InlineData("sandbox_timeout_x2", "SSss")]
    [InlineData("sandbox_drop_x2", "--ss")]
    [InlineData("sandbox_drop_x3_decline_lost_card", "---d")]
    [InlineData("sandbox_lost_decline_lost_card_x2", "DDss")]
    [InlineData("sandbox_sca", "dddd")]
    public void FateOf_CallsInTurn_FollowTheToken(string text, string expected)
    {
        Assert.True(SandboxToken.TryParse(text, out var token));
        Assert.Equal(expected, string.Concat(Enumerable.Range(1, 4).Select(n => Letter(token.FateOf(n, authenticated: false)))));
    }

    [Theory]
    [InlineData("sandbox_sca", "ss")]
    [InlineData("sandbox_decline_authentication_required", "dd")] // declines always: nothing that a customer does changes it
    [InlineData("sandbox_lost_decline_authentication_required_x1", "Ds")]
    public void FateOf_Authenticated_MattersToScaAlone(string text, string expected)
    {
        Assert.True(SandboxToken.TryParse(text, out var token));
        Assert.Equal(expected, string.Concat(Enumerable.Range(1, 2).Select(n => Letter(token.FateOf(n, authenticated: true)))));
    }

    [Fact]
    public void TryParse_LongCode_HasALimit()
    {
        Assert.True(SandboxToken.IsToken("sandbox_decline_" + new string('a', SandboxToken.MaxCodeLength)));
        Assert.False(SandboxToken.IsToken("sandbox_decline_" + new string('a', SandboxToken.MaxCodeLength + 1)));
    }

    [Fact]
    public void FateOf_CallZero_IsAProgrammersError()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new SandboxToken.Ok().FateOf(0, false));
    }

    private static string Letter(SandboxFate fate)
    {
        var letter = fate.IsCallLost ? "-" : fate.Code is null ? "s" : "d";
        return fate.IsAnswerLost ? letter.ToUpper(CultureInfo.InvariantCulture) : letter;
    }
}
