using System.Collections.Immutable;
using Dapper;
using Dunning.Commands.Bench;
using Dunning.Hosting;
using Dunning.Model;
using Dunning.Ops.Frame;
using Dunning.Ops.Pages;
using Dunning.Ops.Queries;
using Dunning.Ops.Signals;
using Dunning.Options;
using Dunning.Passes;
using Dunning.Postgres;
using Dunning.Rules;
using Dunning.Tests.Books;
using Dunning.Tests.Faults;
using Dunning.Tests.Guards;
using Dunning.Tests.Postgres;
using NodaTime;

namespace Dunning.Tests.Ops.Pages;

/// <summary>The pages' figures against what the engine does: each is worked out a second way.</summary>
public sealed class FiguresTests
{
    [Fact]
    public async Task What_a_step_has_paid_counts_as_recovered_at_that_step()
    {
        // Steps on days 0, 1 and 2.
        await using var rig = await GuardRig.NewAsync(
        [
            Population.Account(1, "sandbox_decline_insufficient_funds_x1"), Population.Account(2, "sandbox_decline_insufficient_funds_x2"),
            Population.Account(3, "sandbox_decline_lost_card"), Population.Account(4, "sandbox_decline_insufficient_funds"), Population.Account(5, "sandbox_decline_insufficient_funds"),
        ]);
        using var figures = new FiguresReader(rig.Database.Source, rig.Time);
        using var meter = new BookMeter(figures, "sandbox");
        meter.Know(["EUR"], 3);
        await using var engine = await Engine.OpenAsync(rig.Database, rig.Settings, rig.Time, rig.Log, takesOver: true, default, GuardRig.Rules, sendsMail: false, meter: meter);
        await GuardRig.RunAsync(engine);
        await engine.ActAsync(new AccountAction(engine.Now(), "a00003", ActionNames.UpdatePaymentMethod) { Token = "sandbox_ok", Expires = new YearMonth(2030, 1) }, default);
        await engine.ActAsync(new AccountAction(engine.Now(), "a00004", ActionNames.Credit) { Amount = 5000, Operator = "tests", Reason = "goodwill" }, default);
        rig.Time.Advance(TimeSpan.FromHours(1));
        await rig.DaysAsync(2, engine);

        var rows = await new OverviewQueries(rig.Database.Source).CasesAsync(Rig.Now - Duration.FromDays(1), default);
        Assert.Equal(
            ["0 recovered charge", "0 recovered credit", "1 recovered step", "2 recovered step", "2 suspended "],
            rows.Where(r => r.Step is not null).SelectMany(r => Enumerable.Repeat(FormattableString.Invariant($"{r.Step} {r.Outcome} {r.How}"), (int)r.Count)).Order(StringComparer.Ordinal));
        // The engine itself leaves the case at the step before.
        Assert.Equal(["0", "1"], await rig.ListAsync("select case_last_step::text from dunning.receivable where account_id in ('a00001', 'a00002') order by account_id"));

        var show = new Show(OpsTexts.Load(rig.Settings.Texts).In("en"), DateTimeZone.Utc);
        var page = RecoveryFigures.Of(show, new RecoveryOfYear(engine.Now(), new LocalDate(2026, 3, 2), rows), "EUR", steps: 5).ToString();
        Assert.Contains(Row("Step 1", 3, 1, "33.3%"), page, StringComparison.Ordinal);
        Assert.Contains(Row("Step 2", 2, 1, "50.0%"), page, StringComparison.Ordinal);
        // A step to which nobody came is there all the same.
        Assert.Contains(Row("Step 4", 0, 0, "–"), page, StringComparison.Ordinal);
        Assert.Contains(Row("New card, credit or by hand", 5, 2, "40.0%"), page, StringComparison.Ordinal);
        Assert.Contains("Of which by account credit: 1 cases, €17.99, that is 20.0% by count", page, StringComparison.Ordinal);
        Assert.DoesNotContain("Step 0", page.Replace("Step 0 is the renewal itself", "", StringComparison.Ordinal), StringComparison.Ordinal);

        var metrics = MetricText.Write(meter.Store.Collect(), isOpen: false);
        foreach (var (step, count) in new[] { ("1", 1), ("2", 1), ("none", 2) })
        {
            Assert.Contains(FormattableString.Invariant($"dunning_cases_recovered_total{{currency=\"EUR\",step=\"{step}\"}} {count}\n"), metrics, StringComparison.Ordinal);
        }
        Assert.DoesNotContain("dunning_cases_recovered_total{currency=\"EUR\",step=\"0\"}", metrics, StringComparison.Ordinal);

        static string Row(string name, int of, int won, string rate) => FormattableString.Invariant(
            $"<th scope=\"row\">{name}</th><td class=\"number\">{of}</td><td class=\"number\">{won}</td><td class=\"number\">{rate}</td>");
    }

