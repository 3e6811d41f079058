using System.Text.Encodings.Web;
using System.Text.Json;
using Dapper;
using Dunning.Gateways.Webhooks;
using Dunning.Jobs;
using Dunning.Ops.Frame;
using Dunning.Postgres;
using NodaTime.Text;
using Npgsql;

namespace Dunning.Hosting;

/// <summary>
/// <c>/health</c>, for operators: whether it can work, and how its passes went. No personal data, no address of the database. For load balancers there is
/// <see cref="Ops.Signals.ReadyPage"/>.
/// </summary>
internal sealed class HealthPage(PassWorker worker, NpgsqlDataSource source, string gateway, WebhookStore? webhooks)
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(3);

    private static readonly JsonSerializerOptions s_json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        // It is JSON, never part of a page.
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public void Map(WebApplication app)
    {
        app.MapGet("/health", WriteAsync).IsPublic();
        app.MapGet("/", () => Results.Redirect("/ops")).IsPublic();
    }

    private async Task WriteAsync(HttpContext http)
    {
        var (known, told) = await AskAsync(http.RequestAborted);
        var isReady = known is not null && worker.Mismatch is null;
        // With the gateway out the service is as it should be: a load balancer that took it away would help nobody.
        var status = known is null ? "database unreachable" : worker.Mismatch is not null ? (worker.NeedsConfirmation ? "confirmation needed" : "restart needed")
            : known.OutSince is not null ? "gateway out" : known.RefusedSince is not null ? "gateway refuses" : known.Tripped is not null ? "guard tripped" : "ok";
        http.Response.StatusCode = isReady ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
        http.Response.Headers.CacheControl = "no-store";
        await http.Response.WriteAsJsonAsync(
            new
            {
                Status = status,
                BuildInfo.Version,
                BuildInfo.JobHost,
                BuildInfo.MailTransport,
                Gateway = gateway,
                GatewayOutSince = known?.OutSince is { } since ? InstantPattern.General.Format(since.Instant()) : null,
                GatewayRefusesSince = known?.RefusedSince is { } refused ? InstantPattern.General.Format(refused.Instant()) : null,
                GatewayReason = known?.OutSince is null ? known?.RefusalReason : known.OutReason,
                GuardsTripped = known?.Tripped?.Split(' '),
                Database = new { IsReachable = known is not null, SchemaVersion = known?.Version },
                Webhooks = told,
                Passes = worker.Statuses.Select(p => new
                {
                    Pass = PassJobs.NameOf(p.Pass),
                    p.IsRunning,
                    LastRunAt = p.StartedAt is { } at ? InstantPattern.General.Format(at) : null,
                    DurationMs = (long)p.Duration.TotalMilliseconds,
                    p.Accounts,
                    p.Failures,
                    p.HasFailed,
                }),
            },
            s_json,
            http.RequestAborted);
    }

    // Whatever keeps the database from answering, the answer here is that it does not; the passes' log tells why.
    private async Task<(Known? Known, WebhookCounts? Webhooks)> AskAsync(CancellationToken ct)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(ct);
        patience.CancelAfter(s_patience);
        try
        {
            await using var connection = await source.OpenConnectionAsync(patience.Token);
            var known = await connection.QuerySingleAsync<Known>(new CommandDefinition(
                "select max(version) as version, (select began_at from dunning.outage where ended_at is null) as out_since, "
                + "(select reason from dunning.outage where ended_at is null) as out_reason, "
                + "(select began_at from dunning.gateway_refusal) as refused_since, (select reason from dunning.gateway_refusal) as refusal_reason, "
                + "(select string_agg(kind, ' ' order by kind) from dunning.guard_trip where approved_at is null) as tripped from dunning.migration",
                cancellationToken: patience.Token));
            return (known, webhooks is null ? null : await webhooks.CountAsync(patience.Token));
        }
        catch (Exception e) when (e is NpgsqlException or OperationCanceledException or TimeoutException or InvalidOperationException)
        {
            return (null, null);
        }
    }

    private sealed record Known(int Version, DateTime? OutSince, string? OutReason, DateTime? RefusedSince, string? RefusalReason, string? Tripped);
}
