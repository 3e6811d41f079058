using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using System.Text;

namespace Dunning.Mail;

/// <summary>
/// Writes a message as it goes over the wire: RFC 5322 headers, RFC 2047 encoded words, RFC 2046 parts, RFC 2045 quoted-printable, RFC 2231 file
/// names. Nothing but ASCII, lines of at most 78 characters that end with CR LF. The same message gives the same bytes.
/// </summary>
public static class MessageWriter
{
    private const int MaxLine = 76;
    private const string WordStart = "=?utf-8?B?";
    private const string WordEnd = "?=";

    // Most messages without files.
    private const int UsualSize = 64 * 1024;

    private static readonly SearchValues<byte> s_literal = SearchValues.Create([.. Enumerable.Range(' ', '~' - ' ' + 1).Where(b => b != '=').Select(b => (byte)b)]);

    [ThreadStatic]
    private static ArrayBufferWriter<byte>? t_buffer;

    private static ReadOnlySpan<byte> Hex => "0123456789ABCDEF"u8;

    // An encoded word is at most 75 characters; what is left for base64 holds so many bytes.
    private static readonly int s_wordBytes = (75 - WordStart.Length - WordEnd.Length) / 4 * 3;

    /// <summary>The message as bytes.</summary>
    public static byte[] Write(OutgoingMessage message)
    {
        var text = t_buffer ??= new ArrayBufferWriter<byte>(UsualSize);
        text.ResetWrittenCount();
        Header(text, "Date", message.Date.ToDateTimeUtc().ToString("ddd, dd MMM yyyy HH:mm:ss '+0000'", CultureInfo.InvariantCulture));
        Header(text, "From", MailboxOf(message.From, "From"));
        if (message.ReplyTo is { } replyTo)
        {
            Header(text, "Reply-To", MailboxOf(replyTo, "Reply-To"));
        }
        Header(text, "To", MailboxOf(message.To, "To"));
        Header(text, "Subject", Unstructured(message.Subject, "Subject"));
        Header(text, "Message-ID", message.MessageId);
        if (message.References is { } first)
        {
            Header(text, "In-Reply-To", first);
            Header(text, "References", first);
        }
        Header(text, "Auto-Submitted", "auto-generated");
        Header(text, "MIME-Version", "1.0");
        if (message.Attachments.IsEmpty)
        {
            Bodies(text, message);
        }
        else
        {
            var boundary = BeginParts(text, message, "mixed");
            Begin(text, boundary);
            Bodies(text, message);
            foreach (var attachment in message.Attachments)
            {
                Begin(text, boundary);
                Attached(text, attachment);
            }
            End(text, boundary);
        }
        var bytes = text.WrittenSpan.ToArray();
        if (text.Capacity > UsualSize)
        {
            t_buffer = null; // files went with it: that much is not kept
        }
        return bytes;
    }

    // The plain text first: a reader takes the last that it can show.
    private static void Bodies(ArrayBufferWriter<byte> output, OutgoingMessage message)
    {
        if (message.Html is not { } html)
        {
            Body(output, message, "plain", message.Text);
            return;
        }
        var boundary = BeginParts(output, message, "alternative");
        Begin(output, boundary);
        Body(output, message, "plain", message.Text);
        Begin(output, boundary);
        Body(output, message, "html", html);
        End(output, boundary);
    }

    private static void Body(ArrayBufferWriter<byte> output, OutgoingMessage message, string kind, string content)
    {
        Header(output, "Content-Type", $"text/{kind}; charset=utf-8");
        Header(output, "Content-Language", message.Language);
        Header(output, "Content-Transfer-Encoding", "quoted-printable");
        Put(output, "\r\n");
        QuotedPrintable(output, content);
    }

    private static void Attached(ArrayBufferWriter<byte> output, MailAttachment attachment)
    {
        Header(output, "Content-Type", attachment.MediaType);
        Put(output, $"Content-Disposition: attachment{FileName(attachment.FileName)}\r\n");
        Header(output, "Content-Transfer-Encoding", "base64");
        Put(output, "\r\n");
        for (var left = attachment.Content.Span; left.Length > 0;)
        {
            var line = left[..Math.Min(MaxLine / 4 * 3, left.Length)];
            Base64.EncodeToUtf8(line, output.GetSpan(MaxLine), out _, out var written);
            output.Advance(written);
            Put(output, "\r\n");
            left = left[line.Length..];
        }
    }

