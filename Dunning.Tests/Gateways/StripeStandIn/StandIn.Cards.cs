using System.Text.Json.Nodes;

namespace Dunning.Tests.Gateways.StripeStandIn;

/// <summary>A Checkout session of mode <c>setup</c> as the stand-in keeps it.</summary>
public sealed class Checkout
{
    public required string Id { get; init; }
    public required string Customer { get; init; }
    public required string SuccessUrl { get; init; }
    public required IReadOnlyDictionary<string, string> Fields { get; init; }
    public string Status { get; set; } = "open";
    public Setup? Setup { get; set; }
}

/// <summary>A SetupIntent as the stand-in keeps it.</summary>
public sealed class Setup
{
    public required string Id { get; init; }
    public required string Customer { get; init; }
    public string? Method { get; set; }
    public required string Status { get; set; }
    public string? ReturnUrl { get; init; }
    public TestDecline? Error { get; set; }
}

/// <summary>A method that a customer gave on Stripe's page.</summary>
public sealed record GivenMethod(string Customer, string Brand, string Last4, int Month, int Year);

/// <summary>Checkout sessions and SetupIntents, and what customers do with them.</summary>
public sealed partial class StandIn
{
    private static readonly string[] s_checkoutParameters =
    [
        "mode", "customer", "currency", "locale", "success_url", "cancel_url", "metadata[dunning_session]", "metadata[dunning_account]",
        "setup_intent_data[metadata][dunning_session]", "setup_intent_data[metadata][dunning_account]",
    ];

    private static readonly string[] s_setupParameters =
    [
        "customer", "payment_method", "confirm", "usage", "automatic_payment_methods[enabled]", "return_url", "metadata[dunning_session]", "metadata[dunning_account]",
    ];

    private readonly List<Checkout> _checkouts = [];
    private readonly List<Setup> _setups = [];
    private readonly Dictionary<string, GivenMethod> _given = new(StringComparer.Ordinal);

    /// <summary>The Checkout sessions, oldest first.</summary>
    public IReadOnlyList<Checkout> Checkouts => Locked(() => _checkouts.ToList());

    /// <summary>The SetupIntents, oldest first.</summary>
    public IReadOnlyList<Setup> Setups => Locked(() => _setups.ToList());

    /// <summary>What becomes of the confirmation of a method: an error, or null where its holder must be asked. A method in here that is null needs nothing.</summary>
    public Dictionary<string, TestDecline?> Confirmations { get; } = new(StringComparer.Ordinal);

    /// <summary>The customer gives a method on the page of the last session.</summary>
    public void Give(string method, string brand = "visa", string last4 = "4242", int month = 8, int year = 2099) => Locked(() =>
    {
        var session = _checkouts[^1];
        _given[method] = new GivenMethod(session.Customer, brand, last4, month, year);
        session.Setup = new Setup { Id = $"seti_{++_ids:D8}", Customer = session.Customer, Method = method, Status = "succeeded" };
        _setups.Add(session.Setup);
        session.Status = "complete";
        return 0;
    });

    /// <summary>The customer comes back from the bank's page of the last confirmation.</summary>
    public void Confirm(bool isPassed) => Locked(() =>
    {
        var setup = _setups[^1];
        setup.Status = isPassed ? "succeeded" : "requires_payment_method";
        setup.Error = isPassed ? null : new TestDecline("setup_intent_authentication_failure");
        return 0;
    });

    private Reply? ExecuteCards(string method, string[] parts, IReadOnlyList<KeyValuePair<string, string>> form) => parts switch
    {
        ["v1", "checkout", "sessions"] when method == "POST" => CreateCheckout(form),
        ["v1", "checkout", "sessions", var id] when method == "GET" =>
            _checkouts.FirstOrDefault(s => s.Id == id) is { } session ? new Reply(200, Json(session)) : Missed("checkout.session"),
        ["v1", "setup_intents"] when method == "POST" => CreateSetup(form),
        ["v1", "setup_intents", var id] when method == "GET" => _setups.FirstOrDefault(s => s.Id == id) is { } setup ? new Reply(200, Json(setup)) : Missed("setupintent"),
        _ => null,
    };

