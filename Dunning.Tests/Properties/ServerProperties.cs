using System.Collections.Immutable;
using Dunning.Events;
using Dunning.Gateways.Sandbox;
using Dunning.Model;
using Dunning.Options;
using Dunning.Passes;
using Dunning.Ports;
using Dunning.Time;
using NodaTime;

namespace Dunning.Tests.Properties;

/// <summary>
/// Several servers, one book, and everything goes wrong: requests and answers are lost, refused or late beyond their claim, servers die before the
/// call and after it, jobs come in any order. One thread and a clock of its own, so that a seed always tells the same story.
/// </summary>
/// <remarks>PostgreSQL's part, and real processes that are killed, are in <c>Faults</c>; thousands of crashes a second are only possible here.</remarks>
public sealed class ServerProperties
{
    public static TheoryData<int> Seeds(int first, int count) => [.. Enumerable.Range(first, count)];

    [Theory]
    [MemberData(nameof(Seeds), 1, 60)]
    public async Task Whatever_is_lost_each_invoice_is_charged_once_and_nothing_stays_in_flight(int seed)
    {
        var servers = new Servers(seed);
        await servers.RunAsync(Duration.FromDays(45));
        servers.Heal();
        await servers.RunAsync(Duration.FromDays(4));
        Assert.True(servers.Crashes > 20 && servers.Lost > 5, $"seed {seed}: too little went wrong to say anything");
        var faults = await servers.FaultsAsync();
        Assert.True(faults.Count == 0, $"seed {seed}:\n{string.Join('\n', faults)}");
    }

    [Theory]
    [MemberData(nameof(Seeds), 1001, 30)]
    public async Task Whatever_operators_do_meanwhile_too_and_a_pause_or_an_exemption_holds(int seed)
    {
        var servers = new Servers(seed) { HasOperators = true };
        await servers.RunAsync(Duration.FromDays(45));
        servers.Heal();
        await servers.RunAsync(Duration.FromDays(4));
        Assert.True(servers.Acts > 30, $"seed {seed}: too little was done to say anything");
        var faults = await servers.FaultsAsync();
        Assert.True(faults.Count == 0, $"seed {seed}:\n{string.Join('\n', faults)}");
    }

    [Fact]
    public async Task A_lost_save_ends_the_pass_instead_of_hanging_it()
    {
        var servers = new Servers(0);
        servers.Heal();
        var book = new Unsaving(servers);
        var runner = new PassRunner(book, () => servers.Rules, servers.Sandbox, servers, () => Servers.Start + Duration.FromDays(30), new PassLimits());
        var pass = runner.RunAsync(PassKind.All, default);
        Assert.Same(pass, await Task.WhenAny(pass, Task.Delay(TimeSpan.FromSeconds(30))));
        await Assert.ThrowsAsync<InvalidOperationException>(() => pass);
        Assert.True(book.Claimed > 0);
    }

    // RULES 13: another server has the account by now and has sent the charge again. A refusal of the first call must not close it under its hands.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_answer_after_its_claim_says_nothing_but_an_outcome(bool isUnknown)
    {
        var servers = new Servers(0);
        servers.Heal();
        var now = Servers.Start + Duration.FromDays(30);
        var first = servers.Claim("a0", now);
        var send = Assert.IsType<Effect.SendCharge>(first.Effect);
        now += Duration.FromMinutes(10);
        var second = servers.Claim("a0", now);
        var lookUp = Assert.IsType<Effect.LookUp>(second.Effect);
        var again = Assert.IsType<Effect.SendCharge>(servers.Save(Pass.Resume(servers.File("a0"), lookUp, new Answer.LookedUp(send.Request.Key, null), servers.Rules)).Effect);
        Assert.Equal((send.Request.Key, true), (again.Request.Key, again.IsResend));

        GatewayOutcome late = isUnknown ? new GatewayOutcome.Unknown() : new GatewayOutcome.Refused("too many requests", RefusalScope.Request);
        Assert.Empty(servers.Save(Pass.Resume(servers.File("a0"), send, new Answer.Charged(send.Request.Key, late, false), servers.Rules)).Events);

        var answer = new Answer.Charged(again.Request.Key, await servers.Sandbox.ChargeAsync(again.Request, default), true);
        var events = servers.Save(Pass.Resume(servers.File("a0"), again, answer, servers.Rules)).Events.Select(e => e.Type);
        Assert.Contains(EventTypes.InvoicePaid, events);
        Assert.DoesNotContain(EventTypes.ChargeDuplicate, events);
    }

