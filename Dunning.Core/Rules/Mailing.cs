using System.Collections.Immutable;
using Dunning.Events;
using Dunning.Model;
using Dunning.Passes;
using Dunning.Ports;
using Dunning.Time;
using NodaTime;

namespace Dunning.Rules;

/// <summary>RULES 8 and, for mails that leave later than they were decided, 13.</summary>
internal static class Mailing
{
    /// <summary>Tries after which a mail is dead: with the growing delay, a little over three days.</summary>
    public const int MaxTries = 20;

    /// <summary>
    /// Decides a mail to those who are owner or billing now; it is held for those who want it in their next digest. None where nobody would get it.
    /// </summary>
    public static void Decide(Draft draft, string template, MailFacts facts)
    {
        var recipients = draft.File.Contacts.Where(c => c.GetsMail)
            .OrderBy(c => c.Email, StringComparer.Ordinal)
            .Select(c => RecipientOf(draft.File, c) with { State = Digesting.Holds(template, c) ? DeliveryState.Held : DeliveryState.Pending })
            .ToImmutableArray();
        if (!recipients.IsEmpty)
        {
            Add(draft, template, facts, recipients);
        }
    }

    /// <summary>Adds a mail with the next number.</summary>
    public static void Add(Draft draft, string template, MailFacts facts, ImmutableArray<Recipient> recipients)
    {
        var file = draft.File;
        draft.File = file with
        {
            MailCount = file.MailCount + 1,
            Mails = file.Mails.Add(new Mail
            {
                Number = file.MailCount + 1,
                Template = template,
                DecidedAt = draft.Now,
                Facts = facts,
                Recipients = recipients,
            }),
        };
    }

    /// <summary>A contact as the recipient of a mail that is decided now.</summary>
    public static Recipient RecipientOf(AccountFile file, Contact c) =>
        new() { Contact = c.Number, Email = c.Email, Name = c.Name, Locale = c.Locale ?? file.Locale };

    /// <summary>What a mail about the account's debt tells: how much is unpaid, and what stands in the way of charging it. Nothing without a debt.</summary>
    public static MailFacts DebtOf(AccountFile file)
    {
        return !file.Invoices.Any(i => i.State == InvoiceState.Open && i.AmountDue.Currency == file.Currency) ? new MailFacts() : new MailFacts
        {
            Owed = file.Owed.Minor,
            Currency = file.Currency.Code,
            Code = Charging.ObstacleOf(file.DefaultMethod),
        };
    }

    /// <summary>Phase 7: makes the digests whose time has come, drops the mails whose reason is gone and returns the delivery of the others.</summary>
    public static Effect? Phase(Draft draft, PassRun run, Cursor cursor)
    {
        if (cursor.Date is not null)
        {
            return null;
        }
        Digesting.Collect(draft);
        var leaving = ImmutableArray.CreateBuilder<Mail>();
        foreach (var decided in draft.File.Mails.Where(m => m.NextTryAt <= draft.Now).OrderBy(m => m.Number).ToImmutableArray())
        {
            var mail = IsTrue(draft, decided) ? WithPresentContacts(draft, decided) : Drop(draft, decided, _ => true);
            draft.Set(mail);
            if (mail.NextTryAt is not null)
            {
                leaving.Add(mail);
            }
            else
            {
                TellDropped(draft, mail.Template, [.. mail.Recipients.Except(decided.Recipients)]);
            }
        }
        if (leaving.Count == 0 || draft.File.Barred.HasFlag(GuardKinds.Mails))
        {
            return null;
        }
        var deliver = new Effect.Deliver(
            draft.File.Id, run, cursor with { Date = draft.Today, Subscription = "" }, 0, draft.File, leaving.ToImmutable()) { DecidedAt = draft.Now };
        draft.Tell(new RoomChange(GuardKinds.Mails, deliver.DecidedAt, deliver.Messages));
        return deliver;
    }

    /// <summary>Messages that have not left give their room back: each takes it again with its next try.</summary>
    public static void GiveRoomBack(Draft draft, Effect.Deliver deliver, Answer.Delivered answer)
    {
        var stayed = deliver.Messages - answer.Results.Sum(m => m.Results.Count(r => r.Verdict == DeliveryVerdict.Accepted || r.MayHaveLeft));
        if (stayed > 0)
        {
            draft.Tell(new RoomChange(GuardKinds.Mails, deliver.DecidedAt, -stayed));
        }
    }

