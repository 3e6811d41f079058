using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Globalization;
using System.Text.RegularExpressions;
using Dunning.Model;
using HandlebarsDotNet;

namespace Dunning.Mail;

/// <summary>A rendered mail: one line of subject, and a plain text whose lines end with a line feed.</summary>
public readonly record struct RenderedMail(string Subject, string Text);

/// <summary>
/// The mails' texts in every language: files <c>Templates/LANGUAGE/TEMPLATE.txt</c> in this assembly, so that adding a language is adding a
/// folder. Checked as a whole when they are loaded: a mail that can't be written is found at start-up, not on the day it is needed.
/// </summary>
public sealed partial class MailTexts
{
    /// <summary>The language of those whose own there is no folder for.</summary>
    public const string FallbackLanguage = "en";

    private const string Prefix = "Mail/Templates/";
    private const string LanguageFile = "language";
    private const string Layout = "layout";
    private const string Details = "details";
    private const string SubjectMark = "Subject: ";
    private const string If = "#if ";

    private readonly FrozenDictionary<string, Texts> _languages;

    private MailTexts(FrozenDictionary<string, Texts> languages) => _languages = languages;

    /// <summary>Codes of the languages there are.</summary>
    public IEnumerable<string> Languages => _languages.Keys.Order(StringComparer.Ordinal);

