using Dunning.Events;
using Dunning.Model;
using Dunning.Passes;
using Dunning.Ports;
using NodaTime;

namespace Dunning.Tests.Rules;

/// <summary>In the service a charge is given up only once its key can't charge any more, and a pause that a gateway asks for moves the next attempt.</summary>
public sealed class GivingUpTests
{
    private static readonly Instant Now = Instant.FromUtc(2026, 3, 2, 8, 0);
    private static readonly Rulebook Rules = Tests.Samples.Rules() is var rules ? rules with { Options = rules.Options with { IsService = true } } : null!;

    [Theory]
    [InlineData("failed", new[] { EventTypes.ChargeFailed, EventTypes.DunningOpened })]
    [InlineData("never_made", new[] { EventTypes.ChargeAbandoned })]
    public void What_an_operator_gives_up_is_looked_up_and_fenced_first(string outcome, string[] events)
    {
        var stuck = Stuck();
        var asked = Pass.Act(stuck, new AccountAction(Now, "a", ActionNames.ResolveCharge) { Subscription = "s", Outcome = outcome }, stuck.LastEventAt + Duration.FromMinutes(1), Rules);
        Assert.Empty(asked.Events);
        Assert.True(asked.Due.Reconcile <= asked.Now + Duration.FromSeconds(1), "an operator's answer waits for the next look-up");
        // Asked twice is no answer.
        Assert.Equal(EventTypes.ActionRejected, Pass.Act(asked.After, new AccountAction(Now, "a", ActionNames.AbandonCharge) { Subscription = "s" }, asked.Now, Rules).Events.Single().Type);

        var fence = Missed(Begin(asked.After, asked.Now + Duration.FromSeconds(1)));
        // No answer: nothing is given up, and it is asked again.
        var silent = Pass.Resume(fence.After, fence.Effect!, new Answer.Fenced(KeyOf(fence), new GatewayOutcome.Unknown()), Rules);
        Assert.Empty(silent.Events);
        Assert.Equal(ChargeState.Unknown, silent.After.Charges.Single().State);

        fence = Missed(Begin(silent.After, silent.Due.Reconcile!.Value));
        var spent = Pass.Resume(fence.After, fence.Effect!, new Answer.Fenced(KeyOf(fence), new GatewayOutcome.NeverMade()), Rules);
        Assert.Equal(events, spent.Events.Select(e => e.Type).Take(events.Length));
    }

    [Fact]
    public void What_got_through_after_all_counts()
    {
        var stuck = Stuck();
        var asked = Pass.Act(stuck, new AccountAction(Now, "a", ActionNames.AbandonCharge) { Subscription = "s" }, stuck.LastEventAt + Duration.FromMinutes(1), Rules);
        var fence = Missed(Begin(asked.After, asked.Now + Duration.FromSeconds(1)));
        var paid = Pass.Resume(fence.After, fence.Effect!, new Answer.Fenced(KeyOf(fence), new GatewayOutcome.Succeeded()), Rules);
        Assert.Equal([EventTypes.ChargeSucceeded, EventTypes.InvoicePaid], paid.Events.Select(e => e.Type));
    }

    [Fact]
    public void A_pause_that_the_gateway_asks_for_moves_the_next_attempt_and_its_date_in_the_mail()
    {
        var call = Begin(Account(), Now);
        var failed = Pass.Resume(call.After, call.Effect!, new Answer.Charged(KeyOf(call),
            new GatewayOutcome.Declined("insufficient_funds") { RetryAfter = Duration.FromDays(10) }, IsResend: false), Rules);
        Assert.Equal(EventTypes.DunningOpened, failed.Events[^1].Type);
        Assert.Equal(new LocalDate(2026, 3, 12), failed.After.Mails.Single().Facts.NextAttemptOn);
        Assert.Equal(Now + Duration.FromDays(10), failed.Due.Dun);
        // A new card does not wait.
        var updated = Pass.Act(failed.After, new AccountAction(Now, "a", ActionNames.UpdatePaymentMethod) { Token = "sandbox_ok" }, Now + Duration.FromHours(1), Rules);
        Assert.Equal(updated.Now, updated.Due.Dun);
    }

