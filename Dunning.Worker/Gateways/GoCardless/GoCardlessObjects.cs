using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace Dunning.Gateways.GoCardless;

/// <summary>What is read of a payment. An answer without what has no default here is none.</summary>
internal sealed record GoCardlessPayment(
    string Id, string Status, long Amount, string Currency, long AmountRefunded = 0, ImmutableDictionary<string, string>? Metadata = null);

/// <summary>What is read of a mandate.</summary>
internal sealed record GoCardlessMandate(string Id, string Status);

/// <summary>What is read of a refund.</summary>
internal sealed record GoCardlessRefund(string Id);

/// <summary>What is read of an event.</summary>
internal sealed record GoCardlessEvent(string Id, string ResourceType, string Action, ImmutableDictionary<string, string>? Links = null, GoCardlessDetails? Details = null);

/// <summary>Why an event happened, in the one vocabulary that GoCardless has for all schemes.</summary>
internal sealed record GoCardlessDetails(string? Cause = null);

/// <summary>An answer with one payment.</summary>
internal sealed record PaymentBody(GoCardlessPayment Payments);

/// <summary>A page of payments.</summary>
internal sealed record PaymentsBody(ImmutableArray<GoCardlessPayment> Payments, GoCardlessMeta Meta);

/// <summary>An answer with one mandate.</summary>
internal sealed record MandateBody(GoCardlessMandate Mandates);

/// <summary>An answer with one refund.</summary>
internal sealed record RefundBody(GoCardlessRefund Refunds);

/// <summary>Events: a page of them, or a delivery.</summary>
internal sealed record EventsBody(ImmutableArray<GoCardlessEvent> Events);

/// <summary>What a page says of itself.</summary>
internal sealed record GoCardlessMeta(GoCardlessCursors Cursors);

/// <summary>Where the next page begins, if there is one.</summary>
internal sealed record GoCardlessCursors(string? After = null);

/// <summary>The body of every answer that is no success.</summary>
internal sealed record ErrorBody(GoCardlessError? Error = null);

/// <summary>What is read of an error.</summary>
internal sealed record GoCardlessError(string? Type = null, ImmutableArray<GoCardlessErrorItem> Errors = default)
{
    /// <summary>Whether one of its reasons is that.</summary>
    public bool Has(string reason) => !Errors.IsDefault && Errors.Any(e => e.Reason == reason);

    /// <summary>The first of its reasons.</summary>
    public string? Reason => Errors.IsDefault ? null : Errors.FirstOrDefault()?.Reason;

    /// <summary>What was made under the same idempotency key before.</summary>
    public string? ConflictingId => Errors.IsDefault ? null
        : Errors.FirstOrDefault(e => e.Reason == "idempotent_creation_conflict")?.Links?.GetValueOrDefault("conflicting_resource_id");
}

/// <summary>One of the reasons of an error.</summary>
internal sealed record GoCardlessErrorItem(string? Reason = null, ImmutableDictionary<string, string>? Links = null);

/// <summary>How GoCardless writes: snake case, and more fields than are read here.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(PaymentBody))]
[JsonSerializable(typeof(PaymentsBody))]
[JsonSerializable(typeof(MandateBody))]
[JsonSerializable(typeof(RefundBody))]
[JsonSerializable(typeof(EventsBody))]
[JsonSerializable(typeof(ErrorBody))]
internal sealed partial class GoCardlessJson : JsonSerializerContext;
