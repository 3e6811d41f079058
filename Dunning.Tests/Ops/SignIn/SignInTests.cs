using System.Net;
using Dapper;
using Dunning.Ops.Frame;
using Dunning.Ops.SignIn;
using Dunning.Tests.Jobs;

namespace Dunning.Tests.Ops.SignIn;

[Collection(nameof(ServiceRig))]
public sealed class SignInTests(OpsFixture fixture) : IClassFixture<OpsFixture>, IAsyncLifetime
{
    private OpsRig Ops => fixture.Ops;

    public async Task InitializeAsync() => await Ops.Rig.ScalarAsync<string?>("delete from dunning.ops_failure; select null::text");

    public Task DisposeAsync() => Task.CompletedTask;

    [Fact]
    public async Task A_user_signs_in_is_led_to_where_they_wanted_and_out_again()
    {
        var before = await Ops.Rig.ScalarAsync<long>("select count(*) from dunning.audit where act = 'sign_in' and operator = 'operator'");
        using var browser = Ops.Browser();
        using var asked = await browser.GetAsync("/ops/me?x=1");
        var form = asked.Headers.Location!.OriginalString;
        Assert.Equal("/ops/sign-in?back=%2Fops%2Fme%3Fx%3D1", form);
        Assert.Contains("value=\"/ops/me?x=1\"", await browser.TextAsync(form));

        // A cookie that somebody has planted is not the one that is good afterwards.
        browser.Session = new Cookie("dunning", new string('A', 43), "/");
        using var answer = await browser.SignInAsync("Operator ", OpsRig.Password, "/ops/me?x=1");
        Assert.Equal((HttpStatusCode.SeeOther, "/ops/me?x=1"), (answer.StatusCode, answer.Headers.Location!.OriginalString));
        var cookie = Assert.Single(answer.Headers.GetValues("Set-Cookie"));
        Assert.Matches("^dunning=[A-Za-z0-9_-]{43}; path=/; samesite=lax; httponly$", cookie);
        Assert.NotEqual(new string('A', 43), browser.Session!.Value);
        var me = await browser.TextAsync("/ops/me");
        Assert.Contains("<dd>operator</dd>", me);
        Assert.DoesNotContain(browser.Session.Value, me, StringComparison.Ordinal);
        Assert.Equal(0, await Ops.Rig.ScalarAsync<long>($"select count(*) from dunning.ops_session s where s::text like '%{browser.Session.Value}%'"));

        Assert.Equal(1, await Ops.Rig.ScalarAsync<long>("select count(*) from dunning.audit where act = 'sign_in' and operator = 'operator' and subject = 'password'") - before);

        // The same browser signs in anew: the session before is over.
        var (first, kept) = (browser.Session.Value, Ops.Browser());
        using var again = await browser.SignInAsync("viewer", OpsRig.Password);
        kept.Session = new Cookie("dunning", first, "/");
        Assert.Equal(HttpStatusCode.SeeOther, (await kept.GetAsync("/ops/me")).StatusCode);

        kept.Session = new Cookie("dunning", browser.Session.Value, "/");
        Assert.Equal(HttpStatusCode.OK, (await kept.GetAsync("/ops/me")).StatusCode);
        using var left = await browser.PostAsync("/ops/sign-out");
        Assert.Equal("/ops/sign-in", left.Headers.Location!.OriginalString);
        Assert.Equal(HttpStatusCode.SeeOther, (await kept.GetAsync("/ops/me")).StatusCode);
        kept.Dispose();
    }

