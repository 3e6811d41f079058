using System.Collections.Concurrent;
using System.Collections.Immutable;
using Dapper;
using Dunning.Events;
using Dunning.Gateways.Sandbox;
using Dunning.Hosting;
using Dunning.Model;
using Dunning.Options;
using Dunning.Passes;
using Dunning.Ports;
using Dunning.Postgres;
using Dunning.Tests.Postgres;
using Microsoft.Extensions.Logging.Abstractions;
using NodaTime;
using Npgsql;
using Xunit.Abstractions;

namespace Dunning.Tests.Faults;

using Mail = Model.Mail; // in here, as the namespace Dunning.Mail comes before what is imported outside

/// <summary>
/// Four workers on one database, each of which dies at some boundary: before a commit, after it and before the call, after the call and before
/// its answer is saved, after a delivery; and connections that are cut at any moment, in a commit too. Customers act meanwhile. The auditor then
/// reads the tables and the sandbox's record.
/// </summary>
public sealed class CrashPointTests(ITestOutputHelper output)
{
    private const int Workers = 4;
    private const string Faulty = "faulty";

    private static readonly string[] Tokens =
    [
        "sandbox_ok", "sandbox_ok", "sandbox_decline_insufficient_funds", "sandbox_decline_insufficient_funds_x2", "sandbox_ok_x1_decline_do_not_honor",
        "sandbox_timeout_x1", "sandbox_timeout_x3", "sandbox_drop_x1", "sandbox_drop_x3", "sandbox_drop_x2_decline_insufficient_funds",
        "sandbox_lost_decline_insufficient_funds_x2", "sandbox_sca", "sandbox_decline_lost_card",
    ];

    private static readonly RuleOptions Options = new() { PurgeAfterDays = 12 };

    [Fact]
    public async Task Workers_that_die_anywhere_charge_nobody_twice_and_lose_nothing()
    {
        var random = new Random(Seeds.Next(output, "crash points"));
        var count = Seeds.Size("DUNNING_CRASH_ACCOUNTS", 200);
        var connectionString = await TestServer.NewDatabaseAsync();
        await using var source = PostgresSource.Create(connectionString);
        await using var faulty = PostgresSource.Create(
            new NpgsqlConnectionStringBuilder(connectionString) { ApplicationName = Faulty, MaxPoolSize = 30 }.ConnectionString);
        var accounts = Enumerable.Range(0, count).Select(i => Population.Account(
            i, Tokens[i % Tokens.Length], random.Next(0, 6), i % 7 == 3 ? Tokens[random.Next(Tokens.Length)] : null, i % 11 == 0 ? random.Next(1, 4000) : 0)).ToList();
        var rules = await Population.SettleAsync(source, Options, accounts, isSimulation: false);
        await using var ledger = new PostgresLedger(source, NullLogger<PostgresLedger>.Instance);
        var world = new World(source, faulty, rules, new SandboxGateway(ledger, new SandboxOptions(), TimeProvider.System), new FickleMailer(random.Next()));
        var credit = accounts.ToDictionary(a => a.Id, a => a.Credit, StringComparer.Ordinal);

        var (now, end) = (Rig.Now, Rig.Now + Duration.FromDays(65));
        var (rounds, crashes, resolved) = (0, 0, 0);
        while (now < end)
        {
            var round = Enumerable.Range(0, Workers).Select(_ => world.LiveAsync(new Random(random.Next()), now, mayDie: true)).ToList();
            if (random.Next(3) == 0)
            {
                await world.CutAConnectionAsync(random);
            }
            if (random.Next(4) == 0)
            {
                await ActAsync(world, accounts[random.Next(count)], random, now, credit);
            }
            crashes += (await Task.WhenAll(round)).Count(died => died);
            resolved += await ResolveAsync(world, source, now);
            rounds++;
            if (rounds % 50 == 0)
            {
                Assert.Equal("", await Auditor.FaultsAsync(source));
            }
            var next = await new PostgresBook(source, Options.Fingerprint, Rig.Seller).NextDueAsync(default);
            var soon = now + Duration.FromSeconds(random.Next(20, 200));
            now = next is { } at && at > soon ? at : soon;
        }

        // The last of them live.
        for (var i = 0; await IsRestlessAsync(source, now); i++)
        {
            Assert.True(i < 200, "it does not come to rest: " + await Auditor.FaultsAtRestAsync(source, now));
            now += Duration.FromMinutes(2);
            Assert.False(await world.LiveAsync(new Random(i), now, mayDie: false));
            resolved += await ResolveAsync(world, source, now);
        }

        output.WriteLine($"{rounds} rounds of {Workers} workers, {crashes} died ({string.Join(", ", world.Deaths.OrderBy(d => d.Key).Select(d => $"{d.Value} {d.Key}"))}), " +
            $"{world.Cut} connections cut, {resolved} stuck charges resolved, {world.Mailer.Doubles} mails delivered again, of {world.Mailer.Delivered.Count}");
        await using var connection = await source.OpenConnectionAsync();
        foreach (var (type, n) in await connection.QueryAsync<(string, long)>("select type, count(*) from dunning.event group by type order by type"))
        {
            output.WriteLine($"  {n,6} {type}");
        }
        Assert.True(crashes > 20, $"only {crashes} workers died: nothing is shown");
        Assert.Equal("", await Auditor.FaultsAtRestAsync(source, now));
        Assert.Equal("", await Auditor.CreditFaultsAsync(source, credit));
        var accepted = await connection.QueryAsync<(string Account, int Mail, int Contact)>(
            "select account_id, mail_number, contact from dunning.outbox where state = 'accepted'");
        Assert.All(accepted, mail => Assert.Contains(mail, (IDictionary<(string, int, int), int>)world.Mailer.Delivered));
    }

