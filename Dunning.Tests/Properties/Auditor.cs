using Dunning.Events;
using Dunning.Gateways.Sandbox;
using Dunning.Model;
using Dunning.Options;
using Dunning.Time;
using NodaTime;

namespace Dunning.Tests.Properties;

/// <summary>
/// Reads a run's events and the book at its end, and knows nothing of how they came about: its own idea of each account is made of events alone.
/// It finds what no customer must ever meet: charged twice, suspended or purged without the full warning, credit out of nothing.
/// </summary>
internal sealed class Auditor
{
    private readonly World _world;
    private readonly Dictionary<string, Seen> _accounts;
    private readonly List<string> _faults = [];
    private BookEvent? _event;

    private Auditor(World world)
    {
        _world = world;
        _accounts = world.Accounts.ToDictionary(a => a.Id, a => new Seen(a, world.Rules.Options.Zones[a.TimeZone]), StringComparer.Ordinal);
    }

    private RuleOptions Options => _world.Rules.Options;

    /// <summary>What is wrong with a run, a line each.</summary>
    public static async Task<IReadOnlyList<string>> FaultsOfAsync(World world, Run run)
    {
        var auditor = new Auditor(world);
        var credits = new Queue<AccountAction>(world.Actions.Where(a => a.Do == ActionNames.Credit));
        foreach (var pass in run.Events.GroupBy(e => e.At))
        {
            // Actions come before the pass's own work, and take effect at its instant.
            auditor.TakeCredits(credits, pass.Key);
            foreach (var events in pass.GroupBy(e => e.Account))
            {
                auditor.Pass(auditor._accounts[events.Key], [.. events]);
            }
        }
        auditor.TakeCredits(credits, world.Span.To);
        await auditor.EndAsync(run);
        return auditor._faults;
    }

    private void TakeCredits(Queue<AccountAction> credits, Instant now)
    {
        while (credits.TryPeek(out var action) && action.At <= now)
        {
            credits.Dequeue();
            if (action.Amount > 0 && PassesFrom(action.At) && !_accounts[action.Account].IsPurged)
            {
                _accounts[action.Account].Credit += action.Amount.Value;
            }
        }
    }

    // An action that no pass comes to any more has no effect.
    private bool PassesFrom(Instant at)
    {
        var ticks = (long)Math.Ceiling((at - _world.Span.From) / _world.Span.Tick);
        var pass = _world.Span.From + (_world.Span.Tick * ticks);
        while (pass <= _world.Span.To && !_world.Runs(pass))
        {
            pass += _world.Span.Tick;
        }
        return pass <= _world.Span.To;
    }

    private void Pass(Seen account, IReadOnlyList<BookEvent> events)
    {
        account.At = events[0].At;
        account.Today = LocalClock.LocalDateOf(account.At, account.Zone);
        foreach (var e in events)
        {
            _event = e;
            Check(!account.IsPurged || e.Type == EventTypes.ActionRejected || account.PurgedAt == e.At, "something happened to a purged account");
            Take(account, e, events);
        }
        foreach (var debt in account.Debts.Values.Where(d => d.IsOpen))
        {
            Check(events.Count(e => e.Type is EventTypes.DunningOpened or EventTypes.DunningStep && debt.Is(e)) <= 1, "two steps of a case in one pass");
        }
    }

