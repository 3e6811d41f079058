using System.Collections.Immutable;
using System.Globalization;
using Dunning.Events;
using Dunning.Model;
using Dunning.Passes;
using NodaTime;
using NodaTime.Text;

namespace Dunning.Postgres;

using Mail = Model.Mail; // in here, as the namespace Dunning.Mail comes before what is imported outside

/// <summary>Something of an account.</summary>
internal readonly record struct Of<T>(AccountFile Account, T Thing);

/// <summary>An event with its number within the account.</summary>
internal readonly record struct Numbered(long Seq, BookEvent Event);

/// <summary>
/// What a batch of decisions changes, found by comparing each file with the one read: only that is written. Records are immutable, so what was
/// not touched is the same object.
/// </summary>
internal sealed class Changes
{
    public List<Decision> Accounts { get; } = [];
    public List<AccountFile> Identities { get; } = [];
    public List<AccountFile> Erased { get; } = [];
    public List<Of<Contact>> Contacts { get; } = [];
    public List<Of<PaymentMethod>> MethodsChanged { get; } = [];
    public List<Of<PaymentMethod>> MethodsNew { get; } = [];
    public List<Of<Subscription>> Subscriptions { get; } = [];
    public List<Of<Subscription>> SubscriptionsNew { get; } = [];
    public List<Of<Invoice>> Receivables { get; } = [];
    public List<(Decision Decision, Invoice Invoice)> Issued { get; } = [];
    public List<(Decision Decision, Invoice Invoice)> Voided { get; } = [];
    public Dictionary<string, string> Schedules { get; } = new(StringComparer.Ordinal);
    public List<Of<Charge>> ChargesChanged { get; } = [];
    public List<Of<Charge>> ChargesNew { get; } = [];
    public List<(AccountFile Account, Model.Mail Mail, Recipient Recipient)> Sent { get; } = [];
    public List<(AccountFile Account, Model.Mail Mail, Recipient Recipient)> Delivered { get; } = [];
    public List<Numbered> Events { get; } = [];
    public List<Numbered> NoticesPosted { get; } = [];
    public List<Numbered> NoticesCleared { get; } = [];
    public List<(string Account, PassKind Pass, Instant At)> Due { get; } = [];
    public List<(string Account, PassKind Pass)> DueNoMore { get; } = [];

    /// <summary>What one decision changes.</summary>
    /// <exception cref="InvalidOperationException">The decision breaks an invariant of files: it is not saved.</exception>
    public static Changes Of(ReadFile read, Decision decision)
    {
        var changes = new Changes();
        var (before, after) = (read.File, decision.After);
        Require(after.Id == before.Id, "the decision is on another account");
        Require(after.EventCount == before.EventCount + decision.Events.Length, "EventCount doesn't count the decision's events");
        changes.Accounts.Add(decision);
        if (after.ErasedAt is not null && before.ErasedAt is null)
        {
            // It takes the identity along, by which it finds what else there is of it.
            changes.Erased.Add(after);
        }
        else if (!SameIdentity(before, after))
        {
            changes.Identities.Add(after);
        }
        changes.CompareContacts(before, after);
        changes.CompareMethods(before, after);
        Compare(before.Subscriptions, after.Subscriptions, s => s.Id, (a, b) => a == b,
            s => changes.SubscriptionsNew.Add(new(after, s)), (_, s) => changes.Subscriptions.Add(new(after, s)), null);
        Compare(before.Invoices, after.Invoices, i => (i.SubscriptionId, i.PeriodStart), (a, b) => a == b,
            i => changes.AddIssued(decision, i), (old, i) => changes.AddReceivable(decision, old, i), null);
        Compare(before.Charges, after.Charges, c => c.Key, (a, b) => a == b,
            c => changes.ChargesNew.Add(new(after, c)), (_, c) => changes.ChargesChanged.Add(new(after, c)), null);
        Compare(before.Mails, after.Mails, m => m.Number, ReferenceEquals,
            m => changes.Sent.AddRange(m.Recipients.Select(r => (after, m, r))), (old, m) => changes.CompareRecipients(after, old, m), null);
        changes.AddEvents(before, decision);
        changes.CompareDue(read, decision.Due);
        return changes;
    }

    public void Add(Changes other)
    {
        Accounts.AddRange(other.Accounts);
        Identities.AddRange(other.Identities);
        Erased.AddRange(other.Erased);
        Contacts.AddRange(other.Contacts);
        MethodsChanged.AddRange(other.MethodsChanged);
        MethodsNew.AddRange(other.MethodsNew);
        Subscriptions.AddRange(other.Subscriptions);
        SubscriptionsNew.AddRange(other.SubscriptionsNew);
        Receivables.AddRange(other.Receivables);
        Issued.AddRange(other.Issued);
        Voided.AddRange(other.Voided);
        foreach (var (fingerprint, steps) in other.Schedules)
        {
            Schedules[fingerprint] = steps;
        }
        ChargesChanged.AddRange(other.ChargesChanged);
        ChargesNew.AddRange(other.ChargesNew);
        Sent.AddRange(other.Sent);
        Delivered.AddRange(other.Delivered);
        Events.AddRange(other.Events);
        NoticesPosted.AddRange(other.NoticesPosted);
        NoticesCleared.AddRange(other.NoticesCleared);
        Due.AddRange(other.Due);
        DueNoMore.AddRange(other.DueNoMore);
    }

