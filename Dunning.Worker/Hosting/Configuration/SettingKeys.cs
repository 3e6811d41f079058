using System.Collections.Immutable;

namespace Dunning.Hosting.Configuration;

/// <summary>
/// Every key of the configuration: what <c>docs/configuration.md</c> is written from, what unknown keys are told by, and what <c>config show</c>
/// shows. Whoever reads a new key adds it here, in the file of its area; a test names those that are missing.
/// </summary>
internal static partial class SettingKeys
{
    /// <summary>All of them, section by section.</summary>
    public static ImmutableArray<SettingKey> All { get; } =
        [
            .. RulesKeys, .. SellerKeys, .. PaymentsKeys, .. LinksKeys, .. MailKeys, .. DocumentsKeys, .. PassesKeys, .. AccessKeys, .. GuardsKeys, .. SignalsKeys,
            .. MachineKeys,
        ];

    private static readonly ImmutableHashSet<string> s_sections = All.Select(k => k.Section).ToImmutableHashSet(StringComparer.OrdinalIgnoreCase);

    private static readonly ImmutableArray<string> s_names = [.. All.Select(k => k.Name), .. All.Where(k => k.HasFile).Select(k => k.Name + "File")];

    /// <summary>The key as it is registered, or null.</summary>
    public static SettingKey? Find(string key) => All.FirstOrDefault(k => k.Matches(key));

    /// <summary>Whether a key may be given: one of ours, or the file of a secret of ours.</summary>
    public static bool IsKnown(string key) => Find(key) is not null || FindSecretOf(key) is not null;

    /// <summary>The secret whose file a key names, or null.</summary>
    public static SettingKey? FindSecretOf(string key) =>
        key.EndsWith("File", StringComparison.OrdinalIgnoreCase) ? All.FirstOrDefault(k => k.HasFile && k.Matches(key[..^4])) : null;

    /// <summary>The name that was probably meant, or null.</summary>
    public static string? Nearest(string key) => Books.Nearest.To(key, s_names);

    /// <summary>Whether a section is ours.</summary>
    public static bool IsOurs(string key) => key.Split(':')[0] is var section && s_sections.Contains(section);
}
