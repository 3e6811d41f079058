using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Globalization;
using System.Text.RegularExpressions;
using Dunning.Mail;

namespace Dunning.Documents;

/// <summary>
/// The words of documents in every language: files <c>Texts/LANGUAGE.txt</c> in this assembly, for each of the mails' languages. Checked as a whole
/// when they are loaded.
/// </summary>
public sealed partial class DocumentTexts
{
    private const string Prefix = "Documents/Texts/";

    // Every key, with the slots that its text must have.
    private static readonly FrozenDictionary<string, string> s_needed = new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["rate"] = "number", ["file.invoice"] = "number", ["file.receipt"] = "number", ["file.credit_note"] = "number", ["page"] = "page pages",
        ["of"] = "date number", ["capital"] = "capital", ["siren"] = "number", ["vat"] = "number", ["status.paid"] = "date", ["status.paid_card"] = "card date",
        ["status.paid_credit"] = "date", ["status.carried"] = "amount", ["status.due"] = "amount", ["credit_note.reason"] = "date number",
        ["credit_note.credit"] = "amount",
    }.Concat(
        ("decimal title.invoice title.receipt title.credit_note number issued period due cancels seller buyer description quantity unit_price vat_rate net "
        + "vat_by_rate base vat_amount subtotal tax total credit_applied carried_in carried_out paid amount_due credited mention.reverse_charge mention.export nature terms penalties "
        + "recovery receipt.notice receipt.amount receipt.invoice receipt.date receipt.method receipt.method_unknown receipt.method_credit receipt.plan "
        + "einvoice.description").Split(' ').Select(k => KeyValuePair.Create(k, ""))).ToFrozenDictionary(StringComparer.Ordinal);

    private readonly FrozenDictionary<string, DocumentWords> _languages;

    private DocumentTexts(FrozenDictionary<string, DocumentWords> languages) => _languages = languages;

    /// <summary>Reads the texts of this assembly.</summary>
    /// <exception cref="InvalidOperationException">They have faults; the message names all of them.</exception>
    public static DocumentTexts Load(MailTexts mails)
    {
        var assembly = typeof(DocumentTexts).Assembly;
        var files = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var name in assembly.GetManifestResourceNames().Where(n => n.StartsWith(Prefix, StringComparison.Ordinal)))
        {
            using var reader = new StreamReader(assembly.GetManifestResourceStream(name)!);
            files.Add(name[Prefix.Length..^".txt".Length], reader.ReadToEnd());
        }
        var (texts, faults) = Read(files, mails);
        return texts ?? throw new InvalidOperationException("The documents' texts have faults:\n" + string.Join('\n', faults));
    }

    /// <summary>Reads texts by language. Returns them or every fault.</summary>
    public static (DocumentTexts? Texts, ImmutableArray<string> Faults) Read(IReadOnlyDictionary<string, string> files, MailTexts mails)
    {
        var faults = mails.Languages.Where(l => !files.ContainsKey(l)).Select(l => $"Documents/Texts/{l}.txt is missing").ToList();
        var languages = new Dictionary<string, DocumentWords>(StringComparer.Ordinal);
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
            faults.AddRange(s_needed.Keys.Where(k => !words.ContainsKey(k)).Select(k => $"{code}.txt: {k} is missing"));
            faults.AddRange(words.Keys.Where(k => !s_needed.ContainsKey(k) && !CountryKey().IsMatch(k)).Select(k => $"{code}.txt: {k} is unknown"));
            faults.AddRange(words.Where(w => SlotsOf(w.Value) != s_needed.GetValueOrDefault(w.Key, ""))
                .Select(w => $"{code}.txt: {w.Key} has the slots '{SlotsOf(w.Value)}', but must have '{s_needed.GetValueOrDefault(w.Key, "")}'"));
            languages[code] = new DocumentWords(words.ToFrozenDictionary(StringComparer.Ordinal), mails.LanguageFor(code));
        }
        return faults.Count == 0 ? (new DocumentTexts(languages.ToFrozenDictionary(StringComparer.Ordinal)), []) : (null, [.. faults]);
    }

    /// <summary>The words of one of the mails' languages.</summary>
    public DocumentWords In(Language language) => _languages[language.Code];

    private static string SlotsOf(string text) =>
        string.Join(' ', Language.Slot().Matches(text).Select(m => m.Groups[1].Value).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal));

    [GeneratedRegex(@"^country\.[A-Z]{2}$", RegexOptions.CultureInvariant)]
    private static partial Regex CountryKey();
}

/// <summary>The words of documents in one language.</summary>
public sealed class DocumentWords
{
    private readonly FrozenDictionary<string, string> _words;

    internal DocumentWords(FrozenDictionary<string, string> words, Language language) => (_words, Language) = (words, language);

    /// <summary>Its dates and amounts.</summary>
    public Language Language { get; }

    /// <summary>The text of a key, with its values, and with unbreakable spaces where typography wants them.</summary>
    public string this[string key, params (string Slot, string Value)[] values] => Language.Typeset(Mail.Language.Fill(_words, key, values));

    /// <summary>A country's name; its code where there is none.</summary>
    public string Country(string code) => _words.GetValueOrDefault("country." + code, code);

    /// <summary>A rate of basis points, such as <c>5,5 %</c>.</summary>
    public string Rate(int basisPoints) => this["rate", ("number",
        (basisPoints / 100m).ToString("0.##", CultureInfo.InvariantCulture).Replace(".", _words["decimal"], StringComparison.Ordinal))];
}
