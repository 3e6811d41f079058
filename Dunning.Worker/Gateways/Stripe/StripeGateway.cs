using System.Globalization;
using System.Runtime.CompilerServices;
using Dunning.Gateways.Webhooks;
using Dunning.Model;
using Dunning.Options;
using Dunning.Ports;
using NodaTime;
using NodaTime.Text;

namespace Dunning.Gateways.Stripe;

/// <summary>
/// Charges through Stripe: an attempt is one PaymentIntent, created and confirmed off-session in one request under our key, which stands in its
/// metadata too, so that it is found again when no answer came.
/// </summary>
/// <remarks>
/// Only an issuer's or a network's answer is a decline. A refusal in Stripe's own words made no attempt. Everything else is unknown: a look-up
/// tells, and closes what was left half done, so that it can never take money afterwards.
/// </remarks>
public sealed partial class StripeGateway : IPaymentGateway, IChargeList, IGatewayAccount, IGatewayKey, IDisposable
{
    private const string InstallationField = "dunning_installation";
    internal const string KeyField = "dunning_key";
    internal const string SubscriptionField = "dunning_subscription";
    internal const string PeriodField = "dunning_period";
    private const string AuthenticationRequired = "authentication_required";

    // Far more than clocks differ by; and an attempt decided again from an older state of the database may have been sent earlier than it knows.
    private static readonly Duration LookBack = Duration.FromDays(1);

    // Five thousand intents of one customer within days: something else is wrong.
    private const int MaxPages = 50;

    private static readonly GatewayOutcome Unknown = new GatewayOutcome.Unknown();
    private static readonly GatewayOutcome NeverMade = new GatewayOutcome.NeverMade();

    private readonly StripeClient _client;
    private readonly string? _statementDescriptorSuffix;
    private readonly string? _installation;
    private volatile KeyOwner? _owner;

    /// <summary>What rules must know of Stripe. It keeps idempotency keys for a day at least.</summary>
    public static GatewayTraits Traits { get; } = new() { Amounts = StripeAmount.Taken, KeyLife = Duration.FromHours(24) };

    /// <summary>Makes the gateway; it opens connections when they are needed.</summary>
    /// <param name="options">Its settings.</param>
    /// <param name="time">The clock.</param>
    /// <param name="installation">Stands on each charge, so that two installations with one account know theirs apart.</param>
    public StripeGateway(StripeOptions options, TimeProvider time, string? installation = null)
    {
        _installation = installation;
        _client = new StripeClient(options, time);
        _statementDescriptorSuffix = options.StatementDescriptorSuffix;
        Webhooks = options.WebhookSecrets is { } secrets ? new StripeWebhooks(_client, secrets, options.Key.IsLive) : null;
    }

    /// <summary>What Stripe tells by itself; null: no secret is configured for it.</summary>
    public IWebhookGateway? Webhooks { get; }

    /// <inheritdoc/>
    public async Task<GatewayOutcome> ChargeAsync(ChargeRequest request, CancellationToken ct)
    {
        var (units, fault) = StripeAmount.Of(request.Amount);
        if (fault is not null || request.GatewayCustomer is null)
        {
            return new GatewayOutcome.Refused("not sent: " + (fault ?? "the account has no gateway_customer"), RefusalScope.Request);
        }
        return await _client.CreateIntentAsync(FieldsOf(request, request.GatewayCustomer, units), request.Key, ct) switch
        {
            StripeReply<StripeIntent>.Done(var intent) => IsOf(intent, request) ? OutcomeOf(intent) ?? Unknown : Unknown,
            StripeReply<StripeIntent>.Failed(var status, var error) => OutcomeOf(status, error, request),
            StripeReply<StripeIntent>.NotSent(var why, var isForAll, var isSilence) =>
                new GatewayOutcome.Refused(why, isForAll ? RefusalScope.Everyone : RefusalScope.Request) { IsSilence = isSilence },
            _ => Unknown,
        };
    }

    /// <inheritdoc/>
    public async Task<GatewayOutcome?> LookUpAsync(ChargeRequest request, CancellationToken ct)
    {
        var (isHealthy, intent) = await FindAsync(request, ct);
        if (intent is null)
        {
            return isHealthy ? null : Unknown;
        }
        return OutcomeOf(intent) ?? await CloseAsync(intent, ct);
    }

