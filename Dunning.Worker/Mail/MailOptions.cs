using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using Dunning.Hosting;

namespace Dunning.Mail;

/// <summary>How messages leave.</summary>
public enum MailWay
{
    /// <summary>As files in a directory.</summary>
    Pickup,

    /// <summary>To a mail server.</summary>
    Smtp,
}

/// <summary>
/// How the connection to a mail server is secured. There is no "if the server offers it": whoever sits between could say it doesn't.
/// </summary>
public enum SmtpSecurity
{
    /// <summary>Not at all, for a server on this machine or network.</summary>
    None,

    /// <summary>Plain at first, TLS before anything is said; else nothing is sent.</summary>
    StartTls,

    /// <summary>TLS from the first byte.</summary>
    Tls,
}

/// <summary>The mail server.</summary>
/// <param name="Host"><c>Mail:Smtp:Host</c>.</param>
/// <param name="Port"><c>Mail:Smtp:Port</c>. Default by security: 587 (starttls), 465 (tls), 25 (none).</param>
/// <param name="Security"><c>Mail:Smtp:Security</c>: none, starttls (default) or tls.</param>
/// <param name="User"><c>Mail:Smtp:User</c>; without it there is no login.</param>
/// <param name="Password"><c>Mail:Smtp:Password</c>.</param>
/// <param name="Timeout"><c>Mail:Smtp:TimeoutSeconds</c>: for one message, from connecting to the server's answer. Default 30.</param>
public sealed record SmtpOptions(string Host, int Port, SmtpSecurity Security, string? User, string? Password, TimeSpan Timeout)
{
    /// <summary><c>Mail:Smtp:Connections</c>: at once. Default 4; more from one client is what servers answer with 421.</summary>
    public int Connections { get; init; } = 4;

    /// <summary><c>Mail:Smtp:PerMinute</c>: messages, at most, from this process. 0 (default): no limit.</summary>
    public int PerMinute { get; init; }

    /// <summary><c>Mail:Smtp:AcceptInvalidCertificate</c>: encrypt, but to whoever answers. Default false.</summary>
    public bool AcceptInvalidCertificate { get; init; }

    /// <summary><c>Mail:Smtp:OAuthTokenFile</c>: holds an access token for a login by XOAUTH2 instead of a password; read at each login.</summary>
    public string? OAuthTokenFile { get; init; }

    /// <summary><c>Mail:Dkim:…</c>: signs what leaves.</summary>
    public DkimOptions? Dkim { get; init; }

    /// <summary>Without the login: a record prints its members, and this one may end up in a log.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Host}:{Port} ({Security})");
}

/// <summary>How messages are signed (RFC 6376).</summary>
/// <param name="Domain"><c>Mail:Dkim:Domain</c>: that of <c>Mail:From</c>, or one above it.</param>
/// <param name="Selector"><c>Mail:Dkim:Selector</c>: the public key stands in the DNS at <c>SELECTOR._domainkey.DOMAIN</c>.</param>
/// <param name="KeyFile"><c>Mail:Dkim:KeyFile</c>: the private RSA key, as PEM.</param>
public sealed record DkimOptions(string Domain, string Selector, string KeyFile);

/// <summary>The settings of mail. Made by <see cref="Read"/> from configuration keys; every fault is found at once.</summary>
public sealed record MailOptions
{
    // A message that is begun while its claim lasts must end before the claim does, or another server would send it too.
    private static readonly int LongestTimeoutSeconds = (int)new Options.RuleOptions().LeaseMargin.TotalSeconds;

    private static readonly ImmutableArray<string> s_keys =
    [
        "Mail:Transport", "Mail:Pickup", "Mail:From", "Mail:FromName", "Mail:ReplyTo", "Mail:Company", "Mail:Links:Billing",
        "Mail:Smtp:Host", "Mail:Smtp:Port", "Mail:Smtp:Security", "Mail:Smtp:User", "Mail:Smtp:Password", "Mail:Smtp:TimeoutSeconds",
        "Mail:Smtp:Connections", "Mail:Smtp:PerMinute", "Mail:Smtp:AcceptInvalidCertificate", "Mail:Smtp:OAuthTokenFile",
        "Mail:Dkim:Domain", "Mail:Dkim:Selector", "Mail:Dkim:KeyFile",
        "Mail:Templates", "Mail:AllowPickup", "Mail:BounceFolder", .. MailLook.Keys,
    ];

