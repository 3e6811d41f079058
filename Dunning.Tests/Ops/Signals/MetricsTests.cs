using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text.RegularExpressions;
using Dunning.Tests.Jobs;

namespace Dunning.Tests.Ops.Signals;

/// <summary>What Prometheus is told by the running service.</summary>
[Collection(nameof(ServiceRig))]
public sealed partial class MetricsTests(SignalsFixture fixture) : IClassFixture<SignalsFixture>
{
    [Fact]
    public async Task What_the_passes_did_is_counted()
    {
        var text = await ScrapeAsync();

        Assert.Equal(3, Value(text, "dunning_renewals_total"));
        Assert.Equal(3, Value(text, "dunning_invoices_issued_total{currency=\"EUR\"}"));
        Assert.Equal(3, Value(text, "dunning_charges_total{decline_code=\"\",gateway=\"sandbox\",outcome=\"succeeded\"}"));
        Assert.Equal(0, Value(text, "dunning_charges_total{decline_code=\"other\",gateway=\"sandbox\",outcome=\"failed\"}"));
        Assert.Equal(
            await fixture.Rig.ScalarAsync<double>("select (sum(amount) / 100.0)::double precision from dunning.charge where state = 'succeeded'"),
            Value(text, "dunning_charges_amount_total{currency=\"EUR\",gateway=\"sandbox\"}"));
        Assert.Equal(3, Value(text, "dunning_gateway_call_seconds_count{gateway=\"sandbox\",operation=\"charge\",outcome=\"succeeded\"}"));
        Assert.Equal(3, Value(text, "dunning_mails_total{outcome=\"sent\",template=\"receipt\"}"));
        Assert.Equal(3, Value(text, "dunning_mails_deliveries_total{template=\"receipt\",verdict=\"accepted\"}"));
        Assert.True(Value(text, "dunning_pass_runs_total{outcome=\"done\",pass=\"renew\"}") >= 1);
        Assert.True(Value(text, "dunning_pass_last_success_timestamp_seconds{pass=\"mail\"}") > 1_700_000_000);
        Assert.Equal(1, Value(text, "dunning_database_up"));
        Assert.Equal(3, Value(text, "dunning_accounts{access=\"active\"}"));
    }

    [Fact]
    public async Task No_account_no_address_and_no_name_is_in_it()
    {
        var text = await ScrapeAsync();

        // As a word: the commit that was built is told too, and has any two digits.
        Assert.DoesNotMatch(@"\ba[1-3]\b", text);
        Assert.DoesNotContain("@", text, StringComparison.Ordinal);
        Assert.DoesNotContain("Claire", text, StringComparison.Ordinal);
        Assert.DoesNotContain("Atelier", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task OpenMetrics_is_written_for_those_who_ask_for_it()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/metrics");
        request.Headers.Accept.ParseAdd("application/openmetrics-text;version=1.0.0,text/plain;q=0.5");
        using var answer = await fixture.Http.SendAsync(request);

        Assert.StartsWith("application/openmetrics-text", answer.Content.Headers.ContentType!.ToString(), StringComparison.Ordinal);
        var text = await answer.Content.ReadAsStringAsync();
        Assert.EndsWith("# EOF\n", text, StringComparison.Ordinal);
        Assert.Contains("# TYPE dunning_charges counter\n", text, StringComparison.Ordinal);
        Assert.Contains("# UNIT dunning_pass_duration_seconds seconds\n", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("X-Forwarded-For", "203.0.113.7")]
    [InlineData("Forwarded", "for=203.0.113.7")]
    [InlineData("X-Real-IP", "127.0.0.1")]
    [InlineData("Host", "dunning.example.com")]
    [InlineData("Authorization", "Bearer 0123456789abcdef0124")]
    [InlineData("Authorization", "Basic eDp5")]
    public async Task Who_comes_through_a_proxy_or_with_a_wrong_token_gets_nothing(string header, string value)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/metrics");
        Assert.True(request.Headers.TryAddWithoutValidation(header, value));
        using var answer = await fixture.Http.SendAsync(request);

        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        Assert.Empty(await answer.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task With_the_token_anybody_may_come()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/metrics");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", SignalsFixture.Token);
        request.Headers.Add("X-Forwarded-For", "203.0.113.7");
        request.Headers.Host = "dunning.example.com";
        using var answer = await fixture.Http.SendAsync(request);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    [Fact]
    public async Task Promtool_finds_nothing_wrong_with_it()
    {
        if (Promtool.Path is null)
        {
            // .ci/run installs it; elsewhere its absence is no fault of the program's.
            return;
        }
        var (code, output) = await Promtool.RunAsync(await ScrapeAsync(), "check", "metrics");
        Assert.True(code == 0, output);
    }

    private async Task<string> ScrapeAsync() => await fixture.Http.GetStringAsync("/metrics");

    private static double Value(string text, string series) => Samples().Matches(text).Where(m => m.Groups["series"].Value == series)
        .Select(m => double.Parse(m.Groups["value"].Value, CultureInfo.InvariantCulture)).DefaultIfEmpty(double.NaN).Single();

    [GeneratedRegex(@"^(?<series>[a-z_]+(\{[^}]*\})?) (?<value>\S+)$", RegexOptions.Multiline)]
    private static partial Regex Samples();
}
