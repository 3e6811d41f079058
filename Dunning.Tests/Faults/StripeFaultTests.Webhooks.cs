using System.Text;
using System.Text.RegularExpressions;
using Dapper;
using Dunning.Events;
using Dunning.Gateways.Webhooks;
using Dunning.Hosting;
using Dunning.Housekeeping;
using Dunning.Passes;
using Dunning.Ports;
using Dunning.Postgres;
using Dunning.Tests.Gateways.StripeStandIn;
using Dunning.Tests.Postgres;
using Microsoft.Extensions.Logging.Abstractions;
using NodaTime;
using Npgsql;

namespace Dunning.Tests.Faults;

/// <summary>
/// What Stripe tells by itself comes twice, late, in reverse order, and before the answer that it is about: each invoice is paid by one charge all the
/// same, our books and Stripe's agree, and nothing waits for ever.
/// </summary>
public sealed partial class StripeFaultTests
{
    private static readonly WebhookSecrets s_secrets = WebhookSecrets.Read("P:", StandIn.WebhookSecret, null, AnyShape(), "whsec_…").Secrets!;

    [Fact]
    public async Task A_webhook_that_overtakes_its_answer_pays_the_invoice_once()
    {
        var (source, rules) = await SettleAsync(3, "pm_card_visa", "pm_card_visa_chargeDeclinedInsufficientFunds", "pm_sepa");
        var events = new List<BookEvent>();
        _stripe.BeforeAnswering = async () =>
        {
            var told = _stripe.TakeTold();
            await TellAsync(source, told);
            await WorkOffAsync(source, rules, events);
        };

        await PassAsync(source, rules, events);
        await PassAsync(source, rules, events);

        Assert.Equal("", await FaultsAsync(source));
        Assert.Equal([AccountOf(0)], Accounts(events, EventTypes.InvoicePaid));
        Assert.Equal([AccountOf(1)], Accounts(events, EventTypes.DunningOpened));
        Assert.Equal([AccountOf(2)], Accounts(events, EventTypes.ChargePending));
        Assert.Equal(3, _stripe.Intents.Count);
        Assert.Equal("done 3", await StatesAsync(source));
    }

    [Fact]
    public async Task A_lost_answer_is_made_good_by_the_webhook_alone()
    {
        var (source, rules) = await SettleAsync(2, "pm_card_visa");
        _stripe.Break(CustomerOf(0), WireFault.CutAfter);
        _stripe.Break(CustomerOf(1), WireFault.SilentAfter);
        var events = new List<BookEvent>();
        await PassAsync(source, rules, events);
        Assert.Equal(2, events.Count(e => e.Type == EventTypes.ChargeUnknown));

        await TellAsync(source, _stripe.TakeTold());
        await WorkOffAsync(source, rules, events);

        Assert.Equal(2, events.Count(e => e.Type == EventTypes.InvoicePaid));
        Assert.Equal("", await FaultsAsync(source));
        await RunToRestAsync(source, rules);
        Assert.Equal(2, _stripe.Intents.Count);
    }

    [Fact]
    public async Task Webhooks_in_any_order_and_number_come_to_the_same()
    {
        const int Count = 6;
        var (source, rules) = await SettleAsync(Count, "pm_sepa");
        var events = await RunOnceAsync(source, rules);
        for (var i = 0; i < Count; i++)
        {
            // Odd ones fail.
            _stripe.Settle(CustomerOf(i), i % 2 == 0 ? null : new TestDecline("payment_intent_payment_attempt_failed", "insufficient_funds"));
        }
        var told = _stripe.TakeTold();
        Assert.Equal(2 * Count, told.Count);

        // The end before the beginning, each twice; then all of it again under other ids, as if it were news.
        await TellAsync(source, [.. told.Reverse(), .. told]);
        await WorkOffAsync(source, rules, events);
        await TellAsync(source, [.. told.Select(t => new ToldEvent(t.Id + "_again", t.Type, t.Body.Replace(t.Id, t.Id + "_again", StringComparison.Ordinal)))]);
        await WorkOffAsync(source, rules, events);

        Assert.Equal("", await FaultsAsync(source));
        Assert.Equal(Enumerable.Range(0, Count).Where(i => i % 2 == 0).Select(AccountOf), Accounts(events, EventTypes.InvoicePaid));
        Assert.Equal(Enumerable.Range(0, Count).Where(i => i % 2 != 0).Select(AccountOf), Accounts(events, EventTypes.DunningOpened));
        Assert.Equal(Count, _stripe.Intents.Count);
        Assert.Equal($"done {4 * Count}", await StatesAsync(source));
    }