    /// <summary>Decides on what the mail server said.</summary>
    public static void Delivered(Draft draft, Answer.Delivered answer)
    {
        foreach (var (number, results) in answer.Results)
        {
            if (draft.File.Mails.FirstOrDefault(m => m.Number == number) is not { } mail)
            {
                continue;
            }
            var byContact = results.ToDictionary(r => r.Contact);
            var (accepted, bounced) = (ImmutableArray.CreateBuilder<Recipient>(), new List<(int Contact, string Reason)>());
            mail = mail with
            {
                Recipients = [.. mail.Recipients.Select(r =>
                {
                    if (r.State != DeliveryState.Pending || !byContact.TryGetValue(r.Contact, out var result))
                    {
                        return r;
                    }
                    r = After(r, result, draft.Now);
                    if (r.State == DeliveryState.Accepted)
                    {
                        accepted.Add(r);
                    }
                    if (result.Verdict == DeliveryVerdict.Bounced)
                    {
                        bounced.Add((r.Contact, result.Detail ?? "refused"));
                    }
                    return r;
                })],
            };
            draft.Set(mail);
            if (accepted.Count > 0)
            {
                draft.Tell(draft.New(EventTypes.EmailSent) with { Template = mail.Template, To = accepted.ToImmutable() });
                CountWarning(draft, mail);
            }
            foreach (var recipient in accepted)
            {
                Clear(draft, recipient.Contact, c => !c.Bounce!.IsReported);
            }
            foreach (var (contact, reason) in bounced)
            {
                Mark(draft, contact, reason, isReported: false);
            }
        }
    }

    /// <summary>
    /// Marks a contact as one that mail does not reach, and says so where it is the last: a bounce never widens the audience (RULES 13), so somebody must
    /// look for another address. Nothing for one that is gone, or marked already.
    /// </summary>
    public static void Mark(Draft draft, int contact, string reason, bool isReported)
    {
        if (Find(draft, contact) is not { Bounce: null } found)
        {
            return;
        }
        Set(draft, found with { Bounce = new Bounce(draft.Now, reason, isReported) });
        draft.Tell(draft.New(EventTypes.ContactBouncing) with { Reason = reason, To = [RecipientOf(draft.File, found)] });
        if (draft.File.Contacts.Where(c => c.GetsMail).All(c => c.Bounce is not null))
        {
            draft.Tell(draft.New(EventTypes.AccountUnreachable));
        }
    }

    /// <summary>Takes the mark off again, where <paramref name="isIt"/> (default: any) says so.</summary>
    public static void Clear(Draft draft, int contact, Func<Contact, bool>? isIt = null)
    {
        if (Find(draft, contact) is { Bounce: not null } found && isIt?.Invoke(found) != false)
        {
            Set(draft, found with { Bounce = null });
            draft.Tell(draft.New(EventTypes.ContactReachable) with { To = [RecipientOf(draft.File, found)] });
        }
    }

    private static Contact? Find(Draft draft, int number) =>
        draft.File.PurgedAt is null ? draft.File.Contacts.FirstOrDefault(c => c.Number == number && c.GetsMail) : null;

    private static void Set(Draft draft, Contact contact) => draft.File = draft.File with
    {
        Contacts = [.. draft.File.Contacts.Select(c => c.Number == contact.Number ? contact : c)],
    };

    private static Recipient After(Recipient recipient, DeliveryResult result, Instant now)
    {
        var tries = recipient.Tries + 1;
        var state = result.Verdict switch
        {
            DeliveryVerdict.Accepted => DeliveryState.Accepted,
            DeliveryVerdict.Rejected or DeliveryVerdict.Bounced => DeliveryState.Dead,
            DeliveryVerdict.Deferred => tries >= MaxTries ? DeliveryState.Dead : DeliveryState.Pending,
            _ => throw new ArgumentOutOfRangeException(nameof(result)),
        };
        return recipient with
        {
            Tries = tries,
            State = state,
            NextTryAt = state == DeliveryState.Pending ? now + Backoff.After(tries) : null,
            SettledAt = state == DeliveryState.Pending ? null : now,
            Detail = result.Detail,
        };
    }

