namespace Dunning.Mail;

/// <summary>
/// Writes each message as a file into a directory from which a mail server, or a person, takes it. The file appears whole or not at all,
/// and a message sent again replaces its own file instead of standing there twice.
/// </summary>
public sealed class PickupTransport(string folder) : IMailTransport
{
    /// <inheritdoc/>
    public async Task<Delivery> SendAsync(OutgoingMessage message, CancellationToken ct)
    {
        if (ct.IsCancellationRequested)
        {
            return Delivery.NoTurn;
        }
        var path = Path.Combine(folder, message.Key + ".eml");
        var draft = Path.Combine(folder, $".{message.Key}.{Path.GetRandomFileName()}.tmp");
        try
        {
            Directory.CreateDirectory(folder);
            var file = new FileStream(draft, FileMode.CreateNew, FileAccess.Write, FileShare.None);
            await using (file.ConfigureAwait(false))
            {
                await file.WriteAsync(MessageWriter.Write(message), CancellationToken.None).ConfigureAwait(false);
                file.Flush(flushToDisk: true); // before the rename: after a power cut there is no empty mail
            }
            File.Move(draft, path, overwrite: true);
            return Delivery.Accepted;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            TryDelete(draft);
            return Delivery.Deferred($"the pickup directory could not be written: {e.GetType().Name}");
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private static void TryDelete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The disk is what failed: nothing picks up a draft, so it may stay.
        }
    }
}
