using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Dunning.Events;
using Dunning.Model;
using Dunning.Passes;
using Dunning.Ports;
using NodaTime;
using NodaTime.Text;

namespace Dunning.Rules;

/// <summary>RULES 4: attempts, methods, keys, outcomes, and what is unknown.</summary>
internal static class Charging
{
    private const string AuthenticationRequired = "authentication_required";

    /// <summary>Declines that block the method until it is replaced.</summary>
    public static readonly FrozenSet<string> HardDeclines = new[]
    {
        "lost_card", "stolen_card", "pickup_card", "fraudulent", "merchant_blacklist", "highest_risk_level",
        "invalid_account", "new_account_information_available", "revocation_of_authorization", "revocation_of_all_authorizations",
        "stop_payment_order", "card_not_supported", "currency_not_supported", "restricted_card", "transaction_not_allowed",
        "security_violation", "service_not_allowed", "not_permitted", "do_not_try_again", "pin_try_exceeded",
        "expired_card", "incorrect_number", "invalid_number", "incorrect_cvc", "invalid_cvc", "invalid_expiry_month",
        "invalid_expiry_year", "incorrect_zip", "incorrect_address",
    }.ToFrozenSet(StringComparer.Ordinal);

    /// <summary>
    /// Begins an attempt of an open invoice. Returns the call to make, or null when the attempt is over already: nothing was due, or there was no
    /// method to charge.
    /// </summary>
    public static Effect? Attempt(Draft draft, Invoice invoice, AttemptKind kind, PassRun run, Cursor cursor)
    {
        invoice = invoice with { Attempts = invoice.Attempts + 1, AttemptedAt = draft.Now, RechargeDue = false };
        draft.Set(invoice);
        var method = InOrder(draft.File).FirstOrDefault(m => m.State == MethodState.Ok);
        if (method is not null)
        {
            return Call(draft, invoice, kind, method, run, cursor);
        }
        var reason = ObstacleOf(draft.File.DefaultMethod) ?? throw new InvalidOperationException("a chargeable default method was left out");
        draft.Tell(draft.New(EventTypes.ChargeSkipped, invoice) with { Reason = reason });
        Stepping.Failed(draft, invoice, kind, reason, null);
        return null;
    }

    /// <summary>Why a default method can't be charged, as the reason of a skipped charge; null when it can.</summary>
    public static string? ObstacleOf(PaymentMethod? method) => method is null ? "no_payment_method" : method.State switch
    {
        MethodState.Blocked => "hard_decline",
        MethodState.Waiting => AuthenticationRequired,
        MethodState.Ok => null,
    };

    /// <summary>Decides on the answer to a charge that was sent. Returns the next call of the same attempt, if any.</summary>
    public static Effect? Answered(Draft draft, Answer.Charged answer, PassRun run, Cursor cursor, bool isOwnLease)
    {
        var charge = draft.File.Charges.FirstOrDefault(c => c.Key == answer.Key)
            ?? throw new InvalidOperationException($"the account has no charge {answer.Key}");
        if (!charge.IsOpen)
        {
            Late(draft, charge, answer.Outcome);
            return null;
        }
        switch (answer.Outcome)
        {
            case GatewayOutcome.Unknown or GatewayOutcome.Refused when !isOwnLease:
                // Another server has taken the account over since and tells of the charge itself; its call with the same key may be under way.
                return null;
            case GatewayOutcome.Unknown:
                draft.Set(charge with { State = ChargeState.Unknown, LookedUpAt = draft.Now });
                draft.Tell(About(draft, charge, EventTypes.ChargeUnknown));
                return null;
            case GatewayOutcome.Refused when answer.IsResend:
                // No answer about the first call: it stays unknown.
                draft.Set(charge with { State = ChargeState.Unknown, LookedUpAt = draft.Now });
                return null;
            case GatewayOutcome.Refused refused:
                return Refused(draft, charge, refused, run, cursor);
            default:
                return Known(draft, charge, answer.Outcome, isReconciled: answer.IsResend, goOn: isOwnLease && !answer.IsResend, run, cursor);
        }
    }

