using System.Security.Cryptography;
using Dunning.Events;
using Dunning.Hosting;
using Dunning.Model;
using Dunning.Ports;
using Dunning.Postgres;
using Dunning.Time;
using NodaTime;

namespace Dunning.Pay;

/// <summary>How a visit could be begun.</summary>
internal abstract record CardStart
{
    /// <summary>The customer goes there.</summary>
    public sealed record Go(Uri Url) : CardStart;

    /// <summary>The issuer has said no at once.</summary>
    public sealed record Declined(string Code) : CardStart;

    /// <summary>The account has begun too many of them.</summary>
    public sealed record TooMany : CardStart;

    /// <summary>The gateway does not answer, or refuses.</summary>
    public sealed record Unavailable : CardStart;
}

/// <summary>
/// Sends customers to the gateway's pages and hands in what came of it. A visit is a row before it is a page, so that one whose customer never comes
/// back is looked after too; whoever looks, what came of it is handed in once.
/// </summary>
/// <param name="engine">Where actions are decided.</param>
/// <param name="settings">Where customers come back to, and how cards are verified.</param>
/// <param name="chargeSoon">Has the pass run that charges after a change.</param>
/// <param name="time">The clock.</param>
/// <param name="logger">Takes what the gateway would not do.</param>
internal sealed class CardDesk(Engine engine, LinkSettings settings, Func<CancellationToken, Task> chargeSoon, TimeProvider time, ILogger<CardDesk> logger)
{
    /// <summary>How long a visit can come to something: gateways' own pages end after a day.</summary>
    public static readonly Duration Lifetime = Duration.FromHours(25);

    // Who has not come back by then has perhaps closed the window.
    private static readonly Duration s_firstLook = Duration.FromMinutes(2);

    private const int Batch = 50;

    /// <summary>Path of the page to which customers come back.</summary>
    public const string BackPath = "/pay/back/";

    private readonly ICardUpdates _cards = engine.Cards ?? throw new ArgumentException("the gateway has no pages for cards", nameof(engine));

    /// <summary>The visits.</summary>
    public CardSessions Sessions { get; } = new(engine.Database.Source);

    /// <summary>Begins a visit: for a new method, or, with one that waits, to confirm it.</summary>
    public async Task<CardStart> StartAsync(AccountFile file, Contact contact, PaymentMethod? waiting, CancellationToken ct)
    {
        var (id, now) = (RandomNumberGenerator.GetHexString(32, lowercase: true), engine.Now());
        if (!await Sessions.AddAsync(id, file.Id, contact.Number, waiting?.Ref, now, now + s_firstLook, ct))
        {
            return new CardStart.TooMany();
        }
        var language = (contact.Locale ?? file.Locale).Split('-', '_')[0].ToLowerInvariant();
        var request = new CardRequest(file.Id, file.GatewayCustomer, id, file.Currency, language, settings.PageAt(BackPath + id)!, waiting?.Token);
        switch (waiting is null ? await _cards.StartUpdateAsync(request, ct) : await _cards.StartConfirmationAsync(request, ct))
        {
            case CardPage.Opened(var reference, var url):
                await Sessions.OpenedAsync(id, reference, ct);
                return new CardStart.Go(url);
            case CardPage.Declined(var code):
                await Sessions.SettleAsync(id, "failed", code, now, ct);
                return new CardStart.Declined(code);
            case CardPage.Unavailable(var reason):
                logger.LogWarning("no page of the gateway's for account {Account}: {Reason}", file.Id, reason);
                await Sessions.SettleAsync(id, "closed", null, now, ct);
                return new CardStart.Unavailable();
            default:
                throw new InvalidOperationException("a page that is neither opened, declined nor unavailable");
        }
    }