    /// <summary>A book whose answers can't be saved.</summary>
    private sealed class Unsaving(Servers servers) : IBook
    {
        public int Claimed { get; private set; }

        public Task<BatchResult> ClaimAsync(PassKind pass, Instant now, int limit, Decide decide, CancellationToken ct)
        {
            var ids = Claimed == 0 ? servers.Ids : [];
            Claimed += ids.Count;
            return Task.FromResult(new BatchResult([.. ids.Select(id => servers.Save(decide(servers.File(id))))], []));
        }

        public Task<BatchResult> AnswerAsync(IReadOnlyList<AnswerFor> answers, CancellationToken ct) => throw new TimeoutException("the database is gone");

        public Task<Instant?> NextDueAsync(CancellationToken ct) => Task.FromResult<Instant?>(null);
    }

    private sealed class Servers : IPaymentGateway, IMailer
    {
        public static readonly Instant Start = Instant.FromUtc(2026, 3, 1, 0, 0);

        private static readonly PassKind[] Jobs = [.. Enum.GetValues<PassKind>()];
        private static readonly string[] Tokens =
            ["sandbox_ok", "sandbox_decline_insufficient_funds_x1", "sandbox_decline_do_not_honor_x3", "sandbox_timeout_x4", "sandbox_drop_x3", "sandbox_ok"];

        private readonly Random _random;
        private readonly MemoryLedger _ledger = new();
        private readonly SortedDictionary<string, (AccountFile File, DueTimes Due)> _files = new(StringComparer.Ordinal);
        private readonly Dictionary<string, Charge> _charges = new(StringComparer.Ordinal);
        private readonly Dictionary<(string, LocalDate), Invoice> _invoices = [];
        private readonly Dictionary<(string Account, int Number), Model.Mail> _mails = [];
        private readonly PriorityQueue<Func<Task>, (Instant At, int Number)> _ahead = new();
        private readonly List<BookEvent> _events = [];
        private readonly HashSet<(string, LocalDate)> _voidedPaid = [];
        private readonly List<string> _broken = [];
        private Instant _now = Start;
        private bool _isHealthy;
        private int _number;

        public Servers(int seed)
        {
            _random = new Random(seed);
            Sandbox = World.Gateway(_ledger);
            Rules = Samples.Rules() with { Options = RuleOptions.Read([]).Options! with { Zones = ZoneData.V2025b } };
            for (var i = 0; i < Tokens.Length; i++)
            {
                var anchor = new LocalDate(2026, 3, 2).PlusDays(i % 3);
                var file = Samples.Account($"a{i}", Start) with
                {
                    Methods = [Samples.Card(Tokens[i], Start), .. i % 2 == 0 ? [] : new[] { Samples.Backup("b", Tokens[_random.Next(Tokens.Length)], Start) }],
                    Contacts = [new Contact(1, $"owner@a{i}.example", "", ContactRole.Owner, null) { Frequency = i % 2 == 0 ? MailFrequency.Daily : MailFrequency.AtOnce }],
                    Subscriptions = [.. Enumerable.Range(0, 1 + (i % 2)).Select(k => Samples.Subscription($"s{i}-{k}", "weekly", anchor, anchor, Start))],
                };
                _files.Add(file.Id, (file, Pass.DueOf(file, Start, Rules)));
            }
        }

        public Rulebook Rules { get; }
        public SandboxGateway Sandbox { get; }
        public int Crashes { get; private set; }
        public int Lost { get; private set; }
        public IReadOnlyCollection<string> Ids => _files.Keys;

        /// <summary>Operators act too.</summary>
        public bool HasOperators { get; init; }

        /// <summary>What they did that was not refused.</summary>
        public int Acts { get; private set; }

        public AccountFile File(string id) => _files[id].File;

        public void Heal() => _isHealthy = true;

        public async Task RunAsync(Duration time)
        {
            for (var until = _now + time; _now < until; _now += Duration.FromSeconds(20 + _random.Next(_isHealthy ? 100 : 600)))
            {
                while (_ahead.TryPeek(out _, out var next) && next.At <= _now)
                {
                    await _ahead.Dequeue()();
                }
                var job = Jobs[_random.Next(Jobs.Length)];
                foreach (var (id, (file, due)) in _files.ToArray())
                {
                    if (due[job] <= _now && !(file.LeaseUntil > _now))
                    {
                        Follow(Save(Pass.Begin(file, new PassRun(_now, job), Rules)));
                    }
                }
                if (!_isHealthy && Chance(1))
                {
                    Act();
                }
                if (!_isHealthy && HasOperators && Chance(3))
                {
                    Operate();
                }
            }
        }

