using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Unicode;

namespace Dunning.Ops.Frame;

/// <summary>
/// Markup. Made by <see cref="Of"/> from an interpolated string: its literal parts are markup, and what stands in its holes is text and gets escaped, unless it
/// is markup itself. So what comes out of the book can't become markup, and forgetting to escape is not possible. Attributes must stand in double quotes.
/// </summary>
internal readonly struct Html
{
    private static readonly HtmlEncoder s_html = HtmlEncoder.Create(UnicodeRanges.All);

    private readonly string? _markup;

    private Html(string markup) => _markup = markup;

    /// <summary>Nothing.</summary>
    public static Html Empty => default;

    /// <summary>Whether there is nothing.</summary>
    public bool IsEmpty => string.IsNullOrEmpty(_markup);

    /// <summary>Markup with text in its holes.</summary>
    public static Html Of(Writer markup) => new(markup.Take());

    /// <summary>Text as markup.</summary>
    public static Html Text(string? text) => new(Encode(text));

    /// <summary>The same for each, one after the other.</summary>
    public static Html Each<T>(IEnumerable<T> items, Func<T, Html> markup)
    {
        var all = new StringBuilder();
        foreach (var item in items)
        {
            all.Append(markup(item)._markup);
        }
        return new Html(all.ToString());
    }

    /// <summary>That markup, or nothing.</summary>
    public static Html If(bool isSo, Func<Html> markup) => isSo ? markup() : Empty;

    /// <summary>One after the other.</summary>
    public static Html operator +(Html first, Html second) => new(first._markup + second._markup);

    /// <summary>The markup.</summary>
    public override string ToString() => _markup ?? "";

    internal static string Encode(string? text) => string.IsNullOrEmpty(text) ? "" : s_html.Encode(text);

    /// <summary>What the compiler hands the parts of an interpolated string to. There is a way in for what pages show, and for nothing else.</summary>
    [InterpolatedStringHandler]
    public readonly ref struct Writer
    {
        private readonly StringBuilder _text;

        public Writer(int literalLength, int formattedCount) => _text = new StringBuilder(literalLength + (formattedCount * 24));

        public void AppendLiteral(string markup) => _text.Append(markup);

        public void AppendFormatted(string? text) => _text.Append(Encode(text));

        public void AppendFormatted(Html markup) => _text.Append(markup._markup);

        public void AppendFormatted(long number) => _text.Append(number.ToString(CultureInfo.InvariantCulture));

        public void AppendFormatted(IEnumerable<Html> all)
        {
            foreach (var markup in all)
            {
                _text.Append(markup._markup);
            }
        }

        internal string Take() => _text.ToString();
    }
}
