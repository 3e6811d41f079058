using System.Collections.Frozen;
using System.Globalization;
using Dunning.Model;
using Dunning.Ports;
using NodaTime;

namespace Dunning.Gateways.Stripe;

/// <summary>
/// How customers give and confirm cards: a Checkout session of mode <c>setup</c>, and a SetupIntent for a card that is stored. What the account's customer
/// at Stripe did not do counts for nothing.
/// </summary>
public sealed partial class StripeGateway : ICardUpdates
{
    private const string SessionField = "dunning_session";
    private const string AccountField = "dunning_account";
    private const string HoldField = "dunning_verification";

    // What Checkout speaks; it refuses what it does not know.
    private static readonly FrozenSet<string> s_languages = FrozenSet.Create(StringComparer.Ordinal,
        "bg", "cs", "da", "de", "el", "en", "es", "et", "fi", "fil", "fr", "hr", "hu", "id", "it", "ja", "ko", "lt", "lv", "ms", "mt", "nb", "nl", "pl", "pt",
        "ro", "ru", "sk", "sl", "sv", "th", "tr", "vi", "zh");

    /// <inheritdoc/>
    public async Task<CardPage> StartUpdateAsync(CardRequest request, CancellationToken ct)
    {
        if (request.GatewayCustomer is not { } customer)
        {
            return NoCustomer;
        }
        KeyValuePair<string, string>[] fields =
        [
            new("mode", "setup"),
            new("customer", customer),
            // Without a list of kinds Stripe offers those that are switched on there and do for the currency.
            new("currency", request.Currency.Code.ToLowerInvariant()),
            new("locale", s_languages.Contains(request.Language) ? request.Language : "auto"),
            new("success_url", request.Back.AbsoluteUri),
            new("cancel_url", request.Back.AbsoluteUri),
            new($"metadata[{SessionField}]", request.Session),
            new($"metadata[{AccountField}]", request.Account),
            new($"setup_intent_data[metadata][{SessionField}]", request.Session),
            new($"setup_intent_data[metadata][{AccountField}]", request.Account),
        ];
        return await _client.CreateCheckoutAsync(fields, ct) switch
        {
            StripeReply<StripeCheckout>.Done({ Url: { } url } session) when Uri.TryCreate(url, UriKind.Absolute, out var page) => new CardPage.Opened(session.Id, page),
            var reply => new CardPage.Unavailable(Words(reply)),
        };
    }

    /// <inheritdoc/>
    public async Task<CardAnswer> ReadUpdateAsync(CardSession session, CancellationToken ct)
    {
        var reply = await _client.GetCheckoutAsync(session.Reference, ct);
        if (reply is not StripeReply<StripeCheckout>.Done(var checkout))
        {
            return Unread(reply);
        }
        if (session.GatewayCustomer is null || checkout.Customer != session.GatewayCustomer || checkout.Status == "expired")
        {
            return new CardAnswer.Closed();
        }
        if (checkout is not { Status: "complete", SetupIntent: { } intent })
        {
            return new CardAnswer.Unfinished();
        }
        var setupReply = await _client.GetSetupAsync(intent, ct);
        if (setupReply is not StripeReply<StripeSetup>.Done(var setup))
        {
            return Unread(setupReply);
        }
        if (setup is not { Status: "succeeded", PaymentMethod: { } token })
        {
            return NotDone(setup);
        }
        var methodReply = await _client.GetStoredMethodAsync(token, ct);
        if (methodReply is not StripeReply<StripeStoredMethod>.Done(var method))
        {
            return Unread(methodReply);
        }
        // Detached since, or moved: it could not be charged.
        if (method.Customer != session.GatewayCustomer)
        {
            return new CardAnswer.Closed();
        }
        var details = method.Card ?? method.SepaDebit;
        return new CardAnswer.Stored(
            method.Id, details is { ExpYear: { } year, ExpMonth: { } month } ? new YearMonth(year, month) : null,
            method.Card is null ? method.Type : method.Card.Brand, details?.Last4);
    }

    /// <inheritdoc/>
    public async Task<CardPage> StartConfirmationAsync(CardRequest request, CancellationToken ct)
    {
        if (request is not { GatewayCustomer: { } customer, Token: { } token })
        {
            return NoCustomer;
        }
        KeyValuePair<string, string>[] fields =
        [
            new("customer", customer),
            new("payment_method", token),
            new("confirm", "true"),
            new("usage", "off_session"),
            new("automatic_payment_methods[enabled]", "true"),
            new("return_url", request.Back.AbsoluteUri),
            new($"metadata[{SessionField}]", request.Session),
            new($"metadata[{AccountField}]", request.Account),
        ];
        var reply = await _client.CreateSetupAsync(fields, ct);
        return reply switch
        {
            StripeReply<StripeSetup>.Done({ NextAction.RedirectToUrl.Url: { } url } setup) when Uri.TryCreate(url, UriKind.Absolute, out var page) =>
                new CardPage.Opened(setup.Id, page),
            // The issuer asks for nothing more.
            StripeReply<StripeSetup>.Done({ Status: "succeeded" or "processing" } setup) => new CardPage.Opened(setup.Id, request.Back),
            StripeReply<StripeSetup>.Done({ LastSetupError: { } error }) => new CardPage.Declined(StripeDeclines.Of(error).Code),
            StripeReply<StripeSetup>.Failed(402, { Type: "card_error" } error) => new CardPage.Declined(StripeDeclines.Of(error).Code),
            _ => new CardPage.Unavailable(Words(reply)),
        };
    }

