using System.Collections.Immutable;
using System.Net;
using Dunning.Hosting;
using Dunning.Ops.Frame;
using Dunning.Time;
using NodaTime;

namespace Dunning.Ops.SignIn;

/// <summary>Settings of the operators' pages and of signing in. Made by <see cref="Read"/>; every fault is found at once.</summary>
public sealed record OpsSettings
{
    private const string Provider = "Ops:Oidc:";

    /// <summary><c>Ops:PublicUrl</c>: where operators reach the service, such as <c>https://dunning.example.com</c>. Null: nobody is told.</summary>
    public Uri? PublicUrl { get; init; }

    /// <summary><c>Ops:RequireHttps</c>: the pages are answered only by https, and cookies go only there. Default false.</summary>
    public bool RequiresHttps { get; init; }

    /// <summary><c>Ops:SessionIdleMinutes</c>: a session ends when nothing has been asked for so long. Default 30.</summary>
    public Duration Idle { get; init; } = Duration.FromMinutes(30);

    /// <summary><c>Ops:SessionHours</c>: and in any case after so long. Default 12.</summary>
    public Duration Lasts { get; init; } = Duration.FromHours(12);

    /// <summary><c>Ops:AllowedHosts</c>: the names under which the pages answer. Empty: any.</summary>
    public ImmutableArray<string> AllowedHosts { get; init; } = [];

    /// <summary><c>Ops:TrustedProxies</c>: addresses or networks of the proxies before the service, beside this machine's, whose word on who asks and how is taken.</summary>
    public ImmutableArray<IPNetwork> TrustedProxies { get; init; } = [];

    /// <summary><c>Ops:TimeZone</c>: the zone in which the pages tell the time and where their days begin. Default UTC.</summary>
    public DateTimeZone Zone { get; init; } = DateTimeZone.Utc;

    /// <summary>An identity provider; null: none.</summary>
    internal OidcSettings? Oidc { get; init; }

    /// <summary>The whole address of a page of ours, for mails and alerts; null without <see cref="PublicUrl"/>.</summary>
    public Uri? PageAt(string path) => PublicUrl is null ? null : new Uri(PublicUrl.AbsoluteUri.TrimEnd('/') + path);

