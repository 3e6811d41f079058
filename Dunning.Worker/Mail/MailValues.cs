using System.Collections.Immutable;
using Dunning.Model;

namespace Dunning.Mail;

/// <summary>Turns a mail's facts into the words that templates place: formatted for the reader, on one line, null where nothing is known.</summary>
internal static class MailValues
{
    /// <summary>What templates may place; <c>body</c> only in a layout.</summary>
    public static ImmutableArray<string> Names { get; } =
    [
        "account", "act", "amount", "body", "byCredit", "canReply", "card", "cardExpires", "company", "date", "link", "name",
        "newPlan", "nextAttemptOn", "period", "plan", "purgeOn", "reason", "suspendsOn", "until",
    ];

    /// <summary>The values of one message.</summary>
    public static Dictionary<string, string?> Of(
        AccountFile account, Model.Mail mail, Recipient recipient, Language language, MailOptions options, PlanNames planNames)
    {
        var facts = mail.Facts;
        // An invoice that credit has paid whole has nothing due. To tell of a payment of nothing, or of a card, would be odd.
        var byCredit = facts.Amount == 0;
        var currency = facts.Currency is null ? account.Currency : Currency.Find(facts.Currency);
        return new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            ["account"] = OneLine.Of(account.Name),
            ["act"] = MailActs.KeyOf(mail.Template, facts.Code) is { } act ? language.Act(act) : null,
            ["amount"] = facts.Amount is { } minor && !byCredit && currency is not null ? language.Amount(minor, currency) : null,
            ["body"] = null,
            ["byCredit"] = byCredit ? "yes" : null,
            ["canReply"] = options.ReplyTo is null ? null : "yes",
            ["card"] = byCredit ? null : language.Card(facts.CardBrand, facts.CardLast4),
            ["cardExpires"] = facts.CardExpires is { } month ? language.Month(month) : null,
            ["company"] = options.Company,
            ["date"] = facts.Date is { } date ? language.Date(date) : null,
            ["link"] = options.BillingLinkFor(account.Id),
            ["name"] = OneLine.Of(recipient.Name),
            ["newPlan"] = Plan(facts.NewPlan),
            ["nextAttemptOn"] = facts.NextAttemptOn is { } next ? language.Date(next) : null,
            ["period"] = facts.PeriodStart is { } start ? language.Days(start, facts.PeriodEnd) : null,
            ["plan"] = Plan(facts.Plan),
            ["purgeOn"] = facts.PurgeOn is { } purge ? language.Date(purge) : null,
            ["reason"] = facts.Code is { } code ? language.Reason(code) : null,
            ["suspendsOn"] = facts.SuspendsOn is { } suspension ? language.Date(suspension) : null,
            ["until"] = facts.Until is { } until ? language.Time(until, account.TimeZone) : null,
        };

        string? Plan(string? plan) => plan is null ? null : OneLine.Of(planNames(plan, language.Code));
    }
}
