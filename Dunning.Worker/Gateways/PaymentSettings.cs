using System.Collections.Immutable;
using System.Text.RegularExpressions;
using Dunning.Gateways.Sandbox;
using Dunning.Gateways.Stripe;
using Dunning.Options;

namespace Dunning.Gateways;

/// <summary>Which gateway charges, with its settings, and what its ids look like.</summary>
public sealed partial record PaymentSettings
{
    /// <summary>The built-in sandbox, as simulations use it whatever is configured.</summary>
    public static PaymentSettings Simulated { get; } = new();

    /// <summary>The sandbox's settings.</summary>
    public SandboxOptions Sandbox { get; init; } = new();

    /// <summary>Stripe's settings; null: the sandbox charges.</summary>
    public StripeOptions? Stripe { get; init; }

    /// <summary>The gateway's name, with its mode: what a database is bound to, and what health tells.</summary>
    public string Gateway => Stripe?.Binding ?? "sandbox";

    /// <summary>It moves real money.</summary>
    public bool IsLive => Stripe is { Key.IsLive: true };

    /// <summary>What rules must know of the gateway.</summary>
    public GatewayTraits Traits => Stripe is null ? GatewayTraits.Any : StripeGateway.Traits;

    /// <summary>What a token looks like, told with the fault of one that is none.</summary>
    public string TokenHelp => Stripe is null ? "a token of the sandbox, such as sandbox_ok" : "a payment method of Stripe, such as pm_1Mr2JgLkdIwHu7ixp0nOTnTo";

    /// <summary>What a customer's id looks like; null: the gateway needs none.</summary>
    public string? CustomerHelp => Stripe is null ? null : "the account's customer at Stripe, such as cus_NffrFeUfNV2Hib";

    /// <summary>Whether a text is a token of the gateway.</summary>
    public bool IsToken(string text) => Stripe is null ? SandboxToken.IsToken(text) : StripeMethod().IsMatch(text);

    /// <summary>Whether a text can be a customer's id.</summary>
    public bool IsCustomer(string text) => Stripe is null || StripeCustomer().IsMatch(text);

    /// <summary>
    /// Reads <c>Payments:Gateway</c> (sandbox, the default, or stripe) and the sections of both gateways. Returns the settings or every fault: key,
    /// given value (but never a secret), what is allowed.
    /// </summary>
    public static (PaymentSettings? Settings, ImmutableArray<string> Faults) Read(IReadOnlyDictionary<string, string?> flat, RuleOptions rules)
    {
        var faults = ImmutableArray.CreateBuilder<string>();
        var gateway = flat.GetValueOrDefault("Payments:Gateway") is { Length: > 0 } given ? given : "sandbox";
        if (gateway is not ("sandbox" or "stripe"))
        {
            faults.Add($"Payments:Gateway is '{gateway}', but must be sandbox or stripe");
        }
        var (sandbox, sandboxFaults) = SandboxOptions.Read(flat);
        faults.AddRange(sandboxFaults);
        StripeOptions? stripe = null;
        if (gateway == "stripe")
        {
            (stripe, var stripeFaults) = StripeOptions.Read(flat, rules.CallTimeout);
            faults.AddRange(stripeFaults);
        }
        return faults.Count > 0 ? (null, faults.ToImmutable()) : (new PaymentSettings { Sandbox = sandbox!, Stripe = stripe }, []);
    }

    // Cards and sources of Stripe's older days can be charged like payment methods.
    [GeneratedRegex("^(pm|card|src)_[A-Za-z0-9_]{1,240}$", RegexOptions.CultureInvariant)]
    private static partial Regex StripeMethod();

    [GeneratedRegex("^cus_[A-Za-z0-9_]{1,240}$", RegexOptions.CultureInvariant)]
    private static partial Regex StripeCustomer();
}
