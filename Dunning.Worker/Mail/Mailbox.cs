using System.Globalization;

namespace Dunning.Mail;

/// <summary>
/// An address that is safe to write into a header and an envelope, with the name shown beside it. Made only by <see cref="Find"/>:
/// what an application imported as an address can hold anything.
/// </summary>
public sealed record Mailbox
{
    // Printable, but with a meaning of their own in a header or an envelope when unquoted.
    private const string Specials = "()<>[]:;@\\,\"";

    private Mailbox(string local, string domain, string name)
    {
        Address = local + "@" + domain;
        Domain = domain;
        Name = name;
    }

    /// <summary>The address; its domain is in ASCII form.</summary>
    public string Address { get; }

    /// <summary>What stands after the at sign, in ASCII form.</summary>
    public string Domain { get; }

    /// <summary>On one line, without control characters; may be empty.</summary>
    public string Name { get; }

    /// <summary>
    /// The mailbox of that address, or null when a mail server could not be given it: not <c>local@domain</c>, quoted or with spaces, or a
    /// local part beyond ASCII (that needs SMTPUTF8 all the way, which few servers offer).
    /// </summary>
    public static Mailbox? Find(string address, string? name)
    {
        var at = address.LastIndexOf('@');
        if (at is < 1 or > 64 || address.Length > 254)
        {
            return null;
        }
        var local = address[..at];
        if (local[0] == '.' || local[^1] == '.' || local.Contains("..", StringComparison.Ordinal)
            || local.Any(c => c is <= ' ' or > '~' || Specials.Contains(c, StringComparison.Ordinal)))
        {
            return null;
        }
        string domain;
        try
        {
            domain = new IdnMapping { UseStd3AsciiRules = true }.GetAscii(address, at + 1).ToLowerInvariant();
        }
        catch (ArgumentException)
        {
            return null; // no domain name
        }
        return domain.Split('.').All(IsLabel) ? new Mailbox(local, domain, OneLine.Of(name) ?? "") : null;
    }

    /// <summary>For diagnostics: without the address, which is personal data.</summary>
    public override string ToString() => "(a mailbox at " + Domain + ")";

    private static bool IsLabel(string label) =>
        label.Length is > 0 and <= 63 && label[0] != '-' && label[^1] != '-' && label.All(c => char.IsAsciiLetterOrDigit(c) || c == '-');
}
