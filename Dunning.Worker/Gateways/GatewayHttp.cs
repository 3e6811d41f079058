using System.Threading.RateLimiting;
using Polly;
using Polly.CircuitBreaker;
using Polly.RateLimiting;
using Polly.Retry;
using Polly.Timeout;

namespace Dunning.Gateways;

/// <summary>What came of a request at the wire, before anybody has read the body.</summary>
internal abstract record HttpReply
{
    private HttpReply()
    {
    }

    /// <summary>Something answered: the gateway, or a proxy before it.</summary>
    public sealed record Answered(int Status, byte[] Body) : HttpReply;

    /// <summary>No connection, timeout, a cut body. It may have been executed.</summary>
    public sealed record NoAnswer : HttpReply;

    /// <summary>It never left this process.</summary>
    /// <param name="Why">For operators.</param>
    /// <param name="IsForAll">The next request would fare no better.</param>
    /// <param name="IsSilence">Because others before it were not answered.</param>
    public sealed record NotSent(string Why, bool IsForAll, bool IsSilence = false) : HttpReply;
}

/// <summary>A request can't be made, nor could the next one.</summary>
internal sealed class NotSendableException(string message) : Exception(message);

/// <summary>
/// Requests to a gateway's API. It keeps to the rates, times requests out and stops asking while the gateway is down. It sends nothing twice but
/// reads: who retries a charge is decided elsewhere.
/// </summary>
internal sealed class GatewayHttp : IDisposable
{
    // A page of a hundred objects is some 300 KB.
    private const int MaxResponseBytes = 8 * 1024 * 1024;

    private readonly string _gateway;
    private readonly TimeSpan _timeout;
    private readonly HttpClient _http;
    private readonly ConcurrencyLimiter _slots;
    private readonly TokenBucketRateLimiter _rate;
    private readonly ResiliencePipeline<Raw> _writes;
    private readonly ResiliencePipeline<Raw> _reads;

    /// <summary>Makes it; connections are opened when they are needed.</summary>
    /// <param name="gateway">What operators call the gateway.</param>
    /// <param name="baseUrl">Where it is.</param>
    /// <param name="timeout">For one request, its answer read to the end.</param>
    /// <param name="concurrency">Requests under way at once.</param>
    /// <param name="perSecond">Requests begun a second.</param>
    /// <param name="time">The clock of pauses.</param>
    public GatewayHttp(string gateway, Uri baseUrl, TimeSpan timeout, int concurrency, int perSecond, TimeProvider time)
    {
        (_gateway, _timeout) = (gateway, timeout);
        _http = new HttpClient(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            ConnectTimeout = TimeSpan.FromSeconds(10),
            MaxConnectionsPerServer = concurrency,
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
        })
        {
            BaseAddress = baseUrl,
            Timeout = Timeout.InfiniteTimeSpan, // the pipeline's counts
            MaxResponseContentBufferSize = MaxResponseBytes,
        };
        _slots = new ConcurrencyLimiter(new ConcurrencyLimiterOptions { PermitLimit = concurrency, QueueLimit = int.MaxValue });
        var burst = Math.Max(1, perSecond / 10); // a tenth of a second's
        _rate = new TokenBucketRateLimiter(new TokenBucketRateLimiterOptions
        {
            TokenLimit = burst,
            TokensPerPeriod = burst,
            ReplenishmentPeriod = TimeSpan.FromSeconds((double)burst / perSecond),
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

    /// <summary>Sends a request, made anew for each try; only reads have more than one.</summary>
    /// <param name="isRead">It changes nothing, and may be sent again.</param>
    /// <param name="make">Makes it when its turn has come. It throws <see cref="NotSendableException"/> where there is nothing to send.</param>
    /// <param name="ct">The caller's patience.</param>
    public async Task<HttpReply> SendAsync(bool isRead, Func<CancellationToken, Task<HttpRequestMessage>> make, CancellationToken ct)
    {
        var isSent = false;
        try
        {
            var raw = await (isRead ? _reads : _writes).ExecuteAsync(async token =>
            {
                using var request = await make(token);
                isSent = true;
                using var response = await _http.SendAsync(request, token);
                return new Raw((int)response.StatusCode, await response.Content.ReadAsByteArrayAsync(token), response.Headers.RetryAfter?.Delta);
            }, ct);
            return new HttpReply.Answered(raw.Status, raw.Body);
        }
        catch (NotSendableException e)
        {
            return new HttpReply.NotSent(e.Message, IsForAll: true);
        }
        catch (BrokenCircuitException)
        {
            return new HttpReply.NotSent($"not sent: {_gateway} has not answered for a while, and is asked again in half a minute", IsForAll: true, IsSilence: true);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or TimeoutRejectedException)
        {
            return new HttpReply.NoAnswer();
        }
        catch (OperationCanceledException)
        {
            // The caller's time is over, or the client is being closed.
            return isSent ? new HttpReply.NoAnswer() : new HttpReply.NotSent("not sent: it waited too long for its turn", IsForAll: false);
        }
    }

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
        .AddTimeout(_timeout);

    private static bool IsNoAnswer(Outcome<Raw> outcome) =>
        outcome.Exception is HttpRequestException or IOException or TimeoutRejectedException || outcome.Result is { Status: >= 500 };

    private sealed record Raw(int Status, byte[] Body, TimeSpan? RetryAfter);
}
