using System.Collections.Immutable;
using Dunning.Model;
using Dunning.Passes;
using Dunning.Time;
using NodaTime;

namespace Dunning.Rules;

/// <summary>
/// RULES 8, what is not urgent: it is held for a contact who wants it once a day or a week, and then told in one mail. When, is worked out of the
/// contact as it is and the day of the decision, not stored: a changed frequency, a removed contact, a purge or another ChargeAt counts for what
/// is held already.
/// </summary>
internal static class Digesting
{
    /// <summary>
    /// Mails in one digest; what is beyond comes in another at the same time. Each may bring two documents of some 45 kB, and more than 10 MB no mailbox
    /// takes for sure.
    /// </summary>
    public const int MaxItems = 25;

    /// <summary>Whether a mail waits for the contact's next digest.</summary>
    public static bool Holds(string template, Contact contact) =>
        contact.Frequency != MailFrequency.AtOnce && MailTemplates.NotUrgent.Contains(template);

    /// <summary>When something that is held is next dealt with; null: nothing is held.</summary>
    public static Instant? NextAt(Draft draft) => HeldIn(draft).Select(h => (Instant?)h.At).Min();

    /// <summary>The same for each contact.</summary>
    public static IEnumerable<Instant> Ahead(Draft draft) => HeldIn(draft).GroupBy(h => h.Recipient.Contact, (_, held) => held.Min(h => h.At));

    /// <summary>Makes what has been held long enough a digest for each contact, and drops what is held for those who get no mail any more.</summary>
    public static void Collect(Draft draft)
    {
        var due = HeldIn(draft).Where(h => h.At <= draft.Now).OrderBy(h => h.Mail.Number).ToImmutableArray();
        foreach (var (mail, held) in due.GroupBy(h => h.Mail.Number).Select(g => (g.First().Mail, g.ToImmutableArray())))
        {
            draft.Set(mail with { Recipients = [.. mail.Recipients.Select(r => held.FirstOrDefault(h => h.Recipient == r) is { } it ? Settled(it) : r)] });
            if (held.Where(h => h.Contact is null).Select(Settled).ToImmutableArray() is { IsEmpty: false } dropped)
            {
                Mailing.TellDropped(draft, mail.Template, dropped);
            }
        }
        foreach (var items in due.Where(h => h.Contact is not null).GroupBy(h => h.Contact!).OrderBy(g => g.Key.Number))
        {
            foreach (var some in items.Chunk(MaxItems))
            {
                var facts = new MailFacts { Items = [.. some.Select(h => new DigestItem(h.Mail.Template, h.Mail.DecidedAt, h.Mail.Facts))] };
                Mailing.Add(draft, MailTemplates.Digest, facts, [Mailing.RecipientOf(draft.File, items.Key)]);
            }
        }

        Recipient Settled(Held held) =>
            held.Recipient with { State = held.Contact is null ? DeliveryState.Dropped : DeliveryState.Digested, SettledAt = draft.Now };
    }

    /// <summary>ChargeAt of the next day, or of the next Monday, that lies after an instant.</summary>
    internal static Instant After(Instant decidedAt, MailFrequency frequency, Func<LocalDate, Instant> dueAt, DateTimeZone zone)
    {
        var date = LocalClock.LocalDateOf(decidedAt, zone);
        if (frequency == MailFrequency.Weekly && date.DayOfWeek != IsoDayOfWeek.Monday)
        {
            date = date.Next(IsoDayOfWeek.Monday);
        }
        while (dueAt(date) <= decidedAt)
        {
            date = date.PlusDays(frequency == MailFrequency.Weekly ? 7 : 1);
        }
        return dueAt(date);
    }

    private static IEnumerable<Held> HeldIn(Draft draft) =>
        from mail in draft.File.Mails
        from recipient in mail.Recipients
        where recipient.State == DeliveryState.Held
        let contact = draft.File.Contacts.FirstOrDefault(c => c.Number == recipient.Contact && c.GetsMail)
        select new Held(mail, recipient, contact, AtOf(draft, mail, contact));

    // A purged account has no next week: what is held would keep its data from being erased.
    private static Instant AtOf(Draft draft, Mail mail, Contact? contact) =>
        contact is null or { Frequency: MailFrequency.AtOnce } || draft.File.PurgedAt is not null ? mail.DecidedAt
            : After(mail.DecidedAt, contact.Frequency, draft.DueAt, draft.Zone);

    private sealed record Held(Mail Mail, Recipient Recipient, Contact? Contact, Instant At);
}
