using Dunning.Mail;
using Xunit;

namespace Dunning.Tests.Mail;

/// <summary>Settings: defaults, limits, and every fault at once.</summary>
public sealed class MailOptionsTests
{
    [Fact]
    public void Without_settings_mail_stays_on_this_machine()
    {
        var options = Read();
        Assert.Equal((MailWay.Pickup, "data/mail", "billing@localhost"), (options.Transport, options.PickupFolder, options.From.Address));
        Assert.Null(options.Smtp);
        Assert.Null(options.BillingLinkFor("a"));
        Assert.IsType<PickupTransport>(MailTransports.Create(options));
    }

    [Fact]
    public void Every_key_has_its_effect()
    {
        var options = Read(("mail:transport", "SMTP"), ("Mail:From", "billing@acme.example"), ("Mail:FromName", "Acme Billing"),
            ("Mail:ReplyTo", "help@acme.example"), ("Mail:Company", "Acme"), ("Mail:Links:Billing", "https://acme.example/b/{account}"),
            ("Mail:Pickup", "/var/mail"), ("Mail:Smtp:Host", "mail.acme.example"), ("Mail:Smtp:Port", "2525"), ("Mail:Smtp:Security", "starttls"),
            ("Mail:Smtp:User", "u"), ("Mail:Smtp:Password", "p"), ("Mail:Smtp:TimeoutSeconds", "7"), ("Other:Key", "x"), ("Mail:Unset", ""));
        Assert.Equal(new SmtpOptions("mail.acme.example", 2525, SmtpSecurity.StartTls, "u", "p", TimeSpan.FromSeconds(7)), options.Smtp);
        Assert.Equal((MailWay.Smtp, "/var/mail", "Acme"), (options.Transport, options.PickupFolder, options.Company));
        Assert.Equal(("billing@acme.example", "Acme Billing"), (options.From.Address, options.From.Name));
        Assert.Equal("help@acme.example", options.ReplyTo?.Address);
        Assert.Equal("https://acme.example/b/a%2Fb", options.BillingLinkFor("a/b"));
    }

    [Theory]
    [InlineData("none", 25)]
    [InlineData("starttls", 587)]
    [InlineData(null, 587)]
#if MAIL_MAILKIT
    [InlineData("tls", 465)]
#endif
    public void The_port_follows_the_security(string? security, int port) =>
        Assert.Equal(port, Read(("Mail:Smtp:Host", "h"), ("Mail:Smtp:Security", security)).Smtp?.Port);

    [Fact]
    public void Every_fault_is_told_at_once_and_no_password()
    {
        var faults = Faults(("Mail:Transport", "pigeon"), ("Mail:From", "Acme <billing@acme.example>"), ("Mail:ReplyTo", "help"),
            ("Mail:Company", "two\nlines"), ("Mail:Links:Billing", "javascript:alert(1)"), ("Mail:Smtp:Host", "a b"), ("Mail:Smtp:Port", "0"),
            ("Mail:Smtp:Security", "maybe"), ("Mail:Smtp:Password", "hunter2"), ("Mail:Smtp:TimeoutSeconds", "601"), ("Mail:Smtp:Hots", "x"));
        Assert.Equal(11, faults.Count);
        Assert.Contains("Mail:Transport is 'pigeon', but must be pickup or smtp", faults);
        Assert.Contains("Mail:Smtp:TimeoutSeconds is '601', but must be a whole number from 1 to 600, such as 30", faults);
        Assert.Contains("Mail:Smtp:Port is '0', but must be a whole number from 1 to 65535, such as 587", faults);
        Assert.DoesNotContain("hunter2", string.Join('\n', faults), StringComparison.Ordinal);
    }

    [Fact]
    public void Smtp_needs_a_sender_and_a_server() =>
        Assert.Equal(["Mail:From", "Mail:Smtp:Host"], Faults(("Mail:Transport", "smtp")).Select(f => f.Split(' ')[0]));

    [Theory]
    [InlineData("localhost", true)]
    [InlineData("127.0.0.1", true)]
    [InlineData("::1", true)]
    [InlineData("mail.acme.example", false)]
    public void A_password_goes_in_the_clear_to_this_machine_only(string host, bool fine)
    {
        (string, string?)[] settings = [("Mail:Smtp:Host", host), ("Mail:Smtp:Security", "none"), ("Mail:Smtp:User", "u"), ("Mail:Smtp:Password", "p")];
        Assert.Equal(fine, MailOptions.Read(Pairs(settings)).Faults.IsEmpty);
    }

