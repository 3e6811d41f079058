using System.Buffers.Text;
using Dunning.Model;
using Dunning.Pay;
using NodaTime;

namespace Dunning.Tests.Pay;

/// <summary>A link is a key to somebody's account: nobody else may make one, and those in mails that were sent must go on working.</summary>
public sealed class PayLinkTests
{
    private static readonly byte[] s_key = [.. Enumerable.Range(1, PayLink.KeyBytes).Select(b => (byte)b)];

    private static readonly PayLink s_link = new("acc 1/é", 2, LinkPurpose.Confirm, new MethodRef("card-ü", 3), Instant.FromUtc(2026, 3, 3, 8, 0, 7));

    public static TheoryData<PayLink> Links { get; } = new(
        s_link, s_link with { Method = null, Purpose = LinkPurpose.Debt }, s_link with { Purpose = LinkPurpose.Card, Method = new MethodRef("x", 0) },
        s_link with { Account = new string('é', 200), Method = new MethodRef(new string('ü', 200), int.MaxValue), Contact = int.MaxValue });

    [Theory, MemberData(nameof(Links))]
    public void A_token_says_what_it_was_made_of(PayLink link)
    {
        var token = link.Sign(7, s_key);
        Assert.Matches("^[A-Za-z0-9_-]+$", token);
        Assert.Equal(7, PayLink.KeyNumberOf(token));
        Assert.Equal(link, PayLink.Check(token, s_key));
        Assert.Equal(token, link.Sign(7, s_key));
    }

    // A change here would kill every link in every mail that was ever sent.
    [Fact]
    public void Tokens_are_frozen() => Assert.Equal(
        "AQMABwAAAAIAAAAAaaaVBwAAAAMACGFjYyAxL8OpY2FyZC3DvFoTHNO2z9rYxaiZaYufqfjU5KHjh5nx0vBOh2Kh9vht", s_link.Sign(7, s_key));

    [Fact]
    public void Whatever_is_changed_in_it_makes_it_worthless()
    {
        var bytes = Base64Url.DecodeFromChars(s_link.Sign(7, s_key));
        for (var bit = 0; bit < bytes.Length * 8; bit++)
        {
            var forged = (byte[])bytes.Clone();
            forged[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.Null(PayLink.Check(Base64Url.EncodeToString(forged), s_key));
        }
        var other = (byte[])s_key.Clone();
        other[31] ^= 1;
        Assert.Null(PayLink.Check(Base64Url.EncodeToString(bytes), other));
    }

    [Theory]
    [InlineData("")]
    [InlineData("x")]
    [InlineData("../../etc/passwd")]
    [InlineData("AQMABwAAAAIAAAAAaaaVpwAAAAMACGFjYyAxL8Op")]
    public void What_is_no_token_is_none(string text)
    {
        Assert.Null(PayLink.KeyNumberOf(text));
        Assert.Null(PayLink.Check(text, s_key));
    }

    // Would miss: one link counted as many, by whoever spells its last bits otherwise.
    [Fact]
    public void It_has_one_spelling()
    {
        var token = (s_link with { Account = "abc" }).Sign(7, s_key);
        Assert.NotEqual(0, token.Length % 4);
        var spellings = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".Select(c => token[..^1] + c);
        Assert.Equal(token, Assert.Single(spellings, s => PayLink.Check(s, s_key) is not null));
        Assert.Null(PayLink.Check(token + "=", s_key));
        Assert.Null(PayLink.Check(token + new string('A', 4000), s_key));
    }
}
