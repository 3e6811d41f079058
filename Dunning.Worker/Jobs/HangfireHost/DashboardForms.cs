using Dunning.Ops.Frame;
using Dunning.Ops.SignIn;
using Microsoft.AspNetCore.Antiforgery;

namespace Dunning.Jobs.HangfireHost;

/// <summary>
/// Has the dashboard's pages send the token of the visitor's session with each click, as our own forms do. Whether it is right, the gate before all routes has
/// seen by then.
/// </summary>
internal sealed class DashboardForms : IAntiforgery
{
    /// <inheritdoc/>
    public AntiforgeryTokenSet GetAndStoreTokens(HttpContext httpContext) => GetTokens(httpContext);

    /// <inheritdoc/>
    public AntiforgeryTokenSet GetTokens(HttpContext httpContext) => new(httpContext.OpsOrNobody()?.FormToken, null, OpsForm.Token, OpsGate.TokenHeader);

    /// <inheritdoc/>
    public Task<bool> IsRequestValidAsync(HttpContext httpContext) => Task.FromResult(httpContext.OpsOrNobody() is not null);

    /// <inheritdoc/>
    public Task ValidateRequestAsync(HttpContext httpContext) =>
        httpContext.OpsOrNobody() is not null ? Task.CompletedTask : throw new AntiforgeryValidationException("nobody is signed in");

    /// <inheritdoc/>
    public void SetCookieTokenAndHeader(HttpContext httpContext)
    {
        // The session's cookie is all there is.
    }
}
