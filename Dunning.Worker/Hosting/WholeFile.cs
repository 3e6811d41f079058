namespace Dunning.Hosting;

/// <summary>Writes a file that appears whole or not at all: beside its place first, then renamed. One that stood there stays until then.</summary>
public static class WholeFile
{
    /// <summary>Writes it, and returns what the writer returns. The folder must be there.</summary>
    /// <exception cref="IOException">It can't be written.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be.</exception>
    public static async Task<T> WriteAsync<T>(string path, Func<Stream, Task<T>> write)
    {
        var (folder, name) = (Path.GetDirectoryName(Path.GetFullPath(path))!, Path.GetFileName(path));
        var draft = Path.Combine(folder, $".{name}.{Path.GetRandomFileName()}.tmp");
        try
        {
            T result;
            var file = new FileStream(draft, FileMode.CreateNew, FileAccess.Write, FileShare.None);
            await using (file.ConfigureAwait(false))
            {
                result = await write(file).ConfigureAwait(false);
                file.Flush(flushToDisk: true); // before the rename: after a power cut there is no empty file
            }
            File.Move(draft, path, overwrite: true);
            return result;
        }
        catch
        {
            TryDelete(draft);
            throw;
        }
    }

    /// <summary>Writes these bytes, and returns how many.</summary>
    /// <inheritdoc cref="WriteAsync{T}(string, Func{Stream, Task{T}})"/>
    public static Task<int> WriteAsync(string path, ReadOnlyMemory<byte> content, CancellationToken ct) => WriteAsync(path, async file =>
    {
        await file.WriteAsync(content, ct).ConfigureAwait(false);
        return content.Length;
    });

    private static void TryDelete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The disk is what failed: nobody takes a draft for the file, so it may stay.
        }
    }
}
