using Dunning.Model;
using NodaTime;

namespace Dunning.Ports;

/// <summary>
/// How a gateway lets a customer give a new payment method, or confirm one that waits for it: on a page of the gateway's own, so that no card number ever
/// comes here. No method throws for what a gateway or a network does: that is an outcome. Nothing here takes money.
/// </summary>
public interface ICardUpdates
{
    /// <summary>Begins a page on which the customer gives a new method.</summary>
    Task<CardPage> StartUpdateAsync(CardRequest request, CancellationToken ct);

    /// <summary>What has come of that page.</summary>
    Task<CardAnswer> ReadUpdateAsync(CardSession session, CancellationToken ct);

    /// <summary>Begins the confirmation of a method that is stored already (<see cref="CardRequest.Token"/>).</summary>
    Task<CardPage> StartConfirmationAsync(CardRequest request, CancellationToken ct);

    /// <summary>What has come of that confirmation.</summary>
    Task<CardAnswer> ReadConfirmationAsync(CardSession session, CancellationToken ct);

    /// <summary>
    /// Reserves the currency's main unit on a method, or the least that the gateway takes if that is more, to see whether it can be charged. Asked again
    /// with the same key, it is answered and not done again.
    /// </summary>
    Task<HoldOutcome> AuthorizeAsync(HoldRequest request, CancellationToken ct);

    /// <summary>Gives a reservation back. True when there is none any more, also when there never was one.</summary>
    /// <param name="request">As it was made.</param>
    /// <param name="reference">The gateway's id of it; null: no answer had come, and it is looked for.</param>
    /// <param name="ct">Cancels.</param>
    Task<bool> VoidAsync(HoldRequest request, string? reference, CancellationToken ct);
}

/// <summary>What a page at the gateway is begun with.</summary>
/// <param name="Account">The account's id.</param>
/// <param name="GatewayCustomer">Its customer at the gateway, if known.</param>
/// <param name="Session">Our own id of it, which operators find at the gateway too.</param>
/// <param name="Currency">What the method will be charged in.</param>
/// <param name="Language">Such as <c>fr</c>.</param>
/// <param name="Back">Where the customer goes afterwards, done or not.</param>
/// <param name="Token">Of a confirmation: the method's token.</param>
public sealed record CardRequest(string Account, string? GatewayCustomer, string Session, Currency Currency, string Language, Uri Back, string? Token);

/// <summary>A page that was begun.</summary>
/// <param name="Account">The account's id.</param>
/// <param name="GatewayCustomer">Its customer at the gateway: a page of another customer's comes to nothing.</param>
/// <param name="Reference">The gateway's id of it.</param>
/// <param name="Token">Of a confirmation: the method's token.</param>
public sealed record CardSession(string Account, string? GatewayCustomer, string Reference, string? Token);

/// <summary>Where to send the customer.</summary>
public abstract record CardPage
{
    private CardPage()
    {
    }

    /// <summary>There.</summary>
    /// <param name="Reference">The gateway's id of it.</param>
    /// <param name="Url">The page. Where nothing is left to do, it is <see cref="CardRequest.Back"/>.</param>
    public sealed record Opened(string Reference, Uri Url) : CardPage;

    /// <summary>The issuer has said no at once.</summary>
    /// <param name="Code">Why: a decline code.</param>
    public sealed record Declined(string Code) : CardPage;

    /// <summary>Not now: no answer, or the request was refused.</summary>
    /// <param name="Reason">For operators; no personal data.</param>
    public sealed record Unavailable(string Reason) : CardPage;
}

/// <summary>What has come of a page.</summary>
public abstract record CardAnswer
{
    private CardAnswer()
    {
    }

    /// <summary>The customer is not through with it.</summary>
    public sealed record Unfinished : CardAnswer;

    /// <summary>A new method is stored at the gateway, to be charged off-session.</summary>
    /// <param name="Token">Its token.</param>
    /// <param name="Expires">Its expiry month; none for bank debits.</param>
    /// <param name="Brand">Its brand, as the gateway names it.</param>
    /// <param name="Last4">Its last four digits.</param>
    public sealed record Stored(string Token, YearMonth? Expires, string? Brand, string? Last4) : CardAnswer;

    /// <summary>The customer has confirmed the method.</summary>
    public sealed record Confirmed : CardAnswer;

    /// <summary>The issuer says no, or the customer has not passed its check.</summary>
    /// <param name="Code">Why: a decline code.</param>
    public sealed record Failed(string Code) : CardAnswer;

    /// <summary>It can come to nothing any more: expired, canceled, unknown there, or another customer's.</summary>
    public sealed record Closed : CardAnswer;

    /// <summary>The gateway did not say.</summary>
    /// <param name="Reason">For operators; no personal data.</param>
    public sealed record Unavailable(string Reason) : CardAnswer;
}

/// <summary>A reservation, made to see whether a method can be charged.</summary>
/// <param name="Account">The account's id.</param>
/// <param name="GatewayCustomer">Its customer at the gateway, if known.</param>
/// <param name="Key">Idempotency key.</param>
/// <param name="Currency">Of the reservation.</param>
/// <param name="Token">The method's token; null where only a void is left to do.</param>
/// <param name="At">When it was first asked for: how far back a look-up must search.</param>
public sealed record HoldRequest(string Account, string? GatewayCustomer, string Key, Currency Currency, string? Token, Instant At);

/// <summary>What has come of a reservation.</summary>
public abstract record HoldOutcome
{
    private HoldOutcome()
    {
    }

    /// <summary>The method can be charged; the amount is reserved until it is given back.</summary>
    /// <param name="Reference">The gateway's id of it.</param>
    public sealed record Held(string Reference) : HoldOutcome;

    /// <summary>The issuer or the network said no.</summary>
    /// <param name="Code">Why: the decline code.</param>
    public sealed record Declined(string Code) : HoldOutcome;

    /// <summary>No answer: it may be reserved.</summary>
    public sealed record Unknown : HoldOutcome;

    /// <summary>The request itself was refused: nothing is reserved.</summary>
    /// <param name="Reason">For operators; no personal data.</param>
    public sealed record Refused(string Reason) : HoldOutcome;
}
