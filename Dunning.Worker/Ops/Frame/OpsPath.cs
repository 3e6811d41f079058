using Microsoft.AspNetCore.WebUtilities;

namespace Dunning.Ops.Frame;

/// <summary>Addresses of our pages.</summary>
internal static class OpsPath
{
    private const int Limit = 2000;

    /// <summary>A path with a query of the values that there are.</summary>
    public static string Of(string path, params (string Name, string? Value)[] query) =>
        QueryHelpers.AddQueryString(path, query.Where(q => !string.IsNullOrEmpty(q.Value)).Select(q => new KeyValuePair<string, string?>(q.Name, q.Value)));

    /// <summary>
    /// Whether a page may lead there. Only to our own pages: a browser takes <c>//host</c> and <c>/\host</c> for other sites, and leaves out tabs and line
    /// ends before it looks.
    /// </summary>
    public static bool IsOurs(string? path) => path is { Length: > 0 and <= Limit }
        && (IsBelow(path, "/ops") || IsBelow(path, "/hangfire")) && !path.Contains('\\', StringComparison.Ordinal) && !path.Contains("//", StringComparison.Ordinal)
        && path.All(c => c is > ' ' and < '\u007f');

    private static bool IsBelow(string path, string root) =>
        path.StartsWith(root, StringComparison.Ordinal) && (path.Length == root.Length || path[root.Length] is '/' or '?');
}
