using Dunning.Hosting;
using Dunning.Postgres;
using Npgsql;
using NpgsqlTypes;

namespace Dunning.Commands.Bench;

/// <summary>
/// The floor: what the server needs to take the same rows at all. Set-based SQL over a batch of accounts, in the same two commits, with the same
/// claim; nothing is decided and no row leaves the server but the ids of the batch. It holds for this book alone: everything renews on one day and
/// every charge succeeds. That it leaves the same rows as the product, by content, is checked after each run.
/// </summary>
internal sealed class FloorRun(BenchBook bench, WorkerSettings settings, RenewalsPlan plan)
{
    // A session's own tables: read once what several statements need, without a trace in the write-ahead log. They have no index, so sequential
    // scans stay allowed: forbidden, they weigh the same in every plan, and the planner took plans that read whole tables for each batch.
    private const string Session =
        """
        set enable_hashjoin = off;
        set enable_mergejoin = off;
        set max_parallel_workers_per_gather = 0;
        set jit = off;
        create temporary table renewing (
            account_id text collate "C", subscription_id text collate "C", period_start date, period_end date, quantity int, plan_code text,
            plan_version int, unit_price bigint, subtotal bigint, treatment text, rate_bp int, tax bigint, currency text, method_id text collate "C",
            generation int, charge_key text collate "C", buyer jsonb
        ) on commit delete rows;
        create temporary table paying (
            account_id text collate "C", subscription_id text collate "C", period_start date, period_end date, plan_code text, amount bigint,
            currency text, charge_key text collate "C", method_id text collate "C", generation int, event_count bigint, mail_number int, locale text,
            time_zone text
        ) on commit delete rows;
        insert into dunning.seller (fingerprint, identity) values ($1, $2::jsonb) on conflict do nothing;
        """;

    // Found on the statement's snapshot, so a row that another has taken meanwhile is locked too late: it is not there to be deleted any more.
    private const string Claim =
        """
        with found as materialized (
            select a.id
            from dunning.due d
            join dunning.account a on a.id = d.account_id
            where d.pass = 'renew' and d.at <= $1 and (a.lease_until is null or a.lease_until <= $1)
            order by d.at, d.account_id
            limit $2
            for no key update of a skip locked
        )
        delete from dunning.due d using found f where d.account_id = f.id and d.pass = 'renew' and d.at <= $1
        returning d.account_id
        """;

    private const string IsLeft = "select exists (select from dunning.due where pass = 'renew' and at <= $1)";