    [Fact]
    public async Task A_late_failure_of_another_attempt_does_not_open_a_paid_invoice()
    {
        var (source, rules) = await SettleAsync(1, "pm_card_visa_chargeDeclinedInsufficientFunds");
        var events = await RunOnceAsync(source, rules);
        var failure = Assert.Single(_stripe.TakeTold());
        _now += Duration.FromHours(1);
        await ActAsync(source, rules, new Model.AccountAction(_now, AccountOf(0), Model.ActionNames.UpdatePaymentMethod) { Token = "pm_card_visa", Expires = new YearMonth(2030, 1) });
        await PassAsync(source, rules, events);
        Assert.Single(events, e => e.Type == EventTypes.InvoicePaid);

        _now += Duration.FromDays(1);
        var before = events.Count;
        await TellAsync(source, [failure, .. _stripe.TakeTold()]);
        await WorkOffAsync(source, rules, events);

        Assert.Equal(before, events.Count);
        Assert.Equal("done 2", await StatesAsync(source));
        Assert.Equal("", await FaultsAsync(source));
    }

    [Fact]
    public async Task What_happens_after_a_payment_is_heard_once_however_often_it_is_told()
    {
        var (source, rules) = await SettleAsync(6, "pm_sepa", "pm_card_visa", "pm_card_visa", "pm_declining", "pm_replaced", "pm_withdrawn");
        var isReplaced = false;
        _stripe.Issuer = method => method == "pm_declining" || (method == "pm_replaced" && !isReplaced) ? new TestDecline("card_declined", "insufficient_funds") : null;
        var events = await RunOnceAsync(source, rules);
        _stripe.Settle(CustomerOf(0), null);
        await HearAsync();
        Assert.Equal([AccountOf(0), AccountOf(1), AccountOf(2), AccountOf(5)], Accounts(events, EventTypes.InvoicePaid));

        _now += Duration.FromDays(1);
        _stripe.Dispute(CustomerOf(0), "insufficient_funds", "lost"); // its bank returns it
        _stripe.Dispute(CustomerOf(1), "fraudulent", "needs_response");
        _stripe.Dispute(CustomerOf(1), "fraudulent", "won");
        Assert.True(await _gateway.RefundAsync(RequestOf(2), "by_hand", default));
        _stripe.PayElsewhere(CustomerOf(3), 1799, ("dunning_subscription", AccountOf(3) + "-1"), ("dunning_period", "2026-03-01"));
        isReplaced = true;
        _stripe.ReplaceCard("pm_replaced", 7, 2031, "1881");
        _stripe.Mandate("pm_withdrawn", "inactive");
        await HearAsync();
        await PassAsync(source, rules, events);

        foreach (var (type, account) in new[]
            {
                (EventTypes.PaymentReversed, 0), (EventTypes.PaymentDisputed, 1), (EventTypes.PaymentDisputeClosed, 1), (EventTypes.PaymentRefunded, 2),
                (EventTypes.PaymentReceived, 3), (EventTypes.PaymentMethodReplaced, 4), (EventTypes.PaymentMethodGone, 5),
            })
        {
            Assert.Equal((type, AccountOf(account)), (type, Assert.Single(Accounts(events, type))));
        }
        // The returned debit is a case of its own; the replaced card has paid.
        Assert.Equal([AccountOf(0), AccountOf(3), AccountOf(4)], Accounts(events, EventTypes.DunningOpened));
        Assert.Equal([AccountOf(3), AccountOf(4)], Accounts(events, EventTypes.DunningRecovered));
        Assert.StartsWith("done ", await StatesAsync(source), StringComparison.Ordinal);

        // All of it twice, and the second time in reverse order.
        async Task HearAsync()
        {
            var told = _stripe.TakeTold();
            await TellAsync(source, told);
            await WorkOffAsync(source, rules, events);
            await TellAsync(source, told.Reverse());
            await WorkOffAsync(source, rules, events);
        }

        ChargeRequest RequestOf(int number)
        {
            var intent = _stripe.Intents.Single(i => i.Customer == CustomerOf(number));
            return new ChargeRequest(AccountOf(number), intent.Customer, intent.Metadata["dunning_key"], "", new LocalDate(2026, 3, 1),
                new Model.Money(1799, Model.Currency.Of("EUR")), default, intent.Method, false, Rig.Now);
        }
    }

    [Fact]
    public async Task What_Stripe_does_not_answer_is_asked_again_later_and_never_lost()
    {
        var (source, rules) = await SettleAsync(1, "pm_sepa");
        var events = await RunOnceAsync(source, rules);
        _stripe.Settle(CustomerOf(0), null);
        await TellAsync(source, _stripe.TakeTold().Skip(1));

        _stripe.Break("read", [.. Enumerable.Repeat(WireFault.Unauthorized, WebhookWork.MaxTries)]);
        var started = _now;
        for (var tries = 1; tries <= WebhookWork.MaxTries; tries++)
        {
            Assert.Equal(1, await WorkOffAsync(source, rules, events));
            Assert.Equal(0, await WorkOffAsync(source, rules, events)); // not before its time
            await using var connection = await source.OpenConnectionAsync();
            _now = (await connection.ExecuteScalarAsync<DateTime?>("select next_try_at from dunning.webhook")).Instant() ?? _now;
        }
        Assert.InRange(_now - started, Duration.FromDays(2), Duration.FromDays(4));
        Assert.Equal("failed 1", await StatesAsync(source));
        Assert.Equal((0, 1), await CountsAsync(source));

        // Sent again from Stripe's dashboard.
        var store = new WebhookStore(source);
        await TellAsync(source, [new ToldEvent("evt_other", "charge.refunded", """{"object":"event","id":"evt_other","type":"charge.refunded","livemode":false,"data":{"object":{"id":"ch_gone"}}}""")]);
        Assert.Equal(0, await store.ReviveAsync("evt_other", _now, default));
        Assert.Equal(1, await store.ReviveAsync(null, _now, default));
        await WorkOffAsync(source, rules, events);
        Assert.Equal("done 1, ignored 1", await StatesAsync(source));
        Assert.Single(events, e => e.Type == EventTypes.InvoicePaid);
        Assert.Equal("", await FaultsAsync(source));
    }

