using System.Collections.Immutable;

namespace Dunning.Hosting.Configuration;

/// <content>Keys of guards, retention and housekeeping.</content>
internal static partial class SettingKeys
{
    private static ImmutableArray<SettingKey> GuardsKeys =>
    [
    ];
}
