using Dapper;
using Dunning.Jobs;
using Dunning.Passes;
using Dunning.Postgres;
using Microsoft.Extensions.Logging.Abstractions;
using NodaTime;

namespace Dunning.Tests.Postgres;

/// <summary>How passes went is written down for all servers, and idle ones leave one row for ever.</summary>
public sealed class PassLogTests : IAsyncLifetime
{
    private Rig _rig = null!;

    public async Task InitializeAsync() => _rig = await Rig.NewAsync();

    public async Task DisposeAsync() => await _rig.DisposeAsync();

    [Fact]
    public async Task Idle_runs_are_one_row_in_place_and_failures_are_counted_until_one_succeeds()
    {
        var log = new PostgresPassLog(_rig.Source, "s1", NullLogger<PostgresPassLog>.Instance);
        for (var minute = 0; minute < 3; minute++)
        {
            await RunAsync(log, minute, PassOutcome.Done);
        }
        Assert.Equal((0L, 3L, 0), await ReadAsync());

        await RunAsync(log, 3, PassOutcome.Failed, "NpgsqlException");
        await RunAsync(log, 4, PassOutcome.Failed, "NpgsqlException");
        Assert.Equal((2L, 5L, 2), await ReadAsync());
        await using (var connection = await _rig.Source.OpenConnectionAsync())
        {
            // The last success stays, for "late" to be told.
            Assert.Equal(
                (Rig.Now + Duration.FromMinutes(2) + Duration.FromSeconds(1)).ToDateTimeUtc(),
                await connection.ExecuteScalarAsync<DateTime>("select succeeded_at from dunning.pass_state"));
            Assert.Equal("NpgsqlException", await connection.ExecuteScalarAsync<string>("select distinct error from dunning.pass_run"));
        }

        await RunAsync(log, 5, PassOutcome.Done);
        Assert.Equal((2L, 6L, 0), await ReadAsync());
    }

    [Fact]
    public async Task A_server_that_is_gone_leaves_no_row_behind_and_one_that_runs_has_no_end_yet()
    {
        var gone = new PostgresPassLog(_rig.Source, "gone", NullLogger<PostgresPassLog>.Instance);
        await gone.BeginAsync(PassKind.Dun, Rig.Now, default);
        var log = new PostgresPassLog(_rig.Source, "s1", NullLogger<PostgresPassLog>.Instance);
        await using var connection = await _rig.Source.OpenConnectionAsync();
        Assert.Equal(1, await connection.ExecuteScalarAsync<long>("select count(*) from dunning.pass_state where ended_at is null"));

        await RunAsync(log, 3 * 24 * 60, PassOutcome.Done);

        Assert.Equal(["s1"], await connection.QueryAsync<string>("select server from dunning.pass_state"));
    }

    private static async Task RunAsync(PostgresPassLog log, int minute, PassOutcome outcome, string? error = null)
    {
        var at = Rig.Now + Duration.FromMinutes(minute);
        await log.BeginAsync(PassKind.Dun, at, default);
        await log.EndAsync(new EndedPass(
            PassKind.Dun, at, TimeSpan.FromSeconds(1), outcome, outcome == PassOutcome.Failed ? null : new PassReport { Kind = PassKind.Dun }, error));
    }

    private async Task<(long Rows, long Runs, int Failures)> ReadAsync()
    {
        await using var connection = await _rig.Source.OpenConnectionAsync();
        return await connection.QuerySingleAsync<(long, long, int)>(
            "select (select count(*) from dunning.pass_run), runs, failures from dunning.pass_state where pass = 'dun' and server = 's1' and ended_at is not null");
    }
}
