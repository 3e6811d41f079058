using System.Collections.Immutable;
using Dunning.Ops.Frame;

namespace Dunning.Ops.SignIn;

/// <summary>An identity provider by OpenID Connect, and who of it may do what.</summary>
internal sealed record OidcSettings
{
    /// <summary><c>Ops:Oidc:Authority</c>: the issuer. Its <c>/.well-known/openid-configuration</c> says the rest.</summary>
    public required Uri Authority { get; init; }

    /// <summary><c>Ops:Oidc:ClientId</c>.</summary>
    public required string ClientId { get; init; }

    /// <summary><c>Ops:Oidc:ClientSecret</c>. Null: a public client, by PKCE alone.</summary>
    public string? ClientSecret { get; init; }

    /// <summary><c>Ops:Oidc:Title</c>: what the button calls it. Default: the authority's host.</summary>
    public required string Title { get; init; }

    /// <summary><c>Ops:Oidc:Scopes</c>. Default <c>openid profile</c>.</summary>
    public required string Scopes { get; init; }

    /// <summary><c>Ops:Oidc:NameClaim</c>: what names people in the trail. Default <c>preferred_username</c>.</summary>
    public required string NameClaim { get; init; }

    /// <summary><c>Ops:Oidc:RoleClaim</c>: where the provider says groups or roles. Default <c>roles</c>.</summary>
    public required string RoleClaim { get; init; }

    /// <summary><c>Ops:Oidc:Roles:Viewer</c>, <c>Operator</c>, <c>Admin</c>: which values of that claim have which role, parted by commas.</summary>
    public required ImmutableDictionary<string, OpsRole> Roles { get; init; }

    /// <summary>The highest role of those values; null: none of them has one.</summary>
    public OpsRole? RoleOf(IEnumerable<string> values) => values.Select(v => Roles.TryGetValue(v, out var role) ? role : (OpsRole?)null).Max();
}
