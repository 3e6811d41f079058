using System.Collections.Immutable;
using System.Text.RegularExpressions;
using Dunning.Model;
using Dunning.Options;
using Dunning.Postgres;

namespace Dunning.Hosting;

/// <summary>Reads <c>Dunning:Seller:…</c>: who issues the invoices, as it is frozen on them.</summary>
internal static partial class SellerSettings
{
    private const string Prefix = "Dunning:Seller:";

    private static readonly ImmutableArray<string> s_keys =
    [
        "Country", "TimeZone", "Name", "LegalName", "LegalForm", "ShareCapital", "Line1", "Line2", "PostalCode", "City", "Siren", "VatNumber",
        "Registration", "InvoiceSeries", "CreditNoteSeries",
    ];

    /// <summary>The seller, or every fault.</summary>
    public static (SellerIdentity? Seller, ImmutableArray<string> Faults) Read(IReadOnlyDictionary<string, string?> flat, RuleOptions rules)
    {
        var faults = flat.Where(p => p.Key.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase) && p.Value is { Length: > 0 }
            && !s_keys.Contains(p.Key[Prefix.Length..], StringComparer.OrdinalIgnoreCase))
            .Select(p => $"{p.Key} is unknown: the keys are {Prefix}{string.Join(", ", s_keys)}").ToList();
        var name = At("Name") ?? "Dunning (no seller configured)";
        var seller = new SellerIdentity(
            name,
            At("LegalName") ?? name,
            rules.SellerCountry,
            new Address(At("Line1") ?? "", At("Line2"), At("PostalCode") ?? "", At("City") ?? ""),
            At("VatNumber"),
            At("Registration"),
            rules.SellerTimeZone,
            At("InvoiceSeries") ?? "INV",
            At("CreditNoteSeries") ?? "CN")
        {
            LegalForm = At("LegalForm"),
            ShareCapital = At("ShareCapital"),
            Siren = At("Siren")?.Replace(" ", "", StringComparison.Ordinal),
        };
        Check("Siren", seller.Siren is null || IsSiren(seller.Siren), "must be the nine digits of a SIREN with its check digit, such as 732 829 320");
        Check("VatNumber", seller.VatNumber is null || VatNumber().IsMatch(seller.VatNumber),
            "must be a country code and up to 13 letters and digits without spaces, such as FR44732829320");
        foreach (var (key, series) in new[] { ("InvoiceSeries", seller.InvoiceSeries), ("CreditNoteSeries", seller.CreditNoteSeries) })
        {
            Check(key, Series().IsMatch(series), "must be 1 to 20 letters, digits, '-' or '_', such as INV: it begins numbers and file names");
        }
        return faults.Count == 0 ? (seller, []) : (null, [.. faults]);

        string? At(string key) => flat.GetValueOrDefault(Prefix + key) is { Length: > 0 } value ? value : null;

        void Check(string key, bool isRight, string allowed)
        {
            if (!isRight)
            {
                faults.Add($"{Prefix}{key} is '{At(key)}', but {allowed}");
            }
        }
    }

    // Luhn's sum: every second digit from the right counts double.
    private static bool IsSiren(string text) => text.Length == 9 && text.All(char.IsAsciiDigit)
        && text.Reverse().Select((c, i) => (c - '0') * (1 + (i % 2))).Sum(n => n > 9 ? n - 9 : n) % 10 == 0;

    [GeneratedRegex("^[A-Z]{2}[A-Z0-9]{2,13}$", RegexOptions.CultureInvariant)]
    private static partial Regex VatNumber();

    [GeneratedRegex("^[A-Za-z0-9_-]{1,20}$", RegexOptions.CultureInvariant)]
    private static partial Regex Series();
}