    // A boundary can't come up in a part: quoted-printable writes "=" followed by two hexadecimal digits or nothing, base64 only at its end.
    private static string BeginParts(ArrayBufferWriter<byte> output, OutgoingMessage message, string kind)
    {
        var boundary = $"=_{kind}_{message.Key}";
        Header(output, "Content-Type", $"multipart/{kind};\r\n boundary=\"{boundary}\"");
        Put(output, "\r\n");
        return boundary;
    }

    private static void Begin(ArrayBufferWriter<byte> output, string boundary) => Put(output, $"\r\n--{boundary}\r\n");

    private static void End(ArrayBufferWriter<byte> output, string boundary) => Put(output, $"\r\n--{boundary}--\r\n");

    private static void Header(ArrayBufferWriter<byte> output, string name, string value) => Put(output, $"{name}: {value}\r\n");

    private static void Put(ArrayBufferWriter<byte> output, string ascii) => output.Advance(Encoding.ASCII.GetBytes(ascii, output.GetSpan(ascii.Length)));

    // A token or a quoted string where it is plain; else as RFC 2231 says, in as many pieces as it takes.
    private static string FileName(string name)
    {
        name = OneLine.Of(name) ?? "attachment";
        if (IsPlain(name) && name.Length <= 50 && !name.AsSpan().ContainsAny('"', '\\'))
        {
            return $";\r\n filename=\"{name}\"";
        }
        var (pieces, piece) = (new List<string>(), new StringBuilder());
        foreach (var b in Encoding.UTF8.GetBytes(name))
        {
            var text = char.IsAsciiLetterOrDigit((char)b) || b is (byte)'.' or (byte)'-' or (byte)'_' ? ((char)b).ToString() : "%" + b.ToString("X2", CultureInfo.InvariantCulture);
            if (piece.Length + text.Length > 50)
            {
                pieces.Add(piece.ToString());
                piece.Clear();
            }
            piece.Append(text);
        }
        pieces.Add(piece.ToString());
        return pieces.Count == 1 ? $";\r\n filename*=utf-8''{pieces[0]}"
            : string.Concat(pieces.Select((p, i) => string.Create(CultureInfo.InvariantCulture, $";\r\n filename*{i}*={(i == 0 ? "utf-8''" : "")}{p}")));
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

    private static void QuotedPrintable(ArrayBufferWriter<byte> output, string text)
    {
        var content = text.AsSpan().TrimEnd('\n');
        var bytes = ArrayPool<byte>.Shared.Rent(Encoding.UTF8.GetMaxByteCount(content.Length));
        foreach (var line in new ReadOnlySpan<byte>(bytes, 0, Encoding.UTF8.GetBytes(content, bytes)).Split((byte)'\n'))
        {
            Line(output, bytes.AsSpan(line));
        }
        ArrayPool<byte>.Shared.Return(bytes);
    }

    private static void Line(ArrayBufferWriter<byte> output, ReadOnlySpan<byte> line)
    {
        // Three for one at the worst, and a soft break for every few.
        var target = output.GetSpan((line.Length * 4) + 2);
        var (at, column) = (0, 0);
        for (var i = 0; i < line.Length; i++)
        {
            // Most of it is as it is: what stands neither first nor last is copied at once, as far as the line goes.
            if (column > 0 && i < line.Length - 1)
            {
                var most = line.Slice(i, Math.Min(line.Length - 1 - i, MaxLine - 1 - column));
                var run = most.IndexOfAnyExcept(s_literal) is var other and >= 0 ? other : most.Length;
                line.Slice(i, run).CopyTo(target[at..]);
                (i, at, column) = (i + run, at + run, column + run);
            }
            var last = i == line.Length - 1;
            var width = IsLiteral(line[i], column, last) ? 1 : 3;
            if (column + width > (last ? MaxLine : MaxLine - 1)) // a soft break needs a place of its own
            {
                "=\r\n"u8.CopyTo(target[at..]);
                (at, column) = (at + 3, 0);
            }
            if (IsLiteral(line[i], column, last))
            {
                target[at++] = line[i];
                column++;
            }
            else
            {
                target[at] = (byte)'=';
                target[at + 1] = Hex[line[i] >> 4];
                target[at + 2] = Hex[line[i] & 15];
                (at, column) = (at + 3, column + 3);
            }
        }
        "\r\n"u8.CopyTo(target[at..]);
        output.Advance(at + 2);

        static bool IsLiteral(byte b, int column, bool last) => b switch
        {
            (byte)' ' => !last, // at a line's end it would be lost on the way
            (byte)'.' or (byte)'F' => column > 0, // a line of one dot ends a message, "From " begins one in old mailboxes
            (byte)'=' => false,
            _ => b is > (byte)' ' and <= (byte)'~',
        };
    }
}