    [Fact]
    public async Task The_book_of_the_bench_is_one_that_the_engine_could_have_left_and_its_figures_lead_to_the_very_cases()
    {
        var settings = BookRuns.Settings(await TestServer.NewDatabaseAsync());
        await using var database = await Database.OpenAsync(settings, default);
        var today = new LocalDate(2026, 11, 18);
        await new PagesBook(settings).MakeAsync(database.Source, 300, today, TimeProvider.System, (_, _) => { }, default);
        await using (var connection = await database.Source.OpenConnectionAsync())
        {
            Assert.Equal(0, await connection.ExecuteScalarAsync<long>(
                """
                select count(*) from dunning.receivable r where case_schedule is not null and (
                    case_last_step <> (select count(*) from dunning.event e where e.account_id = r.account_id and e.subscription_id = r.subscription_id and e.period_start = r.period_start and e.type = 'dunning.step')
                    or attempts <> (select count(*) from dunning.charge c where c.subscription_id = r.subscription_id and c.period_start = r.period_start)
                    or case_exhausted <> (case_last_step = 4))
                """));
            // The last decline is another one than the first.
            await connection.ExecuteAsync(
                """
                update dunning.charge set code = 'do_not_honor' where state = 'failed' and attempt > 1;
                delete from dunning.charge where (subscription_id, period_start) in (select subscription_id, period_start from dunning.receivable where state = 'written_off');
                """);
        }
        var monday = new LocalDate(2026, 11, 16);
        var rows = await new OverviewQueries(database.Source).CasesAsync(monday.PlusWeeks(-52).AtMidnight().InUtc().ToInstant(), default);
        Assert.Contains(rows, r => r is { Step: 4, How: "step" });
        var queries = new CaseQueries(database.Source, () => settings.Rules);
        var groups = rows.Where(r => r.Code is not null && r.Outcome is not ("open" or "voided")).GroupBy(r => (r.Currency, r.Code)).ToList();
        Assert.True(groups.Count > 8);
        // Some had no method that could have been declined.
        Assert.Contains(groups, g => g.Key.Code is "");
        foreach (var group in groups)
        {
            var filter = new CaseFilter(CaseQueries.Decided, First: group.Key.Code is "" ? CaseQueries.NoCode : group.Key.Code, Currency: group.Key.Currency, Since: monday.PlusWeeks(-52).ToDateOnly());
            Assert.Equal((group.Sum(r => r.Count), false), await queries.CountAsync(filter, default));
            Assert.Equal(group.Sum(r => r.Count), await queries.ReadAsync(filter, default).CountAsync());
            // Counted in one go, and one by one.
            var byLast = filter with { First = null, Code = group.Key.Code };
            Assert.Equal((await queries.ReadAsync(byLast, default).CountAsync(), false), await queries.CountAsync(byLast, default));
        }
        Assert.NotEqual((0, false), await queries.CountAsync(new CaseFilter(null, Code: "do_not_honor", First: "insufficient_funds"), default));
        var year = new RecoveryOfYear(today.AtMidnight().InUtc().ToInstant(), monday, rows);
        var page = RecoveryFigures.Of(new Show(OpsTexts.Load(settings.Texts).In("fr"), DateTimeZone.Utc), year, "EUR", 5).ToString();
        Assert.Contains("/ops/cases?state=decided&amp;first=insufficient_funds&amp;currency=EUR&amp;since=2025-11-17", page, StringComparison.Ordinal);
        // Two charts, by count and by amount, each with its figures.
        Assert.Equal(2, page.Split("<svg class=\"chart\"").Length - 1);
        Assert.Equal(4, page.Split("<details>").Length - 1);
    }

