using System.Text.RegularExpressions;
using Dapper;
using Dunning.Commands;
using Dunning.Tests.Jobs;

namespace Dunning.Tests.Commands;

/// <summary>Operators' acts by command on a real database, and that each is found in the account's trail with its name and reason.</summary>
[Collection(nameof(ServiceRig))]
public sealed partial class OperatorCommandTests : IAsyncLifetime
{
    private ServiceRig _rig = null!;

    public async Task InitializeAsync()
    {
        _rig = await ServiceRig.NewAsync(2);
        foreach (var account in new[] { "a1", "a2" })
        {
            await DoneAsync("act", account, "update_payment_method", "--token", "sandbox_decline_do_not_honor", "--exp", "2099-01");
        }
        await DoneAsync("pass", "renew");
    }

    public async Task DisposeAsync() => await _rig.DisposeAsync();

    [Fact]
    public async Task Hold_and_release_are_in_the_trail_with_who_and_why()
    {
        var (code, output, error) = await _rig.CommandAsync("account", "hold", "a1", "--reason", "audit until June", "--by", "anna");
        Assert.Equal((CommandLine.Ok, "a1: held: it is not purged until it is released"), (code, error.Trim()));
        Assert.Contains("\"type\":\"operator.acted\",\"reason\":\"audit until June\",\"do\":\"hold\",\"by\":\"anna\"", output);
        Assert.Contains("operator's act 'hold' by anna: audit until June", await DoneAsync("show", "a1"));
        Assert.True(await _rig.ScalarAsync<bool>("select legal_hold from dunning.account where id = 'a1'"));

        Assert.Equal(CommandLine.Wanting, (await _rig.CommandAsync("account", "hold", "a1", "--reason", "twice", "--by", "anna")).Code);
        Assert.Contains("the action 'hold' by anna was rejected: it is held already", await DoneAsync("show", "a1"));

        await DoneAsync("account", "release", "a1", "--reason", "audit is over");
        Assert.False(await _rig.ScalarAsync<bool>("select legal_hold from dunning.account where id = 'a1'"));
        Assert.Contains($"operator's act 'release hold' by {Environment.UserName}: audit is over", await DoneAsync("show", "a1"));
    }

    [Fact]
    public async Task A_void_makes_a_credit_note_and_a_written_off_invoice_is_owed_no_more()
    {
        var voided = await UnpaidOfAsync("a1");
        await DoneAsync("invoice", "void", voided, "--reason", "never used");
        Assert.Equal("voided", await StateOfAsync("a1"));
        Assert.Equal(1, await _rig.ScalarAsync<int>("select count(*) from dunning.credit_note where account_id = 'a1'"));
        Assert.Equal(CommandLine.Wanting, (await _rig.CommandAsync("invoice", "void", voided, "--reason", "again")).Code);
        var (code, _, error) = await _rig.CommandAsync("invoice", "write-off", voided, "--reason", "again");
        Assert.Equal(CommandLine.Wanting, code);
        Assert.Contains($"rejected: {voided}: it is not unpaid", error);

        await DoneAsync("invoice", "write-off", await UnpaidOfAsync("a2"), "--reason", "company dissolved");
        Assert.Equal("written_off", await StateOfAsync("a2"));
        Assert.Equal(0, await _rig.ScalarAsync<int>("select count(*) from dunning.credit_note where account_id = 'a2'"));
    }

    [Fact]
    public async Task A_retry_charges_in_the_next_pass_and_uses_up_no_step()
    {
        await DoneAsync("invoice", "retry", await UnpaidOfAsync("a1"), "--reason", "card is covered again");
        // Never in the second in which the renewal was attempted.
        await Task.Delay(1100);
        await _rig.CommandAsync("pass", "dun");

        Assert.Equal(2, await _rig.ScalarAsync<int>("select count(*) from dunning.event where account_id = 'a1' and type = 'charge.failed'"));
        Assert.Equal(0, await _rig.ScalarAsync<int>("select case_last_step from dunning.receivable where account_id = 'a1'"));
    }

    [Fact]
    public async Task Without_a_reason_nothing_is_done()
    {
        foreach (var reason in new[] { "", "  ", "two\nlines", new string('x', 501) })
        {
            var (code, _, error) = await _rig.CommandAsync("account", "hold", "a1", "--reason", reason);
            Assert.Equal(CommandLine.Failed, code);
            Assert.Contains("--reason must be from 1 to 500 characters", error);
        }
        Assert.Equal(CommandLine.Failed, (await _rig.CommandAsync("account", "hold", "a1")).Code);
        Assert.False(await _rig.ScalarAsync<bool>("select legal_hold from dunning.account where id = 'a1'"));
    }

