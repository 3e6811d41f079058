using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using System.Xml;
using System.Xml.Linq;
using NodaTime;

namespace Dunning.Mail;

/// <summary>
/// Looks at every sample mail as its reader's program would: whether the page is well-formed and loads nothing but the logo, is no larger than
/// what mailboxes show whole, can be read in the light and in the dark and without its images, and says what its text part says.
/// </summary>
internal static partial class MailLint
{
    /// <summary>Gmail shows no more of a page than 102 kB.</summary>
    public const int MaxBytes = 100_000;

    private static readonly ImmutableArray<string> s_banned =
        ["script", "iframe", "object", "embed", "form", "input", "video", "audio", "link", "base", "svg"];

    /// <summary>
    /// Renders every sample in every language and returns what is wrong, each fault once, with the mails that have it. As configured, and, where
    /// no billing page is, also with one: the button is what differs most.
    /// </summary>
    public static ImmutableArray<string> Check(MailTexts texts, MailOptions options)
    {
        var found = new List<(string Fault, string Mail)>();
        MailOptions[] variants = options.BillingLink is null ? [options, options with { BillingLink = "https://example.com/billing?account={account}" }] : [options];
        foreach (var language in texts.Languages)
        {
            foreach (var sample in MailSamples.All)
            {
                foreach (var variant in variants)
                {
                    var message = MailSamples.Compose(sample, texts, variant, language, Mailbox.Find("ada@example.com", "Ada Mercier")!, "lint", NodaConstants.UnixEpoch);
                    found.AddRange(FaultsOf(message, variant).Select(f => (f, language + "/" + sample.Name)));
                }
            }
        }
        return
        [
            .. from fault in found.Distinct()
               group fault.Mail by fault.Fault into mails
               let others = mails.Count() - 1
               select string.Create(CultureInfo.InvariantCulture, $"{mails.First()}{(others == 0 ? "" : $" and {others} more")}: {mails.Key}"),
        ];
    }

    /// <summary>What is wrong with one message.</summary>
    public static IEnumerable<string> FaultsOf(OutgoingMessage message, MailOptions options)
    {
        var html = message.Html ?? throw new ArgumentException("the message has no page", nameof(message));
        var size = Encoding.UTF8.GetByteCount(html);
        if (size > MaxBytes)
        {
            yield return string.Create(CultureInfo.InvariantCulture, $"the page has {size} bytes, but mailboxes cut it off beyond {MaxBytes}");
        }
        var (page, broken) = Parse(html);
        if (page?.Root is not { } root)
        {
            yield return broken ?? "the page is empty";
            yield break;
        }
        var titles = root.Descendants("h1").ToList();
        if (titles.Count != 1 || Plain(titles[0].Value) != Plain(message.Subject) || Plain(root.Descendants("title").FirstOrDefault()?.Value ?? "") != Plain(message.Subject))
        {
            yield return "the page must have the subject as its <title> and as its one <h1>";
        }
        if (root.Attribute("lang")?.Value != message.Language)
        {
            yield return $"<html> must have lang=\"{message.Language}\"";
        }
        foreach (var fault in Resources(root, options).Concat(Links(root, message, options)).Concat(Contrasts(root)))
        {
            yield return fault;
        }
        if (titles.Count == 1 && Difference(WordsOf(Shown(titles[0])), WordsOf(message.Text)) is { } difference)
        {
            yield return difference;
        }
    }

    private static (XDocument? Page, string? Fault) Parse(string html)
    {
        try
        {
            using var reader = XmlReader.Create(new StringReader(html), new XmlReaderSettings { DtdProcessing = DtdProcessing.Ignore, XmlResolver = null });
            return (XDocument.Load(reader, LoadOptions.PreserveWhitespace), null);
        }
        catch (XmlException e)
        {
            return (null, string.Create(CultureInfo.InvariantCulture,
                $"the page is not well-formed at line {e.LineNumber} ({html.Split('\n')[Math.Max(0, e.LineNumber - 1)].Trim()}): {e.Message}"));
        }
    }