    [Fact]
    public async Task Nothing_tells_whether_there_is_such_a_user()
    {
        using var browser = Ops.Browser();
        using var known = await browser.SignInAsync("viewer", "not the password");
        using var unknown = await browser.SignInAsync("nobody", "not the password");
        using var odd = await browser.SignInAsync("x' or 1=1 --", "not the password");

        Assert.Equal(HttpStatusCode.Unauthorized, known.StatusCode);
        Assert.Equal((known.StatusCode, await known.Content.ReadAsStringAsync()), (unknown.StatusCode, await unknown.Content.ReadAsStringAsync()));
        Assert.Equal((known.StatusCode, await known.Content.ReadAsStringAsync()), (odd.StatusCode, await odd.Content.ReadAsStringAsync()));
        Assert.False(known.Headers.Contains("Set-Cookie"));

        // Once blocked, both are, with the right password too.
        foreach (var user in (string[])["viewer", "nobody"])
        {
            foreach (var at in Enumerable.Range(2, 5))
            {
                using var answer = await browser.SignInAsync(user, "not the password");
                Assert.Equal((user, at <= 5 ? HttpStatusCode.Unauthorized : HttpStatusCode.TooManyRequests), (user, answer.StatusCode));
            }
        }
        using var right = await browser.SignInAsync("viewer", OpsRig.Password);
        Assert.Equal((HttpStatusCode.TooManyRequests, true), (right.StatusCode, right.Headers.RetryAfter!.Delta is { TotalSeconds: > 0 and <= 10 }));
        using var other = await browser.SignInAsync("operator", OpsRig.Password);
        Assert.Equal(HttpStatusCode.SeeOther, other.StatusCode);

        Ops.Time.Ahead += TimeSpan.FromSeconds(11);
        using var later = await browser.SignInAsync("viewer", OpsRig.Password);
        Assert.Equal(HttpStatusCode.SeeOther, later.StatusCode);
    }

    [Fact]
    public async Task Guessing_at_once_and_on_several_servers_gets_no_more_tries_and_waits_grow()
    {
        SignInLimits[] servers = [new(Ops.Rig.Database.Source, Ops.Time), new(Ops.Rig.Database.Source, Ops.Time)];
        var address = IPAddress.Parse("2001:db8:1:2::7");
        var tries = await Task.WhenAll(Enumerable.Range(0, 20).Select(n => servers[n % 2].BeginAsync("anna", IPAddress.Parse($"192.0.2.{n}"), default)));
        Assert.Equal(5, tries.Count(t => t is null));

        var last = NodaTime.Duration.Zero;
        for (var at = 0; at < 12; at++)
        {
            Ops.Time.Ahead += TimeSpan.FromMinutes(15) + TimeSpan.FromSeconds(1);
            Assert.Null(await servers[at % 2].BeginAsync("anna", IPAddress.Loopback, default));
            var wait = await servers[0].BeginAsync("anna", IPAddress.Parse("198.51.100.1"), default);
            var rounded = NodaTime.Duration.FromSeconds(Math.Ceiling(wait!.Value.TotalSeconds));
            Assert.True(rounded >= last, $"{rounded} after {last}");
            last = rounded;
        }
        Assert.Equal(NodaTime.Duration.FromMinutes(15), last);

        // Many names from one network: it has to wait, and what is right there takes only its own failure back.
        foreach (var at in Enumerable.Range(0, 19))
        {
            Assert.Null(await servers[at % 2].BeginAsync($"name{at}", address, default));
        }
        Assert.Null(await servers[0].BeginAsync("bert", IPAddress.Parse("2001:db8:1:2:ffff::1"), default));
        Assert.NotNull(await servers[1].BeginAsync("carl", address, default));
        // While it waits, the names that it makes up leave nothing behind.
        var rows = await Ops.Rig.ScalarAsync<long>("select count(*) from dunning.ops_failure");
        foreach (var at in Enumerable.Range(0, 30))
        {
            Assert.NotNull(await servers[at % 2].BeginAsync($"made-up{at}", address, default));
        }
        Assert.Equal(rows, await Ops.Rig.ScalarAsync<long>("select count(*) from dunning.ops_failure"));
        await servers[0].SucceedAsync("bert", address, default);
        Assert.Null(await servers[1].BeginAsync("carl", address, default));
        Assert.NotNull(await servers[1].BeginAsync("dora", address, default));
        Assert.Equal(0, await Ops.Rig.ScalarAsync<long>("select count(*) from dunning.ops_failure f where f::text like '%anna%' or f::text like '%2001%'"));
    }

