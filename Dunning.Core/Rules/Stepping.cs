using Dunning.Events;
using Dunning.Model;
using Dunning.Passes;
using Dunning.Time;
using NodaTime;

namespace Dunning.Rules;

/// <summary>RULES 5: the dunning case: its steps, recharges, credit that pays debt, recovery.</summary>
internal static class Stepping
{
    /// <summary>Phase 3: the next attempt that a step or a recharge asks for, in order of period start and subscription.</summary>
    public static Effect? Phase(Draft draft, PassRun run, Cursor cursor)
    {
        EndPauses(draft);
        if (cursor.Date is null)
        {
            CreditPaysDebt(draft);
        }
        while (Unpaid(draft.File).FirstOrDefault(i => cursor.IsBefore(i.PeriodStart, i.SubscriptionId)) is { } invoice)
        {
            cursor = new Cursor(PassKind.Dun, invoice.PeriodStart, invoice.SubscriptionId);
            if (draft.File.OpenChargeOf(invoice) is not null)
            {
                continue;
            }
            var isStepDue = NextStepAt(draft.File, invoice, draft) is { } at && at <= draft.Now && !Guarding.BarsStep(draft.File, invoice)
                && !draft.IsThisPass(invoice.AttemptedAt) && !draft.IsThisPass(invoice.ReconciledAt);
            // The gap spaces automatic attempts; a recharge waits for no more than the next pass.
            var isRechargeDue = invoice.RechargeDue && !(invoice.NotBefore > draft.Now)
                && invoice.AttemptedAt != draft.Now && invoice.ReconciledAt != draft.Now;
            if (!isStepDue && !isRechargeDue)
            {
                continue;
            }
            var kind = invoice.Case is null ? AttemptKind.First : isStepDue ? AttemptKind.Step : AttemptKind.Recharge;
            if (Charging.Attempt(draft, invoice, kind, run, cursor) is { } call)
            {
                return call;
            }
        }
        return null;
    }

    /// <summary>Unpaid invoices, oldest first.</summary>
    public static IEnumerable<Invoice> Unpaid(AccountFile file) =>
        file.Invoices.Where(i => i.State == InvoiceState.Open)
            .OrderBy(i => i.PeriodStart).ThenBy(i => i.SubscriptionId, StringComparer.Ordinal);

    /// <summary>The oldest unpaid invoice whose outcome isn't unknown, when the credit balance covers all of it.</summary>
    public static Invoice? CoveredByCredit(AccountFile file) =>
        file.Credit > 0 && Unpaid(file).FirstOrDefault(i => file.OpenChargeOf(i) is null) is { } oldest && oldest.AmountDue.Minor <= file.Credit
            ? oldest : null;

    /// <summary>The instant at which the next step of an unpaid invoice falls due, or null while none does.</summary>
    public static Instant? NextStepAt(AccountFile file, Invoice invoice, Draft draft) =>
        file.Access == Access.Active && !invoice.Disputed && NextStepOn(file, invoice) is { } date ? NotBefore(invoice, draft.DueAt(date)) : null;

    /// <summary>Charged and mailed, never suspended: this debt, or the account for good.</summary>
    public static bool IsExempt(AccountFile file, Invoice invoice) => file.Exempt || invoice.Exempt;

    /// <summary>The date of the next step of an invoice's case while access is active, no earlier than its pause ends; null: none, or its warning has not left yet.</summary>
    public static LocalDate? NextStepOn(AccountFile file, Invoice invoice) =>
        invoice.Case is { } dunningCase ? NextStepOn(dunningCase, IsExempt(file, invoice), invoice.PausedUntil) : null;

    /// <summary>The same, of a case alone.</summary>
    public static LocalDate? NextStepOn(DunningCase dunningCase, bool isExempt, LocalDate? pausedUntil) =>
        pausedUntil is not { } until ? NextStepOn(dunningCase, isExempt)
        : NextStepOn(Suspending.WithWarningAhead(dunningCase), isExempt) is { } date ? LocalDate.Max(date, until) : null;

