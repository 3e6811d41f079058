using Dapper;
using Dunning.Model;
using Dunning.Passes;
using NodaTime;
using Npgsql;

namespace Dunning.Postgres;

/// <summary>A file as it was read, with the account's rows of <c>due</c>.</summary>
internal sealed record ReadFile(AccountFile File, IReadOnlyDictionary<PassKind, Instant> Due);

/// <summary>What was read: the files, and the accounts whose rows make no file.</summary>
internal sealed record ReadFiles(IReadOnlyList<ReadFile> Files, IReadOnlyList<(string Account, Exception Exception)> Faults);

/// <summary>Reads the files of locked accounts, in one round trip. Each statement is an index probe by account and reads only what is still open.</summary>
internal static class Files
{
    /// <summary>
    /// At the head of a transaction of the loop: every statement in it is meant as index probes for a batch of accounts, so the planner is not to
    /// weigh that against reading whole tables, by statistics that may be of yesterday. Nor is it to start workers or a compiler for it: with
    /// tables that had grown since their statistics, that alone made renewals three times slower.
    /// </summary>
    internal const string OnlyProbes =
        """
        set local enable_seqscan = off; set local enable_hashjoin = off; set local enable_mergejoin = off;
        set local max_parallel_workers_per_gather = 0; set local jit = off;

        """;

    internal const string Sql =
        """
        select id, name, legal_name, country, time_zone, currency, locale, line1, line2, postal_code, city, vat_number, gateway_customer,
               legal_hold, exempt, credit, carried, open_disputes, access, suspended_on, suspended_at, purge_on, access_until, purge_reminders_sent,
               array_to_string(purge_warnings_left, ',') as purge_warnings_left, closed, purged_at, erased_at, last_event_at, event_count,
               mail_count, contact_count, version, lease_until, lease_version
        from dunning.account where id = any(@ids) order by id;

        select account_id, number, email, name, role, locale, frequency, removed, bounced_at, bounce_reason, bounce_reported
        from dunning.contact where account_id = any(@ids) and not removed order by account_id, number;

        select account_id, id, generation, token, expires, is_default, is_backup, brand, last4, state, authenticated, known_at,
               expiry_reminder_sent, retired, tries
        from dunning.payment_method where account_id = any(@ids) and not retired order by account_id, id, generation;

        select id, account_id, plan_code, interval_unit, interval_count, quantity, anchor, renews_on, renews_on_known_at, auto_renew,
               cancel_at_period_end, state, pending_plan, last_renewed_on, reminders_sent, cancel_kept
        from dunning.subscription where account_id = any(@ids) and state = 'live' order by account_id, id;

        select i.subscription_id, i.period_start, i.period_end, i.account_id, i.issued_at, i.plan_code, i.plan_version, i.quantity, i.currency,
               i.unit_price, i.subtotal, i.tax_treatment, i.tax_rate_bp, i.tax, i.credit_applied, i.carried_in, i.carried_out, i.amount_due,
               r.state, r.settled_at, r.attempts, r.attempted_at, r.reconciled_at, r.recharge_due,
               r.case_schedule, s.steps as case_steps, r.case_opened_at, r.case_day_zero, r.case_last_step, r.case_last_step_on,
               r.case_warned_on, r.case_warning_left_on, r.case_exhausted, r.case_has_notices, r.case_announced_for, r.not_before, r.paused_until, r.exempt, r.disputed
        from (
            select * from dunning.receivable where account_id = any(@ids) and state = 'open'
            union all
            -- What a charge that is over was for: news of it may change its invoice.
            (select p.* from dunning.charge c
            join dunning.receivable p on p.subscription_id = c.subscription_id and p.period_start = c.period_start and p.state <> 'open'
            where c.key = any(@keys)
            union
            select p.* from unnest(@subscriptions, @starts) asked(subscription_id, period_start)
            join dunning.receivable p on p.subscription_id = asked.subscription_id and p.period_start = asked.period_start
            where p.state <> 'open' and p.account_id = any(@ids))
        ) r
        join dunning.invoice i on i.subscription_id = r.subscription_id and i.period_start = r.period_start
        left join dunning.dunning_schedule s on s.fingerprint = r.case_schedule
        order by r.account_id, r.period_start, r.subscription_id;

        select c.key, c.account_id, c.subscription_id, c.period_start, c.attempt, c.kind, c.method_id, c.method_generation, m.token, c.amount,
               c.currency, c.state, c.first_called_at, c.last_called_at, c.looked_up_at, c.stuck, c.method_updated_since, c.code, c.refund_due,
               c.missed_since, c.resolution, c.refunded, c.duplicate
        from (
            select * from dunning.charge where account_id = any(@ids) and state in ('in_flight', 'unknown', 'pending')
            union all
            select * from dunning.charge where account_id = any(@ids) and refund_due and state not in ('in_flight', 'unknown', 'pending')
            union all
            (select * from dunning.charge where key = any(@keys) and state not in ('in_flight', 'unknown', 'pending') and not refund_due
            union
            select c.* from unnest(@subscriptions, @starts) asked(subscription_id, period_start)
            join dunning.charge c on c.account_id = any(@ids) and c.subscription_id = asked.subscription_id and c.period_start = asked.period_start
            where c.state = 'succeeded' and not c.refund_due)
        ) c
        left join dunning.payment_method m on m.account_id = c.account_id and m.id = c.method_id and m.generation = c.method_generation
        order by c.account_id, c.period_start, c.subscription_id, c.key;

        select o.account_id, o.mail_number, o.contact, o.template, o.decided_at, o.facts, o.email, o.name, o.locale, o.state, o.tries,
               o.next_try_at, o.settled_at, o.detail
        from (select distinct account_id, mail_number from dunning.outbox where account_id = any(@ids) and state in ('pending', 'held')) p
        join dunning.outbox o on o.account_id = p.account_id and o.mail_number = p.mail_number
        order by o.account_id, o.mail_number, o.contact;

        select account_id, pass, at from dunning.due where account_id = any(@ids);
        """;