    /// <summary>Decides on the answer to a look-up. Returns the re-send, if one is due.</summary>
    public static Effect? LookedUp(Draft draft, Answer.LookedUp answer, PassRun run, Cursor cursor, bool isOwnLease)
    {
        var charge = draft.File.Charges.FirstOrDefault(c => c.Key == answer.Key);
        if (charge is not { IsOpen: true })
        {
            if (charge is not null && answer.Outcome is not null)
            {
                Late(draft, charge, answer.Outcome);
            }
            return null;
        }
        switch (answer.Outcome)
        {
            case GatewayOutcome.Unknown or GatewayOutcome.Refused:
                return null;
            case not null:
                return Known(draft, charge, answer.Outcome, isReconciled: true, goOn: false, run, cursor);
        }
        if (!isOwnLease)
        {
            // Another server has taken the account over since: not found is news of then, not of now.
            return null;
        }
        var invoice = InvoiceOf(draft, charge);
        if (charge.MethodUpdatedSince)
        {
            Abandon(draft, charge);
            if (invoice is not null)
            {
                draft.Set(invoice with { ReconciledAt = draft.Now });
            }
            Acting.HandInKeptCancel(draft, charge.SubscriptionId);
            return null;
        }
        if (draft.Now - charge.FirstCalledAt > Duration.FromHours(draft.Options.KeyHours))
        {
            if (!charge.Stuck)
            {
                draft.Set(charge with { Stuck = true });
                draft.Tell(About(draft, charge, EventTypes.ChargeStuck));
            }
            return null;
        }
        if (draft.File.Subscriptions.Any(s => s.Id == charge.SubscriptionId && s.CancelKept))
        {
            return null;
        }
        charge = charge with { State = ChargeState.InFlight, LastCalledAt = draft.Now };
        draft.Set(charge);
        return new Effect.SendCharge(draft.File.Id, run, cursor, 0, RequestOf(draft.File, charge), IsResend: true);
    }

    /// <summary>Phase 1: the next unknown charge to look up, in order of period start and subscription.</summary>
    public static Effect? Reconcile(Draft draft, PassRun run, Cursor cursor)
    {
        var refund = draft.File.Charges.FirstOrDefault(c => c.RefundDue && c.LookedUpAt != draft.Now);
        if (refund is not null)
        {
            draft.Set(refund with { LookedUpAt = draft.Now });
            return new Effect.Refund(draft.File.Id, run, cursor, 0, RequestOf(draft.File, refund), RefundKeyOf(refund.Key));
        }
        foreach (var charge in draft.File.Charges.Where(c => c.IsOpen)
            .OrderBy(c => c.PeriodStart).ThenBy(c => c.SubscriptionId, StringComparer.Ordinal))
        {
            if (!cursor.IsBefore(charge.PeriodStart, charge.SubscriptionId) || NextLookUp(draft.Options, charge) > draft.Now)
            {
                continue;
            }
            if (charge.State == ChargeState.InFlight)
            {
                // Its caller died, or gave up without a word: from now on it is unknown.
                draft.Tell(About(draft, charge, EventTypes.ChargeUnknown));
            }
            var unknown = charge with { State = ChargeState.Unknown, LookedUpAt = draft.Now };
            draft.Set(unknown);
            return new Effect.LookUp(draft.File.Id, run,
                new Cursor(PassKind.Reconcile, charge.PeriodStart, charge.SubscriptionId), 0, RequestOf(draft.File, unknown));
        }
        return null;
    }

