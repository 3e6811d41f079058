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
