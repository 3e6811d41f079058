using System.ComponentModel;
using Dunning.Passes;

namespace Dunning.Jobs;

/// <summary>
/// What a recurring job calls. It carries nothing: what is due stands in the database, so a late, doubled or lost trigger harms nothing. The names of
/// the classes below stand in job stores, and so stay as they are.
/// </summary>
public interface IPassJob
{
    /// <summary>Runs the pass, unless it runs in this process already.</summary>
    Task RunAsync(CancellationToken ct);
}

/// <summary>Learns the outcome of charges whose answer was lost.</summary>
public sealed class ReconcileJob(PassWorker worker) : IPassJob
{
    [DisplayName("Reconcile")]
    public Task RunAsync(CancellationToken ct) => worker.RunAsync(PassKind.Reconcile, ct);
}

/// <summary>Renews what has come to its boundary, and charges for it.</summary>
public sealed class RenewJob(PassWorker worker) : IPassJob
{
    [DisplayName("Renew")]
    public Task RunAsync(CancellationToken ct) => worker.RunAsync(PassKind.Renew, ct);
}

/// <summary>Takes dunning cases on by the step that is due.</summary>
public sealed class DunJob(PassWorker worker) : IPassJob
{
    [DisplayName("Dun")]
    public Task RunAsync(CancellationToken ct) => worker.RunAsync(PassKind.Dun, ct);
}

/// <summary>Ends temporary access.</summary>
public sealed class EndAccessJob(PassWorker worker) : IPassJob
{
    [DisplayName("End access")]
    public Task RunAsync(CancellationToken ct) => worker.RunAsync(PassKind.EndAccess, ct);
}

/// <summary>Purges suspended accounts whose time has come.</summary>
public sealed class PurgeJob(PassWorker worker) : IPassJob
{
    [DisplayName("Purge")]
    public Task RunAsync(CancellationToken ct) => worker.RunAsync(PassKind.Purge, ct);
}

/// <summary>Decides the reminders that are due.</summary>
public sealed class RemindJob(PassWorker worker) : IPassJob
{
    [DisplayName("Remind")]
    public Task RunAsync(CancellationToken ct) => worker.RunAsync(PassKind.Remind, ct);
}

/// <summary>Delivers the mails that wait.</summary>
public sealed class MailJob(PassWorker worker) : IPassJob
{
    [DisplayName("Mail")]
    public Task RunAsync(CancellationToken ct) => worker.RunAsync(PassKind.Mail, ct);
}

/// <summary>Which class is which pass.</summary>
internal static class PassJobs
{
    /// <summary>The job's name in a store: the pass's, in lower case.</summary>
    public static string NameOf(PassKind pass) => pass.ToString().ToLowerInvariant();

    /// <summary>The pass's job class.</summary>
    public static Type TypeOf(PassKind pass) => pass switch
    {
        PassKind.Reconcile => typeof(ReconcileJob),
        PassKind.Renew => typeof(RenewJob),
        PassKind.Dun => typeof(DunJob),
        PassKind.EndAccess => typeof(EndAccessJob),
        PassKind.Purge => typeof(PurgeJob),
        PassKind.Remind => typeof(RemindJob),
        PassKind.Mail => typeof(MailJob),
        PassKind.All => throw new ArgumentException("'all' is no job: its passes are", nameof(pass)),
    };
}
