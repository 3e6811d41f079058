using System.Collections.Immutable;
using System.Globalization;
using Dunning.Model;

namespace Dunning.Mail;

/// <summary>Turns a mail's facts into the words that templates place: formatted for the reader, on one line, null where nothing is known.</summary>
internal static class MailValues
{
    /// <summary>What the mails' own texts may place.</summary>
    public static ImmutableArray<string> Names { get; } =
    [
        "account", "amount", "byCredit", "card", "cardExpires", "carried", "company", "count", "date", "name", "newPlan", "nextAttemptOn", "owed", "period", "plan",
        "purgeOn", "reason", "returned", "several", "suspendsOn", "until",
    ];

    /// <summary>What only the two layouts may place, beside <see cref="Names"/>. <c>body</c> and <c>toDo</c> are text, <c>paragraphs</c> HTML.</summary>
    public static ImmutableArray<string> LayoutNames { get; } =
    [
        "accent", "accentDark", "accentDarkText", "accentText", "act", "body", "footer", "hello", "language", "link", "logoAlt", "logoUrl",
        "logoWidth", "preheader", "questions", "subject", "toDo",
    ];

    /// <summary>The values of one message. <paramref name="ownLink"/> is where its button leads; null: to the configured page.</summary>
    public static Dictionary<string, string?> Of(
        AccountFile account, Model.Mail mail, Recipient recipient, Language language, MailOptions options, PlanNames planNames, string? ownLink)
    {
        var (facts, look) = (mail.Facts, options.Look);
        // An invoice that credit has paid whole has nothing due. To tell of a payment of nothing, or of a card, would be odd.
        var nothingDue = facts.Amount == 0;
        var currency = facts.Currency is null ? account.Currency : Currency.Find(facts.Currency);
        var act = MailActs.KeyOf(mail.Template, facts.Code) is { } key ? language.Act(key) : null;
        var accentDark = look.Accent.OnDarkPaper();
        var link = ownLink ?? options.BillingLinkFor(account.Id);
        return new Dictionary<string, string?>(Names.Length + LayoutNames.Length, StringComparer.Ordinal)
        {
            ["account"] = OneLine.Of(account.Name),
            ["amount"] = nothingDue ? null : Amount(facts.Amount),
            ["byCredit"] = (nothingDue && facts.Carried is null) || facts.ByCredit ? "yes" : null,
            ["card"] = nothingDue ? null : language.Card(facts.CardBrand, facts.CardLast4),
            ["cardExpires"] = facts.CardExpires is { } month ? language.Month(month) : null,
            ["carried"] = Amount(facts.Carried),
            ["company"] = options.Company,
            ["count"] = facts.Items.IsEmpty ? null : facts.Items.Length.ToString(CultureInfo.InvariantCulture),
            ["date"] = facts.Date is { } date ? language.Date(date) : null,
            ["name"] = OneLine.Of(recipient.Name),
            ["newPlan"] = Plan(facts.NewPlan),
            ["nextAttemptOn"] = facts.NextAttemptOn is { } next ? language.Date(next) : null,
            ["owed"] = Amount(facts.Owed),
            ["period"] = facts.PeriodStart is { } start ? language.Days(start, facts.PeriodEnd) : null,
            ["plan"] = Plan(facts.Plan),
            ["purgeOn"] = facts.PurgeOn is { } purge ? language.Date(purge) : null,
            ["reason"] = facts.Code is { } code ? language.Reason(code) : null,
            ["returned"] = facts.Returned ? "yes" : null,
            ["several"] = facts.Items.Length > 1 ? "yes" : null,
            ["suspendsOn"] = facts.SuspendsOn is { } suspension ? language.Date(suspension) : null,
            ["until"] = facts.Until is { } until ? language.Time(until, account.TimeZone) : null,

            ["accent"] = look.Accent.ToString(),
            ["accentText"] = look.Accent.TextOn().ToString(),
            ["accentDark"] = accentDark.ToString(),
            ["accentDarkText"] = accentDark.TextOn().ToString(),
            ["act"] = act,
            ["footer"] = string.Join('\n', look.Footer),
            ["hello"] = language.Hello(OneLine.Of(recipient.Name)),
            ["language"] = language.Code,
            ["link"] = link,
            ["logoAlt"] = look.LogoAlt,
            ["logoUrl"] = look.LogoUrl,
            ["logoWidth"] = look.LogoWidth.ToString(CultureInfo.InvariantCulture),
            ["questions"] = language.Questions(look, options.ReplyTo is not null),
            ["support"] = look.Support,
            ["toDo"] = act is null ? null : language.ToDo(act, link, options.Company),
        };

        string? Amount(long? minor) => minor is { } amount && currency is not null ? language.Amount(amount, currency) : null;

        string? Plan(string? plan) => plan is null ? null : OneLine.Of(planNames(plan, language.Code));
    }
}
