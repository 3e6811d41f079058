using System.Collections.Frozen;
using System.Collections.Immutable;
using Dunning.Mail;

namespace Dunning.Pay;

/// <summary>
/// What the pages behind the links say: files <c>Texts/LANGUAGE.txt</c> in this assembly. A mail language that has none here gets the fallback's words, with
/// its own dates and amounts. Checked as a whole when they are loaded.
/// </summary>
public sealed class PayTexts
{
    private const string Prefix = "Pay/Texts/";

    private readonly FrozenDictionary<string, FrozenDictionary<string, string>> _languages;

    private PayTexts(FrozenDictionary<string, FrozenDictionary<string, string>> languages) => _languages = languages;

    /// <summary>Codes of the languages there are.</summary>
    public IEnumerable<string> Languages => _languages.Keys.Order(StringComparer.Ordinal);

    /// <summary>Reads the texts of this assembly.</summary>
    /// <exception cref="InvalidOperationException">They have faults; the message names all of them.</exception>
    public static PayTexts Load()
    {
        var assembly = typeof(PayTexts).Assembly;
        var files = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var name in assembly.GetManifestResourceNames().Where(n => n.StartsWith(Prefix, StringComparison.Ordinal)))
        {
            using var reader = new StreamReader(assembly.GetManifestResourceStream(name)!);
            files.Add(name[Prefix.Length..^".txt".Length], reader.ReadToEnd());
        }
        var (texts, faults) = Read(files);
        return texts ?? throw new InvalidOperationException("The pages' texts have faults:\n" + string.Join('\n', faults));
    }

    /// <summary>Reads texts by language. Each has the fallback's keys with the fallback's slots. Returns them or every fault.</summary>
    public static (PayTexts? Texts, ImmutableArray<string> Faults) Read(IReadOnlyDictionary<string, string> files)
    {
        var faults = new List<string>();
        var languages = new Dictionary<string, FrozenDictionary<string, string>>(StringComparer.Ordinal);
        foreach (var (code, text) in files)
        {
            var words = new Dictionary<string, string>(StringComparer.Ordinal);
            foreach (var line in text.ReplaceLineEndings("\n").Split('\n').Where(l => l.Trim().Length > 0 && l[0] != '#'))
            {
                var equals = line.IndexOf(" = ", StringComparison.Ordinal);
                if (equals < 0 || !words.TryAdd(line[..equals], Language.Unescape(line[(equals + 3)..])))
                {
                    faults.Add($"{code}.txt: '{line}' is no new 'key = value'");
                }
            }
            languages[code] = words.ToFrozenDictionary(StringComparer.Ordinal);
        }
        var model = languages[MailTexts.FallbackLanguage];
        foreach (var (code, words) in languages)
        {
            faults.AddRange(model.Keys.Where(k => !words.ContainsKey(k)).Select(k => $"{code}.txt: {k} is missing"));
            faults.AddRange(words.Keys.Where(k => !model.ContainsKey(k)).Select(k => $"{code}.txt: {k} is unknown"));
            faults.AddRange(words.Where(w => model.TryGetValue(w.Key, out var told) && !SlotsOf(told).SetEquals(SlotsOf(w.Value)))
                .Select(w => $"{code}.txt: {w.Key} must have the slots of {MailTexts.FallbackLanguage}.txt: {string.Join(' ', SlotsOf(model[w.Key]))}"));
        }
        return faults.Count == 0 ? (new PayTexts(languages.ToFrozenDictionary(StringComparer.Ordinal)), []) : (null, [.. faults.Order(StringComparer.Ordinal)]);
    }

    /// <summary>The words for readers of a mail language.</summary>
    public PayWords In(Language language) => _languages.TryGetValue(language.Code, out var words)
        ? new PayWords(words, language, language.Code) : new PayWords(_languages[MailTexts.FallbackLanguage], language, MailTexts.FallbackLanguage);

    private static HashSet<string> SlotsOf(string text) => Language.Slot().Matches(text).Select(m => m.Groups[1].Value).ToHashSet(StringComparer.Ordinal);
}

/// <summary>The words of the pages in one language.</summary>
/// <param name="words">By key.</param>
/// <param name="language">Its dates and amounts.</param>
/// <param name="code">The language of the words.</param>
public sealed class PayWords(FrozenDictionary<string, string> words, Language language, string code)
{
    /// <summary>Dates, amounts and cards.</summary>
    public Language Language { get; } = language;

    /// <summary>The language of the words, such as <c>fr</c>.</summary>
    public string Code { get; } = code;

    /// <summary>The text of a key, with its values.</summary>
    public string this[string key, params (string Slot, string Value)[] values] => Language.Typeset(Mail.Language.Fill(words, key, values));
}