        public Decision Claim(string id, Instant now) => Save(Pass.Begin(File(id), new PassRun(now, PassKind.All), Rules));

        public Decision Save(Decision decision)
        {
            foreach (var charge in decision.After.Charges)
            {
                _charges[charge.Key] = charge;
            }
            foreach (var invoice in decision.After.Invoices)
            {
                _invoices[(invoice.SubscriptionId, invoice.PeriodStart)] = invoice;
            }
            foreach (var mail in decision.After.Mails)
            {
                _mails[(decision.After.Id, mail.Number)] = mail;
            }
            _events.AddRange(decision.Events);
            if (HasOperators)
            {
                Watch(decision);
            }
            _files[decision.After.Id] = (decision.After.Pruned(), decision.Due);
            return decision;
        }

        /// <summary>What is wrong, a line each. The gateway's ledger is the witness.</summary>
        public async Task<List<string>> FaultsAsync()
        {
            var faults = new List<string>();
            var taken = new Dictionary<(string, LocalDate), int>();
            var refunds = 0;
            await foreach (var call in _ledger.CallsAsync(default))
            {
                var charge = _charges[call.Key];
                refunds += call.RefundKey is null ? 0 : 1;
                if (call is { IsSuccess: true, RefundKey: null })
                {
                    taken[(charge.SubscriptionId, charge.PeriodStart)] = taken.GetValueOrDefault((charge.SubscriptionId, charge.PeriodStart)) + 1;
                }
            }
            foreach (var (key, invoice) in _invoices)
            {
                var isPaidByCredit = _events.Any(e => e.Type == EventTypes.CreditApplied && (e.Subscription, e.PeriodStart) == key);
                var expected = invoice is { State: InvoiceState.Paid, AmountDue.Minor: > 0 } && !isPaidByCredit ? 1 : 0;
                Check(taken.GetValueOrDefault(key) == expected, $"{key} is {invoice.State} and was charged {taken.GetValueOrDefault(key)} times");
                Check(_events.Count(e => e.Type == EventTypes.InvoiceIssued && (e.Subscription, e.PeriodStart) == key) == 1, $"{key} was not issued once");
                var told = _events.Count(e => e.Type == EventTypes.ChargeSucceeded && (e.Subscription, e.PeriodStart) == key);
                Check(told == expected + (_voidedPaid.Contains(key) ? 1 : 0), $"{key} was not told to be paid once");
            }
            Check(refunds == _events.Count(e => e.Type == EventTypes.ChargeDuplicate) + _voidedPaid.Count, "refunds and duplicates differ");
            Check(_invoices.Values.Count(i => i.State == InvoiceState.Paid) > (HasOperators ? 5 : 10), "too little was paid to say anything");
            faults.AddRange(_broken);
            foreach (var (file, due) in _files.Values)
            {
                Check(file.Charges.IsEmpty && file.LeaseUntil is null, $"{file.Id} has a charge in flight, unknown or to refund");
                Check(file.Mails.All(m => m.NextTryAt is null && m.DecidedAt > _now - Duration.FromHours(26)), $"{file.Id} has mail that did not leave");
                Check(due[PassKind.All] is null || due[PassKind.All] > _now - Duration.FromHours(2), $"{file.Id} is due since {due[PassKind.All]} and nobody comes");
            }
            var digested = _mails.Where(m => m.Value.Recipients.Any(r => r.State == DeliveryState.Digested)).Select(m => (m.Key.Account, m.Value.Facts)).ToList();
            var tellings = _mails.SelectMany(m => m.Value.Facts.Items.Select(i => (m.Key.Account, i.Facts))).ToList();
            Check(digested.Count > 3 && digested.ToHashSet().SetEquals(tellings) && tellings.Count == digested.Count, "a held mail is not told by one digest");
            foreach (var suspended in _events.Where(e => e.Type == EventTypes.AccountSuspended))
            {
                var warned = _events.LastOrDefault(e => e.Account == suspended.Account && e.At < suspended.At && e.Template == MailTemplates.SuspensionWarning && e.Type == EventTypes.EmailSent);
                Check(warned is not null && suspended.At - warned.At > Duration.FromDays(7), $"{suspended.Account} was suspended without a warning that left 8 days before");
            }
            return faults;

            void Check(bool holds, string fault)
            {
                if (!holds)
                {
                    faults.Add(fault);
                }
            }
        }

