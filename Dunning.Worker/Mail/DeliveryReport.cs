using System.Collections.Immutable;
using System.Text;
using System.Text.RegularExpressions;

namespace Dunning.Mail;

/// <summary>What a delivery status notification tells of one recipient (RFC 3464, 2.3).</summary>
/// <param name="Action">In lower case: <c>failed</c>, <c>delayed</c>, <c>delivered</c>, <c>relayed</c> or <c>expanded</c>.</param>
/// <param name="Status">Such as <c>5.1.1</c> (RFC 3463); <c>5.0.0</c> where none is told.</param>
/// <param name="Addresses">The recipient's: the original one and the final one, where they differ.</param>
public sealed record ReportedRecipient(string Action, string Status, ImmutableArray<string> Addresses)
{
    /// <summary>
    /// Whether it says that mail to that address does not arrive, and not that the server did not like the message (5.5, 5.6, 5.3.4) or us (5.7).
    /// </summary>
    public bool IsAboutAddress => Action == "failed" && Status.Split('.') is [_, var subject, var detail]
        && (subject is "0" or "1" or "2" or "4" || (subject == "3" && detail != "4"));
}

/// <summary>
/// A delivery status notification: what a mail server sends back when it could not deliver a message that it, or one before it, had taken
/// (<c>multipart/report</c>, RFC 3462 and 3464).
/// </summary>
/// <param name="Keys">Keys that Message-IDs within the returned message have: the message's own, and what it answers to.</param>
/// <param name="To">Addresses that the returned message was written to.</param>
/// <param name="Recipients">What became of it.</param>
public sealed partial record DeliveryReport(ImmutableArray<string> Keys, ImmutableArray<string> To, ImmutableArray<ReportedRecipient> Recipients)
{
    /// <summary>Longer ones are none: a notification returns one message, and mostly its header alone.</summary>
    public const int MaxBytes = 4 << 20;

    private const int MaxDepth = 5;

    /// <summary>Reads a message; null where it is no delivery status notification. It never throws: anybody can send anything.</summary>
    public static DeliveryReport? Read(ReadOnlySpan<byte> message)
    {
        if (message.Length > MaxBytes)
        {
            return null;
        }
        // All that is read is ASCII; what is not, is kept as bytes.
        var found = new Parts();
        found.Take(Encoding.Latin1.GetString(message).Replace("\r\n", "\n", StringComparison.Ordinal), 0);
        return found.Statuses.Count == 0 ? null : new DeliveryReport([.. found.Keys.Distinct(StringComparer.Ordinal)], [.. found.To], [.. found.Statuses]);
    }

