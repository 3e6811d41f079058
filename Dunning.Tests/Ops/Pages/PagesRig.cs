using System.Net;
using Dapper;
using Dunning.Tests.Jobs;
using Dunning.Tests.Ops.SignIn;

namespace Dunning.Tests.Ops.Pages;

/// <summary>
/// The real service over a book in which there is something for each page to show and each act to do: declined cards, a charge without an outcome, a suspended
/// account, mails that have not left.
/// </summary>
public sealed class PagesRig : IAsyncLifetime
{
    private const int Accounts = 16;

    /// <summary>Its first invoice was declined.</summary>
    public const string Declined = "a1";

    /// <summary>Suspended, with a purge ahead.</summary>
    public const string Suspended = "a14";

    /// <summary>It has a stuck charge.</summary>
    public const string Stuck = "a15";

    /// <summary>Its invoice is paid.</summary>
    public const string Paid = "a16";

    private OpsRig? _ops;

    internal OpsRig Ops => _ops!;

    internal ServiceRig Rig => Ops.Rig;

    public async Task InitializeAsync()
    {
        _ops = await OpsRig.NewAsync(hasUsers: true, accounts: Accounts);
        await using var connection = await Rig.Database.Source.OpenConnectionAsync();
        await connection.ExecuteAsync(
            $"""
            update dunning.payment_method set token = 'sandbox_decline_insufficient_funds' where account_id <> '{Paid}' and account_id <> '{Stuck}';
            update dunning.payment_method set token = 'sandbox_timeout_x9' where account_id = '{Stuck}';
            update dunning.account set name = '=Atelier Zoë', legal_name = 'Atelier & Fils' where id = '{Declined}';
            """);
        var (code, _, error) = await Rig.CommandAsync("pass", "all");
        Assert.True(code == 0, error);
        await connection.ExecuteAsync(
            $"""
            update dunning.charge set stuck = true where account_id = '{Stuck}' and state = 'unknown';
            update dunning.account set access = 'suspended', suspended_on = current_date - 70, suspended_at = now() - interval '70 days', purge_on = current_date + 20 where id = '{Suspended}';
            update dunning.outbox set state = 'dead', settled_at = now(), next_try_at = null, detail = '550 5.1.1' where account_id in ('a2', 'a3');
            update dunning.contact set bounced_at = now(), bounce_reason = '5.1.1' where account_id = 'a4';
            insert into dunning.pass_run (pass, server, started_at, ended_at, outcome, accounts, faults, charges_succeeded, charges_failed, charges_unknown, charges_pending, mails_sent, error)
            values ('dun', 'here', now() - interval '1 minute', now(), 'done', 12, 0, 3, 9, 0, 0, 0, null), ('mail', 'here', now() - interval '1 minute', now(), 'failed', 0, 0, 0, 0, 0, 0, 0, 'SocketException');
            insert into dunning.guard_trip (kind, tripped_at, allowed, wanted) values ('purges', now(), 50, 80);
            insert into dunning.alert (key, rule, severity, summary, page, raised_at, last_seen_at, told_at)
            values ('pass:mail', 'pass_failing', 'critical', 'the mail pass fails', '/ops/passes', now(), now(), now());
            """);
    }

    public async Task DisposeAsync() => await Ops.DisposeAsync();

    /// <summary>The number of the account's unpaid invoice.</summary>
    internal async Task<string> NumberAsync(string account) => await Rig.ScalarAsync<string>(
        $"select series || '-' || year || '-' || lpad(number::text, 6, '0') from dunning.invoice where account_id = '{account}' order by issued_at desc limit 1");

    /// <summary>Every page there is, with what it takes to show something.</summary>
    internal async Task<IReadOnlyList<string>> PathsAsync()
    {
        var mail = await Rig.ScalarAsync<int>($"select mail_number from dunning.outbox where account_id = '{Declined}' limit 1");
        return
        [
            "/ops", "/ops/cases", "/ops/cases?q=atelier&state=", "/ops/cases?state=written_off", "/ops/charges", "/ops/alerts", $"/ops/account?id={Declined}", $"/ops/account?id={Suspended}", $"/ops/account?id={Stuck}", "/ops/passes",
            "/ops/mails", $"/ops/mails/mail?account={Declined}&mail={mail}&contact=1", "/ops/forecast", "/ops/audit", "/ops/passes/waiting?kind=mails",
        ];
    }
}
