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

    // What an operator's "failed" counts as: the gateway's own code is not known.
    private const string ResolvedCode = "generic_decline";

    private static readonly Duration HealthyFor = Duration.FromHours(1);
    private static readonly Duration LongestWait = Duration.FromDays(30);

    /// <summary>
    /// Begins an attempt of an open invoice. Returns the call to make, or null when the attempt is over already: nothing was due, or there was no
    /// method to charge.
    /// </summary>
    public static Effect? Attempt(Draft draft, Invoice invoice, AttemptKind kind, PassRun run, Cursor cursor)
    {
        var methods = InOrder(draft.File).Where(m => m.State == MethodState.Ok).ToList();
        var method = methods.FirstOrDefault(m => NetworkLimit.IsOpen(draft, m, invoice.AmountDue));
        if (method is null && methods.Count > 0)
        {
            // No failed attempt: the step keeps its turn until the window allows it.
            draft.Set(invoice with
            {
                RechargeDue = invoice.RechargeDue || kind != AttemptKind.Step,
                NotBefore = methods.Min(m => NetworkLimit.OpensAt(draft, m, invoice.AmountDue)),
            });
            draft.Tell(draft.New(EventTypes.ChargeSkipped, invoice) with { Reason = NetworkLimit.Reason });
            return null;
        }
        invoice = invoice with { Attempts = invoice.Attempts + 1, AttemptedAt = draft.Now, RechargeDue = false, NotBefore = null };
        draft.Set(invoice);
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
            case GatewayOutcome.Unknown or GatewayOutcome.Refused when charge.State == ChargeState.Pending:
                // The gateway has told meanwhile that it has it.
                return null;
            case GatewayOutcome.Unknown or GatewayOutcome.Refused when !isOwnLease:
                // Another server has taken the account over since and tells of the charge itself; its call with the same key may be under way.
                return null;
            case GatewayOutcome.Unknown:
                draft.Set(charge with { State = ChargeState.Unknown, LookedUpAt = draft.Now });
                draft.Tell(About(draft, charge, EventTypes.ChargeUnknown));
                return null;
            case GatewayOutcome.Pending:
                Pending(draft, charge);
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
                draft.Set(charge with { MissedSince = null });
                return null;
            case GatewayOutcome.Pending:
                Pending(draft, charge);
                return null;
            case GatewayOutcome.NeverMade:
                if (InvoiceOf(draft, charge) is { } counted)
                {
                    // Its next attempt is the next pass's: a gateway that leaves calls half done is not asked in a loop.
                    draft.Set(counted with { ReconciledAt = draft.Now });
                }
                NeverMade(draft, charge);
                return null;
            case not null:
                return Known(draft, charge, answer.Outcome, isReconciled: true, goOn: false, run, cursor);
        }
        if (!isOwnLease || charge.State == ChargeState.Pending)
        {
            // Another server has taken the account over since: not found is news of then, not of now. Nor does it undo what the gateway has told.
            return null;
        }
        charge = charge with { MissedSince = charge.MissedSince ?? draft.Now };
        draft.Set(charge);
        if (charge.MethodUpdatedSince || charge.Resolution != ChargeResolution.None || IsForgotten(draft, charge))
        {
            return new Effect.Fence(draft.File.Id, run, cursor, 0, RequestOf(draft.File, charge));
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
        if (charge.Kind != AttemptKind.Recharge && InvoiceOf(draft, charge) is { PausedUntil: not null })
        {
            // There is a promise to pay since: it is given up, so that it can't charge any more, and made anew after the pause.
            return new Effect.Fence(draft.File.Id, run, cursor, 0, RequestOf(draft.File, charge));
        }
        charge = charge with { State = ChargeState.InFlight, LastCalledAt = draft.Now };
        draft.Set(charge);
        return new Effect.SendCharge(draft.File.Id, run, cursor, 0, RequestOf(draft.File, charge), IsResend: true);
    }

    /// <summary>Decides on the answer to a fence: the charge is given up once its key can't charge any more.</summary>
    public static Effect? Fenced(Draft draft, Answer.Fenced answer, PassRun run, Cursor cursor, bool isOwnLease)
    {
        var charge = draft.File.Charges.FirstOrDefault(c => c.Key == answer.Key)
            ?? throw new InvalidOperationException($"the account has no charge {answer.Key}");
        if (answer.Outcome is not GatewayOutcome.NeverMade)
        {
            return LookedUp(draft, new Answer.LookedUp(answer.Key, answer.Outcome), run, cursor, isOwnLease);
        }
        if (!isOwnLease || charge.State != ChargeState.Unknown)
        {
            // Another server has taken the account over since, and fences it anew.
            return null;
        }
        if (charge.Resolution == ChargeResolution.Failed)
        {
            return Known(draft, charge, new GatewayOutcome.Declined(ResolvedCode), isReconciled: true, goOn: false, run, cursor);
        }
        if (!charge.MethodUpdatedSince)
        {
            NeverMade(draft, charge);
            return null;
        }
        Abandon(draft, charge);
        if (InvoiceOf(draft, charge) is { } invoice)
        {
            draft.Set(invoice with { ReconciledAt = draft.Now });
        }
        Acting.HandInKeptCancel(draft, charge.SubscriptionId);
        return null;
    }

    /// <summary>The gateway tells what has become of a charge.</summary>
    public static void Settled(Draft draft, Charge charge, GatewayOutcome outcome)
    {
        switch (outcome)
        {
            case GatewayOutcome.Unknown or GatewayOutcome.Refused or GatewayOutcome.NeverMade:
                // No news: a look-up asks again, under its claim.
                break;
            case GatewayOutcome.Declined when charge.State == ChargeState.InFlight && draft.File.LeaseUntil > draft.Now:
                // The call's own answer, or else a look-up, tells the same, and an answer goes on to the next method.
                break;
            case var _ when !charge.IsOpen:
                Late(draft, charge, outcome);
                break;
            case GatewayOutcome.Pending:
                Pending(draft, charge);
                break;
            default:
                Known(draft, charge, outcome, isReconciled: true, goOn: false, default, default);
                break;
        }
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
            var asked = charge with { State = charge.State == ChargeState.Pending ? ChargeState.Pending : ChargeState.Unknown, LookedUpAt = draft.Now };
            draft.Set(asked);
            return new Effect.LookUp(draft.File.Id, run,
                new Cursor(PassKind.Reconcile, charge.PeriodStart, charge.SubscriptionId), 0, RequestOf(draft.File, asked));
        }
        return null;
    }

    /// <summary>The gateway would know a charge of that age, and has said for a while, at each look-up, that it does not.</summary>
    private static bool IsForgotten(Draft draft, Charge charge) =>
        draft.Book.Gateway.KeyLife is { } life && draft.Now - charge.FirstCalledAt > life && draft.Now - charge.MissedSince >= HealthyFor;

    /// <summary>When an open charge is next looked up: at the next pass; in the service at intervals that grow with its age.</summary>
    public static Instant NextLookUp(Options.RuleOptions options, Charge charge)
    {
        if (charge.State == ChargeState.InFlight)
        {
            return charge.LastCalledAt + options.CallTimeout + options.LeaseMargin;
        }
        var last = charge.LookedUpAt ?? charge.LastCalledAt;
        if (!options.IsService || charge is { Resolution: not ChargeResolution.None, MissedSince: null })
        {
            return last + Duration.FromSeconds(1);
        }
        var age = last - charge.FirstCalledAt;
        return last + (age < Duration.FromHours(1) ? Duration.FromMinutes(1) : age < Duration.FromDays(1) ? Duration.FromMinutes(15) : Duration.FromHours(1));
    }

    /// <summary>The attempt was never made, says the gateway or an operator: its invoice is charged anew, as what it was begun as.</summary>
    public static void NeverMade(Draft draft, Charge charge)
    {
        Abandon(draft, charge);
        if (InvoiceOf(draft, charge) is { } invoice)
        {
            draft.Set(invoice with { RechargeDue = true, NotBefore = AfterPause(draft, invoice, charge.Kind) });
        }
        Acting.HandInKeptCancel(draft, charge.SubscriptionId);
    }

    // Made again it is an automatic attempt, unless the customer or an operator has asked for it.
    private static Instant? AfterPause(Draft draft, Invoice invoice, AttemptKind kind) =>
        invoice.PausedUntil is { } until && kind != AttemptKind.Recharge && !invoice.RechargeDue ? draft.DueAt(until) : invoice.NotBefore;

    /// <summary>The attempt counts as never made.</summary>
    private static void Abandon(Draft draft, Charge charge)
    {
        NetworkLimit.Forget(draft, charge);
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
        NetworkLimit.Count(draft, method, invoice.AmountDue);
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
        file.Id, file.GatewayCustomer, charge.Key, charge.SubscriptionId, charge.PeriodStart, charge.Amount, charge.Method, charge.Token,
        file.Methods.FirstOrDefault(m => m.Ref == charge.Method)?.Authenticated ?? false, charge.FirstCalledAt);

    /// <summary>An operator has seen at the gateway that a stuck charge took the money.</summary>
    public static void Succeed(Draft draft, Charge charge) =>
        Known(draft, charge, new GatewayOutcome.Succeeded(), isReconciled: true, goOn: false, default, default);

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
            Pay(draft, charge, invoice);
            return null;
        }
        var declined = (GatewayOutcome.Declined)outcome;
        var code = declined.Code;
        draft.Set(charge with { State = ChargeState.Failed, Code = code });
        draft.Tell(About(draft, charge, EventTypes.ChargeFailed) with { Code = code });
        NetworkLimit.Declined(draft, charge.Method, charge.Amount);
        Block(draft, charge.Method, ClassOf(declined));
        // While a cancel is kept nothing more is sent for its subscription.
        if (goOn && !charge.MethodUpdatedSince && MayGoOn(invoice, charge) && !draft.File.Subscriptions.Any(s => s.Id == charge.SubscriptionId && s.CancelKept)
            && NextMethod(draft, charge) is { } next)
        {
            // A number of its own: were this call refused, and the first method tried again, its key would be the one that was declined.
            invoice = invoice with { Attempts = invoice.Attempts + 1 };
            draft.Set(invoice);
            return Call(draft, invoice, charge.Kind, next, run, cursor);
        }
        if (declined.RetryAfter is { } wait && !invoice.RechargeDue && !charge.MethodUpdatedSince)
        {
            invoice = invoice with { NotBefore = charge.LastCalledAt + Duration.Min(wait, LongestWait) };
            draft.Set(invoice);
        }
        Stepping.Failed(draft, invoice, charge.Kind, code, charge.Method);
        Acting.HandInKeptCancel(draft, charge.SubscriptionId);
        return null;
    }

    /// <summary>The charge has paid its invoice.</summary>
    private static void Pay(Draft draft, Charge charge, Invoice invoice)
    {
        draft.Set(charge with { State = ChargeState.Succeeded, Code = null });
        draft.Tell(About(draft, charge, EventTypes.ChargeSucceeded));
        NetworkLimit.Clear(draft, charge.Method, charge.Amount);
        Stepping.Paid(draft, invoice, charge.Method);
        Acting.HandInKeptCancel(draft, charge.SubscriptionId);
    }

    // A promise to pay that was made meanwhile ends an attempt that nobody has asked for.
    private static bool MayGoOn(Invoice invoice, Charge charge) => invoice.PausedUntil is null || charge.Kind == AttemptKind.Recharge;

    /// <summary>The method that an attempt goes on to after a charge; null: it was the last one.</summary>
    private static PaymentMethod? NextMethod(Draft draft, Charge charge) => InOrder(draft.File).SkipWhile(m => m.Ref != charge.Method).Skip(1)
        .FirstOrDefault(m => m.State == MethodState.Ok && NetworkLimit.IsOpen(draft, m, charge.Amount));

    /// <summary>Its outcome comes later: told once.</summary>
    private static void Pending(Draft draft, Charge charge)
    {
        if (charge.State != ChargeState.Pending)
        {
            draft.Set(charge with { State = ChargeState.Pending, LookedUpAt = draft.Now });
            draft.Tell(About(draft, charge, EventTypes.ChargePending));
        }
    }

    /// <summary>No attempt was made: the next pass tries again, with the same key.</summary>
    private static Effect? Refused(Draft draft, Charge charge, GatewayOutcome.Refused refused, PassRun run, Cursor cursor)
    {
        draft.Set(charge with { State = ChargeState.Refused });
        NetworkLimit.Forget(draft, charge);
        var invoice = InvoiceOf(draft, charge);
        if (invoice is null)
        {
            return null;
        }
        if (refused.Scope == RefusalScope.Method)
        {
            Block(draft, charge.Method, DeclineClass.Hard);
            if (MayGoOn(invoice, charge) && NextMethod(draft, charge) is { } next)
            {
                return Call(draft, invoice, charge.Kind, next, run, cursor);
            }
        }
        // A recharge or a first attempt has no date of its own to come back on; a step is due still.
        draft.Set(invoice with
        {
            Attempts = invoice.Attempts - 1,
            RechargeDue = invoice.RechargeDue || charge.Kind != AttemptKind.Step,
            NotBefore = AfterPause(draft, invoice, charge.Kind),
        });
        Acting.HandInKeptCancel(draft, charge.SubscriptionId);
        return null;
    }

    /// <summary>News of a charge whose invoice has its outcome already (RULES 13, never twice).</summary>
    private static void Late(Draft draft, Charge charge, GatewayOutcome outcome)
    {
        if (charge.State is ChargeState.Succeeded or ChargeState.Reversed || charge.RefundDue || (charge.State == ChargeState.Failed && outcome is not GatewayOutcome.Succeeded))
        {
            return;
        }
        if (charge.State == ChargeState.Failed && InvoiceOf(draft, charge) is { } unpaid)
        {
            // Somebody has confirmed it at the gateway since: the money is there.
            Pay(draft, charge, unpaid);
            return;
        }
        if (outcome is GatewayOutcome.Succeeded)
        {
            draft.Set(charge with { State = ChargeState.Succeeded, Code = null, RefundDue = true, Duplicate = true });
            draft.Tell(About(draft, charge, EventTypes.ChargeDuplicate));
        }
        else if (outcome is GatewayOutcome.Declined declined && charge.IsOpen)
        {
            draft.Set(charge with { State = ChargeState.Failed, Code = declined.Code });
        }
    }

    /// <summary>The issuer's or the network's advice beats what the code says.</summary>
    private static DeclineClass ClassOf(GatewayOutcome.Declined declined) => declined.Advice switch
    {
        DeclineAdvice.Never => DeclineClass.Hard,
        DeclineAdvice.NewData => DeclineClass.NewData,
        // However often it is tried: it fails until the customer authenticates.
        DeclineAdvice.TryLater when declined.Code != AuthenticationRequired => DeclineClass.SoftDelayed,
        DeclineAdvice.TryLater or DeclineAdvice.None => Declines.Of(declined.Code).Class,
    };

    /// <summary>A method is not charged again as a decline of that class says.</summary>
    public static void Block(Draft draft, MethodRef method, DeclineClass @class)
    {
        var state = Declines.Blocks(@class) ? MethodState.Blocked
            : @class == DeclineClass.Authentication ? MethodState.Waiting : MethodState.Ok;
        // Blocked stays blocked: only a new method helps, whatever a late answer says.
        if (state != MethodState.Ok
            && draft.File.Methods.FirstOrDefault(m => m.Ref == method && !m.IsRetired) is { State: not MethodState.Blocked } charged)
        {
            draft.Set(charged with { State = state });
        }
    }

    private static Invoice? InvoiceOf(Draft draft, Charge charge) =>
        draft.File.UnpaidInvoice(charge.SubscriptionId, charge.PeriodStart);

    /// <summary>An event about a charge.</summary>
    public static BookEvent About(Draft draft, Charge charge, string type) => draft.New(type) with
    {
        Subscription = charge.SubscriptionId,
        PeriodStart = charge.PeriodStart,
        Amount = charge.Amount.Minor,
        Method = charge.Method,
        Token = charge.Token,
    };
}