    [Fact]
    public async Task A_failed_event_that_Stripe_sends_again_is_tried_again_and_servers_share_the_work()
    {
        const int Count = 120;
        var (source, rules) = await SettleAsync(1, "pm_card_visa");
        var events = new List<BookEvent>();
        ToldEvent[] told =
        [
            .. Enumerable.Range(0, Count).Select(i => new ToldEvent($"evt_{i}", "charge.refunded",
                $$$"""{"object":"event","id":"evt_{{{i}}}","type":"charge.refunded","livemode":false,"data":{"object":{"id":"ch_{{{i}}}"} } }""")),
        ];
        await TellAsync(source, told);
        await using (var connection = await source.OpenConnectionAsync())
        {
            await connection.ExecuteAsync("update dunning.webhook set state = 'failed', next_try_at = null, settled_at = received_at, fault = 'x', tries = 20");
        }
        await TellAsync(source, told);

        var shares = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => WorkOffAsync(source, rules, events)));
        Assert.Equal(Count, shares.Sum());
        Assert.Equal(Count, _stripe.Requests.Count(r => r.Path.StartsWith("/v1/charges/", StringComparison.Ordinal)));
        Assert.Equal($"ignored {Count}", await StatesAsync(source));

        // And is forgotten two months after that; what it was about stands nowhere any more.
        await using var last = await source.OpenConnectionAsync();
        Assert.Equal(0, await last.ExecuteScalarAsync<long>("select count(object_id) from dunning.webhook"));
        await new Housekeeper(source, new RetentionSettings(), () => _now + Duration.FromDays(60)).RunAsync(default);
        Assert.Equal($"ignored {Count}", await StatesAsync(source));
        await new Housekeeper(source, new RetentionSettings(), () => _now + Duration.FromDays(61)).RunAsync(default);
        Assert.Equal("", await StatesAsync(source));
    }

    [GeneratedRegex(".")]
    private static partial Regex AnyShape();

    private static IEnumerable<string> Accounts(IEnumerable<BookEvent> events, string type) =>
        events.Where(e => e.Type == type).Select(e => e.Account).Order(StringComparer.Ordinal);

    private async Task<List<BookEvent>> RunOnceAsync(NpgsqlDataSource source, Rulebook rules)
    {
        var events = new List<BookEvent>();
        await PassAsync(source, rules, events);
        return events;
    }

    /// <summary>As the endpoint does: checked, read and kept.</summary>
    private async Task TellAsync(NpgsqlDataSource source, IEnumerable<ToldEvent> told)
    {
        foreach (var one in told)
        {
            var read = await _gateway.Webhooks!.ReadAsync(StandIn.Sign(one.Body, _now), Encoding.UTF8.GetBytes(one.Body), _now, default);
            await new WebhookStore(source).TakeAsync("stripe", Assert.IsType<WebhookReading.Taken>(read).Events, _now, default);
        }
    }

    private Task<int> WorkOffAsync(NpgsqlDataSource source, Rulebook rules, List<BookEvent> events)
    {
        var book = new PostgresBook(source, Options.Fingerprint, Rig.Seller);
        return new WebhookWork(_gateway.Webhooks!, new WebhookStore(source), async (account, news, ct) =>
        {
            var result = await book.AnswerAsync([new AnswerFor(account, news.FindKey(), file => Pass.Told(file, news, _now, rules))], ct);
            Assert.Empty(result.Faults);
            lock (events)
            {
                events.AddRange(result.Decisions[0].Events);
            }
        }, () => _now, NullLogger<WebhookWork>.Instance).RunAsync(default);
    }

    private static async Task<string> StatesAsync(NpgsqlDataSource source)
    {
        await using var connection = await source.OpenConnectionAsync();
        return string.Join(", ", await connection.QueryAsync<string>("select state || ' ' || count(*) from dunning.webhook group by state order by state"));
    }

    private static async Task<(long Pending, long Failed)> CountsAsync(NpgsqlDataSource source)
    {
        var counts = await new WebhookStore(source).CountAsync(default);
        return (counts.Pending, counts.Failed);
    }
}