    /// <inheritdoc/>
    public async Task<GatewayOutcome> FenceAsync(ChargeRequest request, CancellationToken ct)
    {
        var (units, fault) = StripeAmount.Of(request.Amount);
        if (fault is not null || request.GatewayCustomer is null)
        {
            // Nothing was ever sent.
            return NeverMade;
        }
        var intent = await _client.CreateIntentAsync(FenceOf(request, units), request.Key, ct) switch
        {
            StripeReply<StripeIntent>.Done(var made) => made,
            _ => null, // an idempotency_error among others: the charge has got through, and a look-up finds it
        };
        if (intent is null || IsOf(intent, request))
        {
            return intent is null ? Unknown : OutcomeOf(intent) ?? Unknown;
        }
        return await _client.CancelIntentAsync(intent.Id, ct) switch
        {
            StripeReply<StripeIntent>.Done({ Status: "canceled" }) => NeverMade,
            StripeReply<StripeIntent>.Failed(_, { PaymentIntent.Status: "canceled" }) => NeverMade, // by an earlier fence
            _ => Unknown,
        };
    }

    /// <inheritdoc/>
    public async Task<bool> RefundAsync(ChargeRequest charge, string refundKey, CancellationToken ct)
    {
        if (await FindAsync(charge, ct) is not (_, { Status: "succeeded" } intent))
        {
            return false;
        }
        return await _client.RefundAsync(intent.Id, refundKey, ct) switch
        {
            StripeReply<StripeRefund>.Done(var refund) => refund.Status is "succeeded" or "pending",
            StripeReply<StripeRefund>.Failed(_, var error) => error.Code == "charge_already_refunded",
            _ => false,
        };
    }

