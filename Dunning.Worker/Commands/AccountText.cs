using System.Globalization;
using Dunning.Documents;
using Dunning.Model;
using Dunning.Postgres;
using Dunning.Rules;
using NodaTime;

namespace Dunning.Commands;

/// <summary>An account's page as text for a person: what it is, what it owes, what happens next, what has happened.</summary>
internal sealed class AccountText(AccountPage page, Paint paint) : TextSheet(paint, labelWidth: 9)
{
    private const int RecentPaid = 5;

    private readonly EventSentences _sentences = new(page.Words);

    private AccountFile File => page.File;

    private AccountWords Words => page.Words;

    /// <summary>The page with at most so many events.</summary>
    public string Write(int events)
    {
        Who();
        State();
        Contacts();
        Methods();
        Subscriptions();
        Unpaid();
        Paid();
        UnderWay();
        Next();
        Timeline(events);
        return ToString();
    }

    private void Who()
    {
        var a = page.Sheet.Account;
        Line(Paint.Bold(File.Id) + (File.Name.Length > 0 ? "  " + File.Name : "")
            + $"  ({a.Country}, {a.TimeZone}, {a.Currency}, {a.Locale})");
        Line(Paint.Dim($"as of {Words.Time(page.AsOf)}{(page.IsSimulated ? " (simulated)" : "")}; dates and times are those of {a.TimeZone}"));
    }

    private void State()
    {
        Line("");
        Row("access", Access());
        if (File is { Access: Dunning.Model.Access.Limited, AccessUntil: { } until })
        {
            Row("", $"temporary access until {Words.Time(until)}");
        }
        if (File.Access != Dunning.Model.Access.Active && File is { PurgedAt: null, PurgeOn: { } purgeOn })
        {
            Row("", File.LegalHold ? $"purge date {AccountWords.Date(purgeOn)}, but a legal hold: not purged" : $"purge on {AccountWords.Date(purgeOn)}");
        }
        Row("credit", Words.Amount(File.Credit));
        if (File.Exempt)
        {
            Row("exempt", "for good: never suspended or purged");
        }
        if (File.LegalHold)
        {
            Row("hold", "legal hold: never purged");
        }
    }

    private string Access()
    {
        if (File.PurgedAt is { } purged)
        {
            return Paint.Magenta($"purged on {AccountWords.Date(Words.DateOf(purged))}")
                + (File.ErasedAt is { } erased ? $"; personal data erased {Words.Time(erased)}" : "; personal data is erased once the last mail has left");
        }
        if (File.Closed)
        {
            return "closed: no live subscription, nothing owed";
        }
        return File.Access switch
        {
            Dunning.Model.Access.Active => Paint.Green("active"),
            Dunning.Model.Access.Suspended => Paint.Red(Since("suspended")),
            Dunning.Model.Access.Limited => Paint.Yellow(Since("limited: suspended")),
        };

        string Since(string what) => File.SuspendedOn is { } on ? $"{what} since {AccountWords.Date(on)}" : what;
    }

    private void Contacts()
    {
        Heading("contacts");
        foreach (var c in File.Contacts)
        {
            Row(RoleOf(c.Role), c.Email + (c.Name.Length > 0 ? $"  {c.Name}" : "") + (c.Locale is { } locale ? $"  ({locale})" : "")
                + (!c.GetsMail ? Paint.Dim("  gets no billing mail")
                    : c.Frequency == MailFrequency.AtOnce ? "" : $"  {Texts.Frequency[c.Frequency]} digest of what is not urgent")
                + (c.Bounce is { } bounce ? Paint.Yellow($"  bounces since {Words.Time(bounce.At)} ({bounce.Reason})") : ""));
        }
        None(File.Contacts.IsEmpty, File.ErasedAt is null ? "none" : "erased");
    }

    private void Methods()
    {
        Heading("payment methods");
        foreach (var m in File.Methods)
        {
            Row(m.IsDefault ? "default" : m.IsBackup ? "backup" : "not used",
                AccountWords.Method(m) + (m.Expires is { } expires ? $", expires {AccountWords.Month(expires)}" : "") + ", " + m.State switch
                {
                    MethodState.Ok => "chargeable",
                    MethodState.Blocked => Paint.Red("blocked by a hard decline until it is replaced"),
                    MethodState.Waiting => Paint.Yellow("waits for the customer to authenticate"),
                });
        }
        None(File.Methods.IsEmpty, File.ErasedAt is null ? "none" : "erased");
    }

    private void Subscriptions()
    {
        Heading("subscriptions");
        foreach (var s in File.Subscriptions)
        {
            Row(s.Id, $"{s.Quantity.ToString(CultureInfo.InvariantCulture)} × {Words.Plan(s.PlanCode)}, {Renews(s)}");
            if (s.PendingPlan is { } plan)
            {
                Row("", $"changes to {Words.Plan(plan)} at its next renewal");
            }
            if (s.CancelKept)
            {
                Row("", "a cancellation was received; it is decided when the outcome of the charge is known");
            }
        }
        foreach (var s in page.Sheet.Subscriptions.Where(s => s.State != "live"))
        {
            Row(s.Id, Paint.Dim($"{s.State}; it was {s.Quantity.ToString(CultureInfo.InvariantCulture)} × {Words.Plan(s.PlanCode)}"));
        }
        None(page.Sheet.Subscriptions.Count == 0, "none");
    }

