using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using Dunning.Model;
using HandlebarsDotNet;

namespace Dunning.Mail;

/// <summary>A rendered mail: one line of subject, and the same content twice.</summary>
/// <param name="Subject">One line.</param>
/// <param name="Text">Plain text; lines end with a line feed.</param>
/// <param name="Html">A whole page.</param>
public readonly record struct RenderedMail(string Subject, string Text, string Html);

/// <summary>A mail within a digest.</summary>
/// <param name="Template">Its template.</param>
/// <param name="Date">Its day, as the reader's language writes it.</param>
/// <param name="Values">Its own values.</param>
internal sealed record MailItem(string Template, string Date, IReadOnlyDictionary<string, string?> Values);

/// <summary>
/// The mails' texts in every language. What a mail says stands once, as text, in <c>LANGUAGE/TEMPLATE.txt</c>: its paragraphs are the text part's
/// and the page's alike, so the two can't drift apart. How it looks stands once for all languages, in <c>layout.txt</c>, <c>layout.html</c> and
/// <c>details.html</c>. Checked as a whole when they are loaded: a mail that can't be written is found at start-up, not on the day it is needed.
/// </summary>
public sealed partial class MailTexts
{
    /// <summary>The language of those whose own there is no folder for.</summary>
    public const string FallbackLanguage = "en";

    private const string Prefix = "Mail/Templates/";
    private const string LanguageFile = "language.txt";
    private const string LayoutText = "layout.txt";
    private const string LayoutHtml = "layout.html";
    private const string DetailsHtml = "details.html";
    private const string Details = "details";
    private const string Items = "items";
    private const string SubjectMark = "Subject: ";
    private const string If = "#if ";
    private const string Each = "#each ";
    private const string Unbalanced = "has an {{#if}}, {{else}} or {{/if}} without the others";

    // Paragraphs that no mail can have by itself: there the marks of its text are escaped.
    private const string DetailsMark = "<details/>";
    private const string ItemsMark = "<items/>";

    // What the shared files may place, and the lists that they may go through.
    private static readonly FrozenDictionary<string, Scope> s_shared = new Dictionary<string, Scope>(StringComparer.Ordinal)
    {
        [LayoutText] = new([.. MailValues.Names, .. MailValues.LayoutNames], [], IsHtml: false),
        [LayoutHtml] = new([.. MailValues.Names, .. MailValues.LayoutNames, "text", "block", "heading"], ["paragraphs"], IsHtml: true),
        [DetailsHtml] = new(["label", "value"], ["rows"], IsHtml: true),
    }.ToFrozenDictionary(StringComparer.Ordinal);

    // Another layout may look otherwise; only what is said must be there.
    private static readonly ImmutableArray<string> s_optional =
        ["accent", "accentDark", "accentDarkText", "accentText", "logoAlt", "logoUrl", "logoWidth", "preheader"];

    // The settings read them, and the documents whatever folder the settings name.
    private static readonly Lazy<(MailTexts? Texts, ImmutableArray<string> Faults)> s_builtIn = new(() => Read(BuiltIn()));

    private static readonly Scope s_mail = new(MailValues.Names, [], IsHtml: false);
    private static readonly UTF8Encoding s_strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    [ThreadStatic]
    private static PageWriter? t_page;

    private readonly FrozenDictionary<string, Texts> _languages;
    private readonly Dressing _dressing;

    private MailTexts(FrozenDictionary<string, Texts> languages, Dressing dressing) => (_languages, _dressing) = (languages, dressing);

    /// <summary>Codes of the languages there are.</summary>
    public IEnumerable<string> Languages => _languages.Keys.Order(StringComparer.Ordinal);

