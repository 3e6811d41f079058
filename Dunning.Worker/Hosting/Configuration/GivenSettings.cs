using System.Collections.Immutable;

namespace Dunning.Hosting.Configuration;

/// <summary>The configuration before anything is made of it: secrets are fetched from their files, and keys that nobody reads are faults.</summary>
internal static class GivenSettings
{
    private const int MaxSecretLength = 16_384;

    /// <summary>
    /// Replaces each <c>…File</c> of a secret that has no reader of its own by what the file holds, as if the key itself had been given.
    /// </summary>
    public static ImmutableSortedDictionary<string, string?> WithSecrets(ImmutableSortedDictionary<string, string?> flat, ICollection<string> faults)
    {
        var result = flat;
        foreach (var (key, file) in flat)
        {
            // A key of its own, such as Payments:Stripe:SecretKeyFile, is read again and again by who knows it.
            if (file is not { Length: > 0 } || SettingKeys.Find(key) is not null || SettingKeys.FindSecretOf(key) is not { } secret)
            {
                continue;
            }
            var name = key[..^4];
            result = result.Remove(key);
            if (flat.GetValueOrDefault(name) is { Length: > 0 })
            {
                faults.Add($"{name} and {key} are both given, but only one of them can count");
                continue;
            }
            try
            {
                var text = File.ReadAllText(file).TrimEnd('\r', '\n');
                if (text.Length is 0 or > MaxSecretLength)
                {
                    faults.Add($"{key} is '{file}', but must be a file that holds the value and nothing else, such as {secret.Example}");
                }
                result = result.SetItem(name, text);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
            {
                faults.Add($"{key} is '{file}', but that file can't be read: {e.Message}");
            }
        }
        return result;
    }

    /// <summary>
    /// A fault for each key in our sections that nobody reads, and for each outside of them that looks like a misspelt one. Values are not told: one might be a secret.
    /// </summary>
    /// <param name="flat">What is given.</param>
    /// <param name="configuration">Where it comes from.</param>
    /// <param name="told">Faults so far: a key that its section has refused is not refused again.</param>
    public static IEnumerable<string> Unknown(IReadOnlyDictionary<string, string?> flat, IConfiguration configuration, IReadOnlyCollection<string> told)
    {
        foreach (var (key, value) in flat)
        {
            if (value is not { Length: > 0 } || !key.Contains(':', StringComparison.Ordinal) || SettingKeys.IsKnown(key)
                || told.Any(f => f.StartsWith(key + " ", StringComparison.OrdinalIgnoreCase)))
            {
                continue;
            }
            var near = SettingKeys.Nearest(key);
            if (near is not null || SettingKeys.IsOurs(key) || SettingSources.IsOfCommandLine(configuration, key))
            {
                yield return $"{key} is unknown{Meant(near)}: 'config reference' lists the keys";
            }
        }
    }

    /// <summary>Adds to a fault of a section about an unknown key what was probably meant.</summary>
    public static string WithNearest(string fault)
    {
        const string Unknown = " is unknown: ";
        var at = fault.IndexOf(Unknown, StringComparison.Ordinal);
        return at < 1 || fault.AsSpan(0, at).Contains(' ') || SettingKeys.Nearest(fault[..at]) is not { } near ? fault
            : fault[..at] + " is unknown" + Meant(near) + ": " + fault[(at + Unknown.Length)..];
    }

    private static string Meant(string? near) => near is null ? "" : $" (did you mean {near}?)";
}