    [Fact]
    public async Task The_forecast_is_what_the_engine_then_does()
    {
        var (month, year, week) = (new Model.Interval(IntervalUnit.Month, 1), new Model.Interval(IntervalUnit.Year, 1), new Model.Interval(IntervalUnit.Week, 2));
        (string Plan, string? Pending, Model.Interval Interval, LocalDate Anchor, LocalDate RenewsOn)[] all =
        [
            ("solo", null, month, new(2025, 12, 31), new(2026, 3, 31)), ("solo", null, month, new(2026, 1, 30), new(2026, 3, 30)), ("solo", null, month, new(2026, 3, 2), new(2026, 3, 2)),
            // From the month to the year and back, and to a plan of the same interval, which keeps the anchor.
            ("solo", "yearly", month, new(2025, 8, 31), new(2026, 3, 31)), ("yearly", "solo", year, new(2024, 3, 31), new(2026, 3, 31)), ("solo", "pro", month, new(2025, 10, 31), new(2026, 3, 31)),
            ("fortnightly", null, week, new(2026, 2, 20), new(2026, 3, 6)), ("fortnightly", "solo", week, new(2026, 2, 20), new(2026, 3, 6)), ("yearly", null, year, new(2024, 2, 29), new(2027, 2, 28)),
        ];
        await using var rig = await GuardRig.NewAsync(all.Select((s, at) => Population.Account(at + 1, "sandbox_ok") is var file ? file with
        {
            Subscriptions = [file.Subscriptions[0] with { PlanCode = s.Plan, PendingPlan = s.Pending, Interval = s.Interval, Anchor = s.Anchor, RenewsOn = s.RenewsOn }],
        } : null!));
        await new PostgresCatalog(rig.Database.Source).UpsertPlansAsync(
            [Plan("yearly", year, 14990), Plan("pro", month, 2999), Plan("fortnightly", week, 799)], Rig.Now, default);
        var until = new LocalDate(2026, 6, 10);
        var expected = await new ForecastQueries(rig.Database.Source).RenewalsAsync(
            new LocalDate(2026, 3, 1), until, await new PostgresCatalog(rig.Database.Source).LoadAsync(default), "FR", default);

        // Told by dates, the due instants of accounts that were imported for today.
        await using (var connection = await rig.Database.Source.OpenConnectionAsync())
        {
            await connection.ExecuteAsync("update dunning.due d set at = (s.renews_on + time '08:00') at time zone 'UTC' from dunning.subscription s where s.account_id = d.account_id and d.pass = 'renew'");
        }
        var engine = await rig.ServerAsync();
        for (var day = new LocalDate(2026, 3, 1); day <= until; day = day.PlusDays(1))
        {
            if (await rig.ScalarAsync<long>($"select count(*) from dunning.due where pass = 'renew' and at <= '{day.PlusDays(1):uuuu-MM-dd}'") > 0)
            {
                await engine.RunAsync(PassKind.Renew, default);
            }
            rig.Time.Advance(TimeSpan.FromDays(1));
        }
        Assert.Equal(
            await rig.ListAsync($"select period_start || ' ' || count(*) || ' ' || sum(amount_due) from dunning.invoice where period_start <= '{until:uuuu-MM-dd}' group by period_start order by period_start"),
            expected.Select(d => FormattableString.Invariant($"{d.Day:uuuu-MM-dd} {d.Renewals} {d.Cash}")));
        Assert.True(expected.Count > 10);

        static Plan Plan(string code, Model.Interval interval, long price) => new(
            code, 1, ImmutableSortedDictionary<string, string>.Empty.Add("en", code), interval, ImmutableSortedDictionary<string, long>.Empty.Add("EUR", price));
    }

