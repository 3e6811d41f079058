using System.Buffers;
using System.Security.Cryptography;
using System.Text;

namespace Dunning.Books;

/// <summary>
/// Reads a file line by line in flat memory: one buffer that grows to the longest allowed line. Line breaks are LF or CR LF; a byte order
/// mark at the start is left out.
/// </summary>
internal sealed class Utf8Lines(Stream stream) : IDisposable
{
    /// <summary>The longest line of accounts, actions or events.</summary>
    public const int MaxLineBytes = 1 << 20;

    private static readonly byte[] ByteOrderMark = [0xEF, 0xBB, 0xBF];

    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private byte[] _buffer = ArrayPool<byte>.Shared.Rent(1 << 16);
    private int _start;
    private int _next;
    private int _end;
    private bool _ended;

    /// <summary>Number of the line, from 1.</summary>
    public int Number { get; private set; }

    /// <summary>Byte of the file at which <see cref="Line"/> starts.</summary>
    public long Offset { get; private set; }

    /// <summary>The line without its break; valid until the next read. Empty when it is too long.</summary>
    public ReadOnlyMemory<byte> Line { get; private set; }

    /// <summary>The line is longer than <see cref="MaxLineBytes"/> and was passed over.</summary>
    public bool IsTooLong { get; private set; }

    /// <summary>Bytes read so far.</summary>
    public long Length { get; private set; }

    /// <summary>SHA-256 of the whole file, once all lines are read.</summary>
    public byte[] Hash() => _hash.GetHashAndReset();

    /// <summary>Goes to the next line. False: there is none.</summary>
    public async ValueTask<bool> ReadAsync(CancellationToken ct)
    {
        _start = _next;
        Offset = Length - (_end - _start);
        Number++;
        IsTooLong = false;
        var searched = 0;
        while (true)
        {
            var found = _buffer.AsSpan(_start + searched, _end - _start - searched).IndexOf((byte)'\n');
            if (found >= 0)
            {
                Take(searched + found, breakLength: 1);
                return true;
            }
            searched = _end - _start;
            if (_ended)
            {
                Take(searched, breakLength: 0);
                return searched > 0 || IsTooLong;
            }
            if (searched > MaxLineBytes + 2)
            {
                // The rest is read and thrown away, so that the lines after it keep their numbers.
                IsTooLong = true;
                _start = _end = searched = 0;
            }
            await FillAsync(ct);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = [];
        _hash.Dispose();
        stream.Dispose();
    }

    /// <summary>Index of the first byte that is not UTF-8, or -1.</summary>
    public static int FirstInvalid(ReadOnlySpan<byte> bytes)
    {
        if (System.Text.Unicode.Utf8.IsValid(bytes))
        {
            return -1;
        }
        var at = 0;
        while (Rune.DecodeFromUtf8(bytes[at..], out _, out var consumed) == OperationStatus.Done)
        {
            at += consumed;
        }
        return at;
    }

    private void Take(int length, int breakLength)
    {
        _next = _start + length + breakLength;
        var line = _buffer.AsMemory(_start, length);
        if (length > 0 && line.Span[^1] == '\r')
        {
            line = line[..^1];
        }
        if (Number == 1 && line.Span.StartsWith(ByteOrderMark))
        {
            line = line[ByteOrderMark.Length..];
            Offset += ByteOrderMark.Length;
        }
        IsTooLong |= line.Length > MaxLineBytes;
        Line = IsTooLong ? default : line;
    }

    private async ValueTask FillAsync(CancellationToken ct)
    {
        if (_start > 0)
        {
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            (_start, _end) = (0, _end - _start);
        }
        if (_end == _buffer.Length)
        {
            var larger = ArrayPool<byte>.Shared.Rent(_buffer.Length * 2);
            _buffer.AsSpan(0, _end).CopyTo(larger);
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = larger;
        }
        var read = await stream.ReadAsync(_buffer.AsMemory(_end), ct);
        _ended = read == 0;
        _hash.AppendData(_buffer, _end, read);
        _end += read;
        Length += read;
    }
}