    /// <summary>The date of the suspension if every attempt from now on fails; null: the debt suspends no more, or never does.</summary>
    public static LocalDate? SuspendsOn(AccountFile file, Invoice invoice) =>
        AfterPause(invoice) is { Exhausted: false } dunningCase && !IsExempt(file, invoice) ? SuspendsOn(dunningCase, invoice.PausedUntil) : null;

    /// <summary>What a step does when its attempt fails: of an exempt debt it is one more failed payment.</summary>
    public static Options.DunningStep StepOf(AccountFile file, Invoice invoice, DunningCase dunningCase, int number)
    {
        var step = dunningCase.Schedule.Steps[number];
        return IsExempt(file, invoice) ? step with { Email = MailTemplates.PaymentFailed, Suspend = false } : step;
    }

    // At the end of a pause what was warned of is warned of again.
    private static DunningCase? AfterPause(Invoice invoice) => invoice.PausedUntil is null ? invoice.Case : Suspending.WithWarningAhead(invoice).Case;

    /// <summary>Ends the pauses that are over.</summary>
    private static void EndPauses(Draft draft)
    {
        foreach (var invoice in draft.File.Invoices.Where(i => i is { State: InvoiceState.Open, PausedUntil: { } until } && draft.IsDue(until)).ToList())
        {
            EndPause(draft, invoice);
        }
    }

    /// <summary>Ends the pause of an invoice: what waited for it waits no more, and what was warned of before it is warned of anew.</summary>
    public static void EndPause(Draft draft, Invoice invoice)
    {
        draft.Set(Suspending.WithWarningAhead(invoice) with
        {
            PausedUntil = null,
            NotBefore = invoice.NotBefore == draft.DueAt(invoice.PausedUntil!.Value) ? null : invoice.NotBefore,
        });
        Purging.WarnAnew(draft);
    }

    /// <summary>An instant, or the end of the pause that is asked for, if that is later.</summary>
    public static Instant NotBefore(Invoice invoice, Instant at) => invoice.NotBefore is { } notBefore ? Instant.Max(at, notBefore) : at;

    /// <summary>
    /// The date on which the next step of a case falls due while access is active: its planned date, or later so that late steps don't bunch
    /// up and nobody is suspended without the full warning. Null: exhausted, or the warning has not left yet.
    /// </summary>
    /// <param name="dunningCase">The case.</param>
    /// <param name="isExempt">It suspends nobody, so it needs no warning; after its last step there is none.</param>
    public static LocalDate? NextStepOn(DunningCase dunningCase, bool isExempt = false)
    {
        var steps = dunningCase.Schedule.Steps;
        if (dunningCase.Exhausted || dunningCase.LastStep >= steps.Length - 1)
        {
            return null;
        }
        var next = steps[dunningCase.LastStep + 1];
        var date = LocalDate.Max(dunningCase.DayZero.PlusDays(next.Day), dunningCase.LastStepOn.PlusDays(1));
        if (!next.Suspend || isExempt)
        {
            return date;
        }
        if (dunningCase.WarningLeftOn is not { } warningLeftOn)
        {
            return null;
        }
        date = LocalDate.Max(date, dunningCase.LastStepOn.PlusDays(next.Day - steps[dunningCase.LastStep].Day));
        // A warning counts when it has left (RULES 13): the days that it gives are counted from then.
        return warningLeftOn > dunningCase.WarnedOn
            ? LocalDate.Max(date, warningLeftOn.PlusDays(next.Day - steps[dunningCase.Schedule.LastWarning].Day))
            : date;
    }

    /// <summary>The date of the suspension if every attempt from now on fails on its planned date. For mails and forecasts.</summary>
    /// <param name="dunningCase">The case, not exhausted.</param>
    /// <param name="notBefore">No step before that date.</param>
    public static LocalDate SuspendsOn(DunningCase dunningCase, LocalDate? notBefore = null)
    {
        var ahead = dunningCase;
        var steps = ahead.Schedule.Steps;
        while (true)
        {
            var next = ahead.LastStep + 1;
            if (ahead.WarnedOn is { } warned)
            {
                ahead = ahead with { WarningLeftOn = ahead.WarningLeftOn ?? warned };
            }
            var on = LocalDate.Max(NextStepOn(ahead) ?? ahead.LastStepOn, notBefore ?? LocalDate.MinIsoValue);
            if (next >= steps.Length - 1)
            {
                return on;
            }
            ahead = ahead with
            {
                LastStep = next,
                LastStepOn = on,
                WarnedOn = next == ahead.Schedule.LastWarning ? on : ahead.WarnedOn,
                WarningLeftOn = next == ahead.Schedule.LastWarning ? on : ahead.WarningLeftOn,
            };
        }
    }

