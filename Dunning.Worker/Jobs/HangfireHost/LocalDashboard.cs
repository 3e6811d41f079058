using System.Net;
using Hangfire.Annotations;
using Hangfire.Dashboard;

namespace Dunning.Jobs.HangfireHost;

/// <summary>
/// Lets the dashboard be seen from this machine only. Hangfire's own rule, local requests only, takes everyone for local behind a proxy on the same
/// machine, and a browser's page of another site that has its name resolve to this machine, too; so a request that came by a proxy, or asks
/// for a host that is not this machine's loopback, is refused.
/// </summary>
internal sealed class LocalDashboard : IDashboardAuthorizationFilter
{
    private static readonly string[] s_forwarding =
        ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Via"];

    /// <inheritdoc/>
    public bool Authorize([NotNull] DashboardContext context)
    {
        var http = context.GetHttpContext();
        return IsLocal(http.Connection.RemoteIpAddress, http.Request);
    }

    internal static bool IsLocal(IPAddress? remote, HttpRequest request)
    {
        var host = request.Host.Host;
        return remote is not null && IPAddress.IsLoopback(remote)
            && !s_forwarding.Any(request.Headers.ContainsKey)
            && (host.Equals("localhost", StringComparison.OrdinalIgnoreCase)
                || (IPAddress.TryParse(host.Trim('[', ']'), out var address) && IPAddress.IsLoopback(address)));
    }
}
