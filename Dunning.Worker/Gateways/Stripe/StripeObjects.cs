using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Dunning.Gateways.Stripe;

/// <summary>What is read of a PaymentIntent. An answer without what has no default here is none.</summary>
internal sealed record StripeIntent(
    string Object, string Id, string Status, long Amount, string Currency, ImmutableDictionary<string, string>? Metadata = null,
    StripeError? LastPaymentError = null, long Created = 0, long AmountReceived = 0);

/// <summary>What is read of an error: of a refused request, and of an intent's last failed attempt.</summary>
internal sealed record StripeError(
    string? Type = null, string? Code = null, string? DeclineCode = null, string? AdviceCode = null, string? NetworkAdviceCode = null,
    string? Param = null, string? Message = null, StripeIntent? PaymentIntent = null);

/// <summary>The body of every answer that is no success.</summary>
internal sealed record StripeErrorBody(StripeError? Error = null);

/// <summary>A page of a list.</summary>
internal sealed record StripePage(string Object, ImmutableArray<StripeIntent> Data, bool HasMore);

/// <summary>What is read of the account that a key belongs to.</summary>
internal sealed record StripeAccount(string Object, string Id);

/// <summary>What is read of a refund.</summary>
internal sealed record StripeRefund(string Object, string Id, string? Status = null);

/// <summary>What is read of a payment method: the customer that it is attached to, if any, and its card, if it is one.</summary>
internal sealed record StripeMethod(string Object, string Id, string? Customer = null, StripeCard? Card = null);

/// <summary>What is read of a card.</summary>
internal sealed record StripeCard(int? ExpMonth = null, int? ExpYear = null, string? Brand = null, string? Last4 = null);

/// <summary>What is read of a charge: one attempt of a PaymentIntent.</summary>
internal sealed record StripeCharge(
    string Object, string Id, string Currency, long AmountRefunded, string? PaymentIntent = null, StripeChargeMethod? PaymentMethodDetails = null);

/// <summary>What kind of method was charged.</summary>
internal sealed record StripeChargeMethod(string? Type = null);

/// <summary>What is read of a dispute.</summary>
internal sealed record StripeDispute(string Object, string Id, string Status, string Reason, string Charge);

/// <summary>What is read of a mandate.</summary>
internal sealed record StripeMandate(string Object, string Id, string Status, string PaymentMethod);

/// <summary>What is read of an event: whom it is about. All else is read anew.</summary>
internal sealed record StripeEvent(string Object, string Id, string Type, bool Livemode, StripeEventData? Data = null);

/// <summary>The object of an event, as it was when the event was made: of any kind.</summary>
internal sealed record StripeEventData(JsonElement Object);

/// <summary>How Stripe writes: snake case, and more fields than are read here.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(StripeIntent))]
[JsonSerializable(typeof(StripeErrorBody))]
[JsonSerializable(typeof(StripePage))]
[JsonSerializable(typeof(StripeRefund))]
[JsonSerializable(typeof(StripeAccount))]
[JsonSerializable(typeof(StripeMethod))]
[JsonSerializable(typeof(StripeCharge))]
[JsonSerializable(typeof(StripeDispute))]
[JsonSerializable(typeof(StripeMandate))]
[JsonSerializable(typeof(StripeEvent))]
internal sealed partial class StripeJson : JsonSerializerContext;
