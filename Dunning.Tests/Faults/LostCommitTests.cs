using Dapper;
using Dunning.Model;
using Dunning.Options;
using Dunning.Passes;
using Dunning.Ports;
using Dunning.Postgres;
using Dunning.Postgres.Embedded;
using Dunning.Tests.Postgres;
using Npgsql;

namespace Dunning.Tests.Faults;

/// <summary>A connection that is lost when the server has committed, but has not said so.</summary>
public sealed class LostCommitTests : IDisposable
{
    private const string Waiting = "select pid from pg_stat_activity where application_name = @name and wait_event = 'SyncRep'";

    private readonly string _folder = Path.Combine(Path.GetTempPath(), "dl-" + Guid.NewGuid().ToString("N")[..8]);

    public void Dispose()
    {
        if (Directory.Exists(_folder))
        {
            Directory.Delete(_folder, recursive: true);
        }
    }

    [Fact]
    public async Task A_credit_whose_commit_was_not_heard_of_is_given_once()
    {
        // A server of its own: commits that wait for a standby that there isn't are how one is caught right after its commit.
        await using var server = await EmbeddedServer.StartAsync(new EmbeddedOptions { Folder = _folder });
        await server.EnsureDatabaseAsync("dunning");
        await using var source = Source(server, "test", "local");
        await using var probe = Source(server, "probe", "on");
        await using var cut = Source(server, "cut", "on");
        var rules = await Population.SettleAsync(source, new RuleOptions(), [Population.Account(1, "sandbox_ok")], isSimulation: false);
        var book = new PostgresBook(cut, rules.Options.Fingerprint, Rig.Seller);
        await using var connection = await source.OpenConnectionAsync();
        await connection.ExecuteAsync("alter system set synchronous_standby_names = 'nobody'");
        await connection.ExecuteAsync("select pg_reload_conf()");
        await CommitsWaitAsync(connection, probe);

        var action = new AccountAction(Rig.Now, "a00001", ActionNames.Credit) { Amount = 500 };
        var act = Task.Run(() => book.AnswerAsync([new AnswerFor("a00001", null, f => Pass.Act(f, action, Rig.Now, rules))], default));
        int? pid;
        while ((pid = await connection.ExecuteScalarAsync<int?>(
            Waiting, new { name = "cut" })) is null)
        {
            Assert.False(act.IsCompleted, "the commit did not wait");
            await Task.Delay(10);
        }
        await connection.ExecuteAsync("select pg_terminate_backend(@pid)", new { pid });
        while (await connection.ExecuteScalarAsync<bool>("select exists (select from pg_stat_activity where pid = @pid)", new { pid }))
        {
            await Task.Delay(10);
        }
        await connection.ExecuteAsync("alter system reset synchronous_standby_names");
        await connection.ExecuteAsync("select pg_reload_conf()");

        var result = await act;
        Assert.Empty(result.Faults);
        Assert.Single(result.Decisions);
        Assert.Equal(500, await connection.ExecuteScalarAsync<long>("select credit from dunning.account"));
        Assert.Equal(1, await connection.ExecuteScalarAsync<int>("select mail_count from dunning.account"));
        Assert.Equal("", await Auditor.FaultsAsync(source));
    }

    private static NpgsqlDataSource Source(EmbeddedServer server, string name, string synchronousCommit) =>
        PostgresSource.Create(new NpgsqlConnectionStringBuilder(server.ConnectionString("dunning"))
        {
            ApplicationName = name, Options = "-c synchronous_commit=" + synchronousCommit,
        }.ConnectionString);

    // The setting reaches the server's processes one after the other.
    private static async Task CommitsWaitAsync(NpgsqlConnection connection, NpgsqlDataSource probe)
    {
        for (var i = 0; ; i++)
        {
            await using var other = await probe.OpenConnectionAsync();
            var commit = other.ExecuteAsync("insert into dunning.setting (key, value) values (@key, '')", new { key = $"probe {i}" });
            while (!commit.IsCompleted)
            {
                if (await connection.ExecuteScalarAsync<int?>(Waiting, new { name = "probe" }) is { } pid)
                {
                    // Committed here, it only stops to wait.
                    await connection.ExecuteAsync("select pg_cancel_backend(@pid)", new { pid });
                    await commit;
                    return;
                }
                await Task.Delay(10);
            }
            await commit;
        }
    }
}
