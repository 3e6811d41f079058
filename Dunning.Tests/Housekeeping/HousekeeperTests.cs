using Dapper;
using Dunning.Hosting;
using Dunning.Housekeeping;
using Dunning.Postgres;
using Dunning.Tests.Gateways;
using Dunning.Tests.Postgres;
using Microsoft.Extensions.Logging.Abstractions;
using NodaTime;
using Npgsql;

namespace Dunning.Tests.Housekeeping;

/// <summary>Old rows of every kind, beside young ones and old ones that are still needed. Now is 1 March 2026.</summary>
public sealed class HousekeeperTests
{
    private const string Now = "2026-03-01T08:00:00Z";

    [Fact]
    public async Task What_is_old_goes_and_what_is_young_or_needed_stays()
    {
        await using var rig = await NewAsync();
        var work = new Housekeeper(rig.Source, new RetentionSettings { EventsYears = 2 }, () => Rig.Now);

        var counted = await work.CountAsync(default);
        var report = await work.RunAsync(default);

        Assert.Equal(report!.Removed, counted);
        Assert.False(report.IsOutOfTime);
        Assert.Equal(
            "alerts 1, card_holds 1, card_sessions 1, events 2500, guard_buckets 1, housekeeping_runs 1, job_records 1, oidc_sign_ins 1, outbox 2100, pass_runs 1, sessions 1, "
            + "sign_in_failures 1500, webhooks 2",
            string.Join(", ", report.Removed.Select(r => FormattableString.Invariant($"{r.Key} {r.Value}"))));
        Assert.Equal("half-sent/1 half-sent/2 young/1", await NamesAsync(rig, "select account_id || '/' || contact from dunning.outbox"));
        Assert.Equal("pending young", await NamesAsync(rig, "select event_id from dunning.webhook"));
        Assert.Equal("held not-handed-in open", await NamesAsync(rig, "select id from dunning.card_session"));
        Assert.Equal("b", await NamesAsync(rig, "select rule from dunning.alert"));
        Assert.Equal("2 Processing 3 Failed", await NamesAsync(rig, "select id || ' ' || statename from hangfire.job"));
        // The trail of who owes something is whole, and so is what is younger than two years.
        Assert.Equal("a 10, b 2500", await rig.ScalarAsync<string>(
            "select string_agg(account_id || ' ' || n, ', ' order by account_id) from (select account_id, count(*) n from dunning.event group by 1) e"));

        // Nothing is left for the next, and what it did is written down.
        Assert.All((await work.RunAsync(default))!.Removed.Values, removed => Assert.Equal(0, removed));
        Assert.Equal(2500, await rig.ScalarAsync<int>("select (removed ->> 'events')::int from dunning.housekeeping_run where removed -> 'events' is not null order by id limit 1"));
    }

    [Fact]
    public async Task By_default_events_are_kept_for_good_and_nothing_else_may_delete_them()
    {
        await using var rig = await NewAsync();
        Assert.Equal(0, (await new Housekeeper(rig.Source, new RetentionSettings(), () => Rig.Now).RunAsync(default))!.Removed["events"]);
        Assert.Equal(5010, await rig.ScalarAsync<long>("select count(*) from dunning.event"));

        foreach (var sql in new[]
        {
            "delete from dunning.event", "update dunning.event set type = 'x'", "truncate dunning.event",
            "select dunning.prune_events('2000-01-01', now(), 10)",
            "select set_config('dunning.prunes_events', 'on', false); update dunning.event set type = 'x'",
        })
        {
            var refused = await Assert.ThrowsAsync<PostgresException>(() => rig.ExecuteAsync(sql));
            Assert.Equal(PostgresErrorCodes.RestrictViolation, refused.SqlState);
        }
    }

    [Fact]
    public async Task One_server_at_a_time_tidies_up()
    {
        await using var rig = await Rig.NewAsync();
        await using var other = await rig.Source.OpenConnectionAsync();
        await other.ExecuteAsync("select pg_advisory_lock(x'746964696573'::bigint)");

        Assert.Null(await new Housekeeper(rig.Source, new RetentionSettings(), () => Rig.Now).RunAsync(default));

        await other.ExecuteAsync("select pg_advisory_unlock(x'746964696573'::bigint)");
        Assert.NotNull(await new Housekeeper(rig.Source, new RetentionSettings(), () => Rig.Now).RunAsync(default));
    }

