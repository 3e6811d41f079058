using Dunning.Commands;
using Dunning.Hosting;
using Dunning.Tests.Postgres;
using Npgsql;

namespace Dunning.Tests.Commands;

public sealed class DemoCommandTests
{
    [Fact]
    public async Task Demo_WithoutPostgres_TellsEveryStoryInMemoryAndSaysSo()
    {
        var (code, output, error) = await TourBook.RunAsync("demo", "--speed", "max", "--set", "Database:Binaries=/nowhere/at/all");

        Assert.Equal(CommandLine.Ok, code);
        Assert.Contains("no PostgreSQL on this machine: running in memory", error);
        Assert.Contains("Install it with: ", error);
        Assert.Contains("nothing is left to look at", output);
        await AssertTellsEveryStoryAsync(output);
    }

    [Fact]
    public async Task Demo_BesideTheConfiguredDatabase_StaysToBeLookedAt_AndDropsNoDatabaseOfOthers()
    {
        var configured = await TestServer.NewDatabaseAsync();
        string[] settings = ["--set", "ConnectionStrings:Dunning=" + configured];
        await ExecuteAsync(configured, "create database dunning_demo");

        var refused = await TourBook.RunAsync(["demo", "--speed", "max", .. settings]);

        Assert.Equal(CommandLine.Failed, refused.Code);
        Assert.Contains("has a database 'dunning_demo' that no demo made: it is left as it is", refused.Error);

        // Made by it: gone and made anew, whatever is in it.
        await ExecuteAsync(configured, $"comment on database dunning_demo is '{Database.MadeByUs}'");
        var (code, output, error) = await TourBook.RunAsync(["demo", "--speed", "max", .. settings]);

        Assert.Equal("", error);
        Assert.Equal(CommandLine.Ok, code);
        Assert.Contains("show suspended-then-returns --database dunning_demo", output);
        await AssertTellsEveryStoryAsync(output);

        var purged = await TourBook.RunAsync(["show", "suspended-then-purged", "--database", "dunning_demo", .. settings]);

        Assert.Equal(CommandLine.Ok, purged.Code);
        Assert.Contains("purged on 29 June 2026; personal data erased", purged.Output);
        Assert.Contains("nothing: purged is final", purged.Output);
        Assert.Contains("mail 'account purged' to (erased)", purged.Output);
        Assert.DoesNotContain("owner@suspended-then-purged.example", purged.Output);
        Assert.DoesNotContain("sandbox_", purged.Output);
    }

    [Theory]
    [InlineData("0")]
    [InlineData("-1")]
    [InlineData("fast")]
    public async Task Demo_SpeedThatIsNone_IsRefused(string speed)
    {
        var (code, _, error) = await TourBook.RunAsync("demo", "--speed=" + speed);

        Assert.Equal(CommandLine.Failed, code);
        Assert.Contains($"--speed is '{speed}', but must be", error);
    }

    [Fact]
    public async Task Demo_OtherDatabase_IsRefused()
    {
        var (code, _, error) = await TourBook.RunAsync("demo", "--database", "dunning");

        Assert.Equal(CommandLine.Failed, code);
        Assert.Contains("leave --database away", error);
    }

    private static async Task AssertTellsEveryStoryAsync(string output)
    {
        Assert.DoesNotContain('\u001b', output);
        Assert.DoesNotContain("sandbox_", output);
        Assert.Contains("declined on the card (insufficient funds)", output);
        Assert.Contains("next attempt 4 March 2026", output);
        Assert.Contains("accounts  ", output);
        var lines = output.Split(Environment.NewLine);
        var count = 0;
        await foreach (var account in (await TourBook.ReadAsync()).AccountsAsync())
        {
            count++;
            Assert.Contains(lines, l => l.Contains($" {account.File.Id} ", StringComparison.Ordinal));
        }
        Assert.Equal(29, count);
    }

    private static async Task ExecuteAsync(string connectionString, string sql)
    {
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }
}
