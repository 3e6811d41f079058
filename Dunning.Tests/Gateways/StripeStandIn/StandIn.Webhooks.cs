using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using NodaTime;

namespace Dunning.Tests.Gateways.StripeStandIn;

/// <summary>An event as it is told: again and again with the same body, until it is taken.</summary>
public sealed record ToldEvent(string Id, string Type, string Body);

/// <summary>What the stand-in tells by itself, and the objects that one reads on hearing it.</summary>
public sealed partial class StandIn
{
    public const string WebhookSecret = "whsec_StandInStandInStandIn";

    private readonly List<ToldEvent> _told = [];
    private readonly Dictionary<string, JsonObject> _objects = new(StringComparer.Ordinal);
    private readonly Dictionary<string, JsonObject> _cards = new(StringComparer.Ordinal);

    /// <summary>What happens between the execution of a request and its answer.</summary>
    public Func<Task> BeforeAnswering { get; set; } = () => Task.CompletedTask;

    /// <summary>Events that have not been taken from here yet, in the order in which they happened.</summary>
    public IReadOnlyList<ToldEvent> TakeTold()
    {
        lock (_lock)
        {
            ToldEvent[] told = [.. _told];
            _told.Clear();
            return told;
        }
    }

    /// <summary>The header that signs a delivery.</summary>
    public static string Sign(string body, Instant at, string secret = WebhookSecret)
    {
        var seconds = at.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        return $"t={seconds},v1={Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), Encoding.UTF8.GetBytes(seconds + "." + body)))}";
    }

    /// <summary>An intent that somebody else made and that has paid: at the dashboard, or on a hosted page.</summary>
    public string PayElsewhere(string customer, long amount, params (string Key, string Value)[] metadata)
    {
        lock (_lock)
        {
            var intent = new Intent
            {
                Id = $"pi_{++_ids:D8}", Created = _clock().ToUnixTimeSeconds(), Amount = amount, Currency = "eur", Customer = customer, Method = "pm_of_theirs",
                Metadata = new SortedDictionary<string, string>(metadata.ToDictionary(m => m.Key, m => m.Value), StringComparer.Ordinal), Status = "succeeded",
            };
            _intents.Add(intent);
            Happened(intent);
            return intent.Id;
        }
    }

    /// <summary>The payer disputes the charge of a customer, or the bank returns it; a status that is none of an open dispute closes it.</summary>
    public void Dispute(string customer, string reason, string status)
    {
        lock (_lock)
        {
            var intent = _intents.Last(i => i.Customer == customer && i.Status == "succeeded");
            var dispute = new JsonObject
            {
                ["id"] = "du" + intent.Id[2..], ["object"] = "dispute", ["amount"] = intent.Amount, ["currency"] = intent.Currency, ["charge"] = "ch" + intent.Id[2..],
                ["payment_intent"] = intent.Id, ["reason"] = reason, ["status"] = status,
            };
            var isNew = !_objects.ContainsKey("disputes/du" + intent.Id[2..]);
            _objects["disputes/du" + intent.Id[2..]] = dispute;
            if (isNew)
            {
                Happened("charge.dispute.created", dispute);
            }
            if (status is "won" or "lost" or "warning_closed")
            {
                Happened("charge.dispute.closed", dispute);
            }
        }
    }

    /// <summary>An issuer replaces a card; its token stays.</summary>
    public void ReplaceCard(string method, int month, int year, string last4)
    {
        lock (_lock)
        {
            _cards[method] = new JsonObject { ["brand"] = "visa", ["exp_month"] = month, ["exp_year"] = year, ["last4"] = last4 };
            Happened("payment_method.automatically_updated", MethodOf(method));
        }
    }

    /// <summary>A customer withdraws a mandate, or gives it.</summary>
    public void Mandate(string method, string status)
    {
        lock (_lock)
        {
            var mandate = new JsonObject { ["id"] = "mandate_" + method, ["object"] = "mandate", ["status"] = status, ["payment_method"] = method, ["type"] = "multi_use" };
            _objects["mandates/mandate_" + method] = mandate;
            Happened("mandate.updated", mandate);
        }
    }

    private void Happened(Intent intent)
    {
        var type = intent switch
        {
            { Status: "succeeded" or "processing" or "canceled" } => "payment_intent." + intent.Status,
            { Status: "requires_payment_method", Decline: not null } => "payment_intent.payment_failed",
            _ => null,
        };
        if (type is not null)
        {
            Happened(type, Json(intent));
        }
    }

    private void Happened(string type, JsonObject about)
    {
        var id = $"evt_{++_ids:D8}";
        _told.Add(new ToldEvent(id, type, new JsonObject
        {
            ["id"] = id,
            ["object"] = "event",
            ["api_version"] = "2020-08-27",
            ["created"] = _clock().ToUnixTimeSeconds(),
            ["data"] = new JsonObject { ["object"] = about.DeepClone() },
            ["livemode"] = false,
            ["pending_webhooks"] = 1,
            ["request"] = null,
            ["type"] = type,
        }.ToJsonString()));
    }

    private Reply Read(string kind, string id) => kind switch
    {
        "payment_intents" when _intents.FirstOrDefault(i => i.Id == id) is { } intent => new Reply(200, Json(intent)),
        "charges" when _intents.FirstOrDefault(i => "ch" + i.Id[2..] == id) is { } charged => new Reply(200, ChargeOf(charged)),
        _ when _objects.TryGetValue($"{kind}/{id}", out var known) => new Reply(200, known),
        _ => Error(404, "invalid_request_error", "resource_missing", "id", $"No such object: '{id}'"),
    };

    private static JsonObject ChargeOf(Intent intent) => new()
    {
        ["id"] = "ch" + intent.Id[2..],
        ["object"] = "charge",
        ["amount"] = intent.Amount,
        ["amount_refunded"] = intent.IsRefunded ? intent.Amount : 0,
        ["currency"] = intent.Currency,
        ["payment_intent"] = intent.Id,
        ["payment_method_details"] = new JsonObject { ["type"] = intent.Method == "pm_sepa" ? "sepa_debit" : "card" },
        ["metadata"] = new JsonObject(intent.Metadata.Select(m => new KeyValuePair<string, JsonNode?>(m.Key, m.Value))),
    };

    private JsonObject MethodOf(string id)
    {
        var method = new JsonObject { ["id"] = id, ["object"] = "payment_method", ["customer"] = _detached.Contains(id) ? null : "cus_of_" + id };
        if (_cards.TryGetValue(id, out var card))
        {
            method["card"] = card.DeepClone();
        }
        return method;
    }
}
