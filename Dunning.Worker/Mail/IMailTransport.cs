using Dunning.Ports;

namespace Dunning.Mail;

/// <summary>
/// A way out for messages. It never throws for what a network, a disk or a mail server does: that is a verdict. It keeps nothing of its own
/// and tries nothing twice: the Mail pass owns the retries.
/// </summary>
public interface IMailTransport : IAsyncDisposable
{
    /// <summary>
    /// Hands one message over. The token is heeded until the hand-over begins; from then on the transport's own timeout bounds it,
    /// because a message broken off halfway may have been taken all the same, and would go out again.
    /// </summary>
    Task<Delivery> SendAsync(OutgoingMessage message, CancellationToken ct);
}

/// <summary>What became of one message.</summary>
/// <param name="Verdict">What the mail server said.</param>
/// <param name="Detail">For operators, without addresses and without the server's own words, which often repeat them.</param>
/// <param name="MayHaveLeft">Deferred, but the server may have taken it: the whole message was handed over, and no answer came.</param>
public readonly record struct Delivery(DeliveryVerdict Verdict, string? Detail, bool MayHaveLeft = false)
{
    /// <summary>Taken.</summary>
    public static Delivery Accepted { get; } = new(DeliveryVerdict.Accepted, null);

    /// <summary>It never came to a try: the caller stopped first.</summary>
    public static Delivery NoTurn { get; } = new(DeliveryVerdict.Deferred, "no turn");

    /// <summary>Not now.</summary>
    public static Delivery Deferred(string detail) => new(DeliveryVerdict.Deferred, detail);

    /// <summary>Not known: the whole message was handed over, and no answer came.</summary>
    public static Delivery Uncertain(string detail) =>
        new(DeliveryVerdict.Deferred, detail + ", after the whole message: it may have arrived", MayHaveLeft: true);

    /// <summary>Never this message.</summary>
    public static Delivery Rejected(string detail) => new(DeliveryVerdict.Rejected, detail);

    /// <summary>Never to this address.</summary>
    public static Delivery Bounced(string detail) => new(DeliveryVerdict.Bounced, detail);
}
