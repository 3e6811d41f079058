using System.Collections.Immutable;
using Dunning.Documents;
using Dunning.Model;
using Dunning.Ports;
using NodaTime;

namespace Dunning.Mail;

/// <summary>
/// Renders a decided mail and hands each recipient's message over: those that are pending and whose next try has come. One after the other,
/// and each for itself: an address that is refused, or none, holds up nobody else. Whoever had no turn before the end has no result: that was no try,
/// and their message stays due.
/// </summary>
/// <param name="composer">Renders.</param>
/// <param name="transport">Sends.</param>
/// <param name="time">The present.</param>
/// <param name="pace">Spaces what leaves; null: as it comes.</param>
/// <param name="documents">What goes with mails; null: nothing.</param>
/// <param name="atOnce">Messages in the making: some more than leave at once, and not all that a pass has due.</param>
public sealed class Mailer(
    MailComposer composer, IMailTransport transport, TimeProvider time, MailPace? pace = null, IDocuments? documents = null, int atOnce = 16) : IMailer
{
    private readonly SemaphoreSlim _turns = new(atOnce);

    /// <inheritdoc/>
    public async Task<ImmutableArray<DeliveryResult>> DeliverAsync(AccountFile account, Model.Mail mail, CancellationToken ct)
    {
        try
        {
            await _turns.WaitAsync(ct).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            return [];
        }
        try
        {
            return await DeliverInTurnAsync(account, mail, ct).ConfigureAwait(false);
        }
        finally
        {
            _turns.Release();
        }
    }

    private async Task<ImmutableArray<DeliveryResult>> DeliverInTurnAsync(AccountFile account, Model.Mail mail, CancellationToken ct)
    {
        var now = Instant.FromDateTimeOffset(time.GetUtcNow());
        var results = ImmutableArray.CreateBuilder<DeliveryResult>();
        foreach (var recipient in mail.Recipients.Where(r => r.State == DeliveryState.Pending && !(r.NextTryAt > now)))
        {
            if (composer.Compose(account, mail, recipient) is not { } message)
            {
                results.Add(new DeliveryResult(recipient.Contact, DeliveryVerdict.Bounced, "not an address that can get mail"));
                continue;
            }
            // Stopping throws nothing away: what has left so far is reported.
            if (ct.IsCancellationRequested || (pace is not null && !await pace.WaitAsync(ct).ConfigureAwait(false)))
            {
                break;
            }
            var delivery = await SendAsync(account, mail, message, ct).ConfigureAwait(false);
            if (delivery == Delivery.NoTurn)
            {
                break;
            }
            results.Add(new DeliveryResult(recipient.Contact, delivery.Verdict, delivery.Detail, delivery.MayHaveLeft));
        }
        return results.ToImmutable();
    }

    // A mail without its invoice is not what was promised: it waits until the documents can be made. Thrown, it would take with it what has left.
    private async Task<Delivery> SendAsync(AccountFile account, Model.Mail mail, OutgoingMessage message, CancellationToken ct)
    {
        if (documents is not null)
        {
            try
            {
                message = message with { Attachments = await documents.ForMailAsync(account, mail, message.Language, ct).ConfigureAwait(false) };
            }
            catch (OperationCanceledException) when (ct.IsCancellationRequested)
            {
                return Delivery.NoTurn;
            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                return Delivery.Deferred($"its documents could not be made: {e.GetType().Name}");
            }
        }
        return await transport.SendAsync(message, ct).ConfigureAwait(false);
    }
}
