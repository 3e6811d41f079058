using System.Net;
using System.Reflection;
using System.Text;
using System.Text.RegularExpressions;
using Dunning.Commands;
using Dunning.Events;
using Dunning.Model;
using Dunning.Ops.Frame;
using Dunning.Ops.Pages;
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
            "/ops/account/act", ("account", "a11"), ("act", "credit"), ("amount", "1"), ("reason", "clicked twice"), ("confirmed", "yes"), ("__once", number));
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
        var untried = await new OpenChargeQueries(rig.Rig.Database.Source).WithoutAttemptAsync(NodaTime.Instant.FromUtc(2999, 1, 1, 0, 0), NodaTime.Duration.Zero, 10, default);
        Assert.DoesNotContain(untried, u => charges.Any(c => c.Number == u.Number));
    }

    [Theory]
    [InlineData("latest", "open")]
    [InlineData("oldest", null)]
    [InlineData("largest", "open")]
    [InlineData("largest", null)]
    [InlineData("next", "open")]
    public async Task Page_by_page_every_case_is_there_once(string order, string? state)
    {
        var (queries, filter) = (new CaseQueries(rig.Rig.Database.Source, () => rig.Rig.Settings.Rules), new CaseFilter(state, Order: order));
        var (seen, page) = (new List<CaseRow>(), await queries.ListAsync(filter, null, isBack: false, 4, default));
        Assert.False(page.HasPrevious);
        var pages = new List<CasePage>();
        while (true)
        {
            pages.Add(page);
            seen.AddRange(page.Rows);
            if (!page.HasNext)
            {
                break;
            }
            page = await queries.ListAsync(filter, seen[^1].Cursor, isBack: false, 4, default);
            Assert.True(page.HasPrevious);
        }
        // And the way back from each page is the one before.
        foreach (var (before, here) in pages.Zip(pages.Skip(1)))
        {
            var back = await queries.ListAsync(filter, here.Rows[0].Cursor, isBack: true, 4, default);
            Assert.Equal(before.Rows.Select(r => r.Number), back.Rows.Select(r => r.Number));
            Assert.Equal((before.HasPrevious, true), (back.HasPrevious, back.HasNext));
        }
        Assert.Equal((seen.Count, false), await queries.CountAsync(filter, default));
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
            Assert.Matches("id=a12\"(?:(?!</tr>).)*<a href=\"/ops/passes#guards\">held by a guard</a></div></td></tr>", cases.ReplaceLineEndings(" "));
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
        await ActAsync("a7", "credit", false, ("amount", "1,50"), ("confirmed", "yes"));
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
        using (var asked = await browser.PostAsync("/ops/mails/resend", ("all", "dead"), ("reason", "once")))
        {
            Assert.Contains("2 mails to customers are tried again", await asked.Content.ReadAsStringAsync(), StringComparison.Ordinal);
            Assert.Equal(2, await rig.Rig.ScalarAsync<long>("select count(*) from dunning.outbox where state = 'dead'"));
        }
        using (var resent = await browser.PostAsync("/ops/mails/resend", ("all", "dead"), ("reason", "test of resend_mail"), ("confirmed", "yes")))
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
        Assert.Contains("a7 · €1.50", Plain(audit), StringComparison.Ordinal);
        Assert.Matches("credit,a7,,,,1.50,EUR,,,,,false,,test of credit", await browser.TextAsync("/ops/audit.csv?account=a7"));
        Assert.Contains("test of write_off", await browser.TextAsync("/ops/audit.csv?account=a8"), StringComparison.Ordinal);
        Assert.DoesNotContain("test of pause", await browser.TextAsync("/ops/audit?account=a8"), StringComparison.Ordinal);
        // What the operator says was taken has paid it; and what is paid can be voided there, too.
        Assert.Equal("paid", await rig.Rig.ScalarAsync<string>("select state from dunning.receivable where account_id = 'a15'"));
        await ActAsync("a15", "void", true, ("confirmed", "yes"));
        Assert.Equal("voided", await rig.Rig.ScalarAsync<string>("select state from dunning.receivable where account_id = 'a15'"));
        Assert.Matches("voided</span><br>(refund of [^<]+ under way since|[^<]+ went back on) 20", await browser.TextAsync("/ops/account?id=a15"));
    }

    [Fact]
    public async Task A_confirmation_names_whom_it_is_for_and_what_follows_from_it()
    {
        using var browser = await rig.Ops.SignInAsync("operator");
        var owed = await rig.Rig.ScalarAsync<long>("select sum(i.amount_due) from dunning.receivable r join dunning.invoice i using (subscription_id, period_start) where r.account_id = 'a12' and r.state = 'open'");
        var text = await AskAsync(("account", "a12"), ("act", "credit"), ("amount", "99999999"));
        foreach (var told in new[]
            {
                "<dd>Atelier</dd>", "<dd>€99,999,999.00</dd>", "goes from €0.00 to €99,999,999.00", "The mail 'credit issued' goes to owner@a12.example",
                $"The credit balance pays €{owed / 100m:0.00} of a12-1", "name=\"confirmed\" value=\"yes\"",
            })
        {
            Assert.Contains(told, text, StringComparison.Ordinal);
        }
        Assert.Equal(0, await rig.Rig.ScalarAsync<long>("select credit from dunning.account where id = 'a12'"));

        var number = await rig.NumberAsync(PagesRig.Paid);
        var paid = await rig.Rig.ScalarAsync<long>($"select amount from dunning.charge where account_id = '{PagesRig.Paid}'");
        text = await AskAsync(("account", PagesRig.Paid), ("act", "void"), ("number", number));
        Assert.Contains($"€{paid / 100m:0.00} goes back to a16-card, by the next reconcile pass.", text, StringComparison.Ordinal);
        Assert.Contains(number, text, StringComparison.Ordinal);
        Assert.Equal("paid", await rig.Rig.ScalarAsync<string>($"select state from dunning.receivable where account_id = '{PagesRig.Paid}'"));

        async Task<string> AskAsync(params (string, string)[] fields)
        {
            using var asked = await browser.PostAsync("/ops/account/act", [.. fields, ("reason", "once")]);
            Assert.Equal(HttpStatusCode.OK, asked.StatusCode);
            return Plain(WebUtility.HtmlDecode(await asked.Content.ReadAsStringAsync()));
        }
    }

    [Fact]
    public async Task What_can_not_be_done_says_why_and_the_form_stays_as_it_was_filled_in()
    {
        using var browser = await rig.Ops.SignInAsync("operator");
        var number = await rig.NumberAsync("a5");
        foreach (var (until, cause) in new[] { ("2020-01-01", "that date is not ahead"), ("2999-01-01", "that date is more than a year ahead"), ("soon", "a date such as 2026-12-15 is needed") })
        {
            using var answer = await browser.PostAsync("/ops/account/act", ("account", "a5"), ("act", "pause"), ("number", number), ("until", until), ("reason", "pays by transfer"));
            Assert.Equal(HttpStatusCode.UnprocessableEntity, answer.StatusCode);
            var text = WebUtility.HtmlDecode(await answer.Content.ReadAsStringAsync());
            Assert.Contains(cause, text, StringComparison.Ordinal);
            Assert.Contains("<details open><summary>Pause until a date", text, StringComparison.Ordinal);
            Assert.Contains($"name=\"until\" value=\"{until}\"", text, StringComparison.Ordinal);
            // In this form, and in no other.
            Assert.Single(Regex.Matches(text, "name=\"reason\" value=\"pays by transfer\""));
        }
        var audit = Plain(await browser.TextAsync("/ops/audit?account=a5&act=pause"));
        Assert.Contains($"a5 · {number}, period from ", audit, StringComparison.Ordinal);
        Assert.Contains("until 2020-01-01", audit, StringComparison.Ordinal);
        Assert.Contains("that date is not ahead", audit, StringComparison.Ordinal);
        Assert.Matches($"pause,a5,{number},a5-1,....-..-..,,,2020-01-01,,,,true,date_not_ahead,pays by transfer", await browser.TextAsync("/ops/audit.csv?account=a5"));
        var timeline = Plain(await browser.TextAsync("/ops/account?id=a5"));
        Assert.Matches($"The act 'pause' \\(until 2020-01-01, invoice {number} of ....-..-..\\) of operator was rejected: that date is not ahead. Its reason: pays by transfer", timeline);

        using var other = await browser.PostAsync("/ops/account/act", ("account", "a6"), ("act", "hold"), ("number", number), ("reason", "x"));
        Assert.Equal(HttpStatusCode.UnprocessableEntity, other.StatusCode);
        using var passes = await browser.PostAsync("/ops/passes/run", ("pass", "mail"), ("reason", " \u202e"));
        Assert.Equal(HttpStatusCode.UnprocessableEntity, passes.StatusCode);
        Assert.Contains("value=\"mail\" selected", await passes.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Before_a_guard_is_approved_one_sees_what_waits()
    {
        await rig.Rig.ScalarAsync<int?>(
            """
            update dunning.receivable set case_last_step = 3, case_last_step_on = current_date - 30, case_day_zero = current_date - 60, case_warned_on = current_date - 30,
                case_warning_left_on = current_date - 30, attempted_at = now() - interval '30 days' where account_id = 'a13';
            update dunning.due set at = now() - interval '1 minute' where account_id = 'a13' and pass = 'dun';
            update dunning.outbox set state = 'pending', settled_at = null, next_try_at = now() where account_id = 'a13';
            """);
        using var browser = await rig.Ops.SignInAsync("admin");
        var waiting = Plain(await browser.TextAsync("/ops/passes/waiting?kind=suspensions"));
        Assert.Contains("id=a13\">a13</a>", waiting, StringComparison.Ordinal);
        Assert.Contains("suspended, if its attempt fails", waiting, StringComparison.Ordinal);
        Assert.DoesNotContain("id=a1\"", waiting, StringComparison.Ordinal);
        Assert.Contains("payment failed", await browser.TextAsync("/ops/passes/waiting?kind=mails"), StringComparison.Ordinal);
        Assert.Contains("Nothing waits", await browser.TextAsync("/ops/passes/waiting?kind=purges"), StringComparison.Ordinal);
        await rig.Rig.ScalarAsync<int?>("insert into dunning.guard_trip (kind, tripped_at, allowed, wanted) values ('suspensions', now(), 1, 2)");
        Assert.Contains("href=\"/ops/passes/waiting?kind=suspensions\"", await browser.TextAsync("/ops/passes"), StringComparison.Ordinal);
        using var asked = await browser.PostAsync("/ops/passes/approve", ("kind", "suspensions"), ("reason", "looked"));
        Assert.Contains("id=a13\">a13</a>", await asked.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        using var none = await browser.GetAsync("/ops/passes/waiting?kind=none");
        Assert.Equal(HttpStatusCode.NotFound, none.StatusCode);
    }

    [Fact]
    public async Task In_French_nothing_of_the_program_stays_English()
    {
        await rig.Rig.ScalarAsync<int?>(
            """
            update dunning.plan_version set names = '{"en": "Team, monthly", "fr": "Équipe, au mois"}' where code = 'team-monthly';
            insert into dunning.audit (at, operator, act, subject, reason) values (now(), 'dunning', 'guard_tripped', 'purges', '15 wanted in 24 hours, 1 allowed'), (now(), 'anna', 'run_pass', 'all', 'by command');
            """);
        using var browser = await rig.Ops.SignInAsync("viewer");
        using var _ = await browser.PostAsync("/ops/language", ("language", "fr"), ("back", "/ops"));
        Assert.Contains("<td>Équipe, au mois (team-monthly)</td>", await browser.TextAsync("/ops/account?id=a4"), StringComparison.Ordinal);
        Assert.Contains("<th scope=\"col\">Abonnement</th>", await browser.TextAsync("/ops/account?id=a4"), StringComparison.Ordinal);
        var audit = await browser.TextAsync("/ops/audit");
        foreach (var told in new[] { "15 demandés en 24 heures, 1 permis", "<td>par commande</td>", "<td>Tous les passages</td>", "<td>connecté</td>", "<td>par mot de passe</td>" })
        {
            Assert.Contains(told, audit, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("/ops/xx")]
    [InlineData("/hangfire/xx")]
    public async Task What_is_no_page_says_so_to_who_is_signed_in_and_nothing_to_strangers(string path)
    {
        if (path.StartsWith("/hangfire", StringComparison.Ordinal) && !Dunning.Hosting.BuildInfo.JobHost.Contains("Hangfire", StringComparison.OrdinalIgnoreCase))
        {
            return;
        }
        using var browser = await rig.Ops.SignInAsync("viewer");
        using var answer = await browser.GetAsync(path);
        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
        Assert.Contains("There is no such page", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        using var stranger = rig.Ops.Browser();
        using var nothing = await stranger.GetAsync(path);
        Assert.Equal("", await nothing.Content.ReadAsStringAsync());
    }

    public static TheoryData<string> EventTypesOfOurs =>
        [.. typeof(EventTypes).GetFields(BindingFlags.Public | BindingFlags.Static).Select(f => (string)f.GetValue(null)!)];

    /// <summary>What <c>show</c> tells of an event, the page tells too.</summary>
    [Theory]
    [MemberData(nameof(EventTypesOfOurs))]
    public async Task The_timeline_tells_what_show_tells(string type)
    {
        var page = (await AccountPage.ReadAsync(rig.Rig.Database, rig.Rig.Settings, "a4", TimeProvider.System, default))!;
        var (isNotice, isOfAccount) = (type.StartsWith("notice.", StringComparison.Ordinal), type.StartsWith("account.", StringComparison.Ordinal));
        var e = new BookEvent(NodaTime.Instant.FromUtc(2031, 1, 1, 9, 0), "a4", type)
        {
            Subscription = "sub-9", PeriodStart = new(2031, 1, 11), PeriodEnd = new(2031, 2, 12), Subtotal = 111_101, Tax = 222_202, CreditApplied = 333_303, CarriedIn = 444_404,
            CarriedOut = 555_505, AmountDue = 666_606, Amount = type == EventTypes.InvoiceIssued ? null : 777_707, Method = new MethodRef("method-8", 0), Code = "insufficient_funds",
            Reason = "for reasons", Step = 88, Kind = "kindly", Audience = "all_agents", Plan = "plan-7", EndsOn = isOfAccount ? null : new(2031, 3, 13), PurgeOn = new(2031, 4, 14), Days = 17,
            Until = NodaTime.Instant.FromUtc(2031, 5, 15, 9, 0), Template = isNotice ? null : "template-6", To = [new Recipient { Contact = 1, Email = "to@five.example", Name = "Five", Locale = "fr" }], Do = "done_so", By = "anna",
        };
        var (show, ours) = (new EventSentences(page.Words).Of(e), Plain(new OpsSentences(new Show(OpsTexts.Load(rig.Rig.Settings.Texts).In("en"), NodaTime.DateTimeZone.Utc), page).Of(e)));
        (string Show, string Page)[] facts =
        [
            ("1,111.01", "1,111.01"), ("2,222.02", "2,222.02"), ("3,333.03", "3,333.03"), ("4,444.04", "4,444.04"), ("5,555.05", "5,555.05"), ("6,666.06", "6,666.06"), ("7,777.07", "7,777.07"),
            ("11 January 2031", "2031-01-11"), ("11 February 2031", "2031-02-11"), ("12 February 2031", "2031-02-12"), ("13 March 2031", "2031-03-13"), ("14 April 2031", "2031-04-14"),
            ("15 May 2031", "2031-05-15"), ("17 days", "17 days"), ("88", "88"), ("sub-9", "sub-9"), ("method-8", "method-8"), ("insufficient funds", "insufficient funds"), ("for reasons", "for reasons"),
            ("kindly", "kindly"), ("all agents", "all agents"), ("plan-7", "plan-7"), ("template-6", "template-6"), ("to@five.example", "to@five.example"), ("anna", "anna"), ("done so", "done so"),
        ];
        Assert.All(facts.Where(f => show.Contains(f.Show, StringComparison.Ordinal)), f => Assert.Contains(f.Page, ours, StringComparison.Ordinal));
    }

    [Fact]
    public void Every_cause_has_its_text()
    {
        var words = OpsTexts.Load(rig.Rig.Settings.Texts);
        foreach (var cause in typeof(RejectionCause).GetFields(BindingFlags.Public | BindingFlags.Static).Select(f => (string)f.GetValue(null)!))
        {
            Assert.All(OpsTexts.Languages, l => Assert.NotNull(words.In(l).Find("cause." + cause)));
            Assert.Equal(cause == RejectionCause.Other, RejectionText.Of(cause) == RejectionText.Of(null));
        }
    }

    // Without markup that stands between words, and with spaces that do break.
    private static string Plain(string text) => text.Replace('\u00a0', ' ').Replace('\u202f', ' ').Replace('’', '\'').Replace('‘', '\'').Replace("</a> · ", " · ", StringComparison.Ordinal);

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
            Assert.Equal(HttpStatusCode.UnprocessableEntity, answer.StatusCode);
            Assert.Contains("class=\"told fault\"", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
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
                await browser.EvaluateAsync("document.body?.replaceChildren()");
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
                    // Amounts and states least of all are looked for sideways.
                    if (path is "/ops" or "/ops/cases")
                    {
                        Assert.True((bool)(await browser.EvaluateAsync("(all => all.length > 0 && all.every(t => t.scrollWidth <= t.clientWidth || window.innerWidth > 640))([...document.querySelectorAll('.stack')])"))!, $"{path} {language}: a table is wider than the phone");
                    }
                }
            }
            await browser.OpenAsync(new Uri(rig.Ops.Url, "/ops"));
            await browser.WaitForAsync(language == "en" ? "Is money coming in?" : "L'argent rentre-t-il");
        }
        Assert.Empty(faults);
    }
}
