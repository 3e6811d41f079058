using System.Collections.Immutable;
using Dunning.Events;
using Dunning.Model;
using Dunning.Passes;
using NodaTime;

namespace Dunning.Rules;

/// <summary>RULES 9 and 14: actions of customers and operators.</summary>
internal static class Acting
{
    /// <summary>Days that a promise to pay may be ahead: beyond, it is an exemption or a write-off.</summary>
    private const int LongestPause = 366;

    /// <summary>Takes effect, or tells <c>action.rejected</c> and nothing else.</summary>
    public static void Act(Draft draft, AccountAction action)
    {
        var cause = draft.File.PurgedAt is null ? Refuse(draft, action) : RejectionCause.AccountPurged;
        var type = cause is null ? EventTypes.OperatorActed : EventTypes.ActionRejected;
        if (action.Operator is not null)
        {
            draft.Tell(draft.New(type) with
            {
                Do = action.Do,
                By = action.Operator,
                Reason = action.Reason,
                Subscription = action.Subscription,
                PeriodStart = action.PeriodStart,
                Amount = action.Amount,
                Days = action.Days,
                Code = cause ?? action.Outcome,
                EndsOn = action.Until,
            });
        }
        else if (cause is not null)
        {
            draft.Tell(draft.New(type) with { Do = action.Do, Reason = action.Reason });
        }
    }

    /// <summary>A cancel that was kept while an outcome was unknown is handed in again now that it is known (RULES 13).</summary>
    public static void HandInKeptCancel(Draft draft, string subscriptionId)
    {
        if (draft.File.Subscriptions.FirstOrDefault(s => s.Id == subscriptionId && s is { IsLive: true, CancelKept: true }) is { } subscription)
        {
            draft.Set(subscription with { CancelKept = false });
            Act(draft, new AccountAction(draft.Now, draft.File.Id, ActionNames.Cancel) { Subscription = subscriptionId });
        }
    }

    /// <summary>Takes effect, and null; or why it can't be done, one of <see cref="RejectionCause"/>.</summary>
    private static string? Refuse(Draft draft, AccountAction action) => action.Do switch
    {
        ActionNames.Credit => Credit(draft, action),
        ActionNames.GrantAccess => GrantAccess(draft, action),
        ActionNames.AbandonCharge => Resolve(draft, action with { Outcome = "never_made" }),
        ActionNames.ResolveCharge => Resolve(draft, action),
        ActionNames.RetryCharge => RetryCharge(draft, action),
        ActionNames.WriteOff => WriteOff(draft, action),
        ActionNames.VoidInvoice => VoidInvoice(draft, action),
        ActionNames.Pause => Pause(draft, action),
        ActionNames.Unpause => Unpause(draft, action),
        ActionNames.Exempt => Exempt(draft, action),
        ActionNames.Unexempt => Unexempt(draft, action),
        ActionNames.Hold => Hold(draft, true),
        ActionNames.ReleaseHold => Hold(draft, false),
        _ => Accept(draft, action) ? null : RejectionCause.Other,
    };

    private static bool Accept(Draft draft, AccountAction action) => action.Do switch
    {
        ActionNames.UpdatePaymentMethod => UpdatePaymentMethod(draft, action),
        ActionNames.Authenticate => Authenticate(draft, action),
        ActionNames.AddContact => AddContact(draft, action),
        ActionNames.RemoveContact => RemoveContact(draft, action),
        ActionNames.SetContact => SetContact(draft, action),
        _ => draft.File.Subscriptions.FirstOrDefault(s => s.Id == action.Subscription && s.IsLive) is { } subscription
            && subscription.CancelAtPeriodEnd == (action.Do == ActionNames.Resume)
            && AcceptOn(draft, subscription, action),
    };

    private static bool AcceptOn(Draft draft, Subscription subscription, AccountAction action)
    {
        switch (action.Do)
        {
            case ActionNames.Cancel:
                return Cancel(draft, subscription);
            case ActionNames.Resume:
                draft.Set(subscription with { CancelAtPeriodEnd = false });
                draft.Tell(draft.New(EventTypes.SubscriptionResumed, subscription.Id));
                Mailing.Decide(draft, MailTemplates.CancellationWithdrawn, Renewing.FactsOf(subscription));
                return true;
            case ActionNames.SetAutoRenew when action.Value is { } value:
                draft.Set(subscription with { AutoRenew = value });
                return true;
            case ActionNames.ChangePlan when action.Plan is { } code
                && draft.Book.Catalog.Plans.TryGetValue(code, out var plan) && plan.Prices.ContainsKey(draft.File.Currency.Code):
                draft.Set(subscription with { PendingPlan = code == subscription.PlanCode ? null : code });
                return true;
            default:
                return false;
        }
    }

