using System.Collections.Immutable;
using Dunning.Model;
using Dunning.Ports;

namespace Dunning.Mail;

/// <summary>Accepts every mail and sends none: for simulations.</summary>
public sealed class SinkMailer : IMailer
{
    /// <inheritdoc/>
    public Task<ImmutableArray<DeliveryResult>> DeliverAsync(AccountFile account, Model.Mail mail, CancellationToken ct) =>
        Task.FromResult(mail.Recipients.Where(r => r.State == DeliveryState.Pending)
            .Select(r => new DeliveryResult(r.Contact, DeliveryVerdict.Accepted, null)).ToImmutableArray());
}
