using System.Net;
using System.Text.RegularExpressions;
using Dunning.Hosting;
using Dunning.Jobs;
using Dunning.Jobs.HangfireHost;
using Hangfire;
using Hangfire.Storage;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Dunning.Tests.Jobs.HangfireHost;

[Collection(nameof(ServiceRig))]
public sealed partial class DashboardTests
{
    [Fact]
    public async Task Its_dashboard_lists_the_jobs_and_runs_one_that_is_triggered_there()
    {
        await using var rig = await ServiceRig.NewAsync(accounts: 2, ("Jobs:RunAtStart", "false"), ("Jobs:Purge:Cron", "off"), ("Jobs:TimeZone", "Europe/Paris"),
            ("Jobs:Reconcile:Cron", "0 3 1 1 *"), ("Jobs:Renew:Cron", "0 3 1 1 *"), ("Jobs:Dun:Cron", "0 3 1 1 *"), ("Jobs:EndAccess:Cron", "0 3 1 1 *"),
            ("Jobs:Remind:Cron", "0 3 1 1 *"), ("Jobs:Mail:Cron", "0 3 1 1 *"));
        await using var service = await rig.StartAsync();
        using var http = new HttpClient { BaseAddress = new Uri(service.Addresses.Single()) };

        var page = await http.GetStringAsync("/hangfire/recurring");
        Assert.Equal(
            JobSettings.Passes.Select(PassJobs.NameOf).Where(n => n != "purge").Order(StringComparer.Ordinal),
            CheckBox().Matches(page).Select(m => m.Groups[1].Value).Order(StringComparer.Ordinal));
        Assert.Contains("End access", page);
        using (var connection = service.Services.GetRequiredService<JobStorage>().GetConnection())
        {
            Assert.All(connection.GetRecurringJobs(), job => Assert.Equal(2, job.NextExecution!.Value.Hour)); // 03:00 in Paris
        }

        // A click from another site has no token.
        Assert.Equal(HttpStatusCode.Forbidden, (await Trigger(null)).StatusCode);
        Assert.Equal(HttpStatusCode.NoContent, (await Trigger(Token().Match(page).Groups[1].Value)).StatusCode);
        await rig.WaitAsync(async () => await rig.ScalarAsync<long>("select count(*) from dunning.event where type = 'invoice.paid'") == 2);
        Assert.Equal(0, await rig.ScalarAsync<long>("select count(*) from dunning.event where type = 'email.sent'"));

        async Task<HttpResponseMessage> Trigger(string? token)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/hangfire/recurring/trigger")
            {
                Content = new FormUrlEncodedContent([new("jobs[]", "renew")]),
            };
            if (token is not null)
            {
                request.Headers.Add("RequestVerificationToken", token);
            }
            return await http.SendAsync(request);
        }
    }

    [Fact]
    public async Task A_failed_job_is_not_tried_again()
    {
        await using var rig = await ServiceRig.NewAsync(accounts: 1, ("Jobs:RunAtStart", "false"));
        await using var service = await rig.StartAsync();

        Assert.All(
            GlobalJobFilters.Filters.Select(f => f.Instance).OfType<AutomaticRetryAttribute>(), filter => Assert.Equal(0, filter.Attempts));
        await rig.ScalarAsync<string?>("alter table dunning.due rename to due_away; select null::text");
        service.Services.GetRequiredService<IBackgroundJobClient>().Enqueue<RenewJob>(job => job.RunAsync(CancellationToken.None));

        await rig.WaitAsync(async () => await rig.ScalarAsync<long>("select count(*) from hangfire.job where statename = 'Failed'") > 0);
        Assert.Equal(0, await rig.ScalarAsync<long>("select count(*) from hangfire.job where statename = 'Scheduled'"));
    }

    [Theory]
    [InlineData("127.0.0.1", "localhost:5080", null, true)]
    [InlineData("127.0.0.1", "127.0.0.1:5080", null, true)]
    [InlineData("::1", "[::1]:5080", null, true)]
    [InlineData("::ffff:127.0.0.1", "LOCALHOST", null, true)]
    [InlineData("127.0.0.1", "dunning.example", null, false)]
    [InlineData("127.0.0.1", "", null, false)]
    [InlineData("127.0.0.1", "localhost.evil.example", null, false)]
    [InlineData("192.0.2.1", "localhost", null, false)]
    [InlineData(null, "localhost", null, false)]
    [InlineData("127.0.0.1", "localhost", "X-Forwarded-For", false)]
    [InlineData("127.0.0.1", "localhost", "forwarded", false)]
    [InlineData("127.0.0.1", "localhost", "X-Real-IP", false)]
    public void Only_this_machine_sees_it(string? remote, string host, string? header, bool isLocal)
    {
        var request = new DefaultHttpContext().Request;
        request.Host = new HostString(host);
        if (header is not null)
        {
            request.Headers[header] = "192.0.2.1";
        }

        Assert.Equal(isLocal, LocalDashboard.IsLocal(remote is null ? null : IPAddress.Parse(remote), request));
    }

    [GeneratedRegex("name=\"jobs\\[\\]\"[^>]*value=\"([a-z]+)\"")]
    private static partial Regex CheckBox();

    [GeneratedRegex("csrf-token\" content=\"([^\"]+)\"")]
    private static partial Regex Token();
}
