using Dapper;
using Npgsql;

namespace Dunning.Ops.Queries;

#pragma warning disable CS1591 // rows for one page; their names say what they are

/// <summary>How a pass last went on one server.</summary>
internal sealed record PassStateRow(
    string Pass, string Server, DateTime StartedAt, DateTime? EndedAt, string? Outcome, DateTime? SucceededAt, int Failures, long Runs, string? Error);

/// <summary>A run that did something, or failed.</summary>
internal sealed record PassRunRow(
    string Pass, string Server, DateTime StartedAt, DateTime EndedAt, string Outcome, int Accounts, int Faults, int ChargesSucceeded, int ChargesFailed, int ChargesUnknown,
    int ChargesPending, int MailsSent, string? Error);

/// <summary>What operators are warned of.</summary>
internal sealed record AlertRow(string Rule, string Severity, string Summary, string Page, DateTime RaisedAt);

#pragma warning restore CS1591

/// <summary>How passes went on all servers, and what is amiss.</summary>
internal sealed class PassQueries(NpgsqlDataSource source)
{
    /// <summary>The last run of each pass on each server.</summary>
    public async Task<IReadOnlyList<PassStateRow>> StatesAsync(CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return (await connection.QueryAsync<PassStateRow>(new CommandDefinition(
            "select pass, server, started_at, ended_at, outcome, succeeded_at, failures, runs, error from dunning.pass_state order by pass, started_at desc",
            cancellationToken: ct))).AsList();
    }

    /// <summary>The last runs that did something, of one pass or of all.</summary>
    public async Task<IReadOnlyList<PassRunRow>> RunsAsync(string? pass, int limit, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return (await connection.QueryAsync<PassRunRow>(new CommandDefinition(
            $"""
            select pass, server, started_at, ended_at, outcome, accounts, faults, charges_succeeded, charges_failed, charges_unknown, charges_pending, mails_sent, error
            from dunning.pass_run {(pass is null ? "" : "where pass = @pass")} order by started_at desc limit @limit
            """,
            new { pass, limit }, cancellationToken: ct))).AsList();
    }

    /// <summary>What is amiss now, the worst first.</summary>
    public async Task<IReadOnlyList<AlertRow>> AlertsAsync(int limit, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return (await connection.QueryAsync<AlertRow>(new CommandDefinition(
            "select rule, severity, summary, page, raised_at from dunning.alert where resolved_at is null order by severity, raised_at desc limit @limit",
            new { limit }, cancellationToken: ct))).AsList();
    }
}