    private string Renews(Subscription s)
    {
        var on = AccountWords.Date(s.RenewsOn);
        var isHeld = page.Ahead.Any(p => p.Kind == ProspectKind.Renewal && p.Subscription == s.Id && !p.Obstacles.IsEmpty);
        return isHeld && s.RenewsOn <= Words.DateOf(page.AsOf) ? Paint.Yellow($"held: it was to renew on {on}")
            : s.CancelAtPeriodEnd ? $"ends on {on} (canceled)" : s.AutoRenew ? $"renews on {on}" : $"ends on {on} (does not renew)";
    }

    private void Unpaid()
    {
        Heading("unpaid invoices");
        foreach (var i in File.Invoices)
        {
            Line("  " + Paint.Red(AccountWords.Amount(i.AmountDue)) + $"  {i.SubscriptionId}, {AccountWords.Days(i.PeriodStart, i.PeriodEnd)}"
                + (page.RowOf(i) is { } row ? $", {NumberOf(row)}" : "") + $", unpaid since {AccountWords.Date(Words.DateOf(i.IssuedAt))}");
            if (page.LastFailure(i) is { } why)
            {
                Line($"    last attempt failed: {AccountWords.Plain(why)}");
            }
            if (i.PausedUntil is { } until)
            {
                Line($"    paused until {AccountWords.Date(until)}: no step and no automatic attempt before it");
            }
            if (i.Exempt)
            {
                Line("    exempt: it suspends nobody");
            }
            if (i.Case is not { } c)
            {
                Line(page.WasRefused(i) ? "    no dunning case: the gateway refused the request of its first attempt, so none was made; the next pass sends it again"
                    : "    no dunning case: its first attempt has no outcome yet");
                continue;
            }
            Line($"    dunning since {AccountWords.Date(c.DayZero)}: {StepOf(c.LastStep, c)} done on {AccountWords.Date(c.LastStepOn)}"
                + (c.HasNotices ? "; in-app notice shown" : ""));
            if (page.HeldSince(i) is { } held)
            {
                Line("    " + Paint.Yellow($"held by the guard of suspensions since {Words.Time(held)}") + ": its last attempt is not made, nor the account suspended, before an operator approves");
            }
            else if (c.Exhausted)
            {
                Line("    exhausted: no more attempts until there is a new payment method, an authentication or enough credit");
            }
            else if (Forecast.SuspendsOn(File, i) is { } suspendsOn)
            {
                Line($"    next attempt {(Forecast.NextAttemptOn(File, i) is { } next ? AccountWords.Date(next) : "once the warning has left")}; "
                    + $"suspends on {AccountWords.Date(suspendsOn)} if nothing is paid");
            }
            else if (File.Access == Model.Access.Active)
            {
                Line(Forecast.NextAttemptOn(File, i) is { } attempt ? $"    next attempt {AccountWords.Date(attempt)}; it suspends nobody"
                    : "    its last attempt is made, and it suspends nobody");
            }
            else
            {
                Line("    frozen: no step falls due until access is active again");
            }
        }
        None(File.Invoices.IsEmpty, "none");
    }

    private void Paid()
    {
        var settled = page.Sheet.Invoices.Where(i => i.State != "open").OrderBy(i => i.SettledAt).ToList();
        Heading(settled.Count > RecentPaid
            ? string.Create(CultureInfo.InvariantCulture, $"settled invoices, the last {RecentPaid} of {settled.Count}") : "settled invoices");
        foreach (var i in settled.TakeLast(RecentPaid))
        {
            Line($"  {AccountWords.Amount(new Money(i.AmountDue, File.Currency))}  {i.SubscriptionId}, "
                + $"{AccountWords.Days(DateOf(i.PeriodStart), DateOf(i.PeriodEnd))}, {NumberOf(i)}, {AccountWords.Plain(i.State)}"
                + (i.SettledAt is { } at ? $" {AccountWords.Date(Words.DateOf(InstantOf(at)))}" : ""));
            foreach (var c in page.RefundsOf(i))
            {
                Line("    " + (c.RefundDue ? Paint.Yellow($"refund of {Words.Amount(c.Amount - c.Refunded)} under way{Since(c)}")
                    : $"{Words.Amount(c.Refunded)} went back{(c.RefundAt is { } done ? $" on {Words.Time(InstantOf(done))}" : "")}"));
            }
        }
        None(settled.Count == 0, "none");
    }

    private string Since(ChargeView charge) => charge.RefundAt is { } at ? $" since {Words.Time(InstantOf(at))}" : "";