    private Reply CreateCheckout(IReadOnlyList<KeyValuePair<string, string>> form)
    {
        var fields = form.ToDictionary(f => f.Key, f => f.Value, StringComparer.Ordinal);
        if (UnknownOf(fields, s_checkoutParameters) is { } unknown)
        {
            return unknown;
        }
        if (Missing.ContainsKey(fields["customer"]))
        {
            return Error(400, "invalid_request_error", "resource_missing", "customer", "No such customer");
        }
        var session = new Checkout { Id = $"cs_test_{++_ids:D8}", Customer = fields["customer"], SuccessUrl = fields["success_url"], Fields = fields };
        _checkouts.Add(session);
        return new Reply(200, Json(session));
    }

    private Reply CreateSetup(IReadOnlyList<KeyValuePair<string, string>> form)
    {
        var fields = form.ToDictionary(f => f.Key, f => f.Value, StringComparer.Ordinal);
        if (UnknownOf(fields, s_setupParameters) is { } unknown)
        {
            return unknown;
        }
        var card = fields["payment_method"];
        var isAsked = !Confirmations.TryGetValue(card, out var decline);
        var setup = new Setup
        {
            Id = $"seti_{++_ids:D8}",
            Customer = fields["customer"],
            Method = card,
            ReturnUrl = fields["return_url"],
            Status = decline is not null ? "requires_payment_method" : isAsked ? "requires_action" : "succeeded",
            Error = decline,
        };
        _setups.Add(setup);
        if (decline is null)
        {
            return new Reply(200, Json(setup));
        }
        var error = Json(decline, null);
        error["setup_intent"] = Json(setup);
        return new Reply(402, new JsonObject { ["error"] = error });
    }

    private static Reply? UnknownOf(Dictionary<string, string> fields, string[] known) => fields.Keys.FirstOrDefault(k => !known.Contains(k)) is { } unknown
        ? Error(400, "invalid_request_error", "parameter_unknown", unknown, "Received unknown parameter: " + unknown) : null;

    private static Reply Missed(string what) => Error(404, "invalid_request_error", "resource_missing", null, $"No such {what}");

    private static JsonObject Json(Checkout session) => new()
    {
        ["id"] = session.Id,
        ["object"] = "checkout.session",
        ["mode"] = "setup",
        ["status"] = session.Status,
        ["customer"] = session.Customer,
        ["setup_intent"] = session.Setup?.Id,
        ["url"] = session.Status == "open" ? "https://checkout.stripe.com/c/pay/" + session.Id : null,
    };

    private static JsonObject Json(Setup setup) => new()
    {
        ["id"] = setup.Id,
        ["object"] = "setup_intent",
        ["status"] = setup.Status,
        ["customer"] = setup.Customer,
        ["payment_method"] = setup.Status == "requires_payment_method" ? null : setup.Method,
        ["usage"] = "off_session",
        ["last_setup_error"] = setup.Error is { } error ? Json(error, null) : null,
        ["next_action"] = setup.Status != "requires_action" ? null : new JsonObject
        {
            ["type"] = "redirect_to_url",
            ["redirect_to_url"] = new JsonObject { ["url"] = "https://hooks.stripe.com/3d_secure_2/hosted?id=" + setup.Id, ["return_url"] = setup.ReturnUrl },
        },
    };

    private static JsonObject Json(string id, GivenMethod method, bool isDetached) => new()
    {
        ["id"] = id,
        ["object"] = "payment_method",
        ["type"] = "card",
        ["customer"] = isDetached ? null : method.Customer,
        ["card"] = new JsonObject { ["brand"] = method.Brand, ["last4"] = method.Last4, ["exp_month"] = method.Month, ["exp_year"] = method.Year },
    };

    private T Locked<T>(Func<T> read)
    {
        lock (_lock)
        {
            return read();
        }
    }
}
