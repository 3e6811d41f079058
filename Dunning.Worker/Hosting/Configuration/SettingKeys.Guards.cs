using System.Collections.Immutable;
using static Dunning.Hosting.Configuration.SettingKey;

namespace Dunning.Hosting.Configuration;

/// <content>Keys of guards, retention and housekeeping.</content>
internal static partial class SettingKeys
{
    private static ImmutableArray<SettingKey> GuardsKeys =>
    [
        Number("Guards:Suspensions:Count", 50, 1, 10_000_000, "So many attempts whose failure suspends may be made in any 24 hours, however small the book is; more wait for `guard approve`: [guards.md](guards.md)."),
        Number("Guards:Suspensions:Percent", 2, 0, 10_000, "Or this share of the live accounts, if that is more."),
        Number("Guards:Purges:Count", 20, 1, 10_000_000, "The same of purges, and of erasures of closed accounts."),
        Number("Guards:Purges:Percent", 1, 0, 10_000, "Or this share of the live accounts."),
        Number("Guards:Mails:Count", 2000, 1, 10_000_000, "The same of messages that leave."),
        Number("Guards:Mails:Percent", 300, 0, 10_000, "Or this share of the live accounts: three for each."),
        Of("Retention:At", "03:30", "The quiet hour, in `Jobs:TimeZone`, at which what is old is deleted: [housekeeping.md](housekeeping.md)."),
        Number("Retention:Outbox:Days", 365, 30, 36_500, "How long mails are kept that have left, failed for good or were dropped."),
        Number("Retention:Webhooks:Days", 60, 30, 36_500, "How long is kept what a gateway told, once it is worked off or has failed."),
        Number("Retention:CardSessions:Days", 90, 30, 36_500, "How long visits to a gateway's page are kept that are over."),
        Number("Retention:PassRuns:Days", 90, 30, 36_500, "How long is kept how passes and housekeeping went."),
        Number("Retention:JobRecords:Days", 30, 30, 36_500, "How long the job host's records are kept of jobs that failed; it forgets those that succeeded by itself."),
        Number("Retention:Alerts:Days", 365, 30, 36_500, "How long alerts are kept that are resolved."),
        Number("Retention:Events:Years", null, 1, 100, "How long the trail is kept of accounts that owe nothing. Default: for good.") with { Example = "10" },
    ];
}
