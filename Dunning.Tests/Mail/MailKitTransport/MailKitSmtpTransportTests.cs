#if MAIL_MAILKIT
using System.Text;
using Dunning.Mail;
using Dunning.Model;
using Dunning.Ports;
using MimeKit;
using Xunit;

namespace Dunning.Tests.Mail.MailKitTransport;

/// <summary>What only the MailKit transport does.</summary>
public sealed class MailKitSmtpTransportTests
{
    private static readonly OutgoingMessage s_message = Samples.Compose(MailTemplates.Receipt, "en", Samples.Rich);

    [Fact]
    public async Task A_connection_is_used_again_also_after_a_refusal()
    {
        await using var server = new ScriptedSmtpServer(s => s.StartsWith("RCPT TO:<bad@", StringComparison.Ordinal) ? "550 5.1.1 no" : null);
        await using (var transport = SmtpTransportTests.Transport(server.Port))
        {
            Assert.Equal(Delivery.Accepted, await transport.SendAsync(s_message, default));
            var bad = s_message with { To = Mailbox.Find("bad@example.com", null)! };
            Assert.Equal(DeliveryVerdict.Bounced, (await transport.SendAsync(bad, default)).Verdict);
            Assert.Equal(Delivery.Accepted, await transport.SendAsync(s_message, default));
            Assert.Equal((1, 2), (server.Connections, server.Taken.Count));
        }
        Assert.Equal("QUIT", server.Commands.Last());
    }

    [Fact]
    public async Task A_connection_that_died_while_idle_costs_no_message()
    {
        await using var server = new ScriptedSmtpServer(s => s == "NOOP" ? ScriptedSmtpServer.Cut : null);
        await using var transport = SmtpTransportTests.Transport(server.Port);
        for (var i = 0; i < 2; i++)
        {
            Assert.Equal(Delivery.Accepted, await transport.SendAsync(s_message, default));
            Assert.Equal(Delivery.Accepted, await transport.SendAsync(s_message, default));
            await Task.Delay(1100);
        }
        Assert.Equal(4, server.Taken.Count);
        // A busy machine may be idle for a second between the two as well.
        Assert.InRange(server.Connections, 2, 4);
    }

    [Fact]
    public async Task A_connection_carries_a_hundred_messages_at_most()
    {
        await using var server = new ScriptedSmtpServer();
        await using var transport = SmtpTransportTests.Transport(server.Port);
        for (var i = 0; i < 101; i++)
        {
            Assert.Equal(Delivery.Accepted, await transport.SendAsync(s_message, default));
        }
        Assert.Equal(2, server.Connections);
    }

    [Fact]
    public async Task No_more_connections_than_configured()
    {
        await using var server = new ScriptedSmtpServer();
        await using var transport = MailTransports.Create(SmtpTransportTests.Options(server.Port) with
        {
            Smtp = SmtpTransportTests.Options(server.Port).Smtp! with { Connections = 2 },
        });
        var all = await Task.WhenAll(Enumerable.Range(0, 40).Select(_ => transport.SendAsync(s_message, default)));
        Assert.All(all, d => Assert.Equal(Delivery.Accepted, d));
        Assert.Equal(2, server.Connections);
    }

    [Fact]
    public async Task A_certificate_that_is_not_trusted_is_taken_when_that_is_configured()
    {
        using var certificate = TestCertificate.Make();
        await using var server = new ScriptedSmtpServer(certificate: certificate, tlsAtOnce: true);
        var options = SmtpTransportTests.Options(server.Port, SmtpSecurity.Tls);
        await using var transport = MailTransports.Create(options with { Smtp = options.Smtp! with { AcceptInvalidCertificate = true } });
        Assert.Equal(Delivery.Accepted, await transport.SendAsync(s_message, default));
    }

