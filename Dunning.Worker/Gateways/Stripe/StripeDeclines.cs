using Dunning.Ports;
using NodaTime;

namespace Dunning.Gateways.Stripe;

/// <summary>Stripe's words for a failed payment, as outcomes.</summary>
internal static class StripeDeclines
{
    /// <summary>The decline in an error: the most telling of its codes, and the advice of Stripe, else the network's.</summary>
    public static GatewayOutcome.Declined Of(StripeError error) =>
        new(error.DeclineCode ?? error.Code ?? "generic_decline") { Advice = AdviceOf(error), RetryAfter = WaitOf(error.NetworkAdviceCode) };

    // Mastercard's: retry after an hour, a day, 2, 4, 6, 8, 10 days.
    private static Duration? WaitOf(string? advice) => advice switch
    {
        "24" => Duration.FromHours(1),
        "25" => Duration.FromDays(1),
        "26" => Duration.FromDays(2),
        "27" => Duration.FromDays(4),
        "28" => Duration.FromDays(6),
        "29" => Duration.FromDays(8),
        "30" => Duration.FromDays(10),
        _ => null,
    };

    /// <summary>The reason of a returned debit as a decline code.</summary>
    public static string OfReturn(string reason) => reason switch
    {
        "debit_not_authorized" => "revocation_of_authorization",
        "incorrect_account_details" => "invalid_account",
        "insufficient_funds" => reason,
        // The bank gives no reason, or none that says more.
        _ => "generic_decline",
    };

    private static DeclineAdvice AdviceOf(StripeError error) => error.AdviceCode switch
    {
        "do_not_try_again" => DeclineAdvice.Never,
        "confirm_card_data" => DeclineAdvice.NewData,
        "try_again_later" => DeclineAdvice.TryLater,
        // Mastercard's merchant advice codes, which Stripe passes on as they are.
        _ => error.NetworkAdviceCode switch
        {
            "01" => DeclineAdvice.NewData,
            "03" or "21" => DeclineAdvice.Never,
            "02" or "24" or "25" or "26" or "27" or "28" or "29" or "30" => DeclineAdvice.TryLater,
            _ => DeclineAdvice.None,
        },
    };
}
