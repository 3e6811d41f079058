using System.Net;

namespace Dunning.Ops.SignIn;

/// <summary>
/// Whether a request comes from a browser on this very machine. Behind a proxy on the same machine everyone has its address, and a page of another site that
/// has its name resolve to this machine has it, too; so a request that came by a proxy, or asks for a host that is not this machine's loopback, does not.
/// </summary>
internal static class LocalRequest
{
    private static readonly string[] s_forwarding =
        ["Forwarded", "X-Real-IP", "Via"];

    /// <summary>Whether it does. Asked before a proxy's word is taken for what it says.</summary>
    public static bool Is(HttpContext http)
    {
        var (remote, host) = (http.Connection.RemoteIpAddress, http.Request.Host.Host);
        return remote is not null && IPAddress.IsLoopback(remote)
            && !http.Request.Headers.Keys.Any(k => k.StartsWith("X-Forwarded-", StringComparison.OrdinalIgnoreCase) || s_forwarding.Contains(k, StringComparer.OrdinalIgnoreCase))
            && (host.Equals("localhost", StringComparison.OrdinalIgnoreCase)
                || (IPAddress.TryParse(host.Trim('[', ']'), out var address) && IPAddress.IsLoopback(address)));
    }
}