        public async Task<GatewayOutcome> ChargeAsync(ChargeRequest request, CancellationToken ct)
        {
            if (Fails(12))
            {
                return Fails(50) ? new GatewayOutcome.Unknown() : new GatewayOutcome.Refused("too many requests", RefusalScope.Request);
            }
            var outcome = await Sandbox.ChargeAsync(request, ct);
            return Fails(15) ? new GatewayOutcome.Unknown() : outcome;
        }

        public async Task<GatewayOutcome?> LookUpAsync(ChargeRequest request, CancellationToken ct) =>
            Fails(20) ? new GatewayOutcome.Unknown() : await Sandbox.LookUpAsync(request, ct);

        public async Task<GatewayOutcome> FenceAsync(ChargeRequest request, CancellationToken ct) =>
            Fails(20) ? new GatewayOutcome.Unknown() : await Sandbox.FenceAsync(request, ct);

        public async Task<bool> RefundAsync(ChargeRequest charge, string refundKey, CancellationToken ct) =>
            !Fails(20) && await Sandbox.RefundAsync(charge, refundKey, ct);

        public Task<bool> DetachAsync(string account, PaymentMethod method, CancellationToken ct) => Sandbox.DetachAsync(account, method, ct);

        public Task<ImmutableArray<DeliveryResult>> DeliverAsync(AccountFile account, Model.Mail mail, CancellationToken ct) =>
            Task.FromResult(mail.Recipients.Where(r => r.State == DeliveryState.Pending)
                .Select(r => new DeliveryResult(r.Contact, Fails(25) ? DeliveryVerdict.Deferred : DeliveryVerdict.Accepted, null)).ToImmutableArray());

        // The effect is performed a while after the save, and its answer saved a while after that: each may be late, or never come.
        private void Follow(Decision decision)
        {
            if (decision.Effect is not { } effect)
            {
                return;
            }
            if (Dies(8))
            {
                return;
            }
            After(async () =>
            {
                var answer = await NaiveEngine.AnswerAsync(effect, this, this);
                if (Dies(8))
                {
                    return;
                }
                After(() =>
                {
                    var file = File(effect.Account);
                    var key = answer switch { Answer.Charged c => c.Key, Answer.LookedUp l => l.Key, Answer.Fenced f => f.Key, Answer.Refunded r => r.Key, _ => null };
                    // As the store does: the charge that the answer is about is in the file even when it is over.
                    if (key is not null && file.Charges.All(c => c.Key != key))
                    {
                        file = file with { Charges = file.Charges.Add(_charges[key]) };
                    }
                    Follow(Save(Pass.Resume(file, effect, answer, Rules)));
                    return Task.CompletedTask;
                });
            });
        }

        private void After(Func<Task> work)
        {
            // A claim lasts two minutes; some come later.
            var delay = Duration.FromSeconds(_isHealthy || !Chance(10) ? _random.Next(30) : _random.Next(900));
            _ahead.Enqueue(work, (_now + delay, _number++));
        }

        private void Act()
        {
            var id = _files.Keys.ElementAt(_random.Next(_files.Count));
            var (action, subscription) = (_random.Next(10), File(id).Subscriptions.FirstOrDefault()?.Id);
            Save(Pass.Act(File(id), new AccountAction(_now, id, action < 6 ? ActionNames.UpdatePaymentMethod : action < 9 ? ActionNames.Credit : ActionNames.Cancel)
            {
                Token = Tokens[_random.Next(Tokens.Length)],
                Subscription = subscription,
                Amount = 700,
            }, _now, Rules));
        }