    [Fact]
    public async Task A_token_is_read_from_its_file_at_each_login()
    {
        using var folder = new Samples.Folder();
        var file = Path.Combine(folder.Path, "token");
        await using var server = new ScriptedSmtpServer(s => s.StartsWith("EHLO", StringComparison.Ordinal) ? "250-test\r\n250 AUTH XOAUTH2" : null);
        var options = SmtpTransportTests.Options(server.Port, user: "billing@acme.example");
        foreach (var token in new[] { "first", "second" })
        {
            await File.WriteAllTextAsync(file, token + "\n");
            await using var transport = MailTransports.Create(options with { Smtp = options.Smtp! with { OAuthTokenFile = file } });
            Assert.Equal(Delivery.Accepted, await transport.SendAsync(s_message, default));
            var login = server.Commands.Last(c => c.StartsWith("AUTH XOAUTH2 ", StringComparison.Ordinal))[13..];
            Assert.Equal($"user=billing@acme.example\u0001auth=Bearer {token}\u0001\u0001", Encoding.ASCII.GetString(Convert.FromBase64String(login)));
        }
        File.Delete(file);
        await using var without = MailTransports.Create(options with { Smtp = options.Smtp! with { OAuthTokenFile = file } });
        var delivery = await without.SendAsync(s_message, default);
        Assert.Equal(Delivery.Deferred("the token's file could not be read"), delivery);
    }

    [Fact]
    public async Task What_leaves_is_signed_and_the_signature_fails_when_a_word_is_changed()
    {
        using var folder = new Samples.Folder();
        using var rsa = System.Security.Cryptography.RSA.Create(2048);
        var file = Path.Combine(folder.Path, "dkim.pem");
        await File.WriteAllTextAsync(file, rsa.ExportRSAPrivateKeyPem());
        await using var server = new ScriptedSmtpServer();
        var options = SmtpTransportTests.Options(server.Port);
        await using var transport = MailTransports.Create(options with { Smtp = options.Smtp! with { Dkim = new DkimOptions("acme.example", "d1", file) } });
        var message = s_message with { Html = "<p>x</p>\n", Attachments = [new MailAttachment("é.pdf", "application/pdf", new byte[500])] };
        Assert.Equal(Delivery.Accepted, await transport.SendAsync(message, default));

        var (_, _, data) = Assert.Single(server.Taken);
        Assert.True(await VerifyAsync(data));
        Assert.False(await VerifyAsync(data.Replace("<p>x</p>", "<p>y</p>", StringComparison.Ordinal)));
        Assert.False(await VerifyAsync(data.Replace("To: Ada", "To: Eve", StringComparison.Ordinal)));

        async Task<bool> VerifyAsync(string text)
        {
            using var mime = await MimeMessage.LoadAsync(new MemoryStream(Encoding.ASCII.GetBytes(text)));
            var verifier = new MimeKit.Cryptography.DkimVerifier(new Keys(Convert.ToBase64String(rsa.ExportSubjectPublicKeyInfo())));
            return await verifier.VerifyAsync(mime, mime.Headers[mime.Headers.IndexOf(HeaderId.DkimSignature)]);
        }
    }

    /// <summary>Servers take so many messages over a connection as they like.</summary>
    [Fact]
    public async Task A_connection_that_the_server_finds_full_is_no_try()
    {
        var mails = 0;
        await using var server = new ScriptedSmtpServer(s => s.StartsWith("MAIL", StringComparison.Ordinal) && mails++ % 3 == 2 ? "421 4.3.2 too many messages" : null);
        await using var transport = SmtpTransportTests.Transport(server.Port);
        for (var i = 0; i < 6; i++)
        {
            Assert.Equal(Delivery.Accepted, await transport.SendAsync(s_message, default));
        }
        Assert.Equal(6, server.Taken.Count);
        Assert.InRange(server.Connections, 3, 4);
    }

    /// <summary>A server that takes nothing at all is not asked again and again.</summary>
    [Fact]
    public async Task A_new_connection_that_is_full_is_a_try()
    {
        await using var server = new ScriptedSmtpServer(s => s.StartsWith("MAIL", StringComparison.Ordinal) ? "421 4.3.2 not now" : null);
        await using var transport = SmtpTransportTests.Transport(server.Port);
        Assert.Equal(DeliveryVerdict.Deferred, (await transport.SendAsync(s_message, default)).Verdict);
        Assert.Equal(1, server.Connections);
    }