    // $1 ids, $2 now, $3 end of the claim, $4 installation, $5 seller's country, $6 its fingerprint, $7 series, $8 the year of the numbers, $9 the
    // day of issue.
    private static readonly string[] Begin =
    [
        """
        insert into renewing
        select a.id, s.id, s.renews_on, (s.renews_on + interval '1 month')::date, s.quantity, s.plan_code, p.version, n.unit_price, n.subtotal,
            t.treatment, t.rate_bp, round(n.subtotal * t.rate_bp / 10000.0)::bigint, a.currency, m.id, m.generation,
            'dun_' || left(encode(sha256(convert_to(concat_ws(E'\n', $4, s.id, s.renews_on, 1, m.id, m.generation), 'UTF8')), 'hex'), 40),
            jsonb_strip_nulls(jsonb_build_object('name', a.name, 'legal_name', a.legal_name, 'country', a.country, 'line1', a.line1,
                'line2', a.line2, 'postal_code', a.postal_code, 'city', a.city, 'vat_number', a.vat_number))
        from dunning.account a
        join dunning.subscription s on s.account_id = a.id and s.state = 'live'
        join dunning.payment_method m on m.account_id = a.id and m.is_default and not m.retired
        join dunning.plan_version p on p.code = s.plan_code
        join dunning.tax_rate r on r.country = a.country
        cross join lateral (select (p.prices ->> a.currency)::bigint as unit_price, (p.prices ->> a.currency)::bigint * s.quantity as subtotal) n
        cross join lateral (
            select case when a.country = $5 then 'domestic' when not r.eu then 'export' when a.vat_number is null then 'eu_consumer'
                    else 'reverse_charge' end as treatment,
                case when a.country = $5 or (r.eu and a.vat_number is null) then r.rate_bp else 0 end as rate_bp) t
        where a.id = any($1)
        """,
        """
        update dunning.account a set version = a.version + 1, event_count = a.event_count + 2, lease_version = a.version + 1, lease_until = $3,
            last_event_at = $2
        from renewing w where a.id = w.account_id
        """,
        """
        update dunning.subscription s set renews_on = w.period_end, renews_on_known_at = $2, last_renewed_on = w.period_start
        from renewing w where s.id = w.subscription_id
        """,
        """
        insert into dunning.charge (key, account_id, subscription_id, period_start, attempt, kind, method_id, method_generation, amount, currency,
            state, first_called_at, last_called_at, stuck, method_updated_since, refund_due)
        select charge_key, account_id, subscription_id, period_start, 1, 'first', method_id, generation, subtotal + tax, currency, 'in_flight', $2, $2,
            false, false, false
        from renewing
        """,
        """
        insert into dunning.event (account_id, seq, at, period_start, type, subscription_id, data)
        select account_id, e.seq, $2, period_start, e.type, subscription_id, e.data
        from renewing
        cross join lateral (values
            (1, 'invoice.issued', jsonb_build_object('period_end', period_end, 'subtotal', subtotal, 'tax', tax, 'credit_applied', 0,
                'amount_due', subtotal + tax, 'currency', currency)),
            (2, 'subscription.renewed', jsonb_build_object('period_end', period_end))) e (seq, type, data)
        """,
        "insert into dunning.due (account_id, pass, at) select account_id, 'reconcile', $3 from renewing",
        """
        insert into dunning.receivable (subscription_id, period_start, account_id, state, attempts, attempted_at, recharge_due)
        select subscription_id, period_start, account_id, 'open', 1, $2, false from renewing
        """,
        """
        with taken as (
            insert into dunning.invoice_series as s (series, year, last_number) select $7, $8, count(*) from renewing
            on conflict (series, year) do update set last_number = s.last_number + excluded.last_number
            returning last_number - (select count(*) from renewing) as before
        )
        insert into dunning.invoice (subscription_id, period_start, period_end, account_id, series, year, number, issued_at, issued_on, plan_code,
            plan_version, quantity, currency, unit_price, subtotal, tax_treatment, tax_rate_bp, tax, credit_applied, amount_due, seller, buyer)
        select subscription_id, period_start, period_end, account_id, $7, $8, before + row_number() over (order by subscription_id), $2, $9, plan_code,
            plan_version, quantity, currency, unit_price, subtotal, treatment, rate_bp, tax, 0, subtotal + tax, $6, buyer
        from renewing cross join taken
        """,
    ];

