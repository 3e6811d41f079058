using System.Collections.Immutable;
using static Dunning.Hosting.Configuration.SettingKey;

namespace Dunning.Hosting.Configuration;

/// <content>Gateways, and the links by which customers pay.</content>
internal static partial class SettingKeys
{
    private static ImmutableArray<SettingKey> PaymentsKeys =>
    [
        OneOf("Payments:Gateway", "Who charges. A database belongs to the first gateway and mode that it is used with, for good: [payments.md](payments.md).", "sandbox", "stripe", "gocardless"),
        OneOf("Payments:Verification", "What a new card is verified by: by its being stored, or by a reservation.", "setup", "authorize"),
        Number("Payments:VerificationVoidDays", 3, 0, 6, "After how many days a reservation is given back."),
        Number("Payments:KeyHours", 23, 1, 23, "Hours after its first call past which an unknown charge is never sent again."),
        Number("Payments:CallTimeoutSeconds", 60, 1, 600, "How long a call of the gateway may take."),
        Number("Payments:NetworkLimit:PerMonth", 15, 1, 35, "Attempts within 30 days that may follow a decline on one card and amount."),
        Number("Payments:NetworkLimit:PerDay", 10, 1, 10, "The same within 24 hours."),
        Number("Payments:DebitNoticeDays", 2, 0, 30, "Days before a bank debit on which it is announced; 0: never."),
        Number("Payments:Outage:Failures", 10, 2, 10_000, "So many calls without an answer, and half of all within the window, and the gateway counts as out: nothing is charged until it answers again."),
        Number("Payments:Outage:WindowSeconds", 300, 10, 3600, "How far back calls count."),
        Number("Payments:Sandbox:LatencyMs", 0, 0, 60_000, "How long the sandbox takes to answer."),
        Secret("Payments:Stripe:SecretKey", "sk_test_…", "Stripe's secret or restricted key. With `stripe`, this or its file must be there."),
        InFile("Payments:Stripe:SecretKeyFile", "/etc/dunning/stripe.key", "A file with the key instead. Read at each request: a key is rotated without a restart."),
        Secret("Payments:Stripe:WebhookSecret", "whsec_…", "What Stripe signs deliveries with; several, parted by commas, while one is rotated. Without it no webhook is taken."),
        InFile("Payments:Stripe:WebhookSecretFile", "/etc/dunning/stripe.whsec", "A file with them instead, read at each delivery."),
        Optional("Payments:Stripe:StatementDescriptorSuffix", "RENEWAL", "What card statements show after the account's prefix: at most ten letters, digits, spaces, `.`, `-`."),
        Number("Payments:Stripe:TimeoutSeconds", 30, 1, 600, "For one request; at most `Payments:CallTimeoutSeconds`."),
        Number("Payments:Stripe:Concurrency", 50, 1, 500, "Requests under way at once, from this process."),
        Number("Payments:Stripe:PerSecond", null, 1, 1000, "Requests begun a second, from this process. Default: 80 with a live key, 20 with a test key.") with { Example = "80" },
        Of("Payments:Stripe:ApiVersion", Gateways.Stripe.StripeOptions.PinnedApiVersion, "The version of Stripe's API that is asked for."),
        Of("Payments:Stripe:BaseUrl", "https://api.stripe.com", "Where its API is."),
        Secret("Payments:GoCardless:AccessToken", "live_… or sandbox_…", "GoCardless's access token. With `gocardless`, this or its file must be there."),
        InFile("Payments:GoCardless:AccessTokenFile", "/etc/dunning/gocardless.token", "A file with the token instead, read at each request."),
        Secret("Payments:GoCardless:WebhookSecret", "the one shown with the endpoint", "What GoCardless signs deliveries with; several, parted by commas."),
        InFile("Payments:GoCardless:WebhookSecretFile", "/etc/dunning/gocardless.secret", "A file with them instead, read at each delivery."),
        Number("Payments:GoCardless:TimeoutSeconds", 30, 1, 600, "For one request; at most `Payments:CallTimeoutSeconds`."),
        Number("Payments:GoCardless:Concurrency", 20, 1, 500, "Requests under way at once, from this process."),
        Number("Payments:GoCardless:PerSecond", 15, 1, 1000, "Requests begun a second, from this process."),
        Of("Payments:GoCardless:ApiVersion", Gateways.GoCardless.GoCardlessOptions.PinnedApiVersion, "The version of GoCardless's API that is asked for."),
        Optional("Payments:GoCardless:BaseUrl", "https://api.gocardless.com", "Where its API is. Default: that of the token's mode."),
    ];

    private static ImmutableArray<SettingKey> LinksKeys =>
    [
        Optional("Links:PublicUrl", "https://billing.example.com", "Where customers reach the service: mails then link to pages that replace a card or confirm a payment. Without it there are none: [links.md](links.md)."),
        Optional("Links:Proxies", "10.0.0.5, 10.0.0.6", "Addresses of the proxies before the service, beside this machine's, whose word on who asks is taken."),
    ];
}
