using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json;
using Dapper;
using Dunning.Events;
using Dunning.Model;
using Dunning.Passes;
using Dunning.Ports;
using Dunning.Postgres;
using NodaTime;
using Npgsql;
using Xunit;

namespace Dunning.Tests.Postgres;

public sealed class ClaimTests
{
    [Fact]
    public async Task Workers_side_by_side_never_renew_an_account_twice()
    {
        await using var rig = await Rig.NewAsync();
        const int accounts = 600;
        await rig.ImportAsync(Many(accounts));
        var taken = new ConcurrentBag<string>();

        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            // Each with a book of its own, as servers have.
            var book = new PostgresBook(rig.Source, Rig.Rules, Rig.Seller);
            while (await book.ClaimAsync(PassKind.Renew, Rig.Now, 25, f => Samples.Renew(f, Rig.Now), default) is { Decisions.Count: > 0 } batch)
            {
                Assert.Empty(batch.Faults);
                foreach (var decision in batch.Decisions)
                {
                    taken.Add(decision.After.Id);
                }
                await book.AnswerAsync([.. batch.Decisions.Select(d => new AnswerFor(d.After.Id, d.After.Charges[0].Key, f => Samples.Paid(f, Rig.Now)))], default);
            }
        })));

        Assert.Equal(accounts, taken.Count);
        Assert.Equal(accounts, taken.Distinct().Count());
        Assert.Equal(accounts, await rig.ScalarAsync<long>("select count(*) from dunning.receivable where state = 'paid'"));
        Assert.Equal(0, await rig.ScalarAsync<long>("select count(*) from dunning.subscription where renews_on <> '2026-04-01'"));

        // And their numbers have no gap.
        Assert.Equal("1 600 600", await rig.ScalarAsync<string>("select min(number) || ' ' || max(number) || ' ' || count(distinct number) from dunning.invoice"));
    }

    [Fact]
    public async Task An_account_that_another_has_brought_on_since_is_not_decided()
    {
        await using var rig = await Rig.NewAsync();
        await rig.ImportAsync((Samples.Account("a"), Samples.DueToRenew(Rig.Now)));
        await using var other = await rig.Source.OpenConnectionAsync();
        await using var transaction = await other.BeginTransactionAsync();
        await other.ExecuteAsync("select 1 from dunning.account where id = 'a' for update; update dunning.due set at = '2030-01-01'", transaction: transaction);

        // Busy: skipped.
        var whileBusy = await rig.Book.ClaimAsync(PassKind.Renew, Rig.Now, 10, _ => throw new InvalidOperationException("busy"), default);
        await transaction.CommitAsync();
        var after = await rig.Book.ClaimAsync(PassKind.Renew, Rig.Now, 10, _ => throw new InvalidOperationException("not due"), default);

        Assert.Empty(whileBusy.Faults);
        Assert.Empty(after.Faults);
    }

    [Fact]
    public async Task An_answer_waits_for_the_lock()
    {
        await using var rig = await Rig.NewAsync();
        await rig.ImportAsync((Samples.Account("a"), default));
        await using var other = await rig.Source.OpenConnectionAsync();
        await using var transaction = await other.BeginTransactionAsync();
        await other.ExecuteAsync("update dunning.account set credit = 5 where id = 'a'", transaction: transaction);

        var answer = rig.Book.AnswerAsync([new AnswerFor("a", null, Samples.Touch)], default);
        await Task.Delay(100);
        Assert.False(answer.IsCompleted);
        await transaction.CommitAsync();

        // It read what the other had written.
        Assert.Equal(5, (await answer).Decisions.Single().Before.Credit);
    }

    [Fact]
    public async Task A_claim_takes_the_earliest_due_first_and_skips_leases()
    {
        await using var rig = await Rig.NewAsync();
        await rig.ImportAsync(
            (Samples.Account("late"), Samples.DueToRenew(Rig.Now)),
            (Samples.Account("early"), Samples.DueToRenew(Rig.Now - Duration.FromHours(1))),
            (Samples.Account("leased"), Samples.DueToRenew(Rig.Now - Duration.FromHours(2))),
            (Samples.Account("future"), Samples.DueToRenew(Rig.Now + Duration.FromSeconds(1))),
            (Samples.Account("other"), new DueTimes { Mail = Rig.Now, Dun = Rig.Now }));
        await rig.ExecuteAsync("update dunning.account set lease_until = '2026-03-01 08:00:01Z' where id = 'leased'");

        Assert.Equal(["early"], await Claimed(PassKind.Renew, 1));
        Assert.Equal(["late"], await Claimed(PassKind.Renew, 10));
        Assert.Equal([], await Claimed(PassKind.Renew, 10));
        Assert.Equal(["other"], await Claimed(PassKind.All, 10));

        async Task<IEnumerable<string>> Claimed(PassKind pass, int limit) =>
            (await rig.Book.ClaimAsync(pass, Rig.Now, limit, Samples.Touch, default)).Decisions.Select(d => d.After.Id);
    }

    [Fact]
    public async Task A_decision_that_throws_is_its_accounts_fault_alone()
    {
        await using var rig = await Rig.NewAsync();
        await rig.ImportAsync(Many(10));

        var result = await rig.Book.ClaimAsync(PassKind.Renew, Rig.Now, 10,
            f => f.Id == "a0003" ? throw new InvalidOperationException("no") : Samples.Renew(f, Rig.Now), default);

        Assert.Equal(9, result.Decisions.Count);
        Assert.Equal("a0003", Assert.Single(result.Faults).Account);

        // It is left alone for a minute, and then tried again.
        Assert.Empty((await rig.Book.ClaimAsync(PassKind.Renew, Rig.Now, 10, Samples.Touch, default)).Decisions);
        Assert.Single((await rig.Book.ClaimAsync(PassKind.Renew, Rig.Now + Duration.FromMinutes(1), 10, Samples.Touch, default)).Decisions);
    }

    [Fact]
    public async Task A_save_that_the_database_refuses_is_its_accounts_fault_alone()
    {
        await using var rig = await Rig.NewAsync();
        await rig.ImportAsync(Many(10));

        var result = await rig.Book.ClaimAsync(PassKind.Renew, Rig.Now, 10, f => f.Id is "a0003" or "a0008"
            ? Samples.Decide(f, Rig.Now, default, f => f with { Credit = -1 }) : Samples.Renew(f, Rig.Now), default);

        Assert.Equal(8, result.Decisions.Count);
        Assert.Equal(["a0003", "a0008"], result.Faults.Select(f => f.Account).Order());
        Assert.All(result.Faults, f => Assert.Equal("account_credit_check", ((PostgresException)f.Exception).ConstraintName));
        Assert.Equal(0, (await rig.ReadAsync("a0003")).Version);

        // The halves that were rolled back took no number.
        Assert.Equal("1 8 8", await rig.ScalarAsync<string>("select min(number) || ' ' || max(number) || ' ' || count(*) from dunning.invoice"));
    }

    [Fact]
    public async Task A_decision_that_would_lose_something_is_refused()
    {
        await using var rig = await Rig.NewAsync();
        await rig.ImportAsync((Samples.Account("a"), Samples.DueToRenew(Rig.Now)), (Samples.Account("b"), Samples.DueToRenew(Rig.Now)));

        var result = await rig.Book.ClaimAsync(PassKind.Renew, Rig.Now, 10,
            f => Samples.Decide(f, Rig.Now, default, f => f.Id == "a" ? f with { Subscriptions = [] } : f with { EventCount = 7 }), default);

        Assert.Equal("a", Assert.Single(result.Faults).Account);
    }

    [Fact]
    public async Task An_account_that_stays_due_without_a_decision_does_not_go_round()
    {
        await using var rig = await Rig.NewAsync();
        await rig.ImportAsync((Samples.Account("a"), Samples.DueToRenew(Rig.Now)));

        var result = await rig.Book.ClaimAsync(PassKind.Renew, Rig.Now, 10, f => Samples.Decide(f, Rig.Now, Samples.DueToRenew(Rig.Now), f => f with { LastEventAt = Rig.Now }), default);
        var again = await rig.Book.ClaimAsync(PassKind.Renew, Rig.Now, 10, f => Samples.Decide(f, Rig.Now, Samples.DueToRenew(Rig.Now), f => f), default);

        Assert.Empty(result.Faults);
        Assert.Single(again.Faults);
        Assert.Empty((await rig.Book.ClaimAsync(PassKind.Renew, Rig.Now, 10, Samples.Touch, default)).Decisions);
    }

    [Fact]
    public async Task An_answer_for_nobody_is_a_fault()
    {
        await using var rig = await Rig.NewAsync();
        Assert.Equal("nobody", Assert.Single((await rig.Book.AnswerAsync([new AnswerFor("nobody", null, Samples.Touch)], default)).Faults).Account);
    }

    [Fact]
    public async Task A_lost_connection_is_tried_again()
    {
        await using var rig = await Rig.NewAsync();
        await rig.ImportAsync(Many(3));
        var killed = 0;

        var result = await rig.Book.ClaimAsync(PassKind.Renew, Rig.Now, 10, f =>
        {
            if (Interlocked.Exchange(ref killed, 1) == 0)
            {
#pragma warning disable RS0030 // a decision is synchronous, and this must happen within it
                rig.ExecuteAsync(
                    """
                    select pg_terminate_backend(pid) from pg_stat_activity
                    where datname = current_database() and pid <> pg_backend_pid() and state = 'idle in transaction'
                    """).GetAwaiter().GetResult();
#pragma warning restore RS0030
            }
            return Samples.Renew(f, Rig.Now);
        }, default);

        Assert.Equal(3, result.Decisions.Count);
        Assert.Equal(3, await rig.ScalarAsync<long>("select count(*) from dunning.invoice"));
    }

    [Fact]
    public async Task A_server_with_other_rules_does_no_work()
    {
        await using var rig = await Rig.NewAsync();
        await rig.ImportAsync((Samples.Account("a"), Samples.DueToRenew(Rig.Now)));
        var other = new PostgresBook(rig.Source, "other", Rig.Seller);

        await Assert.ThrowsAsync<ConfigurationMismatchException>(() => other.ClaimAsync(PassKind.Renew, Rig.Now, 1, Samples.Touch, default));
        await Assert.ThrowsAsync<ConfigurationMismatchException>(() => other.AnswerAsync([new AnswerFor("a", null, Samples.Touch)], default));

        // Its restart works due out anew; then it is the first that has to stop.
        Assert.Equal(1, await new PostgresRework(rig.Source).EnsureAsync("other", _ => Samples.DueToRenew(Rig.Now + Duration.FromDays(1)), default));
        await Assert.ThrowsAsync<ConfigurationMismatchException>(() => rig.Book.ClaimAsync(PassKind.Renew, Rig.Now, 1, Samples.Touch, default));
        Assert.Empty((await other.ClaimAsync(PassKind.Renew, Rig.Now, 1, Samples.Touch, default)).Decisions);
        Assert.Single((await other.ClaimAsync(PassKind.Renew, Rig.Now + Duration.FromDays(1), 1, Samples.Touch, default)).Decisions);
    }

    [Fact]
    public async Task A_rework_that_was_killed_keeps_passes_away_until_it_is_done()
    {
        await using var rig = await Rig.NewAsync();
        await rig.ImportAsync(Many(3));
        var rework = new PostgresRework(rig.Source);
        await Assert.ThrowsAsync<InvalidOperationException>(() => rework.EnsureAsync("new", _ => throw new InvalidOperationException("killed"), default));
        var book = new PostgresBook(rig.Source, "new", Rig.Seller);
        await Assert.ThrowsAsync<ConfigurationMismatchException>(() => book.ClaimAsync(PassKind.Renew, Rig.Now, 1, Samples.Touch, default));

        // What is under way may still be told: an answer must not be lost.
        Assert.Single((await book.AnswerAsync([new AnswerFor("a0000", null, Samples.Touch)], default)).Decisions);

        Assert.Equal(3, await rework.EnsureAsync("new", _ => Samples.DueToRenew(Rig.Now), default, batch: 2));
        Assert.Equal(0, await rework.EnsureAsync("new", _ => throw new InvalidOperationException("needless"), default));
        Assert.Equal(3, (await book.ClaimAsync(PassKind.Renew, Rig.Now, 10, Samples.Touch, default)).Decisions.Count);
    }

    /// <summary>The scan reads what is due and nothing else: as many pages among ten times as many accounts.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_claim_reads_only_what_is_due(bool anyPass)
    {
        await using var rig = await Rig.NewAsync();
        var few = await BuffersAsync(5_000);
        var many = await BuffersAsync(50_000);

        Assert.True(many < few * 1.5, $"{few} pages among 5,000 accounts, {many} among 50,000");

        async Task<long> BuffersAsync(int accounts)
        {
            await rig.ExecuteAsync(string.Create(CultureInfo.InvariantCulture,
                $"""
                truncate dunning.account cascade; truncate dunning.due;
                insert into dunning.account (id, last_event_at, name, legal_name, country, time_zone, currency, locale, line1, postal_code, city)
                    select 'account-' || n, '2026-01-01', 'n', 'n', 'FR', 'Europe/Paris', 'EUR', 'fr', 'l', 'p', 'c' from generate_series(1, {accounts}) n;
                insert into dunning.due
                    select 'account-' || n, p, '2026-03-01 08:00Z'::timestamptz + (case when n % ({accounts} / 200) = 0 then -1 else n end) * interval '1 minute'
                    from generate_series(1, {accounts}) n, unnest(array['renew', 'remind', 'dun']) p;
                analyze dunning.account, dunning.due;
                """));
            await using var connection = await rig.Source.OpenConnectionAsync();
            await using var transaction = await connection.BeginTransactionAsync();
            await connection.ExecuteAsync(Files.OnlyProbes, transaction: transaction);
            var json = await connection.ExecuteScalarAsync<string>(
                "explain (analyze, buffers, format json) " + (anyPass ? PostgresBook.LockAnyPass : PostgresBook.LockOnePass),
                new { pass = "renew", passes = new[] { "dun", "end_access", "mail", "purge", "reconcile", "remind", "renew" }, now = Rig.Now.ToDateTimeUtc(), limit = 100, paused = Array.Empty<string>() }, transaction);
            var plan = JsonDocument.Parse(json!).RootElement[0].GetProperty("Plan");
            Assert.DoesNotContain("Seq Scan", json, StringComparison.Ordinal);
            Assert.Equal(100, plan.GetProperty("Actual Rows").GetDouble());
            return plan.GetProperty("Shared Hit Blocks").GetInt64() + plan.GetProperty("Shared Read Blocks").GetInt64();
        }
    }

    private static IEnumerable<(AccountFile, DueTimes)> Many(int count) => Enumerable.Range(0, count)
        .Select(i => (Samples.Account(string.Create(CultureInfo.InvariantCulture, $"a{i:0000}")), Samples.DueToRenew(Rig.Now)));
}
