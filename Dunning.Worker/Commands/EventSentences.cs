using System.Globalization;
using Dunning.Events;
using Dunning.Model;
using NodaTime;

namespace Dunning.Commands;

/// <summary>Says each event in a sentence for operators. Not for customers: reasons of declines are told as they are.</summary>
internal sealed class EventSentences(AccountWords words)
{
    /// <summary>The sentence, without its date and full stop. An event that this program doesn't know is its bare name.</summary>
    public string Of(BookEvent e) => e.Type switch
    {
        EventTypes.AccountAccessEnded => "temporary access ended; the account is suspended again",
        EventTypes.AccountAccessGranted => $"temporary access granted until {When(e.Until)}",
        EventTypes.AccountClosed => "account closed: nothing is live and nothing is owed",
        EventTypes.AccountErased => "closed account erased: its personal data is deleted",
        EventTypes.AccountPurged => "account purged: its personal data is erased",
        EventTypes.AccountPurgePostponed => $"purge postponed to {On(e.PurgeOn)}: nobody is purged without a warning in time",
        EventTypes.AccountReactivated => "account reactivated: access is back, and the paid days that were left begin today",
        EventTypes.AccountSuspended => $"account suspended; everything will be purged on {On(e.PurgeOn)} if nothing is paid",
        EventTypes.AccountUnreachable => "none of the contacts can be reached by mail: another address is needed",
        EventTypes.ActionRejected => $"the action '{e.Do}'{Details(e)}{By(e)} was rejected{(e.By is null ? "" : ": " + RejectionText.Of(e.Code))}{(e is { By: not null, Reason: { } why } ? $" (its reason: {why})" : "")}",
        EventTypes.ChargeAbandoned => $"charge of {Charge(e)} given up: it counts as never made",
        EventTypes.ChargeDuplicate => $"charge of {Charge(e)} took money for what is settled already: it will be refunded",
        EventTypes.ChargeFailed => $"{words.Amount(e.Amount)} declined{On(e.Method)} ({Declined(e.Code)})",
        EventTypes.ChargePending => $"charge of {Charge(e)} taken up: whether the money comes is known in some days",
        EventTypes.ChargeSkipped => $"nothing could be charged ({Skipped(e.Reason)})",
        EventTypes.ChargeStuck => $"charge of {Charge(e)} is stuck: its outcome can't be learned, an operator must look at it",
        EventTypes.ChargeSucceeded => $"{words.Amount(e.Amount)} charged{On(e.Method)}",
        EventTypes.ChargeUnknown => $"no answer to the charge of {Charge(e)}: its outcome is unknown, nothing else is tried until it is known",
        EventTypes.ContactBouncing => $"mail to {To(e)} comes back ({e.Reason})",
        EventTypes.ContactReachable => $"mail to {To(e)} arrives again",
        EventTypes.CreditApplied => $"{words.Amount(e.Amount)} of the credit balance paid the invoice of {On(e.PeriodStart)}",
        EventTypes.DunningExhausted => $"last step of the dunning case of {On(e.PeriodStart)}: no more attempts",
        EventTypes.DunningOpened => $"a dunning case opens for the invoice of {On(e.PeriodStart)}",
        EventTypes.DunningRecovered => $"recovered: the dunning case of {On(e.PeriodStart)} ends after step {Number(e.Step)}",
        EventTypes.DunningStep => $"dunning step {Number(e.Step)} done",
        EventTypes.DunningStopped => $"the dunning case of {On(e.PeriodStart)} ends with its invoice",
        EventTypes.EmailDropped => $"mail '{Mail(e)}' dropped: its reason is gone, or whoever it was for",
        EventTypes.EmailSent => $"mail '{Mail(e)}' to {To(e)}",
        EventTypes.InvoiceIssued => Issued(e),
        EventTypes.InvoicePaid => $"invoice of {On(e.PeriodStart)} paid",
        EventTypes.InvoiceVoided => $"invoice of {On(e.PeriodStart)} voided by a credit note",
        EventTypes.InvoiceWrittenOff => $"invoice of {On(e.PeriodStart)} written off",
        EventTypes.NoticeCleared => "in-app notice taken down",
        EventTypes.NoticePosted => $"in-app notice '{AccountWords.Plain(e.Kind ?? "")}' shown to {AccountWords.Audience(e.Audience ?? "")}",
        EventTypes.OperatorActed => $"operator's act '{AccountWords.Plain(e.Do ?? "")}'{Details(e)}{By(e)}: {e.Reason}",
        EventTypes.PaymentDisputed => $"{words.Amount(e.Amount)} disputed{On(e.Method)} ({AccountWords.Plain(e.Reason ?? "no reason given")}): dunning of its invoice stops",
        EventTypes.PaymentDisputeClosed => e.Reason == "won" ? $"the dispute of {Charge(e)} is won" : $"the dispute of {Charge(e)} is lost: the money is gone",
        EventTypes.PaymentReceived => $"{words.Amount(e.Amount)} paid elsewhere ({e.Reason}) for the invoice of {On(e.PeriodStart)}",
        EventTypes.PaymentRefunded => $"{words.Amount(e.Amount)} refunded at the gateway{On(e.Method)}",
        EventTypes.PaymentReversed => $"{words.Amount(e.Amount)} taken back by the bank{On(e.Method)} ({Declined(e.Code)})",
        EventTypes.PaymentUnexpected => $"{words.Amount(e.Amount)} paid elsewhere ({e.Reason}) for the invoice of {On(e.PeriodStart)}, but that is not what it asks for: look at it",
        EventTypes.PaymentMethodGone => $"the payment method can't be charged any more{On(e.Method)}: detached, or its mandate is withdrawn",
        EventTypes.PaymentMethodReplaced => $"the card was replaced by its issuer{On(e.Method)}",
        EventTypes.SubscriptionCanceled => $"subscription {e.Subscription} canceled",
        EventTypes.SubscriptionCancelScheduled => $"subscription {e.Subscription} is to end on {On(e.EndsOn)}",
        EventTypes.SubscriptionExpired => $"subscription {e.Subscription} expired",
        EventTypes.SubscriptionPlanChanged => $"subscription {e.Subscription} changes to the plan {words.Plan(e.Plan ?? "")}",
        EventTypes.SubscriptionRenewed => $"subscription {e.Subscription} renewed until {On(e.PeriodEnd)}",
        EventTypes.SubscriptionResumed => $"cancellation of subscription {e.Subscription} withdrawn",
        _ => e.Type,
    };

