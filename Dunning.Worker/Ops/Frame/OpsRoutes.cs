namespace Dunning.Ops.Frame;

/// <summary>What a route asks of who comes. A route that says neither is answered to nobody.</summary>
/// <param name="Role">The least role; null: anybody may come, signed in or not.</param>
internal sealed record OpsAccess(OpsRole? Role)
{
    /// <summary>It decides by itself whom it answers, such as by a signature or a key in its address.</summary>
    public static OpsAccess Public { get; } = new((OpsRole?)null);
}

/// <summary>Says who may come to a route.</summary>
internal static class OpsRoutes
{
    /// <summary>Only for those who are signed in with that role or a higher one. A POST needs its form's token, too.</summary>
    public static T Needs<T>(this T route, OpsRole role)
        where T : IEndpointConventionBuilder
    {
        route.Add(endpoint => endpoint.Metadata.Add(new OpsAccess(role)));
        return route;
    }

    /// <summary>For anybody. It is on the route to see that nothing private comes of it.</summary>
    public static T IsPublic<T>(this T route)
        where T : IEndpointConventionBuilder
    {
        route.Add(endpoint => endpoint.Metadata.Add(OpsAccess.Public));
        return route;
    }
}
