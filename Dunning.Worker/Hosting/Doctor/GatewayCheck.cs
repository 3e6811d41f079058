using Dunning.Gateways.GoCardless;
using Dunning.Gateways.Stripe;
using Dunning.Ports;

namespace Dunning.Hosting.Doctor;

/// <summary>The gateway: whether it takes the key, in which mode, and whether the database is the one that belongs here.</summary>
internal static class GatewayCheck
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    /// <summary>Asks it who the key belongs to, whatever the database is like; nothing is charged.</summary>
    public static async Task<Finding> LookAsync(WorkerSettings settings, TimeProvider time, CancellationToken ct)
    {
        IGatewayKey? gateway = settings.Payments.Chosen switch
        {
            StripeOptions stripe => new StripeGateway(stripe, time, "doctor"),
            GoCardlessOptions goCardless => new GoCardlessGateway(goCardless, time),
            _ => null,
        };
        if (gateway is null)
        {
            return Finding.Warning("gateway", "the sandbox: no money moves", "Payments:Gateway=stripe or gocardless, in a database of its own, to charge for real");
        }
        using var owned = (IDisposable)gateway;
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(ct);
        patience.CancelAfter(s_patience);
        return OfKey(settings, await gateway.TryKeyAsync(patience.Token));
    }

    /// <summary>Whether the database is the one that this machine charges out of, and whether the gateway counts as out.</summary>
    public static async Task<IReadOnlyList<Finding>> LookAsync(Engine engine, CancellationToken ct)
    {
        if (engine.Environment is not { } environment)
        {
            return [];
        }
        var findings = new List<Finding>();
        var state = await environment.LookAsync(ct);
        findings.Add(state.Differences.IsEmpty ? Finding.Ok("environment", "the database is the one that this machine charges out of")
            : Finding.Fault("environment", "nothing is charged or mailed: " + string.Join("; ", state.Differences), "gateway reconcile --adopt, then environment confirm"));
        if (await engine.OutageAsync(ct) is { } outage)
        {
            findings.Add(Finding.Warning("gateway", $"it counts as out at present ({outage.Refusal?.Reason ?? "no answer"}): nothing is charged until it answers",
                "look at its status page; the service tries it by itself"));
        }
        return findings;
    }

    private static Finding OfKey(WorkerSettings settings, KeyVerdict verdict)
    {
        var (name, key, dashboard, host) = settings.Payments.Chosen switch
        {
            StripeOptions stripe => ("stripe", stripe.KeyFile is null ? "Payments:Stripe:SecretKey" : "Payments:Stripe:SecretKeyFile", "https://dashboard.stripe.com/apikeys", stripe.BaseUrl.Authority),
            GoCardlessOptions goCardless => ("gocardless", goCardless.TokenFile is null ? "Payments:GoCardless:AccessToken" : "Payments:GoCardless:AccessTokenFile",
                goCardless.Token.IsLive ? "https://manage.gocardless.com/developers" : "https://manage-sandbox.gocardless.com/developers", goCardless.BaseUrl.Authority),
            _ => throw new InvalidOperationException("the sandbox has no key"),
        };
        return verdict switch
        {
            KeyVerdict.Taken(var account) => Finding.Ok("gateway",
                $"{name}: takes the key{(account is null ? "" : $"; it is one of account {account}")}{(settings.Payments.IsLive ? ", and money moves" : "")}"),
            KeyVerdict.NotTold => Finding.Warning("gateway", $"{name} does not tell whose key it is: the key may not read its account",
                "a restricted key of Stripe needs to read the account, so that a database of another one is not charged with it"),
            KeyVerdict.Refused(var why) => Finding.Fault("gateway", $"{name} refuses {key}: {why}",
                $"is it whole, of this mode, and not revoked? Make a new one at {dashboard} and put it into {key}"),
            KeyVerdict.NoAnswer(var why) => Finding.Fault("gateway", $"{name} can't be asked at {host}: {why}",
                $"let this machine reach {host} (firewall, proxy, DNS), and that {key} can be read; look at the gateway's status page"),
            _ => throw new InvalidOperationException($"no such verdict: {verdict.GetType().Name}"),
        };
    }
}
