using System.Collections.Immutable;
using Dunning.Model;
using Dunning.Options;
using Dunning.Passes;
using Dunning.Time;
using NodaTime;

namespace Dunning.Rules;

/// <summary>What may lie ahead of an account.</summary>
public enum ProspectKind
{
    /// <summary>A subscription renews: <see cref="Prospect.Amount"/> will be charged.</summary>
    Renewal,

    /// <summary>A scheduled cancellation takes effect.</summary>
    Cancellation,

    /// <summary>A subscription that does not renew expires.</summary>
    Expiry,

    /// <summary>A dunning step: one attempt, and if it fails the step's mail and notice.</summary>
    Step,

    /// <summary>The suspending step, as far ahead as it is, when every attempt until then fails.</summary>
    Suspension,

    /// <summary>An unpaid invoice is charged whatever the schedule.</summary>
    Recharge,

    /// <summary>The credit balance pays the oldest debt.</summary>
    CreditPayment,

    /// <summary>A charge without an outcome is looked up at the gateway.</summary>
    LookUp,

    /// <summary>Money goes back: it was taken twice, or its invoice is voided.</summary>
    Refund,

    /// <summary>Temporary access ends.</summary>
    AccessEnd,

    /// <summary>The account is purged, or the purge is postponed for want of a warning.</summary>
    Purge,

    /// <summary>A purged account's personal data is erased, or a closed one's.</summary>
    Erasure,

    /// <summary>A reminder mail.</summary>
    Reminder,

    /// <summary>A decided mail is handed to the mail server.</summary>
    Mail,
}

/// <summary>Why something that has its date waits all the same.</summary>
public enum Obstacle
{
    /// <summary>The account is suspended.</summary>
    Suspended,

    /// <summary>The account has temporary access only.</summary>
    Limited,

    /// <summary>The subscription has an unpaid invoice.</summary>
    UnpaidInvoice,

    /// <summary>The outcome of a charge is unknown.</summary>
    UnknownCharge,

    /// <summary>The warning has not left yet.</summary>
    WarningNotSent,

    /// <summary>Its payment is disputed.</summary>
    Disputed,

    /// <summary>The account must not be purged.</summary>
    LegalHold,

    /// <summary>A recharge is waiting.</summary>
    RechargeWaiting,

    /// <summary>There is a promise to pay.</summary>
    Paused,

    /// <summary>The account is exempt.</summary>
    Exempt,

    /// <summary>The credit balance is the customer's money.</summary>
    Credit,

    /// <summary>Money is yet to go back.</summary>
    RefundDue,

    /// <summary>A mail has yet to leave.</summary>
    MailNotOver,

    /// <summary>A guard against harm to many has tripped: an operator must approve it first.</summary>
    Guard,
}

/// <summary>One thing that lies ahead, as things stand.</summary>
/// <param name="Kind">What.</param>
/// <param name="At">When it falls due; in the past when the next pass does it. Null: not before its obstacles are gone.</param>
public sealed record Prospect(ProspectKind Kind, Instant? At)
{
    /// <summary>Why it waits; empty when it doesn't.</summary>
    public ImmutableArray<Obstacle> Obstacles { get; init; } = [];

    /// <summary>Which guard, where it waits for <see cref="Obstacle.Guard"/>.</summary>
    public GuardKinds Guard { get; init; }

    public string? Subscription { get; init; }

    /// <summary>The period that is charged for.</summary>
    public LocalDate? PeriodStart { get; init; }

    /// <summary>Exclusive.</summary>
    public LocalDate? PeriodEnd { get; init; }

    /// <summary>The billing date that makes it due, or would.</summary>
    public LocalDate? Date { get; init; }

    public Money? Amount { get; init; }

    /// <summary>Of a renewal: credit that it will use.</summary>
    public Money? CreditApplied { get; init; }

    /// <summary>Of a renewal: the plan that it will be for.</summary>
    public string? Plan { get; init; }

    /// <summary>Number of a dunning step.</summary>
    public int? Step { get; init; }

    /// <summary>What a step does when its attempt fails.</summary>
    public Options.DunningStep? StepDoes { get; init; }

    /// <summary>Of a reminder or a mail.</summary>
    public string? Template { get; init; }
}

