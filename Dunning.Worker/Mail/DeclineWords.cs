using System.Collections.Frozen;

namespace Dunning.Mail;

/// <summary>
/// Which words of a language tell a decline code. What hints at fraud, theft or loss has none of its own: it is shown as a plain decline,
/// for the card's holder might not be the one who reads. So is every code that is not listed.
/// </summary>
internal static class DeclineWords
{
    /// <summary>The words for everything that is not told apart.</summary>
    public const string Plain = "declined";

    private static readonly FrozenDictionary<string, string> s_words = Make();

    /// <summary>Every key that a language needs as <c>reason.KEY</c>.</summary>
    public static IEnumerable<string> Keys => s_words.Values.Append(Plain).Distinct(StringComparer.Ordinal);

    /// <summary>The key of a code's words.</summary>
    public static string KeyOf(string code) => s_words.GetValueOrDefault(code, Plain);

    private static FrozenDictionary<string, string> Make()
    {
        var words = new Dictionary<string, string>(StringComparer.Ordinal);
        Add("funds", "insufficient_funds");
        Add("expired", "expired_card");
        Add("authenticate", "authentication_required");
        Add("nomethod", "no_payment_method");
        Add("blocked", "hard_decline");
        Add("number", "incorrect_number", "invalid_number");
        Add("cvc", "incorrect_cvc", "invalid_cvc");
        Add("expiry", "invalid_expiry_month", "invalid_expiry_year");
        Add("address", "incorrect_zip", "incorrect_address");
        Add("limit", "card_velocity_exceeded", "withdrawal_count_limit_exceeded");
        Add("unsupported", "card_not_supported", "currency_not_supported");
        Add("revoked", "revocation_of_authorization", "revocation_of_all_authorizations", "stop_payment_order");
        Add("later", "processing_error", "issuer_not_available", "try_again_later", "reenter_transaction", "approve_with_id");
        return words.ToFrozenDictionary(StringComparer.Ordinal);

        void Add(string key, params string[] codes)
        {
            foreach (var code in codes)
            {
                words.Add(code, key);
            }
        }
    }
}