    private static async Task<bool> IsRestlessAsync(NpgsqlDataSource source, Instant now)
    {
        await using var connection = await source.OpenConnectionAsync();
        return await connection.ExecuteScalarAsync<bool>(
            """
            select exists (select from dunning.due where at <= @now) or exists (select from dunning.account where lease_until is not null)
                or exists (select from dunning.charge where state in ('in_flight', 'unknown') or refund_due)
                or exists (select from dunning.outbox where state = 'pending')
            """,
            new { now = now.ToDateTimeUtc() });
    }

    // Through the connections that are cut, too: what was answered as done is done once.
    private static async Task ActAsync(World world, AccountFile account, Random random, Instant now, Dictionary<string, long> credit)
    {
        var subscription = account.Subscriptions[0].Id;
        var action = random.Next(8) switch
        {
            0 or 1 or 2 => new AccountAction(now, account.Id, ActionNames.UpdatePaymentMethod)
            {
                Token = Tokens[random.Next(Tokens.Length)], Expires = new YearMonth(2030, 6),
            },
            3 => new AccountAction(now, account.Id, ActionNames.Authenticate),
            4 or 5 => new AccountAction(now, account.Id, ActionNames.Credit) { Amount = random.Next(1, 3000) },
            6 => new AccountAction(now, account.Id, ActionNames.Cancel) { Subscription = subscription },
            _ => new AccountAction(now, account.Id, ActionNames.Resume) { Subscription = subscription },
        };
        var result = await new PostgresBook(world.FaultySource, Options.Fingerprint, Rig.Seller).AnswerAsync(
            [new AnswerFor(account.Id, null, file => Pass.Act(file, action, now, world.Rules))], default);
        Assert.Empty(result.Faults);
        if (action.Do == ActionNames.Credit && result.Decisions.Single().Events.All(e => e.Type != EventTypes.ActionRejected))
        {
            credit[account.Id] += action.Amount!.Value;
        }
    }

