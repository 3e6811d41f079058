using Dunning.Commands;
using Dunning.Tests.Postgres;
using Npgsql;

namespace Dunning.Tests.Commands;

/// <summary>What <c>run</c> and the help say before any service is started.</summary>
public sealed class RunCommandTests
{
    [Fact]
    public async Task A_database_made_for_a_simulation_is_no_live_book()
    {
        var connectionString = await TestServer.NewDatabaseAsync();
        string[] database = ["--set", "ConnectionStrings:Dunning=" + connectionString];
        Assert.Equal(0, await CommandLine.RunAsync(["migrate", .. database], TextWriter.Null, TextWriter.Null));
        await using (var connection = new NpgsqlConnection(connectionString))
        {
            await connection.OpenAsync();
            await using var command = new NpgsqlCommand("insert into dunning.setting (key, value) values ('simulation', '2026-03-01T08:00:00Z')", connection);
            await command.ExecuteNonQueryAsync();
        }
        var error = new StringWriter();
        Assert.Equal(2, await CommandLine.RunAsync(["run", "--set", "Http:Urls=http://127.0.0.1:0", .. database], TextWriter.Null, error));
        Assert.Contains("was made for a simulation (by demo or simulate)", error.ToString(), StringComparison.Ordinal);
        Assert.Contains("Name a database of its own in ConnectionStrings:Dunning", error.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--help")]
    [InlineData("webhooks", "retry", "--help")]
    public async Task Help_calls_the_program_as_the_manual_does(params string[] args)
    {
        var output = new StringWriter();
        Assert.Equal(0, await CommandLine.RunAsync(args, output, TextWriter.Null));
        Assert.Matches("Usage:\\s+dunning ", output.ToString());
        Assert.DoesNotContain("Dunning.Worker", output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Doctor_counts_one_fault_as_one()
    {
        var output = new StringWriter();
        Assert.Equal(1, await CommandLine.RunAsync(["doctor", "--set", "Passes:BatchSize=0"], output, TextWriter.Null));
        Assert.EndsWith("1 fault, 0 warnings", output.ToString().TrimEnd(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Bench_says_that_it_works_in_no_folder_of_the_live_book()
    {
        var error = new StringWriter();
        Assert.Equal(2, await CommandLine.RunAsync(["bench", "pages", "--accounts", "100", "--set", "Database:Folder=/tmp/x"], TextWriter.Null, error));
        Assert.Contains("never in Database:Folder", error.ToString(), StringComparison.Ordinal);
    }
}
