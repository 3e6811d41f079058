using Dunning.Events;
using Dunning.Model;
using Dunning.Passes;
using NodaTime;

namespace Dunning.Rules;

/// <summary>RULES 3: ends, renewals and the invoice.</summary>
internal static class Renewing
{
    /// <summary>Phase 2: ends and renews what is due, in order of renewal date and subscription. Returns a renewal's charge.</summary>
    public static Effect? Phase(Draft draft, PassRun run, Cursor cursor)
    {
        while (draft.File.Subscriptions
            .Where(s => s.IsLive && cursor.IsBefore(s.RenewsOn, s.Id) && draft.IsDue(s.RenewsOn))
            .OrderBy(s => s.RenewsOn).ThenBy(s => s.Id, StringComparer.Ordinal)
            .FirstOrDefault() is { } subscription)
        {
            cursor = new Cursor(PassKind.Renew, subscription.RenewsOn, subscription.Id);
            if (subscription.CancelAtPeriodEnd)
            {
                Cancel(draft, subscription);
                Suspending.CloseIfDone(draft);
            }
            else if (!subscription.AutoRenew)
            {
                draft.Set(subscription with { State = SubscriptionState.Expired });
                draft.Tell(draft.New(EventTypes.SubscriptionExpired, subscription.Id));
                Mailing.Decide(draft, MailTemplates.SubscriptionExpired, FactsOf(subscription));
                Suspending.CloseIfDone(draft);
            }
            else if (!IsHeld(draft.File, subscription) && subscription.LastRenewedOn != draft.Today
                && Renew(draft, subscription, run, cursor) is { } call)
            {
                return call;
            }
        }
        return null;
    }

    /// <summary>A renewing subscription waits while access isn't active or it has an unpaid invoice.</summary>
    public static bool IsHeld(AccountFile file, Subscription subscription) =>
        file.Access != Access.Active || HasUnpaid(file, subscription.Id);

    /// <summary>Whether a subscription has an unpaid invoice.</summary>
    public static bool HasUnpaid(AccountFile file, string subscriptionId) =>
        file.Invoices.Any(i => i.State == InvoiceState.Open && i.SubscriptionId == subscriptionId);

    /// <summary>The live subscription that renews next, or null.</summary>
    public static Subscription? NextRenewal(AccountFile file) =>
        file.Subscriptions.Where(s => s.IsRenewing).OrderBy(s => s.RenewsOn).ThenBy(s => s.Id, StringComparer.Ordinal).FirstOrDefault();

    /// <summary>The subscription is canceled, with its mail, which tells of the unpaid invoice that was voided with it.</summary>
    public static void Cancel(Draft draft, Subscription subscription, Invoice? voided = null)
    {
        draft.Set(subscription with { State = SubscriptionState.Canceled, CancelKept = false });
        draft.Tell(draft.New(EventTypes.SubscriptionCanceled, subscription.Id));
        Mailing.Decide(draft, MailTemplates.SubscriptionCanceled, FactsOf(subscription) with
        {
            PeriodStart = voided?.PeriodStart,
            PeriodEnd = voided?.PeriodEnd,
            Amount = voided?.AmountDue.Minor,
            Currency = voided?.AmountDue.Currency.Code,
        });
    }

    /// <summary>What a mail about a subscription tells.</summary>
    public static MailFacts FactsOf(Subscription subscription) => new()
    {
        Subscription = subscription.Id,
        Plan = subscription.PlanCode,
        Date = subscription.RenewsOn,
    };

    /// <summary>What the reminder of a renewal tells: also what would be charged, to which method, if it were today.</summary>
    public static MailFacts FactsOfUpcoming(Draft draft, Subscription subscription) =>
        FactsOfUpcoming(draft, subscription, Preview(draft.File, subscription, draft.Now, draft.Book));

    /// <summary>The same, of an invoice that was worked out.</summary>
    public static MailFacts FactsOfUpcoming(Draft draft, Subscription subscription, Invoice? preview)
    {
        var (facts, method) = (FactsOf(subscription), draft.File.DefaultMethod);
        return preview is not { } invoice ? facts : facts with
        {
            Plan = invoice.PlanCode,
            PeriodStart = invoice.PeriodStart,
            PeriodEnd = invoice.PeriodEnd,
            Amount = invoice.AmountDue.Minor,
            Currency = invoice.AmountDue.Currency.Code,
            Carried = invoice.CarriedOut > 0 ? invoice.CarriedOut : null,
            CardBrand = method?.Brand,
            CardLast4 = method?.Last4,
            CardExpires = method?.Expires,
        };
    }

    /// <summary>Tax of a buyer (RULES 3): treatment and rate in basis points.</summary>
    public static (TaxTreatment Treatment, int RateBp) TaxOf(AccountFile buyer, Rulebook book)
    {
        var seller = book.Options.SellerCountry;
        var rate = book.Catalog.TaxRates.GetValueOrDefault(buyer.Country)
            ?? throw new InvalidOperationException($"no tax rate is known for the country {buyer.Country}");
        return buyer.Country == seller ? (TaxTreatment.Domestic, rate.RateBp)
            : !rate.Eu ? (TaxTreatment.Export, 0)
            : buyer.VatNumber is null ? (TaxTreatment.EuConsumer, rate.RateBp)
            : (TaxTreatment.ReverseCharge, 0);
    }