    /// <summary>An attempt failed or was skipped.</summary>
    /// <param name="draft">The decision in the making.</param>
    /// <param name="invoice">The invoice, unpaid.</param>
    /// <param name="kind">What the attempt was begun as.</param>
    /// <param name="code">The last decline code, or why it was skipped.</param>
    /// <param name="method">The method tried last, if any.</param>
    public static void Failed(Draft draft, Invoice invoice, AttemptKind kind, string code, MethodRef? method)
    {
        if (invoice.Case is not { } dunningCase)
        {
            Open(draft, invoice, code, method);
        }
        // The outcome of a step that comes while there is a promise to pay does no step.
        else if (kind == AttemptKind.Step && draft.File.Access == Access.Active && !dunningCase.Exhausted && invoice.PausedUntil is null)
        {
            Step(draft, invoice, dunningCase, code, method);
        }
        else
        {
            Mailing.Decide(draft, MailTemplates.PaymentFailed, FactsOf(draft, invoice, code, method));
        }
    }

    /// <summary>The invoice is paid by a charge or by credit: a first payment, or its case is recovered.</summary>
    public static void Paid(Draft draft, Invoice invoice, MethodRef? method, bool isElsewhere = false)
    {
        draft.Set(invoice with { State = InvoiceState.Paid, SettledAt = draft.Now, RechargeDue = false, NotBefore = null, PausedUntil = null });
        draft.Tell(draft.New(EventTypes.InvoicePaid, invoice));
        var facts = FactsOf(draft, invoice, null, method);
        if (method is null)
        {
            facts = facts with { ByCredit = !isElsewhere, CardBrand = null, CardLast4 = null, CardExpires = null };
        }
        if (invoice.CarriedOut > 0)
        {
            facts = facts with { Carried = invoice.CarriedOut, ByCredit = facts.ByCredit && invoice.CreditApplied.Minor > 0 };
        }
        if (invoice.Case is { } dunningCase)
        {
            draft.Tell(draft.New(EventTypes.DunningRecovered, invoice) with { Step = dunningCase.LastStep });
            ClearNotices(draft, invoice);
            Mailing.Decide(draft, MailTemplates.PaymentRecovered, facts);
        }
        else
        {
            Mailing.Decide(draft, MailTemplates.Receipt, facts);
        }
        Suspending.LeaveIfCleared(draft);
        Suspending.CloseIfDone(draft);
    }

    /// <summary>One <c>notice.cleared</c> when the case has notices.</summary>
    public static void ClearNotices(Draft draft, Invoice invoice)
    {
        if (invoice.Case is { HasNotices: true } dunningCase)
        {
            draft.Set(draft.Current(invoice) with { Case = dunningCase with { HasNotices = false } });
            draft.Tell(draft.New(EventTypes.NoticeCleared, invoice));
        }
    }

    private static void CreditPaysDebt(Draft draft)
    {
        while (CoveredByCredit(draft.File) is { } invoice)
        {
            draft.File = draft.File with { Credit = draft.File.Credit - invoice.AmountDue.Minor };
            draft.Tell(draft.New(EventTypes.CreditApplied, invoice) with { Amount = invoice.AmountDue.Minor });
            Paid(draft, invoice, null);
        }
    }