    /// <summary>
    /// Looks what has come of a visit and hands it in. Returns the visit as it is then, and whether there may be more to see in a moment. However often
    /// it is asked, by whom and for which visit, it is handed in once.
    /// </summary>
    public async Task<(CardSessionRow Session, bool IsWorthAnotherLook)> FinishAsync(CardSessionRow session, CancellationToken ct)
    {
        if (!session.IsOpen)
        {
            return (session, false);
        }
        if (await Sessions.ClaimAsync(session.Id, engine.Now(), ct) is not { } claimed)
        {
            var present = await Sessions.FindAsync(session.Id, ct) ?? session;
            return (present, present.IsOpen);
        }
        var isUnanswered = await LookAsync(claimed, null, ct);
        return (await Sessions.FindAsync(session.Id, ct) ?? session, isUnanswered);
    }

    /// <summary>Looks after the visits whose customers did not come back, and gives reservations back whose time has come.</summary>
    public async Task RunAsync(CancellationToken ct)
    {
        foreach (var session in await Sessions.ClaimDueAsync(engine.Now(), Batch, ct))
        {
            var now = engine.Now();
            try
            {
                if (now - session.StartedAt.Instant() > Lifetime)
                {
                    await Sessions.SettleAsync(session.Id, "closed", null, now, ct);
                }
                else
                {
                    await LookAsync(session, now + Backoff.After(session.Tries), ct);
                }
            }
            catch (Exception e) when (!ct.IsCancellationRequested)
            {
                logger.LogError(e, "a visit of account {Account} to the gateway's page could not be looked after", session.AccountId);
                await Sessions.ReleaseAsync(session.Id, now + Backoff.After(session.Tries), ct);
            }
        }
        while (await Sessions.ClaimHoldsAsync(engine.Now(), Batch, ct) is { Count: > 0 } holds)
        {
            foreach (var hold in holds)
            {
                await VoidAsync(hold, ct);
            }
        }
    }

    // True: the gateway did not say.
    private async Task<bool> LookAsync(CardSessionRow session, Instant? nextLook, CancellationToken ct)
    {
        var file = await new PostgresFiles(engine.Database.Source).FileAsync(session.AccountId, ct);
        var token = session.Method is { } of ? file?.Methods.FirstOrDefault(m => m.Ref == of)?.Token : null;
        // What ends a link ends the visits that were begun by it.
        if (file is null or { PurgedAt: not null } || (session.Method is not null && token is null)
            || !file.Contacts.Any(c => c.Number == session.Contact && !c.Removed)
            || await engine.Links.IsRevokedAsync(session.AccountId, session.StartedAt.Instant(), ct))
        {
            await Sessions.SettleAsync(session.Id, "closed", null, engine.Now(), ct);
            return false;
        }
        if (session.Reference is not { } reference)
        {
            await Sessions.ReleaseAsync(session.Id, nextLook, ct);
            return false;
        }
        var page = new CardSession(file.Id, file.GatewayCustomer, reference, token);
        switch (session.Method is null ? await _cards.ReadUpdateAsync(page, ct) : await _cards.ReadConfirmationAsync(page, ct))
        {
            case CardAnswer.Stored stored:
                return await TakeAsync(file, session, stored, nextLook, ct);
            case CardAnswer.Confirmed:
                await HandInAsync(file, session, new AccountAction(engine.Now(), file.Id, ActionNames.Authenticate) { Method = session.MethodId }, ct);
                return false;
            case CardAnswer.Failed(var code):
                await Sessions.SettleAsync(session.Id, "failed", code, engine.Now(), ct);
                return false;
            case CardAnswer.Closed:
                await Sessions.SettleAsync(session.Id, "closed", null, engine.Now(), ct);
                return false;
            case CardAnswer.Unavailable(var reason):
                logger.LogWarning("what came of a visit of account {Account} to the gateway's page is not known yet: {Reason}", file.Id, reason);
                await Sessions.ReleaseAsync(session.Id, nextLook, ct);
                return true;
            default:
                await Sessions.ReleaseAsync(session.Id, nextLook, ct);
                return false;
        }
    }