    /// <inheritdoc/>
    public async Task<bool> DetachAsync(string account, PaymentMethod method, CancellationToken ct)
    {
        switch (await _client.DetachAsync(method.Token, ct))
        {
            case StripeReply<StripeMethod>.Done:
                return true;
            case StripeReply<StripeMethod>.Failed(_, { Code: "resource_missing" } error):
                return !IsOtherMode(error);
            case StripeReply<StripeMethod>.Failed(400, _):
                // Detached before? Its own state tells more surely than an error's words.
                return await _client.GetMethodAsync(method.Token, ct) is StripeReply<StripeMethod>.Done { Value.Customer: null };
            default:
                return false;
        }
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<ListedCharge> ListAsync(Instant from, Instant to, [EnumeratorCancellation] CancellationToken ct)
    {
        for (string? after = null; ;)
        {
            var page = await _client.ListIntentsAsync(from, to, after, ct) switch
            {
                StripeReply<StripePage>.Done(var done) => done,
                StripeReply<StripePage>.Failed(var status, var error) => throw new GatewayListException(
                    string.Join(' ', new[] { FormattableString.Invariant($"Stripe refuses to list its PaymentIntents: {status}"), Word(error.Code ?? error.Type) }.OfType<string>())),
                StripeReply<StripePage>.NotSent(var why, _, _) => throw new GatewayListException(why),
                _ => throw new GatewayListException("Stripe does not answer"),
            };
            foreach (var intent in page.Data)
            {
                if (ChargeOf(intent) is { } charge)
                {
                    yield return charge;
                }
            }
            if (!page.HasMore || page.Data.IsEmpty)
            {
                yield break;
            }
            after = page.Data[^1].Id;
        }
    }

    /// <inheritdoc/>
    public async Task<string?> AccountAsync(CancellationToken ct)
    {
        // Asked once for each key: a key of another account may come in by its file.
        if ((await _client.KeyAsync(ct))?.Reveal() is not { } key)
        {
            return null;
        }
        if (_owner is { } known && known.Key == key)
        {
            return known.Account;
        }
        var owner = await TryKeyAsync(ct) switch
        {
            KeyVerdict.Taken(var account) => new KeyOwner(key, account),
            KeyVerdict.NotTold => new KeyOwner(key, null),
            _ => null,
        };
        _owner = owner ?? _owner;
        return owner?.Account;
    }

    /// <inheritdoc/>
    public async Task<KeyVerdict> TryKeyAsync(CancellationToken ct) => await _client.GetAccountAsync(ct) switch
    {
        StripeReply<StripeAccount>.Done(var account) => new KeyVerdict.Taken(account.Id),
        StripeReply<StripeAccount>.Failed(403, _) => new KeyVerdict.NotTold(),
        StripeReply<StripeAccount>.Failed(var status, var error) => new KeyVerdict.Refused(Words(status, error)),
        StripeReply<StripeAccount>.NotSent(var why, _, _) => new KeyVerdict.NoAnswer(why),
        _ => new KeyVerdict.NoAnswer("Stripe does not answer"),
    };

    /// <inheritdoc/>
    public void Dispose() => _client.Dispose();

    private sealed record KeyOwner(string Key, string? Account);

    /// <summary>The charge that an intent is; null: it is none of ours.</summary>
    private ListedCharge? ChargeOf(StripeIntent intent)
    {
        if (intent.Metadata is not { } metadata || !metadata.TryGetValue(KeyField, out var key) || !metadata.TryGetValue("dunning_account", out var account)
            || StripeAmount.Of(intent.Amount, intent.Currency) is not { } amount)
        {
            return null;
        }
        var period = LocalDatePattern.Iso.Parse(metadata.GetValueOrDefault("dunning_period", ""));
        return new ListedCharge(
            key, intent.Id, account, metadata.GetValueOrDefault("dunning_subscription"), period.Success ? period.Value : null, amount,
            OutcomeOf(intent) ?? Unknown, Instant.FromUnixTimeSeconds(intent.Created),
            metadata.TryGetValue(InstallationField, out var installation) ? installation == _installation : null);
    }

    // In this order always, and nothing in it that time or chance could change: the same key must have the same body.
    private IEnumerable<KeyValuePair<string, string>> FieldsOf(ChargeRequest request, string customer, long units)
    {
        yield return new("amount", units.ToString(CultureInfo.InvariantCulture));
        yield return new("currency", request.Amount.Currency.Code.ToLowerInvariant());
        yield return new("customer", customer);
        yield return new("payment_method", request.Token);
        yield return new("confirm", "true");
        yield return new("off_session", "true");
        // An intent that waited for the customer could be paid by a second way later.
        yield return new("error_on_requires_action", "true");
        // Whatever kind the method is, but none that sends the customer elsewhere: nobody is there to go.
        yield return new("automatic_payment_methods[enabled]", "true");
        yield return new("automatic_payment_methods[allow_redirects]", "never");
        yield return new($"metadata[{KeyField}]", request.Key);
        yield return new("metadata[dunning_account]", request.Account);
        yield return new($"metadata[{SubscriptionField}]", request.SubscriptionId);
        yield return new($"metadata[{PeriodField}]", LocalDatePattern.Iso.Format(request.PeriodStart));
        if (_installation is not null)
        {
            yield return new($"metadata[{InstallationField}]", _installation);
        }
        if (_statementDescriptorSuffix is not null)
        {
            yield return new("statement_descriptor_suffix", _statementDescriptorSuffix);
        }
    }

    // Unconfirmed, so that it takes no money whatever becomes of it; and it must never be found for the charge.
    private static IEnumerable<KeyValuePair<string, string>> FenceOf(ChargeRequest request, long units) =>
    [
        new("amount", units.ToString(CultureInfo.InvariantCulture)),
        new("currency", request.Amount.Currency.Code.ToLowerInvariant()),
        new("metadata[dunning_fence]", request.Key),
    ];

    private static bool IsOf(StripeIntent intent, ChargeRequest request) =>
        intent.Metadata is { } metadata && metadata.TryGetValue(KeyField, out var key) && key == request.Key;

    /// <summary>What an intent has come to; null: nothing yet, nor does it move by itself.</summary>
    internal static GatewayOutcome? OutcomeOf(StripeIntent intent) => intent switch
    {
        { Status: "succeeded" } => new GatewayOutcome.Succeeded(),
        { Status: "processing" } => new GatewayOutcome.Pending(),
        // Nobody asked for it: we confirm for good.
        { Status: "requires_capture" } => Unknown,
        { Status: "requires_payment_method" or "canceled", LastPaymentError: { } error } => StripeDeclines.Of(error),
        { Status: "canceled" } => NeverMade,
        _ => null,
    };

    private static GatewayOutcome OutcomeOf(int status, StripeError error, ChargeRequest request)
    {
        if (error.PaymentIntent is { } intent)
        {
            return IsOf(intent, request) ? OutcomeOf(intent) ?? Unknown : Unknown;
        }
        if (error.Type == "card_error")
        {
            return StripeDeclines.Of(error);
        }
        // Another request has this key: under way still, or with another body. What has become of it, a look-up tells.
        if (status is 402 or 409 || error.Type == "idempotency_error")
        {
            return Unknown;
        }
        return new GatewayOutcome.Refused(Words(status, error), ScopeOf(status, error)) { Status = status };
    }

    /// <summary>An error for operators: codes alone.</summary>
    internal static string Words(int status, StripeError error) =>
        string.Join(' ', new[] { FormattableString.Invariant($"Stripe answers {status}"), Word(error.Code ?? error.Type), Word(error.Param) }.OfType<string>());

    private static RefusalScope ScopeOf(int status, StripeError error) =>
        status is 401 or 403 || (status == 429 && error.Code != "lock_timeout") || IsOtherMode(error) ? RefusalScope.Everyone
        : error is { Param: "customer" or "payment_method", Code: "resource_missing" or "payment_method_unexpected_state" } || IsDetached(error)
            ? RefusalScope.Method : RefusalScope.Request;

    // A test key in a live book (or the reverse) finds no customer at all: that must never block every method in it.
    internal static bool IsOtherMode(StripeError error) =>
        error.Code == "livemode_mismatch" || error.Message?.Contains("a similar object exists in", StringComparison.Ordinal) == true;

    // Stripe has no code for it.
    private static bool IsDetached(StripeError error) =>
        error.Message is { } message && message.Contains("may not be used again", StringComparison.OrdinalIgnoreCase)
        && message.Contains("detached from a Customer", StringComparison.OrdinalIgnoreCase);

    // Names of codes and parameters, for operators; anything else stays out of logs.
    private static string? Word(string? text) => text is { Length: <= 64 } && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '[' or ']' or '.') ? text : null;

