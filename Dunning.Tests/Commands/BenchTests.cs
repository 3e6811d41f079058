using System.Text.Json;
using Dunning.Commands;
using Dunning.Commands.Bench;
using Dunning.Tests.Postgres;

namespace Dunning.Tests.Commands;

/// <summary>What the benchmarks do, on few accounts; never how fast.</summary>
public class BenchTests
{
    [Fact]
    public async Task Renewals_with_baseline_leave_the_same_rows_and_tell_ratios()
    {
        var (code, output, error) = await RunAsync(
            "bench", "renewals", "--accounts", "60", "--runs", "1", "--baseline", "--naive-accounts", "8", "--batch", "20", "--gateway-latency", "5",
            "--concurrency", "16", "--json");

        Assert.Equal("", error);
        Assert.Equal(0, code);
        var json = JsonDocument.Parse(output).RootElement;
        // The tests' server is a throwaway: the figures say that they don't count.
        Assert.False(json.GetProperty("server").GetProperty("durable").GetBoolean());
        Assert.Equal("off", json.GetProperty("server").GetProperty("fsync").GetString());
        Assert.Equal(Environment.ProcessorCount, json.GetProperty("machine").GetProperty("cores").GetInt32());
        Assert.Empty(json.GetProperty("faults").EnumerateArray());
        Assert.Equal(4, json.GetProperty("floor").GetProperty("connections").GetInt32());
        Assert.Equal(["1", "4", "8"], json.GetProperty("naive").GetProperty("clients").EnumerateObject().Select(c => c.Name));
        foreach (var run in new[] { "product", "product_with_latency" })
        {
            Assert.Single(json.GetProperty(run).GetProperty("runs").EnumerateArray());
            Assert.True(json.GetProperty(run).GetProperty("commits")[0].GetInt32() >= 2 * 60 / 20);
            Assert.True(json.GetProperty(run).GetProperty("working_set_mb").GetDouble() > 0);
        }
        foreach (var ratio in new[] { "product_to_floor", "product_to_naive", "product_to_latency_ceiling" })
        {
            Assert.True(json.GetProperty("ratios").GetProperty(ratio).GetDouble() > 0, ratio);
        }
        var (product, floor) = (json.GetProperty("rows").GetProperty("product"), json.GetProperty("rows").GetProperty("floor"));
        Assert.Equal(product.ToString(), floor.ToString());
        Assert.Equal(60, product.GetProperty("invoice").GetInt32());
        Assert.Equal(240, product.GetProperty("event").GetInt32());
    }

    [Fact]
    public async Task Renewals_leave_no_database_behind()
    {
        var server = await TestServer.NewDatabaseAsync();

        var (code, output, error) = await RunOnAsync(server, "bench", "renewals", "--accounts", "10", "--runs", "1");

        Assert.Equal("", error);
        Assert.Equal(0, code);
        Assert.Contains("NOT DURABLE", output);
        Assert.Contains("every account was renewed, paid and charged once", output);
        await using var source = Npgsql.NpgsqlDataSource.Create(server);
        await using var count = source.CreateCommand("select count(*) from pg_database where datname like 'dunning_bench_%'");
        // Other tests of this class run one after the other, so there is nobody else's.
        Assert.Equal(0L, await count.ExecuteScalarAsync());
    }

    [Fact]
    public async Task Due_scan_finds_as_many_in_both_books()
    {
        var (code, output, error) = await RunAsync("bench", "due-scan", "--accounts", "2000", "--due", "50", "--small", "200", "--runs", "3", "--json");

        Assert.Equal("", error);
        Assert.Equal(0, code);
        var json = JsonDocument.Parse(output).RootElement;
        Assert.Equal(50, json.GetProperty("due").GetInt32());
        Assert.Equal(200, json.GetProperty("few").GetProperty("accounts").GetInt32());
        Assert.Equal(2000, json.GetProperty("many").GetProperty("accounts").GetInt32());
        Assert.Equal(3, json.GetProperty("many").GetProperty("runs_buffers").GetArrayLength());
        Assert.Equal(3, json.GetProperty("many").GetProperty("runs_claim_ms").GetArrayLength());
        // The ratio itself is for books of the size that the bench is made for: among 200 accounts those due share their pages.
        Assert.True(json.GetProperty("ratios").GetProperty("buffers").GetDouble() > 0);
    }

