using Dunning.Model;
using Dunning.Pay;
using Dunning.Time;

namespace Dunning.Mail;

/// <summary>The name of a plan in a language, for what a mail's facts have as its plan.</summary>
public delegate string PlanNames(string plan, string language);

/// <summary>
/// Makes a decided mail into the message for one of its recipients. Pure: the same mail gives the same message, byte for byte, however often
/// and on whichever server it is composed.
/// </summary>
/// <param name="texts">The texts.</param>
/// <param name="options">Who writes.</param>
/// <param name="installation">Tells this installation's messages from another's that has the same accounts (a copy for tests, say).</param>
/// <param name="planNames">Names plans; without it a plan is called what the facts call it.</param>
/// <param name="links">Makes the links that are ours; without it the button leads to the configured page.</param>
public sealed class MailComposer(MailTexts texts, MailOptions options, string installation, PlanNames? planNames = null, PayLinks? links = null)
{
    private readonly PlanNames _planNames = planNames ?? ((plan, _) => plan);

    /// <summary>The message, or null when the recipient's address is none that a mail server could be given.</summary>
    public OutgoingMessage? Compose(AccountFile account, Model.Mail mail, Recipient recipient)
    {
        if (Mailbox.Find(recipient.Email, recipient.Name) is not { } to)
        {
            return null;
        }
        var language = texts.LanguageFor(recipient.Locale);
        var rendered = texts.Render(mail.Template, language, ValuesOf(mail),
            [.. mail.Parts.Select(p => new MailItem(p.Template, language.Date(LocalClock.LocalDateOf(p.DecidedAt, ZoneData.Current[account.TimeZone])), ValuesOf(p)))]);
        return new OutgoingMessage
        {
            Key = MessageKey.Of(installation, account.Id, mail, recipient.Contact),
            From = options.From,
            ReplyTo = options.ReplyTo,
            To = to,
            Subject = rendered.Subject,
            Text = rendered.Text,
            Html = rendered.Html,
            References = MessageKey.ThreadOf(installation, account.Id, mail, recipient.Contact) is { } thread ? $"<{thread}@{options.From.Domain}>" : null,
            Language = language.Code,
            Date = mail.DecidedAt,
        };

        Dictionary<string, string?> ValuesOf(Model.Mail one) => MailValues.Of(account, one, recipient, language, options, _planNames, links?.LinkOf(account, one, recipient));
    }
}
