using System.Text.RegularExpressions;
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
        Assert.Contains("the action 'hold' by anna was rejected", await DoneAsync("show", "a1"));

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
        await _rig.WaitAsync(async () => await _rig.ScalarAsync<bool>("select at <= now() from dunning.due where account_id = 'a1' and pass = 'reconcile'"));
        await DoneAsync("pass", "reconcile", "--reason", "refund now", "--by", "anna");

        Assert.Equal(1, await _rig.ScalarAsync<int>("select count(*) from dunning.charge where account_id = 'a1' and state = 'succeeded' and not refund_due and refunded = amount"));
        Assert.Equal(1, await _rig.ScalarAsync<int>("select count(*) from dunning.credit_note where account_id = 'a1'"));
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
        Assert.Equal(CommandLine.Wanting, (await _rig.CommandAsync("case", "pause", number, "--until", "2020-01-01", "--reason", "x")).Code);
        Assert.Equal(0, await _rig.ScalarAsync<int>("select count(*) from dunning.receivable where paused_until is not null or exempt"));
    }

    [Fact]
    public async Task Credit_and_access_are_given_in_a_name()
    {
        await DoneAsync("account", "credit", "a2", "--amount", "100", "--reason", "goodwill", "--by", "anna");
        Assert.Equal(100, await _rig.ScalarAsync<int>("select credit from dunning.account where id = 'a2'"));
        Assert.Equal(CommandLine.Failed, (await _rig.CommandAsync("account", "credit", "a2", "--amount", "0", "--reason", "x")).Code);
        Assert.Equal(CommandLine.Wanting, (await _rig.CommandAsync("account", "grant-access", "a2", "--days", "3", "--reason", "x")).Code);
        Assert.Contains("'credit' by anna: goodwill", await DoneAsync("show", "a2"));
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