    [Fact]
    public async Task Mails_all_arrive_both_ways()
    {
        var (code, output, error) = await RunAsync("bench", "mails", "--count", "60", "--connections", "3", "--runs", "1", "--json");

        Assert.Equal("", error);
        Assert.Equal(0, code);
        var json = JsonDocument.Parse(output).RootElement;
        Assert.Equal((60, 3), (json.GetProperty("count").GetInt32(), json.GetProperty("connections").GetInt32()));
        Assert.True(json.GetProperty("product")[0].GetDouble() > 0 && json.GetProperty("bare")[0].GetDouble() > 0);
        Assert.True(json.GetProperty("ratio").GetDouble() > 0);
    }

    [Theory]
    [InlineData("--accounts is 0, but must be from 1 to 2000000", "renewals", "--accounts", "0")]
    [InlineData("--concurrency is 1, but 2 workers need a call each at least", "renewals", "--concurrency", "1")]
    [InlineData("--due is 300, but must not be above --small (200) and --accounts (1000)", "due-scan", "--due", "300", "--small", "200", "--accounts", "1000")]
    public async Task What_cannot_be_measured_is_refused(string expected, params string[] args)
    {
        var (code, _, error) = await RunAsync(["bench", .. args]);

        Assert.Equal(2, code);
        Assert.Contains(expected, error);
    }

    [Fact]
    public void Rows_that_differ_are_faults()
    {
        var result = Result();
        result.Compare("product", new Dictionary<string, TableState> { ["event"] = new(4, "1"), ["due"] = new(2, "7") });
        result.Compare("floor", new Dictionary<string, TableState> { ["event"] = new(3, "1"), ["due"] = new(2, "8") });

        Assert.Equal(["floor: 3 rows in event, and the first run left 4", "floor: the rows in due are not those that the first run left"], result.Faults);
    }

    [Fact]
    public void Ratios_are_of_medians_and_the_naive_way_counts_at_its_best()
    {
        var result = Result();
        result.Product.AddRange(new[] { 1.0, 0.5, 0.25 }.Select(Product));
        result.ProductWithLatency.Add(Product(1));
        result.Floor.AddRange([300, 400, 500]);
        result.Naive[1] = [10, 20, 90];
        result.Naive[4] = [30, 40, 50];

        Assert.Equal(200, result.Rate);
        Assert.Equal(0.5, result.ToFloor);
        Assert.Equal(5, result.ToNaive);
        // 10 calls at once of 100 ms each.
        Assert.Equal(100, result.LatencyCeiling);
        Assert.Equal(1, result.ToLatencyCeiling);

        static ProductRun Product(double seconds) => new(seconds, 1, default, default, default, 1, 1);
    }

    [Fact]
    public void Ids_lead_back_to_their_index()
    {
        Assert.All(Enumerable.Range(0, 1000).Append(1_999_999), i => Assert.Equal(i, BenchBook.IndexOf(BenchBook.IdOf(i))));
    }

    [Fact]
    public void A_histogram_tells_percentiles_within_its_buckets()
    {
        var histogram = new Histogram();
        for (var i = 1; i <= 100; i++)
        {
            histogram.Add(TimeSpan.FromMilliseconds(i));
        }

        Assert.InRange(histogram.At(0.5), 49, 54);
        Assert.InRange(histogram.At(0.99), 98, 105);
    }

    private static RenewalsResult Result() => new(
        new RenewalsPlan
        {
            Accounts = 100, GatewayLatency = TimeSpan.FromMilliseconds(100), Workers = 2, Concurrency = 10, Batch = 10, Runs = 3, WithBaseline = true,
            NaiveAccounts = 10,
        },
        new ServerFacts("15", "on", "on", "on", "128MB", "1GB", "fdatasync", true), MachineFacts.Now(), 4);

    private static async Task<(int Code, string Output, string Error)> RunAsync(params string[] args) =>
        await RunOnAsync(await TestServer.NewDatabaseAsync(), args);

    private static async Task<(int Code, string Output, string Error)> RunOnAsync(string server, params string[] args)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var code = await CommandLine.RunAsync([.. args, "--set", "ConnectionStrings:Dunning=" + server], output, error);
        return (code, output.ToString(), error.ToString());
    }
}
