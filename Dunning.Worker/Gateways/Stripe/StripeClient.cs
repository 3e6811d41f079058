using System.Globalization;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using NodaTime;

namespace Dunning.Gateways.Stripe;

/// <summary>
/// The few endpoints of Stripe's API that a renewal engine needs.
/// </summary>
internal sealed partial class StripeClient : IDisposable
{
    /// <summary>Intents on a page: the most that Stripe gives.</summary>
    public const int PageSize = 100;

    private readonly StripeOptions _options;
    private readonly GatewayHttp _http;

    public StripeClient(StripeOptions options, TimeProvider time)
    {
        _options = options;
        _http = new GatewayHttp("Stripe", options.BaseUrl, options.Timeout, options.Concurrency, options.PerSecond, time);
    }

    /// <summary>Creates and confirms a PaymentIntent under an idempotency key.</summary>
    public Task<StripeReply<StripeIntent>> CreateIntentAsync(IEnumerable<KeyValuePair<string, string>> fields, string key, CancellationToken ct) =>
        SendAsync(HttpMethod.Post, "v1/payment_intents", fields, key, StripeJson.Default.StripeIntent, i => i.Object == "payment_intent", ct);

    /// <summary>A page of a customer's PaymentIntents created at or after an instant, newest first.</summary>
    public Task<StripeReply<StripePage>> ListIntentsAsync(string customer, Instant createdFrom, string? startingAfter, CancellationToken ct)
    {
        var query = string.Create(CultureInfo.InvariantCulture,
            $"v1/payment_intents?customer={Uri.EscapeDataString(customer)}&created[gte]={createdFrom.ToUnixTimeSeconds()}&limit={PageSize}");
        return SendAsync(HttpMethod.Get, startingAfter is null ? query : query + "&starting_after=" + Uri.EscapeDataString(startingAfter),
            null, null, StripeJson.Default.StripePage, p => p.Object == "list" && !p.Data.IsDefault, ct);
    }

    /// <summary>A page of all PaymentIntents created at or after an instant and before another, newest first.</summary>
    public Task<StripeReply<StripePage>> ListIntentsAsync(Instant createdFrom, Instant createdBefore, string? startingAfter, CancellationToken ct)
    {
        var query = string.Create(CultureInfo.InvariantCulture,
            $"v1/payment_intents?created[gte]={createdFrom.ToUnixTimeSeconds()}&created[lt]={createdBefore.ToUnixTimeSeconds()}&limit={PageSize}");
        return SendAsync(HttpMethod.Get, startingAfter is null ? query : query + "&starting_after=" + Uri.EscapeDataString(startingAfter),
            null, null, StripeJson.Default.StripePage, p => p.Object == "list" && !p.Data.IsDefault, ct);
    }

    /// <summary>The account that the key belongs to. A restricted key may lack the right to read it.</summary>
    public Task<StripeReply<StripeAccount>> GetAccountAsync(CancellationToken ct) =>
        SendAsync(HttpMethod.Get, "v1/account", null, null, StripeJson.Default.StripeAccount, a => a.Object == "account", ct);

    /// <summary>The key as it is now; null: its file can't be read or holds none.</summary>
    public async Task<StripeKey?> KeyAsync(CancellationToken ct) => _options.KeyFile is null ? _options.Key : await StripeKey.ReadAsync(_options.KeyFile, ct);

    /// <summary>Cancels a PaymentIntent: afterwards it can take no money.</summary>
    public Task<StripeReply<StripeIntent>> CancelIntentAsync(string intent, CancellationToken ct) =>
        SendAsync(HttpMethod.Post, $"v1/payment_intents/{Uri.EscapeDataString(intent)}/cancel",
            [], null, StripeJson.Default.StripeIntent, i => i.Object == "payment_intent", ct);

    /// <summary>Refunds all of a PaymentIntent under an idempotency key.</summary>
    public Task<StripeReply<StripeRefund>> RefundAsync(string intent, string key, CancellationToken ct) =>
        SendAsync(HttpMethod.Post, "v1/refunds", [new("payment_intent", intent)], key, StripeJson.Default.StripeRefund, r => r.Object == "refund", ct);

