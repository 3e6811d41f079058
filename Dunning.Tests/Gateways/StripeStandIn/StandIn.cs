using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Primitives;
using NodaTime;

namespace Dunning.Tests.Gateways.StripeStandIn;

/// <summary>A request as it came in, without its secret.</summary>
public sealed record SeenRequest(string Method, string Path, IReadOnlyDictionary<string, string> Query, IReadOnlyList<KeyValuePair<string, string>> Form, string? IdempotencyKey, string? ApiVersion);

/// <summary>A PaymentIntent as the stand-in keeps it.</summary>
public sealed class Intent
{
    public required string Id { get; init; }
    public required long Created { get; init; }
    public required long Amount { get; init; }
    public required string Currency { get; init; }
    public required string Customer { get; init; }
    public required string Method { get; init; }
    public required SortedDictionary<string, string> Metadata { get; init; }
    public required string Status { get; set; }
    public TestDecline? Decline { get; set; }
    public bool IsRefunded { get; set; }
}

/// <summary>
/// A server on loopback that speaks Stripe's documented wire format, as far as a renewal engine uses it: form-encoded requests, error bodies,
/// idempotency keys that are good for 24 hours, test payment methods; and that breaks in every way a network and a gateway break.
/// </summary>
public sealed partial class StandIn : IAsyncDisposable
{
    public const string SecretKey = "sk_test_51StandInStandInStandIn";

    private static readonly string[] CreateParameters =
    [
        "amount", "currency", "customer", "payment_method", "confirm", "off_session", "error_on_requires_action", "statement_descriptor_suffix",
        "automatic_payment_methods[enabled]", "automatic_payment_methods[allow_redirects]", "capture_method",
    ];

    private readonly WebApplication _app;
    private readonly Func<Instant> _clock;
    private readonly Lock _lock = new();
    private readonly List<Intent> _intents = [];
    private readonly Dictionary<string, Stored> _keys = new(StringComparer.Ordinal);
    private readonly HashSet<string> _detached = new(StringComparer.Ordinal);
    private readonly ConcurrentQueue<Func<Task>> _late = new();
    private readonly CancellationTokenSource _end = new();
    private int _ids;
    private int _isDisposed;

    private StandIn(WebApplication app, Uri url, Func<Instant> clock) => (_app, Url, _clock) = (app, url, clock);

    /// <summary>Where it listens.</summary>
    public Uri Url { get; }

    /// <summary>Every request, in the order of coming.</summary>
    public ConcurrentQueue<SeenRequest> Requests { get; } = new();

    /// <summary>Faults to come, each used once: by customer for charges, by "list", "refund", "detach", "read" for the others.</summary>
    public ConcurrentDictionary<string, ConcurrentQueue<WireFault>> Faults { get; } = new(StringComparer.Ordinal);

    /// <summary>Methods and customers that Stripe does not know, with the parameter's name.</summary>
    public ConcurrentDictionary<string, string> Missing { get; } = new(StringComparer.Ordinal);

    /// <summary>What becomes of a charge of a method; null: succeeds. Default: the test cards.</summary>
    public Func<string, TestDecline?> Issuer { get; set; } = method => TestCards.Declining.GetValueOrDefault(method);

    /// <summary>The secret keys that it takes, each with the account that it belongs to; null: a restricted one, which may not read its account.</summary>
    public ConcurrentDictionary<string, string?> Keys { get; } = new(StringComparer.Ordinal) { [SecretKey] = "acct_standin" };

    /// <summary>How often each key was used.</summary>
    public ConcurrentDictionary<string, int> Uses { get; } = new(StringComparer.Ordinal);

    /// <summary>For which HTTP methods it is out: their connections are cut before anything is executed.</summary>
    public Func<string, bool> IsOut { get; set; } = _ => false;

    /// <summary>All intents, oldest first.</summary>
    public IReadOnlyList<Intent> Intents
    {
        get
        {
            lock (_lock)
            {
                return [.. _intents];
            }
        }
    }

