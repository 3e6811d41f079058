using System.Globalization;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using NodaTime;
using NodaTime.Text;

namespace Dunning.Gateways.GoCardless;

/// <summary>What came of a request to GoCardless.</summary>
/// <param name="Value">The object asked for.</param>
/// <param name="Status">The HTTP status of what GoCardless said in its own words; 0: it did not answer.</param>
/// <param name="Error">Its error, when it says no.</param>
/// <param name="NotSent">Why it never left this process.</param>
internal sealed record GoCardlessReply<T>(T? Value = null, int Status = 0, GoCardlessError? Error = null, HttpReply.NotSent? NotSent = null)
    where T : class
{
    /// <summary>Why there is no value, for operators: codes alone.</summary>
    public string Why => NotSent?.Why ?? (Error is null ? "GoCardless does not answer"
        : string.Create(CultureInfo.InvariantCulture, $"GoCardless answers {Status} {Word(Error.Reason ?? Error.Type)}").TrimEnd());

    private static string? Word(string? text) => text is { Length: <= 64 } && text.All(c => char.IsAsciiLetterOrDigit(c) || c == '_') ? text : null;
}

/// <summary>The few endpoints of GoCardless's API that a renewal engine needs.</summary>
internal sealed class GoCardlessClient(GoCardlessOptions options, TimeProvider time) : IDisposable
{
    /// <summary>Payments on a page: the most that GoCardless gives.</summary>
    public const int PageSize = 500;

    private readonly GatewayHttp _http = new("GoCardless", options.BaseUrl, options.Timeout, options.Concurrency, options.PerSecond, time);

    /// <summary>Creates a payment under an idempotency key.</summary>
    public Task<GoCardlessReply<PaymentBody>> CreatePaymentAsync(JsonObject fields, string key, CancellationToken ct) =>
        SendAsync(HttpMethod.Post, "payments", new JsonObject { ["payments"] = fields }, key, GoCardlessJson.Default.PaymentBody, ct);

    /// <summary>A payment as it is.</summary>
    public Task<GoCardlessReply<PaymentBody>> GetPaymentAsync(string payment, CancellationToken ct) =>
        SendAsync(HttpMethod.Get, $"payments/{Uri.EscapeDataString(payment)}", null, null, GoCardlessJson.Default.PaymentBody, ct);

    /// <summary>A page of a mandate's payments created at or after an instant, newest first.</summary>
    public Task<GoCardlessReply<PaymentsBody>> ListPaymentsAsync(string mandate, Instant createdFrom, string? after, CancellationToken ct) => SendAsync(
        HttpMethod.Get,
        string.Create(CultureInfo.InvariantCulture,
            $"payments?mandate={Uri.EscapeDataString(mandate)}&created_at[gte]={Uri.EscapeDataString(InstantPattern.General.Format(createdFrom))}&limit={PageSize}")
            + (after is null ? "" : "&after=" + Uri.EscapeDataString(after)),
        null, null, GoCardlessJson.Default.PaymentsBody, ct);

    /// <summary>Cancels a payment that no bank has yet.</summary>
    public Task<GoCardlessReply<PaymentBody>> CancelPaymentAsync(string payment, CancellationToken ct) => SendAsync(
        HttpMethod.Post, $"payments/{Uri.EscapeDataString(payment)}/actions/cancel", [], null, GoCardlessJson.Default.PaymentBody, ct);

    /// <summary>The latest event of a payment with that action.</summary>
    public Task<GoCardlessReply<EventsBody>> LastEventAsync(string payment, string action, CancellationToken ct) => SendAsync(
        HttpMethod.Get, $"events?payment={Uri.EscapeDataString(payment)}&action={action}&limit=1", null, null, GoCardlessJson.Default.EventsBody, ct);

    /// <summary>Refunds what is left of a payment under an idempotency key; <paramref name="total"/> is what has gone back of it then.</summary>
    public Task<GoCardlessReply<RefundBody>> RefundAsync(string payment, long amount, long total, string key, CancellationToken ct) => SendAsync(
        HttpMethod.Post, "refunds",
        new JsonObject
        {
            ["refunds"] = new JsonObject { ["amount"] = amount, ["total_amount_confirmation"] = total, ["links"] = new JsonObject { ["payment"] = payment } },
        },
        key, GoCardlessJson.Default.RefundBody, ct);

    /// <summary>A mandate as it is.</summary>
    public Task<GoCardlessReply<MandateBody>> GetMandateAsync(string mandate, CancellationToken ct) =>
        SendAsync(HttpMethod.Get, $"mandates/{Uri.EscapeDataString(mandate)}", null, null, GoCardlessJson.Default.MandateBody, ct);

    /// <summary>Cancels a mandate, and with it the payments that no bank has yet.</summary>
    public Task<GoCardlessReply<MandateBody>> CancelMandateAsync(string mandate, CancellationToken ct) => SendAsync(
        HttpMethod.Post, $"mandates/{Uri.EscapeDataString(mandate)}/actions/cancel", [], null, GoCardlessJson.Default.MandateBody, ct);

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private async Task<GoCardlessReply<T>> SendAsync<T>(HttpMethod method, string path, JsonObject? fields, string? key, JsonTypeInfo<T> type, CancellationToken ct)
        where T : class
    {
        var body = fields?.ToJsonString();
        return await _http.SendAsync(isRead: method == HttpMethod.Get, async turn =>
        {
            // When its turn has come, not before: it may have waited for longer than the old token was left.
            var token = options.TokenFile is null ? options.Token : await GoCardlessToken.ReadAsync(options.TokenFile, turn);
            if (token?.IsLive != options.Token.IsLive)
            {
                throw new NotSendableException(
                    token is null ? "not sent: Payments:GoCardless:AccessTokenFile can't be read or holds no token"
                        : "not sent: the token in Payments:GoCardless:AccessTokenFile is of another mode than at the start");
            }
            var request = new HttpRequestMessage(method, path);
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token!.Reveal());
            request.Headers.Add("GoCardless-Version", options.ApiVersion);
            if (key is not null)
            {
                request.Headers.Add("Idempotency-Key", key);
            }
            request.Content = body is null ? null : new StringContent(body, new MediaTypeHeaderValue("application/json"));
            return request;
        }, ct) switch
        {
            HttpReply.Answered(var status, var answer) => Read(status, answer, type),
            HttpReply.NotSent notSent => new GoCardlessReply<T>(NotSent: notSent),
            _ => new GoCardlessReply<T>(),
        };
    }

    // What is not in GoCardless's own words is no answer: it may stand before an executed request.
    private static GoCardlessReply<T> Read<T>(int status, byte[] body, JsonTypeInfo<T> type)
        where T : class
    {
        try
        {
            return status is 200 or 201 ? new GoCardlessReply<T>(JsonSerializer.Deserialize(body, type), status)
                : status is >= 400 and < 500 && JsonSerializer.Deserialize(body, GoCardlessJson.Default.ErrorBody)?.Error is { Type: not null } error
                    ? new GoCardlessReply<T>(Status: status, Error: error) : new GoCardlessReply<T>();
        }
        catch (JsonException)
        {
            return new GoCardlessReply<T>();
        }
    }
}
