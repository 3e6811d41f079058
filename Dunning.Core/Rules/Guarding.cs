using System.Collections.Immutable;
using Dunning.Events;
using Dunning.Model;
using Dunning.Passes;
using NodaTime;

namespace Dunning.Rules;

/// <summary>
/// What decisions tell the guards against harm, and how they heed them. Rules know no limits: the file says what is barred now, and what a decision does of
/// each kind is read off it.
/// </summary>
internal static class Guarding
{
    /// <summary>What is barred waits so long before it is looked at again: operators must come first, and thousands may wait.</summary>
    public static readonly Duration Wait = Duration.FromMinutes(15);

    private static readonly Duration Day = Duration.FromHours(24);

    /// <summary>Whether the next step of an invoice would suspend its account, and that is barred.</summary>
    public static bool BarsStep(AccountFile file, Invoice invoice) => file.Barred.HasFlag(GuardKinds.Suspensions) && IsNextStepSuspending(file, invoice);

    /// <summary>When something that falls due at an instant is looked at, where it may be barred.</summary>
    public static Instant LookAt(Instant at, Instant now, bool isBarred) => isBarred && at <= now ? now + Wait : at;

    /// <summary>
    /// The room that a decision takes or gives back. Of a suspension it is taken when its attempt begins, and held while that has no outcome: whatever ends
    /// the attempt otherwise, such as money or a refused request, gives it back.
    /// </summary>
    /// <param name="before">The file as it was read.</param>
    /// <param name="after">The file as it is to be saved.</param>
    /// <param name="events">The decision's events.</param>
    /// <param name="now">The decision's instant.</param>
    public static IEnumerable<RoomChange> RoomOf(AccountFile before, AccountFile after, IReadOnlyList<BookEvent> events, Instant now)
    {
        var (held, holds) = (Held(before), Held(after));
        var suspended = before.Access == Access.Active && events.Any(e => e.Type == EventTypes.AccountSuspended) ? 1 : 0;
        var ended = held.RemoveAll(i => holds.Any(h => IsSame(h, i)));
        var taken = holds.Count(h => !held.Any(i => IsSame(h, i))) + (ended.IsEmpty ? suspended : 0);
        if (taken > 0)
        {
            yield return new RoomChange(GuardKinds.Suspensions, now, taken);
        }
        // A bank debit fails days later: then it counts in the day on which it suspends, too.
        if (suspended == 1 && !ended.IsEmpty && ended[0].AttemptedAt < now - Day)
        {
            yield return new RoomChange(GuardKinds.Suspensions, now, 1);
        }
        foreach (var invoice in ended.Skip(suspended))
        {
            yield return new RoomChange(GuardKinds.Suspensions, invoice.AttemptedAt ?? now, -1);
        }
        if (before.PurgedAt is null && after.PurgedAt is not null)
        {
            yield return new RoomChange(GuardKinds.Purges, now, 1);
        }
    }

    private static ImmutableArray<Invoice> Held(AccountFile file) => file.Access != Access.Active ? [] :
        [
            .. file.Charges.Where(c => c is { IsOpen: true, Kind: AttemptKind.Step })
                .Select(c => file.UnpaidInvoice(c.SubscriptionId, c.PeriodStart)).OfType<Invoice>().Where(i => IsNextStepSuspending(file, i)),
        ];

    private static bool IsNextStepSuspending(AccountFile file, Invoice invoice) =>
        invoice.Case is { Exhausted: false } dunningCase && dunningCase.LastStep < dunningCase.Schedule.Steps.Length - 1
        && Stepping.StepOf(file, invoice, dunningCase, dunningCase.LastStep + 1).Suspend;

    private static bool IsSame(Invoice a, Invoice b) => a.SubscriptionId == b.SubscriptionId && a.PeriodStart == b.PeriodStart;
}
