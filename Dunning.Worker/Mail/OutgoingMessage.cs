using System.Collections.Immutable;
using NodaTime;

namespace Dunning.Mail;

/// <summary>
/// One message to one person, ready to be written. The same mail to the same contact always gives an equal message, so that a resend
/// carries the same Message-ID and mailboxes can tell it from a new one.
/// </summary>
public sealed record OutgoingMessage
{
    /// <summary>32 hexadecimal digits that name this message; its Message-ID is made of them.</summary>
    public required string Key { get; init; }

    /// <summary>Who writes.</summary>
    public required Mailbox From { get; init; }

    /// <summary>Where answers go, when not to <see cref="From"/>.</summary>
    public Mailbox? ReplyTo { get; init; }

    /// <summary>The one recipient.</summary>
    public required Mailbox To { get; init; }

    /// <summary>One line.</summary>
    public required string Subject { get; init; }

    /// <summary>Plain text; lines end with a line feed.</summary>
    public required string Text { get; init; }

    /// <summary>The same as <see cref="Text"/> in HTML, for those who can show it; null: text alone.</summary>
    public string? Html { get; init; }

    /// <summary>Files that go with it, in their order.</summary>
    public ImmutableArray<MailAttachment> Attachments { get; init; } = [];

    /// <summary>Message-ID, with its angle brackets, of the message that began this one's thread; null: it begins one itself, or stands alone.</summary>
    public string? References { get; init; }

    /// <summary>Language of the text, such as <c>fr</c>.</summary>
    public required string Language { get; init; }

    /// <summary>When the mail was decided.</summary>
    public required Instant Date { get; init; }

    /// <summary>The Message-ID, with its angle brackets.</summary>
    public string MessageId => $"<{Key}@{From.Domain}>";
}