    private static bool Cancel(Draft draft, Subscription subscription)
    {
        if (draft.File.Invoices.FirstOrDefault(i => i.State == InvoiceState.Open && i.SubscriptionId == subscription.Id) is not { } invoice)
        {
            draft.Set(subscription with { CancelAtPeriodEnd = true });
            draft.Tell(draft.New(EventTypes.SubscriptionCancelScheduled, subscription.Id) with { EndsOn = subscription.RenewsOn });
            Mailing.Decide(draft, MailTemplates.CancellationScheduled, Renewing.FactsOf(subscription));
            return true;
        }
        if (draft.File.OpenChargeOf(invoice) is not null)
        {
            if (!draft.Options.IsService)
            {
                return false;
            }
            draft.Set(subscription with { CancelKept = true });
            return true;
        }
        Void(draft, invoice);
        Renewing.Cancel(draft, subscription, invoice);
        Suspending.LeaveIfCleared(draft);
        Suspending.CloseIfDone(draft);
        return true;
    }

    /// <summary>A credit note cancels an unpaid invoice; the credit that it took, and what it was to bring along, go back.</summary>
    private static void Void(Draft draft, Invoice invoice)
    {
        draft.Set(invoice with { State = InvoiceState.Voided, SettledAt = draft.Now, RechargeDue = false, PausedUntil = null });
        draft.File = draft.File with
        {
            Credit = checked(draft.File.Credit + invoice.CreditApplied.Minor),
            Carried = Math.Max(0, checked(draft.File.Carried + invoice.CarriedIn - invoice.CarriedOut)),
        };
        draft.Tell(draft.New(EventTypes.InvoiceVoided, invoice));
        if (invoice.State == InvoiceState.Open)
        {
            StopDunning(draft, invoice);
        }
    }

    private static void StopDunning(Draft draft, Invoice invoice)
    {
        if (invoice.Case is not null)
        {
            draft.Tell(draft.New(EventTypes.DunningStopped, invoice));
            Stepping.ClearNotices(draft, invoice);
        }
    }

    /// <summary>An operator cancels an invoice; its subscription goes on. What has been paid for it goes back.</summary>
    private static string? VoidInvoice(Draft draft, AccountAction action)
    {
        if (Find(draft, action) is not { State: InvoiceState.Open or InvoiceState.Paid } invoice)
        {
            return RejectionCause.AlreadyOver;
        }
        if (invoice.Disputed)
        {
            return RejectionCause.InvoiceDisputed;
        }
        if (draft.File.OpenChargeOf(invoice) is not null)
        {
            return RejectionCause.ChargeWithoutOutcome;
        }
        if (invoice.State == InvoiceState.Paid)
        {
            GiveBack(draft, invoice);
        }
        Void(draft, invoice);
        Suspending.LeaveIfCleared(draft);
        Suspending.CloseIfDone(draft);
        return null;
    }

    /// <summary>An operator gives up an unpaid invoice: it stays issued, and nobody owes it any more.</summary>
    private static string? WriteOff(Draft draft, AccountAction action)
    {
        if (Find(draft, action) is not { State: InvoiceState.Open } invoice)
        {
            return RejectionCause.InvoiceNotUnpaid;
        }
        if (draft.File.OpenChargeOf(invoice) is not null)
        {
            return RejectionCause.ChargeWithoutOutcome;
        }
        draft.Set(invoice with { State = InvoiceState.WrittenOff, SettledAt = draft.Now, RechargeDue = false, PausedUntil = null });
        draft.Tell(draft.New(EventTypes.InvoiceWrittenOff, invoice));
        StopDunning(draft, invoice);
        Suspending.LeaveIfCleared(draft);
        Suspending.CloseIfDone(draft);
        return null;
    }

