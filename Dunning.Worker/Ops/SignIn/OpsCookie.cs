namespace Dunning.Ops.SignIn;

/// <summary>
/// The cookie with a session's id. By https its name begins with <c>__Host-</c>: a browser then takes it only by https and for this very host, so that no
/// neighbour of the domain can plant one.
/// </summary>
internal static class OpsCookie
{
    private const string Name = "dunning";
    private const string SecureName = "__Host-dunning";

    /// <summary>What the browser sent.</summary>
    public static string? Read(HttpRequest request) => request.Cookies[NameFor(request)];

    /// <summary>Gives the browser one, until it is closed.</summary>
    public static void Write(HttpContext http, string value) => http.Response.Cookies.Append(NameFor(http.Request), value, OptionsFor(http.Request));

    /// <summary>Takes it back.</summary>
    public static void Drop(HttpContext http) => http.Response.Cookies.Delete(NameFor(http.Request), OptionsFor(http.Request));

    // Lax, not strict: a link in an alert's mail leads to a page. What changes something needs the form's token and our own origin.
    private static CookieOptions OptionsFor(HttpRequest request) =>
        new() { HttpOnly = true, Secure = request.IsHttps, SameSite = SameSiteMode.Lax, Path = "/", IsEssential = true };

    private static string NameFor(HttpRequest request) => request.IsHttps ? SecureName : Name;
}
