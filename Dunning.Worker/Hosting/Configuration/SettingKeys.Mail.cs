using System.Collections.Immutable;
using static Dunning.Hosting.Configuration.SettingKey;

namespace Dunning.Hosting.Configuration;

/// <content>Mails and documents.</content>
internal static partial class SettingKeys
{
    private static ImmutableArray<SettingKey> MailKeys =>
    [
        OneOf("Mail:Transport", "How mails leave: as files in a folder, or to a mail server: [delivery.md](delivery.md).", "pickup", "smtp"),
        new("Mail:Pickup", SettingKind.Folder, "data/mail", "The folder for `pickup`."),
        Flag("Mail:AllowPickup", false, "`pickup` is meant although the gateway charges for real: a mail server takes the files."),
        InFolder("Mail:BounceFolder", "/var/spool/dunning/bounces", "Where your mail server drops what comes back, as files or a Maildir. It must be there."),
        Optional("Mail:From", "billing@example.com", "The address that mails are sent from; `smtp` needs it."),
        Optional("Mail:FromName", "Example", "The name beside it. Default: the company."),
        Optional("Mail:ReplyTo", "help@example.com", "Where answers go."),
        Optional("Mail:Company", "Example", "The name that mails are signed with. Default: `Mail:FromName`."),
        Optional("Mail:Links:Billing", "https://example.com/billing?account={account}", "The page where customers pay and change cards; `{account}` becomes the account's id."),
        Optional("Mail:Logo:Url", "https://example.com/logo.png", "A logo; https."),
        Optional("Mail:Logo:Alt", "Example", "What is read where the logo isn't shown. Default: the company."),
        Number("Mail:Logo:Width", 140, 16, 400, "Pixels."),
        Optional("Mail:Support", "help@example.com", "Where questions go: an address or a whole https address."),
        Optional("Mail:Footer", "Example SAS, capital 10 000 €", "Who the company is by law: at most ten lines."),
        Of("Mail:Colors:Accent", "#1d4ed8", "The button's colour, dark enough against white."),
        InFolder("Mail:Templates", "/etc/dunning/templates", "Templates, file by file over the built-in ones: [mails.md](mails.md)."),
        Optional("Mail:Smtp:Host", "mail.example.com", "The mail server."),
        Number("Mail:Smtp:Port", null, 1, 65535, "Default by security: 587 (`starttls`), 465 (`tls`), 25 (`none`).") with { Example = "587" },
        OneOf("Mail:Smtp:Security", "How the connection is secured.", "starttls", "tls", "none"),
        Optional("Mail:Smtp:User", "dunning", "Who signs in; without it nobody does."),
        Secret("Mail:Smtp:Password", "the password", "The password."),
        InFile("Mail:Smtp:OAuthTokenFile", "/run/dunning/smtp.token", "A file with an access token for XOAUTH2 instead of a password; read at each login."),
        Number("Mail:Smtp:Connections", 4, 1, 100, "At once."),
        Number("Mail:Smtp:PerMinute", 0, 0, 100_000, "Messages at most, from this process; 0: no limit.") with { IsReloadable = true },
        Flag("Mail:Smtp:AcceptInvalidCertificate", false, "Encrypt, but to whoever answers."),
        Number("Mail:Smtp:TimeoutSeconds", 30, 1, 60, "For one message."),
        Optional("Mail:Dkim:Domain", "example.com", "Signs what goes by `smtp` (needs MailKit): the domain of `Mail:From`, or one above it."),
        Optional("Mail:Dkim:Selector", "dunning", "The public key stands in the DNS at `SELECTOR._domainkey.DOMAIN`."),
        InFile("Mail:Dkim:KeyFile", "/etc/dunning/dkim.pem", "The private RSA key, as PEM."),
    ];

    private static ImmutableArray<SettingKey> DocumentsKeys =>
    [
        InFile("Documents:Logo", "/etc/dunning/logo.png", "The logo of invoices: PNG or JPEG."),
        Of("Documents:Accent", "#1f4e79", "Their colour, dark enough against paper."),
        InFolder("Documents:EInvoicing:Drop", "/var/spool/einvoices", "The folder that invoices and credit notes are handed in to; it must be there: [documents.md](documents.md)."),
        OneOf("Documents:EInvoicing:Format", "As what they are handed in.", "facturx", "cii", "ubl"),
        Optional("Documents:EInvoicing:Since", "2026-09-01", "From which date of issue on."),
    ];
}
