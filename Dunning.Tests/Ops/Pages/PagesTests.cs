using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using Dunning.Ops.Queries;
using Dunning.Postgres;
using Dunning.Tests.Jobs;
using Dunning.Tests.Ops.SignIn;
using Dunning.Tests.Pay;

namespace Dunning.Tests.Ops.Pages;

/// <summary>What the pages show, and every act done once through them and found in the audit.</summary>
[Collection(nameof(ServiceRig))]
public sealed class PagesTests(PagesRig rig) : IClassFixture<PagesRig>
{
    [Fact]
    public async Task Every_page_shows_something_in_both_languages()
    {
        using var browser = await rig.Ops.SignInAsync("viewer");
        foreach (var language in new[] { "en", "fr" })
        {
            using var _ = await browser.PostAsync("/ops/language", ("language", language), ("back", "/ops"));
            foreach (var path in await rig.PathsAsync())
            {
                var text = await browser.TextAsync(path);
                Assert.Contains($"<html lang=\"{language}\">", text, StringComparison.Ordinal);
                Assert.DoesNotContain("method=\"post\" action=\"/ops/account", text, StringComparison.Ordinal);
                // A slot that nobody filled.
                Assert.DoesNotMatch(@">[^<]*\{[a-z]+\}[^<]*<", text);
            }
        }
    }

    [Fact]
    public async Task The_overview_tells_what_is_owed_and_what_is_amiss()
    {
        using var browser = await rig.Ops.SignInAsync("viewer");
        // Whoever watches alerts may have found this one to be over: until it is seen.
        var text = "";
        await rig.Rig.WaitAsync(async () =>
        {
            await rig.Rig.ScalarAsync<long?>("update dunning.alert set resolved_at = null where key = 'pass:mail' returning id");
            return (text = await browser.TextAsync("/ops")).Contains("the mail pass fails", StringComparison.Ordinal);
        });
        Assert.Contains("insufficient funds", text, StringComparison.Ordinal);
        Assert.Matches("To be purged in 30 days</h3><p><a href=\"/ops/forecast#purges\">1</a>", text);
    }