    /// <summary>
    /// The invoice that the next renewal would issue by today's plan, price, tax and credit. For forecasts. Null where it could not be issued:
    /// whoever looks at an account wants to see the rest of it all the same.
    /// </summary>
    public static Invoice? Preview(AccountFile file, Subscription subscription, Instant now, Rulebook book)
    {
        if (book.Catalog.Plans.GetValueOrDefault(subscription.PendingPlan ?? subscription.PlanCode) is not { } plan
            || !plan.Prices.ContainsKey(file.Currency.Code) || !book.Catalog.TaxRates.ContainsKey(file.Country))
        {
            return null;
        }
        var draft = new Draft(file, now, book);
        return Issue(draft, ChangePlan(draft, subscription));
    }

    private static Effect? Renew(Draft draft, Subscription subscription, PassRun run, Cursor cursor)
    {
        subscription = ChangePlan(draft, subscription);
        var invoice = Issue(draft, subscription);
        draft.Set(invoice);
        draft.File = draft.File with { Credit = draft.File.Credit - invoice.CreditApplied.Minor, Carried = invoice.CarriedOut };
        draft.Set(subscription with
        {
            RenewsOn = invoice.PeriodEnd,
            RenewsOnKnownAt = draft.Now,
            RemindersSent = 0,
            LastRenewedOn = draft.Today,
        });
        draft.Tell(draft.New(EventTypes.InvoiceIssued, invoice) with
        {
            PeriodEnd = invoice.PeriodEnd,
            Subtotal = invoice.Subtotal.Minor,
            Tax = invoice.Tax.Minor,
            CreditApplied = invoice.CreditApplied.Minor,
            CarriedIn = invoice.CarriedIn > 0 ? invoice.CarriedIn : null,
            CarriedOut = invoice.CarriedOut > 0 ? invoice.CarriedOut : null,
            AmountDue = invoice.AmountDue.Minor,
            Currency = invoice.AmountDue.Currency.Code,
        });
        draft.Tell(draft.New(EventTypes.SubscriptionRenewed, invoice) with { PeriodEnd = invoice.PeriodEnd });
        if (invoice.AmountDue.Minor == 0)
        {
            Stepping.Paid(draft, invoice, null);
            return null;
        }
        return Charging.Attempt(draft, invoice, AttemptKind.First, run, cursor);
    }

    private static Subscription ChangePlan(Draft draft, Subscription subscription)
    {
        if (subscription.PendingPlan is not { } code)
        {
            return subscription;
        }
        var plan = PlanOf(draft, code);
        var changed = subscription with
        {
            PlanCode = code,
            PendingPlan = null,
            Interval = plan.Interval,
            Anchor = ScheduleUnder(subscription.Schedule, plan.Interval, subscription.RenewsOn).Anchor,
        };
        draft.Tell(draft.New(EventTypes.SubscriptionPlanChanged, subscription.Id) with { Plan = code });
        Mailing.Decide(draft, MailTemplates.PlanChanged, FactsOf(subscription) with
        {
            NewPlan = code,
            Amount = plan.Prices.TryGetValue(draft.File.Currency.Code, out var price)
                ? (new Money(price, draft.File.Currency) * subscription.Quantity).Minor : null,
            Currency = draft.File.Currency.Code,
        });
        return changed;
    }

    /// <summary>The boundaries under a plan that takes effect at a renewal: another interval begins anew there.</summary>
    public static Schedule ScheduleUnder(Schedule present, Model.Interval interval, LocalDate renewsOn) =>
        interval == present.Interval ? present : new Schedule(renewsOn, interval);

    private static Invoice Issue(Draft draft, Subscription subscription)
    {
        var file = draft.File;
        var plan = PlanOf(draft, subscription.PlanCode);
        if (!plan.Prices.TryGetValue(file.Currency.Code, out var price))
        {
            throw new InvalidOperationException($"the plan {plan.Code} has no price in {file.Currency}");
        }
        var unitPrice = new Money(price, file.Currency);
        var subtotal = unitPrice * subscription.Quantity;
        var (treatment, rateBp) = TaxOf(file, draft.Book);
        var tax = subtotal.Share(rateBp);
        var total = subtotal + tax;
        var asked = total + new Money(file.Carried, file.Currency);
        var credit = Money.Min(new Money(file.Credit, file.Currency), asked);
        var rest = asked - credit;
        var due = new Money(draft.Book.Gateway.Amounts(file.Currency).Of(rest.Minor), file.Currency);
        return new Invoice
        {
            SubscriptionId = subscription.Id,
            PeriodStart = subscription.RenewsOn,
            PeriodEnd = subscription.Schedule.Next(subscription.RenewsOn),
            PlanCode = plan.Code,
            PlanVersion = plan.Version,
            Quantity = subscription.Quantity,
            UnitPrice = unitPrice,
            Subtotal = subtotal,
            TaxTreatment = treatment,
            TaxRateBp = rateBp,
            Tax = tax,
            CreditApplied = credit,
            CarriedIn = file.Carried,
            CarriedOut = (rest - due).Minor,
            AmountDue = due,
            IssuedAt = draft.Now,
        };
    }

    private static Plan PlanOf(Draft draft, string code) =>
        draft.Book.Catalog.Plans.GetValueOrDefault(code)
            ?? throw new InvalidOperationException($"the plan {code} is unknown");
}