    // $1 ids, $2 now, $3 the charge time. One account after the other, by "offset 0": on tables that were empty a moment ago the planner
    // knows no better than to join whole tables.
    private static readonly string[] Finish =
    [
        """
        insert into paying
        select a.id, i.subscription_id, i.period_start, i.period_end, i.plan_code, i.amount_due, i.currency, c.key, c.method_id, c.method_generation,
            a.event_count, a.mail_count + 1, a.locale, a.time_zone
        from unnest($1) as u (id)
        cross join lateral (select * from dunning.account a where a.id = u.id offset 0) a
        cross join lateral (select * from dunning.receivable r where r.account_id = a.id and r.state = 'open' offset 0) r
        cross join lateral (
            select * from dunning.invoice i where i.subscription_id = r.subscription_id and i.period_start = r.period_start offset 0) i
        cross join lateral (
            select * from dunning.charge c where c.account_id = a.id and c.subscription_id = r.subscription_id and c.period_start = r.period_start
                and c.state in ('in_flight', 'unknown') offset 0) c
        """,
        """
        update dunning.account a set version = a.version + 1, event_count = a.event_count + 2, lease_version = 0, lease_until = null,
            last_event_at = $2, mail_count = w.mail_number
        from paying w where a.id = w.account_id
        """,
        "update dunning.charge c set state = 'succeeded' from paying w where c.key = w.charge_key",
        """
        update dunning.receivable r set state = 'paid', settled_at = $2
        from paying w where r.subscription_id = w.subscription_id and r.period_start = w.period_start
        """,
        """
        insert into dunning.event (account_id, seq, at, period_start, type, subscription_id, data)
        select account_id, event_count + e.number, $2, period_start, e.type, subscription_id, e.data
        from paying
        cross join lateral (values
            (1, 'charge.succeeded', jsonb_build_object('amount', amount, 'method', method_id, 'generation', generation)),
            (2, 'invoice.paid', null)) e (number, type, data)
        """,
        """
        insert into dunning.outbox (account_id, mail_number, contact, mail_key, template, decided_at, facts, email, name, locale, state, tries)
        select w.account_id, w.mail_number, c.number,
            concat_ws(':', 'receipt', w.account_id, w.subscription_id, w.period_start, w.mail_number, c.number), 'receipt', $2,
            jsonb_strip_nulls(jsonb_build_object('subscription', w.subscription_id, 'plan', w.plan_code, 'period_start', w.period_start,
                'period_end', w.period_end, 'amount', w.amount, 'currency', w.currency, 'card_brand', m.brand, 'card_last4', m.last4,
                'card_expires', m.expires)),
            c.email, c.name, coalesce(c.locale, w.locale), 'pending', 0
        from paying w
        join dunning.payment_method m on m.account_id = w.account_id and m.id = w.method_id and m.generation = w.generation
        join dunning.contact c on c.account_id = w.account_id and not c.removed and c.role in ('owner', 'billing')
        """,
        // The pass is asked for outside, lest the index of the scan be taken: it would read all that is under way for each account.
        """
        delete from dunning.due where ctid = any(array(
            select d.place
            from paying w
            cross join lateral (select d.ctid as place, d.pass from dunning.due d where d.account_id = w.account_id offset 0) d
            where d.pass = 'reconcile'))
        """,
        """
        insert into dunning.due (account_id, pass, at)
        select account_id, 'renew', (period_end + $3::time) at time zone time_zone from paying
        union all
        select account_id, 'mail', $2 from paying
        """,
    ];

    /// <summary>Renews everything with so many connections. Returns the seconds that it took.</summary>
    public async Task<double> RunAsync(string connectionString, int connections, TimeProvider time, CancellationToken ct)
    {
        await using var source = PostgresSource.Create(connectionString);
        var sessions = new List<NpgsqlConnection>();
        try
        {
            for (var i = 0; i < connections; i++)
            {
                var connection = await source.OpenConnectionAsync(ct);
                sessions.Add(connection);
                await PrepareAsync(connection, ct);
            }
            var began = time.GetTimestamp();
            await Task.WhenAll(sessions.Select(session => Task.Run(() => DrainAsync(session, ct), ct)));
            return time.GetElapsedTime(began).TotalSeconds;
        }
        finally
        {
            foreach (var session in sessions)
            {
                await session.DisposeAsync();
            }
        }
    }

