#if MAIL_MAILKIT
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using Dunning.Ports;
using MailKit;
using MailKit.Net.Smtp;
using MailKit.Security;
using MimeKit;
using MimeKit.Cryptography;

namespace Dunning.Mail.MailKitTransport;

/// <summary>
/// Speaks SMTP with MailKit. Connections are kept and used again, a few at a time: opening one with TLS and a login costs more than a mail.
/// </summary>
public sealed class MailKitSmtpTransport(SmtpOptions smtp) : IMailTransport
{
    /// <summary>So that a mail server behind several addresses gets to spread them. One that wants fewer says so with a 421.</summary>
    private const int MaxMessagesPerConnection = 100;

    /// <summary>Servers wait for minutes before they end an idle connection.</summary>
    private static readonly TimeSpan AskAfter = TimeSpan.FromSeconds(1);

    // What a reader sees or an answer depends on. A header that is not there is signed as absent, so that none can be added.
    private static readonly string[] s_signed =
    [
        "From", "To", "Subject", "Date", "Message-ID", "Reply-To", "In-Reply-To", "References", "Auto-Submitted", "MIME-Version", "Content-Type",
    ];

    private readonly SemaphoreSlim _places = new(smtp.Connections);
    private readonly ConcurrentBag<Connection> _idle = [];
    private readonly DkimSigner? _signer = smtp.Dkim is { } dkim ? new DkimSigner(dkim.KeyFile, dkim.Domain, dkim.Selector, DkimSignatureAlgorithm.RsaSha256)
    {
        HeaderCanonicalizationAlgorithm = DkimCanonicalizationAlgorithm.Relaxed,
        BodyCanonicalizationAlgorithm = DkimCanonicalizationAlgorithm.Relaxed,
        AgentOrUserIdentifier = "@" + dkim.Domain,
    } : null;

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
        Connection? connection = null;
        try
        {
            using var deadline = new CancellationTokenSource(smtp.Timeout);
            connection = await ConnectAsync(deadline.Token).ConfigureAwait(false);
            var delivery = await SendAsync(connection, message, deadline.Token).ConfigureAwait(false);
            if (delivery.Verdict == DeliveryVerdict.Deferred && connection is { IsFull: true, Messages: > 1 })
            {
                connection.Client.Dispose();
                connection = new Connection(await OpenAsync(smtp, deadline.Token).ConfigureAwait(false));
                delivery = await SendAsync(connection, message, deadline.Token).ConfigureAwait(false);
            }
            return delivery;
        }
        catch (Exception e) when (Trouble(e) is { } detail)
        {
            return Delivery.Deferred(detail);
        }
        finally
        {
            Keep(connection);
            _places.Release();
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        while (_idle.TryTake(out var connection))
        {
            try
            {
                using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(2));
                await connection.Client.DisconnectAsync(quit: true, deadline.Token).ConfigureAwait(false);
            }
            catch (Exception e) when (Trouble(e) is not null)
            {
                // It was only to say goodbye.
            }
            connection.Client.Dispose();
        }
        _places.Dispose();
    }

    /// <summary>For benchmarks: MailKit in a loop.</summary>
    internal static async Task SendBareAsync(SmtpOptions smtp, OutgoingMessage message, Func<bool> isNext, CancellationToken ct)
    {
        using var client = await OpenAsync(smtp, ct).ConfigureAwait(false);
        using var mime = await MimeMessage.LoadAsync(new MemoryStream(MessageWriter.Write(message)), ct).ConfigureAwait(false);
        while (isNext())
        {
            await client.SendAsync(mime, ct).ConfigureAwait(false);
        }
        await client.DisconnectAsync(quit: true, ct).ConfigureAwait(false);
    }

    private async Task<Delivery> SendAsync(Connection connection, OutgoingMessage message, CancellationToken deadline)
    {
        var bytes = MessageWriter.Write(message);
        using var body = new WrittenBody(_signer is null ? bytes : await SignAsync(_signer, bytes, deadline).ConfigureAwait(false));
        using var mime = body.ToMessage();
        connection.Messages++;
        try
        {
            var (from, to) = (new MailboxAddress("", message.From.Address), new MailboxAddress("", message.To.Address));
            await connection.Client.SendAsync(mime, from, [to], deadline).ConfigureAwait(false);
            return Delivery.Accepted;
        }
        catch (SmtpCommandException e)
        {
            var (stage, isOurs) = e.ErrorCode switch
            {
                SmtpErrorCode.RecipientNotAccepted => ("recipient", false),
                SmtpErrorCode.MessageNotAccepted => ("message", false), // it has this one recipient
                SmtpErrorCode.SenderNotAccepted => ("sender", true),
                _ => ("session", true),
            };
            // 421 before the message: the server ends this connection, and has nothing against the mail.
            connection.IsFull = e.StatusCode == SmtpStatusCode.ServiceNotAvailable && stage is ("sender" or "session");
            var detail = SmtpReply.Describe((int)e.StatusCode, e.Message, stage);
            // A no to us as the sender says nothing about the recipient, and an operator can mend it.
            return !SmtpReply.IsPermanentForRecipient((int)e.StatusCode, e.Message) || isOurs ? Delivery.Deferred(detail)
                : e.ErrorCode == SmtpErrorCode.RecipientNotAccepted ? Delivery.Bounced(detail) : Delivery.Rejected(detail);
        }
        catch (Exception e) when (body.IsHandedOver && Trouble(e) is { } detail)
        {
            return Delivery.Uncertain(detail);
        }
    }

    private static async Task<byte[]> SignAsync(DkimSigner signer, byte[] message, CancellationToken deadline)
    {
        using var mime = await MimeMessage.LoadAsync(new MemoryStream(message), deadline).ConfigureAwait(false);
        signer.Sign(mime, s_signed);
        using var signed = new MemoryStream(message.Length + 1024);
        var options = FormatOptions.Default.Clone();
        options.NewLineFormat = NewLineFormat.Dos;
        await mime.WriteToAsync(options, signed, deadline).ConfigureAwait(false);
        return signed.ToArray();
    }

    // A connection that was at work a moment ago, an idle one that still answers, or a new one. Asking first (NOOP) is what makes using the idle ones
    // again safe: a message that fails on a dead connection can't be told from one that failed after it was taken.
    private async Task<Connection> ConnectAsync(CancellationToken deadline)
    {
        while (_idle.TryTake(out var idle))
        {
            if (idle.Since.Elapsed < AskAfter)
            {
                return idle;
            }
            try
            {
                await idle.Client.NoOpAsync(deadline).ConfigureAwait(false);
                return idle;
            }
            catch (Exception e) when (Trouble(e) is not null && !deadline.IsCancellationRequested)
            {
                idle.Client.Dispose();
            }
            catch
            {
                idle.Client.Dispose();
                throw;
            }
        }
        return new Connection(await OpenAsync(smtp, deadline).ConfigureAwait(false));
    }

    // Connected, secured and logged in.
    private static async Task<SmtpClient> OpenAsync(SmtpOptions smtp, CancellationToken deadline)
    {
        var client = new SmtpClient
        {
            Timeout = (int)smtp.Timeout.TotalMilliseconds,
            // Chain, name and dates are verified as ever. Asking a certificate authority about revocation would make its reachability from
            // here a condition of every mail.
            CheckCertificateRevocation = false,
        };
        if (smtp.AcceptInvalidCertificate)
        {
            client.ServerCertificateValidationCallback = (_, _, _, _) => true;
        }
        try
        {
            // A message goes out in several writes. With Nagle's algorithm the last of them waits until the server has acknowledged the one before, which
            // it puts off by some 40 ms.
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                await socket.ConnectAsync(smtp.Host, smtp.Port, deadline).ConfigureAwait(false);
            }
            catch
            {
                socket.Dispose();
                throw;
            }
            await client.ConnectAsync(socket, smtp.Host, smtp.Port, smtp.Security switch
            {
                SmtpSecurity.None => SecureSocketOptions.None,
                SmtpSecurity.StartTls => SecureSocketOptions.StartTls,
                SmtpSecurity.Tls => SecureSocketOptions.SslOnConnect,
            }, deadline).ConfigureAwait(false);
            if (smtp.OAuthTokenFile is { } file)
            {
                // Read at each login: whoever renews the token writes it anew.
                var token = (await File.ReadAllTextAsync(file, deadline).ConfigureAwait(false)).Trim();
                await client.AuthenticateAsync(new SaslMechanismOAuth2(smtp.User!, token), deadline).ConfigureAwait(false);
            }
            else if (smtp.User is not null)
            {
                await client.AuthenticateAsync(smtp.User, smtp.Password ?? "", deadline).ConfigureAwait(false);
            }
            return client;
        }
        catch
        {
            client.Dispose();
            throw;
        }
    }

    private void Keep(Connection? connection)
    {
        if (connection is null)
        {
            return;
        }
        if (connection is { IsFull: false, Client.IsConnected: true, Messages: < MaxMessagesPerConnection })
        {
            connection.Since.Restart();
            _idle.Add(connection);
        }
        else
        {
            connection.Client.Dispose();
        }
    }

    // A message as it was written: there is nothing for MimeKit to take apart and put together again.
    private sealed class WrittenBody : MimeEntity
    {
        private readonly byte[] _message;
        private readonly int _start;

        public WrittenBody(byte[] message)
            : base("text", "plain")
        {
            (_message, _start) = (message, message.AsSpan().IndexOf("\r\n\r\n"u8) + 4);
            Headers.Clear(); // all of them are the message's
        }

        // All of it has been written to the server, or to what is sent next.
        public bool IsHandedOver { get; private set; }

        // A header is sent as its name, a colon and its raw value: the first one's goes on to the end of the last.
        public MimeMessage ToMessage()
        {
            var colon = _message.AsSpan().IndexOf((byte)':');
            var all = new Header(Encoding.ASCII.GetString(_message, 0, colon), "");
            all.SetRawValue(_message[(colon + 1)..(_start - 2)]);
            return new MimeMessage(new HeaderList { all }) { Body = this };
        }

        public override void Prepare(EncodingConstraint constraint, int maxLineLength = 78)
        {
            // Seven bits and short lines, whatever the server can do.
        }

        public override void WriteTo(FormatOptions options, Stream stream, bool contentOnly, CancellationToken cancellationToken = default) =>
            stream.Write(_message, _start, _message.Length - _start);

        public override async Task WriteToAsync(FormatOptions options, Stream stream, bool contentOnly, CancellationToken cancellationToken = default)
        {
            await stream.WriteAsync(_message.AsMemory(_start), cancellationToken).ConfigureAwait(false);
            IsHandedOver |= stream is not MimeKit.IO.MeasuringStream;
        }
    }

    // What a network or a server does, in words without addresses; null for anything else, which is a mistake of ours and is thrown.
    private static string? Trouble(Exception e) => e switch
    {
        OperationCanceledException or TimeoutException => "no answer in time",
        SslHandshakeException => "TLS could not be agreed on, or the server's certificate is not trusted",
        AuthenticationException or SaslException => "the login was refused",
        SmtpCommandException c => SmtpReply.Describe((int)c.StatusCode, c.Message, "session"),
        ServiceNotAuthenticatedException => "the server wants a login",
        FileNotFoundException or DirectoryNotFoundException or UnauthorizedAccessException => "the token's file could not be read",
        ProtocolException or IOException or SocketException or ServiceNotConnectedException => $"connection failed: {e.GetType().Name}",
        NotSupportedException => "the server does not offer what is configured (STARTTLS, or a login)",
        _ => null,
    };

    private sealed class Connection(SmtpClient client)
    {
        public SmtpClient Client { get; } = client;

        public int Messages { get; set; }

        /// <summary>The server has said that it takes no more over it.</summary>
        public bool IsFull { get; set; }

        /// <summary>Since it was last used.</summary>
        public Stopwatch Since { get; } = Stopwatch.StartNew();
    }
}
#endif
