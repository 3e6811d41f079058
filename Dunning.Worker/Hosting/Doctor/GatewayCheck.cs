using Dunning.Gateways.GoCardless;
using Dunning.Gateways.Stripe;
using Dunning.Ports;

namespace Dunning.Hosting.Doctor;

/// <summary>The gateway: whether it takes the key, in which mode, and whether the database is the one that belongs here.</summary>
internal static class GatewayCheck
{
    private static Finding Sandbox => Finding.Warning(
        "gateway", "the sandbox: no money moves", "Payments:Gateway=stripe or gocardless, in a database of its own, to charge for real");

    /// <summary>Asks it who the key belongs to; nothing is charged.</summary>
    public static async Task<IReadOnlyList<Finding>> LookAsync(Engine engine, WorkerSettings settings, CancellationToken ct)
    {
        if (engine.Environment is not { } environment)
        {
            return [Sandbox];
        }
        var findings = new List<Finding>();
        var state = await environment.LookAsync(ct);
        findings.Add(OfKey(settings, state.Found.Account));
        findings.Add(state.Differences.IsEmpty ? Finding.Ok("environment", "the database is the one that this machine charges out of")
            : Finding.Fault("environment", "nothing is charged or mailed: " + string.Join("; ", state.Differences), "gateway reconcile --adopt, then environment confirm"));
        if (await engine.OutageAsync(ct) is not null)
        {
            findings.Add(Finding.Warning("gateway", "it counts as out at present: nothing is charged until it answers", "look at its status page; the service tries it by itself"));
        }
        return findings;
    }

    /// <summary>The same for a database that belongs to no gateway yet, and is left so.</summary>
    public static async Task<IReadOnlyList<Finding>> LookAsync(WorkerSettings settings, TimeProvider time, CancellationToken ct)
    {
        using var gateway = settings.Payments.Chosen switch
        {
            StripeOptions stripe => (IDisposable)new StripeGateway(stripe, time, "doctor"),
            GoCardlessOptions goCardless => new GoCardlessGateway(goCardless, time),
            _ => null,
        };
        return gateway is not IGatewayAccount account ? [Sandbox]
            : [OfKey(settings, await account.AccountAsync(ct)), Finding.Ok("environment", $"the database belongs to no gateway yet; the first 'run' binds it to {settings.Payments.Gateway}")];
    }

    private static Finding OfKey(WorkerSettings settings, string? account) => account is not null
        ? Finding.Ok("gateway", $"{settings.Payments.Gateway}: takes the key; it is one of account {account}{(settings.Payments.IsLive ? ", and money moves" : "")}")
        : Finding.Warning("gateway", $"{settings.Payments.Gateway} does not tell whose key it is: it is out, refuses the key, or the key may not read its account",
            "look whether the key is right and not revoked; a restricted key of Stripe needs to read the account");
}
