using Dunning.Options;

namespace Dunning.Gateways;

/// <summary>What a gateway's settings tell those who need not know which gateway it is.</summary>
public interface IGatewayOptions
{
    /// <summary>The gateway's name, with its mode: what a database is bound to.</summary>
    string Binding { get; }

    /// <summary>It moves real money.</summary>
    bool IsLive { get; }

    /// <summary>It tells by itself, and the service listens.</summary>
    bool TakesWebhooks { get; }

    /// <summary>What rules must know of the gateway.</summary>
    GatewayTraits Traits { get; }

    /// <summary>What a token looks like, told with the fault of one that is none.</summary>
    string TokenHelp { get; }

    /// <summary>What a customer's id looks like; null: the gateway needs none.</summary>
    string? CustomerHelp { get; }

    /// <summary>Whether a text is a token of the gateway.</summary>
    bool IsToken(string text);

    /// <summary>Whether a text can be a customer's id.</summary>
    bool IsCustomer(string text);
}