    /// <summary><c>Mail:Transport</c>: pickup (default: nothing leaves the machine unless that is asked for) or smtp.</summary>
    public MailWay Transport { get; init; }

    /// <summary><c>Mail:Pickup</c>: the directory for pickup. Default <c>data/mail</c>.</summary>
    public string PickupFolder { get; init; } = "data/mail";

    /// <summary><c>Mail:From</c> and <c>Mail:FromName</c>: who writes. smtp needs the address; the name's default is the company.</summary>
    public Mailbox From { get; init; } = Mailbox.Find("billing@localhost", null)!;

    /// <summary><c>Mail:ReplyTo</c>: where answers go. With it, mails invite an answer.</summary>
    public Mailbox? ReplyTo { get; init; }

    /// <summary><c>Mail:Company</c>: the name that mails are signed with. Default: <c>Mail:FromName</c>.</summary>
    public string? Company { get; init; }

    /// <summary>
    /// <c>Mail:Links:Billing</c>: the page where customers pay and change cards; <c>{account}</c> in it becomes the account's id. Without it
    /// mails say to sign in instead.
    /// </summary>
    public string? BillingLink { get; init; }

    /// <summary>What is put around the mails.</summary>
    public MailLook Look { get; init; } = new();

    /// <summary><c>Mail:Templates</c>: a folder of templates, file by file over the built-in ones. Its content is checked with the settings.</summary>
    public string? TemplatesFolder { get; init; }

    /// <summary><c>Mail:BounceFolder</c>: where delivery status notifications are dropped, as files or as a Maildir. The Mail pass takes them in.</summary>
    public string? BounceFolder { get; init; }

    /// <summary>The mail server, for smtp.</summary>
    public SmtpOptions? Smtp { get; init; }

    /// <summary>The link for an account, or null when none is configured.</summary>
    public string? BillingLinkFor(string account) =>
        BillingLink?.Replace("{account}", Uri.EscapeDataString(account), StringComparison.Ordinal);

    /// <summary>
    /// Reads the keys below <c>Mail:</c> out of a flat configuration. Keys are compared without case; an empty value is none. Returns either
    /// the options or every fault: key, given value (but never a password), what is allowed.
    /// </summary>
    /// <param name="settings">The configuration.</param>
    /// <param name="chargesForReal">The gateway takes real money: then mails that only become files are a fault, unless <c>Mail:AllowPickup</c> says so.</param>
    public static (MailOptions? Options, ImmutableArray<string> Faults) Read(IEnumerable<KeyValuePair<string, string?>> settings, bool chargesForReal = false)
    {
        var faults = new List<string>();
        var given = new SortedDictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var (key, value) in settings)
        {
            if (!string.IsNullOrEmpty(value) && key.StartsWith("Mail:", StringComparison.OrdinalIgnoreCase))
            {
                given[key] = value;
            }
        }
        // A misspelt key is a fault: silently keeping the default would be worse.
        faults.AddRange(given.Keys.Where(k => !s_keys.Contains(k, StringComparer.OrdinalIgnoreCase))
            .Select(k => $"{k} is unknown: the keys are {string.Join(", ", s_keys)}"));