    [Theory]
    [InlineData("Mail:Smtp:TimeoutSeconds", "1", "0")]
    [InlineData("Mail:Smtp:TimeoutSeconds", "600", "601")]
    [InlineData("Mail:Smtp:Port", "1", "0")]
    [InlineData("Mail:Smtp:Port", "65535", "65536")]
    public void A_limit_holds_on_both_sides(string key, string inside, string outside)
    {
        Read((key, inside), ("Mail:Smtp:Host", "h"));
        Assert.StartsWith(key, Assert.Single(Faults((key, outside), ("Mail:Smtp:Host", "h"))), StringComparison.Ordinal);
    }

    [Fact]
    public void Pace_and_connections_have_their_keys()
    {
        var smtp = Read(("Mail:Smtp:Host", "h"), ("Mail:Smtp:Connections", "9"), ("Mail:Smtp:PerMinute", "600")).Smtp!;
        Assert.Equal((9, 600, false), (smtp.Connections, smtp.PerMinute, smtp.AcceptInvalidCertificate));
    }

#if MAIL_MAILKIT
    [Fact]
    public void Signing_and_tokens_need_their_files()
    {
        using var folder = new Samples.Folder();
        using var rsa = System.Security.Cryptography.RSA.Create(2048);
        var (key, pub, token) = (Path.Combine(folder.Path, "key.pem"), Path.Combine(folder.Path, "public.pem"), Path.Combine(folder.Path, "token"));
        File.WriteAllText(key, rsa.ExportPkcs8PrivateKeyPem());
        File.WriteAllText(pub, rsa.ExportSubjectPublicKeyInfoPem());
        File.WriteAllText(token, "t");
        (string, string?)[] most =
        [
            ("Mail:Smtp:Host", "h"), ("Mail:From", "billing@mail.acme.example"), ("Mail:Dkim:Domain", "acme.example"), ("Mail:Dkim:Selector", "d1"),
        ];
        var smtp = Read([.. most, ("Mail:Dkim:KeyFile", key), ("Mail:Smtp:User", "u"), ("Mail:Smtp:OAuthTokenFile", token), ("Mail:Smtp:AcceptInvalidCertificate", "true")]).Smtp!;
        Assert.Equal((new DkimOptions("acme.example", "d1", key), token, true), (smtp.Dkim, smtp.OAuthTokenFile, smtp.AcceptInvalidCertificate));

        Assert.StartsWith("Mail:Dkim:KeyFile is '" + pub, Assert.Single(Faults([.. most, ("Mail:Dkim:KeyFile", pub)])), StringComparison.Ordinal);
        Assert.StartsWith("Mail:Dkim:Domain, Mail:Dkim:Selector and", Assert.Single(Faults(most)), StringComparison.Ordinal);
        Assert.StartsWith("Mail:Dkim:Domain is 'other.example'",
            Assert.Single(Faults([.. most, ("Mail:Dkim:KeyFile", key), ("mail:dkim:domain", "other.example")])), StringComparison.Ordinal);
        Assert.StartsWith("Mail:Smtp:OAuthTokenFile is",
            Assert.Single(Faults(("Mail:Smtp:Host", "h"), ("Mail:Smtp:User", "u"), ("Mail:Smtp:OAuthTokenFile", token + "x"))), StringComparison.Ordinal);
        Assert.StartsWith("Mail:Smtp:User must be given with", Assert.Single(Faults(("Mail:Smtp:Host", "h"), ("Mail:Smtp:User", "u"),
            ("Mail:Smtp:Password", "hunter2"), ("Mail:Smtp:OAuthTokenFile", token))), StringComparison.Ordinal);
    }
#endif

    [Fact]
    public void A_password_is_never_printed()
    {
        var options = Read(("Mail:Smtp:Host", "h"), ("Mail:Smtp:User", "u"), ("Mail:Smtp:Password", "hunter2"));
        Assert.DoesNotContain("hunter2", options.ToString(), StringComparison.Ordinal);
        Assert.Contains("h:587 (StartTls)", options.ToString(), StringComparison.Ordinal);
    }

    private static MailOptions Read(params (string Key, string? Value)[] settings)
    {
        var (options, faults) = MailOptions.Read(Pairs(settings));
        Assert.Empty(faults);
        return options!;
    }

    private static IReadOnlyList<string> Faults(params (string Key, string? Value)[] settings)
    {
        var (options, faults) = MailOptions.Read(Pairs(settings));
        Assert.Null(options);
        return faults;
    }

    private static IEnumerable<KeyValuePair<string, string?>> Pairs((string Key, string? Value)[] settings) =>
        settings.Select(s => KeyValuePair.Create(s.Key, s.Value));
}
