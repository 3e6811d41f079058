using System.Text.Json;
using Dunning.Commands;
using Dunning.Tests.Jobs;
using Dunning.Tests.Postgres;

namespace Dunning.Tests.Ops.Pages;

/// <summary>What <c>bench pages</c> does, on few accounts; never how fast.</summary>
[Collection(nameof(ServiceRig))]
public sealed class PagesBenchTests
{
    [Fact]
    public async Task Every_page_is_asked_for_on_a_year_of_books()
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        var code = await CommandLine.RunAsync(
            ["bench", "pages", "--accounts", "100", "--requests", "10", "--json", "--set", "ConnectionStrings:Dunning=" + await TestServer.NewDatabaseAsync(), "--set", "Logging:LogLevel:Default=None"],
            output, error);

        Assert.Equal("", error.ToString());
        // 1: a page took long, as on a busy machine.
        Assert.InRange(code, 0, 1);
        var json = JsonDocument.Parse(output.ToString()).RootElement;
        Assert.StartsWith("1,200 invoices", json.GetProperty("rows").GetString(), StringComparison.Ordinal);
        Assert.True(json.GetProperty("pages").GetArrayLength() > 20);
        Assert.All(json.GetProperty("pages").EnumerateArray(), p => Assert.True(p.GetProperty("bytes").GetInt32() > 1000));
    }
}
