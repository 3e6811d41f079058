using Dapper;
using Dunning.Tests.Jobs;

namespace Dunning.Tests.Commands;

/// <summary>What an operator does about one invoice's charge, by command, on a real database.</summary>
[Collection(nameof(ServiceRig))]
public sealed class ChargeCommandTests : IAsyncLifetime
{
    private ServiceRig _rig = null!;
    private string _year = "";

    public async Task InitializeAsync()
    {
        _rig = await ServiceRig.NewAsync(2);
        await ExecuteAsync("update dunning.payment_method set token = 'sandbox_decline_do_not_honor_x1' where account_id = 'a1'");
        await ExecuteAsync("update dunning.payment_method set token = 'sandbox_drop_x1' where account_id = 'a2'");
        Assert.Equal(0, (await _rig.CommandAsync("pass", "renew")).Code);
        // The account's own: on the last evening of a year it is the next already.
        _year = await _rig.ScalarAsync<string>("select max(year)::text from dunning.invoice");
    }

    public async Task DisposeAsync() => await _rig.DisposeAsync();

    [Fact]
    public async Task An_unpaid_invoice_is_charged_again_and_uses_up_no_step()
    {
        var number = await NumberAsync("a1-1");
        var (code, _, error) = await RetryAsync(number);
        Assert.Equal((0, $"{number}: the next dun pass charges it ('dunning pass dun' does so now)"), (code, error.Trim()));
        // Never in the second in which the renewal was attempted.
        await Task.Delay(1100);
        Assert.Equal(0, (await _rig.CommandAsync("pass", "dun")).Code);
        Assert.Equal("paid 0", await _rig.ScalarAsync<string>("select state || ' ' || case_last_step from dunning.receivable where subscription_id = 'a1-1'"));

        (code, _, error) = await RetryAsync(number);
        Assert.Equal((1, $"rejected: {number}: it is not unpaid"), (code, error.Trim()));
        Assert.Contains($"there is no invoice or credit note 'INV-{_year}-000009'", (await RetryAsync($"INV-{_year}-000009")).Error, StringComparison.Ordinal);
    }

    private Task<(int Code, string Output, string Error)> RetryAsync(string number) => _rig.CommandAsync("invoice", "retry", number, "--reason", "covered again");

    [Fact]
    public async Task A_stuck_charge_is_given_up_and_its_invoice_charged_once()
    {
        var number = await NumberAsync("a2-1");
        Assert.Contains("rejected: " + number + ": no charge of it is stuck", (await _rig.CommandAsync("charge", "resolve", number, "--outcome", "never_made", "--reason", "not there")).Error, StringComparison.Ordinal);
        // As after a day without an answer.
        await ExecuteAsync("update dunning.charge set state = 'unknown', stuck = true, first_called_at = first_called_at - interval '30 hours' where subscription_id = 'a2-1'");
        var (code, _, error) = await _rig.CommandAsync("charge", "resolve", number, "--outcome", "never_made", "--reason", "not there");
        Assert.Equal((0, $"{number}: the next reconcile pass goes on with it ('dunning pass reconcile' does so now)"), (code, error.Trim()));
        await _rig.WaitAsync(async () => await _rig.ScalarAsync<bool>("select at <= now() from dunning.due where account_id = 'a2' and pass = 'reconcile'"));
        Assert.Equal(0, (await _rig.CommandAsync("pass", "reconcile")).Code);
        Assert.Equal(0, (await _rig.CommandAsync("pass", "dun")).Code);
        Assert.Equal("abandoned succeeded", await _rig.ScalarAsync<string>("select string_agg(state, ' ' order by attempt) from dunning.charge where subscription_id = 'a2-1'"));
        Assert.Equal("paid", await _rig.ScalarAsync<string>("select state from dunning.receivable where subscription_id = 'a2-1'"));
    }

    private Task<string> NumberAsync(string subscription) => _rig.ScalarAsync<string>(
        $"select series || '-' || year || '-' || lpad(number::text, 6, '0') from dunning.invoice where subscription_id = '{subscription}'");

    private async Task ExecuteAsync(string sql)
    {
        await using var connection = await _rig.Database.Source.OpenConnectionAsync();
        await connection.ExecuteAsync(sql);
    }
}
