using System.Collections.Immutable;
using Dunning.Mail;
using Dunning.Model;

namespace Dunning.Documents;

/// <summary>The documents that go with mails.</summary>
public interface IDocuments
{
    /// <summary>
    /// The documents that a mail carries, in one of the mails' languages; none for most mails, a digest those of all that it tells. They are made and stored the first time, and the same
    /// files from then on.
    /// </summary>
    Task<ImmutableArray<MailAttachment>> ForMailAsync(AccountFile account, Model.Mail mail, string language, CancellationToken ct);
}
