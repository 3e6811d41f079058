using System.Collections.Immutable;
using System.Globalization;

namespace Dunning.Mail;

/// <summary>What a company puts around its mails: colour, logo, where questions go, what the law wants said.</summary>
public sealed record MailLook
{
    private const int MaxFooterLines = 10;

    /// <summary>Its keys.</summary>
    public static ImmutableArray<string> Keys { get; } =
        ["Mail:Colors:Accent", "Mail:Logo:Url", "Mail:Logo:Alt", "Mail:Logo:Width", "Mail:Support", "Mail:Footer"];

    /// <summary><c>Mail:Colors:Accent</c>: the button's, <c>#rrggbb</c>. Default #1d4ed8. In dark mode it is lightened as far as needed.</summary>
    public MailColor Accent { get; init; } = new(0x1D, 0x4E, 0xD8);

    /// <summary><c>Mail:Logo:Url</c>: the one thing that a mail loads; https. Without it the company's name is there in letters.</summary>
    public string? LogoUrl { get; init; }

    /// <summary><c>Mail:Logo:Alt</c>: what is read where the logo isn't shown. Default: <c>Mail:Company</c>, and one of the two there must be.</summary>
    public string? LogoAlt { get; init; }

    /// <summary><c>Mail:Logo:Width</c> in pixels, 16 to 400. Default 140.</summary>
    public int LogoWidth { get; init; } = 140;

    /// <summary><c>Mail:Support</c>: the address or the page where questions go. Without it mails invite an answer, if there is a <c>Mail:ReplyTo</c>.</summary>
    public string? Support { get; init; }

    /// <summary>Whether <see cref="Support"/> is an address and not a page.</summary>
    public bool SupportIsAddress => Support?.Contains("://", StringComparison.Ordinal) == false;

    /// <summary><c>Mail:Footer</c>: who the company is by law, in lines that end each mail.</summary>
    public ImmutableArray<string> Footer { get; init; } = [];

    /// <summary>Reads its keys, and adds what is wrong with them to the faults.</summary>
    internal static MailLook Read(IReadOnlyDictionary<string, string> given, string? company, List<string> faults)
    {
        var look = new MailLook();
        if (given.GetValueOrDefault("Mail:Colors:Accent") is { } color)
        {
            if (MailColor.Find(color) is not { } accent)
            {
                faults.Add($"Mail:Colors:Accent is '{color}', but must be a colour such as {look.Accent}");
            }
            else if (accent.ContrastWith(MailColor.Paper) is var contrast and < MailColor.ShapeContrast)
            {
                faults.Add(string.Create(CultureInfo.InvariantCulture,
                    $"Mail:Colors:Accent is '{color}', but its contrast with white is {contrast:F1}, and a button needs at least {MailColor.ShapeContrast}: take a darker one, such as {look.Accent}"));
            }
            else
            {
                look = look with { Accent = accent };
            }
        }
        var logo = given.GetValueOrDefault("Mail:Logo:Url");
        var alt = given.GetValueOrDefault("Mail:Logo:Alt") is { } words ? Line("Mail:Logo:Alt", words) : company;
        if (logo is not null && !IsPage(logo))
        {
            faults.Add($"Mail:Logo:Url is '{logo}', but must be a whole https address, such as https://example.com/logo.png");
        }
        else if (logo is not null && alt is null)
        {
            faults.Add("Mail:Logo:Url is given, but neither Mail:Logo:Alt nor Mail:Company: what is read where the logo isn't shown, such as Example Ltd");
        }
        if (given.GetValueOrDefault("Mail:Logo:Width") is { } width)
        {
            if (int.TryParse(width, NumberStyles.None, CultureInfo.InvariantCulture, out var pixels) && pixels is >= 16 and <= 400)
            {
                look = look with { LogoWidth = pixels };
            }
            else
            {
                faults.Add(FormattableString.Invariant($"Mail:Logo:Width is '{width}', but must be pixels from 16 to 400, such as {look.LogoWidth}"));
            }
        }
        var support = given.GetValueOrDefault("Mail:Support");
        if (support is not null && !IsPage(support) && Mailbox.Find(support, null) is null)
        {
            faults.Add($"Mail:Support is '{support}', but must be an address or a whole https address, such as help@example.com or https://example.com/help");
        }
        var footer = (given.GetValueOrDefault("Mail:Footer") ?? "").ReplaceLineEndings("\n").Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (footer.Length > MaxFooterLines)
        {
            faults.Add(FormattableString.Invariant($"Mail:Footer has {footer.Length} lines, but at most {MaxFooterLines} are shown"));
        }
        return look with
        {
            LogoUrl = logo,
            LogoAlt = alt,
            Support = support,
            Footer = [.. footer.Select(l => Line("Mail:Footer", l)).OfType<string>()],
        };

        string? Line(string key, string text)
        {
            if (OneLine.Of(text) != text.Trim())
            {
                faults.Add(FormattableString.Invariant($"{key} has a line that is not of at most {OneLine.MaxLength} plain characters, such as Example Ltd"));
            }
            return OneLine.Of(text);
        }
    }

    private static bool IsPage(string text) => Uri.TryCreate(text, UriKind.Absolute, out var uri) && uri.Scheme == "https"
        && !text.Any(c => char.IsWhiteSpace(c) || char.IsControl(c));
}
