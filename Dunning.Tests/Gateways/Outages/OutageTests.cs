using Dunning.Events;
using Dunning.Gateways.Outages;
using Dunning.Hosting;
using Dunning.Passes;
using Microsoft.Extensions.Logging.Abstractions;
using NodaTime;
using Npgsql;

namespace Dunning.Tests.Gateways.Outages;

/// <summary>
/// A gateway that is out must cost nobody a step of dunning, a mail or a second charge; one that only declines, or loses an answer now and then, must
/// not be taken for one that is out.
/// </summary>
public sealed class OutageTests
{
    [Fact]
    public async Task Three_days_without_the_gateway_across_500_renewals_burn_no_step_and_send_no_mail_and_all_is_charged_once_afterwards()
    {
        await using var live = await LiveStripe.NewAsync(500);
        live.Stripe.IsOut = _ => true;
        var servers = new[] { await live.OpenAsync(), await live.OpenAsync() };
        for (var hour = 0; hour < 72; hour += 2)
        {
            if (hour == 30)
            {
                servers[0] = await live.OpenAsync(); // restarted: what it knew is in the database
            }
            await live.PassAsync(servers[hour / 2 % 2], TimeSpan.FromHours(2));
        }

        var sent = live.Stripe.Requests.Where(r => r.Method == "POST").Select(r => r.IdempotencyKey).Distinct().Count();
        Assert.InRange(sent, 10, 110); // one wave of calls, not 500
        Assert.Equal(sent, live.Count(EventTypes.ChargeUnknown)); // nothing is unknown that was never sent
        Assert.Equal([EventTypes.ChargeUnknown, EventTypes.InvoiceIssued, EventTypes.SubscriptionRenewed], live.Events.Select(e => e.Type).Distinct().Order(StringComparer.Ordinal));
        Assert.Equal(1, await live.ScalarAsync<int>("select count(*) from dunning.outage where ended_at is null"));
        Assert.InRange(live.Stripe.Requests.Count(r => r is { Method: "GET", Path: "/v1/payment_intents" }), 35, 36 * 3); // a look-up each time, tried three times

        live.Stripe.IsOut = _ => false;
        for (var pass = 0; pass < 5; pass++)
        {
            await live.PassAsync(servers[pass % 2], TimeSpan.FromHours(1));
        }
        Assert.Equal(500, live.Stripe.Intents.Count(i => i.Status == "succeeded"));
        Assert.Equal(500, live.Stripe.Intents.Where(i => i.Status == "succeeded").Select(i => i.Customer).Distinct().Count());
        Assert.Equal(500, live.Count(EventTypes.InvoicePaid));
        Assert.DoesNotContain(live.Events, e => e.Type is EventTypes.DunningOpened or EventTypes.DunningStep or EventTypes.ChargeFailed or EventTypes.ChargeDuplicate);
        Assert.Equal(["receipt"], live.Events.Where(e => e.Type == EventTypes.EmailSent).Select(e => e.Template).Distinct());
        Assert.Equal("500 0 0", await live.ScalarAsync<string>(
            """
            select (select count(*) from dunning.receivable where state = 'paid') || ' ' || (select count(*) from dunning.charge where state in ('in_flight', 'unknown'))
                || ' ' || (select count(*) from dunning.outage where ended_at is null)
            """));
    }