    [Fact]
    public async Task Each_case_has_its_own_next_step_as_its_accounts_page_tells()
    {
        AccountFile Two(int number) => Population.Account(number, "sandbox_decline_insufficient_funds") is var file ? file with
        {
            Subscriptions = [file.Subscriptions[0], file.Subscriptions[0] with { Id = file.Id + "-2", Anchor = new LocalDate(2026, 3, 2), RenewsOn = new LocalDate(2026, 3, 2) }],
        } : null!;
        await using var rig = await GuardRig.NewAsync(
            [Two(1), Two(2), Two(3), Population.Account(4, "sandbox_decline_insufficient_funds"), Population.Account(5, "sandbox_decline_insufficient_funds_x1")]);
        var engine = await rig.ServerAsync();
        await GuardRig.RunAsync(engine);
        async Task ActAsync(string account, string act, Func<AccountAction, AccountAction> more) =>
            await engine.ActAsync(more(new AccountAction(engine.Now(), account, act) { Operator = "tests", Reason = "promised" }), default);
        await ActAsync("a00001", ActionNames.Pause, a => a with { Subscription = "a00001-1", PeriodStart = new LocalDate(2026, 3, 1), Until = new LocalDate(2026, 5, 20) });
        await ActAsync("a00002", ActionNames.Exempt, a => a);
        await rig.DaysAsync(1, engine);
        var until = 0;
        foreach (var days in new[] { 0, 1, 1, 3 })
        {
            until += days;
            await rig.DaysAsync(days, engine);
            await AssertSameAsync();
            if (days == 0)
            {
                // Of two of one account, one waits for its promise.
                var both = (await ReadAsync(new CaseFilter("open"))).Where(r => r.Account == "a00001").OrderBy(r => r.Subscription, StringComparer.Ordinal).Select(r => r.NextAt);
                Assert.Equal([new DateTime(2026, 5, 20, 7, 0, 0, DateTimeKind.Utc), new DateTime(2026, 3, 3, 8, 0, 0, DateTimeKind.Utc)], both);
            }
        }
        // All that there is of it: a pause, an exempt account that is through, a frozen case beside an exhausted one.
        var rows = await ReadAsync(new CaseFilter("open"));
        Assert.All(rows.Where(r => r.Exhausted || r.Access != "active"), r => Assert.Null(r.NextAt));
        Assert.Contains(rows, r => r is { Exhausted: true, Access: "suspended" });
        Assert.Contains(rows, r => r is { Exhausted: false, Access: "suspended" });
        Assert.Contains(rows, r => r is { Exempt: true, NextAt: null });
        var sorted = await ReadAsync(new CaseFilter("open", Order: "next"));
        Assert.Equal(rows.OrderBy(r => r.NextAt ?? DateTime.MaxValue).ThenBy(r => r.Subscription, StringComparer.Ordinal).Select(r => r.Number), sorted.Select(r => r.Number));

        async Task<List<CaseRow>> ReadAsync(CaseFilter filter) => await new CaseQueries(rig.Database.Source, () => GuardRig.Rules).ReadAsync(filter, default).ToListAsync();

        async Task AssertSameAsync()
        {
            var book = await engine.RulebookAsync(default);
            foreach (var row in await ReadAsync(new CaseFilter("open")))
            {
                var file = await new PostgresFiles(rig.Database.Source).FileAsync(row.Account, default);
                var step = Forecast.Of(file!, engine.Now(), book).SingleOrDefault(p => p.Kind == ProspectKind.Step && p.Subscription == row.Subscription && p.PeriodStart == LocalDate.FromDateOnly(row.PeriodStart));
                Assert.Equal((until, row.Number, step?.At?.ToDateTimeUtc()), (until, row.Number, row.NextAt));
            }
        }
    }

