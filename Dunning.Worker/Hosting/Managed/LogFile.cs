namespace Dunning.Hosting.Managed;

/// <summary>The log of a service that has no console. A file that is full is put aside between two lines, as <c>FILE.1</c>; as many as are kept become <c>.2</c>, <c>.3</c> and so on.</summary>
internal sealed class LogFile : Stream
{
    private readonly Lock _lock = new();
    private readonly string _path;
    private readonly long _size;
    private readonly int _kept;
    private FileStream? _file;
    private long _limit;
    private bool _isBetweenLines;

    /// <summary>Goes on with the file of a path.</summary>
    /// <param name="path">The file.</param>
    /// <param name="size">From how many bytes on it is full.</param>
    /// <param name="kept">How many full ones are kept.</param>
    public LogFile(string path, long size = 10_000_000, int kept = 9)
    {
        (_path, _size, _kept, _limit, _isBetweenLines) = (path, size, kept, size, true);
        _file = Open();
    }

    /// <inheritdoc/>
    public override bool CanRead => false;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override bool CanWrite => true;

    /// <inheritdoc/>
    public override long Length => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <summary>Another writer to this file.</summary>
    public TextWriter Writer() => TextWriter.Synchronized(new StreamWriter(this, leaveOpen: true) { AutoFlush = true });

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    /// <inheritdoc/>
    public override void Write(ReadOnlySpan<byte> buffer)
    {
        if (buffer.IsEmpty)
        {
            return;
        }
        lock (_lock)
        {
            try
            {
                if (_isBetweenLines && _file is { Length: > 0 } full && full.Length + buffer.Length > _limit)
                {
                    PutAside(full);
                }
                (_file ??= Open()).Write(buffer);
                _isBetweenLines = buffer[^1] == (byte)'\n';
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // A full disk costs lines of the log, not the service.
            }
        }
    }

    /// <inheritdoc/>
    public override void Flush()
    {
    }

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _file?.Dispose();
        }
        base.Dispose(disposing);
    }

    private void PutAside(FileStream full)
    {
        full.Dispose();
        _file = null;
        try
        {
            for (var number = _kept; number > 0; number--)
            {
                var younger = number == 1 ? _path : FormattableString.Invariant($"{_path}.{number - 1}");
                if (File.Exists(younger))
                {
                    File.Move(younger, FormattableString.Invariant($"{_path}.{number}"), overwrite: true);
                }
            }
            _limit = _size;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Somebody holds one of them: tried again when it has grown by as much.
            _limit += _size;
        }
    }

    // Unbuffered, so that nothing is lost when the process ends; who reads it may, and it can be put aside meanwhile.
    private FileStream Open() => new(_path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
}
