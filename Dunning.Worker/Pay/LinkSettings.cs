using System.Collections.Immutable;
using System.Net;
using Dunning.Hosting;

namespace Dunning.Pay;

/// <summary>What a new payment method is verified by.</summary>
public enum Verification
{
    /// <summary>By its being stored: the gateway asks the issuer for nothing, and mostly gets an answer.</summary>
    Setup,

    /// <summary>By a reservation of the currency's main unit, given back some days later.</summary>
    Authorize,
}

/// <summary>Settings of the links in mails and of what customers do with them. Made by <see cref="Read"/>; every fault is found at once.</summary>
public sealed record LinkSettings
{
    private static readonly ImmutableArray<string> s_keys = ["Links:PublicUrl", "Links:Proxies"];

    /// <summary>
    /// <c>Links:PublicUrl</c>: the https address under which customers reach the service, such as <c>https://billing.example.com</c>. Null: there are no
    /// links of ours, and no pages.
    /// </summary>
    public Uri? PublicUrl { get; init; }

    /// <summary><c>Links:Proxies</c>: the addresses of the proxies before the service, beside this machine's, whose word on who asks is taken.</summary>
    public ImmutableArray<IPAddress> Proxies { get; init; } = [];

    /// <summary><c>Payments:Verification</c>: setup (default) or authorize.</summary>
    public Verification Verification { get; init; }

    /// <summary><c>Payments:VerificationVoidDays</c>: after how many days a reservation is given back. Default 3, at most 6: banks drop it after 7.</summary>
    public int VerificationVoidDays { get; init; } = 3;

    /// <summary>The address of one of our pages; null without <see cref="PublicUrl"/>.</summary>
    public Uri? PageAt(string path) => PublicUrl is null ? null : new Uri(PublicUrl.AbsoluteUri.TrimEnd('/') + path);

    /// <summary>Reads the keys out of a flat configuration. Returns the settings or every fault: key, given value, what is allowed.</summary>
    public static (LinkSettings? Settings, ImmutableArray<string> Faults) Read(IReadOnlyDictionary<string, string?> flat)
    {
        var faults = ImmutableArray.CreateBuilder<string>();
        faults.AddRange(flat.Where(p => p.Value is { Length: > 0 } && p.Key.StartsWith("Links:", StringComparison.OrdinalIgnoreCase)
            && !s_keys.Contains(p.Key, StringComparer.OrdinalIgnoreCase)).Select(p => $"{p.Key} is unknown: the keys are {string.Join(", ", s_keys)}"));
        Uri? address = null;
        if (Given("Links:PublicUrl") is { } url && !IsPublic(url, out address))
        {
            faults.Add($"Links:PublicUrl is '{url}', but must be a whole https address without a query (http for this machine alone), such as https://billing.example.com");
        }
        var proxies = ImmutableArray.CreateBuilder<IPAddress>();
        foreach (var text in (Given("Links:Proxies") ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            if (IPAddress.TryParse(text, out var proxy))
            {
                proxies.Add(proxy);
            }
            else
            {
                faults.Add($"Links:Proxies has '{text}', but must be IP addresses parted by commas, such as 10.0.0.5");
            }
        }
        var how = Given("Payments:Verification") ?? "setup";
        if (how is not ("setup" or "authorize"))
        {
            faults.Add($"Payments:Verification is '{how}', but must be setup or authorize");
        }
        var days = WholeNumber.Read(Given("Payments:VerificationVoidDays"), "Payments:VerificationVoidDays", 3, 0, 6, faults);
        return faults.Count > 0 ? (null, faults.ToImmutable()) : (new LinkSettings
        {
            PublicUrl = address,
            Proxies = proxies.ToImmutable(),
            Verification = how == "authorize" ? Verification.Authorize : Verification.Setup,
            VerificationVoidDays = days,
        }, []);

        string? Given(string key) => flat.GetValueOrDefault(key) is { Length: > 0 } value ? value : null;
    }

    private static bool IsPublic(string text, out Uri? url) =>
        Uri.TryCreate(text, UriKind.Absolute, out url) && url is { Query: "", Fragment: "", UserInfo: "" }
        && (url.Scheme == Uri.UriSchemeHttps || (url.Scheme == Uri.UriSchemeHttp && url.IsLoopback));
}