    /// <summary>When an open charge is next looked up: at the next pass; in the service at intervals that grow with its age.</summary>
    public static Instant NextLookUp(Options.RuleOptions options, Charge charge)
    {
        if (charge.State == ChargeState.InFlight)
        {
            return charge.LastCalledAt + options.CallTimeout + options.LeaseMargin;
        }
        var last = charge.LookedUpAt ?? charge.LastCalledAt;
        if (!options.IsService)
        {
            return last + Duration.FromSeconds(1);
        }
        var age = last - charge.FirstCalledAt;
        return last + (age < Duration.FromHours(1) ? Duration.FromMinutes(1) : age < Duration.FromDays(1) ? Duration.FromMinutes(15) : Duration.FromHours(1));
    }

    /// <summary>The attempt counts as never made.</summary>
    public static void Abandon(Draft draft, Charge charge)
    {
        draft.Set(charge with { State = ChargeState.Abandoned });
        draft.Tell(About(draft, charge, EventTypes.ChargeAbandoned));
    }

    /// <summary>Whether an attempt would find a method that can be charged.</summary>
    public static bool CanCharge(AccountFile file) => InOrder(file).Any(m => ObstacleOf(m) is null);

    /// <summary>The methods in the order in which an attempt tries them, chargeable or not.</summary>
    private static IEnumerable<PaymentMethod> InOrder(AccountFile file) =>
        file.Methods.Where(m => m is { IsRetired: false } && (m.IsDefault || m.IsBackup))
            .OrderByDescending(m => m.IsDefault).ThenBy(m => m.Id, StringComparer.Ordinal);

    private static Effect.SendCharge Call(
        Draft draft, Invoice invoice, AttemptKind kind, PaymentMethod method, PassRun run, Cursor cursor)
    {
        var charge = new Charge
        {
            Key = KeyOf(draft.Book.Installation, invoice.SubscriptionId, invoice.PeriodStart, invoice.Attempts, method.Ref),
            SubscriptionId = invoice.SubscriptionId,
            PeriodStart = invoice.PeriodStart,
            Attempt = invoice.Attempts,
            Kind = kind,
            Method = method.Ref,
            Token = method.Token,
            Amount = invoice.AmountDue,
            State = ChargeState.InFlight,
            FirstCalledAt = draft.Now,
            LastCalledAt = draft.Now,
        };
        draft.Set(charge);
        return new Effect.SendCharge(draft.File.Id, run, cursor, 0, RequestOf(draft.File, charge), IsResend: false);
    }

