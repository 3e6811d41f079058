using Dunning.Hosting;
using Dunning.Ops.Signals;
using Dunning.Ops.Frame;
using Microsoft.AspNetCore.Http.Features;
using NodaTime;
using Npgsql;

namespace Dunning.Gateways.Webhooks;

/// <summary>
/// Takes a gateway's deliveries at <c>/webhooks/NAME</c>: checks them, keeps what they tell and answers at once; <see cref="WebhookJob"/> does the rest. What is
/// not signed by the gateway costs no work on the database.
/// </summary>
internal sealed class WebhookEndpoint(IWebhookGateway gateway, WebhookStore store, WebhookJob job, TimeProvider time, ILogger<WebhookEndpoint> logger, BookMeter? meter = null)
{
    /// <summary>The longest delivery that is taken, in bytes.</summary>
    public const int MaxBytes = 512 * 1024;

    private static readonly TimeSpan s_betweenWarnings = TimeSpan.FromMinutes(1);

    private readonly Lock _lock = new();
    private long? _warnedAt;
    private int _refused;

    public void Map(WebApplication app) => app.MapPost("/webhooks/" + gateway.Name, TakeAsync).IsPublic();

    private async Task TakeAsync(HttpContext http)
    {
        var signature = http.Request.Headers[gateway.SignatureHeader].ToString();
        var (status, why) = signature.Length == 0 ? (StatusCodes.Status400BadRequest, gateway.SignatureHeader + " is missing") : await TakeAsync(http, signature);
        if (why is not null)
        {
            meter?.CountWebhooks("refused");
            Warn(why);
        }
        http.Response.StatusCode = status;
        await http.Response.WriteAsync(why ?? "", http.RequestAborted);
    }

    private async Task<(int Status, string? Why)> TakeAsync(HttpContext http, string signature)
    {
        http.Features.GetRequiredFeature<IHttpMaxRequestBodySizeFeature>().MaxRequestBodySize = MaxBytes;
        using var body = new MemoryStream();
        try
        {
            await http.Request.Body.CopyToAsync(body, http.RequestAborted);
        }
        catch (BadHttpRequestException e)
        {
            return (e.StatusCode, e.StatusCode == StatusCodes.Status413PayloadTooLarge ? $"longer than {MaxBytes} bytes" : "the body can't be read");
        }
        var now = Instant.FromDateTimeOffset(time.GetUtcNow());
        switch (await gateway.ReadAsync(signature, body.GetBuffer().AsMemory(0, (int)body.Length), now, http.RequestAborted))
        {
            case WebhookReading.Refused(var status, var why):
                return (status, why);
            case WebhookReading.Taken({ IsEmpty: false } events):
                try
                {
                    await store.TakeAsync(gateway.Name, events, now, http.RequestAborted);
                }
                catch (NpgsqlException e)
                {
                    // The gateway sends it again.
                    logger.LogError(e, "a webhook can't be kept");
                    return (StatusCodes.Status503ServiceUnavailable, "it can't be kept now: send it again");
                }
                meter?.CountWebhooks("received", events.Length);
                job.Wake();
                break;
        }
        return (StatusCodes.Status200OK, null);
    }

    // Whoever floods the service with deliveries of his own must not flood its log.
    private void Warn(string why)
    {
        int refused;
        lock (_lock)
        {
            _refused++;
            if (_warnedAt is { } at && time.GetElapsedTime(at) < s_betweenWarnings)
            {
                return;
            }
            (_warnedAt, refused, _refused) = (time.GetTimestamp(), _refused, 0);
        }
        logger.LogWarning("{Count} deliveries to /webhooks/{Gateway} refused since the last warning, this one because {Why}", refused, gateway.Name, why);
    }
}
