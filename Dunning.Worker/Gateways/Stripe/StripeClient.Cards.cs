namespace Dunning.Gateways.Stripe;

/// <summary>The endpoints by which customers give cards.</summary>
internal sealed partial class StripeClient
{
    /// <summary>Creates a Checkout session.</summary>
    public Task<StripeReply<StripeCheckout>> CreateCheckoutAsync(IEnumerable<KeyValuePair<string, string>> fields, CancellationToken ct) =>
        SendAsync(HttpMethod.Post, "v1/checkout/sessions", fields, null, StripeCardJson.Default.StripeCheckout, s => s.Object == "checkout.session", ct);

    /// <summary>A Checkout session as it is.</summary>
    public Task<StripeReply<StripeCheckout>> GetCheckoutAsync(string session, CancellationToken ct) =>
        SendAsync(HttpMethod.Get, $"v1/checkout/sessions/{Uri.EscapeDataString(session)}",
            null, null, StripeCardJson.Default.StripeCheckout, s => s.Object == "checkout.session", ct);

    /// <summary>Creates and confirms a SetupIntent.</summary>
    public Task<StripeReply<StripeSetup>> CreateSetupAsync(IEnumerable<KeyValuePair<string, string>> fields, CancellationToken ct) =>
        SendAsync(HttpMethod.Post, "v1/setup_intents", fields, null, StripeCardJson.Default.StripeSetup, s => s.Object == "setup_intent", ct);

    /// <summary>A SetupIntent as it is.</summary>
    public Task<StripeReply<StripeSetup>> GetSetupAsync(string setup, CancellationToken ct) =>
        SendAsync(HttpMethod.Get, $"v1/setup_intents/{Uri.EscapeDataString(setup)}",
            null, null, StripeCardJson.Default.StripeSetup, s => s.Object == "setup_intent", ct);

    /// <summary>A payment method with what people recognise it by.</summary>
    public Task<StripeReply<StripeStoredMethod>> GetStoredMethodAsync(string method, CancellationToken ct) =>
        SendAsync(HttpMethod.Get, $"v1/payment_methods/{Uri.EscapeDataString(method)}",
            null, null, StripeCardJson.Default.StripeStoredMethod, m => m.Object == "payment_method", ct);
}