    [Fact]
    public void A_refused_backup_leaves_the_first_card_a_new_key_and_no_try()
    {
        var file = Account() with { Methods = [.. Account().Methods, Tests.Samples.Backup("b", "sandbox_ok", Now)] };
        var first = Begin(file, Now);
        var backup = Pass.Resume(first.After, first.Effect!, new Answer.Charged(KeyIn(first), new GatewayOutcome.Declined("insufficient_funds"), IsResend: false), Rules);
        var refused = Pass.Resume(backup.After.Pruned(), backup.Effect!, new Answer.Charged(KeyIn(backup), new GatewayOutcome.Refused("too many", RefusalScope.Everyone), IsResend: false), Rules);
        Assert.Single(refused.After.Methods.Single(m => m.IsDefault).Tries);

        var again = Begin(refused.After.Pruned(), Now + Duration.FromMinutes(1));
        Assert.NotEqual(KeyIn(first), KeyIn(again));
        // That one is refused, too: no attempt reached the issuer, and none counts.
        var late = Pass.Resume(again.After, again.Effect!, new Answer.Charged(KeyIn(again), new GatewayOutcome.Refused("too many", RefusalScope.Everyone), IsResend: false), Rules);
        Assert.Single(late.After.Methods.Single(m => m.IsDefault).Tries);
        Assert.Equal(KeyIn(again), KeyIn(Begin(late.After.Pruned(), Now + Duration.FromMinutes(2))));

        static string KeyIn(Decision decision) => ((Effect.SendCharge)decision.Effect!).Request.Key;
    }

    [Fact]
    public void A_decline_told_by_webhook_waits_for_the_calls_own_answer_and_pending_stays_pending()
    {
        var file = Account() with { Methods = [.. Account().Methods, Tests.Samples.Backup("b", "sandbox_ok", Now)] };
        var call = Begin(file, Now);
        var told = Pass.Told(call.After, new GatewayNews.Settled(KeyOf(call), new GatewayOutcome.Declined("do_not_honor")), Now + Duration.FromSeconds(1), Rules);
        Assert.Empty(told.Events);
        var answered = Pass.Resume(told.After, call.Effect!, new Answer.Charged(KeyOf(call), new GatewayOutcome.Declined("do_not_honor"), IsResend: false), Rules);
        Assert.Equal(new MethodRef("b", 0), Assert.IsType<Effect.SendCharge>(answered.Effect).Request.Method);

        var pending = Pass.Told(call.After, new GatewayNews.Settled(KeyOf(call), new GatewayOutcome.Pending()), Now + Duration.FromSeconds(1), Rules);
        var silent = Pass.Resume(pending.After, call.Effect!, new Answer.Charged(KeyOf(call), new GatewayOutcome.Unknown(), IsResend: false), Rules);
        Assert.Equal(ChargeState.Pending, silent.After.Charges.Single().State);
        Assert.Empty(silent.Events);
    }

    private static string KeyOf(Decision decision) => decision.After.Charges.Single().Key;

    private static Decision Begin(AccountFile file, Instant now) => Pass.Begin(file, new PassRun(now, PassKind.All), Rules);

    private static Decision Missed(Decision lookUp)
    {
        Assert.IsType<Effect.LookUp>(lookUp.Effect);
        var fence = Pass.Resume(lookUp.After, lookUp.Effect, new Answer.LookedUp(KeyOf(lookUp), null), Rules);
        Assert.IsType<Effect.Fence>(fence.Effect);
        return fence;
    }

    private static AccountFile Account() => Tests.Samples.Account("a", Now) with
    {
        Subscriptions = [Tests.Samples.Subscription("s", "weekly", new LocalDate(2026, 3, 2), new LocalDate(2026, 3, 2), Now)],
        Methods = [Tests.Samples.Card("sandbox_ok", Now)],
    };

    private static AccountFile Stuck()
    {
        var call = Begin(Account(), Now);
        var unknown = Pass.Resume(call.After, call.Effect!, new Answer.Charged(KeyOf(call), new GatewayOutcome.Unknown(), IsResend: false), Rules);
        var lookUp = Begin(unknown.After, Now + Duration.FromHours(24));
        var stuck = Pass.Resume(lookUp.After, lookUp.Effect!, new Answer.LookedUp(KeyOf(lookUp), null), Rules);
        Assert.Equal(EventTypes.ChargeStuck, stuck.Events.Single().Type);
        return stuck.After;
    }
}
