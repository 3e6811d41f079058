using System.Collections.Immutable;
using Dunning.Events;
using Dunning.Model;
using NodaTime;

namespace Dunning.Passes;

/// <summary>The phases of a pass, in their order (RULES 1). Their names in lower case are stored in <c>due</c>.</summary>
public enum PassKind
{
    Reconcile = 1,
    Renew,
    Dun,
    EndAccess,
    Purge,
    Remind,
    Mail,

    /// <summary>All of them in order, as a simulation runs them.</summary>
    All,
}

/// <summary>When which pass next has something to do for an account; null: never, as things stand. Written with the file.</summary>
public readonly record struct DueTimes(
    Instant? Reconcile, Instant? Renew, Instant? Dun, Instant? EndAccess, Instant? Purge, Instant? Remind, Instant? Mail)
{
    /// <summary>The instant for a pass; for <see cref="PassKind.All"/> the earliest.</summary>
    public Instant? this[PassKind pass] => pass switch
    {
        PassKind.Reconcile => Reconcile,
        PassKind.Renew => Renew,
        PassKind.Dun => Dun,
        PassKind.EndAccess => EndAccess,
        PassKind.Purge => Purge,
        PassKind.Remind => Remind,
        PassKind.Mail => Mail,
        PassKind.All => new[] { Reconcile, Renew, Dun, EndAccess, Purge, Remind, Mail }.Min(),
        _ => throw new ArgumentOutOfRangeException(nameof(pass)),
    };
}

/// <summary>What was decided on one account. Saved whole or not at all.</summary>
public sealed record Decision
{
    /// <summary>The file as it was read.</summary>
    public required AccountFile Before { get; init; }

    /// <summary>The file as it is to be saved (not pruned: what ended in this decision is in it once).</summary>
    public required AccountFile After { get; init; }

    public required ImmutableArray<BookEvent> Events { get; init; }

    /// <summary>When which pass is next due, for <see cref="After"/>.</summary>
    public required DueTimes Due { get; init; }

    /// <summary>To perform after the save, without a lock; its answer is decided on in turn.</summary>
    public Effect? Effect { get; init; }

    /// <summary>What it takes, or gives back, of the room that guards leave. A store that guards saves it only while there is as much.</summary>
    public ImmutableArray<RoomChange> Room { get; init; } = [];

    /// <summary>The instant that the decision was made for.</summary>
    public required Instant Now { get; init; }
}
