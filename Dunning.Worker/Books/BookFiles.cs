using System.Globalization;

namespace Dunning.Books;

/// <summary>Opens the files of a book; what the file system says is a fault like any other.</summary>
internal static class BookFiles
{
    /// <summary>The largest file that is read as a whole (book.json, plans.json, tax.csv).</summary>
    public const int MaxWholeBytes = 16 << 20;

    /// <summary>Opens a file for one sequential read; null, with its fault, when that can't be done.</summary>
    public static Stream? Open(string path, FaultScope scope)
    {
        try
        {
            return new FileStream(path, new FileStreamOptions
            {
                Access = FileAccess.Read,
                Share = FileShare.Read,
                Options = FileOptions.SequentialScan | FileOptions.Asynchronous,
                BufferSize = 0,
            });
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            if (e is FileNotFoundException or DirectoryNotFoundException)
            {
                scope.AddFile($"is missing: there is no {path}", "put it there, or name another folder");
            }
            else
            {
                scope.AddFile($"can't be read: {e.Message}", "see to its permissions");
            }
            return null;
        }
    }

    /// <summary>Reads a small file as a whole, without a byte order mark and strictly UTF-8.</summary>
    public static async Task<byte[]?> ReadWholeAsync(string path, FaultScope scope, CancellationToken ct)
    {
        if (Open(path, scope) is not { } stream)
        {
            return null;
        }
        await using (stream)
        {
            if (stream.Length > MaxWholeBytes)
            {
                scope.AddFile(string.Create(CultureInfo.InvariantCulture, $"has {stream.Length} bytes, more than {MaxWholeBytes}"),
                    "is it the right file?");
                return null;
            }
            var bytes = new byte[stream.Length];
            await stream.ReadExactlyAsync(bytes, ct);
            if (bytes is [0xEF, 0xBB, 0xBF, ..])
            {
                bytes = bytes[3..];
            }
            if (bytes.AsSpan().Trim(" \t\r\n"u8).IsEmpty)
            {
                scope.AddFile("is empty", "fill it");
                return null;
            }
            var invalid = Utf8Lines.FirstInvalid(bytes);
            if (invalid >= 0)
            {
                AddEncoding(scope, bytes, invalid, LineOf(bytes, invalid), invalid);
                return null;
            }
            return bytes;
        }
    }

    /// <summary>Line of a byte, from 1.</summary>
    public static int LineOf(ReadOnlySpan<byte> bytes, long offset) =>
        1 + bytes[..(int)Math.Min(offset, bytes.Length)].Count((byte)'\n');

    /// <summary>Bytes that are not UTF-8: a file saved in another encoding, or cut.</summary>
    public static void AddEncoding(FaultScope scope, ReadOnlySpan<byte> line, int at, int number, long fileOffset)
    {
        scope.Line = number;
        var utf16 = fileOffset == at && at == 0 && line.Length >= 2 && (line[0], line[1]) is (0xFF, 0xFE) or (0xFE, 0xFF);
        scope.AddBytes(
            string.Create(CultureInfo.InvariantCulture, $"is not UTF-8 at byte {fileOffset} of the file (0x{line[at]:X2})")
                + (utf16 ? ", but UTF-16" : ""),
            "save the file as UTF-8");
    }

    /// <summary>Reads one JSON value that fills a small file.</summary>
    public static async Task<(JsonValue? Value, FaultScope Scope)> ReadJsonAsync(string path, BookFaults faults, CancellationToken ct)
    {
        var name = Path.GetFileName(path);
        var whole = new FaultScope(faults, name);
        if (await ReadWholeAsync(path, whole, ct) is not { } bytes)
        {
            return (null, whole);
        }
        var scope = new FaultScope(faults, name, offset => LineOf(bytes, offset));
        var value = JsonValue.Parse(bytes, out var problem, out var at);
        if (value is null)
        {
            scope.Add(null, null, problem, "mend the JSON there", at);
        }
        return (value, scope);
    }

    /// <summary>
    /// Reads the lines of a JSON Lines file, one object each. Blank lines are passed over. What is broken is a fault and not handed on.
    /// </summary>
    public static bool TryParseLine(Utf8Lines lines, FaultScope scope, out JsonValue? value)
    {
        value = null;
        scope.Line = lines.Number;
        if (lines.IsTooLong)
        {
            scope.AddBytes(string.Create(CultureInfo.InvariantCulture, $"is longer than {Utf8Lines.MaxLineBytes} bytes"),
                "one object a line");
            return false;
        }
        var line = lines.Line.Span;
        var invalid = Utf8Lines.FirstInvalid(line);
        if (invalid >= 0)
        {
            AddEncoding(scope, line, invalid, lines.Number, lines.Offset + invalid);
            return false;
        }
        if (line.Trim(" \t\r"u8).IsEmpty)
        {
            return false;
        }
        value = JsonValue.Parse(line, out var problem, out var at);
        if (value is null)
        {
            scope.AddBytes(string.Create(CultureInfo.InvariantCulture, $"{problem} (byte {at + 1} of the line)"),
                "mend the JSON there; one object a line");
            return false;
        }
        if (value.Kind != JsonKind.Object)
        {
            scope.AddBytes($"must be an object, but is {Given.Value(value)}", "one object a line: {\"…\": …}");
            value = null;
            return false;
        }
        return true;
    }

    private static void AddBytes(this FaultScope scope, string problem, string fix) => scope.Add(null, null, problem, fix);
}
