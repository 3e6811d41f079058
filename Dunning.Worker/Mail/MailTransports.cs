#if MAIL_MAILKIT
using Dunning.Mail.MailKitTransport;
#elif MAIL_SYSTEM
using Dunning.Mail.SystemTransport;
#endif

namespace Dunning.Mail;

/// <summary>Makes the transport that the configuration asks for.</summary>
public static class MailTransports
{
    /// <summary>The transport; whoever asked for it disposes it.</summary>
    public static IMailTransport Create(MailOptions options) => options.Transport switch
    {
        MailWay.Pickup => new PickupTransport(options.PickupFolder),
        MailWay.Smtp => CreateSmtp(options.Smtp
            ?? throw new ArgumentException("smtp has no server: options come from MailOptions.Read", nameof(options))),
    };

    /// <summary>For benchmarks: the same message again and again over one connection, by the library alone, as long as there is a next one.</summary>
    internal static Task SendBareAsync(SmtpOptions smtp, OutgoingMessage message, Func<bool> isNext, CancellationToken ct) =>
#if MAIL_MAILKIT
        MailKitSmtpTransport.SendBareAsync(smtp, message, isNext, ct);
#elif MAIL_SYSTEM
        SystemSmtpTransport.SendBareAsync(smtp, message, isNext, ct);
#else
        throw new NotSupportedException("this build can't speak SMTP");
#endif

    // Which library speaks SMTP is chosen when building, by what the package feed serves (build/Hosts.targets).
#if MAIL_MAILKIT
    private static MailKitSmtpTransport CreateSmtp(SmtpOptions smtp) => new(smtp);
#elif MAIL_SYSTEM
    private static SystemSmtpTransport CreateSmtp(SmtpOptions smtp) => new(smtp);
#else
    private static IMailTransport CreateSmtp(SmtpOptions smtp) =>
        throw new NotSupportedException($"this build can't speak SMTP to {smtp.Host}: it was made without MAIL_MAILKIT and MAIL_SYSTEM");
#endif
}