    private void Take(Seen account, BookEvent e, IReadOnlyList<BookEvent> pass)
    {
        switch (e.Type)
        {
            case EventTypes.InvoiceIssued:
                Issued(account, e);
                break;
            case EventTypes.InvoicePaid or EventTypes.InvoiceVoided or EventTypes.InvoiceWrittenOff:
                Settled(account, e, pass);
                break;
            case EventTypes.CreditApplied:
                Check(e.Amount == OpenDebt(account, e).AmountDue && e.Amount <= account.Credit, "credit pays a whole debt, and no more than there is");
                account.Credit -= e.Amount!.Value;
                break;
            case EventTypes.ChargeUnknown:
                var unknown = OpenDebt(account, e);
                unknown.UnknownSince ??= e.At;
                unknown.UnknownToken = e.Token;
                break;
            case EventTypes.ChargeStuck:
                var stuck = OpenDebt(account, e);
                Check(e.At - stuck.UnknownSince > Duration.FromHours(Options.KeyHours) && !stuck.IsStuck, "stuck too early, or told twice");
                stuck.IsStuck = true;
                break;
            case EventTypes.ChargeSucceeded or EventTypes.ChargeFailed or EventTypes.ChargeAbandoned:
                var known = OpenDebt(account, e);
                Check(e.Amount == known.AmountDue, "a charge of another amount than is due");
                Check(known.UnknownSince is null || known.UnknownToken == e.Token, "another method was tried while an outcome was unknown");
                (known.UnknownSince, known.IsStuck) = (null, false);
                account.Successes += e.Type == EventTypes.ChargeSucceeded ? 1 : 0;
                break;
            case EventTypes.ChargeSkipped:
                Check(OpenDebt(account, e).UnknownSince is null, "an attempt while an outcome is unknown");
                break;
            case EventTypes.DunningOpened:
                var opened = OpenDebt(account, e);
                Check(opened.LastStep is null && e.Step == 0, "a case opened twice");
                (opened.LastStep, opened.DayZero, opened.LastStepOn) = (0, account.Today, account.Today);
                CheckMail(pass, 0, opened);
                break;
            case EventTypes.DunningStep:
                Stepped(account, OpenDebt(account, e), e, pass);
                break;
            case EventTypes.DunningExhausted:
                var exhausted = OpenDebt(account, e);
                Check(exhausted.LastStep == Options.Steps.Steps.Length - 1, "exhausted before the last step");
                exhausted.IsExhausted = true;
                break;
            case EventTypes.NoticePosted:
                OpenDebt(account, e).HasNotice = true;
                break;
            case EventTypes.NoticeCleared:
                Check(account.Debts.TryGetValue(KeyOf(e), out var noticed) && noticed.HasNotice, "a notice cleared that was not there");
                account.Debts[KeyOf(e)].HasNotice = false;
                break;
            case EventTypes.AccountSuspended:
                Suspended(account, e);
                break;
            case EventTypes.AccountReactivated:
                Check(account.Access == Access.Active && account.Live.Count > 0, "reactivated while a case is exhausted or nothing is live");
                break;
            case EventTypes.AccountAccessGranted:
                Check(account.Access != Access.Active && (account.Access != Access.Limited || e.Until >= account.AccessUntil), "access granted wrongly");
                (account.Access, account.AccessUntil) = (Access.Limited, e.Until);
                break;
            case EventTypes.AccountAccessEnded:
                Check(account.Access == Access.Limited && account.AccessUntil <= e.At, "access ended too early");
                account.Access = Access.Suspended;
                break;
            case EventTypes.AccountPurgePostponed:
                Check(MayPurge(account) && !WasWarned(account), "a purge postponed though it was warned of");
                Check(e.PurgeOn == account.Today.PlusDays(7), "postponed to another day than a week from now");
                account.PurgeOn = e.PurgeOn;
                break;
            case EventTypes.AccountPurged:
                Check(MayPurge(account) && WasWarned(account), "purged without a warning 7 to 30 days before");
                account.PurgedAt = e.At;
                break;
            case EventTypes.SubscriptionCanceled or EventTypes.SubscriptionExpired:
                Check(account.Live.Remove(e.Subscription!), "a subscription ended twice");
                break;
            case EventTypes.AccountClosed:
                Check(!account.IsClosed && account.Live.Count == 0 && account.Access == Access.Active && account.Debts.Values.All(d => !d.IsOpen),
                    "closed though something is live or owed");
                account.IsClosed = true;
                break;
            case EventTypes.EmailSent:
                Check(e.To is { Length: > 0 }, "a mail to nobody");
                if (e.Template == MailTemplates.PurgeWarning)
                {
                    account.PurgeWarnedOn.Add(account.Today);
                }
                break;
            case EventTypes.EmailDropped:
                Check(e.Template == MailTemplates.PaymentFailed || MailTemplates.NotUrgent.Contains(e.Template!), "a mail dropped that must be sent");
                break;
        }
    }

    private void Issued(Seen account, BookEvent e)
    {
        var (subscription, total) = (e.Subscription!, e.Subtotal!.Value + e.Tax!.Value);
        Check(account.Access == Access.Active && account.Live.Contains(subscription), "a renewal without access, or of what has ended");
        Check(account.Debts.Values.All(d => !d.IsOpen || d.Subscription != subscription), "a renewal beside an unpaid invoice");
        Check(account.Debts.TryAdd(KeyOf(e), new Debt(subscription, e.PeriodStart!.Value, e.AmountDue!.Value, e.CreditApplied!.Value)), "a period invoiced twice");
        Check(e.CreditApplied == Math.Min(account.Credit, total) && e.AmountDue == total - e.CreditApplied, "a sum that does not add up");
        Check(LocalClock.DueAt(e.PeriodStart.Value, Options.ChargeAt, account.Zone) <= e.At, "renewed before its date");
        Check(account.PaidUntil.GetValueOrDefault(subscription) <= e.PeriodStart && e.PeriodStart < e.PeriodEnd, "periods overlap");
        Check(account.RenewedOn.GetValueOrDefault(subscription) != account.Today, "renewed twice on a date");
        account.PaidUntil[subscription] = e.PeriodEnd!.Value;
        account.RenewedOn[subscription] = account.Today;
        account.Credit -= e.CreditApplied.Value;
    }

