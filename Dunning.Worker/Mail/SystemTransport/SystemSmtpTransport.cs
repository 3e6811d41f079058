#if MAIL_SYSTEM
using System.Net;
using System.Net.Mail;
using System.Net.Mime;
using System.Text;

namespace Dunning.Mail.SystemTransport;

/// <summary>
/// Speaks SMTP with what .NET itself has, for builds whose package feed does not serve MailKit. It knows STARTTLS but not TLS from the first
/// byte, dates messages by the moment they are sent whatever it is given, and goes on without a login that was refused (the server then
/// refuses the sender). It opens a connection for each message: it could not tell one that died while idle from a message that failed.
/// </summary>
public sealed class SystemSmtpTransport(SmtpOptions smtp) : IMailTransport
{
    private readonly SemaphoreSlim _places = new(smtp.Connections);

    private const string NoAnswer = "no answer in time";

    /// <inheritdoc/>
    public async Task<Delivery> SendAsync(OutgoingMessage message, CancellationToken ct)
    {
        try
        {
            await _places.WaitAsync(ct).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            return Delivery.NoTurn;
        }
        using var deadline = new CancellationTokenSource(smtp.Timeout);
        using var mime = Mime(message);
        try
        {
            using var client = new SmtpClient(smtp.Host, smtp.Port)
            {
                EnableSsl = smtp.Security != SmtpSecurity.None, // required then: without STARTTLS nothing is sent
                // It waits for the last answer without heeding the token. A little longer, so that the token tells what it was.
                Timeout = (int)smtp.Timeout.TotalMilliseconds + 500,
                UseDefaultCredentials = false,
                Credentials = smtp.User is null ? null : new NetworkCredential(smtp.User, smtp.Password),
            };
            await client.SendMailAsync(mime, deadline.Token).ConfigureAwait(false);
            return Delivery.Accepted;
        }
        catch (SmtpFailedRecipientException e)
        {
            var detail = SmtpReply.Describe((int)e.StatusCode, e.Message, "recipient");
            return SmtpReply.IsPermanentForRecipient((int)e.StatusCode, e.Message) ? Delivery.Bounced(detail) : Delivery.Deferred(detail);
        }
        catch (SmtpException e)
        {
            // Sender, login or message: it does not say which. Only the recipient's refusal is surely one for good.
            return e.StatusCode > 0 ? Delivery.Deferred(SmtpReply.Describe((int)e.StatusCode, e.Message, "session"))
                : Lost(mime, deadline.IsCancellationRequested ? NoAnswer : $"connection failed: {(e.InnerException ?? e).GetType().Name}");
        }
        catch (OperationCanceledException)
        {
            return Lost(mime, NoAnswer);
        }
        finally
        {
            _places.Release();
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _places.Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>For benchmarks: the framework's client in a loop. It keeps its connection between messages as long as it lives.</summary>
    internal static async Task SendBareAsync(SmtpOptions smtp, OutgoingMessage message, Func<bool> isNext, CancellationToken ct)
    {
        using var client = new SmtpClient(smtp.Host, smtp.Port);
        while (isNext())
        {
            using var mime = Mime(message);
            await client.SendMailAsync(mime, ct).ConfigureAwait(false);
        }
    }

    // It does not say how far it came; but its last part has been read to its end, or not.
    private static Delivery Lost(MailMessage mime, string detail)
    {
        var last = mime.Attachments.Count > 0 ? mime.Attachments[^1].ContentStream : mime.AlternateViews.Count > 0 ? mime.AlternateViews[^1].ContentStream : null;
        return last is null || last.Position == last.Length ? Delivery.Uncertain(detail) : Delivery.Deferred(detail);
    }

    private static MailMessage Mime(OutgoingMessage message)
    {
        var mime = new MailMessage(Address(message.From), Address(message.To))
        {
            Subject = message.Subject,
            SubjectEncoding = Encoding.UTF8,
            HeadersEncoding = Encoding.UTF8,
        };
        // With views, the body itself would be a part more.
        if (message.Html is { } html)
        {
            mime.AlternateViews.Add(View(message.Text, MediaTypeNames.Text.Plain));
            mime.AlternateViews.Add(View(html, MediaTypeNames.Text.Html));
        }
        else
        {
            mime.Body = message.Text.ReplaceLineEndings("\r\n");
            mime.BodyEncoding = Encoding.UTF8;
            mime.BodyTransferEncoding = TransferEncoding.QuotedPrintable;
        }
        foreach (var attachment in message.Attachments)
        {
            var name = OneLine.Of(attachment.FileName) ?? "attachment";
            var added = new Attachment(new MemoryStream(attachment.Content.ToArray()), name, attachment.MediaType)
            {
                NameEncoding = Encoding.UTF8, TransferEncoding = TransferEncoding.Base64,
            };
            added.ContentDisposition!.FileName = name; // where mail programs look first; it sets the type's alone
            mime.Attachments.Add(added);
        }
        if (message.ReplyTo is { } replyTo)
        {
            mime.ReplyToList.Add(Address(replyTo));
        }
        mime.Headers.Add("Message-ID", message.MessageId);
        if (message.References is { } first)
        {
            mime.Headers.Add("In-Reply-To", first);
            mime.Headers.Add("References", first);
        }
        mime.Headers.Add("Auto-Submitted", "auto-generated");
        mime.Headers.Add("Content-Language", message.Language);
        return mime;
    }

    private static AlternateView View(string content, string mediaType)
    {
        var view = AlternateView.CreateAlternateViewFromString(content.ReplaceLineEndings("\r\n"), Encoding.UTF8, mediaType);
        view.TransferEncoding = TransferEncoding.QuotedPrintable;
        return view;
    }

    private static MailAddress Address(Mailbox mailbox) => new(mailbox.Address, mailbox.Name, Encoding.UTF8);
}
#endif
