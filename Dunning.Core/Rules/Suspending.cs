using System.Collections.Immutable;
using Dunning.Events;
using Dunning.Model;
using Dunning.Passes;
using NodaTime;

namespace Dunning.Rules;

/// <summary>RULES 5: suspension, leaving it, and the account that is closed.</summary>
internal static class Suspending
{
    /// <summary>A last step failed. The mail is the step's own.</summary>
    public static void Suspend(Draft draft)
    {
        var purgeOn = draft.Today.PlusDays(draft.Options.PurgeAfterDays);
        draft.File = draft.File with
        {
            Access = Access.Suspended,
            SuspendedOn = draft.Today,
            SuspendedAt = draft.Now,
            PurgeOn = purgeOn,
            PurgeRemindersSent = 0,
            PurgeWarningsLeft = [],
        };
        draft.Tell(draft.New(EventTypes.AccountSuspended) with { PurgeOn = purgeOn });
    }

    /// <summary>Leaves suspension when no exhausted case is left unpaid.</summary>
    public static void LeaveIfCleared(Draft draft)
    {
        var file = draft.File;
        if (file.Access == Access.Active || file.PurgedAt is not null
            || file.Invoices.Any(i => i is { State: InvoiceState.Open, Case.Exhausted: true }))
        {
            return;
        }
        var suspendedOn = file.SuspendedOn ?? throw new InvalidOperationException("a suspended account has no date of suspension");
        draft.File = file with
        {
            Access = Access.Active,
            SuspendedOn = null,
            SuspendedAt = null,
            PurgeOn = null,
            AccessUntil = null,
            PurgeRemindersSent = 0,
            PurgeWarningsLeft = [],
            Invoices = [.. file.Invoices.Select(WithWarningAhead)],
            Subscriptions = [.. file.Subscriptions.Select(s => s.IsLive ? GiveDaysBack(draft, s, suspendedOn) : s)],
        };
        if (draft.File.Subscriptions.Any(s => s.IsLive))
        {
            draft.Tell(draft.New(EventTypes.AccountReactivated));
            var next = Renewing.NextRenewal(draft.File);
            Mailing.Decide(draft, MailTemplates.AccountReactivated, Mailing.DebtOf(draft.File) with
            {
                Subscription = next?.Id,
                Plan = next?.PlanCode,
                Date = next?.RenewsOn,
            });
        }
    }

    /// <summary>Tells <c>account.closed</c> once nothing is live and nothing is owed.</summary>
    public static void CloseIfDone(Draft draft)
    {
        var file = draft.File;
        if (file is { Closed: false, Access: Access.Active, PurgedAt: null }
            && !file.Subscriptions.Any(s => s.IsLive) && !file.Invoices.Any(i => i.State == InvoiceState.Open))
        {
            draft.File = file with { Closed = true };
            draft.Tell(draft.New(EventTypes.AccountClosed));
        }
    }

    /// <summary>The warning of a debt that is past it is given again: the case goes back to the step before, the date of the last step stays.</summary>
    public static Invoice WithWarningAhead(Invoice invoice) =>
        invoice is { State: InvoiceState.Open, Case: { } dunningCase } ? invoice with { Case = WithWarningAhead(dunningCase) } : invoice;

    /// <summary>The same, of an unpaid invoice's case alone.</summary>
    public static DunningCase WithWarningAhead(DunningCase dunningCase) =>
        !dunningCase.Exhausted && dunningCase.LastStep >= dunningCase.Schedule.LastWarning
            ? dunningCase with { LastStep = dunningCase.Schedule.LastWarning - 1, WarnedOn = null, WarningLeftOn = null }
            : dunningCase;

    /// <summary>The paid days that were left on the day of suspension begin today.</summary>
    private static Subscription GiveDaysBack(Draft draft, Subscription subscription, LocalDate suspendedOn)
    {
        var daysLeft = Math.Max(0, Period.DaysBetween(suspendedOn, subscription.RenewsOn));
        var renewsOn = draft.Today.PlusDays(daysLeft);
        return subscription with
        {
            RenewsOn = renewsOn,
            Anchor = renewsOn,
            RenewsOnKnownAt = draft.Now,
            RemindersSent = 0,
        };
    }
}
