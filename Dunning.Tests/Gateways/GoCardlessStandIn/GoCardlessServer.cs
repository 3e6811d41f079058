using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Dunning.Tests.Gateways.StripeStandIn;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;
using NodaTime;
using NodaTime.Text;

namespace Dunning.Tests.Gateways.GoCardlessStandIn;

/// <summary>A payment as the stand-in keeps it.</summary>
public sealed class Debit
{
    public required string Id { get; init; }
    public required Instant CreatedAt { get; init; }
    public required string Mandate { get; init; }
    public required JsonObject Fields { get; init; }
    public required string Status { get; set; }
    public long Refunded { get; set; }
    public string Key => Fields["metadata"]?["dunning_key"]?.GetValue<string>() ?? "";
}

/// <summary>
/// A server on loopback that speaks GoCardless's wire format, as far as a renewal engine uses it: JSON envelopes, idempotency keys that are answered
/// with a conflict, payments that settle days later or fail after that, events, signed deliveries.
/// </summary>
public sealed class GoCardlessServer : IAsyncDisposable
{
    public const string AccessToken = "sandbox_StandInStandInStandIn";
    public const string WebhookSecret = "StandInStandInStandIn";

    private readonly WebApplication _app;
    private readonly Func<Instant> _clock;
    private readonly Lock _lock = new();
    private readonly List<Debit> _debits = [];
    private readonly Dictionary<string, string> _keys = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _mandates = new(StringComparer.Ordinal);
    private readonly List<JsonObject> _events = [];
    private readonly ConcurrentDictionary<string, ConcurrentQueue<WireFault>> _faults = new(StringComparer.Ordinal);
    private readonly ConcurrentQueue<Func<JsonObject>> _late = new();
    private int _told;
    private int _ids;

    private GoCardlessServer(WebApplication app, Uri url, Func<Instant> clock) => (_app, Url, _clock) = (app, url, clock);

    /// <summary>Where it listens.</summary>
    public Uri Url { get; }

    /// <summary>Every request, in the order of coming: method, path with query, version, key, body.</summary>
    public ConcurrentQueue<(string Method, string Path, string? Version, string? Key, string Body)> Requests { get; } = new();

    /// <summary>Payments on a page: fewer than GoCardless gives, so that there are pages.</summary>
    public int PageSize { get; init; } = 2;

    /// <summary>All payments, oldest first.</summary>
    public IReadOnlyList<Debit> Debits
    {
        get
        {
            lock (_lock)
            {
                return [.. _debits];
            }
        }
    }