    // "Name: value" lines, those that go on joined; names in lower case, and the first of each counts.
    private static (Dictionary<string, string> Fields, string Body) Header(string text)
    {
        var end = text.StartsWith('\n') ? 0 : text.IndexOf("\n\n", StringComparison.Ordinal);
        var head = end < 0 ? text : text[..end];
        var fields = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var line in GoesOn().Replace(head, " ").Split('\n'))
        {
            var colon = line.IndexOf(':', StringComparison.Ordinal);
            if (colon > 0)
            {
                fields.TryAdd(line[..colon].Trim().ToLowerInvariant(), line[(colon + 1)..].Trim());
            }
        }
        return (fields, end < 0 ? "" : text[end..].TrimStart('\n'));
    }

    private static string Decode(string body, string? encoding)
    {
        switch (encoding?.ToLowerInvariant())
        {
            case "base64":
                try
                {
                    return Encoding.Latin1.GetString(Convert.FromBase64String(body)).Replace("\r\n", "\n", StringComparison.Ordinal);
                }
                catch (FormatException)
                {
                    return "";
                }
            case "quoted-printable":
                return Encoded().Replace(body.Replace("=\n", "", StringComparison.Ordinal), m => ((char)Convert.ToByte(m.Groups[1].Value, 16)).ToString());
            default:
                return body;
        }
    }

    [GeneratedRegex(@"\n[ \t]+", RegexOptions.CultureInvariant)]
    private static partial Regex GoesOn();

    [GeneratedRegex("=([0-9A-Fa-f]{2})", RegexOptions.CultureInvariant)]
    private static partial Regex Encoded();

    [GeneratedRegex("boundary=(?:\"([^\"\n]{1,200})\"|([^\\s;\"]{1,200}))", RegexOptions.CultureInvariant | RegexOptions.IgnoreCase)]
    private static partial Regex Boundary();

    [GeneratedRegex(@"<([0-9a-f]{32})@", RegexOptions.CultureInvariant)]
    private static partial Regex Key();

    [GeneratedRegex(@"[^\s<>,;""]+@[^\s<>,;""]+", RegexOptions.CultureInvariant)]
    private static partial Regex Address();

    [GeneratedRegex(@"\b[245]\.\d{1,3}\.\d{1,3}\b", RegexOptions.CultureInvariant)]
    private static partial Regex Code();

    private sealed class Parts
    {
        public List<string> Keys { get; } = [];

        public List<string> To { get; } = [];

        public List<ReportedRecipient> Statuses { get; } = [];

        public void Take(string entity, int depth)
        {
            var (fields, body) = Header(entity);
            var type = fields.GetValueOrDefault("content-type", "text/plain");
            var kind = type.Split(';')[0].Trim().ToLowerInvariant();
            if (kind.StartsWith("multipart/", StringComparison.Ordinal))
            {
                if (depth < MaxDepth && Boundary().Match(type) is { Success: true } boundary)
                {
                    var mark = "\n--" + (boundary.Groups[1].Success ? boundary.Groups[1] : boundary.Groups[2]).Value;
                    foreach (var part in ("\n" + body).Split(mark).Skip(1).TakeWhile(p => !p.StartsWith("--", StringComparison.Ordinal)))
                    {
                        Take(part.TrimStart(' ', '\t') is ['\n', .. var rest] ? rest : part, depth + 1);
                    }
                }
                return;
            }
            body = Decode(body, fields.GetValueOrDefault("content-transfer-encoding"));
            switch (kind)
            {
                case "message/delivery-status" or "message/global-delivery-status":
                    Status(body);
                    break;
                case "message/rfc822" or "message/global" or "text/rfc822-headers" or "message/rfc822-headers" or "message/global-headers" when depth > 0:
                    Returned(Header(body.TrimStart('\n')).Fields);
                    break;
            }
        }

        // The first group of fields is about the message, each other one about a recipient.
        private void Status(string body)
        {
            foreach (var group in body.Trim('\n').Split("\n\n", StringSplitOptions.RemoveEmptyEntries))
            {
                var fields = Header(group.Trim('\n')).Fields;
                if (fields.TryGetValue("action", out var action))
                {
                    var status = Code().Match(fields.GetValueOrDefault("status", "")) is { Success: true } code ? code.Value
                        : Code().Match(fields.GetValueOrDefault("diagnostic-code", "")) is { Success: true } told ? told.Value : "5.0.0";
                    Statuses.Add(new ReportedRecipient(action.Split(' ', '(')[0].ToLowerInvariant(), status,
                    [
                        .. new[] { "original-recipient", "final-recipient" }.Select(f => Address().Match(fields.GetValueOrDefault(f, "").Split(';')[^1]))
                            .Where(m => m.Success).Select(m => m.Value).Distinct(StringComparer.OrdinalIgnoreCase),
                    ]));
                }
            }
        }

        private void Returned(Dictionary<string, string> fields)
        {
            foreach (var name in (string[])["message-id", "references", "in-reply-to"])
            {
                Keys.AddRange(Key().Matches(fields.GetValueOrDefault(name, "")).Select(m => m.Groups[1].Value));
            }
            To.AddRange(Address().Matches(fields.GetValueOrDefault("to", "")).Select(m => m.Value));
        }
    }
}