    /// <summary>
    /// The key of an attempt with a method. The same again when the same attempt is decided again from an older state of the database
    /// (RULES 13), so nothing in it depends on time or chance.
    /// </summary>
    public static string KeyOf(string installation, string subscription, LocalDate periodStart, int attempt, MethodRef method)
    {
        var text = string.Create(CultureInfo.InvariantCulture,
            $"{installation}\n{subscription}\n{LocalDatePattern.Iso.Format(periodStart)}\n{attempt}\n{method.Id}\n{method.Generation}");
        return "dun_" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..40];
    }

    private static string RefundKeyOf(string key) => key + "_refund";

    private static ChargeRequest RequestOf(AccountFile file, Charge charge) => new(
        file.Id, file.GatewayCustomer, charge.Key, charge.Amount, charge.Method, charge.Token,
        file.Methods.FirstOrDefault(m => m.Ref == charge.Method)?.Authenticated ?? false);

    /// <summary>An outcome that counts now, as what the attempt was begun as.</summary>
    private static Effect? Known(Draft draft, Charge charge, GatewayOutcome outcome, bool isReconciled, bool goOn, PassRun run, Cursor cursor)
    {
        var invoice = InvoiceOf(draft, charge);
        if (invoice is null)
        {
            // Paid, voided or written off meanwhile: a success is money to give back.
            Late(draft, charge, outcome);
            return null;
        }
        if (isReconciled)
        {
            invoice = invoice with { ReconciledAt = draft.Now };
            draft.Set(invoice);
        }
        if (outcome is GatewayOutcome.Succeeded)
        {
            draft.Set(charge with { State = ChargeState.Succeeded });
            draft.Tell(About(draft, charge, EventTypes.ChargeSucceeded));
            Stepping.Paid(draft, invoice, charge.Method);
            Acting.HandInKeptCancel(draft, charge.SubscriptionId);
            return null;
        }
        var code = ((GatewayOutcome.Declined)outcome).Code;
        draft.Set(charge with { State = ChargeState.Failed, Code = code });
        draft.Tell(About(draft, charge, EventTypes.ChargeFailed) with { Code = code });
        Block(draft, charge.Method, code);
        // While a cancel is kept nothing more is sent for its subscription.
        if (goOn && !charge.MethodUpdatedSince && !draft.File.Subscriptions.Any(s => s.Id == charge.SubscriptionId && s.CancelKept)
            && InOrder(draft.File).SkipWhile(m => m.Ref != charge.Method).Skip(1).FirstOrDefault(m => m.State == MethodState.Ok) is { } next)
        {
            return Call(draft, invoice, charge.Kind, next, run, cursor);
        }
        Stepping.Failed(draft, invoice, charge.Kind, code, charge.Method);
        Acting.HandInKeptCancel(draft, charge.SubscriptionId);
        return null;
    }

    /// <summary>No attempt was made: the next pass tries again, with the same key.</summary>
    private static Effect? Refused(Draft draft, Charge charge, GatewayOutcome.Refused refused, PassRun run, Cursor cursor)
    {
        draft.Set(charge with { State = ChargeState.Refused, Code = refused.Reason });
        var invoice = InvoiceOf(draft, charge);
        if (invoice is null)
        {
            return null;
        }
        if (refused.Scope == RefusalScope.Method)
        {
            Block(draft, charge.Method, "invalid_account");
            if (InOrder(draft.File).SkipWhile(m => m.Ref != charge.Method).Skip(1).FirstOrDefault(m => m.State == MethodState.Ok) is { } next)
            {
                return Call(draft, invoice, charge.Kind, next, run, cursor);
            }
        }
        // A recharge or a first attempt has no date of its own to come back on; a step is due still.
        draft.Set(invoice with
        {
            Attempts = invoice.Attempts - 1,
            RechargeDue = invoice.RechargeDue || charge.Kind != AttemptKind.Step,
        });
        Acting.HandInKeptCancel(draft, charge.SubscriptionId);
        return null;
    }

    /// <summary>News of a charge whose invoice has its outcome already (RULES 13, never twice).</summary>
    private static void Late(Draft draft, Charge charge, GatewayOutcome outcome)
    {
        if (charge.State is ChargeState.Succeeded or ChargeState.Failed || charge.RefundDue)
        {
            return;
        }
        if (outcome is GatewayOutcome.Succeeded)
        {
            draft.Set(charge with { State = ChargeState.Succeeded, RefundDue = true });
            draft.Tell(About(draft, charge, EventTypes.ChargeDuplicate));
        }
        else if (outcome is GatewayOutcome.Declined declined && charge.IsOpen)
        {
            draft.Set(charge with { State = ChargeState.Failed, Code = declined.Code });
        }
    }

    private static void Block(Draft draft, MethodRef method, string code)
    {
        var state = HardDeclines.Contains(code) ? MethodState.Blocked
            : code == AuthenticationRequired ? MethodState.Waiting : MethodState.Ok;
        // Blocked stays blocked: only a new method helps, whatever a late answer says.
        if (state != MethodState.Ok
            && draft.File.Methods.FirstOrDefault(m => m.Ref == method && !m.IsRetired) is { State: not MethodState.Blocked } charged)
        {
            draft.Set(charged with { State = state });
        }
    }

    private static Invoice? InvoiceOf(Draft draft, Charge charge) =>
        draft.File.UnpaidInvoice(charge.SubscriptionId, charge.PeriodStart);

    private static BookEvent About(Draft draft, Charge charge, string type) => draft.New(type) with
    {
        Subscription = charge.SubscriptionId,
        PeriodStart = charge.PeriodStart,
        Amount = charge.Amount.Minor,
        Method = charge.Method,
        Token = charge.Token,
    };
}
