namespace Dunning.Gateways.Stripe;

/// <summary>What came of a request to Stripe.</summary>
internal abstract record StripeReply<T>
{
    private StripeReply()
    {
    }

    /// <summary>Done: 200 with the object asked for.</summary>
    public sealed record Done(T Value) : StripeReply<T>;

    /// <summary>Stripe says no, in its own words: 4xx with its error.</summary>
    public sealed record Failed(int Status, StripeError Error) : StripeReply<T>;

    /// <summary>No answer that can be believed: no connection, timeout, 5xx, a cut or foreign body. It may have been executed.</summary>
    public sealed record NoAnswer : StripeReply<T>;

    /// <summary>It never left this process.</summary>
    /// <param name="Why">For operators.</param>
    /// <param name="IsForAll">The next request would fare no better.</param>
    public sealed record NotSent(string Why, bool IsForAll, bool IsSilence) : StripeReply<T>;
}
