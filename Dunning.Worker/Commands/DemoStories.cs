using System.Collections.Immutable;
using System.Globalization;
using Dunning.Events;
using Dunning.Model;
using Dunning.Rules;

namespace Dunning.Commands;

/// <summary>How good the news of a line is; it has that colour.</summary>
internal enum Mood { Plain, Good, Bad, Grave }

/// <summary>What happened to one account in one pass, as one line of its story.</summary>
internal sealed record StoryLine(string Account, string When, string Text, Mood Mood);

/// <summary>Makes story lines of events: what one pass did to one account is told in one breath, and what follows from it is left out.</summary>
internal static class DemoStories
{
    /// <summary>The line for one account's events of one pass.</summary>
    /// <param name="account">Its id, the story's name.</param>
    /// <param name="events">In their order; at least one.</param>
    /// <param name="file">The account after them, when it is needed to say what comes next; see <see cref="NeedsFile"/>.</param>
    /// <param name="words">How its dates and amounts are written.</param>
    public static StoryLine Tell(string account, IReadOnlyList<BookEvent> events, AccountFile? file, AccountWords words)
    {
        var sentences = new EventSentences(words);
        var clauses = events.Where(e => e.Type != EventTypes.EmailSent && !IsSaidByAnother(e, events))
            .Select(e => Short(sentences.Of(e), account)).ToList();
        clauses.AddRange(Mails(events));
        if (file is not null)
        {
            clauses.AddRange(Next(events, file));
        }
        return new StoryLine(account, words.ShortTime(events[0].At), string.Join("; ", clauses), MoodOf(events));
    }

    /// <summary>Whether the line ends with what comes next, for which the account is read.</summary>
    public static bool NeedsFile(IEnumerable<BookEvent> events) =>
        events.Any(e => e.Type is EventTypes.DunningOpened or EventTypes.DunningStep or EventTypes.AccountReactivated);

    private static bool IsSaidByAnother(BookEvent e, IReadOnlyList<BookEvent> all)
    {
        return e.Type switch
        {
            // The renewal and what was charged say it.
            EventTypes.InvoiceIssued => e.CreditApplied is null or 0
                && Also(EventTypes.ChargeSucceeded, EventTypes.ChargeFailed, EventTypes.ChargeUnknown, EventTypes.ChargePending),
            EventTypes.InvoicePaid => Also(EventTypes.ChargeSucceeded, EventTypes.CreditApplied),
            EventTypes.DunningExhausted => all.Any(o => o.Type == EventTypes.AccountSuspended),
            _ => false,
        };

        bool Also(params ReadOnlySpan<string> types)
        {
            foreach (var other in all)
            {
                if (types.Contains(other.Type) && other.Subscription == e.Subscription && other.PeriodStart == e.PeriodStart)
                {
                    return true;
                }
            }
            return false;
        }
    }

    // Ids of the tour begin with the account's: said once, at the head of the line.
    private static string Short(string sentence, string account) =>
        sentence.Replace($" {account}-", " #", StringComparison.Ordinal).Replace(" #card", " the card", StringComparison.Ordinal);

    private static IEnumerable<string> Mails(IReadOnlyList<BookEvent> events)
    {
        foreach (var byRecipients in events.Where(e => e.Type == EventTypes.EmailSent)
            .GroupBy(e => string.Join(' ', Addresses(e)), StringComparer.Ordinal))
        {
            var to = Addresses(byRecipients.First());
            var others = to.Length > 1 ? string.Create(CultureInfo.InvariantCulture, $" and {to.Length - 1} more") : "";
            yield return $"mail {string.Join(", ", byRecipients.Select(e => $"'{AccountWords.Plain(e.Template ?? "")}'"))} to {to.FirstOrDefault("nobody")}{others}";
        }

        // The owner before the others: the person whom the story is about.
        static ImmutableArray<string> Addresses(BookEvent e) =>
            [.. (e.To ?? []).Select(r => r.Email).OrderByDescending(a => a.StartsWith("owner", StringComparison.Ordinal)).ThenBy(a => a, StringComparer.Ordinal)];
    }

    private static IEnumerable<string> Next(IReadOnlyList<BookEvent> events, AccountFile file)
    {
        foreach (var invoice in file.Invoices.Where(i => events.Any(e =>
            e.Type is EventTypes.DunningOpened or EventTypes.DunningStep && e.Subscription == i.SubscriptionId && e.PeriodStart == i.PeriodStart)))
        {
            if (Forecast.NextAttemptOn(file, invoice) is not { } next)
            {
                continue;
            }
            yield return $"next attempt {AccountWords.Date(next)}"
                + (Forecast.SuspendsOn(file, invoice) == next ? ", and if that fails the account is suspended" : "");
        }
        if (events.Any(e => e.Type == EventTypes.AccountReactivated))
        {
            foreach (var subscription in file.Subscriptions.Where(s => s.IsLive))
            {
                yield return $"renews on {AccountWords.Date(subscription.RenewsOn)}";
            }
        }
    }

    private static Mood MoodOf(IReadOnlyList<BookEvent> events)
    {
        var mood = Mood.Plain;
        foreach (var e in events)
        {
            var of = e.Type switch
            {
                EventTypes.AccountSuspended or EventTypes.AccountPurged or EventTypes.ChargeStuck => Mood.Grave,
                EventTypes.ChargeFailed or EventTypes.ChargeSkipped or EventTypes.ChargeUnknown or EventTypes.ChargeDuplicate
                    or EventTypes.AccountPurgePostponed or EventTypes.ActionRejected => Mood.Bad,
                EventTypes.ChargeSucceeded or EventTypes.InvoicePaid or EventTypes.AccountReactivated or EventTypes.AccountAccessGranted => Mood.Good,
                _ => Mood.Plain,
            };
            // A decline that a backup card made good is good news; a suspension is one whatever else there is.
            mood = mood == Mood.Grave || of == Mood.Plain ? mood : of;
        }
        return mood;
    }
}
