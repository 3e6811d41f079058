using Dunning.Model;
using Dunning.Passes;
using Dunning.Time;
using NodaTime;

namespace Dunning.Rules;

/// <summary>
/// When which pass next has something to do. Complete: whenever a rule would do something, it says so. The store scans what is due and
/// nothing else.
/// </summary>
internal static class Due
{
    // A pass that found nothing to do although it was due comes back after this; no row fires for ever.
    private static readonly Duration Idle = Duration.FromMinutes(1);

    /// <summary>The instants for a file.</summary>
    /// <param name="file">The file as it is saved.</param>
    /// <param name="now">The decision's instant.</param>
    /// <param name="book">The rules.</param>
    /// <param name="passed">The pass that is through with the account now; null when none is.</param>
    /// <param name="hasChanged">Whether the decision did something.</param>
    public static DueTimes Of(AccountFile file, Instant now, Rulebook book, PassKind? passed, bool hasChanged)
    {
        var draft = new Draft(file, now, book);
        // What is still due after its own pass waits for the next one.
        var next = draft.Now + (hasChanged || !book.Options.IsService ? Duration.FromSeconds(1) : Idle);
        return new DueTimes(
            At(PassKind.Reconcile, Reconcile(file, book)),
            At(PassKind.Renew, Renew(draft)),
            At(PassKind.Dun, Dun(draft)),
            At(PassKind.EndAccess, file is { Access: Access.Limited, PurgedAt: null } ? file.AccessUntil : null),
            At(PassKind.Purge, Purge(draft)),
            At(PassKind.Remind, Reminding.NextAt(draft)),
            At(PassKind.Mail, Earliest(Mail(draft), Digesting.NextAt(draft))));

        Instant? At(PassKind kind, Instant? at) => at <= draft.Now && passed is { } upTo && kind <= upTo ? next : at;
    }

    private static Instant? Reconcile(AccountFile file, Rulebook book)
    {
        var charges = file.Charges.Where(c => c.IsOpen).Select(c => (Instant?)Charging.NextLookUp(book.Options, c)).Min();
        var refunds = file.Charges.Where(c => c.RefundDue)
            .Select(c => (Instant?)((c.LookedUpAt ?? c.LastCalledAt) + Idle)).Min();
        return Earliest(Earliest(charges, refunds), file.LeaseUntil);
    }

    private static Instant? Renew(Draft draft)
    {
        Instant? earliest = null;
        foreach (var subscription in draft.File.Subscriptions.Where(s => s.IsLive))
        {
            var at = draft.DueAt(subscription.RenewsOn);
            if (subscription is { CancelAtPeriodEnd: false, AutoRenew: true })
            {
                if (Renewing.IsHeld(draft.File, subscription))
                {
                    continue;
                }
                if (subscription.LastRenewedOn is { } date)
                {
                    at = Instant.Max(at, LocalClock.StartOf(date.PlusDays(1), draft.Zone));
                }
            }
            earliest = Earliest(earliest, at);
        }
        return earliest;
    }

    private static Instant? Dun(Draft draft)
    {
        var earliest = Stepping.CoveredByCredit(draft.File) is null ? (Instant?)null : draft.Now;
        foreach (var invoice in draft.File.Invoices.Where(i => i.State == InvoiceState.Open))
        {
            if (invoice.PausedUntil is { } until)
            {
                earliest = Earliest(earliest, draft.DueAt(until));
            }
            if (draft.File.OpenChargeOf(invoice) is not null)
            {
                continue;
            }
            if (invoice.RechargeDue)
            {
                earliest = Earliest(earliest, Stepping.NotBefore(invoice, draft.Now));
            }
            if (Stepping.NextStepAt(draft.File, invoice, draft) is { } at)
            {
                var due = AfterGap(AfterGap(at, invoice.AttemptedAt), invoice.ReconciledAt);
                earliest = Earliest(earliest, Guarding.LookAt(due, draft.Now, Guarding.BarsStep(draft.File, invoice)));
            }
        }
        return earliest;

        Instant AfterGap(Instant at, Instant? last) => last is { } then ? Instant.Max(at, then + draft.Options.AttemptGap) : at;
    }

    private static Instant? Purge(Draft draft) =>
        Purging.IsErasable(draft.File) ? draft.Now
            : Purging.PurgesOn(draft.File) is { } date
                ? Guarding.LookAt(draft.DueAt(date), draft.Now, draft.File.Barred.HasFlag(GuardKinds.Purges) && Purging.IsWarned(draft))
            : Purging.ErasesOn(draft) is { } erasesOn
                ? Guarding.LookAt(draft.DueAt(erasesOn), draft.Now, draft.File.Barred.HasFlag(GuardKinds.Purges)) : null;

    private static Instant? Mail(Draft draft) => draft.File.Mails.Select(m => m.NextTryAt).Min() is { } at
        ? Guarding.LookAt(at, draft.Now, draft.File.Barred.HasFlag(GuardKinds.Mails)) : null;

    private static Instant? Earliest(Instant? left, Instant? right) =>
        left is null ? right : right is null ? left : Instant.Min(left.Value, right.Value);
}
