using System.Net;
using Dunning.Commands;
using Dunning.Ops.Frame;
using Dunning.Ops.SignIn;
using Dunning.Tests.Jobs;

namespace Dunning.Tests.Ops.SignIn;

[Collection(nameof(ServiceRig))]
public sealed class FirstTokenTests
{
    [Fact]
    public async Task While_nobody_is_set_up_a_one_time_token_opens_the_pages_on_this_machine_only()
    {
        await using var ops = await OpsRig.NewAsync(hasUsers: false);
        var token = ops.Service.FirstToken!;
        var ours = ops.Url.GetLeftPart(UriPartial.Authority);
        using var browser = ops.Browser();
        Assert.Contains("One-time token", await browser.TextAsync("/ops/sign-in"));
        Assert.Equal(HttpStatusCode.Unauthorized, (await Use("wrong")).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await Use("")).StatusCode);

        // Behind a proxy everyone is local, and another site's name may lead here.
        foreach (var header in ((string, string)[])
            [
                ("X-Forwarded-For", "127.0.0.1"), ("Forwarded", "for=127.0.0.1"), ("Via", "1.1 x"), ("X-Real-IP", "127.0.0.1"), ("X-Forwarded-Proto", "https"),
                ("X-Forwarded-Anything", "x"), ("Host", "evil.example"), ("Host", "localhost.evil.example"), ("Host", "10.0.0.1"),
            ])
        {
            foreach (var path in (string[])["/ops/sign-in", "/ops/me", "/hangfire"])
            {
                using var refused = await browser.GetAsync(path, header);
                var text = await refused.Content.ReadAsStringAsync();
                Assert.True(refused.StatusCode == HttpStatusCode.Forbidden || (path == "/hangfire" && refused.StatusCode == HttpStatusCode.NotFound), $"{header} {path}");
                Assert.True(path == "/hangfire" || text.Contains("Not from here", StringComparison.Ordinal));
                Assert.DoesNotContain(AppContext.BaseDirectory.Split("Dunning.Tests")[0], text, StringComparison.Ordinal);
            }
            using var sent = await browser.PostAsync(SignInPages.Path, ours, [("token", token)], header);
            Assert.Equal((header, HttpStatusCode.Forbidden), (header, sent.StatusCode));
        }
        using var foreign = await browser.PostAsync(SignInPages.Path, "https://evil.example", [("token", token)]);
        Assert.Equal(HttpStatusCode.Forbidden, foreign.StatusCode);

        // Of many at once one gets in.
        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Use(token)));
        Assert.Single(answers, a => a.StatusCode == HttpStatusCode.SeeOther);
        Assert.Equal(7, answers.Count(a => a.StatusCode == HttpStatusCode.Unauthorized));
        Assert.Contains("<dd>admin</dd>", await browser.TextAsync("/ops/me"));
        using var proxied = await browser.GetAsync("/ops/me", ("X-Forwarded-For", "127.0.0.1"));
        Assert.Equal(HttpStatusCode.Forbidden, proxied.StatusCode);

        // The first user closes this way in, for who is in, too.
        Assert.True(await ops.Users.AddAsync(new("tests", "set up"), "anna", OpsRole.Admin, OpsRig.Password, replaces: false, default));
        Assert.Equal(HttpStatusCode.SeeOther, (await browser.GetAsync("/ops/me")).StatusCode);
        Assert.DoesNotContain("One-time token", await browser.TextAsync("/ops/sign-in"));
        Assert.Equal(HttpStatusCode.SeeOther, (await browser.SignInAsync("anna", OpsRig.Password)).StatusCode);

        Task<HttpResponseMessage> Use(string typed) => browser.PostAsync(SignInPages.Path, ours, [("token", typed)]);
    }

    [Theory]
    [InlineData(true, "", true)]
    [InlineData(false, "", false)]
    [InlineData(true, "NOTIFY_SOCKET", false)]
    [InlineData(true, "DOTNET_RUNNING_IN_CONTAINER", false)]
    [InlineData(true, "container", false)]
    public void The_token_is_printed_only_where_nothing_keeps_it(bool isConsole, string variable, bool isPrinted) =>
        Assert.Equal(isPrinted, RunCommand.IsSeenByItsStarterAlone(isConsole, v => v == variable ? "1" : null));

    [Fact]
    public async Task Through_proxies_in_a_row_it_is_the_first_unknown_address_that_has_to_wait()
    {
        await using var ops = await OpsRig.NewAsync(hasUsers: true, ("Ops:TrustedProxies", "10.0.0.0/8"));
        using var browser = ops.Browser();
        using var answer = await browser.SignInAsync("viewer", "not the password", "", ("X-Forwarded-For", "203.0.113.1, 198.51.100.7, 10.0.0.5"));
        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        Assert.Equal(1, await FailuresOf("198.51.100.7"));
        Assert.Equal(0, await FailuresOf("10.0.0.5") + await FailuresOf("203.0.113.1") + await FailuresOf("127.0.0.1"));

        Task<long> FailuresOf(string address) => ops.Rig.ScalarAsync<long>(
            $"select count(*) from dunning.ops_failure where encode(subject, 'hex') = '{Convert.ToHexStringLower(SignInLimits.SubjectOf(IPAddress.Parse(address)))}'");
    }

    [Fact]
    public async Task Names_that_are_not_allowed_and_plain_http_can_be_refused()
    {
        await using var ops = await OpsRig.NewAsync(hasUsers: true, ("Ops:AllowedHosts", "dunning.example.com"), ("Ops:RequireHttps", "true"));
        Assert.Null(ops.Service.FirstToken);
        using var browser = ops.Browser();
        Assert.Equal(HttpStatusCode.MisdirectedRequest, (await browser.GetAsync("/ops/sign-in")).StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, (await browser.GetAsync("/ops/sign-in", ("Host", "dunning.example.com"))).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await browser.GetAsync("/ops/sign-in", ("Host", "dunning.example.com"), ("X-Forwarded-Proto", "https"))).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await browser.GetAsync("/health")).StatusCode);
    }
}