    /// <summary>Reads the texts of this assembly.</summary>
    /// <exception cref="InvalidOperationException">They have faults; the message names all of them.</exception>
    public static MailTexts Load()
    {
        var assembly = typeof(MailTexts).Assembly;
        var files = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var name in assembly.GetManifestResourceNames().Where(n => n.StartsWith(Prefix, StringComparison.Ordinal)))
        {
            using var reader = new StreamReader(assembly.GetManifestResourceStream(name)!);
            files.Add(name[Prefix.Length..], reader.ReadToEnd());
        }
        var (texts, faults) = Read(files);
        return texts ?? throw new InvalidOperationException("The mails' texts have faults:\n" + string.Join('\n', faults));
    }

    /// <summary>Reads texts by path, such as <c>fr/receipt.txt</c>. Returns them or every fault.</summary>
    public static (MailTexts? Texts, ImmutableArray<string> Faults) Read(IReadOnlyDictionary<string, string> files)
    {
        var faults = new List<string>();
        var languages = new Dictionary<string, Texts>(StringComparer.Ordinal);
        var used = new Dictionary<(string Language, string Template), string>();
        ImmutableArray<string> expected = [.. MailTemplates.All, LanguageFile, Layout, Details];
        foreach (var folder in files.Keys.Select(p => p.Split('/')[0]).Append(FallbackLanguage).Distinct(StringComparer.Ordinal))
        {
            var mine = files.Where(f => f.Key.StartsWith(folder + "/", StringComparison.Ordinal)).ToDictionary(
                f => f.Key[(folder.Length + 1)..].Replace(".txt", "", StringComparison.Ordinal),
                f => f.Value.ReplaceLineEndings("\n"), StringComparer.Ordinal);
            var missing = expected.Where(e => !mine.ContainsKey(e)).Select(e => $"{folder}/{e}.txt is missing").ToList();
            faults.AddRange(missing);
            var strange = mine.Keys.Where(k => !expected.Contains(k, StringComparer.Ordinal));
            faults.AddRange(strange.Select(k => $"{folder}/{k}.txt is no template"));
            if (missing.Count > 0)
            {
                continue;
            }
            foreach (var (template, text) in mine.Where(m => m.Key != LanguageFile && expected.Contains(m.Key, StringComparer.Ordinal)))
            {
                used.Add((folder, template), Placeholders(folder + "/" + template + ".txt", template, text, faults));
            }
            var (language, languageFaults) = Language.Read(folder, mine[LanguageFile]);
            faults.AddRange(languageFaults);
            if (language is not null)
            {
                languages.Add(folder, new Texts(language, mine));
            }
        }
        // What one language tells, every language tells.
        foreach (var ((folder, template), names) in used)
        {
            if (used.GetValueOrDefault((FallbackLanguage, template)) is { } reference && reference != names)
            {
                faults.Add($"{folder}/{template}.txt uses {names}, but {FallbackLanguage}/{template}.txt uses {reference}");
            }
        }
        return faults.Count == 0
            ? (new MailTexts(languages.ToFrozenDictionary(StringComparer.Ordinal)), [])
            : (null, [.. faults.Order(StringComparer.Ordinal)]);
    }

    /// <summary>The language for a locale: <c>fr-CA</c> is <c>fr</c>, and one that there is no folder for is <c>en</c>.</summary>
    public Language LanguageFor(string locale) =>
        _languages.GetValueOrDefault(locale.Split('-', '_')[0].ToLowerInvariant(), _languages[FallbackLanguage]).Language;

    /// <summary>Writes a mail. Every name of <see cref="MailValues.Names"/> must have an entry; a value may be null.</summary>
    internal RenderedMail Render(string template, Language language, IReadOnlyDictionary<string, string?> values)
    {
        var texts = _languages[language.Code];
        var compiled = texts.Find(template) ?? throw new InvalidOperationException($"there is no mail '{template}'");
        var all = new Dictionary<string, string?>(values, StringComparer.Ordinal);
        var subject = language.Typeset(compiled.Subject(all).Trim(' ')); // one line, as the values in it are
        all["body"] = Tidy(compiled.Body(all));
        return new RenderedMail(subject, language.Typeset(Tidy(texts.Layout(all))) + "\n");
    }

    // A paragraph whose every part was left out leaves no gap.
    private static string Tidy(string text) => BlankLines().Replace(TrailingSpace().Replace(text, ""), "\n\n").Trim('\n');

    // The names that a text uses, sorted; faults where it is not what we can check and then compile.
    private static string Placeholders(string path, string template, string text, List<string> faults)
    {
        var names = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var tag in TagsOf(text).Where(t => t is not ("else" or "/if" or "> " + Details)))
        {
            var name = tag.StartsWith(If, StringComparison.Ordinal) ? tag[If.Length..] : tag;
            if (!MailValues.Names.Contains(name, StringComparer.Ordinal))
            {
                faults.Add($"{path} has {{{{{tag}}}}}, but the placeholders are {string.Join(", ", MailValues.Names)}");
            }
            names.Add(name);
        }
        if (Tag().Replace(text, "").AsSpan().ContainsAny('{', '}'))
        {
            faults.Add($"{path} has a brace outside of a {{{{placeholder}}}}");
        }
        var (subject, body) = template is Layout or Details ? ("", text) : Split(text);
        if (subject is null)
        {
            faults.Add($"{path} must begin with '{SubjectMark}…' and a blank line");
        }
        else if (!IsBalanced(subject) || !IsBalanced(body))
        {
            faults.Add($"{path} has an {{{{#if}}}}, {{{{else}}}} or {{{{/if}}}} without the others");
        }
        return string.Join(", ", names);
    }

    // Subject null: the text does not begin as it must.
    private static (string? Subject, string Body) Split(string text)
    {
        var lines = text.Split('\n', 3);
        return lines.Length == 3 && lines[0].StartsWith(SubjectMark, StringComparison.Ordinal) && lines[1].Length == 0
            ? (lines[0][SubjectMark.Length..], lines[2]) : (null, "");
    }

    private static bool IsBalanced(string text)
    {
        var open = new Stack<bool>(); // whether the else has come
        foreach (var tag in TagsOf(text))
        {
            if (tag.StartsWith(If, StringComparison.Ordinal))
            {
                open.Push(false);
            }
            else if ((tag == "/if" && !open.TryPop(out _)) || (tag == "else" && (!open.TryPop(out var elseCame) || elseCame)))
            {
                return false;
            }
            else if (tag == "else")
            {
                open.Push(true);
            }
        }
        return open.Count == 0;
    }

    private static IEnumerable<string> TagsOf(string text) => Tag().Matches(text).Select(m => m.Groups[1].Value);

    [GeneratedRegex(@"\{\{([^{}\n]*)\}\}", RegexOptions.CultureInvariant)]
    private static partial Regex Tag();

    [GeneratedRegex(@"\n{3,}", RegexOptions.CultureInvariant)]
    private static partial Regex BlankLines();

    [GeneratedRegex(@"[ \t]+(?=\n|$)", RegexOptions.CultureInvariant)]
    private static partial Regex TrailingSpace();

    private sealed record Compiled(HandlebarsTemplate<object, object> Subject, HandlebarsTemplate<object, object> Body);

    // One language's texts. Checked by now; compiled when first used, for a command that sends no mail should not wait for it.
    private sealed class Texts
    {
        private readonly Lazy<HandlebarsTemplate<object, object>> _layout;
        private readonly FrozenDictionary<string, Lazy<Compiled>> _templates;

        public Texts(Language language, Dictionary<string, string> files)
        {
            Language = language;
            var handlebars = new Lazy<IHandlebars>(() =>
            {
                // Plain text: nothing to escape. What is not given is a mistake of ours, and must not read as nothing.
                var environment = Handlebars.Create(new HandlebarsConfiguration
                {
                    NoEscape = true,
                    ThrowOnUnresolvedBindingExpression = true,
                    FormatProvider = CultureInfo.InvariantCulture,
                });
                environment.RegisterTemplate(Details, files[Details]);
                return environment;
            });
            _layout = new(() => handlebars.Value.Compile(files[MailTexts.Layout]));
            _templates = MailTemplates.All.ToFrozenDictionary(t => t, t => new Lazy<Compiled>(() =>
            {
                var (subject, body) = Split(files[t]);
                return new Compiled(handlebars.Value.Compile(subject!), handlebars.Value.Compile(body));
            }), StringComparer.Ordinal);
        }

        public Language Language { get; }

        public HandlebarsTemplate<object, object> Layout => _layout.Value;

        public Compiled? Find(string template) => _templates.GetValueOrDefault(template)?.Value;
    }
}
