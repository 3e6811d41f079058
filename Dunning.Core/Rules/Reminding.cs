using System.Collections.Immutable;
using Dunning.Model;
using Dunning.Passes;
using NodaTime;

namespace Dunning.Rules;

/// <summary>RULES 7: reminders, each once, on their dates, and never about what is already due.</summary>
internal static class Reminding
{
    /// <summary>The 30- and 7-day reminders count as sent when a purge is postponed; the 1-day one is still to come.</summary>
    public const int PurgeRemindersOfPostponement = 0b011;

    // Bits of RemindersSent: a kind's reminders from its first bit on, in the order of its days.
    private static readonly Kind Upcoming = new(MailTemplates.RenewalUpcoming, [45, 7], 0);
    private static readonly Kind Expiring = new(MailTemplates.SubscriptionExpiring, [30, 7, 1], 2);
    private static readonly Kind CardExpiring = new(MailTemplates.CardExpiring, [30], 0);
    private static readonly Kind PurgeWarning = new(MailTemplates.PurgeWarning, [30, 7, 1], 0);

    /// <summary>Phase 6: one mail for all reminders of a kind that are due for the same subject and date.</summary>
    public static void Phase(Draft draft)
    {
        foreach (var subject in SubjectsOf(draft).ToImmutableArray())
        {
            var due = subject.Pending(draft).Where(r => r.At <= draft.Now).Aggregate(0, (bits, r) => bits | r.Bit);
            if (due != 0)
            {
                subject.MarkSent(due);
                Mailing.Decide(draft, subject.Kind.Template, subject.Facts());
            }
        }
    }

    /// <summary>When the next reminder falls due, as things stand; in the past when a pass has yet to send it.</summary>
    public static Instant? NextAt(Draft draft) =>
        SubjectsOf(draft).SelectMany(s => s.Pending(draft)).Select(r => (Instant?)r.At).Min();

    /// <summary>Every reminder that is ahead as things stand: when, which, and the date that it is about. For forecasts.</summary>
    public static IEnumerable<(Instant At, string Template, string? Subscription, LocalDate Date)> Ahead(Draft draft) =>
        SubjectsOf(draft).SelectMany(s => s.Pending(draft).Select(r => (r.At, s.Kind.Template, s.Subscription, s.Date)));

    private static IEnumerable<Subject> SubjectsOf(Draft draft)
    {
        var file = draft.File;
        if (file.PurgedAt is not null)
        {
            yield break;
        }
        if (file.Access != Access.Active)
        {
            if (file is { LegalHold: false, Exempt: false, PurgeOn: { } purgeOn, SuspendedAt: { } suspendedAt } && !Purging.IsPaused(file))
            {
                yield return new Subject(PurgeWarning, purgeOn, suspendedAt, draft.DueAt(purgeOn), file.PurgeRemindersSent,
                    null, () => Mailing.DebtOf(file) with { PurgeOn = purgeOn },
                    bits => draft.File = draft.File with { PurgeRemindersSent = draft.File.PurgeRemindersSent | bits });
            }
            yield break;
        }
        foreach (var subscription in file.Subscriptions.Where(s => s.IsLive).OrderBy(s => s.Id, StringComparer.Ordinal))
        {
            var kind = subscription is { IsRenewing: true, Interval.IsSixMonthsOrMore: true } ? Upcoming
                : subscription is { AutoRenew: false, CancelAtPeriodEnd: false } ? Expiring : null;
            if (kind is not null)
            {
                yield return new Subject(kind, subscription.RenewsOn, subscription.RenewsOnKnownAt,
                    draft.DueAt(subscription.RenewsOn), subscription.RemindersSent, subscription.Id,
                    () => kind == Upcoming ? Renewing.FactsOfUpcoming(draft, subscription) : Renewing.FactsOf(subscription),
                    bits => MarkSent(draft, subscription.Id, bits));
            }
        }
        foreach (var debit in DebitsOf(draft))
        {
            yield return debit;
        }
        if (file.DefaultMethod is { Expires: { } expires } method && file.Subscriptions.Any(s => s.IsRenewing))
        {
            var lastDay = expires.OnDayOfMonth(1).PlusMonths(1).PlusDays(-1);
            // Due on its last day still: what ends the reminder is the day after.
            yield return new Subject(CardExpiring, lastDay, method.KnownAt, Time.LocalClock.StartOf(lastDay.PlusDays(1), draft.Zone),
                method.ExpiryReminderSent ? 1 : 0, null,
                () => new MailFacts { Date = lastDay, CardBrand = method.Brand, CardLast4 = method.Last4, CardExpires = expires },
                _ => draft.Set(method with { ExpiryReminderSent = true }));
        }
    }

