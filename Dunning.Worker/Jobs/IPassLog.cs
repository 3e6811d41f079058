using Dunning.Passes;
using NodaTime;

namespace Dunning.Jobs;

/// <summary>What came of a run.</summary>
public enum PassOutcome
{
    /// <summary>All that was due.</summary>
    Done = 1,

    /// <summary>All but accounts that were left as they were.</summary>
    Faults,

    /// <summary>It failed as a whole.</summary>
    Failed,

    /// <summary>The gateway refuses this installation's requests.</summary>
    Refused,

    /// <summary>The rest is the next tick's.</summary>
    OutOfTime,

    /// <summary>The service stopped.</summary>
    Stopped,

    /// <summary>This server may not work: it has other settings than the database, or an operator must confirm the database.</summary>
    Blocked,
}

/// <summary>A run that has ended.</summary>
/// <param name="Pass">Which.</param>
/// <param name="StartedAt">When it began.</param>
/// <param name="Duration">How long it took.</param>
/// <param name="Outcome">What came of it.</param>
/// <param name="Report">What it did; null: it failed as a whole, or was not let.</param>
/// <param name="Error">The class of what went wrong, never its message; of a refusal the codes that the gateway answered.</param>
public sealed record EndedPass(PassKind Pass, Instant StartedAt, TimeSpan Duration, PassOutcome Outcome, PassReport? Report, string? Error);

/// <summary>Where runs are written down, for all servers to see. Nothing thrown: a pass never fails for it.</summary>
public interface IPassLog
{
    /// <summary>A run begins.</summary>
    Task BeginAsync(PassKind pass, Instant startedAt, CancellationToken ct);

    /// <summary>It has ended.</summary>
    Task EndAsync(EndedPass run);
}
