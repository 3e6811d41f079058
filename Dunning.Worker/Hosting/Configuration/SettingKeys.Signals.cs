using System.Collections.Immutable;

namespace Dunning.Hosting.Configuration;

/// <content>Keys of alerts, metrics, traces and logs.</content>
internal static partial class SettingKeys
{
    private static ImmutableArray<SettingKey> SignalsKeys =>
    [
    ];
}
