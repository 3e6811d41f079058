using Dunning.Hosting;

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
        try
        {
            Directory.CreateDirectory(folder);
            await WholeFile.WriteAsync(Path.Combine(folder, message.Key + ".eml"), MessageWriter.Write(message), CancellationToken.None).ConfigureAwait(false);
            return Delivery.Accepted;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Delivery.Deferred($"the pickup directory could not be written: {e.GetType().Name}");
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
