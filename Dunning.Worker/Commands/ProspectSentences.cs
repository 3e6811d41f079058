using System.Globalization;
using Dunning.Model;
using Dunning.Ops;
using Dunning.Rules;
using NodaTime;

namespace Dunning.Commands;

/// <summary>Says what lies ahead of an account, each in a sentence.</summary>
internal sealed class ProspectSentences(AccountPage page)
{
    private readonly AccountWords _words = page.Words;
    private readonly AccountFile _file = page.File;
    private readonly LocalDate _today = page.Words.DateOf(page.AsOf);

    /// <summary>The sentence, without its time.</summary>
    public string Of(Prospect p) => p.Obstacles.IsEmpty ? Free(p) : Waiting(p);

    private string Free(Prospect p) => p.Kind switch
    {
        ProspectKind.Renewal => Renewal(p) + ToBeCharged(p),
        ProspectKind.Cancellation => $"{p.Subscription} ends: it was canceled",
        ProspectKind.Expiry => $"{p.Subscription} expires: it does not renew",
        ProspectKind.Step => $"dunning step {Step(p)}: {Attempt(p)} is tried again; if that fails: {Consequence(p)}",
        ProspectKind.Suspension => $"the account is suspended if every attempt until then fails (dunning step {Step(p)}, {Attempt(p)})",
        ProspectKind.Recharge => $"{Attempt(p)} is charged, whatever the schedule",
        ProspectKind.CreditPayment => $"the credit balance pays {Attempt(p)}",
        ProspectKind.LookUp => $"the charge of {Attempt(p)} is looked up at the gateway",
        ProspectKind.Refund => $"{Attempt(p)} is refunded",
        ProspectKind.AccessEnd => "temporary access ends; the account is suspended again",
        ProspectKind.Purge => "the account is purged (or that is put off by a week, where no warning went out in time)",
        ProspectKind.Erasure => "the personal data is erased",
        ProspectKind.Reminder => $"reminder '{AccountWords.Plain(p.Template ?? "")}' about {On(p.Date)}{For(p)}",
        ProspectKind.Mail => $"mail '{AccountWords.Plain(p.Template ?? "")}' is handed to the mail server",
    };

    private string Waiting(Prospect p)
    {
        var why = string.Join(" and ", p.Obstacles.Select(o => Why(o, p)));
        if (page.HeldSince(p) is not null)
        {
            return $"{Free(p)}; {why}";
        }
        return p.Kind switch
        {
            ProspectKind.Renewal => $"{p.Subscription} is held: it {(p.Date <= _today ? "was" : "is")} to renew on {On(p.Date)}{(p.Amount is null ? "" : $" for {Amount(p)}")}, but {why}",
            ProspectKind.Step => $"dunning step {Step(p)} of {Attempt(p)} is frozen: {why}",
            ProspectKind.Recharge => $"{Attempt(p)} is charged again as soon as possible: {why}",
            ProspectKind.Purge => $"the purge of {On(p.Date)} waits: {why}",
            ProspectKind.Cancellation or ProspectKind.Expiry or ProspectKind.Suspension or ProspectKind.CreditPayment or ProspectKind.LookUp
                or ProspectKind.Refund or ProspectKind.AccessEnd or ProspectKind.Erasure or ProspectKind.Reminder or ProspectKind.Mail =>
                $"{Free(p)}; it waits: {why}",
        };
    }

    private string Why(Obstacle obstacle, Prospect p) => obstacle switch
    {
        Obstacle.Suspended => "the account is suspended",
        Obstacle.Limited => "the account has temporary access only",
        Obstacle.UnpaidInvoice => UnpaidOf(p.Subscription),
        Obstacle.UnknownCharge => "the outcome of a charge is unknown",
        Obstacle.WarningNotSent => "its warning has not left yet",
        Obstacle.Disputed => p.Kind == ProspectKind.Erasure ? "a dispute is not over" : "its payment is disputed",
        Obstacle.LegalHold => "there is a legal hold",
        Obstacle.Paused => "there is a promise to pay",
        Obstacle.Exempt => "the account is exempt",
        Obstacle.RechargeWaiting => "a charge is waiting",
        Obstacle.Credit => "there is credit, which is the customer's money",
        Obstacle.RefundDue => "a refund is due",
        Obstacle.MailNotOver => "a mail has yet to leave",
        Obstacle.Guard => $"held by the guard of {Guards.NameOf(p.Guard)} since {_words.Time(page.Tripped[p.Guard])}: look at what waits, then "
            + $"'dunning guard approve {Guards.NameOf(p.Guard)} --reason …' lets it go on",
    };

    private string UnpaidOf(string? subscription) =>
        _file.Invoices.FirstOrDefault(i => i.State == InvoiceState.Open && i.SubscriptionId == subscription) is { } invoice
            ? $"its invoice of {AccountWords.Date(invoice.PeriodStart)} is unpaid" : "an invoice of it is unpaid";

    private string Renewal(Prospect p)
    {
        var period = p is { PeriodStart: { } start, PeriodEnd: { } end } ? $" for {AccountWords.Days(start, end)}" : "";
        var plan = p.Subscription is { } id && _file.Subscriptions.FirstOrDefault(s => s.Id == id) is { PendingPlan: not null }
            ? $" on the new plan {_words.Plan(p.Plan ?? "")}" : "";
        return $"{p.Subscription} renews{period}{plan}";
    }

    private string ToBeCharged(Prospect p)
    {
        if (p.Amount is not { } amount)
        {
            return ", but its plan has no price or its country no tax rate";
        }
        var credit = p.CreditApplied is { Minor: > 0 } applied ? $" after {AccountWords.Amount(applied)} of credit" : "";
        return amount.Minor == 0 ? $": paid by {AccountWords.Amount(p.CreditApplied ?? amount)} of credit"
            : $": {AccountWords.Amount(amount)} to be charged{credit}";
    }

    private static string Consequence(Prospect p) => p.StepDoes is not { } step ? "nothing"
        : step.Suspend ? "the account is suspended"
        : $"mail '{AccountWords.Plain(step.Email)}'" + (step.Notice is { } audience ? $" and an in-app notice to {AccountWords.Audience(audience)}" : "");

    private string Step(Prospect p)
    {
        var last = _file.UnpaidInvoice(p.Subscription ?? "", p.PeriodStart ?? default)?.Case?.Schedule.Steps.Length - 1;
        return string.Create(CultureInfo.InvariantCulture, $"{p.Step}{(last is null ? "" : " of ")}{last}");
    }

    private static string Attempt(Prospect p) => $"{Amount(p)} of {p.Subscription}, {On(p.PeriodStart)}";

    private static string Amount(Prospect p) => p.Amount is { } amount ? AccountWords.Amount(amount) : "?";

    private static string For(Prospect p) => p.Subscription is { } id ? $" for {id}" : "";

    private static string On(LocalDate? date) => date is { } day ? AccountWords.Date(day) : "?";
}