        var way = OneOf("Mail:Transport", MailWay.Pickup, ("pickup", MailWay.Pickup), ("smtp", MailWay.Smtp));
        if (!OneOf("Mail:AllowPickup", false, ("true", true), ("false", false)) && chargesForReal && way == MailWay.Pickup)
        {
            faults.Add("Mail:Transport is 'pickup', but the gateway charges for real: customers would get no mail. Set Mail:Transport to smtp, or Mail:AllowPickup to true where a mail server takes the files from Mail:Pickup");
        }
        var bounces = given.GetValueOrDefault("Mail:BounceFolder");
        if (bounces is not null && !Directory.Exists(bounces))
        {
            faults.Add($"Mail:BounceFolder is '{bounces}', but there is no such folder: make it, or leave the key away");
        }
        var fromName = Line("Mail:FromName");
        var company = Line("Mail:Company") ?? fromName;
        var from = Box("Mail:From", fromName ?? company);
        if (from is null && way == MailWay.Smtp && !given.ContainsKey("Mail:From"))
        {
            faults.Add("Mail:From is missing, but smtp needs the address that mails are sent from, such as billing@example.com");
        }
        var link = given.GetValueOrDefault("Mail:Links:Billing");
        if (link is not null && !(Uri.TryCreate(link.Replace("{account}", "x", StringComparison.Ordinal), UriKind.Absolute, out var uri)
            && uri.Scheme is "https" or "http" && !link.Any(c => char.IsWhiteSpace(c) || char.IsControl(c))))
        {
            faults.Add($"Mail:Links:Billing is '{link}', but must be a whole https address, such as https://example.com/billing");
        }
        var options = new MailOptions
        {
            Transport = way,
            PickupFolder = given.GetValueOrDefault("Mail:Pickup") ?? "data/mail",
            From = from ?? Mailbox.Find("billing@localhost", company)!,
            ReplyTo = Box("Mail:ReplyTo", company),
            Company = company,
            BillingLink = link,
            Look = MailLook.Read(given, company, faults),
            TemplatesFolder = given.GetValueOrDefault("Mail:Templates"),
            BounceFolder = bounces,
            Smtp = Server(),
        };
        return faults.Count == 0 ? (options, []) : (null, [.. faults]);

        // Read whatever the transport, so that faults are found before the day it is switched on.
        SmtpOptions? Server()
        {
            var host = given.GetValueOrDefault("Mail:Smtp:Host");
            if (host is null && way == MailWay.Smtp)
            {
                faults.Add("Mail:Smtp:Host is missing, but smtp needs a mail server's name, such as mail.example.com");
            }
            if (host is not null && Uri.CheckHostName(host) == UriHostNameType.Unknown)
            {
                faults.Add($"Mail:Smtp:Host is '{host}', but must be the name or address of a mail server, such as mail.example.com");
            }
            var security = OneOf("Mail:Smtp:Security", SmtpSecurity.StartTls,
                ("none", SmtpSecurity.None), ("starttls", SmtpSecurity.StartTls), ("tls", SmtpSecurity.Tls));
#if MAIL_SYSTEM
            if (security == SmtpSecurity.Tls)
            {
                faults.Add("Mail:Smtp:Security is 'tls', but this build was made without MailKit and knows only starttls and none");
            }
#endif
            var standardPort = security switch { SmtpSecurity.None => 25, SmtpSecurity.StartTls => 587, SmtpSecurity.Tls => 465 };
            var port = Number("Mail:Smtp:Port", standardPort, 1, 65535);
            var timeout = Number("Mail:Smtp:TimeoutSeconds", 30, 1, LongestTimeoutSeconds);
            var (user, password) = (given.GetValueOrDefault("Mail:Smtp:User"), given.GetValueOrDefault("Mail:Smtp:Password"));
            var tokenFile = given.GetValueOrDefault("Mail:Smtp:OAuthTokenFile");
            if (user is null != (password ?? tokenFile) is null || (password is not null && tokenFile is not null))
            {
                faults.Add("Mail:Smtp:User must be given with Mail:Smtp:Password or with Mail:Smtp:OAuthTokenFile, and neither of these without it");
            }
            if (tokenFile is not null && !File.Exists(tokenFile))
            {
                faults.Add($"Mail:Smtp:OAuthTokenFile is '{tokenFile}', but there is no such file");
            }
            var invalid = OneOf("Mail:Smtp:AcceptInvalidCertificate", false, ("true", true), ("false", false));
#if MAIL_SYSTEM
            if (invalid || tokenFile is not null || given.Keys.Any(k => k.StartsWith("Mail:Dkim:", StringComparison.OrdinalIgnoreCase)))
            {
                faults.Add("Mail:Smtp:AcceptInvalidCertificate, Mail:Smtp:OAuthTokenFile and Mail:Dkim need MailKit, and this build was made without it");
            }
#endif
            var dkim = Signing();
            if (user is not null && security == SmtpSecurity.None && !IsThisMachine(host))
            {
                faults.Add("Mail:Smtp:User is given, but Mail:Smtp:Security is 'none': "
                    + "a password goes over the network only with starttls or tls");
            }
            var (connections, perMinute) = (Number("Mail:Smtp:Connections", 4, 1, 100), Number("Mail:Smtp:PerMinute", 0, 0, 100_000));
            return host is null ? null : new SmtpOptions(host, port, security, user, password, TimeSpan.FromSeconds(timeout))
            {
                Connections = connections, PerMinute = perMinute, AcceptInvalidCertificate = invalid, OAuthTokenFile = tokenFile, Dkim = dkim,
            };
        }