    /// <summary>The invoice that is named, settled ones as far as they are in the file.</summary>
    private static Invoice? Find(Draft draft, AccountAction action) =>
        draft.File.Invoices.FirstOrDefault(i => i.SubscriptionId == action.Subscription && i.PeriodStart == action.PeriodStart);

    /// <summary>
    /// The charge that has paid it is refunded by the next pass. Without one, credit has paid it, or a payment that did not come through us: then it is credit.
    /// What went back at the gateway already does not go back again.
    /// </summary>
    private static void GiveBack(Draft draft, Invoice invoice)
    {
        var charge = draft.File.Charges.FirstOrDefault(c => c is { State: ChargeState.Succeeded, RefundDue: false, Duplicate: false }
            && c.SubscriptionId == invoice.SubscriptionId && c.PeriodStart == invoice.PeriodStart);
        if (charge is null)
        {
            draft.File = draft.File with { Credit = checked(draft.File.Credit + invoice.AmountDue.Minor) };
        }
        else if (charge.Refunded < charge.Amount.Minor)
        {
            draft.Set(charge with { RefundDue = true });
        }
    }

    /// <summary>The unpaid invoices that an act is on: the one that is named, or all.</summary>
    private static List<Invoice> Unpaid(Draft draft, AccountAction action) =>
        [.. Stepping.Unpaid(draft.File).Where(i => action.Subscription is null || (i.SubscriptionId == action.Subscription && i.PeriodStart == action.PeriodStart))];

    /// <summary>A promise to pay, on one unpaid invoice or on all there are.</summary>
    private static string? Pause(Draft draft, AccountAction action)
    {
        if (action.Until is not { } until || until <= draft.Today)
        {
            return RejectionCause.DateNotAhead;
        }
        if (until > draft.Today.PlusDays(LongestPause))
        {
            return RejectionCause.DateTooFar;
        }
        if (Unpaid(draft, action) is not { Count: > 0 } unpaid)
        {
            return NothingUnpaid(action);
        }
        foreach (var invoice in unpaid)
        {
            draft.Set(invoice with
            {
                PausedUntil = until,
                // What is to be tried at once waits too, unless the customer has asked for it by a new card or an authentication.
                NotBefore = invoice.RechargeDue && !IsAskedFor(draft, invoice) ? draft.DueAt(until) : invoice.NotBefore,
            });
        }
        return null;
    }

    private static string NothingUnpaid(AccountAction action) => action.Subscription is null ? RejectionCause.NothingOwed : RejectionCause.InvoiceNotUnpaid;

    private static bool IsAskedFor(Draft draft, Invoice invoice) =>
        invoice.Case is not null && draft.File.Methods.Any(m => !m.IsRetired && (m.Authenticated || m.KnownAt > (invoice.AttemptedAt ?? draft.Now)));

    /// <summary>The pause ends today, as it would on its date.</summary>
    private static string? Unpause(Draft draft, AccountAction action)
    {
        var paused = Unpaid(draft, action).Where(i => i.PausedUntil is not null).ToList();
        foreach (var invoice in paused)
        {
            Stepping.EndPause(draft, invoice);
        }
        return paused.Count > 0 ? null : RejectionCause.NotPaused;
    }

    /// <summary>Exempts one debt, or the account for good. A suspension that it alone kept ends.</summary>
    private static string? Exempt(Draft draft, AccountAction action)
    {
        var named = Find(draft, action);
        if (action.Subscription is not null && named is not { State: InvoiceState.Open })
        {
            return RejectionCause.InvoiceNotUnpaid;
        }
        if (named?.Exempt ?? draft.File.Exempt)
        {
            return RejectionCause.AlreadyExempt;
        }
        foreach (var invoice in Unpaid(draft, action))
        {
            draft.Set(invoice with
            {
                Exempt = invoice.Exempt || action.Subscription is not null,
                Case = invoice.Case is { Exhausted: true } exhausted ? exhausted with { Exhausted = false } : invoice.Case,
            });
        }
        draft.File = draft.File with { Exempt = draft.File.Exempt || action.Subscription is null };
        Suspending.LeaveIfCleared(draft);
        return null;
    }