    [Fact]
    public async Task A_session_ends_when_idle_after_its_hours_and_when_its_user_changes()
    {
        Assert.True(await Ops.Users.AddAsync(new("tests", "set up"), "anna", OpsRole.Admin, OpsRig.Password, replaces: false, default));
        using var browser = await Ops.SignInAsync("anna");
        // Used every 20 minutes it lives on, until its twelve hours are over.
        for (var minutes = 20; minutes < 12 * 60; minutes += 20)
        {
            Ops.Time.Ahead += TimeSpan.FromMinutes(20);
            Assert.Equal((minutes, HttpStatusCode.OK), (minutes, (await browser.GetAsync("/ops/me")).StatusCode));
        }
        Ops.Time.Ahead += TimeSpan.FromMinutes(20);
        Assert.Equal(HttpStatusCode.SeeOther, (await browser.GetAsync("/ops/me")).StatusCode);

        using var idle = await Ops.SignInAsync("anna");
        Ops.Time.Ahead += TimeSpan.FromMinutes(30);
        Assert.Equal(HttpStatusCode.SeeOther, (await idle.GetAsync("/ops/me")).StatusCode);

        var file = Path.GetTempFileName();
        await File.WriteAllTextAsync(file, "another good password\n");
        using var before = await Ops.SignInAsync("anna");
        Assert.Equal(0, (await Ops.Rig.CommandAsync("user", "passwd", "Anna", "--password-file", file)).Code);
        Assert.Equal(HttpStatusCode.SeeOther, (await before.GetAsync("/ops/me")).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await before.SignInAsync("anna", OpsRig.Password)).StatusCode);
        Assert.Equal(HttpStatusCode.SeeOther, (await before.SignInAsync("anna", "another good password")).StatusCode);

        Assert.Equal(0, (await Ops.Rig.CommandAsync("user", "add", "anna", "--role", "viewer", "--replace", "--password-file", file)).Code);
        Assert.Equal(HttpStatusCode.SeeOther, (await before.GetAsync("/ops/me")).StatusCode);
        Assert.Equal(HttpStatusCode.SeeOther, (await before.SignInAsync("anna", "another good password")).StatusCode);
        Assert.Contains("<dd>viewer</dd>", await before.TextAsync("/ops/me"));

