using System.Security.Cryptography;
using Dunning.Mail;

namespace Dunning.Hosting.Doctor;

/// <summary>What the DNS says about the domain that mails come from: without it, they end in spam folders.</summary>
internal static class SenderDomain
{
    private const string Area = "mail domain";

    /// <summary>Looks at SPF, DMARC and, where mails are signed, the key of DKIM.</summary>
    public static async Task<IReadOnlyList<Finding>> LookAsync(MailOptions mail, DnsClient dns, CancellationToken ct)
    {
        var domain = mail.From.Domain;
        if (mail.Transport != MailWay.Smtp || !domain.Contains('.', StringComparison.Ordinal))
        {
            return [];
        }
        if (await dns.TextsAsync(domain, ct) is not { } answer)
        {
            return [Finding.Warning(Area, "no name server answers: SPF, DKIM and DMARC were not looked at", "look from a machine that reaches the DNS: dig TXT " + domain)];
        }
        if (!answer.IsName)
        {
            return [Finding.Warning(Area, $"this machine's name servers don't know {domain}: SPF, DKIM and DMARC were not looked at",
                "check the domain of Mail:From; where the name servers are inner ones, look from elsewhere: dig TXT " + domain)];
        }
        var texts = answer.Texts;
        var findings = new List<Finding>();
        var spf = texts.Where(t => t.StartsWith("v=spf1", StringComparison.OrdinalIgnoreCase)).ToList();
        findings.Add(spf.Count switch
        {
            1 when spf[0].Contains("+all", StringComparison.OrdinalIgnoreCase) => Finding.Warning(Area, $"SPF of {domain} lets everybody send for it (+all)", "end it with ~all or -all"),
            1 => Finding.Ok(Area, $"SPF of {domain}: {spf[0]}"),
            0 => Finding.Warning(Area, $"{domain} has no SPF: receivers can't tell whether your mail server may send for it",
                $"publish a TXT record at {domain}, such as \"v=spf1 include:YOUR-MAIL-PROVIDER ~all\""),
            _ => Finding.Fault(Area, $"{domain} has {spf.Count} SPF records, which receivers take for an error", "leave one of them"),
        });
        findings.Add(await DmarcAsync(domain, dns, ct));
        if (mail.Smtp?.Dkim is { } dkim)
        {
            findings.Add(await DkimAsync(dkim, dns, ct));
        }
        return findings;
    }

    private static async Task<Finding> DmarcAsync(string domain, DnsClient dns, CancellationToken ct)
    {
        // The domain's own policy, else that of the domain above it.
        var parts = domain.Split('.');
        for (var i = 0; i < parts.Length - 1; i++)
        {
            var name = "_dmarc." + string.Join('.', parts[i..]);
            var found = (await dns.TextsAsync(name, ct))?.Texts.FirstOrDefault(t => t.StartsWith("v=DMARC1", StringComparison.OrdinalIgnoreCase));
            if (found is not null)
            {
                return Finding.Ok(Area, $"DMARC at {name}: {found}");
            }
        }
        return Finding.Warning(Area, $"{domain} has no DMARC, which big receivers ask of those that send much",
            $"publish a TXT record at _dmarc.{domain}, such as \"v=DMARC1; p=none; rua=mailto:postmaster@{domain}\"");
    }

    private static async Task<Finding> DkimAsync(DkimOptions dkim, DnsClient dns, CancellationToken ct)
    {
        var name = $"{dkim.Selector}._domainkey.{dkim.Domain}";
        using var key = RSA.Create();
        try
        {
            key.ImportFromPem(await File.ReadAllTextAsync(dkim.KeyFile, ct));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or CryptographicException)
        {
            return Finding.Fault(Area, $"the key of DKIM, {dkim.KeyFile}, can't be read: {e.Message}", "openssl genrsa -out dkim.pem 2048");
        }
        var wanted = Convert.ToBase64String(key.ExportSubjectPublicKeyInfo());
        var fix = $"publish a TXT record at {name}: \"v=DKIM1; k=rsa; p={wanted}\"";
        var found = (await dns.TextsAsync(name, ct))?.Texts.FirstOrDefault(t => t.Contains("p=", StringComparison.Ordinal));
        if (found is null)
        {
            return Finding.Fault(Area, $"mails are signed, but {name} has no key: receivers take the signature for a forged one", fix);
        }
        var published = found.Split(';').Select(t => t.Trim()).FirstOrDefault(t => t.StartsWith("p=", StringComparison.Ordinal))?[2..].Replace(" ", "", StringComparison.Ordinal);
        return published == wanted ? Finding.Ok(Area, $"DKIM: the key at {name} is that of {dkim.KeyFile}")
            : Finding.Fault(Area, $"the key at {name} is not that of {dkim.KeyFile}: receivers take the signature for a forged one", fix);
    }
}