    /// <summary>Withdraws it: what is past its last warning is warned of anew.</summary>
    private static string? Unexempt(Draft draft, AccountAction action)
    {
        if (action.Subscription is null ? !draft.File.Exempt : Find(draft, action) is not { State: InvoiceState.Open, Exempt: true })
        {
            return RejectionCause.NotExempt;
        }
        draft.File = draft.File with { Exempt = draft.File.Exempt && action.Subscription is not null };
        foreach (var invoice in Unpaid(draft, action))
        {
            var changed = invoice with { Exempt = invoice.Exempt && action.Subscription is null };
            draft.Set(Stepping.IsExempt(draft.File, changed) ? changed : Suspending.WithWarningAhead(changed));
        }
        return null;
    }

    /// <summary>A legal hold keeps an account from being purged, whatever it owes.</summary>
    private static string? Hold(Draft draft, bool isHeld)
    {
        if (draft.File.LegalHold == isHeld)
        {
            return isHeld ? RejectionCause.AlreadyHeld : RejectionCause.NotHeld;
        }
        draft.File = draft.File with { LegalHold = isHeld };
        return null;
    }

    private static bool UpdatePaymentMethod(Draft draft, AccountAction action)
    {
        var file = draft.File;
        if (action.Token is not { Length: > 0 } token
            || (action.Expires is { } expires && expires.CompareTo(draft.Today.ToYearMonth()) < 0))
        {
            return false;
        }
        var old = action.Method is { } named ? file.Methods.FirstOrDefault(m => m.Id == named && !m.IsRetired) : file.DefaultMethod;
        if (old is null && action.Method is not null)
        {
            return false;
        }
        var id = old?.Id ?? "default";
        // The next generation of the id, and a free id where there was no default: a method's own counts start anew.
        while (old is null && file.Methods.Any(m => m.Id == id))
        {
            id += "'";
        }
        var method = new PaymentMethod
        {
            Id = id,
            Generation = (old?.Generation ?? -1) + 1,
            Token = token,
            Expires = action.Expires,
            Brand = action.Brand,
            Last4 = action.Last4,
            IsDefault = old?.IsDefault ?? true,
            IsBackup = action.Method is not null && old!.IsBackup,
            KnownAt = draft.Now,
        };
        draft.File = file with
        {
            Methods = [.. file.Methods.Select(m => m == old ? m with { IsDefault = false, IsBackup = false, IsRetired = true } : m), method],
            Charges = [.. file.Charges.Select(c => c.IsOpen ? c with { MethodUpdatedSince = true } : c)],
        };
        Mailing.Decide(draft, MailTemplates.PaymentMethodUpdated, Mailing.DebtOf(draft.File) with
        {
            CardBrand = action.Brand,
            CardLast4 = action.Last4,
            CardExpires = action.Expires,
            Date = Renewing.NextRenewal(draft.File)?.RenewsOn,
        });
        RechargeAll(draft);
        return true;
    }

    private static bool Authenticate(Draft draft, AccountAction action)
    {
        var named = action.Method is { } id ? draft.File.Methods.FirstOrDefault(m => m.Id == id && !m.IsRetired) : draft.File.DefaultMethod;
        if (named is not { State: MethodState.Waiting } method)
        {
            return false;
        }
        draft.Set(method with { State = MethodState.Ok, Authenticated = true });
        RechargeAll(draft);
        return true;
    }

    private static string? Credit(Draft draft, AccountAction action)
    {
        if (action.Amount is not > 0)
        {
            return RejectionCause.Other;
        }
        if (action.Amount > Money.MaxInputMinor - draft.File.Credit)
        {
            return RejectionCause.CreditTooLarge;
        }
        draft.File = draft.File with { Credit = draft.File.Credit + action.Amount.Value };
        Mailing.Decide(draft, MailTemplates.CreditIssued,
            new MailFacts { Amount = action.Amount, Currency = draft.File.Currency.Code });
        return null;
    }

    private static string? GrantAccess(Draft draft, AccountAction action)
    {
        if (draft.File.Access == Access.Active)
        {
            return RejectionCause.NotSuspended;
        }
        if (action.Days is not (> 0 and <= 3650))
        {
            return action.Days > 0 ? RejectionCause.DaysTooMany : RejectionCause.Other;
        }
        var asked = draft.Now + Duration.FromHours(24 * action.Days.Value);
        var until = draft.File is { Access: Access.Limited, AccessUntil: { } present } ? Instant.Max(present, asked) : asked;
        draft.File = draft.File with { Access = Access.Limited, AccessUntil = until };
        draft.Tell(draft.New(EventTypes.AccountAccessGranted) with { Until = until });
        Mailing.Decide(draft, MailTemplates.AccessGranted, Mailing.DebtOf(draft.File) with { Until = until, PurgeOn = draft.File.PurgeOn });
        return null;
    }

