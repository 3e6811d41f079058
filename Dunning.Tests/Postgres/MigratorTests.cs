using Dapper;
using Dunning.Postgres;
using Npgsql;
using Xunit;

namespace Dunning.Tests.Postgres;

public sealed class MigratorTests
{
    private static readonly int s_latest = Migrator.Embedded()[^1].Version;
    private static readonly string s_next = FormattableString.Invariant($"V{s_latest + 1:D3}__more.sql");
    private static readonly Migration Next = Migration.Read(s_next, "-- oldest-program: 1\ncreate table dunning.more (id int);\n");

    [Fact]
    public async Task Twice_is_as_once()
    {
        await using var source = PostgresSource.Create(await TestServer.NewDatabaseAsync());
        var migrator = new Migrator(source, TimeProvider.System);

        Assert.Equal(Migrator.Embedded().Select(m => m.Version), await migrator.MigrateAsync(default));
        var installation = await new PostgresSettings(source).InstallationAsync(default);
        Assert.Empty(await migrator.MigrateAsync(default));

        Assert.Equal(installation, await new PostgresSettings(source).InstallationAsync(default));
        await migrator.CheckAsync(default);
    }

    [Fact]
    public async Task Servers_that_start_together_apply_each_file_once()
    {
        await using var source = PostgresSource.Create(await TestServer.NewDatabaseAsync());
        var (running, most) = (0, 0);

        var applied = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => Task.Run(() => new Migrator(source, TimeProvider.System).MigrateAsync(default, async ct =>
        {
            most = Math.Max(most, Interlocked.Increment(ref running));
            await Task.Delay(20, ct);
            Interlocked.Decrement(ref running);
        }))));

        Assert.Equal(Migrator.Embedded().Count, applied.Sum(a => a.Count));
        Assert.Equal(1, most);
    }

    [Fact]
    public async Task An_applied_file_with_another_content_is_refused()
    {
        await using var source = PostgresSource.Create(await TestServer.NewDatabaseAsync());
        await new Migrator(source, TimeProvider.System, [.. Migrator.Embedded(), Next]).MigrateAsync(default);
        var edited = Migration.Read(s_next, "-- oldest-program: 1\ncreate table dunning.more (id bigint);\n");

        var e = await Assert.ThrowsAsync<SchemaException>(() =>
            new Migrator(source, TimeProvider.System, [.. Migrator.Embedded(), edited]).MigrateAsync(default));

        Assert.Contains(s_next, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Line_ends_of_a_checkout_do_not_count() =>
        Assert.Equal(Next.Hash, Migration.Read(s_next, Next.Sql.ReplaceLineEndings("\r\n")).Hash);

    [Fact]
    public async Task A_file_that_fails_leaves_nothing()
    {
        await using var source = PostgresSource.Create(await TestServer.NewDatabaseAsync());
        var broken = Migration.Read(s_next, "-- oldest-program: 1\ncreate table dunning.more (id int);\nselect 1 / 0;\n");

        await Assert.ThrowsAsync<SchemaException>(() => new Migrator(source, TimeProvider.System, [.. Migrator.Embedded(), broken]).MigrateAsync(default));

        await using var connection = await source.OpenConnectionAsync();
        Assert.Null(await connection.ExecuteScalarAsync<string?>("select to_regclass('dunning.more')::text"));
        Assert.Equal([s_latest + 1], await new Migrator(source, TimeProvider.System, [.. Migrator.Embedded(), Next]).MigrateAsync(default));
    }

    [Fact]
    public async Task Writers_go_on_while_an_index_is_built_and_servers_that_start_then_wait_for_it()
    {
        await using var source = PostgresSource.Create(await TestServer.NewDatabaseAsync());
        await new Migrator(source, TimeProvider.System, [.. Migrator.Embedded(), Next]).MigrateAsync(default);
        IReadOnlyList<Migration> all = [.. Migrator.Embedded(), Next, Index("create index concurrently more_id on dunning.more (id);\n")];
        await using var held = await source.OpenConnectionAsync();
        await using var transaction = await held.BeginTransactionAsync();
        await held.ExecuteAsync("insert into dunning.more values (1)", transaction: transaction);

        var building = new Migrator(source, TimeProvider.System, all).MigrateAsync(default);
        await using var other = await source.OpenConnectionAsync();
        while (!await other.ExecuteScalarAsync<bool>(
            "select exists (select from pg_stat_activity where query like 'create index concurrently more_id%' and wait_event_type = 'Lock' and datname = current_database())"))
        {
            Assert.False(building.IsCompleted);
            await Task.Delay(10);
        }
        var waiting = new Migrator(source, TimeProvider.System, all).MigrateAsync(default);
        await other.ExecuteAsync(new CommandDefinition("insert into dunning.more values (2)", commandTimeout: 20));
        Assert.False(building.IsCompleted);
        await transaction.CommitAsync();

        Assert.Equal([s_latest + 2], await building);
        Assert.Empty(await waiting);
        Assert.True(await IsValidAsync(source, "more_id"));
    }

    [Fact]
    public async Task An_index_that_was_not_finished_is_built_anew()
    {
        await using var source = PostgresSource.Create(await TestServer.NewDatabaseAsync());
        IReadOnlyList<Migration> all =
            [.. Migrator.Embedded(), Next, Index("-- One; two.\ncreate index concurrently more_some on dunning.more (id) where id > 1;\ncreate unique index concurrently more_id on dunning.more (id);\n")];
        await new Migrator(source, TimeProvider.System, [.. all.SkipLast(1)]).MigrateAsync(default);
        await using var connection = await source.OpenConnectionAsync();
        await connection.ExecuteAsync("insert into dunning.more values (1), (1)");

        var e = await Assert.ThrowsAsync<SchemaException>(() => new Migrator(source, TimeProvider.System, all).MigrateAsync(default));
        Assert.Contains("more_id", e.Message, StringComparison.Ordinal);
        Assert.Equal((true, false), (await IsValidAsync(source, "more_some"), await IsValidAsync(source, "more_id")));
        await connection.ExecuteAsync("delete from dunning.more");

        Assert.Equal([s_latest + 2], await new Migrator(source, TimeProvider.System, all).MigrateAsync(default));
        Assert.Equal((true, true), (await IsValidAsync(source, "more_some"), await IsValidAsync(source, "more_id")));
    }

    [Fact]
    public void A_file_of_indexes_has_nothing_else() =>
        Assert.Throws<InvalidOperationException>(() => Index("create index concurrently more_id on dunning.more (id);\ndrop table dunning.more;\n"));

    private static Migration Index(string sql) =>
        Migration.Read(FormattableString.Invariant($"V{s_latest + 2:D3}__index.sql"), "-- oldest-program: 1\n-- indexes: concurrently\n" + sql);

    private static async Task<bool> IsValidAsync(NpgsqlDataSource source, string index)
    {
        await using var connection = await source.OpenConnectionAsync();
        return await connection.ExecuteScalarAsync<bool>("select indisvalid from pg_index where indexrelid = to_regclass(@index)", new { index = "dunning." + index });
    }

    [Theory]
    [InlineData(0, true)]
    [InlineData(1, false)]
    public async Task A_newer_database_is_refused_only_by_programs_that_it_does_not_work_with(int beyond, bool isFine)
    {
        await using var source = PostgresSource.Create(await TestServer.NewDatabaseAsync());
        var newer = Migration.Read(s_next, FormattableString.Invariant($"-- oldest-program: {s_latest + beyond}\nselect 1;\n"));
        await new Migrator(source, TimeProvider.System, [.. Migrator.Embedded(), newer]).MigrateAsync(default);
        var older = new Migrator(source, TimeProvider.System, [.. Migrator.Embedded()]);

        if (isFine)
        {
            await older.CheckAsync(default);
            Assert.Empty(await older.MigrateAsync(default));
        }
        else
        {
            await Assert.ThrowsAsync<SchemaException>(() => older.CheckAsync(default));
            await Assert.ThrowsAsync<SchemaException>(() => older.MigrateAsync(default));
        }
    }

    [Fact]
    public async Task A_database_without_a_schema_or_behind_is_told_to_migrate()
    {
        await using var source = PostgresSource.Create(await TestServer.NewDatabaseAsync());
        Assert.Contains("migrate", (await Assert.ThrowsAsync<SchemaException>(() => new Migrator(source, TimeProvider.System).CheckAsync(default))).Message, StringComparison.Ordinal);
        await new Migrator(source, TimeProvider.System).MigrateAsync(default);
        await Assert.ThrowsAsync<SchemaException>(() => new Migrator(source, TimeProvider.System, [.. Migrator.Embedded(), Next]).CheckAsync(default));
    }
}
