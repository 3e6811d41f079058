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
            faults.AddRange(mine.Keys.Where(k => !expected.Contains(k, StringComparer.Ordinal)).Select(k => $"{folder}/{k}.txt is no template"));
            if (missing.Count > 0)
            {
                continue;
            }
            foreach (var (template, text) in mine.Where(m => m.Key != LanguageFile))
            {
                used.Add((folder, template), Placeholders(folder + "/" + template + ".txt", text, faults));
            }
            var (language, languageFaults) = Language.Read(folder, mine[LanguageFile]);
            faults.AddRange(languageFaults);
            if (language is not null)
            {
                languages.Add(folder, new Texts(language, mine, faults));
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
        if (!texts.Templates.TryGetValue(template, out var compiled))
        {
            throw new InvalidOperationException($"there is no mail '{template}'");
        }
        var all = new Dictionary<string, string?>(values, StringComparer.Ordinal);
        var subject = language.Typeset(compiled.Subject(all).Trim(' ')); // one line, as the values in it are
        all["body"] = Tidy(compiled.Body(all));
        return new RenderedMail(subject, language.Typeset(Tidy(texts.Layout(all))) + "\n");
    }

    // A paragraph whose every part was left out leaves no gap.
    private static string Tidy(string text) => BlankLines().Replace(TrailingSpace().Replace(text, ""), "\n\n").Trim('\n');

    // The names that a text uses, sorted; faults where it does what we can't check.
    private static string Placeholders(string path, string text, List<string> faults)
    {
        var names = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var tag in Tag().Matches(text).Select(m => m.Groups[1].Value))
        {
            if (tag is "else" or "/if" or "> " + Details)
            {
                continue;
            }
            var name = tag.StartsWith("#if ", StringComparison.Ordinal) ? tag[4..] : tag;
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
        return string.Join(", ", names);
    }

    [GeneratedRegex(@"\{\{([^{}\n]*)\}\}", RegexOptions.CultureInvariant)]
    private static partial Regex Tag();

    [GeneratedRegex(@"\n{3,}", RegexOptions.CultureInvariant)]
    private static partial Regex BlankLines();

    [GeneratedRegex(@"[ \t]+(?=\n|$)", RegexOptions.CultureInvariant)]
    private static partial Regex TrailingSpace();

    private sealed record Compiled(HandlebarsTemplate<object, object> Subject, HandlebarsTemplate<object, object> Body);

    // One language's texts, compiled.
    private sealed class Texts
    {
        public Texts(Language language, Dictionary<string, string> files, List<string> faults)
        {
            Language = language;
            // Plain text: nothing to escape. What is not given is a mistake of ours, and must not read as nothing.
            var handlebars = Handlebars.Create(new HandlebarsConfiguration
            {
                NoEscape = true,
                ThrowOnUnresolvedBindingExpression = true,
                FormatProvider = CultureInfo.InvariantCulture,
            });
            handlebars.RegisterTemplate(Details, files[Details]);
            Layout = Compile(MailTexts.Layout, files[MailTexts.Layout]);
            var templates = new Dictionary<string, Compiled>(StringComparer.Ordinal);
            foreach (var template in MailTemplates.All)
            {
                var lines = files[template].Split('\n', 3);
                if (lines.Length < 3 || !lines[0].StartsWith(SubjectMark, StringComparison.Ordinal) || lines[1].Length > 0)
                {
                    faults.Add($"{language.Code}/{template}.txt must begin with '{SubjectMark}…' and a blank line");
                    continue;
                }
                templates.Add(template, new Compiled(Compile(template, lines[0][SubjectMark.Length..]), Compile(template, lines[2])));
            }
            Templates = templates.ToFrozenDictionary(StringComparer.Ordinal);

            HandlebarsTemplate<object, object> Compile(string template, string text)
            {
                try
                {
                    return handlebars.Compile(text);
                }
                catch (HandlebarsException e)
                {
                    faults.Add($"{language.Code}/{template}.txt: {e.Message}");
                    return (_, _) => "";
                }
            }
        }

        public Language Language { get; }

        public HandlebarsTemplate<object, object> Layout { get; }

        public FrozenDictionary<string, Compiled> Templates { get; }
    }
}