/// <summary>What the next step of an unpaid invoice's case depends on: for lists of cases, which don't read whole files.</summary>
/// <param name="Case">The case.</param>
/// <param name="Access">The account's.</param>
/// <param name="IsExempt">The invoice or its account is.</param>
public sealed record CaseStanding(DunningCase Case, Access Access, bool IsExempt)
{
    /// <summary>Its payment is disputed, or a charge of it has no outcome.</summary>
    public bool Waits { get; init; }

    /// <summary>A promise to pay.</summary>
    public LocalDate? PausedUntil { get; init; }

    /// <summary>No attempt before it.</summary>
    public Instant? NotBefore { get; init; }
}

/// <summary>
/// What happens next to an account and when, by the rules themselves: what <c>due</c> holds, item by item, with what it will do and what
/// stands in its way. For people to look at; nothing is decided on it.
/// </summary>
public static class Forecast
{
    /// <summary>What lies ahead of a file, in order of time; what waits for something comes last. What guards bar is read off the file.</summary>
    public static ImmutableArray<Prospect> Of(AccountFile file, Instant now, Rulebook book)
    {
        var draft = new Draft(file, now, book);
        return
        [
            .. Subscriptions(draft).Concat(Invoices(draft)).Concat(Charges(draft)).Concat(Account(draft)).Concat(Mails(draft))
                .OrderBy(p => p.At ?? Instant.MaxValue).ThenBy(p => p.Date ?? LocalDate.MaxIsoValue).ThenBy(p => p.Kind)
                .ThenBy(p => p.Subscription, StringComparer.Ordinal),
        ];
    }

    /// <summary>The dates on which a subscription renews until a date, if each renewal happens on its own.</summary>
    /// <param name="present">The boundaries under the present plan.</param>
    /// <param name="pending">Interval of a plan that takes effect at the next renewal; null: none does.</param>
    /// <param name="renewsOn">The next renewal.</param>
    /// <param name="until">The last date.</param>
    public static IEnumerable<LocalDate> RenewalDates(Schedule present, Model.Interval? pending, LocalDate renewsOn, LocalDate until)
    {
        var schedule = Renewing.ScheduleUnder(present, pending ?? present.Interval, renewsOn);
        for (var date = renewsOn; date <= until; date = schedule.Next(date))
        {
            yield return date;
        }
    }

    /// <summary>The date of the next step of an unpaid invoice's case; null when there is none while things stand as they do.</summary>
    public static LocalDate? NextAttemptOn(AccountFile file, Invoice invoice) =>
        file.Access == Access.Active && invoice is { State: InvoiceState.Open, Case: not null } ? Stepping.NextStepOn(file, invoice) : null;

    /// <summary>The instant at which the next step of a case falls due, as its account's forecast tells; null: none does as things stand.</summary>
    public static Instant? NextStepAt(CaseStanding standing, RuleOptions options, string timeZone)
    {
        if (standing is not { Access: Access.Active, Waits: false } || Stepping.NextStepOn(standing.Case, standing.IsExempt, standing.PausedUntil) is not { } date)
        {
            return null;
        }
        var at = LocalClock.DueAt(date, options.ChargeAt, options.Zones[timeZone]);
        return standing.NotBefore is { } notBefore ? Instant.Max(at, notBefore) : at;
    }

    /// <summary>The date of the suspension if every attempt from now on fails; null when the case is exhausted, frozen or exempt.</summary>
    public static LocalDate? SuspendsOn(AccountFile file, Invoice invoice) =>
        file.Access == Access.Active && invoice.State == InvoiceState.Open ? Stepping.SuspendsOn(file, invoice) : null;

    /// <summary>How long what a guard bars waits before it is looked at again: so far ahead of now may be due what waits for it.</summary>
    public static Duration GuardWait => Guarding.Wait;

    /// <summary>Whether a guard that has tripped keeps the next step of an unpaid invoice from being made, though it is due.</summary>
    public static bool IsHeldBack(AccountFile file, Invoice invoice, Instant now, Rulebook book)
    {
        var draft = new Draft(file, now, book);
        return invoice.State == InvoiceState.Open && file.OpenChargeOf(invoice) is null && Guarding.BarsStep(file, invoice) && Stepping.NextStepAt(file, invoice, draft) <= draft.Now;
    }