    /// <summary>Opens a case: today is its day 0.</summary>
    /// <param name="draft">The decision in the making.</param>
    /// <param name="invoice">The invoice, unpaid and without a case.</param>
    /// <param name="code">Why it is not paid.</param>
    /// <param name="method">The method tried last, if any.</param>
    /// <param name="isReturned">It was paid, and the bank has taken the money back.</param>
    public static void Open(Draft draft, Invoice invoice, string code, MethodRef? method, bool isReturned = false)
    {
        var dunningCase = new DunningCase
        {
            Schedule = draft.Options.Steps,
            OpenedAt = draft.Now,
            DayZero = draft.Today,
            LastStepOn = draft.Today,
        };
        invoice = invoice with { Case = dunningCase };
        draft.Set(invoice);
        draft.Tell(draft.New(EventTypes.DunningOpened, invoice) with { Step = 0 });
        invoice = Post(draft, invoice, dunningCase, 0);
        Mailing.Decide(draft, StepOf(draft.File, invoice, dunningCase, 0).Email, FactsOf(draft, invoice, code, method) with { Step = 0, Returned = isReturned });
    }

    private static void Step(Draft draft, Invoice invoice, DunningCase dunningCase, string code, MethodRef? method)
    {
        var number = dunningCase.LastStep + 1;
        var step = StepOf(draft.File, invoice, dunningCase, number);
        dunningCase = dunningCase with { LastStep = number, LastStepOn = draft.Today, Exhausted = step.Suspend };
        if (number == dunningCase.Schedule.LastWarning && step.Email == MailTemplates.SuspensionWarning)
        {
            dunningCase = dunningCase with { WarnedOn = draft.Today, WarningLeftOn = null };
        }
        invoice = invoice with { Case = dunningCase };
        draft.Set(invoice);
        draft.Tell(draft.New(EventTypes.DunningStep, invoice) with { Step = number });
        invoice = Post(draft, invoice, dunningCase, number);
        if (step.Suspend)
        {
            draft.Tell(draft.New(EventTypes.DunningExhausted, invoice));
            Suspending.Suspend(draft);
        }
        Mailing.Decide(draft, step.Email, FactsOf(draft, invoice, code, method) with { Step = number });
    }

    private static Invoice Post(Draft draft, Invoice invoice, DunningCase dunningCase, int number)
    {
        var step = StepOf(draft.File, invoice, dunningCase, number);
        if (step.Notice is null)
        {
            return invoice;
        }
        invoice = invoice with { Case = dunningCase with { HasNotices = true } };
        draft.Set(invoice);
        draft.Tell(draft.New(EventTypes.NoticePosted, invoice) with { Kind = step.Email, Audience = step.Notice });
        return invoice;
    }

    private static MailFacts FactsOf(Draft draft, Invoice invoice, string? code, MethodRef? tried)
    {
        var method = tried is { } it
            ? draft.File.Methods.FirstOrDefault(m => m.Ref == it) : draft.File.DefaultMethod;
        var running = invoice is { State: InvoiceState.Open, Case: { Exhausted: false } } && draft.File.Access == Access.Active
            ? invoice.Case : null;
        var owed = Mailing.DebtOf(draft.File).Owed;
        return new MailFacts
        {
            Subscription = invoice.SubscriptionId,
            Plan = invoice.PlanCode,
            PeriodStart = invoice.PeriodStart,
            PeriodEnd = invoice.PeriodEnd,
            Amount = invoice.AmountDue.Minor,
            Currency = invoice.AmountDue.Currency.Code,
            Owed = code is null || owed == invoice.AmountDue.Minor ? null : owed,
            Code = code,
            NextAttemptOn = running is null || !Charging.CanCharge(draft.File) ? null
                : (NextStepOn(draft.File, invoice) ?? SuspendsOn(draft.File, invoice)) is { } next ? Later(next) : null,
            SuspendsOn = running is not null && SuspendsOn(draft.File, invoice) is { } suspendsOn ? Later(suspendsOn) : null,
            PurgeOn = draft.File.PurgeOn,
            CardBrand = method?.Brand,
            CardLast4 = method?.Last4,
            CardExpires = method?.Expires,
        };

        // A pause that the gateway asked for moves the next attempt, and the suspension when that is it.
        LocalDate Later(LocalDate date) => NotBeforeOn(draft, invoice) is { } notBefore ? LocalDate.Max(date, notBefore) : date;
    }

    /// <summary>The first date on which an attempt may be due, where a pause is asked for.</summary>
    public static LocalDate? NotBeforeOn(Draft draft, Invoice invoice) =>
        invoice.NotBefore is not { } at ? null : LocalClock.LocalDateOf(at, draft.Zone);
}