    /// <inheritdoc/>
    public async Task<CardAnswer> ReadConfirmationAsync(CardSession session, CancellationToken ct)
    {
        var reply = await _client.GetSetupAsync(session.Reference, ct);
        if (reply is not StripeReply<StripeSetup>.Done(var setup))
        {
            return Unread(reply);
        }
        if (session.GatewayCustomer is null || setup.Customer != session.GatewayCustomer)
        {
            return new CardAnswer.Closed();
        }
        return setup.Status != "succeeded" ? NotDone(setup) : setup.PaymentMethod == session.Token ? new CardAnswer.Confirmed() : new CardAnswer.Closed();
    }

    /// <inheritdoc/>
    public async Task<HoldOutcome> AuthorizeAsync(HoldRequest request, CancellationToken ct)
    {
        if (request is not { GatewayCustomer: { } customer, Token: { } token })
        {
            return new HoldOutcome.Refused("not sent: the account has no gateway_customer");
        }
        KeyValuePair<string, string>[] fields =
        [
            new("amount", StripeAmount.LeastFrom(request.Currency).ToString(CultureInfo.InvariantCulture)),
            new("currency", request.Currency.Code.ToLowerInvariant()),
            new("customer", customer),
            new("payment_method", token),
            new("confirm", "true"),
            new("off_session", "true"),
            new("error_on_requires_action", "true"),
            new("capture_method", "manual"),
            new("automatic_payment_methods[enabled]", "true"),
            new("automatic_payment_methods[allow_redirects]", "never"),
            new($"metadata[{HoldField}]", request.Key),
            new($"metadata[{AccountField}]", request.Account),
        ];
        return await _client.CreateIntentAsync(fields, request.Key, ct) switch
        {
            StripeReply<StripeIntent>.Done({ Status: "requires_capture" } intent) => new HoldOutcome.Held(intent.Id),
            // A kind that knows no reservation, such as a bank debit: nothing must stay of it.
            StripeReply<StripeIntent>.Done(var intent) => await CancelAsync(intent.Id, ct)
                ? new HoldOutcome.Refused("this kind of method can't be reserved on") : new HoldOutcome.Unknown(),
            StripeReply<StripeIntent>.Failed(_, { Type: "card_error" } error) => new HoldOutcome.Declined(StripeDeclines.Of(error).Code),
            StripeReply<StripeIntent>.Failed(409, _) or StripeReply<StripeIntent>.Failed(_, { Type: "idempotency_error" }) => new HoldOutcome.Unknown(),
            StripeReply<StripeIntent>.NoAnswer => new HoldOutcome.Unknown(),
            var reply => new HoldOutcome.Refused(Words(reply)),
        };
    }

    /// <inheritdoc/>
    public async Task<bool> VoidAsync(HoldRequest request, string? reference, CancellationToken ct)
    {
        if (reference is not null)
        {
            return await CancelAsync(reference, ct);
        }
        var (isHealthy, intent) = await FindAsync(request.GatewayCustomer, request.At, i => i.Metadata?.GetValueOrDefault(HoldField) == request.Key, ct);
        return intent is null ? isHealthy : await CancelAsync(intent.Id, ct);
    }

    // True when it can take no money, also when it never could.
    private async Task<bool> CancelAsync(string intent, CancellationToken ct) => await _client.CancelIntentAsync(intent, ct) switch
    {
        StripeReply<StripeIntent>.Done({ Status: "canceled" }) => true,
        StripeReply<StripeIntent>.Failed(_, { PaymentIntent.Status: "canceled" }) => true,
        _ => false,
    };

    private static CardPage NoCustomer => new CardPage.Unavailable("not sent: the account has no gateway_customer");

    private static CardAnswer NotDone(StripeSetup setup) => setup switch
    {
        { Status: "canceled" } => new CardAnswer.Closed(),
        { Status: "requires_payment_method", LastSetupError: { } error } => new CardAnswer.Failed(StripeDeclines.Of(error).Code),
        _ => new CardAnswer.Unfinished(),
    };

    private static CardAnswer Unread<T>(StripeReply<T> reply) =>
        reply is StripeReply<T>.Failed(404, { } error) && !IsOtherMode(error) ? new CardAnswer.Closed() : new CardAnswer.Unavailable(Words(reply));

    private static string Words<T>(StripeReply<T> reply) => reply switch
    {
        StripeReply<T>.Failed(var status, var error) => Words(status, error),
        StripeReply<T>.NotSent(var why, _, _) => why,
        _ => "Stripe gave no answer",
    };
}
