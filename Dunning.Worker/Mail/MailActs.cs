using System.Collections.Immutable;
using Dunning.Model;

namespace Dunning.Mail;

/// <summary>The one thing that a mail asks its reader to do, as a key of a language's words.</summary>
internal static class MailActs
{
    /// <summary>Every key that a language needs as <c>act.KEY</c>.</summary>
    public static ImmutableArray<string> Keys { get; } = ["add", "authenticate", "keep", "manage", "pay", "renew", "restart", "view"];

    /// <summary>The act of a template; null where there is nothing left to do. A failed payment's cure depends on why it failed.</summary>
    public static string? KeyOf(string template, string? code) => template switch
    {
        MailTemplates.PaymentFailed or MailTemplates.SuspensionWarning or MailTemplates.AccountSuspended or MailTemplates.PurgeWarning
            or MailTemplates.AccessGranted => code switch
            {
                "authentication_required" => "authenticate",
                "no_payment_method" => "add",
                _ => "pay",
            },
        MailTemplates.CardExpiring => "pay",
        MailTemplates.CancellationScheduled => "keep",
        MailTemplates.SubscriptionExpiring => "renew",
        MailTemplates.SubscriptionCanceled or MailTemplates.SubscriptionExpired => "restart",
        MailTemplates.RenewalUpcoming or MailTemplates.CancellationWithdrawn => "manage",
        MailTemplates.AccountPurged => null,
        _ => "view",
    };
}
