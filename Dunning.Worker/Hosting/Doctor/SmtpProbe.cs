using System.Globalization;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Dunning.Mail;

namespace Dunning.Hosting.Doctor;

/// <summary>
/// Signs in to the mail server as the transport would, and leaves: no mail is begun. Told by hand, so that each step that fails has a name, whichever
/// transport this build has.
/// </summary>
internal static class SmtpProbe
{
    private const string Area = "mail server";

    /// <summary>Tries it.</summary>
    public static async Task<IReadOnlyList<Finding>> TryAsync(SmtpOptions smtp, TimeProvider time, CancellationToken ct)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
        limit.CancelAfter(TimeSpan.FromSeconds(15));
        var step = "reached";
        try
        {
            return [.. await TalkAsync(smtp, time, s => step = s, limit.Token)];
        }
        catch (Exception e) when (e is SocketException or IOException or AuthenticationException or OperationCanceledException && !ct.IsCancellationRequested)
        {
            var says = e is OperationCanceledException ? "no answer within 15 seconds" : e.Message;
            return [Finding.Fault(Area, $"{smtp} could not be {step}: {says}", step == "encrypted"
                ? "have a certificate that names the server and that this machine trusts, or name the server as its certificate does (Mail:Smtp:Host)"
                : "check Mail:Smtp:Host, Port and Security, and that a firewall lets this machine out; many providers close port 25")];
        }
    }

    private static async Task<List<Finding>> TalkAsync(SmtpOptions smtp, TimeProvider time, Action<string> step, CancellationToken ct)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(smtp.Host, smtp.Port, ct);
        Stream stream = client.GetStream();
        X509Certificate2? certificate = null;
        if (smtp.Security == SmtpSecurity.Tls)
        {
            step("encrypted");
            (stream, certificate) = await EncryptAsync(stream, smtp, ct);
        }
        step("greeted");
        var line = new Lines(stream);
        await line.ExpectAsync(220, ct);
        var offers = await line.AskAsync("EHLO " + Environment.MachineName.ToLowerInvariant(), 250, ct);
        if (smtp.Security == SmtpSecurity.StartTls)
        {
            if (!offers.Any(o => o.Equals("STARTTLS", StringComparison.OrdinalIgnoreCase)))
            {
                return [Finding.Fault(Area, $"{smtp} does not offer STARTTLS: nothing is sent", "another port (587), or Mail:Smtp:Security=tls where it speaks TLS from the start (465)")];
            }
            await line.AskAsync("STARTTLS", 220, ct);
            step("encrypted");
            (stream, certificate) = await EncryptAsync(stream, smtp, ct);
            step("greeted");
            line = new Lines(stream);
            offers = await line.AskAsync("EHLO " + Environment.MachineName.ToLowerInvariant(), 250, ct);
        }
        var findings = new List<Finding>();
        if (certificate is not null)
        {
            var left = certificate.NotAfter.ToUniversalTime() - time.GetUtcNow().UtcDateTime;
            if (left < TimeSpan.FromDays(14))
            {
                findings.Add(Finding.Warning(Area, string.Create(CultureInfo.InvariantCulture, $"its certificate ends in {(int)left.TotalDays} days"), "tell who runs the mail server"));
            }
            certificate.Dispose();
        }
        if (smtp.User is { } user)
        {
            var ways = offers.FirstOrDefault(o => o.StartsWith("AUTH ", StringComparison.OrdinalIgnoreCase))?.ToUpperInvariant().Split(' ')[1..] ?? [];
            step("signed in to");
            var (code, says) = await SignInAsync(line, smtp, user, ways, ct);
            findings.Add(code == 235 ? Finding.Ok(Area, $"{smtp}: signed in")
                : Finding.Fault(Area, string.Create(CultureInfo.InvariantCulture, $"{smtp} refuses the sign-in of Mail:Smtp:User: {code} {says}"),
                    smtp.OAuthTokenFile is null ? "check Mail:Smtp:User and Password; some providers ask for a password of the application's own" : "renew the token in " + smtp.OAuthTokenFile));
        }
        else
        {
            findings.Add(Finding.Ok(Area, $"{smtp}: answers; nobody signs in"));
        }
        await line.WriteAsync("QUIT", ct);
        return findings;
    }

    private static async Task<(int Code, string Says)> SignInAsync(Lines line, SmtpOptions smtp, string user, string[] ways, CancellationToken ct)
    {
        if (smtp.OAuthTokenFile is { } file)
        {
            var token = (await File.ReadAllTextAsync(file, ct)).Trim();
            var answer = await line.SayAsync("AUTH XOAUTH2 " + Base64($"user={user}\u0001auth=Bearer {token}\u0001\u0001"), ct);
            // The reason of a refusal is asked for by an empty line.
            return answer.Code == 334 ? await line.SayAsync("", ct) : answer;
        }
        if (ways.Contains("PLAIN"))
        {
            return await line.SayAsync("AUTH PLAIN " + Base64($"\0{user}\0{smtp.Password}"), ct);
        }
        if (!ways.Contains("LOGIN"))
        {
            return (0, ways.Length == 0 ? "it offers no sign-in on this connection" : "it offers " + string.Join(", ", ways) + ", which were not tried");
        }
        var asked = await line.SayAsync("AUTH LOGIN", ct);
        asked = asked.Code == 334 ? await line.SayAsync(Base64(user), ct) : asked;
        return asked.Code == 334 ? await line.SayAsync(Base64(smtp.Password ?? ""), ct) : asked;
    }

    private static async Task<(Stream Stream, X509Certificate2? Certificate)> EncryptAsync(Stream stream, SmtpOptions smtp, CancellationToken ct)
    {
        var secure = new SslStream(stream);
        await secure.AuthenticateAsClientAsync(
            new SslClientAuthenticationOptions
            {
                TargetHost = smtp.Host,
                RemoteCertificateValidationCallback = smtp.AcceptInvalidCertificate ? (_, _, _, _) => true : null,
            },
            ct);
        return (secure, secure.RemoteCertificate is { } certificate ? new X509Certificate2(certificate) : null);
    }

    private static string Base64(string text) => Convert.ToBase64String(Encoding.UTF8.GetBytes(text));

    private sealed class Lines(Stream stream)
    {
        private const int MaxLines = 100;

        private readonly StreamReader _reader = new(stream, Encoding.UTF8, false, 1024, leaveOpen: true);

        public async Task WriteAsync(string line, CancellationToken ct)
        {
            await stream.WriteAsync(Encoding.ASCII.GetBytes(line + "\r\n"), ct);
            await stream.FlushAsync(ct);
        }

        public async Task<(int Code, string Says)> SayAsync(string line, CancellationToken ct)
        {
            await WriteAsync(line, ct);
            var (code, says) = await ReadAsync(ct);
            return (code, string.Join(' ', says));
        }

        public async Task<IReadOnlyList<string>> AskAsync(string line, int wanted, CancellationToken ct)
        {
            await WriteAsync(line, ct);
            return await ExpectAsync(wanted, ct);
        }

        public async Task<IReadOnlyList<string>> ExpectAsync(int wanted, CancellationToken ct)
        {
            var (code, says) = await ReadAsync(ct);
            return code == wanted ? says : throw new IOException(string.Create(CultureInfo.InvariantCulture, $"it answers {code} {string.Join(' ', says)}"));
        }

        private async Task<(int Code, List<string> Says)> ReadAsync(CancellationToken ct)
        {
            var says = new List<string>();
            while (says.Count < MaxLines && await _reader.ReadLineAsync(ct) is { } line)
            {
                if (line.Length < 3 || !int.TryParse(line.AsSpan(0, 3), NumberStyles.None, CultureInfo.InvariantCulture, out var code))
                {
                    throw new IOException("it does not speak SMTP");
                }
                says.Add(line.Length > 4 ? line[4..] : "");
                if (line.Length == 3 || line[3] != '-')
                {
                    return (code, says);
                }
            }
            throw new IOException("it hung up");
        }
    }
}