    /// <summary>Nagle's algorithm and a delayed acknowledgement would cost a message of several packets some forty times a small one's time.</summary>
    [Fact]
    public async Task A_message_of_several_packets_does_not_wait_for_an_acknowledgement()
    {
        await using var sink = new Dunning.Commands.Bench.MailSink();
        await using var transport = SmtpTransportTests.Transport(sink.Port);
        var small = s_message with { Html = null };
        var large = s_message with { Html = string.Concat(Enumerable.Repeat("<p>some words</p>\n", 600)) };
        var (smalls, larges) = (new List<double>(), new List<double>());
        for (var i = 0; i < 30; i++)
        {
            smalls.Add(await TimeAsync(small));
            larges.Add(await TimeAsync(large));
        }
        Assert.InRange(larges.Order().ElementAt(15) / smalls.Order().ElementAt(15), 0, 15);

        async Task<double> TimeAsync(OutgoingMessage message)
        {
            var began = TimeProvider.System.GetTimestamp();
            Assert.Equal(Delivery.Accepted, await transport.SendAsync(message, default));
            return TimeProvider.System.GetElapsedTime(began).TotalMilliseconds;
        }
    }

    [Fact]
    public async Task A_message_that_is_refused_for_good_is_rejected()
    {
        await using var server = new ScriptedSmtpServer(s => s == "." ? "554 5.6.0 not this" : null);
        await using var transport = SmtpTransportTests.Transport(server.Port);
        Assert.Equal(Delivery.Rejected("554 5.6.0 at message"), await transport.SendAsync(s_message, default));
    }

    [Fact]
    public async Task Tls_from_the_first_byte_is_verified_too()
    {
        using var certificate = TestCertificate.Make();
        await using var server = new ScriptedSmtpServer(certificate: certificate, tlsAtOnce: true);
        await using var transport = SmtpTransportTests.Transport(server.Port, SmtpSecurity.Tls);
        var delivery = await transport.SendAsync(s_message, default);
        Assert.Equal(DeliveryVerdict.Deferred, delivery.Verdict);
        Assert.Contains("not trusted", delivery.Detail, StringComparison.Ordinal);
        Assert.Empty(server.Commands);
    }

    [Fact]
    public async Task What_is_sent_is_what_pickup_would_write()
    {
        await using var server = new ScriptedSmtpServer();
        await using var transport = SmtpTransportTests.Transport(server.Port);
        await transport.SendAsync(s_message, default);
        Assert.Equal(Encoding.ASCII.GetString(MessageWriter.Write(s_message)), Assert.Single(server.Taken).Data);
    }

    [Fact]
    public void MimeKit_reads_what_we_write()
    {
        foreach (var (template, language) in MailTemplates.All.SelectMany(t => Samples.Texts.Languages.Select(l => (t, l))))
        {
            var message = Samples.Compose(template, language, Samples.Rich, name: "Zoë \"Z\" Łukasiewicz-Ångström, 日本語 and many more names besides");
            using var read = MimeMessage.Load(new MemoryStream(MessageWriter.Write(message)));
            Assert.Equal(message.Subject, read.Subject);
            Assert.Equal(message.Text, read.TextBody!.ReplaceLineEndings("\n"));
            Assert.Equal((message.To.Name, message.To.Address), (read.To.Mailboxes.Single().Name, read.To.Mailboxes.Single().Address));
            Assert.Equal(message.MessageId, $"<{read.MessageId}>");
            Assert.Equal(message.Date.ToDateTimeOffset(), read.Date);
        }
    }

    // The DNS.
    private sealed class Keys(string key) : MimeKit.Cryptography.DkimPublicKeyLocatorBase
    {
        public override Org.BouncyCastle.Crypto.AsymmetricKeyParameter LocatePublicKey(string methods, string domain, string selector, CancellationToken ct = default) =>
            (domain, selector) == ("acme.example", "d1") ? GetPublicKey("v=DKIM1; k=rsa; p=" + key) : throw new InvalidOperationException(domain);

        public override Task<Org.BouncyCastle.Crypto.AsymmetricKeyParameter> LocatePublicKeyAsync(string methods, string domain, string selector, CancellationToken ct = default) =>
            Task.FromResult(LocatePublicKey(methods, domain, selector, ct));
    }
}
#endif
