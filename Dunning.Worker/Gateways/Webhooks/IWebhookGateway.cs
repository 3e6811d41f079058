using System.Collections.Immutable;
using Dunning.Ports;
using NodaTime;

namespace Dunning.Gateways.Webhooks;

/// <summary>
/// A gateway that tells by itself what has happened there. What it sends is only believed as far as which object to look at: that is read anew, so
/// that a delivery may come late, twice and out of order.
/// </summary>
public interface IWebhookGateway
{
    /// <summary>Its name: the last part of the path that it sends to.</summary>
    string Name { get; }

    /// <summary>The header that signs a delivery. One without it is not even read.</summary>
    string SignatureHeader { get; }

    /// <summary>Checks that a delivery is the gateway's own and of now, and finds what is of use in it.</summary>
    Task<WebhookReading> ReadAsync(string signature, ReadOnlyMemory<byte> body, Instant now, CancellationToken ct);

    /// <summary>Reads the object of an event anew, and tells what has become of it.</summary>
    Task<WebhookAnswer> AskAsync(WebhookEvent told, CancellationToken ct);
}

/// <summary>One event of a delivery.</summary>
/// <param name="Id">The event's id at the gateway: letters, digits and underscores. It comes again with each delivery of the event.</param>
/// <param name="Type">What has happened, in the gateway's words.</param>
/// <param name="ObjectId">Whom it has happened to; may be a token.</param>
/// <param name="SettlesKey">Where it can tell nothing but the outcome of a charge: its key. Once that is known to be paid there is nothing to ask.</param>
public sealed record WebhookEvent(string Id, string Type, string ObjectId, string? SettlesKey = null);

/// <summary>What a delivery was found to be.</summary>
public abstract record WebhookReading
{
    private WebhookReading()
    {
    }

    /// <summary>The gateway's own.</summary>
    /// <param name="Events">What is of use in it; may be nothing.</param>
    public sealed record Taken(ImmutableArray<WebhookEvent> Events) : WebhookReading;

    /// <summary>Not to be believed, or not readable.</summary>
    /// <param name="Status">The HTTP status that says so: 4xx, or 503 when it may be sent again later.</param>
    /// <param name="Why">For whoever set the webhook up; no personal data.</param>
    public sealed record Refused(int Status, string Why) : WebhookReading;
}

/// <summary>What a gateway says about the object of an event.</summary>
public abstract record WebhookAnswer
{
    private WebhookAnswer()
    {
    }

    /// <summary>Nothing that concerns us.</summary>
    public static Tells Nothing { get; } = new([]);

    /// <summary>What is to be handed in, in this order.</summary>
    public sealed record Tells(ImmutableArray<GatewayNews> News) : WebhookAnswer;

    /// <summary>It can't be read now.</summary>
    /// <param name="Why">For operators; no personal data.</param>
    public sealed record NoAnswer(string Why) : WebhookAnswer;
}
