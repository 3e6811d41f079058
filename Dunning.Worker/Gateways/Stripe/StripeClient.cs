using System.Globalization;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using System.Threading.RateLimiting;
using NodaTime;
using Polly;
using Polly.CircuitBreaker;
using Polly.RateLimiting;
using Polly.Retry;
using Polly.Timeout;

namespace Dunning.Gateways.Stripe;

/// <summary>
/// The few endpoints of Stripe's API that a renewal engine needs. It keeps to the rates, times requests out and stops asking while Stripe is down.
/// It sends nothing twice but reads: who retries a charge is decided elsewhere.
/// </summary>
internal sealed partial class StripeClient : IDisposable
{
    /// <summary>Intents on a page: the most that Stripe gives.</summary>
    public const int PageSize = 100;

    // A page of a hundred intents is some 300 KB.
    private const int MaxResponseBytes = 8 * 1024 * 1024;

    private readonly StripeOptions _options;
    private readonly HttpClient _http;
    private readonly ConcurrencyLimiter _slots;
    private readonly TokenBucketRateLimiter _rate;
    private readonly ResiliencePipeline<Raw> _writes;
    private readonly ResiliencePipeline<Raw> _reads;

    public StripeClient(StripeOptions options, TimeProvider time)
    {
        _options = options;
        _http = new HttpClient(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            ConnectTimeout = TimeSpan.FromSeconds(10),
            MaxConnectionsPerServer = options.Concurrency,
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
        })
        {
            BaseAddress = options.BaseUrl,
            Timeout = Timeout.InfiniteTimeSpan, // the pipeline's counts
            MaxResponseContentBufferSize = MaxResponseBytes,
        };
        _slots = new ConcurrencyLimiter(new ConcurrencyLimiterOptions { PermitLimit = options.Concurrency, QueueLimit = int.MaxValue });
        var burst = Math.Max(1, options.PerSecond / 10); // a tenth of a second's
        _rate = new TokenBucketRateLimiter(new TokenBucketRateLimiterOptions
        {
            TokenLimit = burst,
            TokensPerPeriod = burst,
            ReplenishmentPeriod = TimeSpan.FromSeconds((double)burst / options.PerSecond),
            QueueLimit = int.MaxValue,
        });
        // Charges and look-ups have a breaker each: reads may still work, and tell, when writes fail.
        _writes = Guard(new ResiliencePipelineBuilder<Raw> { TimeProvider = time }).Build();
        _reads = Guard(new ResiliencePipelineBuilder<Raw> { TimeProvider = time }.AddRetry(new RetryStrategyOptions<Raw>
        {
            ShouldHandle = args => ValueTask.FromResult(args.Outcome.Exception is not BrokenCircuitException
                && (IsNoAnswer(args.Outcome) || args.Outcome.Result is { Status: 429 or 409 })),
            MaxRetryAttempts = 2,
            Delay = TimeSpan.FromMilliseconds(300),
            BackoffType = DelayBackoffType.Exponential,
            UseJitter = true,
            DelayGenerator = args => ValueTask.FromResult(args.Outcome.Result?.RetryAfter is { } wait && wait <= TimeSpan.FromSeconds(5) ? wait : (TimeSpan?)null),
        })).Build();
    }

    /// <summary>Creates and confirms a PaymentIntent under an idempotency key.</summary>
    public Task<StripeReply<StripeIntent>> CreateIntentAsync(IEnumerable<KeyValuePair<string, string>> fields, string key, CancellationToken ct) =>
        SendAsync(_writes, HttpMethod.Post, "v1/payment_intents", fields, key, StripeJson.Default.StripeIntent, i => i.Object == "payment_intent", ct);

    /// <summary>A page of a customer's PaymentIntents created at or after an instant, newest first.</summary>
    public Task<StripeReply<StripePage>> ListIntentsAsync(string customer, Instant createdFrom, string? startingAfter, CancellationToken ct)
    {
        var query = string.Create(CultureInfo.InvariantCulture,
            $"v1/payment_intents?customer={Uri.EscapeDataString(customer)}&created[gte]={createdFrom.ToUnixTimeSeconds()}&limit={PageSize}");
        return SendAsync(_reads, HttpMethod.Get, startingAfter is null ? query : query + "&starting_after=" + Uri.EscapeDataString(startingAfter),
            null, null, StripeJson.Default.StripePage, p => p.Object == "list" && !p.Data.IsDefault, ct);
    }

    /// <summary>Cancels a PaymentIntent: afterwards it can take no money.</summary>
    public Task<StripeReply<StripeIntent>> CancelIntentAsync(string intent, CancellationToken ct) =>
        SendAsync(_writes, HttpMethod.Post, $"v1/payment_intents/{Uri.EscapeDataString(intent)}/cancel",
            [], null, StripeJson.Default.StripeIntent, i => i.Object == "payment_intent", ct);

    /// <summary>Refunds all of a PaymentIntent under an idempotency key.</summary>
    public Task<StripeReply<StripeRefund>> RefundAsync(string intent, string key, CancellationToken ct) =>
        SendAsync(_writes, HttpMethod.Post, "v1/refunds", [new("payment_intent", intent)], key, StripeJson.Default.StripeRefund, r => r.Object == "refund", ct);

    /// <summary>A payment method as it is.</summary>
    public Task<StripeReply<StripeMethod>> GetMethodAsync(string method, CancellationToken ct) =>
        SendAsync(_reads, HttpMethod.Get, $"v1/payment_methods/{Uri.EscapeDataString(method)}",
            null, null, StripeJson.Default.StripeMethod, m => m.Object == "payment_method", ct);

    /// <summary>Detaches a payment method from its customer.</summary>
    public Task<StripeReply<StripeMethod>> DetachAsync(string method, CancellationToken ct) =>
        SendAsync(_writes, HttpMethod.Post, $"v1/payment_methods/{Uri.EscapeDataString(method)}/detach",
            [], null, StripeJson.Default.StripeMethod, m => m.Object == "payment_method", ct);

    /// <inheritdoc/>
    public void Dispose()
    {
        _http.Dispose();
        _slots.Dispose();
        _rate.Dispose();
    }

    private ResiliencePipelineBuilder<Raw> Guard(ResiliencePipelineBuilder<Raw> builder) => builder
        .AddCircuitBreaker(new CircuitBreakerStrategyOptions<Raw>
        {
            ShouldHandle = args => ValueTask.FromResult(IsNoAnswer(args.Outcome)),
            FailureRatio = 0.5,
            MinimumThroughput = 20,
            SamplingDuration = TimeSpan.FromSeconds(30),
            BreakDuration = TimeSpan.FromSeconds(30),
        })
        .AddRateLimiter(_slots)
        .AddRateLimiter(_rate)
        .AddTimeout(_options.Timeout);

    private static bool IsNoAnswer(Outcome<Raw> outcome) =>
        outcome.Exception is HttpRequestException or IOException or TimeoutRejectedException || outcome.Result is { Status: >= 500 };

    private async Task<StripeReply<T>> SendAsync<T>(
        ResiliencePipeline<Raw> pipeline, HttpMethod method, string path, IEnumerable<KeyValuePair<string, string>>? fields, string? idempotencyKey,
        JsonTypeInfo<T> type, Func<T, bool> isIt, CancellationToken ct)
    {
        var isSent = false;
        try
        {
            var key = _options.KeyFile is null ? _options.Key : await StripeKey.ReadAsync(_options.KeyFile, ct);
            if (key?.IsLive != _options.Key.IsLive)
            {
                return new StripeReply<T>.NotSent(
                    key is null ? "not sent: Payments:Stripe:SecretKeyFile can't be read or holds no key"
                        : "not sent: the key in Payments:Stripe:SecretKeyFile is of another mode than at the start", IsForAll: true);
            }
            var raw = await pipeline.ExecuteAsync(async token =>
            {
                using var request = new HttpRequestMessage(method, path);
                request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key!.Reveal());
                request.Headers.Add("Stripe-Version", _options.ApiVersion);
                if (idempotencyKey is not null)
                {
                    request.Headers.Add("Idempotency-Key", idempotencyKey);
                }
                request.Content = fields is null ? null : new FormUrlEncodedContent(fields);
                isSent = true;
                using var response = await _http.SendAsync(request, token);
                return new Raw((int)response.StatusCode, await response.Content.ReadAsByteArrayAsync(token), response.Headers.RetryAfter?.Delta);
            }, ct);
            return Read(raw, type, isIt);
        }
        catch (BrokenCircuitException)
        {
            return new StripeReply<T>.NotSent("not sent: Stripe has not answered for a while, and is asked again in half a minute", IsForAll: true);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or TimeoutRejectedException)
        {
            return new StripeReply<T>.NoAnswer();
        }
        catch (OperationCanceledException)
        {
            // The caller's time is over, or the client is being closed.
            return isSent ? new StripeReply<T>.NoAnswer() : new StripeReply<T>.NotSent("not sent: it waited too long for its turn", IsForAll: false);
        }
    }

    // What is not in Stripe's own words is no answer: a proxy's page, half a body, a login form. It may stand before an executed request.
    private static StripeReply<T> Read<T>(Raw raw, JsonTypeInfo<T> type, Func<T, bool> isIt)
    {
        try
        {
            if (raw.Status == 200)
            {
                return JsonSerializer.Deserialize(raw.Body, type) is { } value && isIt(value)
                    ? new StripeReply<T>.Done(value) : new StripeReply<T>.NoAnswer();
            }
            return raw.Status is >= 400 and < 500 && JsonSerializer.Deserialize(raw.Body, StripeJson.Default.StripeErrorBody)?.Error is { Type: not null } error
                ? new StripeReply<T>.Failed(raw.Status, error) : new StripeReply<T>.NoAnswer();
        }
        catch (JsonException)
        {
            return new StripeReply<T>.NoAnswer();
        }
    }

    private sealed record Raw(int Status, byte[] Body, TimeSpan? RetryAfter);
}