    // Both keep money from being taken by an intent that nobody waits for.
    private async Task<GatewayOutcome> CloseAsync(StripeIntent intent, CancellationToken ct) =>
        await _client.CancelIntentAsync(intent.Id, ct) is StripeReply<StripeIntent>.Done({ Status: "canceled" } canceled)
            ? intent.Status == "requires_action" ? new GatewayOutcome.Declined(AuthenticationRequired) : OutcomeOf(canceled) ?? Unknown
            : Unknown;

    private Task<(bool IsHealthy, StripeIntent? Intent)> FindAsync(ChargeRequest request, CancellationToken ct) =>
        FindAsync(request.GatewayCustomer, request.FirstCalledAt, i => IsOf(i, request), ct);

    /// <summary>The intent that is looked for, and whether every page was read: only then is none found an answer.</summary>
    private async Task<(bool IsHealthy, StripeIntent? Intent)> FindAsync(string? gatewayCustomer, Instant since, Func<StripeIntent, bool> isIt, CancellationToken ct)
    {
        if (gatewayCustomer is not { } customer)
        {
            // Nothing is ever sent without one.
            return (true, null);
        }
        string? after = null;
        for (var pages = 0; pages < MaxPages; pages++)
        {
            if (await _client.ListIntentsAsync(customer, since - LookBack, after, ct) is not StripeReply<StripePage>.Done({ } page))
            {
                return (false, null);
            }
            if (page.Data.FirstOrDefault(isIt) is { } found)
            {
                return (true, found);
            }
            if (!page.HasMore || page.Data.IsEmpty)
            {
                return (!page.HasMore, null);
            }
            after = page.Data[^1].Id;
        }
        return (false, null);
    }
}