    private static IEnumerable<string> Resources(XElement root, MailOptions options)
    {
        foreach (var element in root.Descendants().Where(e => s_banned.Contains(e.Name.LocalName, StringComparer.OrdinalIgnoreCase)))
        {
            yield return $"<{element.Name.LocalName}> has no place in a mail";
        }
        foreach (var source in root.Descendants().Attributes().Where(a => a.Name.LocalName is "src" or "srcset" or "background" && a.Value != options.Look.LogoUrl))
        {
            yield return $"{source.Name.LocalName}=\"{source.Value}\" is loaded from elsewhere: only the logo (Mail:Logo:Url) may be";
        }
        var styles = root.Descendants().Attributes("style").Select(a => a.Value).Concat(root.Descendants("style").Select(s => s.Value));
        if (styles.Any(s => s.Contains("url(", StringComparison.OrdinalIgnoreCase) || s.Contains("@import", StringComparison.OrdinalIgnoreCase)))
        {
            yield return "a style loads something: only the logo (Mail:Logo:Url) may be loaded";
        }
        foreach (var _ in root.Descendants("img").Where(i => string.IsNullOrWhiteSpace(i.Attribute("alt")?.Value)))
        {
            yield return "an <img> has no alt text";
        }
    }

    private static IEnumerable<string> Links(XElement root, OutgoingMessage message, MailOptions options)
    {
        var links = root.Descendants("a").ToList();
        var targets = links.ConvertAll(a => a.Attribute("href")?.Value ?? "");
        foreach (var (link, target) in links.Zip(targets))
        {
            if (!Uri.TryCreate(target, UriKind.Absolute, out var uri) || uri.Scheme is not ("https" or "http" or "mailto") || target.Any(char.IsWhiteSpace))
            {
                yield return $"a link goes to '{target}', which is no whole https address";
            }
            if (string.IsNullOrWhiteSpace(link.Value))
            {
                yield return $"the link to '{target}' has no words";
            }
        }
        if (targets.Count(t => t != options.Look.Support && t != "mailto:" + options.Look.Support) > 1)
        {
            yield return "there is more than one thing to click: a mail asks for one thing";
        }
        var told = Address().Matches(message.Text).Select(m => m.Value.TrimEnd('.')).ToHashSet(StringComparer.Ordinal);
        var shown = targets.Where(t => !t.StartsWith("mailto:", StringComparison.Ordinal)).ToHashSet(StringComparer.Ordinal);
        if (!told.SetEquals(shown))
        {
            yield return $"the text links to {ListOf(told)}, the page to {ListOf(shown)}";
        }
    }

    private static string ListOf(IReadOnlyCollection<string> links) => links.Count == 0 ? "nothing" : string.Join(" and ", links);

