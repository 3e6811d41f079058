using Dunning.Gateways.Outages;
using NodaTime;

namespace Dunning.Ops.Signals;

/// <summary>What the database says of the present, for all servers. Gauges are read off it.</summary>
internal sealed record Figures
{
    /// <summary>When it was read.</summary>
    public required Instant At { get; init; }

    /// <summary>The database's clock less this machine's, in seconds.</summary>
    public required double ClockSkew { get; init; }

    /// <summary>Each pass.</summary>
    public required IReadOnlyList<PassFigures> Passes { get; init; }

    /// <summary>Mails that wait, and since when the oldest does.</summary>
    public required (long Count, Instant? Oldest) Pending { get; init; }

    /// <summary>Mails that can't be delivered, to one recipient each.</summary>
    public required long Dead { get; init; }

    /// <summary>Charges without an outcome, by state.</summary>
    public required IReadOnlyList<(string State, long Count, Instant Oldest)> OpenCharges { get; init; }

    /// <summary>Charges of these that only an operator can resolve.</summary>
    public required long Stuck { get; init; }

    /// <summary>Since when the gateway is out; null: it is not.</summary>
    public required Instant? OutSince { get; init; }

    /// <summary>Why it is; null: it is not, or does not answer.</summary>
    public GatewayRefusal? OutBecause { get; init; }

    /// <summary>That the gateway refuses our charges; null: it does not.</summary>
    public GatewayRefusing? Refusing { get; init; }

    /// <summary>Webhooks that wait, and those that failed for good.</summary>
    public required (long Pending, long Failed) Webhooks { get; init; }

    /// <summary>What is unpaid, by currency, and by how far its case has come; no step: its first attempt is still to come to an outcome.</summary>
    public required IReadOnlyList<(string Currency, int? Step, long Count, long Minor)> Open { get; init; }

    /// <summary>Accounts by access.</summary>
    public required IReadOnlyList<(string Access, long Count)> Accounts { get; init; }

    /// <summary>Open alerts by rule and severity.</summary>
    public required IReadOnlyList<(string Rule, string Severity, long Count)> Alerts { get; init; }
}

/// <summary>That the gateway refuses our charges.</summary>
/// <param name="Since">When it first did.</param>
/// <param name="Runs">Passes that this has stopped since.</param>
/// <param name="Why">With what, the last time.</param>
internal sealed record GatewayRefusing(Instant Since, int Runs, GatewayRefusal Why);

/// <summary>How a pass is doing over all servers.</summary>
/// <param name="Pass">Its name.</param>
/// <param name="Backlog">Accounts that are due.</param>
/// <param name="Oldest">Since when the oldest of them is.</param>
/// <param name="SucceededAt">When it last did not fail as a whole.</param>
/// <param name="Failures">How often it has failed since, on the server where it failed most.</param>
internal sealed record PassFigures(string Pass, long Backlog, Instant? Oldest, Instant? SucceededAt, int Failures);
