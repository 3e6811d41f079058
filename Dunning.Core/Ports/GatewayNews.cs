using Dunning.Model;
using NodaTime;

namespace Dunning.Ports;

/// <summary>
/// What a gateway tells by itself. It may come late, twice and out of order; whoever hands it in has read the object anew at the gateway before.
/// </summary>
public abstract record GatewayNews
{
    private GatewayNews()
    {
    }

    /// <summary>The key of the charge that it is about; null: it is about none of ours.</summary>
    public string? FindKey() => this switch
    {
        Settled news => news.Key,
        Reversed news => news.Key,
        Disputed news => news.Key,
        DisputeClosed news => news.Key,
        Refunded news => news.Key,
        _ => null,
    };

    /// <summary>A charge of ours has come to its outcome.</summary>
    /// <param name="Key">The charge's key.</param>
    /// <param name="Outcome">What became of it.</param>
    public sealed record Settled(string Key, GatewayOutcome Outcome) : GatewayNews;

    /// <summary>The bank has taken back what a charge had brought: a debit that is returned after it had paid.</summary>
    /// <param name="Key">The charge's key.</param>
    /// <param name="Code">Why, as a decline code.</param>
    public sealed record Reversed(string Key, string Code) : GatewayNews;

    /// <summary>The payer disputes a charge.</summary>
    /// <param name="Key">The charge's key.</param>
    /// <param name="Reason">The network's word for it.</param>
    public sealed record Disputed(string Key, string Reason) : GatewayNews;

    /// <summary>A dispute has ended.</summary>
    /// <param name="Key">The charge's key.</param>
    /// <param name="IsWon">The money stays with the seller.</param>
    public sealed record DisputeClosed(string Key, bool IsWon) : GatewayNews;

    /// <summary>A charge was refunded, by us or by somebody at the gateway.</summary>
    /// <param name="Key">The charge's key.</param>
    /// <param name="Amount">All that went back of it so far.</param>
    public sealed record Refunded(string Key, Money Amount) : GatewayNews;

    /// <summary>An invoice was paid by a payment that is no charge of ours, such as one that the seller made at the gateway.</summary>
    /// <param name="SubscriptionId">What was paid for.</param>
    /// <param name="PeriodStart">And for which period.</param>
    /// <param name="Amount">What was paid.</param>
    /// <param name="Reference">The payment's id at the gateway.</param>
    public sealed record PaidElsewhere(string SubscriptionId, LocalDate PeriodStart, Money Amount, string Reference) : GatewayNews;

    /// <summary>A stored card was replaced by its issuer: the token stays, what it stands for is new.</summary>
    /// <param name="Token">The method's token.</param>
    /// <param name="Expires">Its new expiry month.</param>
    /// <param name="Brand">Its brand.</param>
    /// <param name="Last4">Its last four digits.</param>
    public sealed record CardReplaced(string Token, YearMonth? Expires, string? Brand, string? Last4) : GatewayNews;

    /// <summary>A method can't be charged any more: detached at the gateway, or its mandate is withdrawn.</summary>
    /// <param name="Token">The method's token.</param>
    public sealed record MethodGone(string Token) : GatewayNews;
}
