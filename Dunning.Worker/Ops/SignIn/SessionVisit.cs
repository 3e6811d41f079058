using Dunning.Ops.Frame;
using Dunning.Postgres;
using NodaTime;

namespace Dunning.Ops.SignIn;

/// <summary>One request within a session.</summary>
internal sealed class SessionVisit(byte[] id, OpsSessionRow row, OpsWords words, DateTimeZone zone, OpsSessions sessions) : OpsVisit
{
    /// <inheritdoc/>
    public override OpsUser User { get; } = new(row.Name, OpsRoles.TryParse(row.Role, out var role) ? role.Value : OpsRole.Viewer);

    /// <inheritdoc/>
    public override OpsWords Words { get; } = words;

    /// <inheritdoc/>
    public override DateTimeZone Zone { get; } = zone;

    /// <inheritdoc/>
    public override string FormToken { get; } = OpsSessions.FormTokenOf(id);

    /// <inheritdoc/>
    public override OpsFlash? Flash { get; } = row.Flash is null ? null : new OpsFlash(row.Flash, row.IsFault);

    /// <summary>Known to the browser only.</summary>
    public byte[] Id => id;

    /// <summary>When it began.</summary>
    public Instant BeganAt => row.BeganAt.Instant();

    /// <summary>When it ends, whatever is done.</summary>
    public Instant EndsAt => row.EndsAt.Instant();

    /// <inheritdoc/>
    public override Task TellAsync(OpsFlash flash, CancellationToken ct) => sessions.KeepFlashAsync(id, flash, ct);
}