    private void Settled(Seen account, BookEvent e, IReadOnlyList<BookEvent> pass)
    {
        var debt = OpenDebt(account, e);
        debt.IsOpen = false;
        Check(debt.UnknownSince is null, "settled while an outcome is unknown");
        var payments = pass.Count(p => p.Type is EventTypes.ChargeSucceeded or EventTypes.CreditApplied && debt.Is(p));
        Check(payments == (e.Type == EventTypes.InvoicePaid && debt.AmountDue > 0 ? 1 : 0), "paid otherwise than once");
        if (e.Type == EventTypes.InvoiceWrittenOff)
        {
            return;
        }
        account.Credit += e.Type == EventTypes.InvoiceVoided ? debt.CreditApplied : 0;
        Check(debt.LastStep is null || pass.Any(p => p.Type is EventTypes.DunningRecovered or EventTypes.DunningStopped && debt.Is(p)), "a case without an end");
        Check(!debt.HasNotice || pass.Any(p => p.Type == EventTypes.NoticeCleared && debt.Is(p)), "a notice that stays");
        if (account.Access != Access.Active && account.Debts.Values.All(d => !d.IsOpen || !d.IsExhausted))
        {
            (account.Access, account.AccessUntil, account.PurgeOn) = (Access.Active, null, null);
            account.PurgeWarnedOn.Clear();
            // Whoever comes back is warned anew.
            foreach (var other in account.Debts.Values.Where(d => d.IsOpen && d.LastStep >= Options.Steps.LastWarning))
            {
                (other.WarnedOn, other.LastStep) = (null, Options.Steps.LastWarning - 1);
            }
        }
    }

    private void Stepped(Seen account, Debt debt, BookEvent e, IReadOnlyList<BookEvent> pass)
    {
        var (steps, number) = (Options.Steps.Steps, e.Step!.Value);
        Check(account.Access == Access.Active, "a step without access");
        Check(number == debt.LastStep + 1, "a step out of turn");
        Check(account.Today >= debt.DayZero.PlusDays(steps[number].Day), "a step before its day");
        Check(account.Today > debt.LastStepOn, "two steps on a day");
        CheckMail(pass, number, debt);
        if (steps[number].Suspend)
        {
            // What a customer can count on: the gap that the schedule has after the step before, and a day for each step since the last warning.
            var gap = steps[number].Day - steps[number - 1].Day;
            Check(account.Today >= debt.LastStepOn.PlusDays(gap), "suspended too soon after the step before");
            Check(debt.WarnedOn is { } warned && account.Today >= warned.PlusDays(gap + number - 1 - Options.Steps.LastWarning), "suspended without the full warning");
        }
        if (number == Options.Steps.LastWarning)
        {
            debt.WarnedOn = account.Today;
        }
        (debt.LastStep, debt.LastStepOn) = (number, account.Today);
    }

    private void Suspended(Seen account, BookEvent e)
    {
        Check(account.Access == Access.Active && account.Debts.Values.Count(d => d is { IsOpen: true, IsExhausted: true }) == 1, "suspended for nothing");
        Check(e.PurgeOn == account.Today.PlusDays(Options.PurgeAfterDays), "to be purged on another day than is set");
        (account.Access, account.PurgeOn) = (Access.Suspended, e.PurgeOn);
        account.PurgeWarnedOn.Clear();
    }

    private void CheckMail(IReadOnlyList<BookEvent> pass, int number, Debt debt)
    {
        var step = Options.Steps.Steps[number];
        // A mail of payment_failed is dropped when its invoice is paid in the same pass; the others leave whatever happens.
        Check(pass.Any(e => e.Template == step.Email && (e.Type == EventTypes.EmailSent || step.Email == MailTemplates.PaymentFailed)),
            $"step {number} without its mail");
        Check(pass.Count(e => e.Type == EventTypes.NoticePosted && debt.Is(e) && e.Audience == step.Notice && e.Kind == step.Email) == (step.Notice is null ? 0 : 1),
            "a notice missing or too many");
    }

    private static bool WasWarned(Seen account) =>
        account.PurgeWarnedOn.Any(on => Period.DaysBetween(on, account.Today) is >= 7 and <= 30);

