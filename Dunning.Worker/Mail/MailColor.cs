using System.Globalization;

namespace Dunning.Mail;

/// <summary>A colour as mails name them, <c>#rrggbb</c>, and how well it reads on another (WCAG 2).</summary>
/// <param name="Red">0 to 255.</param>
/// <param name="Green">0 to 255.</param>
/// <param name="Blue">0 to 255.</param>
public readonly record struct MailColor(byte Red, byte Green, byte Blue)
{
    /// <summary>What text needs at least (AA).</summary>
    public const double TextContrast = 4.5;

    /// <summary>What a button needs at least to stand out from the page.</summary>
    public const double ShapeContrast = 3;

    /// <summary>What mails are written on.</summary>
    public static MailColor Paper { get; } = new(0xFF, 0xFF, 0xFF);

    /// <summary>What mails are written on in dark mode.</summary>
    public static MailColor DarkPaper { get; } = new(0x1B, 0x1E, 0x24);

    private static readonly MailColor s_black = new(0, 0, 0);

    /// <summary>Of <c>#rrggbb</c> or <c>#rgb</c>; null when it is neither.</summary>
    public static MailColor? Find(string text)
    {
        var digits = text is ['#', .. var rest] ? rest : "";
        if (digits.Length == 3)
        {
            digits = string.Concat(digits.Select(d => new string(d, 2)));
        }
        return digits.Length == 6 && int.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var rgb)
            ? new MailColor((byte)(rgb >> 16), (byte)((rgb >> 8) & 0xFF), (byte)(rgb & 0xFF)) : null;
    }

    /// <summary>1 (the same) to 21 (black on white).</summary>
    public double ContrastWith(MailColor other)
    {
        var (one, two) = (Luminance(), other.Luminance());
        return (Math.Max(one, two) + 0.05) / (Math.Min(one, two) + 0.05);
    }

    /// <summary>The colour of text on it: white while that reads well, else black. One of them always does.</summary>
    public MailColor TextOn() => Paper.ContrastWith(this) >= TextContrast ? Paper : s_black;

    /// <summary>As much lighter as it takes to stand out from dark paper.</summary>
    public MailColor OnDarkPaper()
    {
        var color = this;
        while (color.ContrastWith(DarkPaper) < TextContrast)
        {
            color = new MailColor(Lighter(color.Red), Lighter(color.Green), Lighter(color.Blue));
        }
        return color;

        // At least a step, so that it ends.
        static byte Lighter(byte part) => (byte)Math.Min(255, part + 4 + ((255 - part) / 12));
    }

    /// <summary>As <c>#rrggbb</c>.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"#{Red:x2}{Green:x2}{Blue:x2}");

    private double Luminance()
    {
        return (0.2126 * Linear(Red)) + (0.7152 * Linear(Green)) + (0.0722 * Linear(Blue));

        static double Linear(byte part) => part / 255.0 is <= 0.04045 and var dark ? dark / 12.92 : Math.Pow(((part / 255.0) + 0.055) / 1.055, 2.4);
    }
}
