using Dapper;
using Dunning.Events;
using Dunning.Postgres;
using Dunning.Time;
using NodaTime;
using Npgsql;

namespace Dunning.Ops.Queries;

#pragma warning disable CS1591 // rows for one page; their names say what they are

/// <summary>What attempts came to on one day in one currency: minor units, what was given back taken off.</summary>
public sealed record TakingsRow(DateOnly Day, string Currency, long Charges, long Charged, long Recoveries, long Recovered, long Failures, long Failed);

/// <summary>What is owed now, in one currency.</summary>
/// <param name="Currency">The currency.</param>
/// <param name="DueCount">Invoices that are issued and not tried yet.</param>
/// <param name="Due">Their sum.</param>
/// <param name="UnderWayCount">Invoices whose first attempt has no outcome yet, such as bank debits.</param>
/// <param name="UnderWay">Their sum.</param>
/// <param name="PastDueCount">Invoices with a dunning case of accounts that have access.</param>
/// <param name="PastDue">Their sum.</param>
/// <param name="SuspendedCount">Unpaid invoices of suspended accounts.</param>
/// <param name="Suspended">Their sum.</param>
public sealed record OwedRow(string Currency, long DueCount, long Due, long UnderWayCount, long UnderWay, long PastDueCount, long PastDue, long SuspendedCount, long Suspended);

/// <summary>How much is due for a pass, and since when the oldest has been.</summary>
public sealed record BacklogRow(string Pass, long Count, DateTime Since);

/// <summary>How things stand besides money.</summary>
public sealed record StandingRow(
    long Suspended, DateTime? OutageSince, string? OutageReason, int? OutageStatus, DateTime? RefusedSince, string? RefusalReason, int? RefusalStatus,
    long Unknown, long Stuck, DateTime? UnknownSince, long MailsWaiting, DateTime? MailsSince, long MailsDead,
    bool MailsStuck, long Bouncing);

/// <summary>Dunning cases of a year by the week or month in which they opened; which of the columns are null says by what they are counted.</summary>
/// <param name="Week">The Monday, of rows by week.</param>
/// <param name="Month">The first, of rows by step or code.</param>
/// <param name="Currency">The currency.</param>
/// <param name="Step">The last step that was attempted: of a case that a step has paid, that step.</param>
/// <param name="Code">Of the first decline.</param>
/// <param name="Outcome"><c>open</c>, <c>suspended</c>, <c>recovered</c>, <c>written_off</c> or <c>voided</c>.</param>
/// <param name="How">What recovered it: a <c>step</c>, another <c>charge</c>, <c>credit</c>, or it was paid <c>elsewhere</c>; null of others, and of rows by code.</param>
/// <param name="Count">So many.</param>
/// <param name="Amount">Their sum, minor units.</param>
public sealed record CaseCountRow(DateOnly? Week, DateOnly? Month, string Currency, int? Step, string? Code, string Outcome, string? How, long Count, long Amount);

#pragma warning restore CS1591

/// <summary>What the overview asks. Sums are per currency, never across.</summary>
internal sealed class OverviewQueries(NpgsqlDataSource source)
{
    /// <summary>How declines of an invoice are ordered, so that the first has the same code everywhere: by nothing that their index does not hold.</summary>
    public const string FirstDecline = "first_called_at, code";

    /// <summary>
    /// What the attempts of each of these days, as that zone has them, came to. Day by day: each is summed as it is read, where all at once would be sorted first.
    /// </summary>
    public async Task<IReadOnlyList<TakingsRow>> TakingsAsync(LocalDate first, LocalDate last, DateTimeZone zone, CancellationToken ct)
    {
        // Where days begin is for the program's zones to say: the database may not know the zone, or know it otherwise.
        var days = Enumerable.Range(0, Period.DaysBetween(first, last) + 1).Select(first.PlusDays).ToList();
        await using var connection = await source.OpenConnectionAsync(ct);
        return (await connection.QueryAsync<TakingsRow>(new CommandDefinition(
            """
            select d.day, t.*
            from unnest(@days, @starts, @ends) d(day, starts, ends)
            cross join lateral (
                select currency,
                       count(*) filter (where state = 'succeeded') as charges,
                       coalesce(sum(amount - refunded) filter (where state = 'succeeded'), 0)::bigint as charged,
                       count(*) filter (where state = 'succeeded' and kind <> 'first') as recoveries,
                       coalesce(sum(amount - refunded) filter (where state = 'succeeded' and kind <> 'first'), 0)::bigint as recovered,
                       count(*) filter (where state = 'failed') as failures,
                       coalesce(sum(amount) filter (where state = 'failed'), 0)::bigint as failed
                from dunning.charge
                where first_called_at >= d.starts and first_called_at < d.ends
                group by currency) t
            order by 1, 2
            """,
            new
            {
                days = days.Select(d => d.ToDateOnly()).ToArray(), starts = days.Select(Start).ToArray(), ends = days.Select(d => Start(d.PlusDays(1))).ToArray(),
            },
            cancellationToken: ct))).AsList();

        DateTime Start(LocalDate day) => LocalClock.StartOf(day, zone).Utc();
    }