    // A call that never arrived and is not sent again, as a cancel is kept, waits for the operator that charge.stuck calls. This one comes at once.
    private static async Task<int> ResolveAsync(World world, NpgsqlDataSource source, Instant now)
    {
        await using var connection = await source.OpenConnectionAsync();
        var stuck = (await connection.QueryAsync<(string Account, string Subscription, DateOnly PeriodStart)>(
            "select account_id, subscription_id, period_start from dunning.charge where state = 'unknown' and stuck and resolution = 'none'")).ToList();
        foreach (var (account, subscription, start) in stuck)
        {
            var resolve = new AccountAction(now, account, ActionNames.ResolveCharge)
            {
                Operator = "anna",
                Reason = "the gateway has never heard of it",
                Subscription = subscription,
                PeriodStart = LocalDate.FromDateOnly(start),
                Outcome = "never_made",
            };
            var result = await new PostgresBook(source, Options.Fingerprint, Rig.Seller).AnswerAsync(
                [new AnswerFor(account, null, file => Pass.Act(file, resolve, now, world.Rules))], default);
            Assert.Empty(result.Faults);
            Assert.DoesNotContain(result.Decisions.Single().Events, e => e.Type == EventTypes.ActionRejected);
        }
        return stuck.Count;
    }

    /// <summary>What outlives the workers.</summary>
    private sealed class World(NpgsqlDataSource source, NpgsqlDataSource faulty, Rulebook rules, IPaymentGateway gateway, FickleMailer mailer)
    {
        private static readonly PassKind[] Passes = [.. JobSettings.Passes, PassKind.All, PassKind.All, PassKind.All];

        private int _cut;

        public Rulebook Rules => rules;

        public NpgsqlDataSource FaultySource => faulty;

        public FickleMailer Mailer => mailer;

        public ConcurrentDictionary<string, int> Deaths { get; } = new();

        public int Cut => _cut;

        /// <summary>A worker's life: a few passes, or until it dies. Returns whether it did.</summary>
        public async Task<bool> LiveAsync(Random random, Instant now, bool mayDie)
        {
            var fate = new Fate(mayDie && random.Next(2) == 0 ? random.Next(1, 12) : int.MaxValue, Deaths);
            var calls = new MortalGateway(gateway, fate);
            var runner = new PassRunner(
                new MortalBook(new PostgresBook(faulty, Options.Fingerprint, Rig.Seller), fate), () => rules, calls, new MortalMailer(mailer, fate),
                // Clocks of servers differ a little.
                () => now + Duration.FromSeconds(random.Next(3)),
                new PassLimits { BatchSize = random.Next(1, 40), Concurrency = random.Next(1, 20), Budget = Duration.FromDays(1), Savers = random.Next(1, 3) });
            try
            {
                for (var i = random.Next(1, 4); i > 0; i--)
                {
                    var report = await runner.RunAsync(mayDie ? Passes[random.Next(Passes.Length)] : PassKind.All, default);
                    Assert.All(report.Faults, f => Assert.IsType<DeathException>(f.Exception));
                }
                return fate.IsDead;
            }
            catch (Exception e) when (mayDie && (e.InnerException ?? e) is DeathException)
            {
                return true;
            }
            catch (Exception e) when (mayDie && (e is NpgsqlException || e.InnerException is NpgsqlException))
            {
                Deaths.AddOrUpdate("of a cut connection", 1, (_, n) => n + 1);
                return true;
            }
            finally
            {
                // A call that is on its way arrives within the time that calls have, whoever made it.
                await calls.LandedAsync();
            }
        }

        public async Task CutAConnectionAsync(Random random)
        {
            await using var connection = await source.OpenConnectionAsync();
            await Task.Delay(random.Next(0, 12));
            _cut += (await connection.QueryAsync<bool>(
                """
                select pg_terminate_backend(pid) from (
                    select pid from pg_stat_activity
                    where application_name = @Faulty and datname = current_database() and state <> 'idle' order by random() limit 1) a
                """,
                new { Faulty })).Count();
        }
    }

    private sealed class DeathException : Exception;

    /// <summary>When a worker dies: at its so-manyth boundary, and from then on it does nothing more.</summary>
    private sealed class Fate(int boundaries, ConcurrentDictionary<string, int> deaths)
    {
        private int _left = boundaries;
        private volatile bool _isDead;

        public bool IsDead => _isDead;

        public void Pass(string where)
        {
            if (!_isDead && Interlocked.Decrement(ref _left) == 0)
            {
                _isDead = true;
                deaths.AddOrUpdate(where, 1, (_, n) => n + 1);
            }
            if (_isDead)
            {
                throw new DeathException();
            }
        }
    }

