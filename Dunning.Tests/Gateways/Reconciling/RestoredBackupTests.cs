using Dapper;
using Dunning.Events;
using Dunning.Gateways.Reconciling;
using Dunning.Hosting;
using Dunning.Passes;
using Dunning.Postgres;
using Dunning.Tests.Gateways.StripeStandIn;
using Dunning.Tests.Postgres;
using NodaTime;
using Npgsql;

namespace Dunning.Tests.Gateways.Reconciling;

/// <summary>
/// A backup that is restored knows nothing of what was charged since. Without a lock it would charge it all again, and the gateway's memory of keys
/// ends after a day.
/// </summary>
public sealed class RestoredBackupTests
{
    [Fact]
    public async Task A_backup_from_before_500_renewals_is_restored_after_them_and_nobody_is_charged_twice()
    {
        await using var live = await LiveStripe.NewAsync(500);
        live.Stripe.Issuer = card => card == "pm_card_visa" ? null : TestCards.Declining.GetValueOrDefault(card);
        await using (var source = PostgresSource.Create(live.ConnectionString))
        {
            // Some decline first, and pay by their spare card.
            await using var connection = await source.OpenConnectionAsync();
            await connection.ExecuteAsync("update dunning.payment_method set token = 'pm_card_chargeCustomerFail' where account_id < 'a00020'");
            await connection.ExecuteAsync(
                """
                insert into dunning.payment_method (account_id, id, generation, token, expires, is_default, is_backup, brand, last4, state, authenticated, known_at, expiry_reminder_sent, retired)
                select account_id, id || '-spare', 0, 'pm_card_visa', expires, false, true, brand, last4, state, authenticated, known_at, false, false
                from dunning.payment_method where account_id < 'a00020'
                """);
        }
        // A first pass before anything is due, so that the database belongs somewhere.
        await live.PassAsync(await live.OpenAsync(), TimeSpan.FromMinutes(1), PassKind.EndAccess);
        await live.CloseAsync();
        NpgsqlConnection.ClearAllPools();
        var backup = await TestServer.NewDatabaseAsync(new NpgsqlConnectionStringBuilder(live.ConnectionString).Database);

        var before = await live.OpenAsync();
        await live.PassAsync(before, TimeSpan.FromDays(3));
        Assert.Equal(500, live.Count(EventTypes.InvoicePaid));
        Assert.Equal(520, live.Stripe.Intents.Count);
        await live.CloseAsync();
        live.Events.Clear();

        var restored = await live.OpenAsync(backup);
        var refused = await Assert.ThrowsAsync<EnvironmentException>(() => restored.RunAsync(PassKind.All, default));
        Assert.Contains("this database is older than what was done with it", refused.Message, StringComparison.Ordinal);
        Assert.Contains("a copy, restored or moved", refused.Message, StringComparison.Ordinal);
        Assert.Equal(520, live.Stripe.Intents.Count);

        var state = await restored.Environment!.LookAsync(default);
        await using var there = PostgresSource.Create(backup);
        var books = new GatewayBooks(there, (Dunning.Ports.IChargeList)restored.Gateway);
        var (from, to) = (Rig.Now - Duration.FromDays(1), live.Now + Duration.FromSeconds(1));
        var comparison = await books.CompareAsync(from, to, default);
        Assert.Equal(520, comparison.Differences.Count(d => d.Kind == DifferenceKind.MissingHere));
        Assert.Equal(520, await new Adoption(restored, there).TakeAsync(comparison.Differences, default));
        Assert.Empty((await books.CompareAsync(from, to, default)).Differences);
        await restored.Environment.ReconciledAsync(state, default);
        await restored.Environment.ConfirmAsync(state, default);
        for (var pass = 0; pass < 3; pass++)
        {
            await live.PassAsync(restored, TimeSpan.FromMinutes(20));
        }

        Assert.Equal(520, live.Stripe.Intents.Count);
        Assert.Equal(500, live.Count(EventTypes.InvoicePaid));
        Assert.DoesNotContain(live.Events, e => e.Type is EventTypes.DunningOpened or EventTypes.ChargeUnknown or EventTypes.ChargeDuplicate);
        Assert.Equal("500 paid, 500 succeeded, 20 failed", await live.ScalarAsync<string>(
            """
            select (select count(*) from dunning.receivable where state = 'paid') || ' paid, ' || count(*) filter (where state = 'succeeded') || ' succeeded, '
                || count(*) filter (where state = 'failed') || ' failed' from dunning.charge
            """, backup));
        Assert.Empty((await books.CompareAsync(from, live.Now, default)).Differences);
    }