    [Fact]
    public async Task A_form_that_is_sent_twice_is_carried_out_once()
    {
        using var browser = await rig.Ops.SignInAsync("operator");
        var page = await browser.TextAsync("/ops/account?id=a11");
        var numbers = Regex.Matches(page, "name=\"__once\" value=\"([^\"]{22})\"").Select(m => m.Groups[1].Value).ToList();
        Assert.Equal(numbers.Count, numbers.Distinct().Count());
        Assert.True(numbers.Count > 3);

        var answers = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => SendAsync(numbers[0])));
        Assert.Single(answers, a => a.StatusCode == HttpStatusCode.SeeOther);
        Assert.Equal(3, answers.Count(a => a.StatusCode == HttpStatusCode.Conflict));
        Assert.Contains("carried out once", await answers.First(a => a.StatusCode == HttpStatusCode.Conflict).Content.ReadAsStringAsync());
        Assert.Equal(HttpStatusCode.Conflict, (await SendAsync("none")).StatusCode);
        Assert.Equal(1, await rig.Rig.ScalarAsync<long>("select count(*) from dunning.event e where account_id = 'a11' and type = 'operator.acted' and e::text like '%clicked twice%'"));
        Assert.Equal(HttpStatusCode.SeeOther, (await SendAsync(numbers[1])).StatusCode);

        Task<HttpResponseMessage> SendAsync(string number) => browser.PostAsync(
            "/ops/account/act", ("account", "a11"), ("act", "credit"), ("amount", "1"), ("reason", "clicked twice"), ("__once", number));
    }

    [Theory]
    [InlineData("q=a14", "a14", "a1\"")]
    [InlineData("q=owner@a5.example", "a5", "a6\"")]
    [InlineData("q=Zoë", "a1", "a6\"")]
    [InlineData("q=fil", "a1", "a6\"")]
    [InlineData("state=suspended", "a14", "a6\"")]
    [InlineData("code=insufficient_funds&state=open&order=largest", "a6", "a16\"")]
    [InlineData("state=&order=largest", "a6", "a16\"")]
    [InlineData("code=lost_card", "No case matches", "a6\"")]
    [InlineData("q=nobody%20here", "No account has", "a6\"")]
    public async Task Cases_are_found(string query, string there, string missing)
    {
        using var browser = await rig.Ops.SignInAsync("viewer");
        var text = await browser.TextAsync("/ops/cases?" + query);
        Assert.Contains(there, text, StringComparison.Ordinal);
        Assert.DoesNotContain("id=" + missing, text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Charges_without_an_outcome_are_listed_the_stuck_ones_first()
    {
        using var browser = await rig.Ops.SignInAsync("viewer");
        var charges = await new OpenChargeQueries(rig.Rig.Database.Source).ChargesAsync(10, default);
        var text = await browser.TextAsync("/ops/charges");
        foreach (var charge in charges)
        {
            Assert.Contains(charge.Number, text, StringComparison.Ordinal);
        }
        Assert.Equal(charges.OrderByDescending(c => c.Stuck).ThenBy(c => c.Since).Select(c => c.Number), charges.Select(c => c.Number));
        var untried = await new OpenChargeQueries(rig.Rig.Database.Source).WithoutAttemptAsync(NodaTime.Instant.FromUtc(2999, 1, 1, 0, 0), 10, default);
        Assert.DoesNotContain(untried, u => charges.Any(c => c.Number == u.Number));
    }

    [Theory]
    [InlineData("latest", "open")]
    [InlineData("oldest", null)]
    [InlineData("largest", "open")]
    public async Task Page_by_page_every_case_is_there_once(string order, string? state)
    {
        var (queries, filter) = (new CaseQueries(rig.Rig.Database.Source), new CaseFilter(state, Order: order));
        var (seen, after) = (new List<CaseRow>(), (CaseCursor?)null);
        while (true)
        {
            var page = await queries.ListAsync(filter, after, 4, default);
            seen.AddRange(page.Take(4));
            if (page.Count <= 4)
            {
                break;
            }
            after = seen[^1].Cursor;
        }
        var all = new List<CaseRow>();
        await foreach (var row in queries.ReadAsync(filter, default))
        {
            all.Add(row);
        }
        Assert.True(all.Count > 8);
        Assert.Equal(all.Select(r => r.Number), seen.Select(r => r.Number));
        Assert.Equal(all.Count, all.DistinctBy(r => r.Number).Count());
    }

    [Fact]
    public async Task Page_by_page_every_mail_is_there_once()
    {
        var queries = new MailQueries(rig.Rig.Database.Source);
        var (seen, after) = (new List<OutboxView>(), (MailCursor?)null);
        while (true)
        {
            var page = await queries.ListAsync(null, null, null, after, NodaTime.Instant.FromUnixTimeSeconds(1_800_000_000), 3, default);
            seen.AddRange(page.Take(3));
            if (page.Count <= 3)
            {
                break;
            }
            after = new MailCursor(seen[^1].DecidedAt, seen[^1].AccountId, seen[^1].MailNumber, seen[^1].Contact);
        }
        Assert.True(seen.Count > 6);
        Assert.Equal(await rig.Rig.ScalarAsync<long>("select count(*) from dunning.outbox"), seen.DistinctBy(m => (m.AccountId, m.MailNumber, m.Contact)).Count());
    }

    [Theory]
    [InlineData("/ops/account?id=%00")]
    [InlineData("/ops/mails/mail?account=%00&mail=1&contact=1")]
    [InlineData("/ops/mails/html?account=nobody&mail=x")]
    [InlineData("/ops/document?number=%00")]
    public async Task What_is_not_there_is_not_found(string path)
    {
        using var browser = await rig.Ops.SignInAsync("viewer");
        using var answer = await browser.GetAsync(path);
        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
    }

    [Theory]
    [InlineData("/ops/cases?q=%00&after=x&step=99999999999&state=%27&currency=%27%27%27")]
    [InlineData("/ops/cases?q=%26%7C!(%3A*&state=")]
    [InlineData("/ops/cases?after=AAAA&order=largest")]
    [InlineData("/ops/mails?after=%C3%28&template=%00")]
    [InlineData("/ops/audit?operator=%00&after=MXwyfDM")]
    [InlineData("/ops?currency=XXX")]
    [InlineData("/ops/passes?pass=%27")]
    public async Task Nonsense_in_an_address_is_passed_over(string path)
    {
        using var browser = await rig.Ops.SignInAsync("viewer");
        using var answer = await browser.GetAsync(path);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    [Fact]
    public async Task An_invoice_is_found_by_its_number_and_its_document_is_there()
    {
        using var browser = await rig.Ops.SignInAsync("viewer");
        var number = await rig.NumberAsync("a5");
        Assert.Contains("id=a5\"", await browser.TextAsync("/ops/cases?q=" + number), StringComparison.Ordinal);
        using var document = await browser.GetAsync("/ops/document?kind=invoice&number=" + number);
        Assert.Equal("application/pdf", document.Content.Headers.ContentType!.MediaType);
        Assert.StartsWith("%PDF-", Encoding.Latin1.GetString(await document.Content.ReadAsByteArrayAsync()), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Exports_hold_no_formulas()
    {
        using var browser = await rig.Ops.SignInAsync("viewer");
        var text = await browser.TextAsync("/ops/cases.csv?state=open");
        Assert.Contains(",'=Atelier Zoë,", text, StringComparison.Ordinal);
        Assert.Equal(await rig.Rig.ScalarAsync<long>("select count(*) from dunning.receivable where case_schedule is not null and state = 'open'"), text.Trim().Split("\r\n").Length - 1);
    }

    [Fact]
    public async Task A_mail_is_shown_in_a_frame_that_may_do_nothing()
    {
        using var browser = await rig.Ops.SignInAsync("viewer");
        var path = (await rig.PathsAsync()).Single(p => p.StartsWith("/ops/mails/mail", StringComparison.Ordinal));
        Assert.Contains("<iframe class=\"mail\" sandbox ", await browser.TextAsync(path), StringComparison.Ordinal);
        using var mail = await browser.GetAsync(path.Replace("/mail?", "/html?", StringComparison.Ordinal));
        Assert.Contains("sandbox;", mail.Headers.GetValues("Content-Security-Policy").Single(), StringComparison.Ordinal);
        Assert.DoesNotContain("/pay/", await mail.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_a_guard_holds_back_is_said_to_be_held_and_leads_to_the_guards()
    {
        using var browser = await rig.Ops.SignInAsync("viewer");
        // At its last step since yesterday; the guard trips first, so that no pass of the service takes it.
        await rig.Rig.ScalarAsync<long>("insert into dunning.guard_trip (kind, tripped_at, allowed, wanted) values ('suspensions', now() - interval '1 hour', 50, 80), ('mails', now(), 50, 80) returning id");
        await rig.Rig.ScalarAsync<string>(
            """
            update dunning.receivable set case_day_zero = current_date - 40, case_last_step = 3, case_last_step_on = current_date - 10, case_warned_on = current_date - 10, case_warning_left_on = current_date - 10
            where account_id = 'a12' returning account_id
            """);
        try
        {
            var account = await browser.TextAsync("/ops/account?id=a12");
            Assert.Matches("waits</td><td>Dunning step 4: .+held by the guard of suspensions since [0-9: -]+: approve or wait <a href=\"/ops/passes#guards\">To the guards</a>", account);
            Assert.Contains("Its last attempt is due, and a guard holds it back since", account, StringComparison.Ordinal);
            Assert.DoesNotContain("if nothing is paid", account, StringComparison.Ordinal);
            var cases = await browser.TextAsync("/ops/cases");
            Assert.Contains("What the guard of suspensions holds back waits for an approval since", cases, StringComparison.Ordinal);
            Assert.Matches("id=a12\"(?:(?!</tr>).)*<a href=\"/ops/passes#guards\">held by a guard</a></td></tr>", cases.ReplaceLineEndings(" "));
            Assert.Single(Regex.Matches(cases, ">held by a guard<"));
            Assert.Contains("What the guard of mails holds back", await browser.TextAsync("/ops/mails"), StringComparison.Ordinal);
            Assert.Contains("What the guard of purges holds back", await browser.TextAsync("/ops/forecast"), StringComparison.Ordinal);
            using var _ = await browser.PostAsync("/ops/language", ("language", "fr"), ("back", "/ops"));
            Assert.Contains("retenu par la garde des suspensions depuis le", await browser.TextAsync("/ops/account?id=a12"), StringComparison.Ordinal);
        }
        finally
        {
            await rig.Rig.ScalarAsync<string>("update dunning.receivable set case_last_step = 0, case_warned_on = null, case_warning_left_on = null, case_last_step_on = current_date, case_day_zero = current_date where account_id = 'a12' returning account_id");
            await rig.Rig.ScalarAsync<long>("update dunning.guard_trip set approved_at = now(), approved_by = 'test', approved_reason = 'test' where kind in ('suspensions', 'mails') returning id");
        }
        Assert.DoesNotContain("holds back", await browser.TextAsync("/ops/cases"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Every_act_is_done_by_its_form_and_is_in_the_audit()
    {
        using var browser = await rig.Ops.SignInAsync("operator");
        async Task ActAsync(string account, string act, bool isOfInvoice, params (string, string)[] more)
        {
            // Only what the account's page has a form for.
            var page = await browser.TextAsync("/ops/account?id=" + account);
            Assert.Contains($"name=\"act\" value=\"{act}\"", page, StringComparison.Ordinal);
            (string, string)[] fields = [("account", account), ("act", act), ("reason", $"test of {act}"), .. more];
            using var answer = await browser.PostAsync("/ops/account/act", isOfInvoice ? [.. fields, ("number", await rig.NumberAsync(account))] : fields);
            Assert.Equal((act, HttpStatusCode.SeeOther), (act, answer.StatusCode));
            Assert.Contains("class=\"told\" role=\"status\"", await browser.TextAsync("/ops/account?id=" + account), StringComparison.Ordinal);
        }

        await ActAsync("a2", "pause", true, ("until", DateOnly.FromDateTime(TimeProvider.System.GetUtcNow().DateTime).AddDays(9).ToString("yyyy-MM-dd", null)));
        await ActAsync("a2", "unpause", true);
        await ActAsync("a2", "retry_charge", true);
        await ActAsync("a3", "exempt", true);
        await ActAsync("a3", "unexempt", true);
        await ActAsync("a6", "exempt", false);
        await ActAsync("a6", "unexempt", false);
        await ActAsync("a6", "hold", false);
        await ActAsync("a6", "release_hold", false);
        await ActAsync("a14", "grant_access", false, ("days", "3"));
        await ActAsync("a7", "credit", false, ("amount", "1,50"));
        // What can't be taken back is asked for twice.
        foreach (var (account, act, more) in new[] { ("a8", "write_off", ""), ("a9", "void", ""), ("a15", "resolve_charge", "succeeded") })
        {
            using (var asked = await browser.PostAsync("/ops/account/act", ("account", account), ("act", act), ("reason", "once"), ("number", await rig.NumberAsync(account)), ("outcome", more)))
            {
                Assert.Equal(HttpStatusCode.OK, asked.StatusCode);
                Assert.Contains("name=\"confirmed\" value=\"yes\"", await asked.Content.ReadAsStringAsync(), StringComparison.Ordinal);
            }
            await ActAsync(account, act, true, ("confirmed", "yes"), ("outcome", more));
        }
        using (var resent = await browser.PostAsync("/ops/mails/resend", ("all", "dead"), ("reason", "test of resend_mail")))
        {
            Assert.Equal(HttpStatusCode.SeeOther, resent.StatusCode);
        }
        using (var run = await browser.PostAsync("/ops/passes/run", ("pass", "end_access"), ("reason", "test of run_pass")))
        {
            Assert.Equal(HttpStatusCode.SeeOther, run.StatusCode);
        }
        using (var admin = await rig.Ops.SignInAsync("admin"))
        {
            Assert.Contains("action=\"/ops/passes/approve\"", await admin.TextAsync("/ops/passes"), StringComparison.Ordinal);
            using (var asked = await admin.PostAsync("/ops/passes/approve", ("kind", "purges"), ("reason", "test of approve_guard")))
            {
                Assert.Contains("name=\"confirmed\" value=\"yes\"", await asked.Content.ReadAsStringAsync(), StringComparison.Ordinal);
            }
            Assert.Equal(1, await rig.Rig.ScalarAsync<long>("select count(*) from dunning.guard_trip where kind = 'purges' and approved_at is null"));
            using var approved = await admin.PostAsync("/ops/passes/approve", ("kind", "purges"), ("reason", "test of approve_guard"), ("confirmed", "yes"));
            Assert.Equal(0, await rig.Rig.ScalarAsync<long>("select count(*) from dunning.guard_trip where kind = 'purges' and approved_at is null"));
            Assert.Contains("test of approve_guard", await admin.TextAsync("/ops/audit?act=approve_guard"), StringComparison.Ordinal);
        }
        var audit = await browser.TextAsync("/ops/audit?operator=operator");
        foreach (var act in new[]
            {
                "pause", "unpause", "retry_charge", "exempt", "unexempt", "hold", "release_hold", "grant_access", "credit", "write_off", "void", "resolve_charge", "resend_mail", "run_pass",
            })
        {
            Assert.Contains($"<td>test of {act}</td>", audit, StringComparison.Ordinal);
        }
        Assert.DoesNotContain("<td>once</td>", audit, StringComparison.Ordinal);
        Assert.Contains("test of write_off", await browser.TextAsync("/ops/audit.csv?account=a8"), StringComparison.Ordinal);
        Assert.DoesNotContain("test of pause", await browser.TextAsync("/ops/audit?account=a8"), StringComparison.Ordinal);
        // What the operator says was taken has paid it; and what is paid can be voided there, too.
        Assert.Equal("paid", await rig.Rig.ScalarAsync<string>("select state from dunning.receivable where account_id = 'a15'"));
        await ActAsync("a15", "void", true, ("confirmed", "yes"));
        Assert.Equal("voided", await rig.Rig.ScalarAsync<string>("select state from dunning.receivable where account_id = 'a15'"));
        Assert.Matches("voided</span><br>(refund of [^<]+ under way since|[^<]+ went back on) 20", await browser.TextAsync("/ops/account?id=a15"));
    }

    [Fact]
    public async Task An_act_without_a_reason_or_with_nonsense_does_nothing()
    {
        using var browser = await rig.Ops.SignInAsync("operator");
        var before = await rig.Rig.ScalarAsync<long>("select count(*) from dunning.event where type in ('operator.acted', 'action.rejected') and account_id = 'a10'");
        foreach (var fields in new (string, string)[][]
            {
                [("act", "hold"), ("reason", " ")], [("act", "credit"), ("amount", "1.234"), ("reason", "x")], [("act", "credit"), ("amount", "-1"), ("reason", "x")],
                [("act", "cancel"), ("reason", "x")], [("act", "grant_access"), ("days", "0"), ("reason", "x")],
            })
        {
            using var answer = await browser.PostAsync("/ops/account/act", [("account", "a10"), .. fields]);
            Assert.Equal(HttpStatusCode.SeeOther, answer.StatusCode);
            Assert.Contains("class=\"told fault\"", await browser.TextAsync("/ops/account?id=a10"), StringComparison.Ordinal);
        }
        Assert.Equal(before, await rig.Rig.ScalarAsync<long>("select count(*) from dunning.event where type in ('operator.acted', 'action.rejected') and account_id = 'a10'"));
    }

    // The machine that tests has a browser; others may have none.
    [Fact]
    public async Task No_page_has_a_fault_that_axe_finds()
    {
        if (Chromium.Program is null)
        {
            Assert.False(Environment.GetEnvironmentVariable("CI") == "true", "CI has a browser");
            return;
        }
        await using var browser = await Chromium.StartAsync();
        await browser.LookAsync(1280, isDark: false);
        await browser.OpenAsync(new Uri(rig.Ops.Url, "/ops/sign-in"));
        await browser.WaitForAsync("Sign in");
        await browser.EvaluateAsync($"document.querySelector('[name=name]').value = 'operator'; document.querySelector('[name=password]').value = '{OpsRig.Password}'; document.querySelector('main form').requestSubmit()");
        await browser.WaitForAsync("Is money coming in?");
        var faults = new List<string>();
        foreach (var language in new[] { "en", "fr" })
        {
            await browser.EvaluateAsync($"document.querySelector('button[value={language}]').click()");
            await browser.WaitForAsync(language == "en" ? "Is money coming in?" : "L'argent rentre-t-il");
            foreach (var path in await rig.PathsAsync())
            {
                await browser.EvaluateAsync("document.body.textContent = ''");
                await browser.OpenAsync(new Uri(rig.Ops.Url, path));
                await browser.WaitForAsync(language == "en" ? "Overview" : "Vue d'ensemble");
                await Axe.OpenAsync(browser);
                foreach (var (width, isDark) in new[] { (1280, false), (320, false), (320, true), (1280, true) })
                {
                    await browser.LookAsync(width, isDark);
                    faults.AddRange((await Axe.LookAsync(browser)).Select(f => FormattableString.Invariant($"{path} {language} {width} {(isDark ? "dark" : "light")}: {f}")));
                    // What is wider scrolls in itself: the page never does.
                    var over = (int)(double)(await browser.EvaluateAsync("document.documentElement.scrollWidth - window.innerWidth"))!;
                    Assert.True(over <= 0, FormattableString.Invariant($"{path} {language} is {over} wider than {width}"));
                }
            }
            await browser.OpenAsync(new Uri(rig.Ops.Url, "/ops"));
            await browser.WaitForAsync(language == "en" ? "Is money coming in?" : "L'argent rentre-t-il");
        }
        Assert.Empty(faults);
    }
}
