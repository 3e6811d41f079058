using System.Collections.Immutable;
using System.Globalization;
using Dunning.Options;

namespace Dunning.Gateways.Sandbox;

/// <summary>Settings of the sandbox gateway.</summary>
public sealed record SandboxOptions : IGatewayOptions
{
    private const string Section = "Payments:Sandbox:";
    private const string LatencyKey = Section + "LatencyMs";
    private const int MaxLatencyMs = 60_000;

    /// <summary><c>Payments:Sandbox:LatencyMs</c>: how long the sandbox takes to answer, once it has decided. Default 0, at most 60,000.</summary>
    public TimeSpan Latency { get; init; } = TimeSpan.Zero;

    /// <inheritdoc/>
    public string Binding => "sandbox";

    /// <inheritdoc/>
    public bool IsLive => false;

    /// <inheritdoc/>
    public bool TakesWebhooks => false;

    /// <inheritdoc/>
    public GatewayTraits Traits => GatewayTraits.Any;

    /// <inheritdoc/>
    public string TokenHelp => "a token of the sandbox, such as sandbox_ok";

    /// <inheritdoc/>
    public string? CustomerHelp => null;

    /// <inheritdoc/>
    public bool IsToken(string text) => SandboxToken.IsToken(text);

    /// <inheritdoc/>
    public bool IsCustomer(string text) => true;

    /// <summary>
    /// Reads the keys of <c>Payments:Sandbox</c> out of a flat configuration, without case. Returns the options or every fault: key, given
    /// value, what is allowed.
    /// </summary>
    public static (SandboxOptions? Options, ImmutableArray<string> Faults) Read(IEnumerable<KeyValuePair<string, string?>> settings)
    {
        var options = new SandboxOptions();
        var faults = ImmutableArray.CreateBuilder<string>();
        foreach (var (key, value) in settings.OrderBy(setting => setting.Key, StringComparer.OrdinalIgnoreCase))
        {
            // A null is the section itself, as configuration providers list it.
            if (value is null || !key.StartsWith(Section, StringComparison.OrdinalIgnoreCase))
            {
                continue;
            }
            if (!key.Equals(LatencyKey, StringComparison.OrdinalIgnoreCase))
            {
                faults.Add($"{key} is unknown: the key is {LatencyKey}");
            }
            else if (int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var latencyMs) && latencyMs <= MaxLatencyMs)
            {
                options = options with { Latency = TimeSpan.FromMilliseconds(latencyMs) };
            }
            else
            {
                faults.Add(string.Create(CultureInfo.InvariantCulture,
                    $"{key} is '{value}', but must be a whole number of milliseconds from 0 to {MaxLatencyMs}, such as 150"));
            }
        }
        return faults.Count == 0 ? (options, []) : (null, faults.ToImmutable());
    }
}