    /// <summary>
    /// The files of these accounts; charges with one of <paramref name="keys"/>, and <paramref name="settled"/> invoices with what has paid them, are in them whatever
    /// their state.
    /// </summary>
    public static async Task<ReadFiles> ReadAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, string[] ids, string[] keys, IReadOnlyList<(string Subscription, LocalDate PeriodStart)> settled,
        CancellationToken ct)
    {
        await using var read = await connection.QueryMultipleAsync(new CommandDefinition(
            Sql, new { ids, keys, subscriptions = settled.Select(i => i.Subscription).ToArray(), starts = settled.Select(i => i.PeriodStart.ToDateOnly()).ToArray() },
            transaction, cancellationToken: ct));
        var accounts = await read.ReadAsync<AccountRow>();
        var contacts = (await read.ReadAsync<ContactRow>()).ToLookup(r => r.AccountId, StringComparer.Ordinal);
        var methods = (await read.ReadAsync<MethodRow>()).ToLookup(r => r.AccountId, StringComparer.Ordinal);
        var subscriptions = (await read.ReadAsync<SubscriptionRow>()).ToLookup(r => r.AccountId, StringComparer.Ordinal);
        var invoices = (await read.ReadAsync<InvoiceRow>()).ToLookup(r => r.AccountId, StringComparer.Ordinal);
        var charges = (await read.ReadAsync<ChargeRow>()).ToLookup(r => r.AccountId, StringComparer.Ordinal);
        var mails = (await read.ReadAsync<OutboxRow>()).ToLookup(r => r.AccountId, StringComparer.Ordinal);
        var due = (await read.ReadAsync<DueRow>()).ToLookup(r => r.AccountId, StringComparer.Ordinal);

        var files = new List<ReadFile>(ids.Length);
        var faults = new List<(string, Exception)>();
        foreach (var row in accounts)
        {
            try
            {
                var file = row.ToFile() with
                {
                    Contacts = [.. contacts[row.Id].Select(r => r.ToContact())],
                    Methods = [.. methods[row.Id].Select(r => r.ToMethod())],
                    Subscriptions = [.. subscriptions[row.Id].Select(r => r.ToSubscription())],
                    Invoices = [.. invoices[row.Id].Select(r => r.ToInvoice())],
                    Charges = [.. charges[row.Id].Select(r => r.ToCharge())],
                    Mails = [.. mails[row.Id].GroupBy(r => r.MailNumber).Select(OutboxRow.ToMail)],
                };
                files.Add(new ReadFile(file, due[row.Id].ToDictionary(r => Texts.Pass[r.Pass], r => r.At.Instant())));
            }
            catch (Exception e)
            {
                // A row that makes no sense is this account's fault, not the batch's.
                faults.Add((row.Id, e));
            }
        }
        return new ReadFiles(files, faults);
    }
}