    private static void MarkSent(Draft draft, string subscription, int bits)
    {
        var present = draft.File.Subscriptions.First(s => s.Id == subscription);
        draft.Set(present with { RemindersSent = present.RemindersSent | bits });
    }

    /// <summary>
    /// Bank debits are announced before each. One whose date becomes known later than that, as with the first steps after a failure, is announced by
    /// the mail that told the date.
    /// </summary>
    private static IEnumerable<Subject> DebitsOf(Draft draft)
    {
        var file = draft.File;
        if (draft.Options.DebitNoticeDays == 0 || file.DefaultMethod is not { IsDebit: true, State: MethodState.Ok } method)
        {
            yield break;
        }
        var kind = new Kind(MailTemplates.DebitUpcoming, [draft.Options.DebitNoticeDays], 5);
        // Each takes what those before it leave of the credit, and is asked for what they carry over.
        var ahead = file;
        foreach (var subscription in file.Subscriptions.Where(s => s.IsRenewing && !Renewing.IsHeld(file, s))
            .OrderBy(s => s.RenewsOn).ThenBy(s => s.Id, StringComparer.Ordinal))
        {
            if (Renewing.Preview(ahead, subscription, draft.Now, draft.Book) is not { } invoice)
            {
                continue;
            }
            ahead = ahead with { Credit = ahead.Credit - invoice.CreditApplied.Minor, Carried = invoice.CarriedOut };
            if (invoice.AmountDue.Minor > 0)
            {
                yield return new Subject(kind, subscription.RenewsOn, subscription.RenewsOnKnownAt, draft.DueAt(subscription.RenewsOn),
                    subscription.RemindersSent, subscription.Id, () => Renewing.FactsOfUpcoming(draft, subscription, invoice),
                    bits => MarkSent(draft, subscription.Id, bits));
            }
        }
        foreach (var invoice in Stepping.Unpaid(file).Where(i => file.OpenChargeOf(i) is null))
        {
            if (invoice.Case is not { } dunningCase || Stepping.NextStepAt(file, invoice, draft) is not { } at)
            {
                continue;
            }
            var date = Time.LocalClock.LocalDateOf(at, draft.Zone);
            // The mail of that instant told the date.
            var known = new[] { dunningCase.OpenedAt, invoice.AttemptedAt ?? dunningCase.OpenedAt, invoice.ReconciledAt ?? dunningCase.OpenedAt }.Max()
                + Duration.FromSeconds(1);
            yield return new Subject(kind, date, known, at, dunningCase.AnnouncedFor == date ? -1 : 0, invoice.SubscriptionId,
                () => new MailFacts
                {
                    Subscription = invoice.SubscriptionId,
                    Plan = invoice.PlanCode,
                    PeriodStart = invoice.PeriodStart,
                    PeriodEnd = invoice.PeriodEnd,
                    Amount = invoice.AmountDue.Minor,
                    Currency = invoice.AmountDue.Currency.Code,
                    Date = date,
                    CardBrand = method.Brand,
                    CardLast4 = method.Last4,
                },
                _ => draft.Set(invoice with { Case = dunningCase with { AnnouncedFor = date } }));
        }
    }

    /// <param name="Template">The mail.</param>
    /// <param name="DaysBefore">Days before the date, most first.</param>
    /// <param name="FirstBit">Bit of the first of them.</param>
    private sealed record Kind(string Template, ImmutableArray<int> DaysBefore, int FirstBit);

    /// <summary>A date that reminders are about, its condition being met now. Its facts are worked out only for a mail that is sent.</summary>
    private sealed record Subject(
        Kind Kind, LocalDate Date, Instant KnownAt, Instant OverAt, int Sent, string? Subscription, Func<MailFacts> Facts, Action<int> MarkSent)
    {
        /// <summary>Reminders that are not sent and still may be.</summary>
        public IEnumerable<(Instant At, int Bit)> Pending(Draft draft)
        {
            if (OverAt <= draft.Now)
            {
                yield break;
            }
            for (var i = 0; i < Kind.DaysBefore.Length; i++)
            {
                var bit = 1 << (Kind.FirstBit + i);
                var at = draft.DueAt(Date.PlusDays(-Kind.DaysBefore[i]));
                if ((Sent & bit) == 0 && at >= KnownAt)
                {
                    yield return (at, bit);
                }
            }
        }
    }
}