    [Fact]
    public async Task A_paid_invoice_is_voided_and_the_reconcile_pass_gives_its_money_back()
    {
        await DoneAsync("act", "a1", "update_payment_method", "--token", "sandbox_ok", "--exp", "2099-01");
        await Task.Delay(1100);
        await DoneAsync("pass", "dun");
        Assert.Equal("paid", await StateOfAsync("a1"));
        var number = Number().Match(await DoneAsync("invoices", "list", "--account", "a1", "--state", "paid")).Value;

        await DoneAsync("invoice", "void", number, "--reason", "issued twice");
        Assert.Equal("voided", await StateOfAsync("a1"));
        var under = await DoneAsync("show", "a1");
        Assert.Matches(@"voided .+\n    refund of [0-9.]+ EUR under way since \w{3} \d", under.ReplaceLineEndings("\n"));
        Assert.Contains("its invoice is voided: refund under way since", under, StringComparison.Ordinal);
        Assert.DoesNotContain("taken twice", under, StringComparison.Ordinal);
        Assert.Contains(", refund under way since 20", await DoneAsync("invoices", "show", number), StringComparison.Ordinal);
        // As a minute later, which a refund waits after its charge.
        await ExecuteAsync("""
            update dunning.charge set last_called_at = last_called_at - interval '2 minutes', first_called_at = first_called_at - interval '2 minutes' where account_id = 'a1' and refund_due;
            update dunning.due set at = at - interval '2 minutes' where account_id = 'a1' and pass = 'reconcile'
            """);
        await DoneAsync("pass", "reconcile", "--reason", "refund now", "--by", "anna");

        Assert.Equal(1, await _rig.ScalarAsync<int>("select count(*) from dunning.charge where account_id = 'a1' and state = 'succeeded' and not refund_due and refunded = amount"));
        Assert.Equal(1, await _rig.ScalarAsync<int>("select count(*) from dunning.credit_note where account_id = 'a1'"));
        Assert.Matches(@"voided .+\n    [0-9.]+ EUR went back on \w{3} \d", (await DoneAsync("show", "a1")).ReplaceLineEndings("\n"));
        using (var json = System.Text.Json.JsonDocument.Parse(await DoneAsync("show", "a1", "--json")))
        {
            var refund = json.RootElement.GetProperty("settled").EnumerateArray().Last().GetProperty("refunds")[0];
            Assert.Equal((false, true), (refund.GetProperty("due").GetBoolean(), refund.GetProperty("at").GetString()!.StartsWith("20", StringComparison.Ordinal)));
        }
        Assert.Matches(@"[0-9.]+ EUR went back on 20", await DoneAsync("invoices", "show", number));
        Assert.Equal("run_pass reconcile refund now", await _rig.ScalarAsync<string>("select act || ' ' || subject || ' ' || reason from dunning.audit where operator = 'anna'"));
        Assert.Equal(CommandLine.Wanting, (await _rig.CommandAsync("invoice", "void", number, "--reason", "again")).Code);
    }

    [Fact]
    public async Task Pauses_and_exemptions_are_shown_and_withdrawn()
    {
        var number = await UnpaidOfAsync("a1");
        var until = TimeProvider.System.GetUtcNow().AddDays(20).ToString("yyyy-MM-dd", System.Globalization.CultureInfo.InvariantCulture);
        await DoneAsync("case", "pause", number, "--until", until, "--reason", "pays by transfer");
        Assert.Contains("paused until", await DoneAsync("show", "a1"));
        Assert.Contains("operator's act 'pause' until ", await DoneAsync("show", "a1"));
        await DoneAsync("case", "unpause", number, "--reason", "did not come");
        Assert.Equal(CommandLine.Wanting, (await _rig.CommandAsync("case", "unpause", number, "--reason", "twice")).Code);
        await DoneAsync("account", "pause", "a1", "--until", until, "--reason", "pays by transfer");
        await DoneAsync("account", "unpause", "a1", "--reason", "did not come");
        await DoneAsync("case", "exempt", number, "--reason", "we owe them");
        Assert.Contains("exempt: it suspends nobody", await DoneAsync("show", "a1"));
        await DoneAsync("case", "unexempt", number, "--reason", "delivered");
        await DoneAsync("account", "exempt", "a1", "--reason", "key account");
        Assert.Contains("for good: never suspended or purged", await DoneAsync("show", "a1"));
        Assert.Contains("\"exempt\":true", (await DoneAsync("show", "a1", "--json")).Replace(" ", "", StringComparison.Ordinal));
        await DoneAsync("account", "unexempt", "a1", "--reason", "contract ended");
        Assert.Equal(CommandLine.Failed, (await _rig.CommandAsync("case", "pause", number, "--until", "tomorrow", "--reason", "x")).Code);
        var (code, _, error) = await _rig.CommandAsync("case", "pause", number, "--until", "2020-01-01", "--reason", "x");
        Assert.Equal((CommandLine.Wanting, $"rejected: {number}: that date is not ahead"), (code, error.Trim()));
        (code, _, error) = await _rig.CommandAsync("case", "pause", number, "--until", "2999-01-01", "--reason", "x");
        Assert.Equal((CommandLine.Wanting, $"rejected: {number}: that date is more than a year ahead"), (code, error.Trim()));
        Assert.Equal(0, await _rig.ScalarAsync<int>("select count(*) from dunning.receivable where paused_until is not null or exempt"));
    }

