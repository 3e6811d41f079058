using System.Globalization;
using System.Text;

namespace Dunning.Mail;

/// <summary>
/// Writes a message as it goes over the wire: RFC 5322 headers, RFC 2047 encoded words, RFC 2045 quoted-printable. Nothing but ASCII,
/// lines of at most 78 characters that end with CR LF.
/// </summary>
public static class MessageWriter
{
    private const int MaxLine = 76;
    private const string WordStart = "=?utf-8?B?";
    private const string WordEnd = "?=";

    // An encoded word is at most 75 characters; what is left for base64 holds so many bytes.
    private static readonly int s_wordBytes = (75 - WordStart.Length - WordEnd.Length) / 4 * 3;

    /// <summary>The message as bytes.</summary>
    public static byte[] Write(OutgoingMessage message)
    {
        var text = new StringBuilder();
        Header("Date", message.Date.ToDateTimeUtc().ToString("ddd, dd MMM yyyy HH:mm:ss '+0000'", CultureInfo.InvariantCulture));
        Header("From", MailboxOf(message.From, "From"));
        if (message.ReplyTo is { } replyTo)
        {
            Header("Reply-To", MailboxOf(replyTo, "Reply-To"));
        }
        Header("To", MailboxOf(message.To, "To"));
        Header("Subject", Unstructured(message.Subject, "Subject"));
        Header("Message-ID", message.MessageId);
        Header("Auto-Submitted", "auto-generated");
        Header("MIME-Version", "1.0");
        Header("Content-Type", "text/plain; charset=utf-8");
        Header("Content-Language", message.Language);
        Header("Content-Transfer-Encoding", "quoted-printable");
        text.Append("\r\n");
        QuotedPrintable(text, message.Text);
        return Encoding.ASCII.GetBytes(text.ToString());

        void Header(string name, string value) => text.Append(name).Append(": ").Append(value).Append("\r\n");
    }

    private static string MailboxOf(Mailbox mailbox, string header)
    {
        var address = "<" + mailbox.Address + ">";
        if (mailbox.Name.Length == 0)
        {
            return mailbox.Address;
        }
        var quoted = "\"" + mailbox.Name.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal) + "\"";
        var name = IsPlain(mailbox.Name) && header.Length + 2 + quoted.Length <= MaxLine
            ? mailbox.Name.All(c => char.IsAsciiLetterOrDigit(c) || c is ' ' or '-' or '\'') ? mailbox.Name : quoted
            : EncodedWords(mailbox.Name, header.Length + 2);
        var lastLine = name.Length - (name.LastIndexOf('\n') + 1) + (name.Contains('\n', StringComparison.Ordinal) ? 0 : header.Length + 2);
        return name + (lastLine + 1 + address.Length <= MaxLine ? " " : "\r\n ") + address;
    }

    private static string Unstructured(string value, string header) =>
        IsPlain(value) && header.Length + 2 + value.Length <= MaxLine ? value : EncodedWords(value, header.Length + 2);

    // Written as it is: nothing but printable ASCII, and nothing that reads like an encoded word.
    private static bool IsPlain(string value) =>
        value.All(c => c is >= ' ' and <= '~') && !value.Contains("=?", StringComparison.Ordinal) && value.Trim(' ') == value;

    private static string EncodedWords(string value, int used)
    {
        var words = new StringBuilder();
        var word = new List<byte>(s_wordBytes);
        // The first line has the header's name on it.
        var room = Math.Min(s_wordBytes, (MaxLine - used - WordStart.Length - WordEnd.Length) / 4 * 3);
        Span<byte> bytes = stackalloc byte[4];
        foreach (var rune in value.EnumerateRunes())
        {
            // A word holds whole characters (RFC 2047, 5). No control character comes this far; if one does, it does no harm encoded.
            var count = rune.EncodeToUtf8(bytes);
            if (word.Count + count > room)
            {
                End();
                words.Append("\r\n ");
                room = s_wordBytes;
            }
            for (var i = 0; i < count; i++)
            {
                word.Add(bytes[i]);
            }
        }
        End();
        return words.ToString();

        void End()
        {
            words.Append(WordStart).Append(Convert.ToBase64String([.. word])).Append(WordEnd);
            word.Clear();
        }
    }

    private static void QuotedPrintable(StringBuilder output, string text)
    {
        foreach (var line in text.TrimEnd('\n').Split('\n'))
        {
            var bytes = Encoding.UTF8.GetBytes(line);
            var column = 0;
            for (var i = 0; i < bytes.Length; i++)
            {
                var last = i == bytes.Length - 1;
                var width = IsLiteral(bytes[i], column, last) ? 1 : 3;
                if (column + width > (last ? MaxLine : MaxLine - 1)) // a soft break needs a place of its own
                {
                    output.Append("=\r\n");
                    column = 0;
                }
                if (IsLiteral(bytes[i], column, last))
                {
                    output.Append((char)bytes[i]);
                    column++;
                }
                else
                {
                    output.Append('=').Append(bytes[i].ToString("X2", CultureInfo.InvariantCulture));
                    column += 3;
                }
            }
            output.Append("\r\n");
        }

        static bool IsLiteral(byte b, int column, bool last) => b switch
        {
            (byte)' ' => !last, // at a line's end it would be lost on the way
            (byte)'.' or (byte)'F' => column > 0, // a line of one dot ends a message, "From " begins one in old mailboxes
            (byte)'=' => false,
            _ => b is > (byte)' ' and <= (byte)'~',
        };
    }
}