    private void UnderWay()
    {
        var mails = page.Sheet.Mails.Where(m => m.State is "pending" or "held" or "dead").ToList();
        // A purge takes no notices down: there is nobody left to see them.
        var notices = page.Sheet.Notices.Where(n => n.ClearedAt is null && File.PurgedAt is null).ToList();
        if (!File.Charges.IsEmpty)
        {
            Heading("charges without an outcome");
            foreach (var c in File.Charges)
            {
                Line($"  {AccountWords.Amount(c.Amount)} on {Words.Method(c.Method)} for {c.SubscriptionId}, {AccountWords.Date(c.PeriodStart)}: "
                    + (c.RefundDue ? Paint.Yellow($"{(c.Duplicate ? "taken twice" : "its invoice is voided")}: refund under way{Since(page.Sheet.Charges.First(v => v.Key == c.Key))}")
                        : c.Stuck ? Paint.Red($"stuck, first sent {Words.Time(c.FirstCalledAt)}: look it up at the gateway, then "
                            + $"'dunning charge resolve {page.NumberOf(c)} --outcome succeeded|failed|never_made --reason …'")
                        : c.State == ChargeState.Pending ? $"pending since {Words.Time(c.LastCalledAt)}: the bank has not said yet whether the money comes"
                        : c.State == ChargeState.InFlight ? $"under way since {Words.Time(c.LastCalledAt)}"
                        : Paint.Yellow($"unknown since {Words.Time(c.LastCalledAt)}")));
                Line($"    at the gateway: dunning_key {c.Key}{(page.ReferenceOf(c) is { } reference ? $", {reference}" : "")}");
            }
        }
        if (mails.Count > 0)
        {
            Heading("mails that have not left");
            foreach (var m in mails)
            {
                Line($"  '{AccountWords.Plain(m.Template)}' to {m.Email}, decided {Words.Time(InstantOf(m.DecidedAt))}: "
                    + (m.State == "dead" ? Paint.Red($"dead: {m.Detail ?? "refused for good"}")
                        : m.State == "held" ? "held for the next digest"
                        : string.Create(CultureInfo.InvariantCulture, $"pending after {m.Tries} tries")
                            + (m.NextTryAt is { } at ? $", next {Words.Time(InstantOf(at))}" : "") + (m.Detail is { } detail ? $" ({detail})" : "")));
            }
        }
        if (notices.Count > 0)
        {
            Heading("in-app notices shown");
            foreach (var n in notices)
            {
                Line($"  '{AccountWords.Plain(n.Kind)}' to {AccountWords.Audience(n.Audience)} since {Words.Time(InstantOf(n.PostedAt))}, "
                    + $"for {n.SubscriptionId}, {AccountWords.Date(DateOf(n.PeriodStart))}");
            }
        }
    }

    private void Next()
    {
        Heading("what happens next");
        var sentences = new ProspectSentences(page);
        foreach (var p in page.Ahead)
        {
            var when = p.At is not { } at ? "waits" : at <= page.AsOf ? "at the next pass" : Words.Time(at);
            Line($"  {Paint.Cyan(when.PadRight(29))} {sentences.Of(p)}");
        }
        None(page.Ahead.IsEmpty, File.PurgedAt is not null ? "nothing: purged is final"
            : File.Closed ? "nothing: the account is closed" : "nothing until somebody acts");
    }

    private void Timeline(int count)
    {
        var shown = page.Events.TakeLast(count).ToList();
        Heading(shown.Count < page.Events.Length
            ? string.Create(CultureInfo.InvariantCulture, $"what happened, the last {shown.Count} of {page.Events.Length} events") : "what happened");
        LocalDate? day = null;
        foreach (var e in shown)
        {
            if (Words.DateOf(e.At) is var date && date != day)
            {
                day = date;
                Line("  " + Paint.Bold(AccountWords.Day(date)));
            }
            Line($"    {Words.Clock(e.At)}  {_sentences.Of(e)}");
        }
        None(page.Events.IsEmpty, "nothing yet");
    }

    /// <summary>A step and how many there are; the first, the renewal itself, is step 0.</summary>
    internal static string StepOf(int step, DunningCase dunningCase) =>
        string.Create(CultureInfo.InvariantCulture, $"step {step} of {dunningCase.Schedule.Steps.Length - 1}");

    private static string NumberOf(InvoiceView row) => $"invoice {DocumentNumber.Of(row.Series, row.Year, row.Number)}";

    private static string RoleOf(ContactRole role) => role switch
    {
        ContactRole.Owner => "owner",
        ContactRole.Billing => "billing",
        ContactRole.Admin => "admin",
    };

    private static LocalDate DateOf(DateOnly date) => new(date.Year, date.Month, date.Day);

    internal static Instant InstantOf(DateTime at) => Instant.FromDateTimeUtc(DateTime.SpecifyKind(at, DateTimeKind.Utc));
}
