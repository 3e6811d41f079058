using System.Security.Cryptography;
using System.Text;
using Dunning.Model;
using Dunning.Time;
using NodaTime.Text;

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
        var rendered = texts.Render(mail.Template, language, ValuesOf(mail),
            [.. mail.Parts.Select(p => new MailItem(p.Template, language.Date(LocalClock.LocalDateOf(p.DecidedAt, ZoneData.Current[account.TimeZone])), ValuesOf(p)))]);
        return new OutgoingMessage
        {
            Key = BeginsThread(mail) ? ThreadOf(account, mail, recipient)! : KeyOf(account, mail, recipient),
            From = options.From,
            ReplyTo = options.ReplyTo,
            To = to,
            Subject = rendered.Subject,
            Text = rendered.Text,
            Html = rendered.Html,
            References = !BeginsThread(mail) && ThreadOf(account, mail, recipient) is { } thread ? $"<{thread}@{options.From.Domain}>" : null,
            Language = language.Code,
            Date = mail.DecidedAt,
        };

        Dictionary<string, string?> ValuesOf(Model.Mail one) => MailValues.Of(account, one, recipient, language, options, _planNames);
    }

    // A case's first mail: the others of that invoice are shown below it.
    private static bool BeginsThread(Model.Mail mail) => mail is { Template: MailTemplates.PaymentFailed, Facts.Step: 0 };

    // What an invoice's case has mailed to one contact is one thread. Its first mail is named by the invoice, and not by its number as the others
    // are, so that the others know its name.
    private string? ThreadOf(AccountFile account, Model.Mail mail, Recipient recipient) =>
        mail.Template is MailTemplates.PaymentFailed or MailTemplates.SuspensionWarning or MailTemplates.AccountSuspended or MailTemplates.PaymentRecovered
        && mail.Facts is { Subscription: { } subscription, PeriodStart: { } start }
            ? Hash($"{installation}\n{account.Id}\n{subscription}\n{LocalDatePattern.Iso.Format(start)}\n{recipient.Contact}") : null;

    // Numbers instead of the address: a Message-ID is passed on in answers and logs. Ids hold no control characters (RULES 15), so the
    // parts can't run into each other.
    private string KeyOf(AccountFile account, Model.Mail mail, Recipient recipient) =>
        Hash($"{installation}\n{account.Id}\n{mail.Number}\n{recipient.Contact}");

    private static string Hash(FormattableString text) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(FormattableString.Invariant(text))))[..32];
}
