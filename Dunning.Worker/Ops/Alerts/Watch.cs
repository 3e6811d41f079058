using System.Collections.Immutable;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Dunning.Hosting;
using Dunning.Mail;
using NodaTime;

namespace Dunning.Ops.Alerts;

/// <summary>Something that ends.</summary>
/// <param name="What">Its name, as in labels.</param>
/// <param name="Text">For people.</param>
/// <param name="Ends">When; null: it could not be asked.</param>
internal sealed record Expiry(string What, string Text, Instant? Ends);

/// <summary>A volume of this machine.</summary>
/// <param name="Folder">Where it is mounted.</param>
/// <param name="Free">Bytes that the service may still take.</param>
/// <param name="Size">All its bytes.</param>
internal sealed record Volume(string Folder, long Free, long Size);

/// <summary>Looks at what is outside of the database: certificates, keys, disks.</summary>
internal sealed class Watch(WorkerSettings settings, string? databaseFolder, TimeProvider time)
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);

    /// <summary>How a folder's volume is asked.</summary>
    public Func<string, Volume?> VolumeOf { get; init; } = Ask;

    /// <summary>
    /// What ends, and when: the certificates that customers, operators and mails meet, and the gateway's key by <c>Alerts:KeyExpiresOn</c>.
    /// </summary>
    public async Task<ImmutableArray<Expiry>> ExpiriesAsync(CancellationToken ct)
    {
        var found = ImmutableArray.CreateBuilder<Expiry>();
        if (settings.Alerts.KeyExpiresOn is { } day)
        {
            found.Add(new Expiry("gateway_key", "the gateway's key", day.AtMidnight().InUtc().ToInstant()));
        }
        foreach (var url in new[] { settings.Links.PublicUrl, settings.Ops.PublicUrl }.OfType<Uri>().Where(u => u.Scheme == Uri.UriSchemeHttps).DistinctBy(u => u.Authority))
        {
            found.Add(new Expiry("https:" + url.Authority, $"the certificate of {url.Authority}", await EndsAsync(url.IdnHost, url.Port, isSmtp: false, ct)));
        }
        if (settings.Mail is { Transport: MailWay.Smtp, Smtp: { Security: not SmtpSecurity.None } smtp })
        {
            found.Add(new Expiry("smtp", "the mail server's certificate", await EndsAsync(smtp.Host, smtp.Port, smtp.Security == SmtpSecurity.StartTls, ct)));
        }
        return found.ToImmutable();
    }

    /// <summary>The volumes of folders that the service writes to on this machine.</summary>
    public ImmutableArray<Volume> Volumes()
    {
        var folders = new[]
        {
            databaseFolder, settings.Mail.Transport == MailWay.Pickup ? settings.Mail.PickupFolder : null,
            settings.EnvironmentFile is { } file ? Path.GetDirectoryName(Path.GetFullPath(file)) : null,
        };
        return [.. folders.OfType<string>().Select(Path.GetFullPath).Distinct(StringComparer.Ordinal).Select(VolumeOf).OfType<Volume>().DistinctBy(v => v.Folder)];
    }

    private static Volume? Ask(string folder)
    {
        try
        {
            // The deepest mount that the folder is below, so that two folders of one volume are one.
            var drive = DriveInfo.GetDrives().Where(d => IsBelow(folder, d.Name)).MaxBy(d => d.Name.Length);
            return drive is null ? null : new Volume(drive.Name, drive.AvailableFreeSpace, drive.TotalSize);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return null;
        }
    }

    private static bool IsBelow(string folder, string mount)
    {
        var (way, root) = (OperatingSystem.IsWindows() ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal, mount.TrimEnd(Path.DirectorySeparatorChar));
        return folder.Equals(root, way) || folder.StartsWith(root + Path.DirectorySeparatorChar, way);
    }

    // Whoever it is signed by: that is for those who connect to mind.
    private async Task<Instant?> EndsAsync(string host, int port, bool isSmtp, CancellationToken ct)
    {
        using var patience = new CancellationTokenSource(s_patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, ct);
        try
        {
            using var client = new TcpClient();
            await client.ConnectAsync(host, port, either.Token);
            var stream = client.GetStream();
            if (isSmtp && !await StartTlsAsync(stream, either.Token))
            {
                return null;
            }
            await using var tls = new SslStream(stream, leaveInnerStreamOpen: false);
            await tls.AuthenticateAsClientAsync(
                new SslClientAuthenticationOptions { TargetHost = host, RemoteCertificateValidationCallback = (_, _, _, _) => true }, either.Token);
            using var certificate = tls.RemoteCertificate is null ? null : X509CertificateLoader.LoadCertificate(tls.RemoteCertificate.GetRawCertData());
            return certificate is null ? null : Instant.FromDateTimeUtc(certificate.NotAfter.ToUniversalTime());
        }
        catch (Exception e) when (e is IOException or SocketException or System.Security.Authentication.AuthenticationException or OperationCanceledException)
        {
            ct.ThrowIfCancellationRequested();
            return null;
        }
    }

    private static async Task<bool> StartTlsAsync(NetworkStream stream, CancellationToken ct)
    {
        if (!(await ReplyAsync(stream, ct)).StartsWith("220", StringComparison.Ordinal))
        {
            return false;
        }
        await SayAsync("EHLO localhost");
        if (!(await ReplyAsync(stream, ct)).StartsWith("250", StringComparison.Ordinal))
        {
            return false;
        }
        await SayAsync("STARTTLS");
        return (await ReplyAsync(stream, ct)).StartsWith("220", StringComparison.Ordinal);

        async Task SayAsync(string line) => await stream.WriteAsync(Encoding.ASCII.GetBytes(line + "\r\n"), ct);
    }

    // The last line of a reply; byte by byte, as what follows may be TLS.
    private static async Task<string> ReplyAsync(NetworkStream stream, CancellationToken ct)
    {
        var (line, one) = (new StringBuilder(), new byte[1]);
        for (var count = 0; count < 8192 && await stream.ReadAsync(one, ct) == 1; count++)
        {
            if (one[0] != '\n')
            {
                line.Append((char)one[0]);
                continue;
            }
            if (line.Length < 4 || line[3] != '-')
            {
                return line.ToString();
            }
            line.Clear();
        }
        return "";
    }
}
