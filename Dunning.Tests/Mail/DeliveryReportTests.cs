using System.Text;
using Dunning.Mail;

namespace Dunning.Tests.Mail;

/// <summary>What is read out of the notifications that mail servers send back.</summary>
public sealed class DeliveryReportTests
{
    private const string Key = "0123456789abcdef0123456789abcdef";

    // As Postfix writes it.
    private const string Postfix = $"""
        Return-Path: <>
        From: MAILER-DAEMON@mx.example (Mail Delivery System)
        Subject: Undelivered Mail Returned to Sender
        To: billing@acme.example
        Auto-Submitted: auto-replied
        MIME-Version: 1.0
        Content-Type: multipart/report; report-type=delivery-status;
        	boundary="8BDF.1764000000/mx.example"

        This is a MIME-encapsulated message.

        --8BDF.1764000000/mx.example
        Content-Description: Notification
        Content-Type: text/plain; charset=us-ascii

        I'm sorry to have to inform you that your message could not be delivered.
        Final-Recipient: rfc822; liar@example.com
        Action: failed

        --8BDF.1764000000/mx.example
        Content-Description: Delivery report
        Content-Type: message/delivery-status

        Reporting-MTA: dns; mx.example
        X-Postfix-Queue-ID: 8BDF
        Arrival-Date: Tue, 24 Nov 2026 08:00:00 +0000 (UTC)

        Final-Recipient: rfc822; ada@example.com
        Original-Recipient: rfc822;Ada@Example.com
        Action: failed
        Status: 5.1.1
        Remote-MTA: dns; mail.example.com
        Diagnostic-Code: smtp; 550 5.1.1 <ada@example.com>: Recipient address rejected:
            User unknown

        --8BDF.1764000000/mx.example
        Content-Description: Undelivered Message Headers
        Content-Type: text/rfc822-headers

        From: Acme <billing@acme.example>
        To: "Ada, Countess" <ada@example.com>
        Message-ID: <{Key}@acme.example>
        References:
         <fedcba9876543210fedcba9876543210@acme.example>

        --8BDF.1764000000/mx.example--
        """;

    [Theory]
    [InlineData("\n")]
    [InlineData("\r\n")]
    public void A_report_is_read_and_what_people_are_told_is_not(string lineEnd)
    {
        var report = Read(Postfix, lineEnd)!;
        Assert.Equal([Key, "fedcba9876543210fedcba9876543210"], report.Keys.ToArray());
        Assert.Equal(["ada@example.com"], report.To.ToArray());
        var recipient = Assert.Single(report.Recipients);
        Assert.Equal(("failed", "5.1.1", true), (recipient.Action, recipient.Status, recipient.IsAboutAddress));
        Assert.Equal(["Ada@Example.com"], recipient.Addresses.ToArray());
    }

    [Theory]
    [InlineData("failed", "5.1.1", true)]
    [InlineData("failed", "5.2.2", true)]
    [InlineData("failed", "5.0.0", true)]
    [InlineData("failed", "5.3.0", true)]
    [InlineData("failed", "4.4.7", true)] // given up after days
    [InlineData("failed (after 5 days)", "4.4.7", true)]
    [InlineData("failed", "5.3.4", false)] // too big
    [InlineData("failed", "5.6.1", false)]
    [InlineData("failed", "5.7.1", false)] // policy: about us
    [InlineData("delayed", "4.4.1", false)]
    [InlineData("delivered", "2.0.0", false)]
    [InlineData("relayed", "2.0.0", false)]
    public void Only_a_failure_that_is_about_the_address_counts(string action, string status, bool counts)
    {
        var report = Read(Postfix.Replace("Action: failed\nStatus: 5.1.1", $"Action: {action}\nStatus: {status}", StringComparison.Ordinal))!;
        Assert.Equal(counts, report.Recipients[0].IsAboutAddress);
    }

    [Fact]
    public void Without_a_status_the_diagnostic_code_tells()
    {
        var report = Read(Postfix.Replace("Status: 5.1.1\n", "", StringComparison.Ordinal).Replace("550 5.1.1 <", "550 5.2.1 <", StringComparison.Ordinal))!;
        Assert.Equal("5.2.1", report.Recipients[0].Status);
    }

    [Theory]
    [InlineData("base64")]
    [InlineData("quoted-printable")]
    public void Encoded_parts_are_read(string encoding)
    {
        const string status = "Reporting-MTA: dns; mx.example\n\nFinal-Recipient: rfc822; ada@example.com\nAction: failed\nStatus: 5.1.1\n";
        var encoded = encoding == "base64" ? Convert.ToBase64String(Encoding.ASCII.GetBytes(status), Base64FormattingOptions.InsertLineBreaks)
            : status.Replace("=", "=3D", StringComparison.Ordinal).Replace("rfc822; ", "rfc822;=20=\n", StringComparison.Ordinal);
        var start = Postfix.IndexOf("Content-Type: message/delivery-status", StringComparison.Ordinal);
        var end = Postfix.IndexOf("\n--8BDF", start, StringComparison.Ordinal);
        var report = Read(string.Concat(Postfix.AsSpan(0, start), $"Content-Type: message/delivery-status\nContent-Transfer-Encoding: {encoding}\n\n{encoded}", Postfix.AsSpan(end)))!;
        Assert.Equal("5.1.1", Assert.Single(report.Recipients).Status);
        Assert.Equal(["ada@example.com"], report.Recipients[0].Addresses.ToArray());
        Assert.Contains(Key, report.Keys.ToArray());
    }

    [Fact]
    public void The_whole_message_returned_is_read_to_its_header()
    {
        var report = Read(Postfix.Replace("text/rfc822-headers", "message/rfc822", StringComparison.Ordinal).Replace(
            "\n\n--8BDF.1764000000/mx.example--", "\n\nMessage-ID: <aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@acme.example>\n\n--8BDF.1764000000/mx.example--", StringComparison.Ordinal))!;
        Assert.Equal([Key, "fedcba9876543210fedcba9876543210"], report.Keys.ToArray());
    }

    // Anybody can send anything.
    [Fact]
    public void What_is_none_is_none_and_nothing_throws()
    {
        Assert.Null(Read(""));
        Assert.Null(Read("Subject: hello\n\nI am on holiday"));
        Assert.Null(Read("Content-Type: message/rfc822\n\nMessage-ID: <0123456789abcdef0123456789abcdef@x>\n\n"));
        Assert.Null(Read(Postfix.Replace("message/delivery-status", "text/plain", StringComparison.Ordinal)));
        Assert.Null(DeliveryReport.Read(new byte[DeliveryReport.MaxBytes + 1]));
        var bytes = Encoding.ASCII.GetBytes(Postfix);
        for (var length = 0; length < bytes.Length; length += 7)
        {
            _ = DeliveryReport.Read(bytes.AsSpan(0, length));
        }
        var random = new Random(1);
        for (var i = 0; i < 500; i++)
        {
            var broken = (byte[])bytes.Clone();
            for (var n = 0; n < 20; n++)
            {
                broken[random.Next(broken.Length)] = (byte)random.Next(256);
            }
            _ = DeliveryReport.Read(broken);
        }
        _ = Read(string.Concat(Enumerable.Repeat("Content-Type: multipart/mixed; boundary=a\n\n--a\n", 2000)));
    }

    private static DeliveryReport? Read(string text, string lineEnd = "\n") =>
        DeliveryReport.Read(Encoding.Latin1.GetBytes(text.ReplaceLineEndings("\n").Replace("\n", lineEnd, StringComparison.Ordinal)));
}
