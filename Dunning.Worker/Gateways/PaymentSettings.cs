using System.Collections.Immutable;
using Dunning.Gateways.GoCardless;
using Dunning.Gateways.Outages;
using Dunning.Gateways.Sandbox;
using Dunning.Gateways.Stripe;
using Dunning.Options;

namespace Dunning.Gateways;

/// <summary>Which gateway charges, with its settings, and what its ids look like.</summary>
public sealed record PaymentSettings
{
    /// <summary>The built-in sandbox, as simulations use it whatever is configured.</summary>
    public static PaymentSettings Simulated { get; } = new();

    /// <summary>The sandbox's settings.</summary>
    public SandboxOptions Sandbox { get; init; } = new();

    /// <summary>Stripe's settings, if it charges.</summary>
    public StripeOptions? Stripe { get; init; }

    /// <summary>When the gateway counts as out. The sandbox never does.</summary>
    public OutageOptions Outage { get; init; } = new();

    /// <summary>GoCardless's settings, if it charges.</summary>
    public GoCardlessOptions? GoCardless { get; init; }

    /// <summary>The settings of the gateway that charges.</summary>
    public IGatewayOptions Chosen => (IGatewayOptions?)Stripe ?? (IGatewayOptions?)GoCardless ?? Sandbox;

    /// <summary>The gateway's name, with its mode: what a database is bound to, and what health tells.</summary>
    public string Gateway => Chosen.Binding;

    /// <summary>It moves real money.</summary>
    public bool IsLive => Chosen.IsLive;

    /// <summary>It tells by itself, and the service listens.</summary>
    public bool TakesWebhooks => Chosen.TakesWebhooks;

    /// <summary>What rules must know of the gateway.</summary>
    public GatewayTraits Traits => Chosen.Traits;

    /// <summary>What a token looks like, told with the fault of one that is none.</summary>
    public string TokenHelp => Chosen.TokenHelp;

    /// <summary>What a customer's id looks like; null: the gateway needs none.</summary>
    public string? CustomerHelp => Chosen.CustomerHelp;

    /// <summary>Whether a text is a token of the gateway.</summary>
    public bool IsToken(string text) => Chosen.IsToken(text);

    /// <summary>Whether a text can be a customer's id.</summary>
    public bool IsCustomer(string text) => Chosen.IsCustomer(text);

    /// <summary>
    /// Reads <c>Payments:Gateway</c> (sandbox, the default, stripe or gocardless), the sandbox's section and the gateway's own. Returns the settings or every fault: key,
    /// given value (but never a secret), what is allowed.
    /// </summary>
    public static (PaymentSettings? Settings, ImmutableArray<string> Faults) Read(IReadOnlyDictionary<string, string?> flat, RuleOptions rules)
    {
        var faults = ImmutableArray.CreateBuilder<string>();
        var gateway = flat.GetValueOrDefault("Payments:Gateway") is { Length: > 0 } given ? given : "sandbox";
        if (gateway is not ("sandbox" or "stripe" or "gocardless"))
        {
            faults.Add($"Payments:Gateway is '{gateway}', but must be sandbox, stripe or gocardless");
        }
        var (sandbox, sandboxFaults) = SandboxOptions.Read(flat);
        faults.AddRange(sandboxFaults);
        var (outage, outageFaults) = OutageOptions.Read(flat);
        faults.AddRange(outageFaults);
        var stripe = gateway == "stripe" ? Take(StripeOptions.Read(flat, rules.CallTimeout)) : null;
        var goCardless = gateway == "gocardless" ? Take(GoCardlessOptions.Read(flat, rules.CallTimeout)) : null;
        return faults.Count > 0 ? (null, faults.ToImmutable())
            : (new PaymentSettings { Sandbox = sandbox!, Stripe = stripe, GoCardless = goCardless, Outage = outage! }, []);

        T? Take<T>((T? Options, ImmutableArray<string> Faults) read)
        {
            faults.AddRange(read.Faults);
            return read.Options;
        }
    }
}
