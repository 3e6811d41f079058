using System.Collections.Immutable;
using System.Security.Cryptography;
using Dapper;
using Dunning.Model;
using Dunning.Ports;
using Dunning.Postgres;
using NodaTime;
using Npgsql;

namespace Dunning.Gateways.Sandbox;

/// <summary>A card that the sandbox's page offers.</summary>
/// <param name="Token">What it stands for.</param>
/// <param name="Brand">Shown to people.</param>
/// <param name="Last4">The last digits.</param>
/// <param name="Words">What it does.</param>
internal sealed record SandboxCard(string Token, string Brand, string Last4, string Words);

/// <summary>A page at the sandbox.</summary>
/// <param name="IsConfirmation">It confirms a stored card, and gives no new one.</param>
/// <param name="Back">Where the customer goes afterwards.</param>
/// <param name="State"><c>open</c>, <c>given</c>, <c>confirmed</c>, <c>refused</c> or <c>canceled</c>.</param>
internal sealed record SandboxCardSession(string Account, bool IsConfirmation, string Back, string State, string? Token);

/// <summary>
/// Cards without cards: a page of the sandbox's own lets the customer pick what the new one does. As at a real gateway, what was picked is kept there and
/// nowhere else until it is asked for.
/// </summary>
public sealed class SandboxCardUpdates(NpgsqlDataSource source, Uri? publicUrl, TimeProvider time) : ICardUpdates
{
    /// <summary>Path of its pages below <c>Links:PublicUrl</c>.</summary>
    internal const string Path = "/pay/sandbox/";

    private const int ValidForYears = 3;

    /// <summary>What the page offers.</summary>
    internal static ImmutableArray<SandboxCard> Cards { get; } =
    [
        new("sandbox_ok", "visa", "4242", "pays"),
        new("sandbox_decline_insufficient_funds", "visa", "9995", "is always declined for want of funds"),
        new("sandbox_decline_do_not_honor_x1", "mastercard", "0010", "is declined once, then pays"),
        new("sandbox_decline_lost_card", "visa", "9987", "was lost: declined for good"),
        new("sandbox_sca", "visa", "3184", "has each payment confirmed by its holder"),
        new("sandbox_timeout_x1", "mastercard", "0028", "pays, but the first answer is lost"),
    ];

    /// <inheritdoc/>
    public Task<CardPage> StartUpdateAsync(CardRequest request, CancellationToken ct) => StartAsync(request, null, ct);

    /// <inheritdoc/>
    public Task<CardPage> StartConfirmationAsync(CardRequest request, CancellationToken ct) => StartAsync(request, request.Token, ct);

    /// <inheritdoc/>
    public async Task<CardAnswer> ReadUpdateAsync(CardSession session, CancellationToken ct) => await FindAsync(session.Reference, ct) switch
    {
        null or { State: "canceled" } => new CardAnswer.Closed(),
        var page when page.Account != session.Account || page.IsConfirmation => new CardAnswer.Closed(),
        { State: "given", Token: { } token } => new CardAnswer.Stored(token, Now().InUtc().Date.PlusYears(ValidForYears).ToYearMonth(), BrandOf(token)?.Brand, BrandOf(token)?.Last4),
        _ => new CardAnswer.Unfinished(),
    };

    /// <inheritdoc/>
    public async Task<CardAnswer> ReadConfirmationAsync(CardSession session, CancellationToken ct) => await FindAsync(session.Reference, ct) switch
    {
        null or { State: "canceled" } => new CardAnswer.Closed(),
        var page when page.Account != session.Account || !page.IsConfirmation || page.Token != session.Token => new CardAnswer.Closed(),
        { State: "confirmed" } => new CardAnswer.Confirmed(),
        { State: "refused" } => new CardAnswer.Failed(SandboxToken.AuthenticationRequired),
        _ => new CardAnswer.Unfinished(),
    };

    /// <inheritdoc/>
    public async Task<HoldOutcome> AuthorizeAsync(HoldRequest request, CancellationToken ct)
    {
        if (!SandboxToken.TryParse(request.Token, out var token))
        {
            return new HoldOutcome.Refused("the token is none of the sandbox's");
        }
        // A reservation asks for no authentication, and what a token says of its Nth charge is not about it.
        if (token is SandboxToken.Decline { Calls: null } decline)
        {
            return new HoldOutcome.Declined(decline.Code);
        }
        await using var connection = await source.OpenConnectionAsync(ct);
        await connection.ExecuteAsync(new CommandDefinition(
            "insert into sandbox.hold (key, account_id, currency, held) values (@Key, @Account, @Code, true) on conflict (key) do nothing",
            new { request.Key, request.Account, request.Currency.Code }, cancellationToken: ct));
        return new HoldOutcome.Held(request.Key);
    }

    /// <inheritdoc/>
    public async Task<bool> VoidAsync(HoldRequest request, string? reference, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        await connection.ExecuteAsync(new CommandDefinition("update sandbox.hold set held = false where key = @Key", new { request.Key }, cancellationToken: ct));
        return true;
    }

    /// <summary>A page, or null when there is none of that id.</summary>
    internal async Task<SandboxCardSession?> FindAsync(string id, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return await connection.QuerySingleOrDefaultAsync<SandboxCardSession>(new CommandDefinition(
            "select account_id as account, is_confirmation as isconfirmation, back, state, token from sandbox.card_session where id = @id",
            new { id }, cancellationToken: ct));
    }

    /// <summary>What the customer has done on a page; nothing when it is done already.</summary>
    internal async Task SettleAsync(string id, string state, string? token, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        await connection.ExecuteAsync(new CommandDefinition(
            "update sandbox.card_session set state = @state, token = coalesce(@token, token) where id = @id and state = 'open'",
            new { id, state, token }, cancellationToken: ct));
    }

    private async Task<CardPage> StartAsync(CardRequest request, string? token, CancellationToken ct)
    {
        if (publicUrl is null)
        {
            return new CardPage.Unavailable("Links:PublicUrl is not set");
        }
        var id = "sandbox_cs_" + RandomNumberGenerator.GetHexString(32, lowercase: true);
        await using var connection = await source.OpenConnectionAsync(ct);
        await connection.ExecuteAsync(new CommandDefinition(
            """
            insert into sandbox.card_session (id, account_id, is_confirmation, back, state, token)
            values (@id, @Account, @isConfirmation, @back, 'open', @token)
            """,
            new { id, request.Account, isConfirmation = token is not null, back = request.Back.AbsoluteUri, token }, cancellationToken: ct));
        return new CardPage.Opened(id, new Uri(publicUrl.AbsoluteUri.TrimEnd('/') + Path + id));
    }

    private Instant Now() => Instant.FromDateTimeOffset(time.GetUtcNow());

    private static SandboxCard? BrandOf(string token) => Cards.FirstOrDefault(c => c.Token == token);
}
