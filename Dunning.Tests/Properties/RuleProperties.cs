using Dunning.Events;
using Dunning.Gateways.Sandbox;
using Dunning.Mail;
using Dunning.Model;
using Dunning.Passes;
using Dunning.Simulation;
using NodaTime;

namespace Dunning.Tests.Properties;

/// <summary>What holds in every book, tried on random ones. A failure names its seed: run that seed alone to see it again.</summary>
public sealed class RuleProperties
{
    public static TheoryData<int> Seeds(int first, int count) => [.. Enumerable.Range(first, count)];

    /// <summary>Whenever a rule would do something, due says so: passing everyone at every tick finds nothing more to do.</summary>
    [Theory]
    [MemberData(nameof(Seeds), 100, 14)]
    public async Task Due_is_complete(int seed)
    {
        var world = new World(seed);
        List<string> naive = [.. (await NaiveEngine.RunAsync(world)).Lines], due = [.. (await world.RunAsync()).Lines];
        Assert.NotEmpty(naive);
        Assert.True(naive.SequenceEqual(due),
            $"seed {seed}: due misses\n{string.Join('\n', naive.Except(due).Take(5))}\nand does\n{string.Join('\n', due.Except(naive).Take(5))}");
    }

    [Theory]
    [MemberData(nameof(Seeds), 1000, 40)]
    public async Task The_auditor_finds_nothing(int seed)
    {
        var world = new World(seed);
        var faults = await Auditor.FaultsOfAsync(world, await world.RunAsync());
        Assert.True(faults.Count == 0, string.Join('\n', faults.Take(5)));
    }

    /// <summary>An auditor that finds nothing in anything would be no auditor: what is left out, it misses.</summary>
    [Theory]
    [InlineData(EventTypes.ChargeSucceeded, "paid otherwise than once")]
    [InlineData(EventTypes.InvoiceIssued, "of an invoice that is not open")]
    [InlineData(EventTypes.DunningOpened, "a step out of turn")]
    [InlineData(EventTypes.EmailSent, "without its mail")]
    [InlineData(EventTypes.AccountSuspended, "by its events")]
    [InlineData(EventTypes.NoticePosted, "a notice missing")]
    [InlineData(EventTypes.InvoicePaid, "other debts than its events say")]
    public async Task The_auditor_misses_what_is_missing(string type, string fault)
    {
        foreach (var seed in Enumerable.Range(1000, 10))
        {
            var world = new World(seed);
            var run = await world.RunAsync();
            if (run.Events.Any(e => e.Type == type)
                && (await Auditor.FaultsOfAsync(world, run with { Events = run.Events.RemoveAll(e => e.Type == type) }))
                    .Any(f => f.Contains(fault, StringComparison.Ordinal)))
            {
                return;
            }
        }
        Assert.Fail($"nothing is said of '{fault}' when every {type} is left out");
    }

    /// <summary>Jobs are doubled, and servers are many.</summary>
    [Theory]
    [MemberData(nameof(Seeds), 200, 6)]
    public async Task A_pass_run_twice_at_one_instant_adds_nothing(int seed)
    {
        var world = new World(seed);
        var (book, now, events) = (new MemoryBook(), world.Span.From, new List<BookEvent>());
        foreach (var account in world.Accounts)
        {
            book.Add(account, Pass.DueOf(account, now, world.Rules));
        }
        var runner = new PassRunner(book, () => world.Rules, World.Gateway(new MemoryLedger()), new SinkMailer(), () => now, new PassLimits())
        {
            OnSaved = d =>
            {
                lock (events)
                {
                    events.AddRange(d.Events);
                }
            },
        };
        var happened = 0;
        for (; now <= world.Span.To; now += Duration.FromHours(12))
        {
            await runner.RunAsync(PassKind.All, default);
            happened += events.Count;
            events.Clear();
            await runner.RunAsync(PassKind.All, default);
            Assert.True(events.Count == 0, $"seed {seed}: again at {now}:\n{string.Join('\n', events.Select(EventJson.Write))}");
        }
        Assert.NotEqual(0, happened);
    }

    /// <summary>Where every card works, late passes move instants and no money: the same periods, the same amounts, each paid.</summary>
    [Theory]
    [MemberData(nameof(Seeds), 300, 6)]
    public async Task Hourly_and_outage_runs_agree_on_money(int seed)
    {
        var from = new World(seed, alwaysPays: true).Span.From;
        var hourly = new SimulationSpan(from, from + Duration.FromDays(70), Duration.FromHours(1), []);
        // Shorter than any interval, and over well before the end: what was missed has been caught up by then.
        var late = hourly with { Outages = [(from + Duration.FromDays(9), from + Duration.FromDays(14) + Duration.FromHours(7))] };

        var money = await MoneyAsync(hourly);
        Assert.NotEmpty(money);
        Assert.Equal(money, await MoneyAsync(late));

        async Task<List<string>> MoneyAsync(SimulationSpan span) => [.. (await new World(seed, alwaysPays: true) { Span = span }.RunAsync()).Events
            .Where(e => e.Type is EventTypes.InvoiceIssued or EventTypes.ChargeSucceeded or EventTypes.InvoicePaid)
            .Select(e => EventJson.Write(e with { At = default })).Order(StringComparer.Ordinal)];
    }

    /// <summary>RULES 2, against going from day to day.</summary>
    [Theory]
    [MemberData(nameof(Seeds), 1, 40)]
    public void Boundaries_rise_and_come_back_to_the_anchors_day(int seed)
    {
        var random = new Random(seed);
        var anchor = new LocalDate(2020, 1, 1).PlusDays(random.Next(3000));
        if (random.Next(3) == 0)
        {
            anchor = anchor.With(DateAdjusters.EndOfMonth);
        }
        var unit = Enum.GetValues<IntervalUnit>()[random.Next(4)];
        var schedule = new Schedule(anchor, new Model.Interval(unit, 1 + random.Next(unit == IntervalUnit.Day ? 60 : 7)));
        var boundaries = Enumerable.Range(-20, 60).Select(schedule.Boundary).ToList();
        Assert.Equal(anchor, boundaries[20]);
        for (var i = 1; i < boundaries.Count; i++)
        {
            var (before, boundary) = (boundaries[i - 1], boundaries[i]);
            Assert.True(before < boundary, $"{boundary} does not come after {before}");
            Assert.Equal(boundary, schedule.Next(before));
            if (unit is IntervalUnit.Month or IntervalUnit.Year)
            {
                Assert.Equal(Math.Min(anchor.Day, CalendarSystem.Iso.GetDaysInMonth(boundary.Year, boundary.Month)), boundary.Day);
            }
            for (var date = boundary; date > before; date = date.PlusDays(-1 - random.Next(20)))
            {
                Assert.Equal(boundary, schedule.FirstFrom(date));
                Assert.Equal(date == boundary ? i - 20 : null, schedule.IndexOf(date));
            }
        }
    }
}