    /// <summary>Starts it on a free port of loopback.</summary>
    public static async Task<GoCardlessServer> StartAsync(Func<Instant> clock)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        GoCardlessServer? server = null;
        app.Run(http => server!.AnswerAsync(http));
        await app.StartAsync();
        var address = app.Services.GetRequiredService<IServer>().Features.GetRequiredFeature<IServerAddressesFeature>().Addresses.Single();
        return server = new GoCardlessServer(app, new Uri(address), clock);
    }

    /// <summary>The next requests that create a payment on a mandate meet these faults; those of "read", reads do.</summary>
    public void Break(string subject, params WireFault[] faults)
    {
        foreach (var fault in faults)
        {
            _faults.GetOrAdd(subject, _ => new ConcurrentQueue<WireFault>()).Enqueue(fault);
        }
    }

    /// <summary>A bank says what became of the last payment on a mandate: confirmed, failed or charged_back.</summary>
    public void Tell(string mandate, string action, string cause, string? status = null)
    {
        lock (_lock)
        {
            var debit = _debits.Last(d => d.Mandate == mandate);
            debit.Status = status ?? action;
            Happened("payments", action, cause, debit.Id);
        }
    }

    /// <summary>A customer withdraws a mandate.</summary>
    public void Withdraw(string mandate)
    {
        lock (_lock)
        {
            _mandates[mandate] = "cancelled";
            Happened("mandates", "cancelled", "bank_account_closed", mandate);
        }
    }

    /// <summary>What has happened since this was last called, as one delivery.</summary>
    public string TakeTold()
    {
        lock (_lock)
        {
            var told = new JsonArray([.. _events.Skip(_told).Select(e => e.DeepClone())]);
            _told = _events.Count;
            return new JsonObject { ["events"] = told, ["meta"] = new JsonObject { ["webhook_id"] = $"WB{_told}" } }.ToJsonString();
        }
    }

    /// <summary>The header that signs a delivery.</summary>
    public static string Sign(string body, string secret = WebhookSecret) =>
        Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), Encoding.UTF8.GetBytes(body)));

    /// <summary>Executes the requests that were held up on their way.</summary>
    public int DeliverLate()
    {
        var delivered = 0;
        for (; _late.TryDequeue(out var execute); delivered++)
        {
            execute();
        }
        return delivered;
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private async Task AnswerAsync(HttpContext http)
    {
        using var reader = new StreamReader(http.Request.Body);
        var body = await reader.ReadToEndAsync();
        var (method, path, query) = (http.Request.Method, http.Request.Path.Value!, http.Request.Query.ToDictionary(q => q.Key, q => q.Value.ToString(), StringComparer.Ordinal));
        var key = http.Request.Headers["Idempotency-Key"].FirstOrDefault();
        Requests.Enqueue((method, path + Uri.UnescapeDataString(http.Request.QueryString.Value!), http.Request.Headers["GoCardless-Version"].FirstOrDefault(), key, body));
        if (http.Request.Headers.Authorization.ToString() != "Bearer " + AccessToken)
        {
            await WriteAsync(http, Error(401, "invalid_api_usage", "access_token_not_found"));
            return;
        }
        var fields = body.Length == 0 ? null : JsonNode.Parse(body)!.AsObject();
        JsonObject Execute() => ExecuteLocked(method, path, query, fields, key);
        var subject = method == "GET" ? "read" : fields?["payments"]?["links"]?["mandate"]?.GetValue<string>() ?? "";
        switch (_faults.TryGetValue(subject, out var faults) && faults.TryDequeue(out var fault) ? fault : (WireFault?)null)
        {
            case null:
                await WriteAsync(http, Execute());
                return;
            case WireFault.CutBefore:
                http.Abort();
                return;
            case WireFault.CutAfter:
                Execute();
                http.Abort();
                return;
            case WireFault.ErrorAfter:
                Execute();
                http.Response.StatusCode = 502;
                await http.Response.WriteAsync("<html><body>Bad gateway</body></html>");
                return;
            case WireFault.TooMany:
                await WriteAsync(http, Error(429, "invalid_api_usage", "rate_limit_exceeded"));
                return;
            case WireFault.Late:
                _late.Enqueue(Execute);
                http.Abort();
                return;
            case var other:
                throw new InvalidOperationException($"{other} is no fault of this server's");
        }
    }

    private JsonObject ExecuteLocked(string method, string path, Dictionary<string, string> query, JsonObject? fields, string? key)
    {
        lock (_lock)
        {
            return path.Split('/', StringSplitOptions.RemoveEmptyEntries) switch
            {
                ["payments"] when method == "POST" => Create(fields!["payments"]!.AsObject(), key!),
                ["payments"] => List(query),
                ["payments", var id] => Find(id) is { } debit ? One(debit) : Error(404, "invalid_api_usage", "resource_not_found"),
                ["payments", var id, "actions", "cancel"] => Cancel(Find(id)!),
                ["refunds"] => Refund(fields!["refunds"]!.AsObject(), key!),
                ["mandates", var id] => Mandate(id),
                ["mandates", var id, "actions", "cancel"] => CancelMandate(id),
                ["events"] => new JsonObject
                {
                    ["events"] = new JsonArray([.. _events.AsEnumerable().Reverse()
                        .Where(e => e["links"]!["payment"]?.GetValue<string>() == query["payment"] && e["action"]!.GetValue<string>() == query["action"])
                        .Take(int.Parse(query["limit"])).Select(e => e.DeepClone())]),
                },
                _ => Error(404, "invalid_api_usage", "resource_not_found"),
            };
        }
    }

    private JsonObject Create(JsonObject fields, string key)
    {
        if (_keys.TryGetValue(key, out var known))
        {
            return Error(409, "invalid_state", "idempotent_creation_conflict", known);
        }
        var mandate = fields["links"]!["mandate"]!.GetValue<string>();
        if (_mandates.GetValueOrDefault(mandate, "active") != "active")
        {
            return Error(422, "invalid_state", "mandate_is_inactive");
        }
        if (fields["metadata"]!.AsObject().Count > 3 || fields["amount"]!.GetValue<long>() < 1)
        {
            return Error(422, "validation_failed", null);
        }
        var debit = new Debit
        {
            Id = $"PM{++_ids:D6}", CreatedAt = _clock(), Mandate = mandate, Fields = fields.DeepClone().AsObject(), Status = "pending_submission",
        };
        _debits.Add(debit);
        _keys[key] = debit.Id;
        Happened("payments", "created", "payment_created", debit.Id);
        return One(debit, 201);
    }

    private JsonObject List(Dictionary<string, string> query)
    {
        var from = InstantPattern.General.Parse(query["created_at[gte]"]).Value;
        var all = _debits.Where(d => d.Mandate == query["mandate"] && d.CreatedAt >= from).Reverse().ToList();
        if (query.TryGetValue("after", out var after))
        {
            all = [.. all.SkipWhile(d => d.Id != after).Skip(1)];
        }
        var page = all.Take(Math.Min(PageSize, int.Parse(query["limit"]))).ToList();
        return new JsonObject
        {
            ["payments"] = new JsonArray([.. page.Select(d => Json(d))]),
            ["meta"] = new JsonObject { ["cursors"] = new JsonObject { ["before"] = null, ["after"] = all.Count > page.Count ? page[^1].Id : null }, ["limit"] = PageSize },
        };
    }

    private JsonObject Cancel(Debit debit)
    {
        if (debit.Status != "pending_submission")
        {
            return Error(422, "invalid_state", "cancellation_failed");
        }
        debit.Status = "cancelled";
        Happened("payments", "cancelled", "payment_cancelled", debit.Id);
        return One(debit);
    }

    private JsonObject Refund(JsonObject fields, string key)
    {
        if (_keys.TryGetValue(key, out var known))
        {
            return Error(409, "invalid_state", "idempotent_creation_conflict", known);
        }
        var debit = Find(fields["links"]!["payment"]!.GetValue<string>())!;
        debit.Refunded += fields["amount"]!.GetValue<long>();
        Assert.Equal(debit.Refunded, fields["total_amount_confirmation"]!.GetValue<long>());
        _keys[key] = $"RF{++_ids:D6}";
        return new JsonObject { ["status"] = 201, ["refunds"] = new JsonObject { ["id"] = _keys[key] } };
    }

    private JsonObject Mandate(string id) => new() { ["mandates"] = new JsonObject { ["id"] = id, ["status"] = _mandates.GetValueOrDefault(id, "active") } };

    private JsonObject CancelMandate(string id)
    {
        if (_mandates.GetValueOrDefault(id, "active") != "active")
        {
            return Error(422, "invalid_state", "cancellation_failed");
        }
        Withdraw(id);
        return Mandate(id);
    }

    private Debit? Find(string id) => _debits.FirstOrDefault(d => d.Id == id);

    private void Happened(string type, string action, string cause, string about) => _events.Add(new JsonObject
    {
        ["id"] = $"EV{++_ids:D6}",
        ["created_at"] = InstantPattern.General.Format(_clock()),
        ["resource_type"] = type,
        ["action"] = action,
        ["details"] = new JsonObject { ["origin"] = "bank", ["cause"] = cause, ["description"] = "…" },
        ["metadata"] = new JsonObject(),
        ["links"] = new JsonObject { [type[..^1]] = about },
    });

    private static JsonObject One(Debit debit, int status = 200) => new() { ["status"] = status, ["payments"] = Json(debit) };

    private static JsonObject Json(Debit debit) => new()
    {
        ["id"] = debit.Id,
        ["created_at"] = InstantPattern.General.Format(debit.CreatedAt),
        ["amount"] = debit.Fields["amount"]!.DeepClone(),
        ["amount_refunded"] = debit.Refunded,
        ["currency"] = debit.Fields["currency"]!.DeepClone(),
        ["status"] = debit.Status,
        ["metadata"] = debit.Fields["metadata"]!.DeepClone(),
        ["links"] = new JsonObject { ["mandate"] = debit.Mandate },
    };

    private static JsonObject Error(int status, string type, string? reason, string? conflicting = null)
    {
        var item = new JsonObject { ["reason"] = reason, ["message"] = "…" };
        if (conflicting is not null)
        {
            item["links"] = new JsonObject { ["conflicting_resource_id"] = conflicting };
        }
        return new JsonObject { ["status"] = status, ["error"] = new JsonObject { ["code"] = status, ["type"] = type, ["message"] = "…", ["errors"] = new JsonArray(item) } };
    }

    private static Task WriteAsync(HttpContext http, JsonObject answer)
    {
        http.Response.StatusCode = answer["status"]?.GetValue<int>() ?? 200;
        http.Response.ContentType = "application/json";
        answer.Remove("status");
        return http.Response.WriteAsync(answer.ToJsonString());
    }
}