    // In the light and in the dark: each text against what is behind it.
    private static IEnumerable<string> Contrasts(XElement root)
    {
        var rules = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (Match rule in DarkRule().Matches(DarkBlock().Match(string.Concat(root.Descendants("style").Select(s => s.Value))).Groups[1].Value))
        {
            foreach (var selector in rule.Groups[1].Value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
            {
                if (!SimpleSelector().IsMatch(selector))
                {
                    yield return $"in the dark '{selector}' can't be checked: name a class or an element alone";
                }
                rules[selector] = rules.GetValueOrDefault(selector) + ";" + rule.Groups[2].Value;
            }
        }
        foreach (var isDark in (bool[])[false, true])
        {
            var seen = new HashSet<string>(StringComparer.Ordinal);
            var canvas = isDark ? (Ink: MailColor.Paper, Behind: new MailColor(0x12, 0x12, 0x12)) : (Ink: new MailColor(0, 0, 0), Behind: MailColor.Paper);
            foreach (var fault in Walk(root, canvas.Ink, canvas.Behind).Where(seen.Add))
            {
                yield return fault + (isDark ? " (in the dark)" : "");
            }

            IEnumerable<string> Walk(XElement element, MailColor ink, MailColor behind)
            {
                if (IsHidden(element))
                {
                    yield break;
                }
                var styles = Declarations(element.Attribute("style")?.Value ?? "");
                if (isDark)
                {
                    string[] selectors = [element.Name.LocalName, .. (element.Attribute("class")?.Value ?? "").Split(' ').Select(c => "." + c)];
                    styles = styles.Concat(selectors.SelectMany(s => Declarations(rules.GetValueOrDefault(s, ""))));
                }
                foreach (var (property, value) in styles)
                {
                    if (property is not ("color" or "background-color" or "background") || value == "inherit")
                    {
                        continue;
                    }
                    if (MailColor.Find(value) is not { } color)
                    {
                        yield return $"{property}:{value} can't be checked: write colours as #rrggbb";
                    }
                    else if (property == "color")
                    {
                        ink = color;
                    }
                    else
                    {
                        behind = color;
                    }
                }
                if (ink.ContrastWith(behind) is var contrast and < MailColor.TextContrast && element.Nodes().OfType<XText>().Any(t => !string.IsNullOrWhiteSpace(t.Value)))
                {
                    yield return string.Create(CultureInfo.InvariantCulture,
                        $"<{element.Name.LocalName}> has text in {ink} on {behind}: a contrast of {contrast:F1}, but {MailColor.TextContrast} is needed");
                }
                foreach (var fault in element.Elements().SelectMany(e => Walk(e, ink, behind)))
                {
                    yield return fault;
                }
            }
        }
    }

    private static IEnumerable<(string Property, string Value)> Declarations(string style) =>
        from declaration in style.Split(';')
        let colon = declaration.IndexOf(':', StringComparison.Ordinal)
        where colon > 0
        select (declaration[..colon].Trim(), declaration[(colon + 1)..].Replace("!important", "", StringComparison.Ordinal).Trim());

    private static bool IsHidden(XElement element) => element.Name.LocalName is "head" or "style" or "title"
        || Declarations(element.Attribute("style")?.Value ?? "").Contains(("display", "none"));

    // What is read after the title.
    private static string Shown(XElement title)
    {
        var text = new StringBuilder();
        foreach (var node in title.NodesAfterSelf().Concat(title.Ancestors().SelectMany(a => a.NodesAfterSelf())))
        {
            Add(node);
        }
        return text.ToString();

        void Add(XNode node)
        {
            if (node is XText words)
            {
                text.Append(' ').Append(words.Value);
            }
            else if (node is XElement element && !IsHidden(element))
            {
                element.Nodes().ToList().ForEach(Add);
            }
        }
    }

    private static List<string> WordsOf(string text) => [.. Word().Matches(Address().Replace(text, " ")).Select(m => m.Value)];

    private static string? Difference(List<string> page, List<string> text)
    {
        var same = page.Zip(text).TakeWhile(p => p.First == p.Second).Count();
        return same == page.Count && same == text.Count ? null
            : $"the page says '{From(page)}' where the text says '{From(text)}'";

        string From(List<string> words) => string.Join(' ', words.Skip(Math.Max(0, same - 2)).Take(6));
    }

    private static string Plain(string text) => string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));

    [GeneratedRegex(@"https?://[^\s<>""]+", RegexOptions.CultureInvariant)]
    private static partial Regex Address();

    [GeneratedRegex(@"[\p{L}\p{M}\p{N}]+", RegexOptions.CultureInvariant)]
    private static partial Regex Word();

    [GeneratedRegex(@"@media\s*\(prefers-color-scheme:\s*dark\)\s*\{((?:[^{}]*\{[^{}]*\})*)\s*\}", RegexOptions.CultureInvariant)]
    private static partial Regex DarkBlock();

    [GeneratedRegex(@"([^{}]+)\{([^{}]*)\}", RegexOptions.CultureInvariant)]
    private static partial Regex DarkRule();

    [GeneratedRegex(@"^\.?[\w-]+$", RegexOptions.CultureInvariant)]
    private static partial Regex SimpleSelector();
}
