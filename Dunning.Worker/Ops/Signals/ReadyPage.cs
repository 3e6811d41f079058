using System.Text.Json;
using Dapper;
using Dunning.Hosting;
using Dunning.Jobs;
using Dunning.Ops.Frame;
using Dunning.Passes;
using Dunning.Postgres;
using NodaTime;
using Npgsql;

namespace Dunning.Ops.Signals;

/// <summary>
/// <c>/health/live</c>: the process answers; it asks nothing else, for a database that is away is no reason to start the process anew.
/// <c>/health/ready</c>: this server does its work, or else why not.
/// </summary>
internal sealed class ReadyPage
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(3);

    private static readonly JsonSerializerOptions s_json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, WriteIndented = true };

    private readonly PassWorker _worker;
    private readonly NpgsqlDataSource _source;
    private readonly string _rules;
    private readonly WorkerSettings _settings;
    private readonly TimeProvider _time;
    private readonly Instant _startedAt;
    private readonly int _schema;

    /// <summary>Makes the pages of a server that begins now.</summary>
    public ReadyPage(PassWorker worker, NpgsqlDataSource source, string rules, WorkerSettings settings, TimeProvider time)
    {
        (_worker, _source, _rules, _settings, _time) = (worker, source, rules, settings, time);
        _startedAt = Now();
        _schema = new Migrator(source, time).Latest;
    }

    /// <summary>Puts both where they belong.</summary>
    public void Map(WebApplication app)
    {
        app.MapGet("/health/live", () => "live").IsPublic();
        app.MapGet("/health/ready", WriteAsync).IsPublic();
    }

    /// <summary>Passes of this server that have not run though it was time; with a custom schedule, by that.</summary>
    public static IReadOnlyList<PassKind> Late(IEnumerable<PassStatus> statuses, WorkerSettings settings, Instant startedAt, Instant now)
    {
        var cron = settings.Jobs.Cron;
        var late = settings.Alerts.PassLate;
        return [.. statuses.Where(s => cron[s.Pass] != JobSettings.Off && !s.IsRunning
            && CronText.LastBefore(cron[s.Pass], settings.Jobs.Zone, now - late) is { } due && due > startedAt && !(s.StartedAt >= due - Duration.FromMinutes(1)))
            .Select(s => s.Pass)];
    }

    private async Task WriteAsync(HttpContext http)
    {
        var reasons = new List<Reason>();
        await LookAsync(reasons, http.RequestAborted);
        // Anybody may ask: what exactly differs, with names of files and machines, is for the log and the operators' pages.
        if (_worker.Mismatch is not null && !reasons.Exists(r => r.Code == "settings_differ"))
        {
            reasons.Add(_worker.NeedsConfirmation
                ? new Reason("environment_unconfirmed", "the database may be a copy, and nobody has confirmed that it is to be worked with here: see the log of the service")
                : new Reason("settings_differ", "the database is not worked out with the settings of this server: see the log of the service"));
        }
        foreach (var pass in Late(_worker.Statuses, _settings, _startedAt, Now()))
        {
            reasons.Add(new Reason("pass_late", $"the pass {Texts.Pass[pass]} has not run on this server for too long"));
        }
        http.Response.StatusCode = reasons.Count == 0 ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
        http.Response.Headers.CacheControl = "no-store";
        await http.Response.WriteAsJsonAsync(new { IsReady = reasons.Count == 0, Reasons = reasons }, s_json, http.RequestAborted);
    }

    // Whatever keeps the database from answering, the answer here is that it does not.
    private async Task LookAsync(List<Reason> reasons, CancellationToken ct)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(ct);
        patience.CancelAfter(s_patience);
        try
        {
            await using var connection = await _source.OpenConnectionAsync(patience.Token);
            var (version, rules) = await connection.QuerySingleAsync<(int, string?)>(new CommandDefinition(
                "select (select max(version) from dunning.migration), (select value from dunning.setting where key = @key)",
                new { key = PostgresSettings.Rules }, cancellationToken: patience.Token));
            if (version < _schema)
            {
                reasons.Add(new Reason("not_migrated", FormattableString.Invariant($"the database's schema is {version}, this program needs {_schema}: run 'dunning migrate'")));
            }
            if (rules != _rules)
            {
                reasons.Add(new Reason("settings_differ", "the database was worked out with other settings of the rules than this server has: restart it with the same"));
            }
        }
        catch (Exception e) when (e is NpgsqlException or OperationCanceledException or TimeoutException or InvalidOperationException)
        {
            ct.ThrowIfCancellationRequested();
            reasons.Add(new Reason("database_unreachable", "the database does not answer"));
        }
    }

    private Instant Now() => Instant.FromDateTimeOffset(_time.GetUtcNow());

    private sealed record Reason(string Code, string Text);
}