    private sealed class MortalBook(IBook book, Fate fate) : IBook
    {
        public async Task<BatchResult> ClaimAsync(PassKind pass, Instant now, int limit, Decide decide, CancellationToken ct)
        {
            fate.Pass("before a claim's commit");
            var result = await book.ClaimAsync(pass, now, limit, decide, ct);
            fate.Pass("after a claim's commit");
            return result;
        }

        public Task<Instant?> NextDueAsync(CancellationToken ct) => book.NextDueAsync(ct);

        public async Task<BatchResult> AnswerAsync(IReadOnlyList<AnswerFor> answers, CancellationToken ct)
        {
            fate.Pass("before an answer's commit");
            var result = await book.AnswerAsync(answers, ct);
            fate.Pass("after an answer's commit");
            return result;
        }
    }

    private sealed class MortalGateway(IPaymentGateway gateway, Fate fate) : IPaymentGateway
    {
        private readonly ConcurrentBag<Task> _calls = [];

        public Task<GatewayOutcome> ChargeAsync(ChargeRequest request, CancellationToken ct) =>
            AroundAsync("call", () => gateway.ChargeAsync(request, ct));

        public Task<GatewayOutcome?> LookUpAsync(ChargeRequest request, CancellationToken ct) =>
            AroundAsync("look-up", () => gateway.LookUpAsync(request, ct));

        public Task<GatewayOutcome> FenceAsync(ChargeRequest request, CancellationToken ct) =>
            AroundAsync("fence", () => gateway.FenceAsync(request, ct));

        public Task<bool> RefundAsync(ChargeRequest charge, string refundKey, CancellationToken ct) =>
            AroundAsync("refund", () => gateway.RefundAsync(charge, refundKey, ct));

        public Task<bool> DetachAsync(string account, PaymentMethod method, CancellationToken ct) =>
            AroundAsync("detachment", () => gateway.DetachAsync(account, method, ct));

        public Task LandedAsync() => Task.WhenAll(_calls);

        private async Task<T> AroundAsync<T>(string what, Func<Task<T>> call)
        {
            fate.Pass("before a " + what);
            var task = call();
            _calls.Add(task);
            var answer = await task;
            fate.Pass("after a " + what);
            return answer;
        }
    }

    private sealed class MortalMailer(IMailer mailer, Fate fate) : IMailer
    {
        public async Task<ImmutableArray<DeliveryResult>> DeliverAsync(AccountFile account, Mail mail, CancellationToken ct)
        {
            fate.Pass("before a delivery");
            var results = await mailer.DeliverAsync(account, mail, ct);
            fate.Pass("after a delivery");
            return results;
        }
    }

    /// <summary>A mail server that takes most messages, puts some off and refuses a few.</summary>
    private sealed class FickleMailer(int seed) : IMailer
    {
        private readonly Random _random = new(seed);
        private readonly Lock _lock = new();

        /// <summary>How often each message was taken.</summary>
        public ConcurrentDictionary<(string Account, int Mail, int Contact), int> Delivered { get; } = new();

        public int Doubles => Delivered.Values.Sum(n => n - 1);

        public Task<ImmutableArray<DeliveryResult>> DeliverAsync(AccountFile account, Mail mail, CancellationToken ct)
        {
            lock (_lock)
            {
                return Task.FromResult(mail.Recipients.Where(r => r.State == DeliveryState.Pending).Select(r =>
                {
                    var verdict = _random.Next(100) switch { 0 => DeliveryVerdict.Rejected, 1 => DeliveryVerdict.Bounced, < 10 => DeliveryVerdict.Deferred, _ => DeliveryVerdict.Accepted };
                    if (verdict == DeliveryVerdict.Accepted)
                    {
                        Delivered.AddOrUpdate((account.Id, mail.Number, r.Contact), 1, (_, n) => n + 1);
                    }
                    return new DeliveryResult(r.Contact, verdict, null);
                }).ToImmutableArray());
            }
        }
    }
}
