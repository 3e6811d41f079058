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
    ];
}