    private static IEnumerable<Prospect> Subscriptions(Draft draft)
    {
        if (draft.File.PurgedAt is not null)
        {
            yield break;
        }
        foreach (var subscription in draft.File.Subscriptions.Where(s => s.IsLive))
        {
            var at = draft.DueAt(subscription.RenewsOn);
            var kind = subscription.CancelAtPeriodEnd ? ProspectKind.Cancellation
                : subscription.AutoRenew ? ProspectKind.Renewal : ProspectKind.Expiry;
            var prospect = new Prospect(kind, at) { Subscription = subscription.Id, Date = subscription.RenewsOn };
            yield return kind == ProspectKind.Renewal ? Renewal(draft, subscription, prospect) : prospect;
        }
    }

    private static Prospect Renewal(Draft draft, Subscription subscription, Prospect prospect)
    {
        if (subscription.LastRenewedOn is { } last && LocalClock.StartOf(last.PlusDays(1), draft.Zone) is var morning && morning > prospect.At)
        {
            prospect = prospect with { At = morning };
        }
        if (Renewing.IsHeld(draft.File, subscription))
        {
            prospect = prospect with { At = null, Obstacles = [.. WhyHeld(draft.File, subscription)] };
        }
        var invoice = Renewing.Preview(draft.File, subscription, draft.Now, draft.Book);
        return prospect with
        {
            Plan = subscription.PendingPlan ?? subscription.PlanCode,
            PeriodStart = subscription.RenewsOn,
            PeriodEnd = invoice?.PeriodEnd,
            Amount = invoice?.AmountDue,
            CreditApplied = invoice?.CreditApplied,
        };
    }

    private static IEnumerable<Obstacle> WhyHeld(AccountFile file, Subscription subscription)
    {
        if (file.Access != Access.Active)
        {
            yield return file.Access == Access.Limited ? Obstacle.Limited : Obstacle.Suspended;
        }
        if (Renewing.HasUnpaid(file, subscription.Id))
        {
            yield return Obstacle.UnpaidInvoice;
        }
    }

    private static IEnumerable<Prospect> Invoices(Draft draft)
    {
        var file = draft.File;
        if (Stepping.CoveredByCredit(file) is { } covered)
        {
            yield return About(covered, ProspectKind.CreditPayment, draft.Now);
        }
        foreach (var invoice in Stepping.Unpaid(file))
        {
            var isUnknown = file.OpenChargeOf(invoice) is not null;
            if (invoice.RechargeDue)
            {
                yield return isUnknown
                    ? About(invoice, ProspectKind.Recharge, null) with { Obstacles = [Obstacle.UnknownCharge] }
                    : About(invoice, ProspectKind.Recharge, Stepping.NotBefore(invoice, draft.Now));
            }
            if (invoice.Case is not { Exhausted: false } dunningCase)
            {
                continue;
            }
            var steps = dunningCase.Schedule.Steps;
            // At the end of a pause the case may go back.
            var next = (invoice.PausedUntil is null ? dunningCase : Suspending.WithWarningAhead(invoice).Case!).LastStep + 1;
            if (next == steps.Length)
            {
                continue;
            }
            var on = Stepping.NextStepOn(file, invoice);
            var obstacles = WhyNoStep(file, invoice, isUnknown, on).ToImmutableArray();
            var step = About(invoice, ProspectKind.Step, obstacles.IsEmpty ? Stepping.NotBefore(invoice, draft.DueAt(on!.Value)) : null) with
            {
                Obstacles = obstacles,
                Date = on,
                Step = next,
                StepDoes = Stepping.StepOf(file, invoice, dunningCase, next),
            };
            yield return Held(draft, step, GuardKinds.Suspensions, Guarding.BarsStep(file, invoice));
            if (!steps[next].Suspend && !invoice.Disputed && SuspendsOn(file, invoice) is { } suspendsOn)
            {
                yield return About(invoice, ProspectKind.Suspension, draft.DueAt(suspendsOn)) with
                {
                    Date = suspendsOn,
                    Step = steps.Length - 1,
                    StepDoes = steps[^1],
                };
            }
        }
    }

    private static IEnumerable<Obstacle> WhyNoStep(AccountFile file, Invoice invoice, bool isUnknown, LocalDate? on)
    {
        if (invoice.Disputed)
        {
            yield return Obstacle.Disputed;
        }
        if (file.Access != Access.Active)
        {
            yield return file.Access == Access.Limited ? Obstacle.Limited : Obstacle.Suspended;
        }
        if (isUnknown)
        {
            yield return Obstacle.UnknownCharge;
        }
        if (on is null)
        {
            yield return Obstacle.WarningNotSent;
        }
    }