    private string Details(BookEvent e) =>
        (e.Amount is { } amount ? $" of {words.Amount(amount)}" : "") + (e.EndsOn is null ? "" : " until " + On(e.EndsOn))
        + (e.Days is null ? "" : $" for {Number(e.Days)} days") + (e is { Type: EventTypes.OperatorActed, Code: { } outcome } ? $" as {AccountWords.Plain(outcome)}" : "")
        + (e is { PeriodStart: { } start, By: not null } ? $" on the invoice of {AccountWords.Date(start)}" : "");

    private static string By(BookEvent e) => e.By is { } name ? $" by {name}" : "";

    private string Issued(BookEvent e)
    {
        var credit = e.CreditApplied > 0 ? $", less {words.Amount(e.CreditApplied)} of credit" : "";
        credit += e.CarriedIn > 0 ? $", and {words.Amount(e.CarriedIn)} carried over" : "";
        credit += e.CarriedOut > 0 ? $"; {words.Amount(e.CarriedOut)} is left for the next" : "";
        return $"invoice for {Period(e)}: {words.Amount(e.AmountDue)} due ({words.Amount(e.Subtotal)} + {words.Amount(e.Tax)} tax{credit})";
    }

    private string Charge(BookEvent e) => words.Amount(e.Amount) + On(e.Method);

    private string On(MethodRef? method) => method is { } it ? $" on {words.Method(it)}" : "";

    private string When(Instant? at) => at is { } instant ? words.Time(instant) : "?";

    private static string Period(BookEvent e) =>
        e is { PeriodStart: { } start, PeriodEnd: { } end } ? AccountWords.Days(start, end) : On(e.PeriodStart);

    private static string On(LocalDate? date) => date is { } day ? AccountWords.Date(day) : "?";

    private static string Number(int? number) => number?.ToString(CultureInfo.InvariantCulture) ?? "?";

    private static string Mail(BookEvent e) => AccountWords.Plain(e.Template ?? "");

    private static string To(BookEvent e) =>
        e.To is { Length: > 0 } to ? string.Join(", ", to.Select(r => r.Email).Order(StringComparer.Ordinal)) : "nobody";

    private static string Declined(string? code) => code is null ? "no reason given"
        : AccountWords.Plain(code) + (Declines.Of(code).Meaning is { } meaning ? ": " + meaning : "");

    private static string Skipped(string? reason) => reason switch
    {
        "no_payment_method" => "no payment method",
        "hard_decline" => "the payment method was declined for good",
        "authentication_required" => "the customer must authenticate first",
        "network_limit" => "the card networks allow no more attempts for now",
        _ => AccountWords.Plain(reason ?? "no reason given"),
    };
}
