using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Dunning.Model;

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
public sealed class MailComposer(MailTexts texts, MailOptions options, string installation, PlanNames? planNames = null)
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
        var rendered = texts.Render(mail.Template, language, MailValues.Of(account, mail, recipient, language, options, _planNames));
        return new OutgoingMessage
        {
            Key = KeyOf(account, mail, recipient),
            From = options.From,
            ReplyTo = options.ReplyTo,
            To = to,
            Subject = rendered.Subject,
            Text = rendered.Text,
            Html = rendered.Html,
            Language = language.Code,
            Date = mail.DecidedAt,
        };
    }

    // Numbers instead of the address: a Message-ID is passed on in answers and logs. Ids hold no control characters (RULES 15), so the
    // parts can't run into each other.
    private string KeyOf(AccountFile account, Model.Mail mail, Recipient recipient) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture,
            $"{installation}\n{account.Id}\n{mail.Number}\n{recipient.Contact}"))))[..32];
}
