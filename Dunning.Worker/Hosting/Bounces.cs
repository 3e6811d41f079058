using System.Globalization;
using Dunning.Events;
using Dunning.Mail;
using Dunning.Passes;
using Dunning.Postgres;

namespace Dunning.Hosting;

/// <summary>What a file that should be a delivery status notification came to.</summary>
public enum BounceVerdict
{
    /// <summary>A contact was marked as bouncing.</summary>
    Marked,

    /// <summary>The contact was marked already, or gets no mail any more: nothing to do.</summary>
    Known,

    /// <summary>It says nothing against an address: a delay, a delivery, or a complaint about the message or about us.</summary>
    Harmless,

    /// <summary>It is about no mail that was sent from here to that address.</summary>
    NotOurs,

    /// <summary>It is no delivery status notification.</summary>
    NoReport,
}

/// <summary>What came of one notification.</summary>
/// <param name="Verdict">The most that came of it.</param>
/// <param name="Decision">Where a contact was marked: the decision.</param>
/// <param name="Says">For operators: without addresses.</param>
public sealed record BounceResult(BounceVerdict Verdict, Decision? Decision, string Says);

/// <summary>
/// Takes in delivery status notifications. Anybody can write one, so only one that returns a message's Message-ID counts, which nobody but its
/// recipient knows, and only against the contact that message went to.
/// </summary>
public sealed class Bounces(Engine engine)
{
    /// <summary>Where files go that were of no use, below the folder.</summary>
    public const string UnusedFolder = "unused";

    // A mail server may still be writing it, where it does not rename it into its place.
    private static readonly TimeSpan s_settled = TimeSpan.FromSeconds(2);

    /// <summary>Decides on one message.</summary>
    public async Task<BounceResult> TakeAsync(ReadOnlyMemory<byte> message, CancellationToken ct)
    {
        if (DeliveryReport.Read(message.Span) is not { } report)
        {
            return new BounceResult(BounceVerdict.NoReport, null, "no delivery status notification");
        }
        if (report.Recipients.FirstOrDefault(r => r.IsAboutAddress) is not { } failed)
        {
            var first = report.Recipients[0];
            return new BounceResult(BounceVerdict.Harmless, null, $"says nothing against the address ({first.Action} {first.Status})");
        }
        var sent = await new PostgresOutbox(engine.Database.Source).SentToAsync([.. report.Recipients.SelectMany(r => r.Addresses), .. report.To], ct);
        if (sent.FirstOrDefault(s => report.Keys.Contains(MessageKey.Of(engine.Installation, s.AccountId, s.Mail, s.Contact), StringComparer.Ordinal)) is not { } found)
        {
            return new BounceResult(BounceVerdict.NotOurs, null, "returns no mail that was sent from here to that address");
        }
        var decision = await engine.BouncedAsync(found.AccountId, found.Contact, failed.Status + " reported", ct);
        var isNew = decision.Events.Any(e => e.Type == EventTypes.ContactBouncing);
        var whose = string.Create(CultureInfo.InvariantCulture, $"account {found.AccountId}, contact {found.Contact}, mail {found.Mail.Number}: {failed.Status}");
        return new BounceResult(isNew ? BounceVerdict.Marked : BounceVerdict.Known, decision, isNew ? whose : whose + ", known already");
    }

    /// <summary>
    /// Takes in every file of a folder, and of its <c>new</c> and <c>cur</c> where it is a Maildir. What was of use is deleted, as the mark is its
    /// record; the rest is kept in <see cref="UnusedFolder"/>, for people.
    /// </summary>
    public async Task TakeFolderAsync(string folder, TimeProvider time, Action<BounceResult, string> tell, CancellationToken ct)
    {
        foreach (var path in ((string[])[folder, Path.Combine(folder, "new"), Path.Combine(folder, "cur")]).Where(Directory.Exists)
            .SelectMany(Directory.EnumerateFiles).Order(StringComparer.Ordinal).ToList())
        {
            if (ct.IsCancellationRequested)
            {
                return;
            }
            var file = new FileInfo(path);
            if (file.Name.StartsWith('.') || time.GetUtcNow().UtcDateTime - file.LastWriteTimeUtc < s_settled)
            {
                continue;
            }
            try
            {
                var result = await TakeAsync(file.Length > DeliveryReport.MaxBytes ? default : await File.ReadAllBytesAsync(path, ct), ct);
                tell(result, file.Name);
                if (result.Verdict is BounceVerdict.Marked or BounceVerdict.Known or BounceVerdict.Harmless)
                {
                    file.Delete();
                }
                else
                {
                    Keep(file, Directory.CreateDirectory(Path.Combine(folder, UnusedFolder)).FullName);
                }
            }
            catch (FileNotFoundException)
            {
                // Another server was quicker.
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // It stays where it is, and holds up no other.
                tell(new BounceResult(BounceVerdict.NoReport, null, $"can't be read or put away: {e.GetType().Name}"), file.Name);
            }
        }
    }

    // Under its name, or the next that is free: nothing is lost.
    private static void Keep(FileInfo file, string folder)
    {
        for (var (path, n) = (Path.Combine(folder, file.Name), 2); ; path = Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"{file.Name}.{n++}")))
        {
            if (!File.Exists(path))
            {
                file.MoveTo(path);
                return;
            }
        }
    }
}
