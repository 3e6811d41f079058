using Dunning.Model;
using Dunning.Ports;
using Dunning.Rules;
using NodaTime;

namespace Dunning.Passes;

/// <summary>
/// The pure rules as the loop calls them: begin a pass for an account, decide on an answer and go on, act. Each call is one decision, saved in one
/// transaction.
/// </summary>
public static class Pass
{
    /// <summary>Brings an account through the phases that are due, up to the pass's last, or to its first effect.</summary>
    public static Decision Begin(AccountFile file, PassRun run, Rulebook book)
    {
        var draft = new Draft(file, run.Now, book);
        if (file.LeaseUntil > draft.Now)
        {
            // Another server is at work on it.
            return draft.Done();
        }
        return draft.Done(GoOn(draft, run, Cursor.StartOf(PassKind.Reconcile)), run.UpTo);
    }

    /// <summary>Decides on the answer to an effect and goes on with the pass from there.</summary>
    public static Decision Resume(AccountFile file, Effect effect, Answer answer, Rulebook book)
    {
        var draft = new Draft(file, effect.Run.Now, book);
        var (run, cursor) = (effect.Run, effect.Cursor);
        // Where the claim has ended meanwhile and another server has the account, an outcome counts, and nothing else.
        var isOwn = file.LeaseUntil is not null && file.LeaseVersion == effect.Lease;
        Effect? next = null;
        switch (answer)
        {
            case Answer.Charged charged:
                next = Charging.Answered(draft, charged, run, cursor, isOwn);
                break;
            case Answer.LookedUp lookedUp:
                next = Charging.LookedUp(draft, lookedUp, run, cursor, isOwn);
                break;
            case Answer.Fenced fenced:
                next = Charging.Fenced(draft, fenced, run, cursor, isOwn);
                break;
            case Answer.Refunded { Done: true } refunded when draft.File.Charges.FirstOrDefault(c => c.Key == refunded.Key) is { } charge:
                draft.Set(charge with { RefundDue = false, Refunded = charge.Amount.Minor });
                break;
            case Answer.Detached detached:
                Purging.Detached(draft, detached.Done);
                break;
            case Answer.Delivered delivered:
                Mailing.Delivered(draft, delivered);
                Mailing.GiveRoomBack(draft, (Effect.Deliver)effect, delivered);
                break;
        }
        return isOwn ? draft.Done(next ?? GoOn(draft, run, cursor), run.UpTo) : draft.Done();
    }

    /// <summary>Decides an action at its own instant (RULES 9 and 13).</summary>
    public static Decision Act(AccountFile file, AccountAction action, Instant now, Rulebook book)
    {
        var draft = new Draft(file, now, book);
        Acting.Act(draft, action);
        return draft.Done();
    }

    /// <summary>Decides on what the gateway tells by itself. A charge that it names must be in the file, also when it is over.</summary>
    public static Decision Told(AccountFile file, GatewayNews news, Instant now, Rulebook book)
    {
        var draft = new Draft(file, now, book);
        Telling.Hear(draft, news);
        return draft.Done();
    }

    /// <summary>Decides on a delivery status notification: mail to a contact has come back after it had been taken.</summary>
    /// <param name="file">The account.</param>
    /// <param name="contact">The contact's number.</param>
    /// <param name="reason">The codes, such as <c>5.1.1</c>.</param>
    /// <param name="now">The present instant.</param>
    /// <param name="book">What rules read.</param>
    public static Decision Bounced(AccountFile file, int contact, string reason, Instant now, Rulebook book)
    {
        var draft = new Draft(file, now, book);
        Mailing.Mark(draft, contact, reason, isReported: true);
        return draft.Done();
    }

    /// <summary>Decides on an operator's word that mail reaches a contact again.</summary>
    public static Decision Reachable(AccountFile file, int contact, Instant now, Rulebook book)
    {
        var draft = new Draft(file, now, book);
        Mailing.Clear(draft, contact);
        return draft.Done();
    }

    /// <summary>When which pass is next due for a file: for an import, and when the rules' settings have changed.</summary>
    public static DueTimes DueOf(AccountFile file, Instant now, Rulebook book) => Due.Of(file, now, book, null, false);

    private static Effect? GoOn(Draft draft, PassRun run, Cursor cursor)
    {
        var last = run.UpTo == PassKind.All ? PassKind.Mail : run.UpTo;
        for (var phase = cursor.Phase; phase <= last; phase++)
        {
            if (phase != cursor.Phase)
            {
                cursor = Cursor.StartOf(phase);
            }
            var effect = Phase(draft, run, cursor);
            if (effect is not null)
            {
                return effect;
            }
        }
        return null;
    }

    private static Effect? Phase(Draft draft, PassRun run, Cursor cursor)
    {
        switch (cursor.Phase)
        {
            case PassKind.Reconcile:
                return Charging.Reconcile(draft, run, cursor);
            case PassKind.Renew:
                return Renewing.Phase(draft, run, cursor);
            case PassKind.Dun:
                return Stepping.Phase(draft, run, cursor);
            case PassKind.EndAccess:
                TempAccess.Phase(draft);
                return null;
            case PassKind.Purge:
                return Purging.Phase(draft, run, cursor);
            case PassKind.Remind:
                Reminding.Phase(draft);
                return null;
            case PassKind.Mail:
                return Mailing.Phase(draft, run, cursor);
            default:
                throw new InvalidOperationException($"{cursor.Phase} is no phase");
        }
    }
}
