using System.Diagnostics;
using Dunning.Mail;
using Dunning.Model;
using Dunning.Ports;
using Xunit;

namespace Dunning.Tests.Mail;

/// <summary>What whichever SMTP transport this build has makes of a server's answers.</summary>
public sealed class SmtpTransportTests
{
    private static readonly OutgoingMessage s_message = Samples.Compose(MailTemplates.PaymentFailed, "fr", Samples.Rich, name: "Zoë Mercier");

    [Fact]
    public async Task A_message_arrives_as_it_was_composed()
    {
        await using var server = new ScriptedSmtpServer();
        await using var transport = Transport(server.Port);
        Assert.Equal(Delivery.Accepted, await transport.SendAsync(s_message, default));
        var (from, to, data) = Assert.Single(server.Taken);
        Assert.Equal(("billing@acme.example", "ada@example.com"), (from, to));
        Assert.Contains($"Message-ID: {s_message.MessageId}\r\n", data, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("Auto-Submitted: auto-generated\r\n", data, StringComparison.Ordinal);
        Assert.Contains("=?utf-8?", data, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("14,99=C2=A0=E2=82=AC", data.Replace("=\r\n", "", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.DoesNotMatch(@"[^\x00-\x7F]", data);
    }

    [Theory]
    [InlineData("GREETING", "421 4.3.2 busy", DeliveryVerdict.Deferred, null)]
    [InlineData("GREETING", "554 5.3.2 no service", DeliveryVerdict.Deferred, null)]
    [InlineData("MAIL", "451 4.3.0 later", DeliveryVerdict.Deferred, "451 4.3.0")]
    [InlineData("MAIL", "550 5.7.1 <billing@acme.example> may not", DeliveryVerdict.Deferred, "550 5.7.1")]
    [InlineData("MAIL", "530 5.7.0 login first", DeliveryVerdict.Deferred, null)]
    [InlineData("RCPT", "421 4.3.2 shutting down", DeliveryVerdict.Deferred, "421 4.3.2")]
    [InlineData("RCPT", "450 4.2.1 <ada@example.com> greylisted, see 10.5.1.1", DeliveryVerdict.Deferred, "450 4.2.1")]
    [InlineData("RCPT", "452 too many", DeliveryVerdict.Deferred, "452")]
    [InlineData("RCPT", "550 5.1.1 <ada@example.com> unknown", DeliveryVerdict.Bounced, "550 5.1.1 at recipient")]
    [InlineData("RCPT", "550 ada@example.com is no user", DeliveryVerdict.Bounced, "550 at recipient")]
    [InlineData("RCPT", "550 5.7.1 relaying denied", DeliveryVerdict.Deferred, "5.7.1 at recipient")]
    [InlineData("RCPT", "553 5.1.3 bad address", DeliveryVerdict.Bounced, "553 5.1.3")]
    [InlineData("DATA", "451 4.3.0 later", DeliveryVerdict.Deferred, "451 4.3.0")]
    [InlineData(".", "452 4.3.1 full", DeliveryVerdict.Deferred, "452 4.3.1")]
    [InlineData("GREETING", ScriptedSmtpServer.Cut, DeliveryVerdict.Deferred, "connection failed")]
    [InlineData("RCPT", ScriptedSmtpServer.Cut, DeliveryVerdict.Deferred, "connection failed")]
    [InlineData("BODY", ScriptedSmtpServer.Cut, DeliveryVerdict.Deferred, "connection failed")]
    [InlineData(".", ScriptedSmtpServer.Cut, DeliveryVerdict.Deferred, "connection failed")]
    [InlineData("GREETING", ScriptedSmtpServer.Stall, DeliveryVerdict.Deferred, "no answer in time")]
    [InlineData("RCPT", ScriptedSmtpServer.Stall, DeliveryVerdict.Deferred, "no answer in time")]
    [InlineData(".", ScriptedSmtpServer.Stall, DeliveryVerdict.Deferred, "no answer in time")]
    public async Task An_answer_has_its_verdict(string step, string answer, DeliveryVerdict verdict, string? detail)
    {
        await using var server = new ScriptedSmtpServer(s => s.StartsWith(step, StringComparison.Ordinal) ? answer : null);
        // Where it counts how far the message had come, a busy machine must have come there before the time is over.
        await using var transport = Transport(server.Port, seconds: answer != ScriptedSmtpServer.Stall ? 60 : step == "." ? 6 : 2);
        var clock = Stopwatch.StartNew();
        var delivery = await transport.SendAsync(s_message, default);
        Assert.Equal(verdict, delivery.Verdict);
        Assert.NotNull(delivery.Detail);
        Assert.DoesNotMatch("@|ada|example", delivery.Detail);
        Assert.Contains(detail ?? "", delivery.Detail, StringComparison.Ordinal);
        // Cut within the message, it may have been on its way to its end.
        if (step != "BODY")
        {
            Assert.Equal(step == "." && answer is (ScriptedSmtpServer.Cut or ScriptedSmtpServer.Stall), delivery.MayHaveLeft);
        }
        Assert.InRange(clock.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(50));
    }

    [Fact]
    public async Task No_server_defers()
    {
        await using var transport = Transport(FreePort.Take());
        Assert.Equal(DeliveryVerdict.Deferred, (await transport.SendAsync(s_message, default)).Verdict);
    }

    [Fact]
    public async Task Without_starttls_nothing_is_sent_when_it_is_asked_for()
    {
        await using var server = new ScriptedSmtpServer();
        await using var transport = Transport(server.Port, SmtpSecurity.StartTls);
        Assert.Equal(DeliveryVerdict.Deferred, (await transport.SendAsync(s_message, default)).Verdict);
        Assert.Empty(server.Taken);
        Assert.DoesNotContain(server.Commands, c => c.StartsWith("MAIL", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_certificate_that_is_not_trusted_stops_everything()
    {
        using var certificate = TestCertificate.Make();
        await using var server = new ScriptedSmtpServer(certificate: certificate);
        await using var transport = Transport(server.Port, SmtpSecurity.StartTls, "user", "secret");
        var delivery = await transport.SendAsync(s_message, default);
        Assert.Equal(DeliveryVerdict.Deferred, delivery.Verdict);
        Assert.Empty(server.Taken);
        Assert.DoesNotContain(server.Commands, c => c.StartsWith("AUTH", StringComparison.Ordinal) || c.StartsWith("MAIL", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_login_is_made_and_its_refusal_defers()
    {
        await using var server = new ScriptedSmtpServer();
        await using var transport = Transport(server.Port, SmtpSecurity.None, "user", "secret");
        Assert.Equal(Delivery.Accepted, await transport.SendAsync(s_message, default));
        Assert.Contains(server.Commands, c => c.StartsWith("AUTH", StringComparison.Ordinal));

        await using var strict = new ScriptedSmtpServer(s =>
            s.StartsWith("AUTH", StringComparison.Ordinal) ? "535 5.7.8 no" : s.StartsWith("MAIL", StringComparison.Ordinal) ? "530 5.7.0 login first" : null);
        await using var refused = Transport(strict.Port, SmtpSecurity.None, "user", "secret");
        var delivery = await refused.SendAsync(s_message, default);
        Assert.Equal(DeliveryVerdict.Deferred, delivery.Verdict);
        Assert.DoesNotContain("secret", delivery.Detail, StringComparison.Ordinal);
        Assert.Empty(strict.Taken);
    }

    [Fact]
    public async Task One_bad_address_holds_up_nobody()
    {
        await using var server = new ScriptedSmtpServer(s => s switch
        {
            _ when s.StartsWith("RCPT TO:<bad@", StringComparison.Ordinal) => "550 5.1.1 <bad@example.com> unknown",
            _ when s.StartsWith("RCPT TO:<grey@", StringComparison.Ordinal) => "450 4.2.0 later",
            _ when s.StartsWith("RCPT TO:<cut@", StringComparison.Ordinal) => ScriptedSmtpServer.Cut,
            _ => null,
        });
        await using var transport = Transport(server.Port);
        var mailer = new Mailer(Samples.Composer(), transport, new Samples.StillClock(Samples.DecidedAt));
        var mail = Samples.Mail(MailTemplates.SuspensionWarning, Samples.Rich,
            Samples.To("bad@example.com", contact: 1), Samples.To("not an address", contact: 2), Samples.To("grey@example.com", contact: 3),
            Samples.To("cut@example.com", contact: 4), Samples.To("good@example.com", contact: 5));
        var results = await mailer.DeliverAsync(Samples.Account, mail, default);
        Assert.Equal(
            [(1, DeliveryVerdict.Bounced), (2, DeliveryVerdict.Bounced), (3, DeliveryVerdict.Deferred), (4, DeliveryVerdict.Deferred), (5, DeliveryVerdict.Accepted)],
            results.Select(r => (r.Contact, r.Verdict)));
        Assert.Equal("good@example.com", Assert.Single(server.Taken).To);
        Assert.All(results, r => Assert.DoesNotContain('@', r.Detail ?? ""));
    }

    [Fact]
    public async Task Many_at_once_all_arrive()
    {
        await using var server = new ScriptedSmtpServer();
        await using var transport = Transport(server.Port, seconds: 60);
        var messages = Enumerable.Range(1, 60).Select(n =>
        {
            var recipient = Samples.To($"c{n}@example.com", contact: n);
            return Samples.Composer().Compose(Samples.Account, Samples.Mail(MailTemplates.Receipt, Samples.Rich, recipient), recipient)!;
        }).ToList();
        var deliveries = await Task.WhenAll(messages.Select(m => transport.SendAsync(m, default)));
        Assert.All(deliveries, d => Assert.Equal(Delivery.Accepted, d));
        Assert.Equal(messages.Select(m => m.To.Address).Order(), server.Taken.Select(t => t.To).Order());
    }

    [Fact]
    public async Task Html_files_and_the_thread_go_with_it()
    {
        await using var server = new ScriptedSmtpServer();
        await using var transport = Transport(server.Port);
        var message = s_message with
        {
            Html = "<p>Échec du paiement</p>\n", References = "<first@acme.example>",
            Attachments = [new MailAttachment("facture n° 1.pdf", "application/pdf", new byte[] { 1, 2, 3, 250 })],
        };
        Assert.Equal(Delivery.Accepted, await transport.SendAsync(message, default));
        var (_, _, data) = Assert.Single(server.Taken);
        Assert.Contains("multipart/mixed", data, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("multipart/alternative", data, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("=C3=89chec du paiement", data, StringComparison.Ordinal);
        Assert.Contains("AQID+g==", data, StringComparison.Ordinal);
        Assert.Matches(@"(?i)Content-Disposition: attachment;\s+filename", data);
        Assert.Matches("(?im)^references: <first@acme.example>\r$", data);
        Assert.Matches("(?im)^in-reply-to: <first@acme.example>\r$", data);
        Assert.True(data.IndexOf("text/plain", StringComparison.OrdinalIgnoreCase) < data.IndexOf("text/html", StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public async Task A_stalled_connection_holds_up_nobody()
    {
        await using var server = new ScriptedSmtpServer(s => s.StartsWith("RCPT TO:<slow@", StringComparison.Ordinal) ? ScriptedSmtpServer.Stall : null);
        // As long as it takes: it stalls until the server goes away.
        await using var transport = Transport(server.Port, seconds: 60);
        var slow = transport.SendAsync(s_message with { To = Mailbox.Find("slow@example.com", null)! }, default);
        for (var i = 0; i < 20; i++)
        {
            Assert.Equal(Delivery.Accepted, await transport.SendAsync(s_message, default));
        }
        Assert.False(slow.IsCompleted);
        await server.DisposeAsync();
        Assert.Equal(DeliveryVerdict.Deferred, (await slow).Verdict);
    }

    [Fact]
    public async Task Stopping_begins_nothing()
    {
        await using var server = new ScriptedSmtpServer();
        await using var transport = Transport(server.Port);
        using var stopped = new CancellationTokenSource();
        await stopped.CancelAsync();
        Assert.Equal(Delivery.NoTurn, await transport.SendAsync(s_message, stopped.Token));
        Assert.Equal(0, server.Connections);
    }

    internal static IMailTransport Transport(int port, SmtpSecurity security = SmtpSecurity.None, string? user = null, string? password = null, int seconds = 30) =>
        MailTransports.Create(Options(port, security, user, password, seconds));

    internal static MailOptions Options(int port, SmtpSecurity security = SmtpSecurity.None, string? user = null, string? password = null, int seconds = 30) =>
        Samples.Options with
        {
            Transport = MailWay.Smtp,
            Smtp = new SmtpOptions("localhost", port, security, user, password, TimeSpan.FromSeconds(seconds)),
        };
}
