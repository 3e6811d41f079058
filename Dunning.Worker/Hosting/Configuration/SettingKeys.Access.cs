using System.Collections.Immutable;
using static Dunning.Hosting.Configuration.SettingKey;

namespace Dunning.Hosting.Configuration;

/// <content>Keys of users, sessions and sign-in.</content>
internal static partial class SettingKeys
{
    private static ImmutableArray<SettingKey> AccessKeys =>
    [
        Optional("Ops:PublicUrl", "https://dunning.example.com", "Where operators reach the pages: what alerts and an identity provider lead to. https, or http for this machine alone."),
        Flag("Ops:RequireHttps", false, "The operators' pages answer only by https, and their cookies go only there. Needs `Ops:TrustedProxies` where the proxy is another machine: [sign-in.md](sign-in.md)."),
        Number("Ops:SessionIdleMinutes", 30, 1, 1440, "A sign-in ends when nothing has been asked for so long."),
        Number("Ops:SessionHours", 12, 1, 168, "A sign-in ends after so long, whatever is asked."),
        Optional("Ops:AllowedHosts", "dunning.example.com, localhost", "The host names under which the pages answer, without ports. Default: any."),
        Optional("Ops:TrustedProxies", "10.0.0.5, 10.1.0.0/16", "Addresses or networks of the proxies, beside this machine's, whose word on who asks and by which scheme is taken."),
        Of("Ops:TimeZone", "UTC", "IANA time zone in which the pages tell the time, such as `Europe/Paris`, and where their days begin: [operations.md](operations.md#time). An account's page keeps the account's."),
        Optional("Ops:Oidc:Authority", "https://login.example.com/realms/main", "The issuer of an OpenID Connect provider. With it, people may sign in there: [sign-in.md](sign-in.md)."),
        Optional("Ops:Oidc:ClientId", "dunning", "What the provider calls this service."),
        Secret("Ops:Oidc:ClientSecret", "…", "Its secret. Without one: a public client, by PKCE alone."),
        Optional("Ops:Oidc:Title", "Example Login", "What the button calls the provider. Default: its host."),
        Of("Ops:Oidc:Scopes", "openid profile", "What is asked of the provider, parted by spaces."),
        Of("Ops:Oidc:NameClaim", "preferred_username", "The claim that names people in the trail of what they do."),
        Of("Ops:Oidc:RoleClaim", "roles", "The claim with their groups or roles."),
        Optional("Ops:Oidc:Roles:Viewer", "dunning-readers", "Values of that claim, parted by commas, with which one may see everything."),
        Optional("Ops:Oidc:Roles:Operator", "dunning-operators", "With which one may act, too."),
        Optional("Ops:Oidc:Roles:Admin", "dunning-admins", "With which one may approve what a guard holds back, too."),
    ];
}
