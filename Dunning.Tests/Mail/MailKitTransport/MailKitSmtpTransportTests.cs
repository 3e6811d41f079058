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
            Assert.Equal(DeliveryVerdict.Rejected, (await transport.SendAsync(bad, default)).Verdict);
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
        for (var i = 0; i < 3; i++)
        {
            Assert.Equal(Delivery.Accepted, await transport.SendAsync(s_message, default));
        }
        Assert.Equal((3, 3), (server.Connections, server.Taken.Count));
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
}
#endif