    /// <summary>
    /// Whether a mail may still leave. In the pass that decided it only <c>payment_failed</c> depends on its reason; a mail that leaves later is
    /// sent only if it is still true.
    /// </summary>
    private static bool IsTrue(Draft draft, Mail mail)
    {
        var (file, facts) = (draft.File, mail.Facts);
        if (mail.Template == MailTemplates.PaymentFailed)
        {
            return IsUnpaid();
        }
        if (mail.DecidedAt == draft.Now)
        {
            return true;
        }
        var subscription = file.Subscriptions.FirstOrDefault(s => s.Id == facts.Subscription && s.IsLive);
        return mail.Template switch
        {
            MailTemplates.SuspensionWarning => file.Access == Access.Active && Unpaid() is { PausedUntil: null } invoice && !Stepping.IsExempt(file, invoice),
            MailTemplates.AccountSuspended => file.Access != Access.Active && file.PurgedAt is null,
            MailTemplates.PurgeWarning => file is { PurgedAt: null, LegalHold: false, Exempt: false } && !Purging.IsPaused(file) && file.Access != Access.Active
                && file.PurgeOn == facts.PurgeOn,
            MailTemplates.RenewalUpcoming => subscription is { IsRenewing: true } && IsAhead(subscription),
            MailTemplates.SubscriptionExpiring => subscription is { AutoRenew: false, CancelAtPeriodEnd: false } && IsAhead(subscription),
            MailTemplates.DebitUpcoming => facts.Date >= draft.Today && file.DefaultMethod is { IsDebit: true }
                && (IsUnpaid() || subscription is { IsRenewing: true } && IsAhead(subscription)),
            MailTemplates.CardExpiring => file.DefaultMethod is { } method && method.Expires == facts.CardExpires
                && facts.Date >= draft.Today,
            _ => true,
        };

        Invoice? Unpaid() => facts is { Subscription: { } id, PeriodStart: { } start } ? file.UnpaidInvoice(id, start) : null;
        bool IsUnpaid() => Unpaid() is not null;
        bool IsAhead(Subscription s) => s.RenewsOn == facts.Date && !draft.IsDue(s.RenewsOn);
    }

    /// <summary>A mail that leaves later goes only to those who are still owner or billing.</summary>
    private static Mail WithPresentContacts(Draft draft, Mail mail) =>
        mail.DecidedAt == draft.Now || draft.File.PurgedAt is not null ? mail
            : Drop(draft, mail, r => !draft.File.Contacts.Any(c => c.Number == r.Contact && c.GetsMail));

    private static Mail Drop(Draft draft, Mail mail, Func<Recipient, bool> isFor) => mail with
    {
        Recipients = [.. mail.Recipients.Select(r => r.State == DeliveryState.Pending && isFor(r)
            ? r with { State = DeliveryState.Dropped, SettledAt = draft.Now, NextTryAt = null } : r)],
    };

    /// <summary>Tells that a mail will not leave for these.</summary>
    public static void TellDropped(Draft draft, string template, ImmutableArray<Recipient> dropped) =>
        draft.Tell(draft.New(EventTypes.EmailDropped) with { Template = template, To = dropped });

    /// <summary>A warning counts when it has left for at least one recipient (RULES 13).</summary>
    private static void CountWarning(Draft draft, Mail mail)
    {
        var (file, facts) = (draft.File, mail.Facts);
        if (mail.Template == MailTemplates.PurgeWarning && file.Access != Access.Active && mail.DecidedAt >= file.SuspendedAt
            && !file.PurgeWarningsLeft.Contains(draft.Today))
        {
            draft.File = file with { PurgeWarningsLeft = file.PurgeWarningsLeft.Add(draft.Today) };
        }
        else if (mail.Template == MailTemplates.SuspensionWarning
            && facts is { Subscription: { } id, PeriodStart: { } start }
            && file.UnpaidInvoice(id, start) is { Case: { WarnedOn: { } warnedOn, WarningLeftOn: null } dunningCase } invoice
            && facts.Step == dunningCase.Schedule.LastWarning
            && LocalClock.LocalDateOf(mail.DecidedAt, draft.Zone) >= warnedOn)
        {
            draft.Set(invoice with { Case = dunningCase with { WarningLeftOn = draft.Today } });
        }
    }
}