    /// <summary>A PaymentIntent as it is.</summary>
    public Task<StripeReply<StripeIntent>> GetIntentAsync(string intent, CancellationToken ct) =>
        GetAsync("payment_intents", intent, StripeJson.Default.StripeIntent, i => i.Object == "payment_intent", ct);

    /// <summary>A charge as it is.</summary>
    public Task<StripeReply<StripeCharge>> GetChargeAsync(string charge, CancellationToken ct) =>
        GetAsync("charges", charge, StripeJson.Default.StripeCharge, c => c.Object == "charge", ct);

    /// <summary>A dispute as it is.</summary>
    public Task<StripeReply<StripeDispute>> GetDisputeAsync(string dispute, CancellationToken ct) =>
        GetAsync("disputes", dispute, StripeJson.Default.StripeDispute, d => d.Object == "dispute", ct);

    /// <summary>A mandate as it is.</summary>
    public Task<StripeReply<StripeMandate>> GetMandateAsync(string mandate, CancellationToken ct) =>
        GetAsync("mandates", mandate, StripeJson.Default.StripeMandate, m => m.Object == "mandate", ct);

    /// <summary>A payment method as it is.</summary>
    public Task<StripeReply<StripeMethod>> GetMethodAsync(string method, CancellationToken ct) =>
        GetAsync("payment_methods", method, StripeJson.Default.StripeMethod, m => m.Object == "payment_method", ct);

    /// <summary>Detaches a payment method from its customer.</summary>
    public Task<StripeReply<StripeMethod>> DetachAsync(string method, CancellationToken ct) =>
        SendAsync(HttpMethod.Post, $"v1/payment_methods/{Uri.EscapeDataString(method)}/detach",
            [], null, StripeJson.Default.StripeMethod, m => m.Object == "payment_method", ct);

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private Task<StripeReply<T>> GetAsync<T>(string kind, string id, JsonTypeInfo<T> type, Func<T, bool> isIt, CancellationToken ct) =>
        SendAsync(HttpMethod.Get, $"v1/{kind}/{Uri.EscapeDataString(id)}", null, null, type, isIt, ct);

    private async Task<StripeReply<T>> SendAsync<T>(
        HttpMethod method, string path, IEnumerable<KeyValuePair<string, string>>? fields, string? idempotencyKey,
        JsonTypeInfo<T> type, Func<T, bool> isIt, CancellationToken ct)
    {
        return await _http.SendAsync(isRead: method == HttpMethod.Get, async token =>
        {
            // When its turn has come, not before: it may have waited for longer than the old key was left.
            var key = await KeyAsync(token);
            if (key?.IsLive != _options.Key.IsLive)
            {
                throw new NotSendableException(
                    key is null ? "not sent: Payments:Stripe:SecretKeyFile can't be read or holds no key"
                        : "not sent: the key in Payments:Stripe:SecretKeyFile is of another mode than at the start");
            }
            var request = new HttpRequestMessage(method, path);
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key!.Reveal());
            request.Headers.Add("Stripe-Version", _options.ApiVersion);
            if (idempotencyKey is not null)
            {
                request.Headers.Add("Idempotency-Key", idempotencyKey);
            }
            request.Content = fields is null ? null : new FormUrlEncodedContent(fields);
            return request;
        }, ct) switch
        {
            HttpReply.Answered(var status, var body) => Read(status, body, type, isIt),
            HttpReply.NotSent(var why, var isForAll, var isSilence) => new StripeReply<T>.NotSent(why, isForAll, isSilence),
            _ => new StripeReply<T>.NoAnswer(),
        };
    }

    // What is not in Stripe's own words is no answer: a proxy's page, half a body, a login form. It may stand before an executed request.
    private static StripeReply<T> Read<T>(int status, byte[] body, JsonTypeInfo<T> type, Func<T, bool> isIt)
    {
        try
        {
            if (status == 200)
            {
                return JsonSerializer.Deserialize(body, type) is { } value && isIt(value)
                    ? new StripeReply<T>.Done(value) : new StripeReply<T>.NoAnswer();
            }
            return status is >= 400 and < 500 && JsonSerializer.Deserialize(body, StripeJson.Default.StripeErrorBody)?.Error is { Type: not null } error
                ? new StripeReply<T>.Failed(status, error) : new StripeReply<T>.NoAnswer();
        }
        catch (JsonException)
        {
            return new StripeReply<T>.NoAnswer();
        }
    }
}