    /// <summary>What is owed now.</summary>
    public async Task<IReadOnlyList<OwedRow>> OwedAsync(CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return (await connection.QueryAsync<OwedRow>(new CommandDefinition(
            """
            select i.currency,
                   count(*) filter (where r.case_schedule is null and c.key is null) as due_count,
                   coalesce(sum(i.amount_due) filter (where r.case_schedule is null and c.key is null), 0)::bigint as due,
                   count(*) filter (where r.case_schedule is null and c.key is not null) as under_way_count,
                   coalesce(sum(i.amount_due) filter (where r.case_schedule is null and c.key is not null), 0)::bigint as under_way,
                   count(*) filter (where r.case_schedule is not null and a.access = 'active') as past_due_count,
                   coalesce(sum(i.amount_due) filter (where r.case_schedule is not null and a.access = 'active'), 0)::bigint as past_due,
                   count(*) filter (where r.case_schedule is not null and a.access <> 'active') as suspended_count,
                   coalesce(sum(i.amount_due) filter (where r.case_schedule is not null and a.access <> 'active'), 0)::bigint as suspended
            from dunning.receivable r
            join dunning.invoice i using (subscription_id, period_start)
            join dunning.account a on a.id = r.account_id
            left join dunning.charge c on c.account_id = r.account_id and c.subscription_id = r.subscription_id and c.period_start = r.period_start
                and c.state in ('in_flight', 'unknown', 'pending')
            where r.state = 'open'
            group by i.currency order by i.currency
            """,
            cancellationToken: ct))).AsList();
    }

    /// <summary>What is due for each pass; those for which nothing is are left out. No account of these is behind: they are what the next run takes.</summary>
    public async Task<IReadOnlyList<BacklogRow>> BacklogAsync(Instant now, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return (await connection.QueryAsync<BacklogRow>(new CommandDefinition(
            """
            select pass, count(*) as count, min(at) as since from dunning.due
            where pass = any(@passes) and at <= @now group by pass
            """,
            new { passes = Texts.Pass.Values.Select(p => Texts.Pass[p]).ToArray(), now = now.Utc() }, cancellationToken: ct))).AsList();
    }

    /// <summary>Accounts, charges, gateway and mails that need somebody's eye.</summary>
    public async Task<StandingRow> StandingAsync(CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return await connection.QuerySingleAsync<StandingRow>(new CommandDefinition(
            """
            select (select count(*) from dunning.account where access <> 'active' and purged_at is null) as suspended,
                   o.began_at as outage_since, o.reason as outage_reason, o.status as outage_status,
                   r.began_at as refused_since, r.reason as refusal_reason, r.status as refusal_status,
                   u.unknown, u.stuck, u.unknown_since, m.mails_waiting, m.mails_since,
                   (select count(*) from dunning.outbox where state = 'dead') as mails_dead,
                   exists(select from dunning.alert where key = 'mail_stuck' and resolved_at is null)
                       or exists(select from dunning.guard_trip where kind = 'mails' and approved_at is null) as mails_stuck,
                   (select count(*) from dunning.contact where bounced_at is not null and not removed) as bouncing
            from (select count(*) as unknown, count(*) filter (where stuck) as stuck, min(first_called_at) as unknown_since
                  from dunning.charge where state in ('in_flight', 'unknown', 'pending') and state <> 'pending') u,
                 (select count(*) as mails_waiting, min(decided_at) as mails_since
                  from dunning.outbox where state in ('pending', 'held') and state = 'pending') m
            left join dunning.outage o on o.ended_at is null
            left join dunning.gateway_refusal r on true
            """,
            cancellationToken: ct));
    }

    /// <summary>
    /// Cases opened since then: by week; by month and step; by month and code of the first decline. A case whose step N+1 is paid is left with N as its last step,
    /// so what paid it is asked of its charge.
    /// </summary>
    public async Task<IReadOnlyList<CaseCountRow>> CasesAsync(Instant since, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return (await connection.QueryAsync<CaseCountRow>(new CommandDefinition(
            $"""
            with cases as (
                select date_trunc('week', r.case_opened_at at time zone 'UTC')::date as week, date_trunc('month', r.case_opened_at at time zone 'UTC')::date as month,
                       i.currency, case when p.kind = 'step' then r.case_last_step + 1 else r.case_last_step end as step, coalesce(f.code, '') as code, i.amount_due,
                       case when r.state = 'paid' then 'recovered' when r.state <> 'open' then r.state when a.access = 'active' then 'open' else 'suspended' end as outcome,
                       case when r.state <> 'paid' then null when p.kind = 'step' then 'step' when p.kind is not null then 'charge' when c.applied then 'credit' else 'elsewhere' end as how
                from dunning.receivable r
                join dunning.invoice i using (subscription_id, period_start)
                join dunning.account a on a.id = r.account_id
                {CaseQueries.Decline("f", FirstDecline, isOfMany: true)}
                left join dunning.charge p on p.subscription_id = r.subscription_id and p.period_start = r.period_start
                    and p.state = 'succeeded' and not p.duplicate and r.state = 'paid'
                left join lateral (
                    select true as applied from dunning.event e
                    where r.state = 'paid' and p.kind is null and e.account_id = r.account_id and e.subscription_id = r.subscription_id and e.period_start = r.period_start and e.type = @credit
                    limit 1) c on true
                where r.case_schedule is not null and r.case_opened_at >= @since)
            select week, month, currency, step, code, outcome, how, count(*) as count, sum(amount_due)::bigint as amount
            from cases group by grouping sets ((week, currency, outcome, how), (month, currency, step, outcome, how), (month, currency, code, outcome))
            """,
            new { since = since.Utc(), credit = EventTypes.CreditApplied }, cancellationToken: ct))).AsList();
    }
}