    [Fact]
    public async Task The_service_does_it_once_a_day_at_its_hour()
    {
        await using var rig = await Rig.NewAsync();
        await rig.ExecuteAsync($"update dunning.migration set applied_at = '{Now}'");
        var time = new ManualTime();
        using var job = new HousekeepingJob(
            new Housekeeper(rig.Source, new RetentionSettings(), () => Instant.FromDateTimeOffset(time.GetUtcNow())), new LocalTime(3, 30), "Europe/Paris", time,
            NullLogger<HousekeepingJob>.Instance);
        await job.StartAsync(default);

        // 08:00 on 1 March in UTC; 03:30 in Paris is 02:30. Two days and a half have two nights.
        for (var minutes = 0; minutes < 60 * 60; minutes += 5)
        {
            while (time.Waiting == 0)
            {
                await Task.Delay(1);
            }
            time.Advance(TimeSpan.FromMinutes(5));
        }
        while (time.Waiting == 0)
        {
            await Task.Delay(1);
        }
        await job.StopAsync(default);

        Assert.Equal("2026-03-02 02:30, 2026-03-03 02:30", await rig.ScalarAsync<string>(
            "select string_agg(to_char(started_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI'), ', ' order by id) from dunning.housekeeping_run"));
    }

    [Theory]
    [InlineData("2026-03-01T02:29:59Z", "2026-02-28T02:30:00Z")]
    [InlineData("2026-03-01T02:30:00Z", "2026-03-01T02:30:00Z")]
    [InlineData("2026-03-29T01:00:00Z", "2026-03-29T00:30:00Z")] // 02:30 does not exist that night
    public void The_last_turn_is_the_last_quiet_hour(string now, string turn)
    {
        var at = now.StartsWith("2026-03-29", StringComparison.Ordinal) ? new LocalTime(1, 30) : new LocalTime(3, 30);
        Assert.Equal(
            NodaTime.Text.InstantPattern.General.Parse(turn).Value,
            HousekeepingJob.LastTurn(NodaTime.Text.InstantPattern.General.Parse(now).Value, at, DateTimeZoneProviders.Tzdb["Europe/Paris"]));
    }

    [Fact]
    public void Settings_have_bounds_and_every_fault_is_told()
    {
        var (_, faults) = RetentionSettings.Read(
            [new("Retention:At", "25:00"), new("Retention:Outbox:Days", "29"), new("Retention:Events:Years", "0"), new("Retention:Alerts:Days", "")]);
        Assert.Equal(
            [
                "Retention:At is '25:00', but must be a time of day such as 03:30",
                "Retention:Outbox:Days is '29', but must be a whole number from 30 to 36500, such as 365",
                "Retention:Events:Years is '0', but must be a whole number from 1 to 100, such as 10",
            ],
            faults.ToArray());
        Assert.Equal((10, 365), RetentionSettings.Read([new("retention:events:years", "10")]).Settings is { } read ? (read.EventsYears, read.OutboxDays) : default);
    }

