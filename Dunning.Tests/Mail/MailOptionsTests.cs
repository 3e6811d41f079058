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

    [Fact]
    public void The_look_has_its_keys()
    {
        var plain = Read().Look;
        Assert.Equal(("#1d4ed8", null, null, 140, null, 0), (plain.Accent.ToString(), plain.LogoUrl, plain.LogoAlt, plain.LogoWidth, plain.Support, plain.Footer.Length));
        var look = Read(("Mail:Company", "Acme"), ("Mail:Colors:Accent", "#0F766E"), ("Mail:Logo:Url", "https://acme.example/l.png"), ("Mail:Logo:Width", "16"),
            ("Mail:Support", "help@acme.example"), ("Mail:Footer", "Acme SAS\r\n\r\n 1 rue de la Paix ")).Look;
        Assert.Equal(("#0f766e", "https://acme.example/l.png", "Acme", 16), (look.Accent.ToString(), look.LogoUrl, look.LogoAlt, look.LogoWidth));
        Assert.Equal(["Acme SAS", "1 rue de la Paix"], look.Footer.ToArray());
        Assert.True(look.SupportIsAddress);
        Assert.False(Read(("Mail:Support", "https://acme.example/help")).Look.SupportIsAddress);
        Assert.Equal("The logo", Read(("Mail:Logo:Url", "https://a.example/l.png"), ("Mail:Logo:Alt", "The logo"), ("Mail:Logo:Width", "400")).Look.LogoAlt);
    }

    [Theory]
    [InlineData("Mail:Colors:Accent", "blue", "Mail:Colors:Accent is 'blue', but must be a colour such as #1d4ed8")]
    [InlineData("Mail:Colors:Accent", "#ffd24d", "Mail:Colors:Accent is '#ffd24d', but its contrast with white is 1.4, and a button needs at least 3")]
    [InlineData("Mail:Logo:Url", "http://a.example/l.png", "Mail:Logo:Url is 'http://a.example/l.png', but must be a whole https address")]
    [InlineData("Mail:Logo:Url", "https://a.example/l.png", "Mail:Logo:Url is given, but neither Mail:Logo:Alt nor Mail:Company")]
    [InlineData("Mail:Logo:Width", "15", "Mail:Logo:Width is '15', but must be pixels from 16 to 400")]
    [InlineData("Mail:Logo:Width", "401", "Mail:Logo:Width is '401', but must be pixels from 16 to 400")]
    [InlineData("Mail:Support", "help", "Mail:Support is 'help', but must be an address or a whole https address")]
    [InlineData("Mail:Footer", "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk", "Mail:Footer has 11 lines, but at most 10 are shown")]
    public void A_fault_of_the_look_is_told(string key, string value, string fault) =>
        Assert.StartsWith(fault, Assert.Single(Faults((key, value))), StringComparison.Ordinal);

    // Whatever accent a company has, its button can be read in the light and in the dark.
    [Fact]
    public void A_button_can_be_read_in_every_colour_that_is_accepted()
    {
        Assert.Equal(21, MailColor.Find("#000")!.Value.ContrastWith(MailColor.Paper), 0.01);
        for (var rgb = 0; rgb < 0x1000; rgb++)
        {
            var accent = MailColor.Find(FormattableString.Invariant($"#{rgb:x3}"))!.Value;
            Assert.True(accent.ContrastWith(accent.TextOn()) >= MailColor.TextContrast, accent.ToString());
            var dark = accent.OnDarkPaper();
            Assert.True(dark.ContrastWith(MailColor.DarkPaper) >= MailColor.TextContrast && dark.ContrastWith(dark.TextOn()) >= MailColor.TextContrast, dark.ToString());
        }
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
            ("Mail:Smtp:Security", "maybe"), ("Mail:Smtp:Password", "hunter2"), ("Mail:Smtp:TimeoutSeconds", "61"), ("Mail:Smtp:Hots", "x"));
        Assert.Equal(11, faults.Count);
        Assert.Contains("Mail:Transport is 'pigeon', but must be pickup or smtp", faults);
        Assert.Contains("Mail:Smtp:TimeoutSeconds is '61', but must be a whole number from 1 to 60, such as 30", faults);
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
    [InlineData("Mail:Smtp:TimeoutSeconds", "60", "61")]
    [InlineData("Mail:Smtp:Port", "1", "0")]
    [InlineData("Mail:Smtp:Port", "65535", "65536")]
    public void A_limit_holds_on_both_sides(string key, string inside, string outside)
    {
        Read((key, inside), ("Mail:Smtp:Host", "h"));
        Assert.StartsWith(key, Assert.Single(Faults((key, outside), ("Mail:Smtp:Host", "h"))), StringComparison.Ordinal);
    }

    [Fact]
    public void With_real_money_a_pickup_directory_must_be_meant()
    {
        Assert.StartsWith("Mail:Transport is 'pickup', but the gateway charges for real", Assert.Single(MailOptions.Read([], chargesForReal: true).Faults), StringComparison.Ordinal);
        Assert.Empty(MailOptions.Read(Pairs([("Mail:AllowPickup", "true")]), chargesForReal: true).Faults);
        Assert.Empty(MailOptions.Read(Pairs([("Mail:Transport", "smtp"), ("Mail:From", "a@b.example"), ("Mail:Smtp:Host", "h")]), chargesForReal: true).Faults);
        Assert.Empty(MailOptions.Read([]).Faults);
    }

    [Fact]
    public void The_folder_of_notifications_must_be_there()
    {
        using var folder = new Samples.Folder();
        Assert.Equal(folder.Path, Read(("Mail:BounceFolder", folder.Path)).BounceFolder);
        Assert.StartsWith("Mail:BounceFolder is 'nowhere', but there is no such folder", Assert.Single(Faults(("Mail:BounceFolder", "nowhere"))), StringComparison.Ordinal);
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
