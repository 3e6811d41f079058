using System.Collections.Immutable;
using Dunning.Model;
using Dunning.Passes;
using NodaTime;

namespace Dunning.Rules;

/// <summary>What a purge pass will do to an account, as things stand.</summary>
/// <param name="Account">The account.</param>
/// <param name="At">When; in the past: the next purge pass does it. Null: not before the obstacles are gone.</param>
/// <param name="Does">What.</param>
/// <param name="Since">Local date of the suspension, or of the last thing that happened to a closed account.</param>
/// <param name="Unpaid">What is written off.</param>
/// <param name="UnpaidInvoices">Of so many invoices.</param>
public sealed record PurgeAhead(string Account, Instant? At, PurgeAct Does, LocalDate? Since, Money Unpaid, int UnpaidInvoices)
{
    /// <summary>Why it waits; empty when it doesn't.</summary>
    public ImmutableArray<Obstacle> Obstacles { get; init; } = [];

    /// <summary>Local date of <see cref="At"/>, or the date that is planned.</summary>
    public LocalDate? Date { get; init; }

    /// <summary>When it falls due, whether or not it waits.</summary>
    public Instant? DueAt { get; init; }
}

/// <summary>What a purge pass does.</summary>
public enum PurgeAct
{
    /// <summary>Writes off what is unpaid, ends what is live, and erases the personal data.</summary>
    Purge,

    /// <summary>Puts the purge off by a week with a warning, for none has left in time.</summary>
    Postpone,

    /// <summary>Erases a closed account.</summary>
    EraseClosed,

    /// <summary>Erases what a purge has left: its mail is over.</summary>
    FinishErasing,
}

/// <summary>What purges lie ahead, by the rules themselves. For people to look at before it happens; nothing is decided on it.</summary>
public static class PurgeForecast
{
    /// <summary>Of one account; null: nothing.</summary>
    public static PurgeAhead? Of(AccountFile file, Instant now, Rulebook book)
    {
        var draft = new Draft(file, now, book);
        var ahead = new PurgeAhead(
            file.Id, null, PurgeAct.Purge, file.SuspendedOn, file.Owed, Stepping.Unpaid(file).Count(i => i.AmountDue.Currency == file.Currency));
        if (Purging.IsErasable(file))
        {
            return ahead with { At = now, DueAt = now, Does = PurgeAct.FinishErasing, Date = draft.Today };
        }
        if (Purging.ErasesOn(draft) is { } erasesOn)
        {
            return ahead with
            {
                At = draft.DueAt(erasesOn), DueAt = draft.DueAt(erasesOn), Does = PurgeAct.EraseClosed, Date = erasesOn, Since = Time.LocalClock.LocalDateOf(file.LastEventAt, draft.Zone),
            };
        }
        if (file is not { PurgedAt: null, PurgeOn: { } purgeOn } || file.Access == Access.Active)
        {
            return null;
        }
        ahead = ahead with { DueAt = draft.DueAt(purgeOn) };
        if (Purging.PurgesOn(file) is not { } date)
        {
            return ahead with { Date = purgeOn, Obstacles = [.. Forecast.WhyNotPurged(file)] };
        }
        // Later ones are warned of until then.
        var isPostponed = draft.IsDue(date) && !Purging.IsWarned(draft);
        return ahead with { At = draft.DueAt(date), Date = date, Does = isPostponed ? PurgeAct.Postpone : PurgeAct.Purge };
    }
}
