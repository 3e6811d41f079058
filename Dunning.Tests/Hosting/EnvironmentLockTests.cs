using Dunning.Hosting;
using Dunning.Postgres;
using Dunning.Ports;
using Dunning.Tests.Postgres;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Dunning.Tests.Hosting;

/// <summary>A copy of a database, or one that was restored, must not charge real cards before somebody has said so; a database that is where it was must never ask.</summary>
public sealed class EnvironmentLockTests : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("dunning-env-").FullName;
    private readonly List<IAsyncDisposable> _opened = [];
    private Rig _rig = null!;

    private string EnvironmentFile => Path.Combine(_folder, "state", "environment.json");

    public async Task InitializeAsync() => _rig = await Rig.NewAsync();

    public async Task DisposeAsync()
    {
        foreach (var one in Enumerable.Reverse(_opened))
        {
            await one.DisposeAsync();
        }
        await _rig.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task A_database_of_an_older_version_is_taken_over_and_stays_where_it_is_without_a_question()
    {
        await Lock().EnterAsync(default);
        await Lock().EnterAsync(default);
        var state = await Lock().LookAsync(default);
        Assert.Empty(state.Differences);
        Assert.Equal((2, 2), (state.Mark, state.Outside!.Mark));
        Assert.Equal("acct_1", state.Known!.Account);
    }

    [Fact]
    public async Task A_mark_below_the_files_is_a_restored_database_and_an_operators_word_lifts_it_above()
    {
        for (var pass = 0; pass < 5; pass++)
        {
            await Lock().EnterAsync(default);
        }
        await _rig.ExecuteAsync("update dunning.environment set mark = 4"); // in the same place, as by a restore over it
        var refused = await Assert.ThrowsAsync<EnvironmentException>(() => Lock().EnterAsync(default));
        Assert.Contains("its mark is 4, this machine has seen 5", refused.Message, StringComparison.Ordinal);
        Assert.Contains("gateway reconcile --adopt", refused.Message, StringComparison.Ordinal);

        await Lock().ConfirmAsync(await Lock().LookAsync(default), default);
        await Lock().EnterAsync(default);
        Assert.Equal(7, (await Lock().LookAsync(default)).Mark);
    }

    [Fact]
    public async Task A_backup_from_before_the_lock_was_known_is_noticed_too()
    {
        await Lock().EnterAsync(default);
        await _rig.ExecuteAsync("delete from dunning.environment");
        Assert.Contains("its mark is 0", Assert.Single((await Lock().LookAsync(default)).Differences), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_promoted_standby_that_has_everything_goes_on_by_itself()
    {
        // Another address, the same cluster, the same database, as new as the file.
        await Lock().EnterAsync(default);
        await Lock(source: AnotherPool()).EnterAsync(default);
        // One that had not got the last of it may lack charges: an operator must look.
        await _rig.ExecuteAsync("update dunning.environment set mark = mark - 1");
        await Assert.ThrowsAsync<EnvironmentException>(() => Lock(source: _rig.Source).EnterAsync(default));
    }

    [Fact]
    public async Task A_copy_finds_itself_elsewhere()
    {
        await Lock().EnterAsync(default);
        NpgsqlConnection.ClearAllPools();
        var name = await _rig.ScalarAsync<string>("select current_database()");
        await _rig.DisposeAsync();
        NpgsqlConnection.ClearAllPools();
        await using var copy = PostgresSource.Create(await TestServer.NewDatabaseAsync(name));

        // With the file of the original, and without any.
        Assert.Contains("is a copy, restored or moved", Assert.Single((await Lock(source: copy).LookAsync(default)).Differences), StringComparison.Ordinal);
        File.Delete(EnvironmentFile);
        await Assert.ThrowsAsync<EnvironmentException>(() => Lock(source: copy, isLive: false).EnterAsync(default));
    }

    [Fact]
    public async Task Live_keys_on_a_machine_that_never_worked_with_the_database_wait_unless_another_server_is_at_work_on_it()
    {
        var first = Lock();
        await first.EnterAsync(default);
        File.Delete(EnvironmentFile); // a copy of the whole cluster, elsewhere
        Assert.Contains("has not worked with this database before", Assert.Single((await Lock().LookAsync(default)).Differences), StringComparison.Ordinal);
        Assert.Empty((await Lock(isLive: false).LookAsync(default)).Differences); // test cards

        await first.StayAsync(default);
        await Lock(source: AnotherPool()).EnterAsync(default); // a second server joins
    }

    [Fact]
    public async Task A_key_of_another_account_is_refused_and_a_key_that_does_not_tell_goes_on_with_what_is_known()
    {
        await Lock().EnterAsync(default);
        await Lock(account: null).EnterAsync(default);
        Assert.Equal("acct_1", (await Lock().LookAsync(default)).Known!.Account);
        Assert.Contains("acct_1, but the key is one of acct_2", Assert.Single((await Lock(account: "acct_2").LookAsync(default)).Differences), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_of_another_installation_or_that_can_not_be_read_or_written_is_told()
    {
        await Lock().EnterAsync(default);
        await _rig.ExecuteAsync("update dunning.setting set value = 'another' where key = 'installation'");
        Assert.Contains("belongs to the installation", Assert.Single((await Lock(installation: "another").LookAsync(default)).Differences), StringComparison.Ordinal);
        await File.WriteAllTextAsync(EnvironmentFile, "{ half");
        Assert.Contains("can't be read", Assert.Single((await Lock().LookAsync(default)).Differences), StringComparison.Ordinal);
        // A folder that is a file.
        var refused = await Assert.ThrowsAsync<EnvironmentException>(() => Lock(file: Path.Combine(EnvironmentFile, "environment.json"), isLive: false).EnterAsync(default));
        Assert.Contains("Environment:File", refused.Message, StringComparison.Ordinal);
    }

    private EnvironmentLock Lock(NpgsqlDataSource? source = null, string? file = null, string installation = "i", bool isLive = true, string? account = "acct_1")
    {
        var one = new EnvironmentLock(
            source ?? _rig.Source, file ?? EnvironmentFile, installation, "stripe live", isLive, new Account(account), () => Rig.Now,
            NullLogger<EnvironmentLock>.Instance);
        _opened.Add(one);
        return one;
    }

    private NpgsqlDataSource AnotherPool()
    {
        var source = PostgresSource.Create(_rig.ConnectionString);
        _opened.Add(source);
        return source;
    }

    private sealed class Account(string? id) : IGatewayAccount
    {
        public Task<string?> AccountAsync(CancellationToken ct) => Task.FromResult(id);
    }
}
