using System.Text;
using System.Text.RegularExpressions;
using Dapper;
using Dunning.Events;
using Dunning.Gateways.GoCardless;
using Dunning.Gateways.Webhooks;
using Dunning.Mail;
using Dunning.Options;
using Dunning.Passes;
using Dunning.Ports;
using Dunning.Postgres;
using Dunning.Tests.Gateways.GoCardlessStandIn;
using Dunning.Tests.Gateways.StripeStandIn;
using Dunning.Tests.Postgres;
using Microsoft.Extensions.Logging.Abstractions;
using NodaTime;
using Npgsql;

namespace Dunning.Tests.Faults;

/// <summary>The real passes on a real database charge bank accounts through the GoCardless gateway, whose outcomes come days later by webhook.</summary>
public sealed partial class GoCardlessFaultTests : IAsyncLifetime
{
    private static readonly RuleOptions Options = new();

    private readonly List<BookEvent> _events = [];
    private Instant _now = Rig.Now;
    private GoCardlessServer _server = null!;
    private GoCardlessGateway _gateway = null!;
    private NpgsqlDataSource _source = null!;
    private Rulebook _rules = null!;

    public async Task InitializeAsync()
    {
        _server = await GoCardlessServer.StartAsync(() => _now);
        _gateway = new GoCardlessGateway(
            new GoCardlessOptions
            {
                Token = GoCardlessToken.Find(GoCardlessServer.AccessToken)!, BaseUrl = _server.Url, Timeout = TimeSpan.FromSeconds(3), PerSecond = 1000,
                WebhookSecrets = WebhookSecrets.Read("P:", GoCardlessServer.WebhookSecret, null, AnyShape(), "…").Secrets,
            },
            TimeProvider.System);
        _source = PostgresSource.Create(await TestServer.NewDatabaseAsync());
        _rules = await Population.SettleAsync(_source, Options, Enumerable.Range(0, 5).Select(i => Population.Account(i, MandateOf(i))), isSimulation: false);
    }

    public async Task DisposeAsync()
    {
        _gateway.Dispose();
        await _server.DisposeAsync();
        await _source.DisposeAsync();
    }

    [Fact]
    public async Task Debits_are_pending_settle_by_webhook_fail_late_and_are_found_after_lost_answers()
    {
        _server.Break(MandateOf(2), WireFault.CutAfter);
        _server.Break(MandateOf(3), WireFault.ErrorAfter);
        _server.Break(MandateOf(4), WireFault.CutBefore);
        await PassAsync();
        Assert.Equal([AccountOf(0), AccountOf(1)], Accounts(EventTypes.ChargePending));
        Assert.Equal([AccountOf(2), AccountOf(3), AccountOf(4)], Accounts(EventTypes.ChargeUnknown));

        // Looked up: two had got through; the third is sent again with its key.
        _now += Duration.FromMinutes(2);
        await PassAsync();
        Assert.Equal(5, _server.Debits.Count);
        Assert.Equal(Enumerable.Range(0, 5).Select(AccountOf), Accounts(EventTypes.ChargePending));

        // Days later, in one delivery, which comes twice.
        _now += Duration.FromDays(3);
        _server.Tell(MandateOf(0), "confirmed", "payment_confirmed");
        _server.Tell(MandateOf(1), "failed", "insufficient_funds");
        _server.Tell(MandateOf(2), "confirmed", "payment_confirmed");
        _server.Tell(MandateOf(3), "confirmed", "payment_confirmed");
        var told = _server.TakeTold();
        await TellAsync(told);
        await TellAsync(told);
        Assert.Equal([AccountOf(0), AccountOf(2), AccountOf(3)], Accounts(EventTypes.InvoicePaid));
        Assert.Equal([AccountOf(1)], Accounts(EventTypes.DunningOpened));

        // The last one's webhook is lost for good: a look-up finds it.
        _server.Tell(MandateOf(4), "confirmed", "payment_confirmed");
        _server.TakeTold();
        await PassAsync();
        Assert.Contains(AccountOf(4), Accounts(EventTypes.InvoicePaid));

        // The schedule's attempt is a payment of its own.
        _now += Duration.FromDays(2);
        await PassAsync();
        Assert.Equal(6, _server.Debits.Count);
        _server.Tell(MandateOf(1), "confirmed", "payment_confirmed");
        await TellAsync(_server.TakeTold());
        Assert.Equal([AccountOf(1)], Accounts(EventTypes.DunningRecovered));

        // Taken back after it had paid: unpaid again, with a case of its own.
        _now += Duration.FromDays(20);
        _server.Tell(MandateOf(0), "charged_back", "authorisation_disputed");
        told = _server.TakeTold();
        await TellAsync(told);
        await TellAsync(told);
        Assert.Equal([AccountOf(0)], Accounts(EventTypes.PaymentReversed));
        Assert.Equal([AccountOf(0), AccountOf(1)], Accounts(EventTypes.DunningOpened));
        Assert.Equal("", await FaultsAsync());
    }

    private static string AccountOf(int number) => $"a{number:D5}";

    private static string MandateOf(int number) => $"MD{number:D5}";

    [GeneratedRegex(".")]
    private static partial Regex AnyShape();

    private IEnumerable<string> Accounts(string type) => _events.Where(e => e.Type == type).Select(e => e.Account).Order(StringComparer.Ordinal);

    private PostgresBook Book() => new(_source, Options.Fingerprint, Rig.Seller);

    private void Keep(Decision decision)
    {
        lock (_events)
        {
            _events.AddRange(decision.Events);
        }
    }

    private async Task PassAsync() => Assert.Empty(
        (await new PassRunner(Book(), () => _rules, _gateway, new SinkMailer(), () => _now, new PassLimits()) { OnSaved = Keep }.RunAsync(PassKind.All, default)).Faults);

    private async Task TellAsync(string body)
    {
        var store = new WebhookStore(_source);
        var read = await _gateway.Webhooks!.ReadAsync(GoCardlessServer.Sign(body), Encoding.UTF8.GetBytes(body), _now, default);
        await store.TakeAsync("gocardless", Assert.IsType<WebhookReading.Taken>(read).Events, _now, default);
        await new WebhookWork(_gateway.Webhooks, store, async (account, news, ct) =>
        {
            var result = await Book().AnswerAsync([new AnswerFor(account, news.FindKey(), file => Pass.Told(file, news, _now, _rules))], ct);
            Assert.Empty(result.Faults);
            Keep(result.Decisions[0]);
        }, () => _now, NullLogger<WebhookWork>.Instance).RunAsync(default);
    }

    /// <summary>Where our books and GoCardless's differ; empty when they agree.</summary>
    private async Task<string> FaultsAsync()
    {
        await using var connection = await _source.OpenConnectionAsync();
        var ours = (await connection.QueryAsync<(string Key, string State)>("select key, state from dunning.charge")).Select(c => $"{c.Key} {c.State}");
        var theirs = _server.Debits.Select(d => $"{d.Key} {d.Status switch { "confirmed" => "succeeded", "charged_back" => "reversed", var same => same }}");
        return string.Join('\n', ours.Except(theirs).Concat(theirs.Except(ours)));
    }
}
