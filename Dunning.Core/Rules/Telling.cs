using Dunning.Events;
using Dunning.Model;
using Dunning.Passes;
using Dunning.Ports;

namespace Dunning.Rules;

/// <summary>What a gateway tells by itself: late, twice and out of order, so that each news is weighed against what is known.</summary>
internal static class Telling
{
    /// <summary>Takes the news in, or finds nothing in it that is new.</summary>
    public static void Hear(Draft draft, GatewayNews news)
    {
        switch (news)
        {
            case GatewayNews.Settled settled when Find(draft, settled.Key) is { } charge:
                Charging.Settled(draft, charge, settled.Outcome);
                break;
            case GatewayNews.Reversed reversed when Find(draft, reversed.Key) is { } charge:
                Reverse(draft, charge, reversed.Code);
                break;
            case GatewayNews.Disputed disputed when Find(draft, disputed.Key) is { } charge:
                Dispute(draft, charge, disputed.Reason);
                break;
            case GatewayNews.DisputeClosed closed when Find(draft, closed.Key) is { } charge && InvoiceOf(draft, charge) is { Disputed: true } invoice:
                Close(draft, charge, invoice, closed.IsWon);
                draft.File = draft.File with { OpenDisputes = Math.Max(0, draft.File.OpenDisputes - 1) };
                draft.Tell(Charging.About(draft, charge, EventTypes.PaymentDisputeClosed) with { Reason = closed.IsWon ? "won" : "lost" });
                break;
            case GatewayNews.Refunded refunded when Find(draft, refunded.Key) is { } charge && refunded.Amount.Minor > charge.Refunded:
                Refund(draft, charge, refunded.Amount);
                break;
            case GatewayNews.PaidElsewhere paid:
                PayElsewhere(draft, paid);
                break;
            case GatewayNews.CardReplaced replaced when Find(draft.File, replaced.Token) is { } method:
                Replace(draft, method, replaced);
                break;
            case GatewayNews.MethodGone gone when Find(draft.File, gone.Token) is { State: not MethodState.Blocked } method:
                draft.Set(method with { State = MethodState.Blocked });
                draft.Tell(draft.New(EventTypes.PaymentMethodGone) with { Method = method.Ref, Token = method.Token });
                break;
        }
    }

    /// <summary>A debit that had paid is returned: its invoice is unpaid again, and today is day 0 of its case.</summary>
    private static void Reverse(Draft draft, Charge charge, string code)
    {
        if (charge.IsOpen)
        {
            // It comes before the news that it had succeeded.
            Charging.Settled(draft, charge, new GatewayOutcome.Declined(code));
            draft.Set(Find(draft, charge.Key)! with { State = ChargeState.Reversed, Code = null });
            return;
        }
        if (charge.State != ChargeState.Succeeded)
        {
            return;
        }
        // The bank has given back what a refund would.
        draft.Set(charge with { State = ChargeState.Reversed, RefundDue = false });
        draft.Tell(Charging.About(draft, charge, EventTypes.PaymentReversed) with { Code = code });
        Charging.Block(draft, charge.Method, Declines.Of(code).Class);
        // What was given back, or is about to be, did not pay it.
        if (draft.File.PurgedAt is not null || charge.RefundDue || charge.Refunded >= charge.Amount.Minor || InvoiceOf(draft, charge) is not { State: InvoiceState.Paid } invoice)
        {
            return;
        }
        invoice = invoice with { State = InvoiceState.Open, SettledAt = null, RechargeDue = false, NotBefore = null, Case = null, Exempt = false };
        draft.Set(invoice);
        draft.File = draft.File with { Closed = false };
        Stepping.Open(draft, invoice, code, charge.Method, isReturned: true);
    }

    /// <summary>A dispute stops dunning on its invoice.</summary>
    private static void Dispute(Draft draft, Charge charge, string reason)
    {
        if (InvoiceOf(draft, charge) is not { Disputed: false } invoice)
        {
            return;
        }
        invoice = invoice with { Disputed = true, RechargeDue = false };
        draft.Set(invoice);
        draft.File = draft.File with { OpenDisputes = draft.File.OpenDisputes + 1 };
        draft.Tell(Charging.About(draft, charge, EventTypes.PaymentDisputed) with { Reason = reason });
        if (invoice is { State: InvoiceState.Open, Case: not null })
        {
            draft.Tell(draft.New(EventTypes.DunningStopped, invoice));
            Stepping.ClearNotices(draft, invoice);
        }
    }

    private static void Close(Draft draft, Charge charge, Invoice invoice, bool isWon)
    {
        if (!isWon)
        {
            // The money is gone and the invoice is the operators' affair, so it stays out of dunning; nor is there anything left to give back.
            draft.Set(charge with { RefundDue = false, Refunded = charge.Amount.Minor });
            return;
        }
        // What was warned of before the dispute is warned of again.
        invoice = Suspending.WithWarningAhead(invoice with { Disputed = false });
        draft.Set(invoice with { RechargeDue = invoice is { State: InvoiceState.Open, Case: null } || invoice.RechargeDue });
    }

    private static void Refund(Draft draft, Charge charge, Money amount)
    {
        var isOurs = charge.RefundDue && amount.Minor >= charge.Amount.Minor;
        draft.Set(charge with { Refunded = amount.Minor, RefundDue = charge.RefundDue && !isOurs });
        if (!isOurs)
        {
            draft.Tell(Charging.About(draft, charge, EventTypes.PaymentRefunded) with { Amount = amount.Minor - charge.Refunded });
        }
    }

    private static void PayElsewhere(Draft draft, GatewayNews.PaidElsewhere paid)
    {
        var invoice = draft.File.UnpaidInvoice(paid.SubscriptionId, paid.PeriodStart);
        var pays = invoice is not null && invoice.AmountDue == paid.Amount;
        draft.Tell(draft.New(pays ? EventTypes.PaymentReceived : EventTypes.PaymentUnexpected) with
        {
            Subscription = paid.SubscriptionId,
            PeriodStart = paid.PeriodStart,
            Amount = paid.Amount.Minor,
            Currency = paid.Amount.Currency.Code,
            Reason = paid.Reference,
        });
        if (pays)
        {
            // A charge of it that is under way and succeeds later is money taken twice, and goes back.
            Stepping.Paid(draft, invoice!, null, isElsewhere: true);
        }
    }

    private static void Replace(Draft draft, PaymentMethod method, GatewayNews.CardReplaced replaced)
    {
        var expires = replaced.Expires ?? method.Expires;
        if ((expires, replaced.Brand ?? method.Brand, replaced.Last4 ?? method.Last4) == (method.Expires, method.Brand, method.Last4))
        {
            return;
        }
        draft.Set(method with
        {
            Expires = expires,
            Brand = replaced.Brand ?? method.Brand,
            Last4 = replaced.Last4 ?? method.Last4,
            State = MethodState.Ok,
            KnownAt = draft.Now,
            ExpiryReminderSent = false,
            Tries = [],
        });
        draft.Tell(draft.New(EventTypes.PaymentMethodReplaced) with { Method = method.Ref, Token = method.Token });
        Acting.RechargeAll(draft);
    }

    private static Charge? Find(Draft draft, string key) => draft.File.Charges.FirstOrDefault(c => c.Key == key);

    private static PaymentMethod? Find(AccountFile file, string token) => file.Methods.FirstOrDefault(m => m.Token == token && !m.IsRetired);

    private static Invoice? InvoiceOf(Draft draft, Charge charge) =>
        draft.File.Invoices.FirstOrDefault(i => i.SubscriptionId == charge.SubscriptionId && i.PeriodStart == charge.PeriodStart);
}