        private void Operate()
        {
            var id = _files.Keys.ElementAt(_random.Next(_files.Count));
            var file = File(id);
            var ofAccount = _invoices.Where(i => file.Subscriptions.Any(s => s.Id == i.Key.Item1)).Select(i => i.Key).ToList();
            var named = ofAccount.Count > 0 && Chance(70);
            (string? subscription, LocalDate? start) = named && ofAccount[_random.Next(ofAccount.Count)] is var (s, d) ? ((string?)s, (LocalDate?)d) : (null, null);
            string[] names =
                [ActionNames.Pause, ActionNames.Pause, ActionNames.Unpause, ActionNames.Exempt, ActionNames.Unexempt, ActionNames.Unexempt, ActionNames.VoidInvoice, ActionNames.WriteOff, ActionNames.RetryCharge,
                    ActionNames.Hold, ActionNames.ReleaseHold, ActionNames.GrantAccess];
            var action = new AccountAction(_now, id, names[_random.Next(names.Length)])
            {
                Operator = "anna",
                Reason = "by chance",
                Subscription = subscription,
                PeriodStart = start,
                Until = LocalDate.FromDateTime(_now.ToDateTimeUtc()).PlusDays(_random.Next(12)),
                Days = 1 + _random.Next(3),
            };
            if (action.Do == ActionNames.VoidInvoice && named)
            {
                // As the store does: the named invoice, and what has paid it, are in the file although they are settled.
                var key = (subscription!, start!.Value);
                if (file.UnpaidInvoice(key.Item1, key.Item2) is null)
                {
                    file = file with
                    {
                        Invoices = file.Invoices.Add(_invoices[key]),
                        Charges = file.Charges.AddRange(_charges.Values.Where(c => (c.SubscriptionId, c.PeriodStart) == key && c is { State: ChargeState.Succeeded, RefundDue: false })),
                    };
                }
            }
            var before = file.Invoices.FirstOrDefault(i => (i.SubscriptionId, i.PeriodStart) == (subscription, start));
            var isCharged = file.Charges.Any(c => (c.SubscriptionId, c.PeriodStart) == (subscription, start) && c is { State: ChargeState.Succeeded, RefundDue: false, Duplicate: false });
            var decision = Save(Pass.Act(file, action, _now, Rules));
            if (decision.Events.Any(e => e.Type == EventTypes.ActionRejected))
            {
                return;
            }
            Acts++;
            if (action.Do == ActionNames.VoidInvoice && before is { State: InvoiceState.Paid } && isCharged)
            {
                _voidedPaid.Add((subscription!, start!.Value));
            }
        }

        // No step and no automatic attempt in a pause, no suspension of the exempt, no purge of what is held.
        private void Watch(Decision decision)
        {
            foreach (var e in decision.Events.Where(e => e.Type is EventTypes.DunningStep or EventTypes.DunningExhausted))
            {
                var then = decision.Before.Invoices.FirstOrDefault(i => (i.SubscriptionId, i.PeriodStart) == (e.Subscription, e.PeriodStart));
                if (then?.PausedUntil is { } until && decision.After.Invoices.First(i => (i.SubscriptionId, i.PeriodStart) == (e.Subscription, e.PeriodStart)).PausedUntil == until)
                {
                    _broken.Add($"{e.At}: {e.Type} of {e.Subscription} {e.PeriodStart}, paused until {until}");
                }
                if (e.Type == EventTypes.DunningExhausted && (decision.Before.Exempt || then?.Exempt == true))
                {
                    _broken.Add($"{e.At}: {e.Type} of {e.Subscription} {e.PeriodStart}, exempt");
                }
            }
            if (decision.Effect is Effect.SendCharge send
                && decision.Before.Invoices.FirstOrDefault(i => (i.SubscriptionId, i.PeriodStart) == (send.Request.SubscriptionId, send.Request.PeriodStart)) is { PausedUntil: { } paused } was
                && decision.After.Invoices.Any(i => (i.SubscriptionId, i.PeriodStart) == (send.Request.SubscriptionId, send.Request.PeriodStart) && i.PausedUntil == paused)
                && decision.After.Charges.First(c => c.Key == send.Request.Key).Kind is var kind && kind != AttemptKind.Recharge && (send.IsResend || kind == AttemptKind.Step || !was.RechargeDue))
            {
                _broken.Add($"{decision.Now}: {send.Request.SubscriptionId} {send.Request.PeriodStart} is charged, paused until {paused}");
            }
            if (decision.Events.Any(e => e.Type == EventTypes.AccountPurged) && (decision.Before.LegalHold || decision.Before.Exempt))
            {
                _broken.Add($"{decision.Now}: {decision.Before.Id} is purged");
            }
        }

        private bool Dies(int percent)
        {
            var crashes = !_isHealthy && Chance(percent);
            Crashes += crashes ? 1 : 0;
            return crashes;
        }

        private bool Fails(int percent)
        {
            var fails = !_isHealthy && Chance(percent);
            Lost += fails ? 1 : 0;
            return fails;
        }

        private bool Chance(int percent) => _random.Next(100) < percent;
    }
}
