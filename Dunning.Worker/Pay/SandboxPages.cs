using Dunning.Gateways.Sandbox;
using Dunning.Ops.Frame;

namespace Dunning.Pay;

/// <summary>
/// The sandbox's page for customers, in place of a real gateway's: one picks what the new card does, or confirms one. For tests and demonstrations, hence in
/// English alone.
/// </summary>
internal sealed class SandboxPages(SandboxCardUpdates sandbox, PayPageWriter writer)
{
    private const string Field = "card";
    private const string Cancel = "cancel";
    private const string Confirm = "confirm";
    private const string Refuse = "refuse";

    public void Map(WebApplication app, Func<HttpContext, Func<HttpContext, Task>, Task> guard)
    {
        app.MapGet(SandboxCardUpdates.Path + "{id}", http => guard(http, ShowAsync)).IsPublic();
        app.MapPost(SandboxCardUpdates.Path + "{id}", http => guard(http, SettleAsync)).IsPublic();
    }

    private async Task ShowAsync(HttpContext http)
    {
        if (await FindAsync(http) is not { } session)
        {
            return;
        }
        await writer.WriteAsync(http, new PayPage
        {
            Language = "en",
            Title = session.IsConfirmation ? "Sandbox: confirm a card" : "Sandbox: a new card",
            Paragraphs = ["No money moves here. This page stands in for the payment provider's."],
            Buttons = session.IsConfirmation
                ? [new(Field, Confirm, "Confirm"), new(Field, Refuse, "Refuse"), new(Field, Cancel, "Go back")]
                : [.. SandboxCardUpdates.Cards.Select(c => new PayButton(Field, c.Token, $"{c.Brand} {c.Last4}: {c.Words}")), new(Field, Cancel, "Go back")],
        });
    }

    private async Task SettleAsync(HttpContext http)
    {
        if (await FindAsync(http) is not { } session)
        {
            return;
        }
        var picked = http.Request.HasFormContentType ? (await http.Request.ReadFormAsync(http.RequestAborted))[Field].ToString() : "";
        var id = (string)http.GetRouteValue("id")!;
        if (session.IsConfirmation)
        {
            await sandbox.SettleAsync(id, picked switch { Confirm => "confirmed", Refuse => "refused", _ => "canceled" }, null, http.RequestAborted);
        }
        else
        {
            var isCard = SandboxCardUpdates.Cards.Any(c => c.Token == picked);
            await sandbox.SettleAsync(id, isCard ? "given" : "canceled", isCard ? picked : null, http.RequestAborted);
        }
        http.Response.StatusCode = StatusCodes.Status303SeeOther;
        http.Response.Headers.Location = session.Back;
    }

    private async Task<SandboxCardSession?> FindAsync(HttpContext http)
    {
        var session = await sandbox.FindAsync((string)http.GetRouteValue("id")!, http.RequestAborted);
        if (session is null)
        {
            http.Response.StatusCode = StatusCodes.Status404NotFound;
        }
        return session;
    }
}