    [Fact]
    public async Task Purges_ahead_are_those_that_the_dry_run_tells()
    {
        await using var rig = await GuardRig.NewAsync(Enumerable.Range(1, 12).Select(n => Population.Account(n, "sandbox_decline_insufficient_funds") with { TimeZone = n % 2 == 0 ? "Asia/Tokyo" : "Europe/Paris" }));
        var engine = await rig.ServerAsync();
        await rig.DaysAsync(2, engine);
        foreach (var (account, act, more) in new (string, string, Func<AccountAction, AccountAction>)[]
            {
                ("a00001", ActionNames.Hold, a => a), ("a00003", ActionNames.GrantAccess, a => a with { Days = 60 }),
                ("a00004", ActionNames.Pause, a => a with { Subscription = "a00004-1", PeriodStart = new LocalDate(2026, 3, 1), Until = new LocalDate(2026, 5, 20) }),
            })
        {
            await engine.ActAsync(more(new AccountAction(engine.Now(), account, act) { Operator = "tests", Reason = "checked" }), default);
        }
        await using (var connection = await rig.Database.Source.OpenConnectionAsync())
        {
            await connection.ExecuteAsync(
                """
                update dunning.account set exempt = true where id = 'a00002';
                update dunning.receivable set recharge_due = true where account_id = 'a00005';
                update dunning.charge set state = 'pending', code = null where key = (select min(key) from dunning.charge where account_id = 'a00006');
                update dunning.account set purge_on = purge_on + 60 where id in ('a00007', 'a00001');
                update dunning.account set purge_on = purge_on + 30 where id = 'a00008';
                """);
        }
        var preview = new PurgePreview(rig.Database.Source);
        foreach (var days in new[] { 1, 6, 7, 8, 9, 29, 30, 38, 39, 67, 68, 69, 90 })
        {
            var until = Duration.FromDays(days);
            var dry = await preview.ListAsync(await engine.RulebookAsync(default), engine.Now(), until, 100, default);
            var ahead = await new ForecastQueries(rig.Database.Source).PurgesAheadAsync(engine.Now() + until, GuardRig.Rules, default);
            Assert.Equal(
                (days, dry.Count(a => a.At is not null), dry.Count(a => a.At is null)), (days, ahead.Where(p => !p.Waits).Sum(p => p.Count), ahead.Where(p => p.Waits).Sum(p => p.Count)));
            Assert.Equal(dry.Count, (await new ForecastQueries(rig.Database.Source).PurgesAsync(engine.Now() + until, GuardRig.Rules, 100, default)).Count);
        }
        var all = await new ForecastQueries(rig.Database.Source).PurgesAheadAsync(engine.Now() + Duration.FromDays(90), GuardRig.Rules, default);
        Assert.Equal((6, 6), (all.Where(p => !p.Waits).Sum(p => p.Count), all.Where(p => p.Waits).Sum(p => p.Count)));
    }

    [Fact]
    public async Task What_waits_by_intention_is_not_told_as_untried_and_what_is_under_way_not_as_due()
    {
        await using var rig = await GuardRig.NewAsync(Enumerable.Range(1, 7).Select(n => Population.Account(n, "sandbox_ok")));
        var engine = await rig.ServerAsync();
        await GuardRig.RunAsync(engine);
        await using (var connection = await rig.Database.Source.OpenConnectionAsync())
        {
            // What a fault of the program would leave, and what is meant to wait.
            await connection.ExecuteAsync(
                """
                update dunning.receivable set state = 'open', settled_at = null;
                update dunning.receivable set paused_until = '2026-03-20' where account_id = 'a00002';
                update dunning.receivable set not_before = '2026-03-20T08:00:00Z' where account_id = 'a00003';
                update dunning.receivable set disputed = true where account_id = 'a00004';
                update dunning.receivable set exempt = true where account_id = 'a00005';
                update dunning.charge set state = 'pending' where account_id = 'a00006';
                update dunning.charge set state = 'unknown' where account_id = 'a00007';
                """);
        }
        var untried = await new OpenChargeQueries(rig.Database.Source).WithoutAttemptAsync(engine.Now() + Duration.FromHours(2), Duration.FromHours(1), 10, default);
        Assert.Equal(["a00001"], untried.Select(r => r.Account));
        var owed = Assert.Single(await new OverviewQueries(rig.Database.Source).OwedAsync(default));
        Assert.Equal((5, 2), (owed.DueCount, owed.UnderWayCount));
        Assert.Equal((5 * 1799, 2 * 1799), (owed.Due, owed.UnderWay));
    }

    [Fact]
    public void A_gap_is_a_gap_a_lone_month_is_a_point_and_nothing_is_not_nought()
    {
        var spark = Chart.Spark("rates", [null, 0.5, null, 1, 0, null]).ToString();
        Assert.Equal(1, spark.Split("<circle").Length - 1);
        Assert.Equal(1, spark.Split("<polyline").Length - 1);
        Assert.Contains("points=\"57.2,2 75.6,22\"", spark, StringComparison.Ordinal);

        var bars = Chart.Bars("rates", [new Bar("a: 0%", 0) { Is = BarKind.Rate }, new Bar("b: –", 0) { Is = BarKind.Nothing }, new Bar("c: 0", 0)], 100, "100%").ToString();
        Assert.Matches("<title>a: 0%</title><rect class=\"part0\" [^>]*height=\"3\"/></g>", bars);
        Assert.Matches("<title>b: –</title><rect class=\"none\" [^>]*/></g>", bars);
        Assert.Contains("<title>c: 0</title></g>", bars, StringComparison.Ordinal);
    }
}