    private bool MayPurge(Seen account) =>
        account is { Access: Access.Suspended, IsOnHold: false, PurgeOn: { } on } && LocalClock.DueAt(on, Options.ChargeAt, account.Zone) <= account.At
        && account.Debts.Values.All(d => !d.IsOpen || d.UnknownSince is null);

    private async Task EndAsync(Run run)
    {
        _event = null;
        var taken = await run.Ledger.SuccessesByAccountAsync(default);
        foreach (var file in run.Accounts)
        {
            var seen = _accounts[file.Id];
            Check(seen.Credit == file.Credit, $"{file.Id}: {file.Credit} of credit are {seen.Credit} by its events");
            Check(seen.IsPurged == file.PurgedAt is not null && seen.IsClosed == file.Closed, $"{file.Id}: purged or closed without a word");
            Check(seen.IsPurged || seen.Access == file.Access, $"{file.Id}: {file.Access}, but {seen.Access} by its events");
            Check(seen.Debts.Values.Where(d => d.IsOpen).Select(d => (d.Subscription, d.PeriodStart)).ToHashSet()
                .SetEquals(file.Invoices.Select(i => (i.SubscriptionId, i.PeriodStart))), $"{file.Id}: other debts than its events say");
            Check(seen.Live.SetEquals(file.Subscriptions.Select(s => s.Id)), $"{file.Id}: other subscriptions than its events say");
            Check(seen.IsClosed || seen.IsPurged || seen.Live.Count > 0 || seen.Debts.Values.Any(d => d.IsOpen), $"{file.Id}: over and not closed");
            // Every success at the gateway is one of ours, or one that we have yet to find.
            var more = taken.GetValueOrDefault(file.Id) - seen.Successes;
            Check(more >= 0 && more <= seen.Debts.Values.Count(d => d is { IsOpen: true, UnknownSince: not null }), $"{file.Id}: money taken {more} times too often");
        }
    }

    private Debt OpenDebt(Seen account, BookEvent e)
    {
        var isKnown = account.Debts.TryGetValue(KeyOf(e), out var debt);
        Check(isKnown && debt!.IsOpen, $"{e.Type} of an invoice that is not open");
        if (!isKnown)
        {
            account.Debts.Add(KeyOf(e), debt = new Debt(e.Subscription!, e.PeriodStart!.Value, 0, 0));
        }
        return debt!;
    }

    private static (string Subscription, LocalDate PeriodStart) KeyOf(BookEvent e) => (e.Subscription!, e.PeriodStart!.Value);

    private void Check(bool holds, string fault)
    {
        if (!holds)
        {
            _faults.Add($"seed {_world.Seed}: {fault}{(_event is null ? "" : ": " + EventJson.Write(_event))}");
        }
    }

    private sealed class Seen(AccountFile file, DateTimeZone zone)
    {
        public DateTimeZone Zone { get; } = zone;
        public bool IsOnHold { get; } = file.LegalHold;
        public Instant At { get; set; }
        public LocalDate Today { get; set; }
        public Access Access { get; set; }
        public Instant? AccessUntil { get; set; }
        public LocalDate? PurgeOn { get; set; }
        public Instant? PurgedAt { get; set; }
        public bool IsPurged => PurgedAt is not null;
        public bool IsClosed { get; set; }
        public long Credit { get; set; } = file.Credit;
        public int Successes { get; set; }
        public HashSet<string> Live { get; } = file.Subscriptions.Select(s => s.Id).ToHashSet(StringComparer.Ordinal);
        public Dictionary<(string, LocalDate), Debt> Debts { get; } = [];
        public Dictionary<string, LocalDate> PaidUntil { get; } = new(StringComparer.Ordinal);
        public Dictionary<string, LocalDate> RenewedOn { get; } = new(StringComparer.Ordinal);
        public List<LocalDate> PurgeWarnedOn { get; } = [];
    }

    private sealed class Debt(string subscription, LocalDate periodStart, long amountDue, long creditApplied)
    {
        public string Subscription { get; } = subscription;
        public LocalDate PeriodStart { get; } = periodStart;
        public long AmountDue { get; } = amountDue;
        public long CreditApplied { get; } = creditApplied;
        public bool IsOpen { get; set; } = true;
        public int? LastStep { get; set; }
        public LocalDate DayZero { get; set; }
        public LocalDate LastStepOn { get; set; }
        public LocalDate? WarnedOn { get; set; }
        public bool IsExhausted { get; set; }
        public bool HasNotice { get; set; }
        public Instant? UnknownSince { get; set; }
        public string? UnknownToken { get; set; }
        public bool IsStuck { get; set; }

        public bool Is(BookEvent e) => e.Subscription == Subscription && e.PeriodStart == PeriodStart;
    }
}
