using System.Collections.Frozen;

namespace Dunning.Model;

/// <summary>What a decline code means for what may be tried next.</summary>
public enum DeclineClass
{
    /// <summary>Never again with this method.</summary>
    Hard,

    /// <summary>Not before the method's data is corrected or replaced.</summary>
    NewData,

    /// <summary>Not before the customer has authenticated.</summary>
    Authentication,

    /// <summary>A passing trouble: any later attempt may do.</summary>
    Soft,

    /// <summary>Money or a limit: an attempt may do after some days.</summary>
    SoftDelayed,

    /// <summary>The issuer gives no reason: tried as the schedule says. So is every code that is not listed.</summary>
    Generic,
}

/// <summary>A decline code.</summary>
/// <param name="Code">As gateways tell it.</param>
/// <param name="Class">What may be tried next.</param>
/// <param name="Words">Which words of a language tell customers: <c>reason.WORDS</c>. What hints at fraud, theft or loss is a plain decline: the card's
/// holder might not be the one who reads.</param>
/// <param name="Meaning">For operators, where the code does not say it itself.</param>
public sealed record Decline(string Code, DeclineClass Class, string Words, string? Meaning);

/// <summary>The one table of decline codes. Sources: docs.stripe.com/declines/codes; the hard ones are RULES 4's.</summary>
public static class Declines
{
    /// <summary>The words for everything that is not told apart.</summary>
    public const string PlainWords = "declined";

    private static readonly FrozenDictionary<string, Decline> s_codes = Table().ToFrozenDictionary(d => d.Code, StringComparer.Ordinal);

    /// <summary>Every listed code.</summary>
    public static IEnumerable<Decline> All => s_codes.Values;

    /// <summary>What is known of a code; one that is not listed is generic.</summary>
    public static Decline Of(string code) => s_codes.TryGetValue(code, out var decline) ? decline : new Decline(code, DeclineClass.Generic, PlainWords, null);

    /// <summary>Whether a method that was declined so can't be charged until it is replaced.</summary>
    public static bool Blocks(DeclineClass @class) => @class is DeclineClass.Hard or DeclineClass.NewData;

    private static IEnumerable<Decline> Table() =>
    [
        Hard("lost_card"), Hard("stolen_card"), Hard("pickup_card", "the issuer wants the card withdrawn"),
        Hard("fraudulent", "suspected fraud: the gateway's or ours"), Hard("merchant_blacklist", "the card is on our own block list"),
        Hard("highest_risk_level", "blocked by the gateway's fraud rules"), Hard("invalid_account", "the account behind the card is closed or wrong"),
        Hard("new_account_information_available", "the card was replaced by another"), Hard("restricted_card", "lost, stolen or limited by its issuer"),
        Hard("transaction_not_allowed", "the issuer forbids this kind of payment"), Hard("security_violation"), Hard("service_not_allowed"), Hard("not_permitted"),
        Hard("do_not_try_again"), Hard("pin_try_exceeded"),
        new("revocation_of_authorization", DeclineClass.Hard, "revoked", "the customer has withdrawn this subscription's authorization"),
        new("revocation_of_all_authorizations", DeclineClass.Hard, "revoked", "the customer has withdrawn all our authorizations"),
        new("stop_payment_order", DeclineClass.Hard, "revoked", "the customer has told the bank to stop it"),
        new("card_not_supported", DeclineClass.Hard, "unsupported", null), new("currency_not_supported", DeclineClass.Hard, "unsupported", null),

        new("expired_card", DeclineClass.NewData, "expired", null),
        new("incorrect_number", DeclineClass.NewData, "number", null), new("invalid_number", DeclineClass.NewData, "number", null),
        new("incorrect_cvc", DeclineClass.NewData, "cvc", null), new("invalid_cvc", DeclineClass.NewData, "cvc", null),
        new("invalid_expiry_month", DeclineClass.NewData, "expiry", null), new("invalid_expiry_year", DeclineClass.NewData, "expiry", null),
        new("incorrect_zip", DeclineClass.NewData, "address", null), new("incorrect_address", DeclineClass.NewData, "address", null),

        new("authentication_required", DeclineClass.Authentication, "authenticate", null),

        new("insufficient_funds", DeclineClass.SoftDelayed, "funds", null),
        new("card_velocity_exceeded", DeclineClass.SoftDelayed, "limit", "too many payments, or too much in all"),
        new("withdrawal_count_limit_exceeded", DeclineClass.SoftDelayed, "limit", null),

        new("processing_error", DeclineClass.Soft, "later", null), new("issuer_not_available", DeclineClass.Soft, "later", "the issuer could not be reached"),
        new("try_again_later", DeclineClass.Soft, "later", null), new("reenter_transaction", DeclineClass.Soft, "later", null),
        new("approve_with_id", DeclineClass.Soft, "later", "the issuer could not authorize it"),
        new("duplicate_transaction", DeclineClass.Soft, PlainWords, "the same amount on the same card a moment before"),
        new("invalid_amount", DeclineClass.Soft, PlainWords, "the amount is above what the issuer allows"),

        new("call_issuer", DeclineClass.Generic, PlainWords, "the issuer gives no reason"),
        new("card_declined", DeclineClass.Generic, PlainWords, "the issuer gives no reason"),
        new("do_not_honor", DeclineClass.Generic, PlainWords, "the issuer gives no reason"),
        new("generic_decline", DeclineClass.Generic, PlainWords, "the issuer, or the gateway's fraud rules, give no reason"),
        new("no_action_taken", DeclineClass.Generic, PlainWords, "the issuer gives no reason"),
    ];

    private static Decline Hard(string code, string? meaning = null) => new(code, DeclineClass.Hard, PlainWords, meaning);
}
