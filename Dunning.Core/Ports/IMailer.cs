using System.Collections.Immutable;
using Dunning.Model;

namespace Dunning.Ports;

/// <summary>Renders a decided mail and hands each recipient's message to a mail server.</summary>
public interface IMailer
{
    /// <summary>
    /// One result for each pending recipient that was tried; the others stay due. Never throws for what a mail server does.
    /// </summary>
    Task<ImmutableArray<DeliveryResult>> DeliverAsync(AccountFile account, Mail mail, CancellationToken ct);
}

/// <summary>What a mail server said.</summary>
public enum DeliveryVerdict
{
    /// <summary>It has taken the message.</summary>
    Accepted,

    /// <summary>Not now (4xx, timeout, lost connection): tried again later.</summary>
    Deferred,

    /// <summary>Never this message.</summary>
    Rejected,

    /// <summary>Never to this address (5xx to the recipient).</summary>
    Bounced,
}

/// <summary>What became of the message to one contact.</summary>
/// <param name="Contact">The contact's number.</param>
/// <param name="Verdict">What the server said.</param>
/// <param name="Detail">For operators, without addresses.</param>
/// <param name="MayHaveLeft">
/// Of a deferred one: the whole message was handed over and no answer came, so the server may have taken it. The next try may be a second copy.
/// </param>
public sealed record DeliveryResult(int Contact, DeliveryVerdict Verdict, string? Detail, bool MayHaveLeft = false);