    private async Task PrepareAsync(NpgsqlConnection session, CancellationToken ct)
    {
        await using var batch = new NpgsqlBatch(session);
        foreach (var sql in Session.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            var command = new NpgsqlBatchCommand(sql);
            if (sql.Contains("$1", StringComparison.Ordinal))
            {
                command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = settings.Seller.Fingerprint });
                command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = settings.Seller.ToJson() });
            }
            batch.BatchCommands.Add(command);
        }
        await batch.ExecuteNonQueryAsync(ct);
    }

    private async Task DrainAsync(NpgsqlConnection session, CancellationToken ct)
    {
        var now = BenchBook.Now.ToDateTimeUtc();
        var lease = (BenchBook.Now + settings.Rules.CallTimeout + settings.Rules.LeaseMargin).ToDateTimeUtc();
        var issuedOn = Dunning.Time.LocalClock.LocalDateOf(BenchBook.Now, settings.Rules.Zones[settings.Seller.TimeZone]).ToDateOnly();
        while (true)
        {
            string[] ids;
            await using (var transaction = await session.BeginTransactionAsync(ct))
            {
                ids = await ClaimAsync(session, now, ct);
                if (ids.Length == 0)
                {
                    await transaction.RollbackAsync(ct);
                    if (!await IsLeftAsync(session, now, ct))
                    {
                        return;
                    }
                    continue;
                }
                await ExecuteAsync(session, Begin,
                [
                    Of(ids), Of(now), Of(lease), Of(bench.Rules.Installation), Of(settings.Rules.SellerCountry), Of(settings.Seller.Fingerprint),
                    Of(settings.Seller.InvoiceSeries), Of(issuedOn.Year), Of(issuedOn),
                ], ct);
                await transaction.CommitAsync(ct);
            }
            await using (var transaction = await session.BeginTransactionAsync(ct))
            {
                await ExecuteAsync(session, Finish, [Of(ids), Of(now), Of(settings.Rules.ChargeAt.ToTimeOnly())], ct);
                await transaction.CommitAsync(ct);
            }
        }
    }

    private async Task<string[]> ClaimAsync(NpgsqlConnection session, DateTime now, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(Claim, session);
        command.Parameters.Add(Of(now));
        command.Parameters.Add(Of(plan.Batch));
        await using var reader = await command.ExecuteReaderAsync(ct);
        var ids = new List<string>(plan.Batch);
        while (await reader.ReadAsync(ct))
        {
            ids.Add(reader.GetString(0));
        }
        return [.. ids];
    }

    private static async Task<bool> IsLeftAsync(NpgsqlConnection session, DateTime now, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(IsLeft, session);
        command.Parameters.Add(Of(now));
        return await command.ExecuteScalarAsync(ct) is true;
    }

    // One round trip. Each statement gets the parameters that it names, whose numbers it keeps: those it does not name would have no type.
    private static async Task ExecuteAsync(NpgsqlConnection session, string[] statements, NpgsqlParameter[] parameters, CancellationToken ct)
    {
        await using var batch = new NpgsqlBatch(session) { Timeout = 120 };
        foreach (var statement in statements)
        {
            var sql = statement;
            var command = new NpgsqlBatchCommand();
            for (var i = 0; i < parameters.Length; i++)
            {
                var name = FormattableString.Invariant($"${i + 1}");
                if (sql.Contains(name, StringComparison.Ordinal))
                {
                    command.Parameters.Add(parameters[i].Clone());
                    sql = sql.Replace(name, FormattableString.Invariant($"${command.Parameters.Count}"), StringComparison.Ordinal);
                }
            }
            command.CommandText = sql;
            batch.BatchCommands.Add(command);
        }
        await batch.ExecuteNonQueryAsync(ct);
    }

    private static NpgsqlParameter Of(string[] value) => new NpgsqlParameter<string[]> { TypedValue = value, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text };

    private static NpgsqlParameter Of(DateTime value) => new NpgsqlParameter<DateTime> { TypedValue = value, NpgsqlDbType = NpgsqlDbType.TimestampTz };

    private static NpgsqlParameter Of(DateOnly value) => new NpgsqlParameter<DateOnly> { TypedValue = value, NpgsqlDbType = NpgsqlDbType.Date };

    private static NpgsqlParameter Of(TimeOnly value) => new NpgsqlParameter<TimeOnly> { TypedValue = value, NpgsqlDbType = NpgsqlDbType.Time };

    private static NpgsqlParameter Of(string value) => new NpgsqlParameter<string> { TypedValue = value, NpgsqlDbType = NpgsqlDbType.Text };

    private static NpgsqlParameter Of(int value) => new NpgsqlParameter<int> { TypedValue = value, NpgsqlDbType = NpgsqlDbType.Integer };
}
