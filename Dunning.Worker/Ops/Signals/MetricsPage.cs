using System.Security.Cryptography;
using System.Text;
using Dunning.Ops.Frame;
using Dunning.Ops.SignIn;

namespace Dunning.Ops.Signals;

/// <summary>
/// <c>/metrics</c>, for Prometheus. This machine may read it; others, and whoever comes through a proxy on this machine, must bring the token: behind a proxy
/// everybody is local.
/// </summary>
internal sealed class MetricsPage(BookMeter meter, FiguresReader figures, Func<SignalSettings> settings)
{
    public void Map(WebApplication app) => app.MapGet("/metrics", WriteAsync).IsPublic();

    private async Task WriteAsync(HttpContext http)
    {
        http.Response.Headers.CacheControl = "no-store";
        if (!IsLet(http))
        {
            http.Response.StatusCode = StatusCodes.Status401Unauthorized;
            http.Response.Headers.WWWAuthenticate = "Bearer";
            return;
        }
        await figures.ReadAsync(http.RequestAborted);
        var isOpen = http.Request.Headers.Accept.ToString().Contains("application/openmetrics-text", StringComparison.Ordinal);
        http.Response.ContentType = isOpen ? MetricText.OpenMetrics : MetricText.Prometheus;
        await http.Response.WriteAsync(MetricText.Write(meter.Store.Collect(), isOpen), http.RequestAborted);
    }

    private bool IsLet(HttpContext http)
    {
        var header = http.Request.Headers.Authorization.ToString();
        if (header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase) && settings().MetricsToken is { } token)
        {
            return CryptographicOperations.FixedTimeEquals(SHA256.HashData(Encoding.UTF8.GetBytes(header[7..].Trim())), SHA256.HashData(Encoding.UTF8.GetBytes(token)));
        }
        // A proxy whose word is taken has had its headers renamed.
        return header.Length == 0 && LocalRequest.Is(http) && !http.Request.Headers.Keys.Any(k => k.StartsWith("X-Original-", StringComparison.OrdinalIgnoreCase));
    }
}