    /// <summary>Reads the keys out of a flat configuration. Returns the settings or every fault: key, given value, what is allowed.</summary>
    public static (OpsSettings? Settings, ImmutableArray<string> Faults) Read(IReadOnlyDictionary<string, string?> flat)
    {
        var faults = ImmutableArray.CreateBuilder<string>();
        Uri? url = null;
        if (Given("Ops:PublicUrl") is { } address && !IsAddress(address, out url))
        {
            faults.Add($"Ops:PublicUrl {Said(address)}, but must be a whole https address without a query (http for this machine alone), such as https://dunning.example.com");
        }
        var https = false;
        if (Given("Ops:RequireHttps") is { } required && !bool.TryParse(required, out https))
        {
            faults.Add($"Ops:RequireHttps is '{required}', but must be true or false");
        }
        var idle = WholeNumber.Read(Given("Ops:SessionIdleMinutes"), "Ops:SessionIdleMinutes", 30, 1, 1440, faults);
        var hours = WholeNumber.Read(Given("Ops:SessionHours"), "Ops:SessionHours", 12, 1, 168, faults);
        var hosts = List("Ops:AllowedHosts");
        faults.AddRange(hosts.Where(h => Uri.CheckHostName(h) == UriHostNameType.Unknown)
            .Select(h => $"Ops:AllowedHosts has '{h}', but must be host names without a port, parted by commas, such as dunning.example.com"));
        var proxies = ImmutableArray.CreateBuilder<IPNetwork>();
        foreach (var text in List("Ops:TrustedProxies"))
        {
            if (IPAddress.TryParse(text, out var proxy))
            {
                proxies.Add(new IPNetwork(proxy, proxy.GetAddressBytes().Length * 8));
            }
            else if (IPNetwork.TryParse(text, out var network))
            {
                proxies.Add(network);
            }
            else
            {
                faults.Add($"Ops:TrustedProxies has '{text}', but must be IP addresses or networks parted by commas, such as 10.0.0.5, 10.1.0.0/16");
            }
        }
        var zone = Given("Ops:TimeZone") ?? "UTC";
        if (!LocalClock.IsZone(zone))
        {
            faults.Add($"Ops:TimeZone is '{zone}', but must be an IANA time zone, such as Europe/Paris");
        }
        var oidc = ReadOidc();
        return faults.Count > 0 ? (null, faults.ToImmutable()) : (new OpsSettings
        {
            PublicUrl = url,
            RequiresHttps = https,
            Idle = Duration.FromMinutes(idle),
            Lasts = Duration.FromHours(hours),
            AllowedHosts = hosts,
            TrustedProxies = proxies.ToImmutable(),
            Zone = ZoneData.Current[zone],
            Oidc = oidc,
        }, []);

        OidcSettings? ReadOidc()
        {
            if (!flat.Any(p => p.Value is { Length: > 0 } && p.Key.StartsWith(Provider, StringComparison.OrdinalIgnoreCase)))
            {
                return null;
            }
            var authority = Given(Provider + "Authority");
            if (authority is null || !IsAddress(authority, out var issuer))
            {
                faults.Add($"{Provider}Authority {Said(authority)}, but must be the issuer's https address (http for this machine alone), such as https://login.example.com/realms/main");
                issuer = new Uri("https://none.invalid");
            }
            if (Given(Provider + "ClientId") is not { } client)
            {
                faults.Add($"{Provider}ClientId is missing: it is what the identity provider calls this service, such as dunning");
                client = "";
            }
            var roles = ImmutableDictionary.CreateBuilder<string, OpsRole>(StringComparer.Ordinal);
            foreach (var role in Enum.GetValues<OpsRole>())
            {
                foreach (var value in List($"{Provider}Roles:{role}"))
                {
                    // Whoever stands in two has the higher.
                    roles[value] = role;
                }
            }
            if (roles.Count == 0)
            {
                faults.Add($"{Provider}Roles:Viewer, {Provider}Roles:Operator and {Provider}Roles:Admin are all missing: nobody could sign in. Name values of the claim, such as dunning-operators");
            }
            var scopes = Given(Provider + "Scopes") ?? "openid profile";
            if (!scopes.Split(' ').Contains("openid", StringComparer.Ordinal))
            {
                faults.Add($"{Provider}Scopes is '{scopes}', but must have openid among others parted by spaces, such as openid profile");
            }
            return new OidcSettings
            {
                Authority = issuer!,
                ClientId = client,
                ClientSecret = Given(Provider + "ClientSecret"),
                Title = Given(Provider + "Title") ?? issuer!.Host,
                Scopes = scopes,
                NameClaim = Given(Provider + "NameClaim") ?? "preferred_username",
                RoleClaim = Given(Provider + "RoleClaim") ?? "roles",
                Roles = roles.ToImmutable(),
            };
        }

        string? Given(string key) => flat.GetValueOrDefault(key) is { Length: > 0 } value ? value : null;

        ImmutableArray<string> List(string key) => [.. (Given(key) ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)];
    }

    // Addresses with a user may have a password.
    private static string Said(string? address) => address?.Contains('@', StringComparison.Ordinal) == true ? "has an @ (its value is not shown)" : $"is '{address}'";

    private static bool IsAddress(string text, out Uri? url) =>
        Uri.TryCreate(text, UriKind.Absolute, out url) && url is { Query: "", Fragment: "", UserInfo: "" }
        && (url.Scheme == Uri.UriSchemeHttps || (url.Scheme == Uri.UriSchemeHttp && url.IsLoopback));
}
