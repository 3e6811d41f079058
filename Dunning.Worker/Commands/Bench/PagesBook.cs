using System.Collections.Immutable;
using Dapper;
using Dunning.Hosting;
using Dunning.Model;
using Dunning.Passes;
using Dunning.Postgres;
using NodaTime;
using Npgsql;

namespace Dunning.Commands.Bench;

/// <summary>
/// A book with a year behind it, for the pages to be measured on: accounts in four currencies, each with a monthly subscription, twelve invoices, their charges,
/// cases, mails and events, in the order in which a service would have written them. What became of each is drawn from a hash of its key: always the same.
/// Written by the server itself, in sets: rows are what matters here, not how they came about.
/// </summary>
internal sealed class PagesBook(WorkerSettings settings)
{
    private const string Plan = "team";

    /// <summary>Makes the schema and fills it as of <paramref name="today"/>.</summary>
    /// <param name="source">An empty database.</param>
    /// <param name="accounts">How many.</param>
    /// <param name="today">The present day.</param>
    /// <param name="time">The clock.</param>
    /// <param name="progress">Told what is being made.</param>
    /// <param name="ct">Gives up.</param>
    public async Task MakeAsync(NpgsqlDataSource source, int accounts, LocalDate today, TimeProvider time, Action<double, string> progress, CancellationToken ct)
    {
        await new Migrator(source, time).MigrateAsync(ct);
        await new PostgresSettings(source).SetAsync(PostgresSettings.Installation, "bench", ct);
        var catalog = new PostgresCatalog(source);
        await catalog.UpsertPlansAsync(
            [
                new Plan(Plan, 1, ImmutableSortedDictionary<string, string>.Empty.Add("en", "Team").Add("fr", "Équipe"), new Model.Interval(IntervalUnit.Month, 1),
                    ImmutableSortedDictionary<string, long>.Empty.Add("EUR", 4900).Add("GBP", 4500).Add("JPY", 7900).Add("USD", 5500)),
            ],
            today.AtMidnight().InUtc().ToInstant(), ct);
        await catalog.UpsertTaxRatesAsync([new TaxRate("FR", 2000, true), new TaxRate("DE", 1900, true), new TaxRate("US", 0, false), new TaxRate("GB", 2000, false), new TaxRate("JP", 1000, false)], ct);
        var now = today.AtMidnight().InUtc().ToInstant();
        var rules = new Rulebook(settings.Rules, await catalog.LoadAsync(ct), "bench");
        // Of an empty book: its settings are known, and the service finds nothing to work out anew.
        await new PostgresRework(source).EnsureAsync(settings.Rules.Fingerprint, file => Pass.DueOf(file, now, rules), ct);
        var steps = settings.Rules.Steps;
        await using var connection = await source.OpenConnectionAsync(ct);
        foreach (var (at, statement) in s_statements.Index())
        {
            progress(0.9 * at / s_statements.Length, statement.What);
            await connection.ExecuteAsync(new CommandDefinition(
                statement.Sql, new { accounts, today = today.ToDateOnly(), fingerprint = steps.Fingerprint, steps = steps.Text, seller = settings.Seller.ToJson() }, commandTimeout: 0, cancellationToken: ct));
        }
    }

