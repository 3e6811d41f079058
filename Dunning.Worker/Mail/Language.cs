using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.RegularExpressions;
using Dunning.Model;
using Dunning.Time;
using NodaTime;

namespace Dunning.Mail;

/// <summary>
/// How one language writes dates and amounts, and its words for codes: read from the <c>language.txt</c> of its folder, not from the
/// machine's culture data, so that a mail reads the same wherever it is rendered.
/// </summary>
public sealed partial class Language
{
    // What the table of details may hold, in its order; the names of values.
    private static readonly ImmutableArray<string> s_rows = ["amount", "plan", "period", "card"];

    private static readonly ImmutableArray<string> s_needed =
    [
        "months", "date", "month", "time", "period", "period.day", "period.open", "decimal", "group", "amount.symbol", "amount.code",
        "card.full", "card.number", "nobreak.before", "nobreak.after",
        "hello", "hello.nobody", "todo.link", "todo.signin", "todo.signin.nobody", "questions.reply", "questions.address", "questions.page",
        "item", "row", .. s_rows.Select(r => "row." + r),
        .. DeclineWords.Keys.Select(k => "reason." + k), .. MailActs.Keys.Select(k => "act." + k),
    ];

    // Brands as gateways name them, and as their owners write them; the same in every language that has no word of its own.
    private static readonly FrozenDictionary<string, string> s_brands = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase)
    {
        ["visa"] = "Visa",
        ["mastercard"] = "Mastercard",
        ["amex"] = "American Express",
        ["american_express"] = "American Express",
        ["diners"] = "Diners Club",
        ["discover"] = "Discover",
        ["jcb"] = "JCB",
        ["unionpay"] = "UnionPay",
    }.ToFrozenDictionary(StringComparer.OrdinalIgnoreCase);

    private readonly FrozenDictionary<string, string> _words;
    private readonly ImmutableArray<string> _months;
    private readonly ImmutableArray<(string Breakable, string Unbreakable)> _marks;

    private Language(string code, FrozenDictionary<string, string> words, ImmutableArray<string> months)
    {
        Code = code;
        _words = words;
        _months = months;
        _marks =
        [
            .. words["nobreak.before"].Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(m => (" " + m, "\u00A0" + m)),
            .. words["nobreak.after"].Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(m => (m + " ", m + "\u00A0")),
        ];
    }

    /// <summary>Such as <c>fr</c>.</summary>
    public string Code { get; }

    /// <summary>
    /// Reads a <c>language.txt</c>: lines <c>key = value</c>, comments after <c>#</c>. Returns the language or every fault, each with
    /// <paramref name="path"/> and line.
    /// </summary>
    public static (Language? Language, ImmutableArray<string> Faults) Read(string code, string text, string path)
    {
        var faults = ImmutableArray.CreateBuilder<string>();
        var words = new Dictionary<string, string>(StringComparer.Ordinal);
        var lineOf = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var (at, line) in text.ReplaceLineEndings("\n").Split('\n').Index().Where(l => l.Item.Trim().Length > 0 && l.Item[0] != '#'))
        {
            var (key, equals) = (line.Split('=')[0].Trim(), line.IndexOf('=', StringComparison.Ordinal));
            if (equals < 0 || !words.TryAdd(key, Unescape(line[(equals + 1)..].Trim(' '))))
            {
                Fault(at + 1, $"'{line}' is no new 'key = value'");
                continue;
            }
            lineOf.Add(key, at + 1);
        }
        faults.AddRange(s_needed.Where(k => !words.ContainsKey(k)).Select(k => $"{path}: {k} is missing"));
        foreach (var key in words.Keys)
        {
            if (!s_needed.Contains(key, StringComparer.Ordinal) && !OptionalKey().IsMatch(key))
            {
                Fault(lineOf[key], key + " is unknown");
            }
            foreach (var slot in Slot().Matches(words[key]).Select(m => m.Groups[1].Value).Where(s => !SlotsOf(key).Contains(s, StringComparer.Ordinal)))
            {
                Fault(lineOf[key], $"{key} has the unknown {{{slot}}}");
            }
        }
        var months = words.GetValueOrDefault("months", "").Split(' ').ToImmutableArray();
        if (months.Length != 12 && lineOf.TryGetValue("months", out var monthsAt))
        {
            Fault(monthsAt, "months must be twelve names");
        }
        return faults.Count > 0 ? (null, faults.ToImmutable()) : (new Language(code, words.ToFrozenDictionary(StringComparer.Ordinal), months), []);

        void Fault(int line, string text) => faults.Add(string.Create(CultureInfo.InvariantCulture, $"{path}:{line}: {text}"));
    }

    /// <summary>Such as <c>3 March 2026</c>, <c>1er mars 2026</c>.</summary>
    public string Date(LocalDate date) => Fill("date",
        ("day", _words.GetValueOrDefault("day." + Number(date.Day), Number(date.Day))),
        ("month", _months[date.Month - 1]), ("year", Number(date.Year)));

    /// <summary>Such as <c>March 2026</c>.</summary>
    public string Month(YearMonth month) => Fill("month", ("month", _months[month.Month - 1]), ("year", Number(month.Year)));

    /// <summary>An instant in that zone, which is named: who reads may be elsewhere.</summary>
    public string Time(Instant instant, string zone)
    {
        var local = instant.InZone(ZoneData.Current[zone]).LocalDateTime;
        return Fill("time", ("date", Date(local.Date)),
            ("clock", local.ToString("HH:mm", CultureInfo.InvariantCulture)), ("zone", zone));
    }

    /// <summary>From the first to the last day; <paramref name="end"/> is exclusive, as in the model, and people don't count that way.</summary>
    public string Days(LocalDate start, LocalDate? end)
    {
        var last = end?.PlusDays(-1);
        var key = last is null ? "period.open" : last <= start ? "period.day" : "period";
        return Fill(key, ("from", Date(start)), ("to", last is { } day ? Date(day) : ""));
    }

    /// <summary>Such as <c>€1,014.99</c>, <c>14,99 €</c>, <c>¥7,900</c>, <c>16,745 KWD</c>: as many decimals as the currency has.</summary>
    public string Amount(long minor, Currency currency)
    {
        var digits = Int128.Abs(minor).ToString(CultureInfo.InvariantCulture).PadLeft(currency.Digits + 1, '0');
        var whole = digits[..^currency.Digits];
        var number = new StringBuilder();
        for (var i = 0; i < whole.Length; i++)
        {
            if (i > 0 && (whole.Length - i) % 3 == 0)
            {
                number.Append(_words["group"]);
            }
            number.Append(whole[i]);
        }
        if (currency.Digits > 0)
        {
            number.Append(_words["decimal"]).Append(digits[^currency.Digits..]);
        }
        var symbol = _words.GetValueOrDefault("symbol." + currency.Code);
        return Fill(symbol is null ? "amount.code" : "amount.symbol", ("sign", minor < 0 ? "-" : ""), ("number", number.ToString()),
            ("symbol", symbol ?? ""), ("code", currency.Code));
    }

    /// <summary>Such as <c>Visa ending in 4242</c>; null when nothing is known.</summary>
    public string? Card(string? brand, string? last4)
    {
        var name = OneLine.Of(brand) is not { } known ? null
            : _words.GetValueOrDefault("brand." + known.ToLowerInvariant()) ?? s_brands.GetValueOrDefault(known, known);
        return (name, OneLine.Of(last4)) switch
        {
            (null, null) => null,
            (_, null) => name,
            (null, { } digits) => Fill("card.number", ("last4", digits)),
            (_, { } digits) => Fill("card.full", ("brand", name), ("last4", digits)),
        };
    }

    /// <summary>Why a payment failed, as a sentence for the customer.</summary>
    public string Reason(string code) => _words["reason." + DeclineWords.KeyOf(code)];

    /// <summary>The words of one of <see cref="MailActs"/>.</summary>
    internal string Act(string key) => _words["act." + key];

    /// <summary>How a mail greets.</summary>
    internal string Hello(string? name) => name is null ? _words["hello.nobody"] : Fill("hello", ("name", name));

    /// <summary>The thing to do as a line of text: with its link, or how to get there without one.</summary>
    internal string ToDo(string act, string? link, string? company) =>
        link is not null ? Fill("todo.link", ("act", act), ("link", link))
        : company is not null ? Fill("todo.signin", ("act", act), ("company", company))
        : Fill("todo.signin.nobody", ("act", act));

    /// <summary>Where questions go; null where nobody is there to answer.</summary>
    internal string? Questions(MailLook look, bool canReply) =>
        look.Support is { } support ? Fill(look.SupportIsAddress ? "questions.address" : "questions.page", ("support", support))
        : canReply ? _words["questions.reply"] : null;

    /// <summary>The title of a mail within a digest.</summary>
    internal string Item(string date, string title) => Fill("item", ("date", date), ("title", title));

    /// <summary>The table of details: what is known of it, as label, value, and both as a line of text.</summary>
    internal IEnumerable<(string Label, string Value, string Line)> Rows(IReadOnlyDictionary<string, string?> values) =>
        from name in s_rows
        let value = values[name]
        where !string.IsNullOrEmpty(value)
        let label = _words["row." + name]
        select (label, value, Fill("row", ("label", label), ("value", value)));

    /// <summary>Makes the spaces unbreakable that this language's typography wants so.</summary>
    internal string Typeset(string text)
    {
        foreach (var (mark, unbreakable) in _marks)
        {
            text = text.Replace(mark, unbreakable, StringComparison.Ordinal);
        }
        return text;
    }

    // What a pattern may place, so that a misspelt slot is found at start-up.
    private static ImmutableArray<string> SlotsOf(string key) => key switch
    {
        "date" => ["day", "month", "year"],
        "month" => ["month", "year"],
        "time" => ["date", "clock", "zone"],
        "period" => ["from", "to"],
        "period.day" or "period.open" => ["from"],
        "amount.symbol" => ["sign", "number", "symbol"],
        "amount.code" => ["sign", "number", "code"],
        "card.full" => ["brand", "last4"],
        "card.number" => ["last4"],
        "hello" => ["name"],
        "todo.link" => ["act", "link"],
        "todo.signin" => ["act", "company"],
        "todo.signin.nobody" => ["act"],
        "questions.address" or "questions.page" => ["support"],
        "item" => ["date", "title"],
        "row" => ["label", "value"],
        _ => [],
    };

    private string Fill(string key, params ReadOnlySpan<(string Name, string Value)> values) => Fill(_words, key, values);

    /// <summary>The text of a key, with its values in their slots. In one pass, so that braces in a value stay what they are.</summary>
    internal static string Fill(FrozenDictionary<string, string> words, string key, params ReadOnlySpan<(string Name, string Value)> values)
    {
        var text = words[key].AsSpan();
        var filled = new DefaultInterpolatedStringHandler(0, 0, CultureInfo.InvariantCulture, stackalloc char[256]);
        while (text.IndexOf('{') is var open and >= 0 && text[open..].IndexOf('}') is var length and > 0)
        {
            var name = text.Slice(open + 1, length - 1);
            filled.AppendFormatted(text[..open]);
            filled.AppendFormatted(Find(name, values) ?? text.Slice(open, length + 1).ToString());
            text = text[(open + length + 1)..];
        }
        filled.AppendFormatted(text);
        return filled.ToStringAndClear();

        static string? Find(ReadOnlySpan<char> name, ReadOnlySpan<(string Name, string Value)> values)
        {
            foreach (var (slot, value) in values)
            {
                if (name.SequenceEqual(slot))
                {
                    return value;
                }
            }
            return null;
        }
    }

    private static string Number(int number) => number.ToString(CultureInfo.InvariantCulture);

    /// <summary>A word as it stands in a file, with its \u escapes as the characters that they name.</summary>
    internal static string Unescape(string value) => Escape().Replace(value,
        m => ((char)ushort.Parse(m.Groups[1].Value, NumberStyles.HexNumber, CultureInfo.InvariantCulture)).ToString());

    [GeneratedRegex(@"\{(\w+)\}", RegexOptions.CultureInvariant)]
    internal static partial Regex Slot();

    [GeneratedRegex(@"\\u([0-9A-Fa-f]{4})", RegexOptions.CultureInvariant)]
    private static partial Regex Escape();

    [GeneratedRegex(@"^(symbol\.[A-Z]{3}|brand\.\w+|day\.\d+)$", RegexOptions.CultureInvariant)]
    private static partial Regex OptionalKey();
}
