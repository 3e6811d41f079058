using System.Security.Cryptography;
using System.Text;

namespace Dunning.Ops.Frame;

/// <summary>
/// The one style sheet: all of <c>Ops/Assets/*.css</c> in this assembly, by name. Its address holds a hash of it, so browsers keep it for ever and have a
/// new one at once.
/// </summary>
internal static class OpsAssets
{
    private const string Prefix = "Ops/Assets/";

    private static readonly byte[] s_style = Read();

    /// <summary>Where it is.</summary>
    public static string StylePath { get; } = $"/ops/assets/ops-{Convert.ToHexStringLower(SHA256.HashData(s_style))[..16]}.css";

    /// <summary>Maps it.</summary>
    public static void Map(IEndpointRouteBuilder app) => app.MapGet(StylePath, async (HttpContext http) =>
    {
        http.Response.ContentType = "text/css; charset=utf-8";
        http.Response.Headers.CacheControl = "public, max-age=31536000, immutable";
        http.Response.ContentLength = s_style.Length;
        await http.Response.Body.WriteAsync(s_style, http.RequestAborted);
    }).IsPublic();

    private static byte[] Read()
    {
        var assembly = typeof(OpsAssets).Assembly;
        var all = new StringBuilder();
        foreach (var name in assembly.GetManifestResourceNames().Where(n => n.StartsWith(Prefix, StringComparison.Ordinal)).Order(StringComparer.Ordinal))
        {
            using var reader = new StreamReader(assembly.GetManifestResourceStream(name)!);
            all.Append(reader.ReadToEnd());
        }
        return Encoding.UTF8.GetBytes(all.ToString());
    }
}