    private static readonly (string What, string Sql)[] s_statements =
    [
        ("accounts",
            $"""
            insert into dunning.dunning_schedule (fingerprint, steps) values (@fingerprint, @steps) on conflict do nothing;
            insert into dunning.seller (fingerprint, identity) values ('bench', @seller::jsonb);
            insert into dunning.account (id, name, legal_name, country, time_zone, currency, locale, line1, postal_code, city, last_event_at, contact_count, gateway_customer)
            select {BenchBook.IdSql}, 'Atelier ' || i, 'Atelier ' || i || ' SARL', c.country, c.zone, c.currency, c.locale, i || ' rue de la République', '69002', 'Lyon', @today::timestamptz, 1, 'cus_' || i
            from generate_series(1, @accounts) i
            join (values (0, 'FR', 'Europe/Paris', 'EUR', 'fr'), (1, 'FR', 'Europe/Paris', 'EUR', 'fr'), (2, 'DE', 'Europe/Berlin', 'EUR', 'en'), (3, 'US', 'America/New_York', 'USD', 'en'),
                         (4, 'GB', 'Europe/London', 'GBP', 'en'), (5, 'JP', 'Asia/Tokyo', 'JPY', 'en')) c (k, country, zone, currency, locale)
              on c.k = case when i % 20 < 8 then 0 when i % 20 < 10 then 1 when i % 20 < 13 then 2 when i % 20 < 17 then 3 when i % 20 < 19 then 4 else 5 end;
            insert into dunning.contact (account_id, number, email, name, role, bounced_at, bounce_reason)
            select id, 1, 'owner@' || id || '.example', 'Claire Martin', 'owner', case when hashtext(id) % 400 = 0 then now() end, case when hashtext(id) % 400 = 0 then '5.1.1' end from dunning.account;
            insert into dunning.payment_method (account_id, id, generation, token, expires, is_default, is_backup, brand, last4, state, authenticated, known_at, expiry_reminder_sent)
            select id, 'card_' || id, 0, 'sandbox_ok', date '2030-06-01', true, false, 'visa', '4242', 'ok', false, @today::timestamptz, false from dunning.account;
            insert into dunning.subscription (id, account_id, plan_code, interval_unit, interval_count, quantity, anchor, renews_on, renews_on_known_at, auto_renew, cancel_at_period_end, state)
            select 'sub_' || substr(id, 5), id, 'team', 'month', 1, 1 + abs(hashtext(id)) % 5, d.day - interval '14 months', d.day, @today::timestamptz, true, abs(hashtext(id || 'e')) % 50 = 0, 'live'
            from dunning.account cross join lateral (select (@today::date + 1 + abs(hashtext(id || 'd')) % 28)::date as day) d;
            """),
        ("invoices",
            """
            create temp table made as
            select s.id as subscription_id, s.account_id, (s.renews_on - make_interval(months => m))::date as period_start, (s.renews_on - make_interval(months => m - 1))::date as period_end,
                   a.currency, s.quantity, p.unit, p.rate, abs(hashtext(s.id || m || 'f')) % 1000 as f, abs(hashtext(s.id || m || 'o')) % 100 as o, abs(hashtext(s.id || m || 'c')) % 100 as c
            from dunning.subscription s join dunning.account a on a.id = s.account_id cross join generate_series(1, 12) m
            join (values ('FR', 'EUR', 4900, 2000), ('DE', 'EUR', 4900, 1900), ('US', 'USD', 5500, 0), ('GB', 'GBP', 4500, 0), ('JP', 'JPY', 7900, 0)) p (country, currency, unit, rate)
              on p.country = a.country;
            alter table made add column at timestamptz, add column amount bigint, add column days int, add column outcome text, add column last_step int;
            -- Eight in a hundred fail at first. Of these most come in at a step; the rest suspends, and half of that is paid late or written off.
            update made set at = period_start + interval '7 hours' + make_interval(secs => abs(hashtext(subscription_id)) % 7200),
                amount = unit * quantity + (unit * quantity * rate + 5000) / 10000,
                days = case when f >= 80 then 0 when o < 10 then 1 when o < 40 then 2 when o < 55 then 4 when o < 72 then 21 when o < 78 then 29 when o < 88 then 45 else 119 end;
            update made set outcome = case when f >= 80 then 'paid' when period_start + days > @today then 'open' when o < 88 then 'paid' else 'written_off' end;
            -- As the engine leaves it: the step that is paid is not done.
            update made set last_step = case when f >= 80 then null else
                (select count(*) from unnest(array[2, 4, 21, 29]) d where d <= least(days, @today - period_start) and not (outcome = 'paid' and d = days)) end;
            insert into dunning.invoice (subscription_id, period_start, period_end, account_id, series, year, number, issued_at, issued_on, plan_code, plan_version, quantity, currency, unit_price,
                subtotal, tax_treatment, tax_rate_bp, tax, credit_applied, amount_due, seller, buyer)
            select subscription_id, period_start, period_end, account_id, 'INV', extract(year from period_start)::int,
                   row_number() over (partition by extract(year from period_start) order by at, subscription_id), at, period_start, 'team', 1, quantity, currency, unit, unit * quantity,
                   case when rate > 0 then 'domestic' else 'export' end, rate, amount - unit * quantity, 0, amount, 'bench',
                   '{"name":"Atelier","legal_name":"Atelier SARL","country":"FR","locale":"fr","address":{"line1":"1 rue de la République","postal_code":"69002","city":"Lyon"}}'
            from made order by at, subscription_id;
            insert into dunning.receivable (subscription_id, period_start, account_id, state, settled_at, attempts, attempted_at, recharge_due, case_schedule, case_opened_at, case_day_zero, case_last_step,
                case_last_step_on, case_warned_on, case_warning_left_on, case_exhausted, case_has_notices)
            select subscription_id, period_start, account_id, outcome, case when outcome <> 'open' then at + make_interval(days => days) end, 1 + coalesce(last_step, 0) + (f < 80 and outcome = 'paid')::int, at, false,
                   case when f < 80 then @fingerprint end, case when f < 80 then at end, case when f < 80 then period_start end, last_step,
                   case when f < 80 then period_start + (array[0, 2, 4, 21, 29])[last_step + 1] end, case when last_step >= 3 then period_start + 21 end, case when last_step >= 3 then period_start + 21 end,
                   case when f < 80 then last_step = 4 end, case when f < 80 then outcome = 'open' and last_step >= 2 end
            from made order by at, subscription_id;
            update dunning.account a set access = 'suspended', suspended_on = m.period_start + 29, suspended_at = m.at + interval '29 days', purge_on = greatest(m.period_start + 119, @today + 1)
            from (select distinct on (account_id) * from made where outcome = 'open' and last_step = 4 order by account_id, period_start) m where a.id = m.account_id;
            update dunning.account set legal_hold = true where access = 'suspended' and hashtext(id) % 50 = 0;
            """),
        ("charges",
            """
            insert into dunning.charge (key, account_id, subscription_id, period_start, attempt, kind, method_id, method_generation, amount, currency, state, first_called_at, last_called_at, stuck,
                method_updated_since, code, refund_due)
            select subscription_id || ':' || period_start || ':' || step, account_id, subscription_id, period_start, step + 1, case step when 0 then 'first' when 5 then 'recharge' else 'step' end,
                   'card_' || account_id, 0, amount, currency, case when won then 'succeeded' else 'failed' end, called, called, false, false,
                   case when won then null else case when c < 50 then 'insufficient_funds' when c < 65 then 'generic_decline' when c < 75 then 'expired_card' when c < 85 then 'do_not_honor'
                        when c < 93 then 'authentication_required' else 'lost_card' end end, false
            from (select m.*, s.step, m.at + make_interval(days => s.day) as called, m.outcome = 'paid' and (m.f >= 80 or m.days = s.day) as won
                  from made m join (values (0, 0), (5, 1), (1, 2), (2, 4), (3, 21), (4, 29), (5, 45)) s (step, day)
                    on s.day = 0 or (m.f < 80 and s.day <= m.days and (s.step < 5 or m.days = s.day) and m.period_start + s.day <= @today)) attempts
            order by called, subscription_id;
            """),
        ("events",
            """
            create temp table happened as
            select account_id, at, subscription_id, period_start, 0 as nth, 'invoice.issued' as type, jsonb_build_object('amount_due', amount, 'subtotal', amount, 'tax', 0, 'currency', currency, 'period_end', period_end) as data from made
            union all select account_id, at, subscription_id, period_start, 1, 'subscription.renewed', jsonb_build_object('period_end', period_end) from made
            union all select account_id, first_called_at, subscription_id, period_start, 2, case state when 'succeeded' then 'charge.succeeded' else 'charge.failed' end,
                   jsonb_strip_nulls(jsonb_build_object('amount', amount, 'currency', currency, 'method', method_id, 'generation', 0, 'code', code)) from dunning.charge
            union all select account_id, at, subscription_id, period_start, 3, 'dunning.opened', null from made where f < 80
            union all select account_id, first_called_at, subscription_id, period_start, 4, 'dunning.step', jsonb_build_object('step', attempt - 1) from dunning.charge where kind = 'step' and state = 'failed'
            union all select account_id, first_called_at, subscription_id, period_start, 5, 'email.sent', jsonb_build_object('template', case state when 'succeeded' then 'receipt' else 'payment_failed' end, 'to', jsonb_build_array(1)) from dunning.charge
            union all select account_id, at + make_interval(days => days), subscription_id, period_start, 6, case outcome when 'paid' then 'invoice.paid' else 'invoice.written_off' end, null from made where outcome <> 'open'
            union all select account_id, at + make_interval(days => days), subscription_id, period_start, 7, 'dunning.recovered', jsonb_build_object('step', last_step) from made where f < 80 and outcome = 'paid'
            union all select account_id, at + interval '1 day', subscription_id, period_start, 8, 'operator.acted', jsonb_build_object('do', 'pause', 'by', 'operator' || abs(hashtext(subscription_id)) % 5, 'reason', 'pays by transfer')
                from made where f < 4 and period_start < @today;
            insert into dunning.event (account_id, seq, at, period_start, type, subscription_id, data)
            select account_id, row_number() over (partition by account_id order by at, period_start, nth), at, period_start, type, subscription_id, data from happened order by at, account_id, nth;
            update dunning.account a set event_count = e.n, last_event_at = e.at from (select account_id, count(*) as n, max(at) as at from happened group by 1) e where e.account_id = a.id;
            drop table happened;
            """),
        ("mails",
            """
            insert into dunning.outbox (account_id, mail_number, contact, mail_key, template, decided_at, facts, email, name, locale, state, tries, next_try_at, settled_at, detail)
            select account_id, n, 1, 'bench:' || account_id || ':' || n, template, at, facts, 'owner@' || account_id || '.example', 'Claire Martin', 'fr', state,
                   case state when 'accepted' then 1 when 'dead' then 9 else 0 end, case state when 'pending' then at end, case state when 'pending' then null else at end,
                   case state when 'dead' then '550 5.1.1' end
            from (select c.account_id, row_number() over (partition by c.account_id order by first_called_at, key) as n, case c.state when 'succeeded' then 'receipt' else 'payment_failed' end as template,
                         first_called_at as at, jsonb_strip_nulls(jsonb_build_object('subscription', subscription_id, 'plan', 'team', 'period_start', period_start, 'amount', amount, 'currency', currency, 'code', code)) as facts,
                         case when first_called_at > @today::timestamptz - interval '1 day' then 'pending' when abs(hashtext(key)) % 5000 = 0 then 'dead' else 'accepted' end as state
                  from dunning.charge c) m
            order by m.at, account_id;
            update dunning.account a set mail_count = m.n from (select account_id, max(mail_number) as n from dunning.outbox group by 1) m where m.account_id = a.id;
            """),
        ("the rest",
            """
            insert into dunning.due (account_id, pass, at) select s.account_id, 'renew', s.renews_on + interval '7 hours' from dunning.subscription s join dunning.account a on a.id = s.account_id where a.access = 'active';
            insert into dunning.due (account_id, pass, at) select distinct account_id, 'dun', @today + interval '1 day' from made where outcome = 'open' and last_step < 4;
            insert into dunning.due (account_id, pass, at) select distinct account_id, 'mail', now() from dunning.outbox where state = 'pending';
            insert into dunning.due (account_id, pass, at) select id, 'purge', purge_on + interval '7 hours' from dunning.account where access <> 'active';
            insert into dunning.audit (at, operator, act, subject, reason) select @today - make_interval(hours => i), 'operator' || i % 5, 'run_pass', 'dun', 'asked by a customer' from generate_series(1, 1000) i;
            insert into dunning.pass_run (pass, server, started_at, ended_at, outcome, accounts, faults, charges_succeeded, charges_failed, charges_unknown, charges_pending, mails_sent)
            select (array['reconcile', 'renew', 'dun', 'end_access', 'purge', 'remind', 'mail'])[1 + i % 7], 'bench', @today - make_interval(mins => i * 10), @today - make_interval(mins => i * 10) + interval '3 seconds', 'done', 40, 0, 30, 3, 0, 0, 40
            from generate_series(1, 50000) i;
            insert into dunning.invoice_series (series, year, last_number) select series, year, max(number) from dunning.invoice group by 1, 2;
            drop table made;
            """),
        ("statistics", "vacuum (analyze)"),
    ];
}
