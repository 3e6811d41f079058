using System.Net;
using System.Text.RegularExpressions;
using Dunning.Hosting;
using Dunning.Jobs;
using Dunning.Ops.Frame;
using Dunning.Ops.SignIn;
using Dunning.Tests.Ops.SignIn;
using Hangfire;
using Hangfire.Storage;
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
        await new OpsUsers(rig.Database.Source, TimeProvider.System).AddAsync(new("tests", "set up"), "anna", OpsRole.Operator, OpsRig.Password, replaces: false, default);
        using var http = new OpsBrowser(new Uri(service.Addresses.Single()));
        using var signedIn = await http.SignInAsync("anna", OpsRig.Password);

        var page = await http.TextAsync("/hangfire/recurring");
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
        Assert.Equal("anna recurring/trigger renew", await rig.ScalarAsync<string>("select string_agg(operator || ' ' || subject, ';') from dunning.audit where act = 'job_pages'"));

        Task<HttpResponseMessage> Trigger(string? token) => http.PostAsync(
            "/hangfire/recurring/trigger", null, [("jobs[]", "renew")], token is null ? [] : [(OpsGate.TokenHeader, token)]);
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

    [Fact]
    public async Task A_viewer_looks_and_changes_nothing()
    {
        await using var ops = await OpsRig.NewAsync(hasUsers: true);
        using var viewer = await ops.SignInAsync("viewer");
        var page = await viewer.TextAsync("/hangfire/recurring");
        Assert.DoesNotContain("data-url=\"/hangfire/recurring/trigger\"", page);
        var token = Token().Match(page).Groups[1].Value;
        foreach (var (path, field) in ((string, string)[])
            [
                ("/recurring/trigger", "jobs[]"), ("/recurring/remove", "jobs[]"), ("/jobs/enqueued/delete", "jobs[]"), ("/jobs/scheduled/enqueue", "jobs[]"),
                ("/jobs/failed/requeue", "jobs[]"), ("/jobs/succeeded/requeue", "jobs[]"), ("/jobs/actions/requeue/1", "x"), ("/jobs/actions/delete/1", "x"),
            ])
        {
            using var refused = await viewer.PostAsync(
                "/hangfire" + path, ops.Url.GetLeftPart(UriPartial.Authority), [(field, "renew")], (OpsGate.TokenHeader, token));
            Assert.True(refused.StatusCode is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden or HttpStatusCode.NotFound, $"{path}: {refused.StatusCode}");
        }
        Assert.Equal(0, await ops.Rig.ScalarAsync<long>("select count(*) from hangfire.job"));
        // What its own page asks for every few seconds is only read.
        using var stats = await viewer.PostAsync(
            "/hangfire/stats", ops.Url.GetLeftPart(UriPartial.Authority), [("metrics[]", "servers:count")], (OpsGate.TokenHeader, token));
        Assert.Equal(HttpStatusCode.OK, stats.StatusCode);
        Assert.Equal(0, await ops.Rig.ScalarAsync<long>("select count(*) from dunning.audit where act = 'job_pages'"));
        // And a page that lies open and asks is nobody who is there.
        ops.Time.Ahead += TimeSpan.FromMinutes(20);
        Assert.Equal(HttpStatusCode.OK, await AskAsync());
        ops.Time.Ahead += TimeSpan.FromMinutes(11);
        Assert.Equal(HttpStatusCode.Unauthorized, await AskAsync());

        async Task<HttpStatusCode> AskAsync()
        {
            using var answer = await viewer.PostAsync(
                "/hangfire/stats", ops.Url.GetLeftPart(UriPartial.Authority), [("metrics[]", "servers:count")], (OpsGate.TokenHeader, token));
            return answer.StatusCode;
        }
    }

    [GeneratedRegex("name=\"jobs\\[\\]\"[^>]*value=\"([a-z]+)\"")]
    private static partial Regex CheckBox();

    [GeneratedRegex("csrf-token\" content=\"([^\"]+)\"")]
    private static partial Regex Token();
}