    /// <summary>The rows of <c>due</c> that differ from those read.</summary>
    public void CompareDue(ReadFile read, DueTimes due)
    {
        foreach (var pass in Texts.Pass.Values)
        {
            var (have, want) = (read.Due.TryGetValue(pass, out var at) ? at : (Instant?)null, due[pass].ToMicroseconds());
            if (want is { } instant && have != want)
            {
                Due.Add((read.File.Id, pass, instant));
            }
            else if (want is null && have is not null)
            {
                DueNoMore.Add((read.File.Id, pass));
            }
        }
    }

    private void CompareContacts(AccountFile before, AccountFile after) =>
        Compare(before.Contacts, after.Contacts, c => c.Number, (a, b) => a == b,
            c => Contacts.Add(new(after, c)),
            (_, c) => Contacts.Add(new(after, c)),
            gone => Contacts.Add(new(after, gone with { Removed = true })));

    private void CompareMethods(AccountFile before, AccountFile after) =>
        Compare(before.Methods, after.Methods, m => m.Ref, (a, b) => a == b,
            m => MethodsNew.Add(new(after, m)),
            (_, m) => MethodsChanged.Add(new(after, m)),
            gone => MethodsChanged.Add(new(after, gone with { IsRetired = true })));

    private void AddIssued(Decision decision, Invoice invoice)
    {
        Issued.Add((decision, invoice));
        AddSchedule(invoice);
        if (invoice.State == InvoiceState.Voided)
        {
            Voided.Add((decision, invoice));
        }
    }

    private void AddReceivable(Decision decision, Invoice before, Invoice after)
    {
        Require(SameDocument(before, after), "an issued invoice changed");
        Receivables.Add(new(decision.After, after));
        AddSchedule(after);
        if (after.State == InvoiceState.Voided && before.State != InvoiceState.Voided)
        {
            Voided.Add((decision, after));
        }
    }

    private void AddSchedule(Invoice invoice)
    {
        if (invoice.Case?.Schedule is { } schedule)
        {
            Schedules[schedule.Fingerprint] = schedule.Text;
        }
    }

    private void CompareRecipients(AccountFile account, Model.Mail before, Model.Mail after) =>
        Compare(before.Recipients, after.Recipients, r => r.Contact, (a, b) => a == b,
            r => Sent.Add((account, after, r)), (_, r) => Delivered.Add((account, after, r)), null);

    private void AddEvents(AccountFile before, Decision decision)
    {
        var seq = before.EventCount;
        foreach (var e in decision.Events)
        {
            var numbered = new Numbered(++seq, e);
            Events.Add(numbered);
            if (e.Type == EventTypes.NoticePosted)
            {
                NoticesPosted.Add(numbered);
            }
            else if (e.Type == EventTypes.NoticeCleared)
            {
                NoticesCleared.Add(numbered);
            }
        }
    }

    // Files have a handful of each, so a scan beats a table. `gone` null: what was read must still be there.
    private static void Compare<T, TKey>(
        ImmutableArray<T> before, ImmutableArray<T> after, Func<T, TKey> key, Func<T, T, bool> same, Action<T> added, Action<T, T> changed, Action<T>? gone)
        where T : class
        where TKey : notnull
    {
        if (before == after)
        {
            return;
        }
        var left = before.ToDictionary(key);
        foreach (var item in after)
        {
            if (!left.Remove(key(item), out var old))
            {
                added(item);
            }
            else if (!same(old, item))
            {
                changed(old, item);
            }
        }
        foreach (var lost in left.Values)
        {
            Require(gone is not null, $"the decision lost a {typeof(T).Name} that was read: what has ended must be in its file once");
            gone!(lost);
        }
    }

    private static bool SameIdentity(AccountFile a, AccountFile b) =>
        a.Name == b.Name && a.LegalName == b.LegalName && a.Country == b.Country && a.TimeZone == b.TimeZone && a.Currency == b.Currency
        && a.Locale == b.Locale && a.Address == b.Address && a.VatNumber == b.VatNumber && a.GatewayCustomer == b.GatewayCustomer;

    private static bool SameDocument(Invoice a, Invoice b) =>
        a.PeriodEnd == b.PeriodEnd && a.PlanCode == b.PlanCode && a.PlanVersion == b.PlanVersion && a.Quantity == b.Quantity
        && a.UnitPrice == b.UnitPrice && a.Subtotal == b.Subtotal && a.TaxTreatment == b.TaxTreatment && a.TaxRateBp == b.TaxRateBp
        && a.Tax == b.Tax && a.CreditApplied == b.CreditApplied && a.CarriedIn == b.CarriedIn && a.CarriedOut == b.CarriedOut && a.AmountDue == b.AmountDue && a.IssuedAt == b.IssuedAt;

    private static void Require(bool holds, string otherwise)
    {
        if (!holds)
        {
            throw new InvalidOperationException($"broken invariant: {otherwise}");
        }
    }
}

/// <summary>The key of a message: one for each mail and recipient. Its Message-ID is made of it, so that a message sent twice can be told.</summary>
public static class MailKey
{
    /// <summary><c>template:account:subject:ISO date:mail number:contact number</c>.</summary>
    public static string Of(string account, Model.Mail mail, int contact) => string.Create(
        CultureInfo.InvariantCulture,
        $"{mail.Template}:{account}:{mail.Facts.Subscription}:{LocalDatePattern.Iso.Format(DateOf(mail))}:{mail.Number}:{contact}");

    // What the mail is about, so that the same mail decided again has the same key; else the day of the decision.
    private static LocalDate DateOf(Model.Mail mail) =>
        mail.Facts.Date ?? mail.Facts.PeriodStart ?? mail.Facts.PurgeOn ?? mail.DecidedAt.InUtc().Date;
}
