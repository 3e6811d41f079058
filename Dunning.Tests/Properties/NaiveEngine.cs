using System.Collections.Immutable;
using Dunning.Events;
using Dunning.Gateways.Sandbox;
using Dunning.Mail;
using Dunning.Model;
using Dunning.Passes;
using Dunning.Ports;
using NodaTime;

namespace Dunning.Tests.Properties;

/// <summary>
/// Passes every account at every tick, whether it is due or not: what due times would miss, it does. The same rules, none of the machinery.
/// </summary>
internal static class NaiveEngine
{
    public static async Task<Run> RunAsync(World world)
    {
        var ledger = new MemoryLedger();
        var (gateway, mailer) = (World.Gateway(ledger), new SinkMailer());
        var files = world.Accounts.ToDictionary(a => a.Id, StringComparer.Ordinal);
        var events = ImmutableArray.CreateBuilder<BookEvent>();
        var waiting = new Queue<AccountAction>(world.Actions);
        for (var now = world.Span.From; now <= world.Span.To; now += world.Span.Tick)
        {
            if (!world.Runs(now))
            {
                continue;
            }
            while (waiting.TryPeek(out var action) && action.At <= now)
            {
                Save(Pass.Act(files[action.Account], waiting.Dequeue(), now, world.Rules));
            }
            foreach (var id in files.Keys)
            {
                var decision = Save(Pass.Begin(files[id], new PassRun(now, PassKind.All), world.Rules));
                while (decision.Effect is { } effect)
                {
                    decision = Save(Pass.Resume(files[id], effect, await AnswerAsync(effect, gateway, mailer), world.Rules));
                }
            }
        }
        return new Run(events.ToImmutable(), [.. files.Values], ledger);

        Decision Save(Decision decision)
        {
            files[decision.After.Id] = decision.After.Pruned();
            events.AddRange(decision.Events);
            return decision;
        }
    }

    /// <summary>Performs an effect.</summary>
    public static async Task<Answer> AnswerAsync(Effect effect, IPaymentGateway gateway, IMailer mailer)
    {
        switch (effect)
        {
            case Effect.SendCharge send:
                return new Answer.Charged(send.Request.Key, await gateway.ChargeAsync(send.Request, default), send.IsResend);
            case Effect.LookUp lookUp:
                return new Answer.LookedUp(lookUp.Request.Key, await gateway.LookUpAsync(lookUp.Request, default));
            case Effect.Fence fence:
                return new Answer.Fenced(fence.Request.Key, await gateway.FenceAsync(fence.Request, default));
            case Effect.Refund refund:
                return new Answer.Refunded(refund.Request.Key, await gateway.RefundAsync(refund.Request, refund.RefundKey, default));
            case Effect.Detach detach:
                var done = true;
                foreach (var method in detach.Methods)
                {
                    done &= await gateway.DetachAsync(detach.Account, method, default);
                }
                return new Answer.Detached(done);
            case Effect.Deliver deliver:
                var results = ImmutableArray.CreateBuilder<(int, ImmutableArray<DeliveryResult>)>();
                foreach (var mail in deliver.Mails)
                {
                    results.Add((mail.Number, await mailer.DeliverAsync(deliver.File, mail, default)));
                }
                return new Answer.Delivered(results.ToImmutable());
            default:
                throw new InvalidOperationException($"no such effect: {effect.GetType().Name}");
        }
    }
}