    [Fact]
    public async Task While_it_is_out_what_needs_no_gateway_goes_on()
    {
        await using var live = await LiveStripe.NewAsync(40);
        var engine = await live.OpenAsync(sendsMail: true, keys: ("Payments:Outage:Failures", "5"));
        live.Stripe.IsOut = _ => true;
        await live.PassAsync(engine, TimeSpan.FromMinutes(1), PassKind.Renew);
        Assert.NotNull(await engine.OutageAsync(default));
        // One account is due for nothing but its mails.
        await live.ScalarAsync<int>(
            """
            update dunning.due set at = at + interval '9 days' where account_id = 'a00007';
            update dunning.charge set state = 'abandoned' where account_id = 'a00007';
            insert into dunning.outbox (account_id, mail_number, contact, mail_key, template, decided_at, facts, email, name, locale, state, tries, next_try_at)
            values ('a00007', 1, 1, 'k', 'receipt', '2026-03-01T08:00Z', '{"subscription": "a00007-1"}', 'owner@a00007.example', 'Claire', 'fr', 'pending', 0, '2026-03-01T08:00Z');
            update dunning.account set mail_count = 1, lease_until = null where id = 'a00007';
            insert into dunning.due (account_id, pass, at) values ('a00007', 'mail', '2026-03-01T08:00Z')
            on conflict (account_id, pass) do update set at = excluded.at;
            select 1
            """);

        var mails = await live.PassAsync(engine, TimeSpan.FromMinutes(1), PassKind.Mail);

        Assert.Equal(1, mails.Accounts);
        Assert.Equal("a00007", Assert.Single(live.Events, e => e.Type == EventTypes.EmailSent).Account);
        Assert.Single(Directory.EnumerateFiles(live.MailFolder));
    }

    [Fact]
    public async Task Look_ups_that_are_answered_are_not_enough_while_charges_fail()
    {
        await using var live = await LiveStripe.NewAsync(60);
        var engine = await live.OpenAsync();
        live.Stripe.IsOut = method => method == "POST";
        for (var minute = 0; minute < 40; minute++)
        {
            await live.PassAsync(engine, TimeSpan.FromMinutes(1));
        }
        var outage = await engine.OutageAsync(default);
        Assert.InRange(outage!.Probes, 4, 6); // after 1, 3, 7, 15 and 31 minutes
        Assert.DoesNotContain(live.Events, e => e.Type is EventTypes.DunningOpened or EventTypes.EmailSent or EventTypes.InvoicePaid);

        live.Stripe.IsOut = _ => false;
        for (var minute = 0; minute < 25; minute++)
        {
            await live.PassAsync(engine, TimeSpan.FromMinutes(1));
        }
        Assert.Null(await engine.OutageAsync(default));
        Assert.Equal(60, live.Stripe.Intents.Count(i => i.Status == "succeeded"));
        Assert.Equal(60, live.Count(EventTypes.InvoicePaid));
    }

    // Twenty in a hundred decline, two lose their answer; and the same where all decline.
    [Theory]
    [InlineData(20, 2)]
    [InlineData(100, 0)]
    public async Task A_gateway_that_answers_is_never_out(int declinesInAHundred, int lostInAHundred)
    {
        // Nowhere: an outage that is found would have to be told to the database.
        await using var nowhere = NpgsqlDataSource.Create("Host=127.0.0.1;Port=9;Timeout=1");
        var time = new SteppedTime();
        using var guard = new OutageGuard(nowhere, new OutageOptions(), () => Instant.FromDateTimeOffset(time.GetUtcNow()), NullLogger<OutageGuard>.Instance);
        var random = new Random(20261124);
        for (var call = 0; call < 50_000; call++)
        {
            var fate = random.Next(100);
            Dunning.Ports.GatewayOutcome outcome = fate < lostInAHundred ? new Dunning.Ports.GatewayOutcome.Unknown()
                : fate < lostInAHundred + declinesInAHundred ? new Dunning.Ports.GatewayOutcome.Declined("insufficient_funds") : new Dunning.Ports.GatewayOutcome.Succeeded();
            await guard.CountAsync(GuardedGateway.IsFailure(outcome));
            time.Advance(TimeSpan.FromMilliseconds(random.Next(100)));
        }
        Assert.False(guard.IsOut);
    }

    [Fact]
    public void Wrong_settings_are_told_at_once()
    {
        var (options, faults) = OutageOptions.Read([new("Payments:Outage:Failures", "1"), new("Payments:Outage:WindowSeconds", "x"), new("Payments:Outage:Window", "3")]);
        Assert.Null(options);
        Assert.Equal(
            string.Join('\n',
                "Payments:Outage:Window is unknown: the keys are Payments:Outage:Failures, Payments:Outage:WindowSeconds",
                "Payments:Outage:Failures is '1', but must be a whole number from 2 to 10000, such as 10",
                "Payments:Outage:WindowSeconds is 'x', but must be a whole number from 10 to 3600, such as 300"),
            string.Join('\n', faults));
    }
}
