using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Dunning.Tests.Mail;

/// <summary>
/// A mail server on the loopback that answers as scripted: by default it takes everything. The script is asked at each step
/// (<c>GREETING</c>, <c>EHLO …</c>, <c>MAIL …</c>, <c>RCPT …</c>, <c>DATA</c>, <c>BODY</c> after the first line of a message, <c>.</c>
/// after the last, <c>NOOP</c>, …) and gives a reply, null for the usual one, or <see cref="Stall"/> or <see cref="Cut"/>.
/// </summary>
internal sealed class ScriptedSmtpServer : IAsyncDisposable
{
    /// <summary>Says nothing any more, and leaves the connection open.</summary>
    public const string Stall = "stall";

    /// <summary>Closes the connection.</summary>
    public const string Cut = "cut";

    /// <summary>After a message: it is taken, and the connection ends without a word.</summary>
    public const string Lost = "lost";

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stopping = new();
    private readonly ConcurrentBag<Task> _work = [];
    private readonly Task _accepting;
    private readonly Func<string, string?> _script;
    private readonly X509Certificate2? _certificate;
    private readonly bool _tlsAtOnce;
    private int _connections;
    private int _isDisposed;

    public ScriptedSmtpServer(Func<string, string?>? script = null, X509Certificate2? certificate = null, bool tlsAtOnce = false)
    {
        (_script, _certificate, _tlsAtOnce) = (script ?? (_ => null), certificate, tlsAtOnce);
        _listener.Start();
        _accepting = AcceptAsync();
    }

    /// <summary>What a server would have to deliver.</summary>
    public ConcurrentQueue<(string From, string To, string Data)> Taken { get; } = [];

    /// <summary>Commands as they came.</summary>
    public ConcurrentQueue<string> Commands { get; } = [];

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public int Connections => _connections;

    /// <summary>Ends every connection, also one that says nothing any more. A second time does nothing.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) != 0)
        {
            return;
        }
        // In this order: whoever accepts on a listener that has stopped is told off.
        await _stopping.CancelAsync();
        await _accepting;
        _listener.Stop();
        await Task.WhenAll(_work);
        _stopping.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var client = await _listener.AcceptTcpClientAsync(_stopping.Token);
                Interlocked.Increment(ref _connections);
                _work.Add(ServeAsync(client));
            }
        }
        catch (OperationCanceledException)
        {
            // Stopped.
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using var _ = client;
        try
        {
            await TalkAsync(client.GetStream());
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or System.Security.Authentication.AuthenticationException)
        {
            // The client went, or did not trust us, or the test is over.
        }
    }

    private async Task TalkAsync(Stream stream)
    {
        if (_tlsAtOnce)
        {
            stream = await SecureAsync(stream);
        }
        var (from, to) = ("", "");
        if (!await ReplyAsync("GREETING", "220 test ESMTP"))
        {
            return;
        }
        while (await ReadLineAsync(stream) is { } command)
        {
            Commands.Enqueue(command);
            switch (command.Split(' ', ':')[0].ToUpperInvariant())
            {
                case "EHLO":
                    if (!await ReplyAsync(command, _certificate is not null && stream is not SslStream
                        ? "250-test\r\n250-ENHANCEDSTATUSCODES\r\n250-STARTTLS\r\n250 8BITMIME" : "250-test\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME"))
                    {
                        return;
                    }
                    break;
                case "STARTTLS":
                    if (!await ReplyAsync(command, "220 go ahead"))
                    {
                        return;
                    }
                    stream = await SecureAsync(stream);
                    break;
                case "MAIL":
                    from = Between(command);
                    if (!await ReplyAsync(command, "250 2.1.0 ok"))
                    {
                        return;
                    }
                    break;
                case "RCPT":
                    to = Between(command);
                    if (!await ReplyAsync(command, "250 2.1.5 ok"))
                    {
                        return;
                    }
                    break;
                case "DATA":
                    var go = _script(command);
                    if (go is not null and not Stall and not Cut)
                    {
                        await WriteAsync(go);
                        break;
                    }
                    if (!await ReplyAsync(command, "354 go ahead"))
                    {
                        return;
                    }
                    var data = new StringBuilder();
                    for (var line = await ReadLineAsync(stream); line != "."; line = await ReadLineAsync(stream))
                    {
                        if (line is null || (data.Length == 0 && _script("BODY") == Cut))
                        {
                            return;
                        }
                        data.Append(line.StartsWith("..", StringComparison.Ordinal) ? line[1..] : line).Append("\r\n");
                    }
                    var verdict = _script(".");
                    if (verdict is null or Lost)
                    {
                        Taken.Enqueue((from, to, data.ToString()));
                    }
                    if (!await AnswerAsync(verdict, "250 2.0.0 taken"))
                    {
                        return;
                    }
                    break;
                case "AUTH":
                    if (!await ReplyAsync(command, "235 2.7.0 welcome"))
                    {
                        return;
                    }
                    break;
                case "QUIT":
                    await WriteAsync("221 2.0.0 bye");
                    return;
                default:
                    if (!await ReplyAsync(command, "250 2.0.0 ok"))
                    {
                        return;
                    }
                    break;
            }
        }

        Task<bool> ReplyAsync(string step, string usual) => AnswerAsync(_script(step), usual);

        async Task<bool> AnswerAsync(string? answer, string usual)
        {
            switch (answer)
            {
                case Stall:
                    await Task.Delay(Timeout.Infinite, _stopping.Token);
                    return false;
                case Cut or Lost:
                    return false;
                case var reply:
                    await WriteAsync(reply ?? usual);
                    return true;
            }
        }

        async Task WriteAsync(string reply) => await stream.WriteAsync(Encoding.ASCII.GetBytes(reply + "\r\n"), _stopping.Token);
    }

    private async Task<Stream> SecureAsync(Stream plain)
    {
        var secure = new SslStream(plain);
        await secure.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = _certificate }, _stopping.Token);
        return secure;
    }

    // A byte at a time: what follows STARTTLS must not be read with it.
    private async Task<string?> ReadLineAsync(Stream stream)
    {
        var (line, one) = (new StringBuilder(), new byte[1]);
        while (await stream.ReadAsync(one, _stopping.Token) == 1)
        {
            if (one[0] == '\n')
            {
                return line.ToString().TrimEnd('\r');
            }
            line.Append((char)one[0]);
        }
        return null;
    }

    private static string Between(string command) => command[(command.IndexOf('<', StringComparison.Ordinal) + 1)..command.IndexOf('>', StringComparison.Ordinal)];
}
