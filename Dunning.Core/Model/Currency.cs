using System.Collections.Frozen;

namespace Dunning.Model;

/// <summary>An ISO 4217 currency and the number of digits of its minor unit. Source: ISO 4217 list one.</summary>
public sealed record Currency
{
    private static readonly FrozenDictionary<string, Currency> Known = Make();

    private Currency(string code, int digits)
    {
        Code = code;
        Digits = digits;
    }

    /// <summary>Three capital letters, such as <c>EUR</c>.</summary>
    public string Code { get; }

    /// <summary>Digits of the minor unit: EUR 2, JPY 0, KWD 3.</summary>
    public int Digits { get; }

    /// <summary>The currency of that code.</summary>
    /// <exception cref="ArgumentException">The code is not in ISO 4217's list.</exception>
    public static Currency Of(string code) =>
        Find(code) ?? throw new ArgumentException($"'{code}' is not a currency code of ISO 4217", nameof(code));

    /// <summary>The currency of that code, or null when ISO 4217 does not list it.</summary>
    public static Currency? Find(string code) => Known.GetValueOrDefault(code);

    /// <inheritdoc/>
    public override string ToString() => Code;

    private static FrozenDictionary<string, Currency> Make()
    {
        const string none = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF";
        const string three = "BHD IQD JOD KWD LYD OMR TND";
        const string two =
            "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY " +
            "COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS " +
            "INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR " +
            "MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD " +
            "SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG";
        var all = new Dictionary<string, Currency>(StringComparer.Ordinal);
        Add(none, 0);
        Add(two, 2);
        Add(three, 3);
        return all.ToFrozenDictionary(StringComparer.Ordinal);

        void Add(string codes, int digits)
        {
            foreach (var code in codes.Split(' '))
            {
                all.Add(code, new Currency(code, digits));
            }
        }
    }
}