        Assert.Equal(0, (await Ops.Rig.CommandAsync("user", "disable", "anna", "--by", "bert", "--reason", "left us")).Code);
        Assert.Equal(HttpStatusCode.SeeOther, (await before.GetAsync("/ops/me")).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await before.SignInAsync("anna", "another good password")).StatusCode);
        Assert.Equal("bert", await Ops.Rig.ScalarAsync<string>("select operator from dunning.audit where act = 'disable_user' and subject = 'anna' and reason = 'left us'"));
    }

    [Fact]
    public async Task Who_was_let_in_by_a_password_that_was_changed_meanwhile_is_not()
    {
        Assert.True(await Ops.Users.AddAsync(new("tests", "set up"), "fred", OpsRole.Viewer, OpsRig.Password, replaces: false, default));
        var sessions = new OpsSessions(Ops.Rig.Database.Source, new OpsSettings(), Ops.Time);
        var verified = await Ops.Rig.ScalarAsync<string>("select password from dunning.ops_user where name = 'fred'");
        Assert.NotNull(await OpenAsync());

        // The change is under way, and has ended the sessions that it has seen.
        await using (var connection = await Ops.Rig.Database.Source.OpenConnectionAsync())
        {
            await using var change = await connection.BeginTransactionAsync();
            await connection.ExecuteAsync("update dunning.ops_user set password = 'x' where name = 'fred'; delete from dunning.ops_session where local_user = 'fred'", transaction: change);
            var late = OpenAsync();
            await Task.Delay(200);
            Assert.False(late.IsCompleted);
            await change.CommitAsync();
            Assert.Null(await late);
        }
        Assert.Null(await OpenAsync());
        await Ops.Rig.ScalarAsync<string?>($"update dunning.ops_user set password = '{verified}', is_disabled = true where name = 'fred'; select null::text");
        Assert.Null(await OpenAsync());
        Assert.Equal((0, 1), (
            await Ops.Rig.ScalarAsync<long>("select count(*) from dunning.ops_session where local_user = 'fred'"),
            await Ops.Rig.ScalarAsync<long>("select count(*) from dunning.audit where act = 'sign_in' and operator = 'fred'")));

        Task<string?> OpenAsync() => sessions.OpenAsync("password", "fred", ("fred", verified), OpsRole.Viewer, "en", null, default);
    }

    [Fact]
    public async Task Who_can_not_be_seen_to_at_once_is_sent_away()
    {
        using var work = new PasswordWork(workers: 1, TimeSpan.FromMilliseconds(50));
        using var isOver = new ManualResetEventSlim();
        var hasBegun = new TaskCompletionSource();
        var first = Task.Run(() => work.TryAsync(
            () =>
            {
                hasBegun.SetResult();
                isOver.Wait();
                return "first";
            }, default));
        await hasBegun.Task;
        Assert.Null(await work.TryAsync(() => "second", default));
        isOver.Set();
        Assert.Equal("first", await first);
        Assert.Equal("third", await work.TryAsync(() => "third", default));
    }

    [Fact]
    public async Task Users_are_set_up_by_command_and_their_passwords_are_never_arguments()
    {
        var file = Path.GetTempFileName();
        await File.WriteAllTextAsync(file, "short\n");
        var (code, _, error) = await Ops.Rig.CommandAsync("user", "add", "carl", "--role", "viewer", "--password-file", file);
        Assert.Equal((2, true), (code, error.Contains("12 characters", StringComparison.Ordinal)));
        await File.WriteAllTextAsync(file, "a long enough one\n");
        Assert.Equal(2, (await Ops.Rig.CommandAsync("user", "add", "c d", "--role", "viewer", "--password-file", file)).Code);
        Assert.NotEqual(0, (await Ops.Rig.CommandAsync("user", "add", "carl", "--role", "king", "--password-file", file)).Code);
        Assert.Equal(0, (await Ops.Rig.CommandAsync("user", "add", "Carl", "--role", "viewer", "--password-file", file)).Code);
        Assert.Equal(1, (await Ops.Rig.CommandAsync("user", "add", "carl", "--role", "admin", "--password-file", file)).Code);
        Assert.Equal(1, (await Ops.Rig.CommandAsync("user", "disable", "dora")).Code);
        var (_, list, _) = await Ops.Rig.CommandAsync("user", "list");
        Assert.Matches("(?m)^carl +viewer +active +since .*, 0 sessions", list);
        Assert.Matches(@"^pbkdf2-sha512\$250000\$[^$]{24}\$[^$]{88}$", await Ops.Rig.ScalarAsync<string>("select password from dunning.ops_user where name = 'carl'"));

        // Kept with an older count, it is kept anew when it is next typed.
        var old = Password.Hash("a long enough one", iterations: 1000);
        await Ops.Rig.ScalarAsync<string?>($"update dunning.ops_user set password = '{old}' where name = 'carl'; select null::text");
        using var browser = Ops.Browser();
        Assert.Equal(HttpStatusCode.SeeOther, (await browser.SignInAsync("carl", "a long enough one")).StatusCode);
        Assert.StartsWith("pbkdf2-sha512$250000$", await Ops.Rig.ScalarAsync<string>("select password from dunning.ops_user where name = 'carl'"));
    }

    [Theory]
    [InlineData("https://evil.example/")]
    [InlineData("//evil.example/ops")]
    [InlineData("/\\evil.example")]
    [InlineData("/ops/../..//evil.example")]
    [InlineData("/ops\r\nX-Evil: 1")]
    [InlineData("/ops/\t/evil.example")]
    [InlineData("/opsevil")]
    [InlineData("/pay/x")]
    [InlineData("javascript:alert(1)")]
    public void No_page_leads_elsewhere(string back) => Assert.False(OpsPath.IsOurs(back));

    [Fact]
    public async Task Every_answer_of_ours_has_headers_that_keep_a_browser_safe()
    {
        using var browser = await Ops.SignInAsync("viewer");
        foreach (var path in (string[])["/ops/me", "/ops/sign-in", "/ops/nothing", "/health", "/", "/hangfire"])
        {
            using var answer = await browser.GetAsync(path);
            string Header(string name) => answer.Headers.TryGetValues(name, out var values) ? values.Single() : "";
            Assert.Equal((path, "nosniff"), (path, Header("X-Content-Type-Options")));
            Assert.Equal((path, "DENY"), (path, Header("X-Frame-Options")));
            Assert.Equal((path, "same-origin"), (path, Header("Referrer-Policy")));
            Assert.Equal((path, "same-origin"), (path, Header("Cross-Origin-Opener-Policy")));
            Assert.Equal((path, ""), (path, Header("Server")));
            Assert.True(answer.Headers.CacheControl!.NoStore, path);
            var policy = Header("Content-Security-Policy");
            Assert.StartsWith("default-src 'none'; ", policy);
            Assert.Contains("frame-ancestors 'none'", policy);
            Assert.DoesNotContain("script-src 'unsafe", policy.Replace("'self' ", "", StringComparison.Ordinal));
            Assert.Equal((path, path == "/hangfire"), (path, policy.Contains("script-src", StringComparison.Ordinal)));
        }
        // However an address is written, it is the same page behind the same gate.
        using var loud = await browser.GetAsync("/PAY/x");
        Assert.Equal("no-referrer", loud.Headers.GetValues("Referrer-Policy").Single());
        using var stranger = Ops.Browser();
        foreach (var path in (string[])["/OPS/Me", "/ops/me/", "/ops/%6De", "/ops//me", "/ops/./me", "/HangFire"])
        {
            using var answer = await stranger.GetAsync(path);
            Assert.True(answer.StatusCode is HttpStatusCode.SeeOther or HttpStatusCode.NotFound, $"{path}: {answer.StatusCode}");
        }
        using var style = await browser.GetAsync(OpsAssets.StylePath);
        Assert.Equal((HttpStatusCode.OK, "text/css"), (style.StatusCode, style.Content.Headers.ContentType!.MediaType));
    }

    [Fact]
    public async Task Behind_a_proxy_that_speaks_https_cookies_go_only_there()
    {
        using var browser = Ops.Browser();
        (string, string)[] proxied = [("X-Forwarded-Proto", "https"), ("X-Forwarded-For", "203.0.113.9"), ("Host", "dunning.example.com")];
        using var foreign = await browser.SignInAsync("viewer", OpsRig.Password, "", proxied);
        Assert.Equal(HttpStatusCode.Forbidden, foreign.StatusCode);
        using var answer = await browser.PostAsync(SignInPages.Path, "https://dunning.example.com", [("name", "viewer"), ("password", OpsRig.Password)], proxied);

        Assert.Equal(HttpStatusCode.SeeOther, answer.StatusCode);
        Assert.Matches("^__Host-dunning=[A-Za-z0-9_-]{43}; path=/; secure; samesite=lax; httponly$", Assert.Single(answer.Headers.GetValues("Set-Cookie")));
        Assert.Equal("max-age=31536000", Assert.Single(answer.Headers.GetValues("Strict-Transport-Security")));
        // What was given by https is not taken by http.
        var value = answer.Headers.GetValues("Set-Cookie").Single().Split('=', ';')[1];
        browser.Session = new Cookie("dunning", "x", "/");
        Assert.Equal(HttpStatusCode.SeeOther, (await browser.GetAsync("/ops/me", ("Cookie", "__Host-dunning=" + value))).StatusCode);
    }

    [Fact]
    public async Task The_pages_speak_the_language_of_who_is_there()
    {
        using var browser = Ops.Browser();
        using var french = await browser.GetAsync("/ops/sign-in", ("Accept-Language", "de, fr-CA;q=0.9, en;q=0.5"));
        Assert.Contains("<html lang=\"fr\">", await french.Content.ReadAsStringAsync());
        using var viewer = await Ops.SignInAsync("viewer");
        Assert.Contains("<html lang=\"en\">", await viewer.TextAsync("/ops/me"));
        using var switched = await viewer.PostAsync("/ops/language", ("language", "fr"), ("back", "/ops/me"));
        Assert.Equal("/ops/me", switched.Headers.Location!.OriginalString);
        Assert.Contains("Se déconnecter", await viewer.TextAsync("/ops/me"));
        // What a form leaves to tell is told once.
        using var told = await viewer.PostAsync("/ops/me/everywhere");
        Assert.Contains("Vous êtes déconnecté partout ailleurs.", (await viewer.TextAsync("/ops/me")).Replace('\u00A0', ' '));
        Assert.DoesNotContain("role=\"status\"", await viewer.TextAsync("/ops/me"));
    }
}
