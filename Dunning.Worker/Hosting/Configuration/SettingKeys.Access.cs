using System.Collections.Immutable;

namespace Dunning.Hosting.Configuration;

/// <content>Keys of users, sessions and sign-in.</content>
internal static partial class SettingKeys
{
    private static ImmutableArray<SettingKey> AccessKeys =>
    [
    ];
}
