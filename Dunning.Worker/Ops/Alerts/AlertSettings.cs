using System.Collections.Immutable;
using System.Globalization;
using Dunning.Hosting;
using Dunning.Mail;
using NodaTime;
using NodaTime.Text;

namespace Dunning.Ops.Alerts;

/// <summary>Settings of alerts: who is told, and from when on. Made by <see cref="Read"/>; every fault is found at once.</summary>
public sealed record AlertSettings
{
    private const string Prefix = "Alerts:";

    /// <summary><c>Alerts:Mail:To</c>: who is mailed. Empty: nobody.</summary>
    public ImmutableArray<Mailbox> To { get; init; } = [];

    /// <summary><c>Alerts:Webhook:Url</c>: what is posted to. Null: nothing.</summary>
    public Uri? Webhook { get; init; }

    /// <summary><c>Alerts:Webhook:Secret</c>: what posts are signed with.</summary>
    public string? Secret { get; init; }

    /// <summary><c>Alerts:ReminderHours</c>: how long until the same is told again. Default 24; 0: never.</summary>
    public Duration? Reminder { get; init; } = Duration.FromHours(24);

    /// <summary><c>Alerts:PassLateMinutes</c>: so long after its time a pass is late. Default 15.</summary>
    public Duration PassLate { get; init; } = Duration.FromMinutes(15);

    /// <summary><c>Alerts:PassFailures</c>: so many runs that failed as a whole, one after another. Default 3.</summary>
    public int PassFailures { get; init; } = 3;

    /// <summary><c>Alerts:BacklogMinutes</c>: an account is due for so long. Default 60.</summary>
    public Duration Backlog { get; init; } = Duration.FromMinutes(60);

    /// <summary><c>Alerts:OutageMinutes</c>: the gateway is out for so long. Default 5.</summary>
    public Duration Outage { get; init; } = Duration.FromMinutes(5);

    /// <summary><c>Alerts:DeadMails</c>: so many mails within a day that can't be delivered. Default 1.</summary>
    public int DeadMails { get; init; } = 1;

    /// <summary><c>Alerts:UnknownMinutes</c>: a charge's outcome is unknown for so long. Default 120.</summary>
    public Duration Unknown { get; init; } = Duration.FromMinutes(120);

    /// <summary><c>Alerts:NoOutcomeHours</c>: an invoice is unpaid for so long without a case and without a charge that is under way. Default 48.</summary>
    public Duration NoOutcome { get; init; } = Duration.FromHours(48);

    /// <summary><c>Alerts:ExpiryDays</c>: so long before a certificate or key ends. Default 21.</summary>
    public Duration Expiry { get; init; } = Duration.FromDays(21);

    /// <summary><c>Alerts:KeyExpiresOn</c>: the day on which the gateway's key ends, which no gateway tells. Null: it does not.</summary>
    public LocalDate? KeyExpiresOn { get; init; }

    /// <summary><c>Alerts:DiskFreePercent</c>: less is free where the service keeps files. Default 10.</summary>
    public int DiskFreePercent { get; init; } = 10;

    /// <summary><c>Alerts:DatabaseGigabytes</c>: the volume of the database, which PostgreSQL does not tell; 0 (default): not known, and not watched.</summary>
    public int DatabaseGigabytes { get; init; }

    /// <summary><c>Alerts:ClockSkewSeconds</c>: the clocks of this machine and of the database are so far apart. Default 5.</summary>
    public Duration ClockSkew { get; init; } = Duration.FromSeconds(5);

    /// <summary><c>Alerts:EverySeconds</c>: how often it is looked. Default 60.</summary>
    public TimeSpan Every { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>So long no server must have seen something before it is over: each has looked by then.</summary>
    public Duration Quiet => Duration.Max(Duration.FromMinutes(3), 3 * Duration.FromTimeSpan(Every));

    /// <summary>Without the secret: a record prints its members.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{To.Length} mailboxes, webhook {Webhook?.Host ?? "none"}");

    /// <summary>Reads the keys below <c>Alerts:</c>, or every fault.</summary>
    public static (AlertSettings? Settings, ImmutableArray<string> Faults) Read(IReadOnlyDictionary<string, string?> flat)
    {
        var faults = ImmutableArray.CreateBuilder<string>();
        var to = ImmutableArray.CreateBuilder<Mailbox>();
        foreach (var address in (Given("Mail:To") ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            if (Mailbox.Find(address, null) is { } mailbox)
            {
                to.Add(mailbox);
            }
            else
            {
                faults.Add($"Alerts:Mail:To has '{address}', but must be bare addresses parted by commas, such as ops@example.com");
            }
        }
        Uri? webhook = null;
        if (Given("Webhook:Url") is { } url
            && !(Uri.TryCreate(url, UriKind.Absolute, out webhook) && webhook.UserInfo.Length == 0 && (webhook.Scheme == Uri.UriSchemeHttps || (webhook.Scheme == Uri.UriSchemeHttp && webhook.IsLoopback))))
        {
            // It may hold a key.
            faults.Add("Alerts:Webhook:Url must be a whole https address without a user, or http for this machine (its value is not shown), such as https://alerts.example.com/dunning");
        }
        var secret = Given("Webhook:Secret");
        if (secret is { Length: < 16 })
        {
            faults.Add("Alerts:Webhook:Secret must be at least 16 characters (its value is not shown), such as 'openssl rand -hex 32' writes");
        }
        LocalDate? keyExpires = null;
        if (Given("KeyExpiresOn") is { } day)
        {
            if (LocalDatePattern.Iso.Parse(day) is { Success: true } parsed)
            {
                keyExpires = parsed.Value;
            }
            else
            {
                faults.Add($"Alerts:KeyExpiresOn is '{day}', but must be a day, such as 2027-03-31");
            }
        }
        var standard = new AlertSettings();
        var reminder = Number("ReminderHours", 24, 0, 720);
        var settings = standard with
        {
            To = to.ToImmutable(),
            Webhook = webhook,
            Secret = secret,
            Reminder = reminder == 0 ? null : Duration.FromHours(reminder),
            PassLate = Duration.FromMinutes(Number("PassLateMinutes", 15, 1, 10_080)),
            PassFailures = Number("PassFailures", 3, 1, 1000),
            Backlog = Duration.FromMinutes(Number("BacklogMinutes", 60, 1, 10_080)),
            Outage = Duration.FromMinutes(Number("OutageMinutes", 5, 0, 1440)),
            DeadMails = Number("DeadMails", 1, 1, 1_000_000),
            Unknown = Duration.FromMinutes(Number("UnknownMinutes", 120, 1, 43_200)),
            NoOutcome = Duration.FromHours(Number("NoOutcomeHours", 48, 1, 8760)),
            Expiry = Duration.FromDays(Number("ExpiryDays", 21, 1, 365)),
            KeyExpiresOn = keyExpires,
            DiskFreePercent = Number("DiskFreePercent", 10, 1, 100),
            DatabaseGigabytes = Number("DatabaseGigabytes", 0, 0, 1_000_000),
            ClockSkew = Duration.FromSeconds(Number("ClockSkewSeconds", 5, 1, 3600)),
            Every = TimeSpan.FromSeconds(Number("EverySeconds", 60, 1, 3600)),
        };
        return faults.Count > 0 ? (null, faults.ToImmutable()) : (settings, []);

        string? Given(string key) => flat.GetValueOrDefault(Prefix + key) is { Length: > 0 } value ? value : null;

        int Number(string key, int usual, int min, int max) => WholeNumber.Read(Given(key), Prefix + key, usual, min, max, faults);
    }
}