    private async Task<bool> TakeAsync(AccountFile file, CardSessionRow session, CardAnswer.Stored stored, Instant? nextLook, CancellationToken ct)
    {
        if (session.HandedIn && await Sessions.KnowsTokenAsync(file.Id, stored.Token, ct))
        {
            // It got through before a crash.
            await Sessions.SettleAsync(session.Id, "done", null, engine.Now(), ct);
            return false;
        }
        switch (settings.Verification == Verification.Authorize && !session.HandedIn ? await VerifyAsync(file, session, stored.Token, ct) : null)
        {
            case HoldOutcome.Declined(var code):
                // Nobody shall take it for a method of theirs.
                await engine.Gateway.DetachAsync(file.Id, new PaymentMethod { Id = session.Id, Token = stored.Token }, ct);
                await Sessions.SettleAsync(session.Id, "failed", code, engine.Now(), ct);
                return false;
            case HoldOutcome.Refused(var reason):
                // No card, perhaps, or a key without that right: what it would have told, the first charge tells.
                logger.LogWarning("a new method of account {Account} is not verified: {Reason}", file.Id, reason);
                break;
        }
        await HandInAsync(file, session, new AccountAction(engine.Now(), file.Id, ActionNames.UpdatePaymentMethod)
        {
            Token = stored.Token,
            Expires = stored.Expires,
            Brand = stored.Brand,
            Last4 = stored.Last4,
        }, ct);
        return false;
    }

    // A reservation without an answer is given back like any other; what it would have told, the first charge tells.
    private async Task<HoldOutcome> VerifyAsync(AccountFile file, CardSessionRow session, string token, CancellationToken ct)
    {
        var now = engine.Now();
        await Sessions.AskHoldAsync(session.Id, file.Id, file.Currency, now, now + Duration.FromDays(settings.VerificationVoidDays), ct);
        var outcome = await _cards.AuthorizeAsync(
            new HoldRequest(file.Id, file.GatewayCustomer, KeyOf(session.Id), file.Currency, token, now), ct);
        if (outcome is HoldOutcome.Held(var reference))
        {
            await Sessions.HeldAsync(session.Id, reference, ct);
        }
        else if (outcome is HoldOutcome.Declined)
        {
            await Sessions.SettleHoldAsync(session.Id, "declined", now, ct);
        }
        return outcome;
    }

    private async Task HandInAsync(AccountFile file, CardSessionRow session, AccountAction action, CancellationToken ct)
    {
        // It was handed in before, or has changed since.
        var isConfirmed = session.Method is { } method && !file.Methods.Any(m => m.Ref == method && m.State == MethodState.Waiting);
        var decision = default(Passes.Decision);
        if (!isConfirmed)
        {
            await Sessions.HandInAsync(session.Id, ct);
            decision = await engine.ActAsync(action, ct);
        }
        var isRejected = decision?.Events.Any(e => e.Type == EventTypes.ActionRejected) == true && action.Do == ActionNames.UpdatePaymentMethod;
        await Sessions.SettleAsync(session.Id, isRejected ? "failed" : "done", isRejected ? "expired_card" : null, decision?.Now ?? engine.Now(), ct);
        if (decision is not null && !isRejected)
        {
            await ChargeSoonAsync(ct);
        }
    }

    // The job's next tick does it too.
    private async Task ChargeSoonAsync(CancellationToken ct)
    {
        try
        {
            await chargeSoon(ct);
        }
        catch (Exception e) when (!ct.IsCancellationRequested)
        {
            logger.LogWarning(e, "the pass that charges after a new payment method could not be triggered, and runs at its next tick");
        }
    }

    private async Task VoidAsync(CardHoldRow hold, CancellationToken ct)
    {
        var (now, currency) = (Instant.FromDateTimeOffset(time.GetUtcNow()), Currency.Of(hold.Currency));
        var isGone = await _cards.VoidAsync(
            new HoldRequest(hold.AccountId, hold.GatewayCustomer, KeyOf(hold.SessionId), currency, null, hold.AskedAt.Instant()), hold.Reference, ct);
        if (isGone)
        {
            await Sessions.SettleHoldAsync(hold.SessionId, "voided", now, ct);
            return;
        }
        await Sessions.PutOffAsync(hold.SessionId, now + Backoff.After(hold.Tries), ct);
        logger.LogWarning("a reservation on a new method of account {Account} could not be given back, and is tried again", hold.AccountId);
    }

    private static string KeyOf(string session) => "verify:" + session;
}