    [Fact]
    public async Task Credit_and_access_are_given_in_a_name()
    {
        await DoneAsync("account", "credit", "a2", "--amount", "100", "--reason", "goodwill", "--by", "anna");
        Assert.Equal(100, await _rig.ScalarAsync<int>("select credit from dunning.account where id = 'a2'"));
        Assert.Equal(CommandLine.Failed, (await _rig.CommandAsync("account", "credit", "a2", "--amount", "0", "--reason", "x")).Code);
        Assert.Equal(CommandLine.Wanting, (await _rig.CommandAsync("account", "grant-access", "a2", "--days", "3", "--reason", "x")).Code);
        Assert.Contains("'credit' of 1.00 EUR by anna: goodwill", await DoneAsync("show", "a2"));
        Assert.Contains("'grant access' for 3 days by ", (await DoneAsync("show", "a2")).Replace("grant_access", "grant access", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Every_act_by_command_is_found_in_the_audit()
    {
        var until = TimeProvider.System.GetUtcNow().AddDays(20).ToString("yyyy-MM-dd", System.Globalization.CultureInfo.InvariantCulture);
        var (first, second) = (await UnpaidOfAsync("a1"), await UnpaidOfAsync("a2"));
        foreach (var command in new[]
            {
                $"case pause {first} --until {until}", $"case unpause {first}", $"case exempt {first}", $"case unexempt {first}", $"account pause a1 --until {until}", "account unpause a1",
                "account exempt a1", "account unexempt a1", "account hold a1", "account release a1", "account credit a1 --amount 1", $"invoice retry {first}", $"invoice void {first}",
                $"invoice write-off {second}", "pass end",
            })
        {
            await DoneAsync([.. command.Replace("pass end", "pass endaccess", StringComparison.Ordinal).Split(' '), "--reason", command, "--by", "anna"]);
        }
        // As after a last step, and as after a day without an answer.
        await ExecuteAsync("update dunning.account set access = 'suspended', suspended_on = '2026-01-01', suspended_at = now(), purge_on = '2099-01-01' where id = 'a2'");
        await DoneAsync("account", "grant-access", "a2", "--days", "3", "--reason", "account grant-access", "--by", "anna");
        await ExecuteAsync(
            "update dunning.receivable set state = 'open', settled_at = null where account_id = 'a2'; update dunning.charge set state = 'unknown', code = null, stuck = true where account_id = 'a2'");
        await DoneAsync("charge", "resolve", second, "--outcome", "never_made", "--reason", "charge resolve", "--by", "anna");
        // Nothing is in the audit that was not done: no such mail, and a pass that these rules keep from running.
        Assert.Equal(CommandLine.Wanting, (await _rig.CommandAsync("mail", "resend", "a1", "99", "--reason", "nothing", "--by", "anna")).Code);
        var (refused, _, why) = await _rig.CommandAsync("pass", "all", "--reason", "refused", "--by", "anna", "--set", "Dunning:ChargeAt=10:00");
        Assert.Equal(CommandLine.Failed, refused);
        Assert.Contains("other rules", why);
        await ExecuteAsync("update dunning.outbox set state = 'dead', settled_at = now(), next_try_at = null where account_id = 'a1'");
        await DoneAsync("mail", "resend", "--all-dead", "--reason", "mail resend", "--by", "anna");
        await ExecuteAsync("insert into dunning.guard_trip (kind, tripped_at, allowed, wanted) values ('purges', now(), 1, 2)");
        await DoneAsync("guard", "approve", "purges", "--reason", "guard approve", "--by", "anna");

        var audit = await new Dunning.Ops.Queries.AuditQueries(_rig.Database.Source).ListAsync(new Dunning.Ops.Queries.AuditFilter("anna"), null, 100, default);

        Assert.All(audit, a => Assert.False(a.IsRejected, a.Reason));
        Assert.Equal(19, audit.Select(a => a.Reason).Distinct().Count());
        Assert.Equal(
            ["approve_guard", "credit", "exempt", "grant_access", "hold", "pause", "release_hold", "resend_mail", "resolve_charge", "retry_charge", "run_pass", "unexempt", "unpause", "void", "write_off"],
            audit.Select(a => a.Act).Distinct().Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task The_audit_is_listed_by_command_with_amounts_invoices_and_what_was_rejected_and_why()
    {
        var number = await UnpaidOfAsync("a1");
        await DoneAsync("account", "credit", "a1", "--amount", "150", "--reason", "goodwill", "--by", "anna");
        await _rig.CommandAsync("case", "pause", number, "--until", "2020-01-01", "--reason", "too late", "--by", "anna");
        await DoneAsync("pass", "endaccess", "--by", "bob");

        var lines = (await DoneAsync("audit", "--operator", "anna")).Trim().Split(Environment.NewLine);
        Assert.Equal(2, lines.Length);
        Assert.Matches($"^....-..-.. ..:..Z  anna  pause \\(rejected\\)  a1, {number}, until 2020-01-01: too late; that date is not ahead$", lines[0]);
        Assert.Matches("^....-..-.. ..:..Z  anna  credit  a1, 1.50 EUR: goodwill$", lines[1]);
        Assert.EndsWith("bob  run pass  end_access: by command", (await DoneAsync("audit", "--operator", "bob")).Trim());
        Assert.DoesNotContain("bob", await DoneAsync("audit", "--account", "a1"));
        Assert.Contains("nothing", (await DoneAsync("audit", "--since", "2999-01-01")).Replace("no operator has done anything", "nothing", StringComparison.Ordinal));
        var json = System.Text.Json.JsonDocument.Parse((await DoneAsync("audit", "--act", "pause", "--json")).Trim()).RootElement;
        Assert.Equal(("date_not_ahead", number, true), (json.GetProperty("cause").GetString(), json.GetProperty("invoice").GetString(), json.GetProperty("rejected").GetBoolean()));
        Assert.Equal(CommandLine.Failed, (await _rig.CommandAsync("audit", "--since", "yesterday")).Code);
        Assert.Equal(CommandLine.Failed, (await _rig.CommandAsync("audit", "--account", "nobody")).Code);
    }

    [Fact]
    public async Task Cases_are_listed_by_command_by_the_filters_of_the_page()
    {
        var number = await UnpaidOfAsync("a1");
        Assert.Contains($"  a1  {number}  ", await DoneAsync("case", "list"));
        Assert.Contains(", do not honor", await DoneAsync("case", "list", "--search", number));
        Assert.Equal(2, (await DoneAsync("case", "list", "--code", "do_not_honor", "--order", "largest", "--json")).Trim().Split(Environment.NewLine).Length);
        Assert.Single((await DoneAsync("case", "list", "--state", "any", "--limit", "1", "--json")).Trim().Split(Environment.NewLine));
        Assert.Equal("no such case", (await DoneAsync("case", "list", "--mark", "exempt")).Trim());
        Assert.Equal("", await DoneAsync("case", "list", "--state", "suspended", "--json"));
    }

    private async Task ExecuteAsync(string sql)
    {
        await using var connection = await _rig.Database.Source.OpenConnectionAsync();
        await connection.ExecuteAsync(sql);
    }

    private Task<string> StateOfAsync(string account) => _rig.ScalarAsync<string>($"select state from dunning.receivable where account_id = '{account}'");

    private async Task<string> UnpaidOfAsync(string account) => Number().Match(await DoneAsync("invoices", "list", "--account", account, "--state", "open")).Value;

    private async Task<string> DoneAsync(params string[] args)
    {
        var (code, output, error) = await _rig.CommandAsync(args);
        Assert.True(code == CommandLine.Ok, error);
        return output;
    }

    [GeneratedRegex(@"INV-\d{4}-\d+", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Number();
}
