using Microsoft.Extensions.Configuration.EnvironmentVariables;
using Microsoft.Extensions.Configuration.Json;
using Microsoft.Extensions.Configuration.Memory;

namespace Dunning.Hosting.Configuration;

/// <summary>Tells where a setting was given.</summary>
internal static class SettingSources
{
    /// <summary>The file, the environment variable or the option that has the say on a key; null: none.</summary>
    public static string? Of(IConfiguration configuration, string key)
    {
        foreach (var provider in (configuration as IConfigurationRoot)?.Providers.Reverse() ?? [])
        {
            if (provider.TryGet(key, out var value) && value is not null)
            {
                return provider switch
                {
                    JsonConfigurationProvider json => json.Source.FileProvider?.GetFileInfo(json.Source.Path ?? "").PhysicalPath ?? json.Source.Path,
                    CredentialsProvider credentials => credentials.FileOf(key),
                    EnvironmentVariablesConfigurationProvider => "environment " + key.Replace(":", "__", StringComparison.Ordinal),
                    MemoryConfigurationProvider => "--set",
                    _ => provider.ToString(),
                };
            }
        }
        return null;
    }

    /// <summary>Whether a key was meant for us whatever its section: by <c>--set</c>, and not as one of the machine's many environment variables.</summary>
    public static bool IsOfCommandLine(IConfiguration configuration, string key) =>
        (configuration as IConfigurationRoot)?.Providers.OfType<MemoryConfigurationProvider>().Any(p => p.TryGet(key, out _)) == true;
}
