using System.Collections.Immutable;
using Dunning.Events;
using Dunning.Model;
using Dunning.Passes;
using Dunning.Time;
using NodaTime;

namespace Dunning.Rules;

/// <summary>RULES 6: the purge, its postponement, and the erasure that ends it.</summary>
internal static class Purging
{
    private const int NoticeDays = 7;
    private const int NoticeGoodForDays = 30;

    /// <summary>Phase 5: purges, postpones, or erases what a purge has left. Returns the detachment of payment methods.</summary>
    public static Effect? Phase(Draft draft, PassRun run, Cursor cursor)
    {
        if (IsErasable(draft.File))
        {
            // Once a pass: an answer that it isn't done yet goes on from a cursor with a date.
            return cursor.Date is not null ? null
                : new Effect.Detach(draft.File.Id, run, cursor with { Date = draft.Today, Subscription = "" }, 0, draft.File.Methods);
        }
        if (ErasesOn(draft) is { } erasesOn && draft.IsDue(erasesOn) && !draft.File.Barred.HasFlag(GuardKinds.Purges))
        {
            // Final, as a purge is: what is personal goes in the pass's next step, once nothing is under way.
            draft.File = draft.File with { PurgedAt = draft.Now };
            draft.Tell(draft.New(EventTypes.AccountErased));
            return Phase(draft, run, cursor);
        }
        if (PurgesOn(draft.File) is not { } date || !draft.IsDue(date))
        {
            return null;
        }
        if (!IsWarned(draft))
        {
            Postpone(draft);
        }
        else if (!draft.File.Barred.HasFlag(GuardKinds.Purges))
        {
            Purge(draft);
        }
        return null;
    }

    /// <summary>Whether a purge that happened now would have been warned of in time.</summary>
    public static bool IsWarned(Draft draft) => draft.File.PurgeWarningsLeft.Any(left =>
        left <= draft.Today.PlusDays(-NoticeDays) && left >= draft.Today.PlusDays(-NoticeGoodForDays));

    /// <summary>The date of the purge while nothing stands in its way.</summary>
    public static LocalDate? PurgesOn(AccountFile file) =>
        file is { Access: Access.Suspended, LegalHold: false, Exempt: false, PurgedAt: null }
        && !IsPaused(file)
        && !file.Charges.Any(c => c.IsOpen)
        && !file.Invoices.Any(i => i is { State: InvoiceState.Open, RechargeDue: true })
        // A warning that has not left yet is neither a warning nor a reason for another one.
        && !file.Mails.Any(m => m.Template == MailTemplates.PurgeWarning && !m.IsOver)
            ? file.PurgeOn : null;

    /// <summary>
    /// The date on which a closed account is erased; null: never, or not while something keeps it. Whatever happens to it meanwhile puts that off.
    /// </summary>
    public static LocalDate? ErasesOn(Draft draft) => IsToBeErased(draft) && !WhyKept(draft.File).Any()
        ? LocalClock.LocalDateOf(draft.File.LastEventAt, draft.Zone).PlusDays(draft.Options.EraseClosedAfterDays!.Value) : null;

    /// <summary>It is closed, and closed accounts are erased after a while.</summary>
    public static bool IsToBeErased(Draft draft) => draft is { Options.EraseClosedAfterDays: not null, File: { Closed: true, Access: Access.Active, PurgedAt: null } };

    /// <summary>What keeps a closed account: somebody must still know whose it is.</summary>
    public static IEnumerable<Obstacle> WhyKept(AccountFile file)
    {
        if (file.LegalHold)
        {
            yield return Obstacle.LegalHold;
        }
        if (file.OpenDisputes > 0)
        {
            yield return Obstacle.Disputed;
        }
        if (file.Credit != 0)
        {
            yield return Obstacle.Credit;
        }
        if (file.Charges.Any(c => c.IsOpen))
        {
            yield return Obstacle.UnknownCharge;
        }
        if (file.Charges.Any(c => c.RefundDue))
        {
            yield return Obstacle.RefundDue;
        }
        if (!file.Mails.All(m => m.IsOver))
        {
            yield return Obstacle.MailNotOver;
        }
    }

    /// <summary>There is a promise to pay: nobody is purged, or warned of it, before it is broken.</summary>
    public static bool IsPaused(AccountFile file) => file.Invoices.Any(i => i is { State: InvoiceState.Open, PausedUntil: not null });

    /// <summary>After a promise to pay, what was warned of before it was another date: the purge is postponed, and warned of anew.</summary>
    public static void WarnAnew(Draft draft) => draft.File = draft.File with { PurgeWarningsLeft = [] };

    /// <summary>Purged, and the last mail has left.</summary>
    public static bool IsErasable(AccountFile file) =>
        file is { PurgedAt: not null, ErasedAt: null } && file.Mails.All(m => m.IsOver) && !file.Charges.Any(c => c.IsOpen || c.RefundDue);

    /// <summary>The gateway has forgotten the methods: nothing personal is left here either.</summary>
    public static void Detached(Draft draft, bool done)
    {
        if (!done || !IsErasable(draft.File))
        {
            return;
        }
        draft.File = draft.File with
        {
            ErasedAt = draft.Now,
            Name = "",
            LegalName = "",
            Address = new Address("", null, "", ""),
            VatNumber = null,
            GatewayCustomer = null,
            Contacts = [],
            Methods = [],
        };
    }

    private static void Purge(Draft draft)
    {
        foreach (var invoice in Stepping.Unpaid(draft.File).ToImmutableArray())
        {
            draft.Set(invoice with { State = InvoiceState.WrittenOff, SettledAt = draft.Now });
            draft.Tell(draft.New(EventTypes.InvoiceWrittenOff, invoice));
        }
        foreach (var subscription in draft.File.Subscriptions.Where(s => s.IsLive)
            .OrderBy(s => s.Id, StringComparer.Ordinal).ToImmutableArray())
        {
            draft.Set(subscription with { State = SubscriptionState.Canceled });
            draft.Tell(draft.New(EventTypes.SubscriptionCanceled, subscription.Id));
        }
        draft.File = draft.File with { PurgedAt = draft.Now };
        draft.Tell(draft.New(EventTypes.AccountPurged));
        Mailing.Decide(draft, MailTemplates.AccountPurged, new MailFacts());
    }

    private static void Postpone(Draft draft)
    {
        var purgeOn = draft.Today.PlusDays(NoticeDays);
        draft.File = draft.File with { PurgeOn = purgeOn, PurgeRemindersSent = Reminding.PurgeRemindersOfPostponement };
        draft.Tell(draft.New(EventTypes.AccountPurgePostponed) with { PurgeOn = purgeOn });
        Mailing.Decide(draft, MailTemplates.PurgeWarning, Mailing.DebtOf(draft.File) with { PurgeOn = purgeOn });
    }
}