    /// <summary>The built-in files by their path, such as <c>fr/receipt.txt</c>.</summary>
    public static Dictionary<string, string> BuiltIn()
    {
        var assembly = typeof(MailTexts).Assembly;
        var files = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var name in assembly.GetManifestResourceNames().Where(n => n.StartsWith(Prefix, StringComparison.Ordinal)))
        {
            using var reader = new StreamReader(assembly.GetManifestResourceStream(name)!);
            files.Add(name[Prefix.Length..], reader.ReadToEnd());
        }
        return files;
    }

    /// <summary>Reads the built-in texts and, file by file over them, those of a folder.</summary>
    /// <exception cref="InvalidOperationException">They have faults; the message names all of them.</exception>
    public static MailTexts Load(string? folder = null)
    {
        var (texts, faults) = Find(folder);
        return texts ?? throw new InvalidOperationException("The mails' texts have faults:\n" + string.Join('\n', faults));
    }

    /// <summary>As <see cref="Load"/>, but returns every fault, with its file and line.</summary>
    public static (MailTexts? Texts, ImmutableArray<string> Faults) Find(string? folder)
    {
        if (folder is null)
        {
            return s_builtIn.Value;
        }
        var builtIn = BuiltIn();
        var (own, faults) = ReadFolder(folder);
        if (faults.Length > 0)
        {
            return (null, faults);
        }
        var files = new Dictionary<string, string>(builtIn, StringComparer.Ordinal);
        foreach (var (path, text) in own)
        {
            files[path] = text;
        }
        return Read(files, builtIn, path => own.ContainsKey(path) || !builtIn.ContainsKey(path)
            ? Path.Combine(folder, path.Replace('/', Path.DirectorySeparatorChar)) : path);
    }

    /// <summary>Reads texts by path, such as <c>fr/receipt.txt</c>. Returns them or every fault.</summary>
    /// <param name="files">All of them.</param>
    /// <param name="reference">Each mail must tell what its English one in here tells; default: the files themselves.</param>
    /// <param name="shown">How a path is named in a fault.</param>
    public static (MailTexts? Texts, ImmutableArray<string> Faults) Read(
        IReadOnlyDictionary<string, string> files, IReadOnlyDictionary<string, string>? reference = null, Func<string, string>? shown = null)
    {
        (reference, shown) = (reference ?? files, shown ?? (path => path));
        var faults = new List<string>();
        var languages = new Dictionary<string, Language>(StringComparer.Ordinal);
        var normal = files.ToDictionary(f => f.Key, f => f.Value.ReplaceLineEndings("\n"), StringComparer.Ordinal);
        var folders = files.Keys.Where(p => p.Contains('/', StringComparison.Ordinal)).Select(p => p.Split('/')[0]).Append(FallbackLanguage)
            .Distinct(StringComparer.Ordinal).ToList();
        var expected = new HashSet<string>(s_shared.Keys, StringComparer.Ordinal);
        foreach (var folder in folders.Where(f => LanguageCode().IsMatch(f)))
        {
            expected.UnionWith(MailTemplates.All.Select(t => FileOf(folder, t)).Append(folder + "/" + LanguageFile));
            if (normal.TryGetValue(folder + "/" + LanguageFile, out var words))
            {
                var (language, languageFaults) = Language.Read(folder, words, shown(folder + "/" + LanguageFile));
                faults.AddRange(languageFaults);
                if (language is not null)
                {
                    languages.Add(folder, language);
                }
            }
        }
        faults.AddRange(expected.Where(e => !normal.ContainsKey(e)).Select(e => $"{shown(e)} is missing"));
        faults.AddRange(normal.Keys.Where(k => !expected.Contains(k)).Select(k =>
            $"{shown(k)} is no template: they are {string.Join(", ", s_shared.Keys.Order(StringComparer.Ordinal))} and, in a folder for each language such as fr, {LanguageFile} and {string.Join(", ", MailTemplates.All.Select(t => t + ".txt"))}"));
        foreach (var (path, text) in normal.Where(f => expected.Contains(f.Key) && !f.Key.EndsWith(LanguageFile, StringComparison.Ordinal)))
        {
            var isMail = !s_shared.TryGetValue(path, out var scope);
            Check(shown(path), text, scope ?? s_mail, isMail, faults);
            // What the built-in mail tells, every language and every folder tells.
            var model = isMail ? FallbackLanguage + "/" + path.Split('/')[1] : path;
            var lacking = reference.TryGetValue(model, out var told) ? NamesIn(told).Except([.. NamesIn(text), .. s_optional], StringComparer.Ordinal).Order(StringComparer.Ordinal).ToList() : [];
            if (lacking.Count > 0)
            {
                faults.Add($"{shown(path)}: lacks {string.Join(", ", lacking.Select(n => "{{" + n + "}}"))}, which the built-in {model} tells");
            }
        }
        if (faults.Count > 0)
        {
            return (null, [.. faults.Order(StringComparer.Ordinal)]);
        }
        var dressing = new Dressing(normal);
        return (new MailTexts(languages.ToFrozenDictionary(l => l.Key, l => new Texts(l.Value, dressing, normal), StringComparer.Ordinal), dressing), []);
    }

    /// <summary>The language for a locale: <c>fr-CA</c> is <c>fr</c>, and one that there is no folder for is <c>en</c>.</summary>
    public Language LanguageFor(string locale) =>
        _languages.GetValueOrDefault(locale.Split('-', '_')[0].ToLowerInvariant(), _languages[FallbackLanguage]).Language;

    /// <summary>Writes a mail. The values are those of <see cref="MailValues.Of"/>; one may be null. A digest tells its items.</summary>
    internal RenderedMail Render(string template, Language language, IReadOnlyDictionary<string, string?> values, ImmutableArray<MailItem> items)
    {
        var words = Words(values);
        var part = Write(template, language, values, words, items);
        words["subject"] = part.Subject;
        words["body"] = part.Text;
        words["preheader"] = "";
        var text = language.Typeset(Fill(_dressing.Text, words, "\n"));
        words["preheader"] = language.Typeset(part.Text.Split("\n\n")[0].Replace('\n', ' '));
        words["paragraphs"] = part.Paragraphs;
        foreach (var name in (string[])["act", "company", "hello", "logoAlt", "toDo"])
        {
            words[name] = language.Typeset((string)words[name]);
        }
        words["footer"] = Escape(language.Typeset((string)words["footer"])).Replace("\n", "<br />\n", StringComparison.Ordinal);
        words["questions"] = Linked(language.Typeset((string)words["questions"]), (string)words["support"]);
        return new RenderedMail(part.Subject, text, Fill(_dressing.Html, words, "\n"));
    }

    private Part Write(
        string template, Language language, IReadOnlyDictionary<string, string?> values, Dictionary<string, object> words, ImmutableArray<MailItem> items)
    {
        var compiled = _languages[language.Code].Find(template) ?? throw new InvalidOperationException($"there is no mail '{template}'");
        var inner = items.Select(i => (i.Date, Part: Write(i.Template, language, i.Values, Words(i.Values), [])))
            .Select(i => (Heading: language.Typeset(language.Item(i.Date, i.Part.Subject)), i.Part)).ToList();
        var rows = language.Rows(values).ToList();
        words[Details] = string.Join('\n', rows.Select(r => r.Line));
        words[Items] = string.Join("\n\n", inner.Select(i => "— " + i.Heading + "\n\n" + i.Part.Text));
        var subject = language.Typeset(Fill(compiled.Subject, words).Trim(' ')); // one line, as the values in it are
        var text = Fill(compiled.Text, words);
        words[Details] = rows.Count == 0 ? "" : DetailsMark;
        words[Items] = ItemsMark;
        return new Part(subject, text,
        [
            .. Fill(compiled.Html, words).Split("\n\n").SelectMany(paragraph => paragraph switch
            {
                DetailsMark => [Paragraph(block: TableOf(rows, language))],
                ItemsMark => inner.SelectMany(i => i.Part.Paragraphs.Prepend(Paragraph(heading: i.Heading))),
                _ => [Paragraph(text: language.Typeset(paragraph))],
            }),
        ]);
    }

    private static Dictionary<string, object> Words(IReadOnlyDictionary<string, string?> values)
    {
        var words = new Dictionary<string, object>(values.Count + 8, StringComparer.Ordinal); // and what is placed beside them
        foreach (var (name, value) in values)
        {
            words.Add(name, value ?? "");
        }
        return words;
    }

    private static Dictionary<string, string> Paragraph(string text = "", string block = "", string heading = "") =>
        new(StringComparer.Ordinal) { ["text"] = text, ["block"] = block, ["heading"] = heading };

    private string TableOf(List<(string Label, string Value, string Line)> rows, Language language) =>
        Fill(_dressing.Details, new Dictionary<string, object>(StringComparer.Ordinal)
        {
            ["rows"] = rows.ConvertAll(r => new Dictionary<string, string>(StringComparer.Ordinal)
            {
                ["label"] = language.Typeset(r.Label),
                ["value"] = language.Typeset(r.Value),
            }),
        });

    // The address or the page within the sentence as a link.
    private static string Linked(string sentence, string support)
    {
        if (support.Length == 0)
        {
            return Escape(sentence);
        }
        var target = support.Contains("://", StringComparison.Ordinal) ? support : "mailto:" + support;
        return Escape(sentence).Replace(Escape(support), $"<a href=\"{Escape(target)}\" style=\"color:inherit\">{Escape(support)}</a>", StringComparison.Ordinal);
    }

    private static string Escape(string text) => WebUtility.HtmlEncode(text);

    private static (Dictionary<string, string> Files, ImmutableArray<string> Faults) ReadFolder(string folder)
    {
        var files = new Dictionary<string, string>(StringComparer.Ordinal);
        var faults = ImmutableArray.CreateBuilder<string>();
        if (!Directory.Exists(folder))
        {
            return (files, [$"Mail:Templates is '{folder}', but there is no such folder: make it, or leave the key away for the built-in templates"]);
        }
        foreach (var path in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
            .Where(p => Path.GetExtension(p) is ".txt" or ".html").Order(StringComparer.Ordinal))
        {
            try
            {
                files.Add(Path.GetRelativePath(folder, path).Replace(Path.DirectorySeparatorChar, '/'), File.ReadAllText(path, s_strict));
            }
            catch (Exception e) when (e is DecoderFallbackException or IOException or UnauthorizedAccessException)
            {
                faults.Add(e is DecoderFallbackException ? $"{path}: is not UTF-8" : $"{path}: can't be read ({e.GetType().Name})");
            }
        }
        return (files, faults.ToImmutable());
    }

    private static string Fill(Template template, Dictionary<string, object> words, string end = "")
    {
        var page = t_page ??= new PageWriter();
        page.Clear();
        template.Write(page, words);
        return page.Tidy(end);
    }

    private static string FileOf(string language, string template) => language + "/" + template + ".txt";

    // The names of values that a file uses.
    private static IEnumerable<string> NamesIn(string text) => TagsOf(text).Select(t => t.Name)
        .Where(n => n is not ("else" or "/if" or "/each" or "> " + Details) && !n.StartsWith(Each, StringComparison.Ordinal))
        .Select(NameIn).Distinct(StringComparer.Ordinal);

    private static string NameIn(string tag) => tag.StartsWith(If, StringComparison.Ordinal) ? tag[If.Length..] : tag;

    // Faults where a file is not what we can check and then compile.
    private static void Check(string path, string text, Scope scope, bool isMail, List<string> faults)
    {
        foreach (var (name, at) in TagsOf(text).Where(t => !(t.Name is "else" or "/if") && !(isMail && IsPart(t.Name))))
        {
            if (!scope.Names.Contains(NameIn(name), StringComparer.Ordinal) && !scope.Lists.Any(l => name == Each + l) && !(name == "/each" && scope.Lists.Length > 0))
            {
                Fault(at, $"has {{{{{name}}}}}, but the placeholders are {string.Join(", ", scope.Names)}");
            }
        }
        if (isMail && LoosePartial().Match(text) is { Success: true } loose)
        {
            Fault(loose.Index, $"has {{{{> {loose.Groups["part"].Value}}}}} beside other words: it is a paragraph of its own");
        }
        // In a page braces are CSS's.
        if (!scope.IsHtml && PlainTag().Replace(text, m => new string('.', m.Length)).AsSpan().IndexOfAny('{', '}') is var brace and >= 0)
        {
            Fault(brace, "has a brace outside of a {{placeholder}}");
        }
        var (subject, body) = isMail ? Split(text) : ("", text);
        if (subject is null)
        {
            Fault(0, $"must begin with '{SubjectMark}…' and a blank line");
        }
        else if (UnbalancedAt(subject) is { } inSubject)
        {
            Fault(inSubject, Unbalanced);
        }
        else if (UnbalancedAt(body) is { } inBody)
        {
            Fault(text.Length - body.Length + inBody, Unbalanced);
        }

        bool IsPart(string name) => name == "> " + Details || (name == "> " + Items && Path.GetFileName(path) == MailTemplates.Digest + ".txt");

        void Fault(int at, string fault) =>
            faults.Add(string.Create(CultureInfo.InvariantCulture, $"{path}:{text.AsSpan(0, Math.Min(at, text.Length)).Count('\n') + 1}: {fault}"));
    }

    // Subject null: the text does not begin as it must.
    private static (string? Subject, string Body) Split(string text)
    {
        var lines = text.Split('\n', 3);
        return lines.Length == 3 && lines[0].StartsWith(SubjectMark, StringComparison.Ordinal) && lines[1].Length == 0
            ? (lines[0][SubjectMark.Length..], lines[2]) : (null, "");
    }

    // Where a block is opened and not closed, closed and not opened, or has an else too many; null: nowhere.
    private static int? UnbalancedAt(string text)
    {
        var open = new Stack<(string Close, bool ElseCame, int At)>();
        foreach (var (tag, at) in TagsOf(text))
        {
            if (tag.StartsWith(If, StringComparison.Ordinal) || tag.StartsWith(Each, StringComparison.Ordinal))
            {
                open.Push((tag.StartsWith(If, StringComparison.Ordinal) ? "/if" : "/each", false, at));
            }
            else if (tag is "/if" or "/each" or "else")
            {
                if (!open.TryPop(out var block) || (tag == "else" ? block.ElseCame || block.Close != "/if" : block.Close != tag))
                {
                    return at;
                }
                if (tag == "else")
                {
                    open.Push(block with { ElseCame = true });
                }
            }
        }
        return open.Count == 0 ? null : open.Peek().At;
    }

    private static IEnumerable<(string Name, int At)> TagsOf(string text) => Tag().Matches(text).Select(m => (m.Groups[1].Value, m.Index));

    [GeneratedRegex(@"\{\{\{?([^{}\n]*)\}\}\}?", RegexOptions.CultureInvariant)]
    private static partial Regex Tag();

    [GeneratedRegex(@"\{\{[^{}\n]*\}\}", RegexOptions.CultureInvariant)]
    private static partial Regex PlainTag();

    [GeneratedRegex(@"\{\{[^{}\n]*\}\}|[&<>]", RegexOptions.CultureInvariant)]
    private static partial Regex TagOrMark();

    [GeneratedRegex(@"(?<!\n\n)\{\{> (?<part>details|items)\}\}|\{\{> (?<part>details|items)\}\}(?!\n\n|\n*$)", RegexOptions.CultureInvariant)]
    private static partial Regex LoosePartial();

    [GeneratedRegex(@"\{\{> (?<part>details|items)\}\}", RegexOptions.CultureInvariant)]
    private static partial Regex PartTag();

    [GeneratedRegex("^[a-z]{2,3}$", RegexOptions.CultureInvariant)]
    private static partial Regex LanguageCode();

    /// <summary>What a file may place and go through, and whether it is a page.</summary>
    private sealed record Scope(ImmutableArray<string> Names, ImmutableArray<string> Lists, bool IsHtml);

    // What a mail says, without what is around it: as text, and as the page's paragraphs.
    private sealed record Part(string Subject, string Text, ImmutableArray<Dictionary<string, string>> Paragraphs);

    private sealed record Compiled(Template Subject, Template Text, Template Html);

    /// <summary>What all languages share. Checked by now; compiled when first used, for a command that sends no mail should not wait for it.</summary>
    private sealed class Dressing
    {
        private readonly Lazy<IHandlebars> _plain = new(() => Environment(escapes: false));
        private readonly Lazy<IHandlebars> _page = new(() => Environment(escapes: true));
        private readonly Lazy<Template> _text;
        private readonly Lazy<Template> _html;
        private readonly Lazy<Template> _details;

        public Dressing(Dictionary<string, string> files)
        {
            _text = new(() => new Template(_plain.Value, files[LayoutText]));
            _html = new(() => new Template(_page.Value, files[LayoutHtml]));
            _details = new(() => new Template(_page.Value, files[DetailsHtml]));
        }

        public Template Text => _text.Value;

        public Template Html => _html.Value;

        public Template Details => _details.Value;

        public Compiled Compile(string file)
        {
            var (subject, body) = Split(file);
            return new Compiled(new Template(_plain.Value, subject!), new Template(_plain.Value, Parts(body)), new Template(_page.Value, Parts(AsHtml(body))));
        }

        // Values like the others, for a partial of the library's takes the end of its line with it, and then its paragraph goes on.
        private static string Parts(string body) => PartTag().Replace(body, "{{{${part}}}}");

        // A mail's file is plain text: what stands between its placeholders is escaped like what they place.
        private static string AsHtml(string body) => TagOrMark().Replace(body, m => m.Length == 1 ? Escape(m.Value) : m.Value);

        private static IHandlebars Environment(bool escapes)
        {
            // What is not given is a mistake of ours, and must not read as nothing.
            return Handlebars.Create(new HandlebarsConfiguration
            {
                NoEscape = !escapes,
                ThrowOnUnresolvedBindingExpression = true,
                FormatProvider = CultureInfo.InvariantCulture,
            });
        }
    }

    // One language's texts.
    private sealed class Texts(Language language, Dressing dressing, Dictionary<string, string> files)
    {
        private readonly FrozenDictionary<string, Lazy<Compiled>> _templates = MailTemplates.All.ToFrozenDictionary(
            t => t, t => new Lazy<Compiled>(() => dressing.Compile(files[FileOf(language.Code, t)])), StringComparer.Ordinal);

        public Language Language => language;

        public Compiled? Find(string template) => _templates.GetValueOrDefault(template)?.Value;
    }
}
