using System.Security.Cryptography;
using System.Text;
using Dunning.Model;
using NodaTime.Text;

namespace Dunning.Mail;

/// <summary>
/// Names messages: 32 hexadecimal digits, of which the Message-ID is made. Numbers instead of the address, as a Message-ID is passed on in answers and
/// logs; and nobody but the recipient can know it, so that what names one is about that message.
/// </summary>
internal static class MessageKey
{
    /// <summary>The key of a mail's message to one contact; the same at every try.</summary>
    /// <param name="installation">Tells this installation's messages from another's that has the same accounts.</param>
    /// <param name="account">The account's id.</param>
    /// <param name="mail">The mail.</param>
    /// <param name="contact">The contact's number.</param>
    public static string Of(string installation, string account, Model.Mail mail, int contact) =>
        BeginsThread(mail) ? Thread(installation, account, mail, contact)! : Hash($"{installation}\n{account}\n{mail.Number}\n{contact}");

    /// <summary>The key of the message that began this one's thread; null: it begins one, or stands alone.</summary>
    public static string? ThreadOf(string installation, string account, Model.Mail mail, int contact) =>
        BeginsThread(mail) ? null : Thread(installation, account, mail, contact);

    // A case's first mail: the others of that invoice are shown below it.
    private static bool BeginsThread(Model.Mail mail) => mail is { Template: MailTemplates.PaymentFailed, Facts.Step: 0 };

    // What an invoice's case has mailed to one contact is one thread. Its first mail is named by the invoice, and not by its number as the others
    // are, so that the others know its name.
    private static string? Thread(string installation, string account, Model.Mail mail, int contact) =>
        mail.Template is MailTemplates.PaymentFailed or MailTemplates.SuspensionWarning or MailTemplates.AccountSuspended or MailTemplates.PaymentRecovered
        && mail.Facts is { Subscription: { } subscription, PeriodStart: { } start }
            ? Hash($"{installation}\n{account}\n{subscription}\n{LocalDatePattern.Iso.Format(start)}\n{contact}") : null;

    // Ids hold no control characters (RULES 15), so the parts can't run into each other.
    private static string Hash(FormattableString text) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(FormattableString.Invariant(text))))[..32];
}