    /// <summary>Starts it on a free port of loopback.</summary>
    public static async Task<StandIn> StartAsync(Func<Instant> clock)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        StandIn? standIn = null;
        app.Run(http => standIn!.AnswerAsync(http));
        await app.StartAsync();
        var address = app.Services.GetRequiredService<IServer>().Features.GetRequiredFeature<IServerAddressesFeature>().Addresses.Single();
        return standIn = new StandIn(app, new Uri(address), clock);
    }

    /// <summary>The next requests of that subject meet these faults, one each.</summary>
    public void Break(string subject, params WireFault[] faults)
    {
        foreach (var fault in faults)
        {
            Faults.GetOrAdd(subject, _ => new ConcurrentQueue<WireFault>()).Enqueue(fault);
        }
    }

    /// <summary>What became of a customer's bank debit: settled, or failed.</summary>
    public void Settle(string customer, TestDecline? decline)
    {
        lock (_lock)
        {
            var intent = _intents.Single(i => i.Customer == customer && i.Status == "processing");
            intent.Decline = decline;
            intent.Status = decline is null ? "succeeded" : "requires_payment_method";
            Happened(intent);
        }
    }

    /// <summary>Executes the requests that were held up on their way, or the first so many of them.</summary>
    public async Task<int> DeliverLateAsync(int most = int.MaxValue)
    {
        var delivered = 0;
        for (; delivered < most && _late.TryDequeue(out var execute); delivered++)
        {
            await execute();
        }
        return delivered;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) != 0)
        {
            return;
        }
        await _end.CancelAsync();
        await _app.DisposeAsync();
        _end.Dispose();
    }

    private async Task AnswerAsync(HttpContext http)
    {
        var request = http.Request;
        IReadOnlyList<KeyValuePair<string, string>> form = request.HasFormContentType
            ? [.. (await request.ReadFormAsync(http.RequestAborted)).SelectMany(f => f.Value, (f, v) => new KeyValuePair<string, string>(f.Key, v!))] : [];
        var key = request.Headers["Idempotency-Key"].FirstOrDefault();
        var query = request.Query.ToDictionary(q => q.Key, q => q.Value.ToString(), StringComparer.Ordinal);
        Requests.Enqueue(new SeenRequest(request.Method, request.Path, query, form, key, request.Headers["Stripe-Version"].FirstOrDefault()));
        if (IsOut(request.Method))
        {
            http.Abort();
            return;
        }
        if (request.Headers.Authorization.ToString() is not ['B', 'e', 'a', 'r', 'e', 'r', ' ', .. var secret] || !Keys.TryGetValue(secret, out var owner))
        {
            await WriteAsync(http, Error(401, "invalid_request_error", "api_key_invalid", null, "Invalid API Key provided"));
            return;
        }
        Uses.AddOrUpdate(secret, 1, (_, uses) => uses + 1);
        if (request.Path == "/v1/account")
        {
            await WriteAsync(http, owner is null ? Error(403, "invalid_request_error", "more_permissions_required_for_application", null, "The provided key does not have the required permissions")
                : new Reply(200, new JsonObject { ["id"] = owner, ["object"] = "account" }));
            return;
        }
        var subject = request.Path.Value switch
        {
            "/v1/payment_intents" when request.Method == "POST" => form.FirstOrDefault(f => f.Key == "customer").Value ?? "",
            "/v1/payment_intents" => "list",
            "/v1/refunds" => "refund",
            "/v1/checkout/sessions" => "checkout",
            "/v1/setup_intents" => "setup",
            var other when request.Method == "POST" || other!.StartsWith("/v1/payment_methods/", StringComparison.Ordinal) => "detach",
            _ => "read",
        };
        var fault = Faults.TryGetValue(subject, out var faults) && faults.TryDequeue(out var next) ? next : (WireFault?)null;
        var (method, path) = (request.Method, request.Path.Value!); // a late request outlives its connection
        await AnswerAsync(http, fault, isHalf => Execute(method, path, query, form, key, isHalf));
    }

    private async Task AnswerAsync(HttpContext http, WireFault? fault, Func<bool, Reply> execute)
    {
        switch (fault)
        {
            case null:
                var reply = execute(false);
                await BeforeAnswering();
                await WriteAsync(http, reply);
                return;
            case WireFault.CutBefore:
                http.Abort();
                return;
            case WireFault.CutAfter:
                execute(false);
                http.Abort();
                return;
            case WireFault.SilentBefore:
                await SilenceAsync(http);
                return;
            case WireFault.SilentAfter:
                execute(false);
                await SilenceAsync(http);
                return;
            case WireFault.ErrorBefore:
                await WriteAsync(http, Error(500, "api_error", null, null, "An error occurred"));
                return;
            case WireFault.ErrorAfter:
                execute(false);
                http.Response.StatusCode = 502;
                await http.Response.WriteAsync("<html><body>Bad gateway</body></html>");
                return;
            case WireFault.HalfDone:
                await WriteAsync(http, execute(true));
                return;
            case WireFault.TooMany:
                http.Response.Headers.RetryAfter = "1";
                await WriteAsync(http, Error(429, "invalid_request_error", "rate_limit", null, "Too many requests"));
                return;
            case WireFault.CutBody:
                var cut = execute(false).Body.ToJsonString();
                http.Response.ContentLength = cut.Length;
                await http.Response.WriteAsync(cut[..(cut.Length / 2)]);
                await http.Response.Body.FlushAsync();
                http.Abort();
                return;
            case WireFault.WrongJson:
                execute(false);
                await http.Response.WriteAsync("<html><body>Please sign in to the network</body></html>");
                return;
            case WireFault.SlowDrip:
                await DripAsync(http, execute(false).Body.ToJsonString());
                return;
            case WireFault.KeyInUse:
                await WriteAsync(http, Error(409, "idempotency_error", "idempotency_key_in_use", null, "There is currently another in-progress request using this Idempotent Key"));
                return;
            case WireFault.KeyMismatch:
                await WriteAsync(http, Error(400, "idempotency_error", null, null, "Keys for idempotent requests can only be used with the same parameters they were first used with"));
                return;
            case WireFault.Late:
                _late.Enqueue(() => Task.FromResult(execute(false)));
                http.Abort();
                return;
            case WireFault.Unauthorized:
                await WriteAsync(http, Error(401, "invalid_request_error", "api_key_expired", null, "Expired API Key provided"));
                return;
        }
    }

    private Reply Execute(
        string method, string path, Dictionary<string, string> query, IReadOnlyList<KeyValuePair<string, string>> form, string? key, bool isHalf)
    {
        lock (_lock)
        {
            var hash = Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(
                path + "?" + string.Join('&', form.OrderBy(f => f.Key, StringComparer.Ordinal).Select(f => f.Key + "=" + f.Value)))));
            var now = _clock();
            if (key is not null && _keys.TryGetValue(key, out var stored) && now - stored.At < Duration.FromHours(24))
            {
                return stored.Hash == hash ? stored.Reply with { IsReplay = true }
                    : Error(400, "idempotency_error", null, null, "Keys for idempotent requests can only be used with the same parameters they were first used with");
            }
            var reply = path.Split('/', StringSplitOptions.RemoveEmptyEntries) switch
            {
                ["v1", "payment_intents"] when method == "POST" => Create(form, now, isHalf),
                ["v1", "payment_intents"] => List(query),
                ["v1", "payment_intents", var id, "cancel"] => Cancel(id),
                ["v1", "refunds"] => Refund(form),
                ["v1", "payment_methods", var id] when method == "GET" => Method(id),
                ["v1", "payment_methods", var id, "detach"] => Detach(id),
                var parts when ExecuteCards(method, parts, form) is { } cards => cards,
                ["v1", var kind, var id] when method == "GET" => Read(kind, id),
                _ => Error(404, "invalid_request_error", null, null, "Unrecognized request URL"),
            };
            // Stored are results and failures of what began; nothing for a request that was wrong in itself.
            if (key is not null && reply.Status is 200 or 402 or 500)
            {
                _keys[key!] = new Stored(hash, now, reply);
            }
            return reply;
        }
    }

    private Reply Create(IReadOnlyList<KeyValuePair<string, string>> form, Instant now, bool isHalf)
    {
        var fields = form.ToDictionary(f => f.Key, f => f.Value, StringComparer.Ordinal);
        if (fields.Keys.FirstOrDefault(k => !CreateParameters.Contains(k) && !k.StartsWith("metadata[", StringComparison.Ordinal)) is { } unknown)
        {
            return Error(400, "invalid_request_error", "parameter_unknown", unknown, "Received unknown parameter: " + unknown);
        }
        var isConfirmed = fields.GetValueOrDefault("confirm") == "true";
        var (customer, card) = (fields.GetValueOrDefault("customer", ""), fields.GetValueOrDefault("payment_method", ""));
        foreach (var name in new[] { "customer", "payment_method" })
        {
            if (isConfirmed && Missing.TryGetValue(fields[name], out var words))
            {
                return Error(400, "invalid_request_error", "resource_missing", name, $"No such {name}: '{fields[name]}'{words}");
            }
        }
        if (_detached.Contains(card))
        {
            return Error(400, "invalid_request_error", null, null, "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment, "
                + "shared with a connected account without Customer attachment, or was detached from a Customer. It may not be used again.");
        }
        if (!long.TryParse(fields["amount"], out var amount) || amount < 1)
        {
            return Error(400, "invalid_request_error", "parameter_invalid_integer", "amount", "This value must be greater than or equal to 1.");
        }
        if (fields["currency"] != fields["currency"].ToLowerInvariant())
        {
            return Error(400, "invalid_request_error", null, "currency", "Invalid currency");
        }
        var decline = isConfirmed ? Issuer(card) : null;
        var intent = new Intent
        {
            Id = $"pi_{++_ids:D8}",
            Created = now.ToUnixTimeSeconds(),
            Amount = amount,
            Currency = fields["currency"],
            Customer = customer,
            Method = card,
            Metadata = new SortedDictionary<string, string>(
                fields.Where(f => f.Key.StartsWith("metadata[", StringComparison.Ordinal)).ToDictionary(f => f.Key[9..^1], f => f.Value), StringComparer.Ordinal),
            Decline = isHalf ? null : decline,
            Status = isHalf ? "requires_confirmation" : !isConfirmed || decline is not null ? "requires_payment_method" : card == "pm_sepa" ? "processing"
                : fields.GetValueOrDefault("capture_method") == "manual" ? "requires_capture" : "succeeded",
        };
        _intents.Add(intent);
        Happened(intent);
        return isHalf ? Error(500, "api_error", null, null, "An error occurred")
            : decline is null ? new Reply(200, Json(intent))
            : new Reply(402, new JsonObject { ["error"] = Json(decline, Json(intent)) });
    }

    private Reply List(Dictionary<string, string> query)
    {
        var from = long.Parse(query["created[gte]"]);
        var before = query.TryGetValue("created[lt]", out var end) ? long.Parse(end) : long.MaxValue;
        var limit = int.Parse(query["limit"]);
        var all = _intents.Where(i => (!query.TryGetValue("customer", out var customer) || i.Customer == customer) && i.Created >= from && i.Created < before).Reverse().ToList();
        if (query.TryGetValue("starting_after", out var after))
        {
            all = [.. all.SkipWhile(i => i.Id != after).Skip(1)];
        }
        return new Reply(200, new JsonObject
        {
            ["object"] = "list",
            ["url"] = "/v1/payment_intents",
            ["has_more"] = all.Count > limit,
            ["data"] = new JsonArray([.. all.Take(limit).Select(i => Json(i))]),
        });
    }

    private Reply Cancel(string id)
    {
        if (_intents.FirstOrDefault(i => i.Id == id) is not { } intent)
        {
            return Error(404, "invalid_request_error", "resource_missing", "intent", "No such payment_intent");
        }
        if (intent.Status is "succeeded" or "processing" or "canceled")
        {
            var refusal = Error(400, "invalid_request_error", "payment_intent_unexpected_state", null, "You cannot cancel this PaymentIntent");
            refusal.Body["error"]!["payment_intent"] = Json(intent);
            return refusal;
        }
        intent.Status = "canceled";
        Happened(intent);
        return new Reply(200, Json(intent));
    }

    private Reply Refund(IReadOnlyList<KeyValuePair<string, string>> form)
    {
        if (_intents.FirstOrDefault(i => i.Id == form.Single(f => f.Key == "payment_intent").Value) is not { Status: "succeeded" } intent)
        {
            return Error(400, "invalid_request_error", null, "payment_intent", "This PaymentIntent does not have a successful charge to refund.");
        }
        if (intent.IsRefunded)
        {
            return Error(400, "invalid_request_error", "charge_already_refunded", null, "Charge has already been refunded.");
        }
        intent.IsRefunded = true;
        Happened("charge.refunded", ChargeOf(intent));
        return new Reply(200, new JsonObject
        {
            ["id"] = $"re_{++_ids:D8}", ["object"] = "refund", ["amount"] = intent.Amount, ["payment_intent"] = intent.Id, ["status"] = "succeeded",
        });
    }

    private Reply Method(string id) => Missing.ContainsKey(id)
        ? Error(404, "invalid_request_error", "resource_missing", "payment_method", $"No such PaymentMethod: '{id}'")
        : _given.TryGetValue(id, out var given) ? new Reply(200, Json(id, given, _detached.Contains(id)))
        : new Reply(200, MethodOf(id));

    private Reply Detach(string id)
    {
        if (Missing.TryGetValue(id, out var words))
        {
            return Error(404, "invalid_request_error", "resource_missing", "payment_method", $"No such PaymentMethod: '{id}'{words}");
        }
        if (_detached.Add(id))
        {
            Happened("payment_method.detached", MethodOf(id));
            return Method(id);
        }
        return Error(400, "invalid_request_error", null, null, "The payment method you provided is not attached to a customer so detachment is impossible.");
    }

    private static JsonObject Json(Intent intent) => new()
    {
        ["id"] = intent.Id,
        ["object"] = "payment_intent",
        ["amount"] = intent.Amount,
        ["amount_received"] = intent.Status == "succeeded" ? intent.Amount : 0,
        ["currency"] = intent.Currency,
        ["created"] = intent.Created,
        ["customer"] = intent.Customer,
        ["livemode"] = false,
        ["metadata"] = new JsonObject(intent.Metadata.Select(m => new KeyValuePair<string, JsonNode?>(m.Key, m.Value))),
        ["payment_method"] = intent.Status == "requires_payment_method" ? null : intent.Method,
        ["status"] = intent.Status,
        ["last_payment_error"] = intent.Decline is { } decline ? Json(decline, null) : null,
    };

    private static JsonObject Json(TestDecline decline, JsonObject? intent)
    {
        var error = new JsonObject
        {
            ["type"] = "card_error", ["code"] = decline.Code, ["message"] = "Your card was declined.", ["charge"] = "ch_1",
            ["payment_method"] = new JsonObject { ["id"] = "pm_1", ["object"] = "payment_method" },
        };
        foreach (var (name, value) in new[]
            { ("decline_code", decline.DeclineCode), ("advice_code", decline.AdviceCode), ("network_advice_code", decline.NetworkAdviceCode) })
        {
            if (value is not null)
            {
                error[name] = value;
            }
        }
        if (intent is not null)
        {
            error["payment_intent"] = intent;
        }
        return error;
    }

    private static Reply Error(int status, string type, string? code, string? param, string message)
    {
        var error = new JsonObject { ["type"] = type, ["message"] = message };
        if (code is not null)
        {
            error["code"] = code;
        }
        if (param is not null)
        {
            error["param"] = param;
        }
        return new Reply(status, new JsonObject { ["error"] = error });
    }

    private async Task WriteAsync(HttpContext http, Reply reply)
    {
        http.Response.StatusCode = reply.Status;
        http.Response.ContentType = "application/json";
        http.Response.Headers["Request-Id"] = $"req_{Interlocked.Increment(ref _ids)}";
        if (reply.IsReplay)
        {
            http.Response.Headers["Idempotent-Replayed"] = "true";
        }
        await http.Response.WriteAsync(reply.Body.ToJsonString(), http.RequestAborted);
    }

    private async Task SilenceAsync(HttpContext http)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, _end.Token);
        await Task.Delay(Timeout.Infinite, end.Token).ContinueWith(_ => { }, TaskScheduler.Default);
        http.Abort();
    }

    private async Task DripAsync(HttpContext http, string body)
    {
        try
        {
            foreach (var letter in body)
            {
                await http.Response.WriteAsync(letter.ToString(), http.RequestAborted);
                await http.Response.Body.FlushAsync(http.RequestAborted);
                await Task.Delay(100, http.RequestAborted);
            }
        }
        catch (OperationCanceledException)
        {
            // The client has given up.
        }
    }

    private sealed record Reply(int Status, JsonObject Body, bool IsReplay = false);

    private sealed record Stored(string Hash, Instant At, Reply Reply);
}
