using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace Dunning.Gateways.Stripe;

/// <summary>What is read of a Checkout session of mode <c>setup</c>.</summary>
internal sealed record StripeCheckout(string Object, string Id, string? Status = null, string? Url = null, string? Customer = null, string? SetupIntent = null);

/// <summary>What is read of a SetupIntent.</summary>
internal sealed record StripeSetup(
    string Object, string Id, string Status, string? Customer = null, string? PaymentMethod = null, StripeNextAction? NextAction = null,
    StripeError? LastSetupError = null, ImmutableDictionary<string, string>? Metadata = null);

/// <summary>What the customer has to do.</summary>
internal sealed record StripeNextAction(string Type, StripeRedirect? RedirectToUrl = null);

/// <summary>Where the customer has to go.</summary>
internal sealed record StripeRedirect(string? Url = null);

/// <summary>What people recognise a stored method by.</summary>
internal sealed record StripeStoredMethod(
    string Object, string Id, string Type, string? Customer = null, StripeMethodDetails? Card = null, StripeMethodDetails? SepaDebit = null);

/// <summary>Of a card, or of a bank account, which has no brand and no end.</summary>
internal sealed record StripeMethodDetails(string? Brand = null, string? Last4 = null, int? ExpMonth = null, int? ExpYear = null);

/// <summary>As <see cref="StripeJson"/>, of what customers do.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(StripeCheckout))]
[JsonSerializable(typeof(StripeSetup))]
[JsonSerializable(typeof(StripeStoredMethod))]
internal sealed partial class StripeCardJson : JsonSerializerContext;
