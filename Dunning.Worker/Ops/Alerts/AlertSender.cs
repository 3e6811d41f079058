using System.Collections.Concurrent;
using System.Globalization;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Dunning.Hosting;
using Dunning.Mail;
using Dunning.Ports;
using Dunning.Postgres;
using NodaTime;
using NodaTime.Text;
using Polly;
using Polly.Retry;

namespace Dunning.Ops.Alerts;

/// <summary>
/// Sends alerts: mails by the same transport as customers' mails, but past their outbox and guards, and posts to a webhook.
/// </summary>
internal sealed class AlertSender : IAsyncDisposable
{
    /// <summary>Header with which a post is signed: <c>t=SECONDS,v1=HEX</c>, the HMAC-SHA256 of <c>SECONDS.BODY</c>.</summary>
    public const string SignatureHeader = "Dunning-Signature";

    private static readonly JsonSerializerOptions s_json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly WorkerSettings _settings;
    private readonly TimeProvider _time;
    private readonly string _installation;
    private readonly IMailTransport? _transport;
    private readonly HttpClient? _http;
    private readonly ResiliencePipeline<int> _post;

    // Who has got a mail that others are still to get.
    private readonly ConcurrentDictionary<(long Message, string To), bool> _delivered = new();

    public AlertSender(WorkerSettings settings, string installation, TimeProvider time)
    {
        (_settings, _installation, _time) = (settings, installation, time);
        if (!settings.Alerts.To.IsEmpty)
        {
            _transport = MailTransports.Create(settings.Mail);
        }
        if (settings.Alerts.Webhook is not null)
        {
            _http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, PooledConnectionLifetime = TimeSpan.FromMinutes(5) })
            {
                Timeout = TimeSpan.FromSeconds(10),
                MaxResponseContentBufferSize = 64 * 1024,
            };
        }
        _post = new ResiliencePipelineBuilder<int> { TimeProvider = time }.AddRetry(new RetryStrategyOptions<int>
        {
            ShouldHandle = args => ValueTask.FromResult(args.Outcome.Exception is HttpRequestException or TaskCanceledException || args.Outcome.Result is >= 500 or 429 or 408),
            MaxRetryAttempts = 2,
            Delay = TimeSpan.FromMilliseconds(500),
            BackoffType = DelayBackoffType.Exponential,
            UseJitter = true,
        }).Build();
    }

    /// <summary>The ways that are configured.</summary>
    public IReadOnlyList<string> Ways => [.. _transport is null ? (string[])[] : ["mail"], .. _http is null ? (string[])[] : ["webhook"]];

    /// <summary>Sends one. Null: it has left; else why not, without addresses.</summary>
    public async Task<string?> SendAsync(AlertMessage message, CancellationToken ct) => (message.Way, _transport, _http) switch
    {
        ("mail", { } transport, _) => await MailAsync(transport, message, ct),
        ("webhook", _, { } http) => await PostAsync(http, message, ct),
        // It is not claimed; to say that it has left would be untrue.
        _ => "this server has no such way",
    };

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _http?.Dispose();
        if (_transport is not null)
        {
            await _transport.DisposeAsync();
        }
    }

    private string? PageOf(AlertMessage message) => _settings.Ops.PageAt(message.Page)?.AbsoluteUri;

    private async Task<string?> MailAsync(IMailTransport transport, AlertMessage message, CancellationToken ct)
    {
        string? fault = null;
        var taken = 0;
        foreach (var to in _settings.Alerts.To)
        {
            if (_delivered.ContainsKey((message.Id, to.Address)))
            {
                taken++;
                continue;
            }
            var delivery = await transport.SendAsync(Compose(message, to), ct);
            if (delivery.Verdict == DeliveryVerdict.Accepted)
            {
                _delivered[(message.Id, to.Address)] = true;
                taken++;
            }
            else if (delivery.Verdict == DeliveryVerdict.Deferred || fault is null)
            {
                fault = delivery.Detail ?? delivery.Verdict.ToString();
            }
            // An address that is refused for good is no reason to mail the others again.
            if (delivery.Verdict is DeliveryVerdict.Bounced or DeliveryVerdict.Rejected)
            {
                _delivered[(message.Id, to.Address)] = false;
            }
        }
        var isDone = taken > 0 && _settings.Alerts.To.All(t => _delivered.ContainsKey((message.Id, t.Address)));
        if (isDone || taken == 0)
        {
            foreach (var to in _settings.Alerts.To)
            {
                _delivered.TryRemove((message.Id, to.Address), out _);
            }
        }
        return isDone ? null : fault ?? "not taken";
    }

    private OutgoingMessage Compose(AlertMessage message, Mailbox to)
    {
        var state = message.What switch { "raised" => message.Severity, "reminder" => message.Severity + ", still", _ => "resolved" };
        var text = new StringBuilder();
        text.Append(message.Summary).Append("\n\n");
        text.Append(message.What switch
        {
            "resolved" => "This is over.",
            "reminder" => $"It has been so since {At(message.RaisedAt)}.",
            _ => $"Since {At(message.RaisedAt)}.",
        }).Append('\n');
        if (PageOf(message) is { } page)
        {
            text.Append('\n').Append(page).Append('\n');
        }
        text.Append(CultureInfo.InvariantCulture, $"\n-- \nAlert {message.Key} of the installation {_installation[..8]}. What to do: docs/monitoring.md, {message.Rule}.\n");
        return new OutgoingMessage
        {
            Key = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"alert|{_installation}|{message.Id}|{to.Address}"))))[..32],
            From = _settings.Mail.From,
            To = to,
            Subject = OneLine.Of($"[Dunning] {state}: {message.Summary}") is { Length: > 150 } subject ? subject[..149] + "…" : OneLine.Of($"[Dunning] {state}: {message.Summary}")!,
            Text = text.ToString(),
            Language = "en",
            Date = message.DecidedAt.Instant(),
        };
    }

    private async Task<string?> PostAsync(HttpClient http, AlertMessage message, CancellationToken ct)
    {
        var body = JsonSerializer.SerializeToUtf8Bytes(
            new
            {
                message.Id,
                State = message.What,
                message.Key,
                message.Rule,
                message.Severity,
                message.Summary,
                RaisedAt = At(message.RaisedAt),
                DecidedAt = At(message.DecidedAt),
                Page = PageOf(message),
                Installation = _installation,
            },
            s_json);
        try
        {
            var status = await _post.ExecuteAsync(async token =>
            {
                using var request = new HttpRequestMessage(HttpMethod.Post, _settings.Alerts.Webhook) { Content = new ByteArrayContent(body) };
                request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json") { CharSet = "utf-8" };
                request.Headers.TryAddWithoutValidation("Dunning-Message", message.Id.ToString(CultureInfo.InvariantCulture));
                if (_settings.Alerts.Secret is { } secret)
                {
                    request.Headers.TryAddWithoutValidation(SignatureHeader, Sign(secret, body, _time.GetUtcNow().ToUnixTimeSeconds()));
                }
                using var answer = await http.SendAsync(request, token);
                return (int)answer.StatusCode;
            }, ct);
            return status is >= 200 and < 300 ? null : string.Create(CultureInfo.InvariantCulture, $"the webhook answered {status}");
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException && !ct.IsCancellationRequested)
        {
            return "the webhook did not answer";
        }
    }

    private static string Sign(string secret, byte[] body, long seconds)
    {
        var at = seconds.ToString(CultureInfo.InvariantCulture);
        byte[] signed = [.. Encoding.ASCII.GetBytes(at + "."), .. body];
        return $"t={at},v1={Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), signed))}";
    }

    private static string At(DateTime at) => InstantPattern.General.Format(at.Instant());
}
