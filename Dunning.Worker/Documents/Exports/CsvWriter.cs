using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Dunning.Model;

namespace Dunning.Documents.Exports;

/// <summary>
/// Rows as CSV by RFC 4180, as spreadsheets open it right: UTF-8 with its mark, and a decimal comma unless the comma parts the cells. A text that a
/// spreadsheet would run as a formula gets an apostrophe before it.
/// </summary>
internal sealed partial class CsvWriter(Stream stream, char separator) : IAsyncDisposable
{
    /// <summary>What a spreadsheet in French parts cells by.</summary>
    public const char DefaultSeparator = ';';

    private readonly StreamWriter _writer = new(stream, new UTF8Encoding(encoderShouldEmitUTF8Identifier: true), 1 << 16, leaveOpen: true) { NewLine = "\r\n" };
    private readonly char _point = separator == ',' ? '.' : ',';

    /// <summary>A row of cells as they are, such as those below give them.</summary>
    public Task RowAsync(params string[] cells) => _writer.WriteLineAsync(string.Join(separator, cells));

    /// <summary>A text from outside; empty for null.</summary>
    public string Text(string? text)
    {
        // Also behind blanks, which spreadsheets pass over, and in the wide forms that some take for the same.
        var safe = text is not null && text.AsSpan().TrimStart() is [('=' or '+' or '-' or '@' or '＝' or '＋' or '－' or '＠'), ..] || text is ['\t' or '\r' or '\n', ..]
            ? "'" + text : text ?? "";
        // And within the text, where whoever opens the file with another separator has a new cell begin.
        safe = CellWithin().Replace(safe, "$1'");
        return safe.AsSpan().IndexOfAny($"{separator}\"\r\n") < 0 ? safe : $"\"{safe.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
    }

    /// <summary>An amount in the currency's unit, without the currency.</summary>
    public string Amount(long minor, Currency currency) => Decimal(minor, currency.Digits);

    /// <summary>A rate in percent.</summary>
    public string Percent(int basisPoints) => Decimal(basisPoints, 2);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _writer.DisposeAsync();

    [GeneratedRegex(@"(?<!^'\s*)([,;\t\r\n])(?=\s*[=+\-@＝＋－＠])", RegexOptions.CultureInvariant)]
    private static partial Regex CellWithin();

    private string Decimal(long value, int digits)
    {
        var text = Int128.Abs(value).ToString(CultureInfo.InvariantCulture).PadLeft(digits + 1, '0');
        return (value < 0 ? "-" : "") + (digits == 0 ? text : $"{text[..^digits]}{_point}{text[^digits..]}");
    }
}