    private static bool AddContact(Draft draft, AccountAction action)
    {
        var file = draft.File;
        if (action.Email is not { Length: > 0 } email || action.Role is not { } role || file.Contacts.Any(c => IsAt(c, email)))
        {
            return false;
        }
        var number = file.ContactCount + 1;
        draft.File = file with
        {
            ContactCount = number,
            Contacts = file.Contacts.Add(new Contact(number, email, action.Name ?? "", role, action.Locale) { Frequency = action.Frequency ?? default }),
        };
        return true;
    }

    private static bool SetContact(Draft draft, AccountAction action)
    {
        var file = draft.File;
        if (action is { Locale: null, Frequency: null } || action.Email is not { } email || file.Contacts.FirstOrDefault(c => IsAt(c, email)) is not { } contact)
        {
            return false;
        }
        var changed = contact with { Locale = action.Locale ?? contact.Locale, Frequency = action.Frequency ?? contact.Frequency };
        draft.File = file with { Contacts = file.Contacts.Replace(contact, changed) };
        return true;
    }

    private static bool RemoveContact(Draft draft, AccountAction action)
    {
        var file = draft.File;
        var index = action.Email is { } email ? file.Contacts.ToList().FindIndex(c => IsAt(c, email)) : -1;
        if (index < 0)
        {
            return false;
        }
        var contact = file.Contacts[index];
        if (contact.Role == ContactRole.Owner && file.Contacts.Count(c => c is { Removed: false, Role: ContactRole.Owner }) == 1)
        {
            return false;
        }
        draft.File = file with { Contacts = file.Contacts.SetItem(index, contact with { Removed = true }) };
        return true;
    }

    /// <summary>
    /// An operator's answer to a stuck charge. In the service one that gives it up is asked for: the charge is looked up once more and its key is spent
    /// first, so that nothing can charge for it later.
    /// </summary>
    private static string? Resolve(Draft draft, AccountAction action)
    {
        if (draft.File.Charges.FirstOrDefault(c => c is { State: ChargeState.Unknown, Stuck: true, Resolution: ChargeResolution.None }
            && c.SubscriptionId == action.Subscription && (action.PeriodStart is null || c.PeriodStart == action.PeriodStart)) is not { } charge)
        {
            return RejectionCause.ChargeNotStuck;
        }
        switch (action.Outcome)
        {
            case "succeeded":
                Charging.Succeed(draft, charge);
                return null;
            case "never_made" when !draft.Options.IsService:
                Charging.NeverMade(draft, charge);
                return null;
            case "never_made" or "failed":
                draft.Set(charge with
                {
                    Resolution = action.Outcome == "failed" ? ChargeResolution.Failed : ChargeResolution.NeverMade,
                    MissedSince = null,
                });
                return null;
            default:
                return RejectionCause.Other;
        }
    }

    /// <summary>An operator has one unpaid invoice charged now: it uses up no step.</summary>
    private static string? RetryCharge(Draft draft, AccountAction action)
    {
        var unpaid = Stepping.Unpaid(draft.File)
            .Where(i => i.SubscriptionId == action.Subscription && (action.PeriodStart is null || i.PeriodStart == action.PeriodStart)).ToList();
        if (unpaid is not [{ } invoice])
        {
            return RejectionCause.InvoiceNotUnpaid;
        }
        if (draft.File.OpenChargeOf(invoice) is not null)
        {
            return RejectionCause.ChargeWithoutOutcome;
        }
        draft.Set(invoice with { RechargeDue = true, NotBefore = null });
        return null;
    }

    /// <summary>Every unpaid invoice is charged whatever the schedule.</summary>
    public static void RechargeAll(Draft draft) =>
        draft.File = draft.File with
        {
            Invoices = [.. draft.File.Invoices.Select(i => i.State == InvoiceState.Open ? i with { RechargeDue = true, NotBefore = null } : i)],
        };

    private static bool IsAt(Contact contact, string email) =>
        !contact.Removed && string.Equals(contact.Email, email, StringComparison.OrdinalIgnoreCase);
}