    [Fact]
    public async Task What_was_paid_before_with_another_card_is_not_charged_again_with_the_one_that_the_backup_knows()
    {
        await using var live = await LiveStripe.NewAsync(1, "pm_card_chargeCustomerFail");
        await live.PassAsync(await live.OpenAsync(), TimeSpan.FromMinutes(1), PassKind.EndAccess);
        await live.CloseAsync();
        NpgsqlConnection.ClearAllPools();
        var backup = await TestServer.NewDatabaseAsync(new NpgsqlConnectionStringBuilder(live.ConnectionString).Database);

        // The card declines, the customer gives another, and that one pays.
        var before = await live.OpenAsync();
        await live.PassAsync(before, TimeSpan.FromHours(1));
        await before.ActAsync(new Dunning.Model.AccountAction(live.Now, "a00000", Dunning.Model.ActionNames.UpdatePaymentMethod) { Token = "pm_card_visa", Expires = new YearMonth(2030, 1) }, default);
        await live.PassAsync(before, TimeSpan.FromDays(3));
        Assert.Equal(1, live.Count(EventTypes.InvoicePaid));
        await live.CloseAsync();
        live.Events.Clear();

        // The old card would pay by now.
        live.Stripe.Issuer = _ => null;
        var restored = await live.OpenAsync(backup);
        await using var there = PostgresSource.Create(backup);
        var books = new GatewayBooks(there, (Dunning.Ports.IChargeList)restored.Gateway);
        await new Adoption(restored, there).TakeAsync((await books.CompareAsync(Rig.Now - Duration.FromDays(1), live.Now, default)).Differences, default);
        await restored.Environment!.ConfirmAsync(await restored.Environment.LookAsync(default), default);
        for (var pass = 0; pass < 4; pass++)
        {
            await live.PassAsync(restored, TimeSpan.FromMinutes(20));
        }

        Assert.Single(live.Stripe.Intents, i => i.Status == "succeeded");
        Assert.Equal((1, 1), (live.Count(EventTypes.PaymentReceived), live.Count(EventTypes.InvoicePaid)));
        Assert.DoesNotContain(live.Events, e => e.Type is EventTypes.DunningOpened or EventTypes.ChargeSucceeded or EventTypes.ChargeFailed);
        Assert.Empty((await books.CompareAsync(Rig.Now - Duration.FromDays(1), live.Now, default)).Differences);
    }

    [Fact]
    public async Task Each_way_in_which_the_books_can_differ_is_told()
    {
        await using var live = await LiveStripe.NewAsync(8);
        var engine = await live.OpenAsync();
        live.Stripe.Break("cus_00003", WireFault.CutAfter);
        live.Stripe.Break("cus_00004", WireFault.CutAfter);
        await live.PassAsync(engine, TimeSpan.FromMinutes(1), PassKind.Renew);
        await using var source = PostgresSource.Create(live.ConnectionString);
        await using (var connection = await source.OpenConnectionAsync())
        {
            await connection.ExecuteAsync(
                """
                delete from dunning.charge where account_id = 'a00000';
                update dunning.charge set amount = amount + 1 where account_id = 'a00001';
                update dunning.charge set key = 'dun_another' where account_id = 'a00006';
                update dunning.charge set state = 'failed', code = 'do_not_honor' where account_id = 'a00002';
                insert into dunning.charge (key, account_id, subscription_id, period_start, attempt, kind, method_id, method_generation, amount, currency, state, first_called_at, last_called_at, stuck, method_updated_since, refund_due)
                select 'dun_nowhere', account_id, subscription_id, period_start, 2, kind, method_id, method_generation, amount, currency, 'succeeded', first_called_at, last_called_at, false, false, false
                from dunning.charge where account_id = 'a00005';
                """);
        }
        var books = new GatewayBooks(source, (Dunning.Ports.IChargeList)engine.Gateway);
        var comparison = await books.CompareAsync(Rig.Now - Duration.FromDays(1), live.Now, default);

        Assert.Equal(8, comparison.There);
        Assert.Equal(
            [
                (DifferenceKind.MissingHere, "a00000"), (DifferenceKind.AmountDiffers, "a00001"), (DifferenceKind.StateDiffers, "a00002"), (DifferenceKind.StateDiffers, "a00003"),
                (DifferenceKind.StateDiffers, "a00004"), (DifferenceKind.MissingThere, "a00005"), (DifferenceKind.MissingHere, "a00006"), (DifferenceKind.MissingThere, "a00006"),
            ],
            comparison.Differences.OrderBy(d => d.Account, StringComparer.Ordinal).ThenBy(d => d.Kind).Select(d => (d.Kind, d.Account)));

        // What is waited for is told, and what is missing is kept; for the rest somebody must look.
        Assert.Equal(4, await new Adoption(engine, source).TakeAsync(comparison.Differences, default));
        comparison = await books.CompareAsync(Rig.Now - Duration.FromDays(1), live.Now, default);
        Assert.Equal(["a00001", "a00002", "a00005", "a00006", "a00006"], comparison.Differences.Select(d => d.Account).Order(StringComparer.Ordinal));
        Assert.Equal("a00006", Assert.Single(comparison.Differences, d => d.Kind == DifferenceKind.TakenTwice).Account);
        // Nothing of another installation's charges, though it has the same account at Stripe.
        await using var other = PostgresSource.Create(await TestServer.NewDatabaseAsync());
        await new Migrator(other, TimeProvider.System).MigrateAsync(default);
        using var elsewhere = new Dunning.Gateways.Stripe.StripeGateway(
            new Dunning.Gateways.Stripe.StripeOptions { Key = Dunning.Gateways.Stripe.StripeKey.Find(StandIn.SecretKey)!, BaseUrl = live.Stripe.Url }, TimeProvider.System, "another");
        Assert.Equal(0, (await new GatewayBooks(other, elsewhere).CompareAsync(Rig.Now - Duration.FromDays(1), live.Now, default)).There);
    }

    [Fact]
    public async Task A_list_that_breaks_off_is_no_comparison()
    {
        await using var live = await LiveStripe.NewAsync(1);
        var engine = await live.OpenAsync();
        await using var source = PostgresSource.Create(live.ConnectionString);
        live.Stripe.IsOut = _ => true;
        await Assert.ThrowsAsync<Dunning.Ports.GatewayListException>(
            () => new GatewayBooks(source, (Dunning.Ports.IChargeList)engine.Gateway).CompareAsync(Rig.Now, live.Now, default));
    }
}