        DkimOptions? Signing()
        {
            var (domain, selector) = (given.GetValueOrDefault("Mail:Dkim:Domain"), given.GetValueOrDefault("Mail:Dkim:Selector"));
            var key = given.GetValueOrDefault("Mail:Dkim:KeyFile");
            if (domain is null && selector is null && key is null)
            {
                return null;
            }
            if (domain is null || selector is null || key is null)
            {
                faults.Add("Mail:Dkim:Domain, Mail:Dkim:Selector and Mail:Dkim:KeyFile must be given together, or none of them");
                return null;
            }
            if (from is not null && !("." + from.Domain).EndsWith("." + domain, StringComparison.OrdinalIgnoreCase))
            {
                faults.Add($"Mail:Dkim:Domain is '{domain}', but must be the domain of Mail:From, {from.Domain}, or one above it: else receivers don't count the signature");
            }
            if (!IsPrivateKey(key))
            {
                faults.Add($"Mail:Dkim:KeyFile is '{key}', but must be a file with a private RSA key as PEM, such as 'openssl genrsa -out dkim.pem 2048' writes");
            }
            return new DkimOptions(domain, selector, key);
        }

        Mailbox? Box(string key, string? name)
        {
            if (given.GetValueOrDefault(key) is not { } address)
            {
                return null;
            }
            var mailbox = Mailbox.Find(address, name);
            if (mailbox is null)
            {
                faults.Add($"{key} is '{address}', but must be a bare address, such as billing@example.com");
            }
            return mailbox;
        }

        string? Line(string key)
        {
            var text = given.GetValueOrDefault(key);
            if (text is not null && OneLine.Of(text) != text.Trim())
            {
                faults.Add(FormattableString.Invariant($"{key} must be one line of at most {OneLine.MaxLength} characters, such as Example Ltd"));
            }
            return OneLine.Of(text);
        }

        int Number(string key, int standard, int min, int max) =>
            WholeNumber.Read(given.GetValueOrDefault(key), key, standard, min, max, faults);

        T OneOf<T>(string key, T standard, params (string Text, T Value)[] choices)
        {
            if (given.GetValueOrDefault(key) is not { } text)
            {
                return standard;
            }
            foreach (var choice in choices)
            {
                if (choice.Text.Equals(text, StringComparison.OrdinalIgnoreCase))
                {
                    return choice.Value;
                }
            }
            faults.Add($"{key} is '{text}', but must be {string.Join(" or ", choices.Select(c => c.Text))}");
            return standard;
        }
    }

    private static bool IsPrivateKey(string file)
    {
        try
        {
            using var rsa = RSA.Create();
            rsa.ImportFromPem(File.ReadAllText(file));
            _ = rsa.ExportParameters(includePrivateParameters: true);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or CryptographicException)
        {
            return false;
        }
    }

    private static bool IsThisMachine(string? host) => string.Equals(host, "localhost", StringComparison.OrdinalIgnoreCase)
        || (IPAddress.TryParse(host, out var address) && IPAddress.IsLoopback(address));
}