    private static async Task<Rig> NewAsync()
    {
        var rig = await Rig.NewAsync();
        await rig.ImportAsync(
            (Postgres.Samples.Account("a"), default), (Postgres.Samples.Account("b"), default), (Postgres.Samples.Account("half-sent"), default), (Postgres.Samples.Account("young"), default));
        await rig.ExecuteAsync(
            $$"""
            insert into dunning.outbox (account_id, mail_number, contact, mail_key, template, decided_at, facts, email, name, locale, state, tries, settled_at, next_try_at)
            select 'a', n, 1, 'a' || n, 'receipt', '2024-01-01'::timestamptz + n * interval '1 hour', '{}'::jsonb, 'x', '', 'fr', 'accepted', 1,
                '2024-01-01'::timestamptz + n * interval '1 hour', null::timestamptz from generate_series(1, 2100) n
            union all select 'half-sent', 1, c, 'h' || c, 'receipt', '2024-01-01', '{}'::jsonb, 'x', '', 'fr', case c when 1 then 'accepted' else 'pending' end, 1,
                case c when 1 then '2024-01-01'::timestamptz end, null from generate_series(1, 2) c
            union all select 'young', 1, 1, 'y', 'receipt', '2026-01-01', '{}'::jsonb, 'x', '', 'fr', 'dead', 1, '2026-01-02', null;

            insert into dunning.webhook (gateway, event_id, type, object_id, received_at, state, tries, next_try_at, settled_at, fault) values
                ('stripe', 'done', 't', null, '2025-12-01', 'done', 1, null, '2025-12-01', null),
                ('stripe', 'failed', 't', 'x', '2025-12-01', 'failed', 20, null, '2025-12-01', 'x'),
                ('stripe', 'young', 't', null, '2026-02-01', 'done', 1, null, '2026-02-01', null),
                ('stripe', 'pending', 't', 'x', '2025-12-01', 'pending', 1, '2026-03-01', null, null);

            insert into dunning.card_session (id, account_id, contact, state, handed_in, started_at, settled_at, next_look_at) values
                ('old', 'a', 1, 'done', true, '2025-11-01', '2025-11-01', null), ('open', 'a', 1, 'open', false, '2025-11-01', null, '2026-03-01'),
                ('not-handed-in', 'a', 1, 'done', false, '2025-11-01', '2025-11-01', null), ('held', 'a', 1, 'done', true, '2025-11-01', '2025-11-01', null);
            insert into dunning.card_hold (session_id, account_id, currency, asked_at, state, void_at, settled_at) values
                ('old', 'a', 'EUR', '2025-11-01', 'voided', null, '2025-11-03'), ('held', 'a', 'EUR', '2025-11-01', 'held', '2025-11-04', null);

            insert into dunning.pass_run (pass, server, started_at, ended_at, outcome, accounts, faults, charges_succeeded, charges_failed, charges_unknown, charges_pending, mails_sent)
            select 'renew', 's', at, at, 'done', 1, 0, 1, 0, 0, 0, 0 from unnest('{2025-11-01, 2026-02-01}'::timestamptz[]) at;
            insert into dunning.housekeeping_run (server, started_at, ended_at, removed) values ('s', '2025-11-01', '2025-11-01', '{}'), ('s', '2026-02-28', '2026-02-28', '{}');
            insert into dunning.alert (key, rule, severity, summary, page, raised_at, last_seen_at, told_at, resolved_at) values
                ('a', 'a', 'warning', 's', '/', '2025-01-01', '2025-01-01', '2025-01-01', '2025-01-02'), ('b', 'b', 'warning', 's', '/', '2025-01-01', '2026-03-01', '2025-01-01', null);
            insert into dunning.alert_message (alert_id, way, what, decided_at, summary, sent_at) select id, 'mail', 'raised', raised_at, 's', raised_at from dunning.alert;

            insert into dunning.ops_session (id_hash, kind, name, role, language, began_at, seen_at, ends_at)
            select sha256(n::text::bytea), 'token', 'x', 'admin', 'en', '2026-02-28', '2026-02-28', '2026-02-28'::timestamptz + n * interval '1 day' from generate_series(1, 2) n;
            insert into dunning.ops_failure (subject, failures, last_at)
            select sha256(n::text::bytea), 1, case when n <= 1500 then timestamptz '2026-02-28 07:00' else '2026-02-28 09:00' end from generate_series(1, 1501) n;
            insert into dunning.ops_oidc (state_hash, browser_hash, nonce, verifier, back, address, ends_at)
            select sha256(n::text::bytea), sha256(n::text::bytea), 'n', 'v', '/ops', sha256('a'), timestamptz '2026-03-01 07:00' + n * interval '40 minutes' from generate_series(1, 2) n;
            insert into dunning.guard_bucket (kind, minute, taken) values ('mails', '2026-02-26', 5), ('mails', '2026-02-28 12:00', 5);

            insert into dunning.event (account_id, seq, at, type)
            select account, n, '2023-06-01'::timestamptz + n * interval '30 minutes', 'account.reactivated' from generate_series(1, 2500) n, unnest('{a, b}'::text[]) account
            union all select 'a', 2500 + n, '2025-06-01'::timestamptz + n * interval '1 hour', 'account.reactivated' from generate_series(1, 10) n;

            create schema if not exists hangfire;
            create table hangfire.job (id bigint primary key, statename text, createdat timestamptz);
            insert into hangfire.job values (1, 'Failed', '2026-01-01'), (2, 'Processing', '2026-01-01'), (3, 'Failed', '2026-02-20');
            """);
        // b owes something.
        await using var connection = await rig.Source.OpenConnectionAsync();
        await connection.ExecuteAsync(
            """
            insert into dunning.receivable (subscription_id, period_start, account_id, state, attempts, recharge_due) values ('b-1', '2023-06-01', 'b', 'open', 1, false)
            """);
        return rig;
    }

    private static async Task<string> NamesAsync(Rig rig, string sql)
    {
        await using var connection = await rig.Source.OpenConnectionAsync();
        return string.Join(' ', (await connection.QueryAsync<string>(sql)).Order(StringComparer.Ordinal));
    }
}
