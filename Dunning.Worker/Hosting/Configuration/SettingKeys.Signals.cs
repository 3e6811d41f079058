using System.Collections.Immutable;
using static Dunning.Hosting.Configuration.SettingKey;

namespace Dunning.Hosting.Configuration;

/// <content>Keys of alerts, metrics, traces and logs.</content>
internal static partial class SettingKeys
{
    private static ImmutableArray<SettingKey> SignalsKeys =>
    [
        Secret("Telemetry:MetricsToken", "a long random text", "Whoever reads `/metrics` from another machine or through a proxy must bring this as a bearer token. Without it, only this machine may: [monitoring.md](monitoring.md)."),
        Secret("Telemetry:Otlp:Endpoint", "http://127.0.0.1:4317", "Where metrics and traces are sent by OTLP. Without it: nowhere. It may hold a key, and so is never shown."),
        OneOf("Telemetry:Otlp:Protocol", "How. With `http`, `/v1/metrics` and `/v1/traces` are added to the address.", "grpc", "http"),
        Secret("Telemetry:Otlp:Headers", "authorization=Bearer%20KEY", "Headers that go with it: `NAME=VALUE`, parted by commas."),
        Number("Telemetry:Otlp:TracesPercent", 100, 0, 100, "Which share of the passes is traced; 0: metrics alone."),
        Number("Telemetry:Otlp:IntervalSeconds", 60, 1, 3600, "How often metrics are sent."),
        Optional("Alerts:Mail:To", "ops@example.com, oncall@example.com", "Who is mailed when something is wrong: [monitoring.md](monitoring.md#alerts)."),
        Secret("Alerts:Webhook:Url", "https://alerts.example.com/dunning", "What is posted to, as JSON. It may hold a key, and so is never shown."),
        Secret("Alerts:Webhook:Secret", "a long random text", "What posts are signed with: HMAC-SHA256 in the header `Dunning-Signature`."),
        Number("Alerts:ReminderHours", 24, 0, 720, "What is still wrong after so long is told again; 0: once is enough.") with { IsReloadable = true },
        Number("Alerts:PassLateMinutes", 15, 1, 10_080, "A pass is late when it has not run for so long after its time."),
        Number("Alerts:PassFailures", 3, 1, 1000, "A pass is failing when so many runs, one after another, failed as a whole.") with { IsReloadable = true },
        Number("Alerts:BacklogMinutes", 60, 1, 10_080, "An account is due for a pass for so long.") with { IsReloadable = true },
        Number("Alerts:OutageMinutes", 5, 0, 1440, "The gateway is out for so long.") with { IsReloadable = true },
        Number("Alerts:DeadMails", 1, 1, 1_000_000, "So many mails of the last 24 hours can't be delivered.") with { IsReloadable = true },
        Number("Alerts:UnknownMinutes", 120, 1, 43_200, "A charge's outcome is unknown for so long.") with { IsReloadable = true },
        Number("Alerts:NoOutcomeHours", 48, 1, 8760, "An invoice is unpaid for so long without a dunning case, and no charge for it is under way.") with { IsReloadable = true },
        Number("Alerts:ExpiryDays", 21, 1, 365, "A certificate, or the gateway's key, ends so soon.") with { IsReloadable = true },
        Optional("Alerts:KeyExpiresOn", "2027-03-31", "The day on which the gateway's key ends, where it does: no gateway tells it."),
        Number("Alerts:DiskFreePercent", 10, 1, 100, "Less is free where the service keeps files.") with { IsReloadable = true },
        Number("Alerts:DatabaseGigabytes", 0, 0, 1_000_000, "Room for the database on its own machine, which PostgreSQL can't tell; with it, a database that leaves less than `Alerts:DiskFreePercent` of it is told, too. 0: not watched.") with { IsReloadable = true },
        Number("Alerts:ClockSkewSeconds", 5, 1, 3600, "The clocks of this machine and of the database are so far apart.") with { IsReloadable = true },
        Number("Alerts:EverySeconds", 60, 1, 3600, "How often it is looked, by one server for all."),
    ];
}
