using System.Collections.Frozen;

namespace Dunning.Tests.Gateways.StripeStandIn;

/// <summary>How a payment method fails off-session: the code of the error, its decline code, and the advice that comes with it.</summary>
public sealed record TestDecline(string Code, string? DeclineCode = null, string? AdviceCode = null, string? NetworkAdviceCode = null);

/// <summary>Stripe's documented test methods, and a few of our own for what no test method shows. Every other method succeeds.</summary>
internal static class TestCards
{
    public static readonly FrozenDictionary<string, TestDecline> Declining = new Dictionary<string, TestDecline>(StringComparer.Ordinal)
    {
        ["pm_card_visa_chargeDeclined"] = new("card_declined", "generic_decline", "try_again_later"),
        ["pm_card_visa_chargeDeclinedInsufficientFunds"] = new("card_declined", "insufficient_funds", "try_again_later"),
        ["pm_card_visa_chargeDeclinedLostCard"] = new("card_declined", "lost_card", "do_not_try_again"),
        ["pm_card_visa_chargeDeclinedStolenCard"] = new("card_declined", "stolen_card", "do_not_try_again"),
        ["pm_card_visa_chargeDeclinedVelocityLimitExceeded"] = new("card_declined", "card_velocity_exceeded", "try_again_later"),
        ["pm_card_chargeDeclinedExpiredCard"] = new("expired_card"),
        ["pm_card_chargeDeclinedIncorrectCvc"] = new("incorrect_cvc"),
        ["pm_card_chargeDeclinedProcessingError"] = new("processing_error", null, "try_again_later"),
        ["pm_card_chargeCustomerFail"] = new("card_declined", "generic_decline"),
        ["pm_card_authenticationRequired"] = new("authentication_required", "authentication_required"),
        ["pm_card_authenticationRequiredOnSetup"] = new("authentication_required", "authentication_required"),
        // Issuers whose advice says more than their code.
        ["pm_never_again"] = new("card_declined", "generic_decline", "do_not_try_again"),
        ["pm_confirm_data"] = new("card_declined", "do_not_honor", "confirm_card_data"),
        ["pm_network_never"] = new("card_declined", "generic_decline", null, "03"),
        ["pm_network_new_data"] = new("card_declined", "do_not_honor", null, "01"),
        ["pm_network_later"] = new("card_declined", "restricted_card", null, "25"),
    }.ToFrozenDictionary(StringComparer.Ordinal);
}
