using System.Collections.Immutable;
using Npgsql;

namespace Dunning.Hosting.Configuration;

/// <summary>A setting as it holds.</summary>
/// <param name="Key">As it was given, or as it is registered.</param>
/// <param name="Value">Without secrets; null: none.</param>
/// <param name="Source">Where it was given; null: it is the default.</param>
/// <param name="IsSecret">The value is not the real one.</param>
internal sealed record EffectiveSetting(string Key, string? Value, string? Source, bool IsSecret);

/// <summary>What holds, key by key, with where it comes from and without secrets.</summary>
internal static class EffectiveSettings
{
    /// <summary>Stands where a secret is.</summary>
    public const string Hidden = "(given, not shown)";

    /// <summary>Every key that is given or has a default; with <paramref name="all"/> also those that hold nothing.</summary>
    public static ImmutableArray<EffectiveSetting> Of(IConfiguration configuration, bool all)
    {
        var given = configuration.AsEnumerable().Where(p => p.Value is { Length: > 0 } && p.Key.Contains(':', StringComparison.Ordinal)).ToList();
        var result = ImmutableArray.CreateBuilder<EffectiveSetting>();
        foreach (var key in SettingKeys.All)
        {
            var own = given.Where(p => key.Matches(p.Key)).OrderBy(p => p.Key, StringComparer.OrdinalIgnoreCase).ToList();
            foreach (var (name, value) in own)
            {
                result.Add(new EffectiveSetting(name, key.IsSecret ? Redacted(key, value!) : value, SettingSources.Of(configuration, name), key.IsSecret));
            }
            foreach (var (name, value) in given.Where(p => SettingKeys.Find(p.Key) is null && SettingKeys.FindSecretOf(p.Key) == key))
            {
                result.Add(new EffectiveSetting(name, value, SettingSources.Of(configuration, name), false));
            }
            if (own.Count == 0 && (all || key.Default is not null))
            {
                result.Add(new EffectiveSetting(key.Name, key.Default, null, false));
            }
        }
        return result.ToImmutable();
    }

    // A connection string tells where without telling how to get in.
    private static string Redacted(SettingKey key, string value)
    {
        if (key.Name != "ConnectionStrings:Dunning")
        {
            return Hidden;
        }
        try
        {
            var builder = new NpgsqlConnectionStringBuilder(value);
            return $"{(builder.Host, builder.Port) switch { (var host, 5432) => $"Host={host}", var (host, port) => FormattableString.Invariant($"Host={host};Port={port}") }};Database={builder.Database};Username={builder.Username}"
                + (builder.Password is { Length: > 0 } ? $";Password={Hidden}" : "");
        }
        catch (Exception e) when (e is ArgumentException or FormatException or KeyNotFoundException)
        {
            return Hidden;
        }
    }
}
