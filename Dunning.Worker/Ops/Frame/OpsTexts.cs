using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Text.RegularExpressions;
using Dunning.Mail;

namespace Dunning.Ops.Frame;

/// <summary>
/// What the operators' pages say: files <c>Ops/Texts/PART.LANGUAGE.txt</c> in this assembly, lines <c>key = value</c> with <c>{slots}</c>. Each part has its
/// own keys. Checked as a whole when they are loaded: every language has every key, with the same slots.
/// </summary>
internal sealed partial class OpsTexts
{
    /// <summary>The languages of the pages, the fallback first.</summary>
    public static readonly ImmutableArray<string> Languages = ["en", "fr"];

    private const string Prefix = "Ops/Texts/";

    private readonly FrozenDictionary<string, OpsWords> _words;

    private OpsTexts(FrozenDictionary<string, OpsWords> words) => _words = words;

    /// <summary>Reads the texts of this assembly.</summary>
    /// <param name="mails">They have how each language writes dates and amounts.</param>
    /// <exception cref="InvalidOperationException">They have faults; the message names all of them.</exception>
    public static OpsTexts Load(MailTexts mails)
    {
        var assembly = typeof(OpsTexts).Assembly;
        var files = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var name in assembly.GetManifestResourceNames().Where(n => n.StartsWith(Prefix, StringComparison.Ordinal)))
        {
            using var reader = new StreamReader(assembly.GetManifestResourceStream(name)!);
            files.Add(name[Prefix.Length..], reader.ReadToEnd());
        }
        var (words, faults) = Read(files);
        return faults.IsEmpty
            ? new OpsTexts(Languages.ToFrozenDictionary(l => l, l => new OpsWords(words[l], mails.LanguageFor(l), l), StringComparer.Ordinal))
            : throw new InvalidOperationException("The operators' pages' texts have faults:\n" + string.Join('\n', faults));
    }

    /// <summary>Reads files by name: the words by language, and every fault.</summary>
    public static (FrozenDictionary<string, FrozenDictionary<string, string>> Words, ImmutableArray<string> Faults) Read(IReadOnlyDictionary<string, string> files)
    {
        var faults = new List<string>();
        var words = Languages.ToDictionary(l => l, _ => new Dictionary<string, string>(StringComparer.Ordinal), StringComparer.Ordinal);
        foreach (var (name, text) in files.OrderBy(f => f.Key, StringComparer.Ordinal))
        {
            if (FileName().Match(name) is not { Success: true } parts || !words.TryGetValue(parts.Groups["language"].Value, out var language))
            {
                faults.Add($"{name}: a file is named PART.LANGUAGE.txt, and the languages are {string.Join(", ", Languages)}");
                continue;
            }
            foreach (var line in text.ReplaceLineEndings("\n").Split('\n').Where(l => l.Trim().Length > 0 && l[0] != '#'))
            {
                var equals = line.IndexOf(" = ", StringComparison.Ordinal);
                if (equals < 0 || !language.TryAdd(line[..equals].Trim(), Mail.Language.Unescape(line[(equals + 3)..].Trim())))
                {
                    faults.Add($"{name}: '{line}' is no new 'key = value'");
                }
            }
        }
        var model = words[Languages[0]];
        foreach (var (code, those) in words)
        {
            faults.AddRange(model.Keys.Where(k => !those.ContainsKey(k)).Select(k => $"{code}: {k} is missing"));
            faults.AddRange(those.Keys.Where(k => !model.ContainsKey(k)).Select(k => $"{code}: {k} is unknown in {Languages[0]}"));
            faults.AddRange(those.Where(w => model.TryGetValue(w.Key, out var told) && !SlotsOf(told).SetEquals(SlotsOf(w.Value)))
                .Select(w => $"{code}: {w.Key} must have the slots {string.Join(' ', SlotsOf(model[w.Key]))}"));
        }
        return (words.ToFrozenDictionary(w => w.Key, w => w.Value.ToFrozenDictionary(StringComparer.Ordinal), StringComparer.Ordinal),
            [.. faults.Order(StringComparer.Ordinal)]);
    }

    /// <summary>The words of a language; of one without pages, the fallback's.</summary>
    public OpsWords In(string? language) => language is not null && _words.TryGetValue(language, out var words) ? words : _words[Languages[0]];

    /// <summary>The words that a browser asks for.</summary>
    public OpsWords For(HttpRequest request) => In(request.GetTypedHeaders().AcceptLanguage.OrderByDescending(l => l.Quality ?? 1)
        .Select(l => l.Value.Value!.Split('-')[0].ToLowerInvariant()).FirstOrDefault(_words.ContainsKey));

    private static HashSet<string> SlotsOf(string text) => Mail.Language.Slot().Matches(text).Select(m => m.Groups[1].Value).ToHashSet(StringComparer.Ordinal);

    [GeneratedRegex(@"^[a-z]+\.(?<language>[a-z]{2})\.txt$", RegexOptions.CultureInvariant)]
    private static partial Regex FileName();
}

/// <summary>The pages' words in one language.</summary>
/// <param name="words">By key.</param>
/// <param name="language">Its dates and amounts.</param>
/// <param name="code">Such as <c>fr</c>.</param>
internal sealed class OpsWords(FrozenDictionary<string, string> words, Language language, string code)
{
    /// <summary>Dates and amounts.</summary>
    public Language Language { get; } = language;

    /// <summary>Such as <c>fr</c>.</summary>
    public string Code { get; } = code;

    /// <summary>The text of a key that may not be there, such as of a code that a gateway has made up since.</summary>
    public string? Find(string key) => words.ContainsKey(key) ? this[key] : null;

    /// <summary>The text of a key, with its values.</summary>
    /// <exception cref="KeyNotFoundException">There is no such key.</exception>
    public string this[string key, params (string Slot, string Value)[] values] => Language.Typeset(Mail.Language.Fill(words, key, values));
}