    private static IEnumerable<Prospect> Charges(Draft draft)
    {
        foreach (var charge in draft.File.Charges.Where(c => c.IsOpen || c.RefundDue))
        {
            yield return new Prospect(
                charge.IsOpen ? ProspectKind.LookUp : ProspectKind.Refund,
                charge.IsOpen ? Charging.NextLookUp(draft.Options, charge) : draft.Now)
            {
                Subscription = charge.SubscriptionId,
                PeriodStart = charge.PeriodStart,
                Amount = charge.Amount,
            };
        }
    }

    private static IEnumerable<Prospect> Account(Draft draft)
    {
        var file = draft.File;
        if (Purging.IsErasable(file))
        {
            yield return new Prospect(ProspectKind.Erasure, draft.Now);
        }
        if (Purging.ErasesOn(draft) is { } erasesOn)
        {
            yield return Held(draft, new Prospect(ProspectKind.Erasure, draft.DueAt(erasesOn)) { Date = erasesOn }, GuardKinds.Purges);
        }
        else if (Purging.IsToBeErased(draft))
        {
            yield return new Prospect(ProspectKind.Erasure, null) { Obstacles = [.. Purging.WhyKept(file)] };
        }
        if (file.PurgedAt is not null)
        {
            yield break;
        }
        if (file is { Access: Access.Limited, AccessUntil: { } until })
        {
            yield return new Prospect(ProspectKind.AccessEnd, until);
        }
        if (file.Access != Access.Active && file.PurgeOn is { } purgeOn)
        {
            yield return Purging.PurgesOn(file) is { } date
                // One that is put off for want of a warning is not barred.
                ? Held(draft, new Prospect(ProspectKind.Purge, draft.DueAt(date)) { Date = date }, GuardKinds.Purges, Purging.IsWarned(draft))
                : new Prospect(ProspectKind.Purge, null) { Date = purgeOn, Obstacles = [.. WhyNotPurged(file)] };
        }
    }

    internal static IEnumerable<Obstacle> WhyNotPurged(AccountFile file)
    {
        if (file.LegalHold)
        {
            yield return Obstacle.LegalHold;
        }
        if (file.Exempt)
        {
            yield return Obstacle.Exempt;
        }
        if (Purging.IsPaused(file))
        {
            yield return Obstacle.Paused;
        }
        if (file.Access == Access.Limited)
        {
            yield return Obstacle.Limited;
        }
        if (file.Charges.Any(c => c.IsOpen))
        {
            yield return Obstacle.UnknownCharge;
        }
        if (file.Invoices.Any(i => i is { State: InvoiceState.Open, RechargeDue: true }))
        {
            yield return Obstacle.RechargeWaiting;
        }
        if (file.Mails.Any(m => m.Template == MailTemplates.PurgeWarning && !m.IsOver))
        {
            yield return Obstacle.WarningNotSent;
        }
    }

    private static IEnumerable<Prospect> Mails(Draft draft) =>
        Reminding.Ahead(draft).GroupBy(r => (r.Template, r.Subscription)).Select(g => g.MinBy(r => r.At))
            .Select(r => new Prospect(ProspectKind.Reminder, r.At) { Template = r.Template, Subscription = r.Subscription, Date = r.Date })
            .Concat(draft.File.Mails.Where(m => m.NextTryAt is not null)
                .Select(m => Held(draft, new Prospect(ProspectKind.Mail, m.NextTryAt) { Template = m.Template, Subscription = m.Facts.Subscription }, GuardKinds.Mails)))
            .Concat(Digesting.Ahead(draft).Select(at => new Prospect(ProspectKind.Mail, at) { Template = MailTemplates.Digest }));

    // What a tripped guard bars has no time: it is looked at again and again, and nothing comes of it before an operator approves.
    private static Prospect Held(Draft draft, Prospect prospect, GuardKinds kind, bool isOfKind = true) =>
        isOfKind && draft.File.Barred.HasFlag(kind) && prospect.At <= draft.Now ? prospect with { At = null, Obstacles = [Obstacle.Guard], Guard = kind } : prospect;

    private static Prospect About(Invoice invoice, ProspectKind kind, Instant? at) => new(kind, at)
    {
        Subscription = invoice.SubscriptionId,
        PeriodStart = invoice.PeriodStart,
        PeriodEnd = invoice.PeriodEnd,
        Amount = invoice.AmountDue,
    };
}
