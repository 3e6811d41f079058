using Dapper;
using Npgsql;

namespace Dunning.Postgres;

#pragma warning disable CS1591 // rows of the tables of the same names, for people to look at

public sealed record AccountView(
    string Id, string Name, string Country, string TimeZone, string Currency, string Locale, long Credit, bool LegalHold, string Access,
    DateOnly? SuspendedOn, DateOnly? PurgeOn, DateTime? AccessUntil, bool Closed, DateTime? PurgedAt, DateTime? ErasedAt, long EventCount,
    long Version, DateTime? LeaseUntil);

public sealed record ContactView(
    int Number, string Email, string Name, string Role, string? Locale, string Frequency, bool Removed, DateTime? BouncedAt, string? BounceReason);

public sealed record MethodView(
    string Id, int Generation, string Token, DateOnly? Expires, bool IsDefault, bool IsBackup, string? Brand, string? Last4, string State, bool Retired);

public sealed record SubscriptionView(
    string Id, string PlanCode, int Quantity, DateOnly Anchor, DateOnly RenewsOn, bool AutoRenew, bool CancelAtPeriodEnd, string State,
    string? PendingPlan, bool CancelKept);

public sealed record InvoiceView(
    string SubscriptionId, DateOnly PeriodStart, DateOnly PeriodEnd, string Series, int Year, long Number, DateTime IssuedAt, DateOnly IssuedOn,
    string PlanCode, int PlanVersion, int Quantity, string Currency, long UnitPrice, long Subtotal, string TaxTreatment, int TaxRateBp, long Tax,
    long CreditApplied, long CarriedIn, long CarriedOut, long AmountDue, string Seller, string Buyer, string State, DateTime? SettledAt, int Attempts, bool RechargeDue,
    DateOnly? CaseDayZero, int? CaseLastStep, DateOnly? CaseLastStepOn, bool? CaseExhausted);

public sealed record CreditNoteView(string Series, int Year, long Number, string SubscriptionId, DateOnly PeriodStart, DateOnly IssuedOn);

public sealed record ChargeView(
    string Key, string SubscriptionId, DateOnly PeriodStart, int Attempt, string Kind, string MethodId, int MethodGeneration, long Amount,
    string Currency, string State, DateTime FirstCalledAt, DateTime LastCalledAt, bool Stuck, string? Code, bool RefundDue, long Refunded, bool Duplicate, DateTime? RefundAt, string? Reference);

public sealed record MailView(
    int MailNumber, int Contact, string MailKey, string Template, DateTime DecidedAt, string Facts, string Email, string Locale, string State,
    int Tries, DateTime? NextTryAt, DateTime? SettledAt, string? Detail);

public sealed record NoticeView(string SubscriptionId, DateOnly PeriodStart, string Kind, string Audience, DateTime PostedAt, DateTime? ClearedAt);

public sealed record DueView(string Pass, DateTime At);

#pragma warning restore CS1591

/// <summary>Everything about one account, also what is over.</summary>
public sealed record AccountSheet(
    AccountView Account,
    IReadOnlyList<ContactView> Contacts,
    IReadOnlyList<MethodView> Methods,
    IReadOnlyList<SubscriptionView> Subscriptions,
    IReadOnlyList<InvoiceView> Invoices,
    IReadOnlyList<CreditNoteView> CreditNotes,
    IReadOnlyList<ChargeView> Charges,
    IReadOnlyList<MailView> Mails,
    IReadOnlyList<NoticeView> Notices,
    IReadOnlyList<DueView> Due);

/// <summary>How many things of a kind are in which state. The kind is <c>accounts</c>, <c>invoices</c>, <c>cases</c>, <c>charges</c> or <c>mails TEMPLATE</c>.</summary>
public sealed record CountRow(string Kind, string State, long Count);

/// <summary>Reads for people: <c>show</c>, <c>summary</c>, the dashboard. Nothing is decided on them.</summary>
public sealed class PostgresQueries(NpgsqlDataSource source)
{
    /// <summary>
    /// Of a charge <c>c</c> and the receivable <c>r</c> that it was for: since when its refund is under way, or the pass that has made it. Null: nothing goes
    /// back, or it was not we who gave it back.
    /// </summary>
    internal const string RefundAt =
        """
        case when c.refund_due then greatest(c.last_called_at, r.settled_at, (
                 select max(e.at) from dunning.event e
                 where e.account_id = c.account_id and e.subscription_id = c.subscription_id and e.period_start = c.period_start and e.type = 'charge.duplicate'))
             when c.refunded > 0 and (c.duplicate or r.state = 'voided') and c.looked_up_at >= r.settled_at then c.looked_up_at end
        """;

    /// <summary>Everything about an account, or null when there is none of that id.</summary>
    public async Task<AccountSheet?> ShowAsync(string id, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        await using var read = await connection.QueryMultipleAsync(new CommandDefinition(
            $"""
            select id, name, country, time_zone, currency, locale, credit, legal_hold, access, suspended_on, purge_on, access_until, closed,
                   purged_at, erased_at, event_count, version, lease_until
            from dunning.account where id = @id;

            select number, coalesce(email, @erased) as email, name, role, locale, frequency, removed, bounced_at, bounce_reason
            from dunning.contact where account_id = @id order by number;

            select id, generation, coalesce(token, @erased) as token, expires, is_default, is_backup, brand, last4, state, retired
            from dunning.payment_method where account_id = @id order by id, generation;

            select id, plan_code, quantity, anchor, renews_on, auto_renew, cancel_at_period_end, state, pending_plan, cancel_kept
            from dunning.subscription where account_id = @id order by id;

            select i.subscription_id, i.period_start, i.period_end, i.series, i.year, i.number, i.issued_at, i.issued_on, i.plan_code,
                   i.plan_version, i.quantity, i.currency, i.unit_price, i.subtotal, i.tax_treatment, i.tax_rate_bp, i.tax, i.credit_applied,
                   i.carried_in, i.carried_out, i.amount_due, i.seller, i.buyer::text as buyer, r.state, r.settled_at, r.attempts, r.recharge_due, r.case_day_zero,
                   r.case_last_step, r.case_last_step_on, r.case_exhausted
            from dunning.invoice i join dunning.receivable r using (subscription_id, period_start)
            where i.subscription_id = any(array(select id from dunning.subscription where account_id = @id))
            order by i.period_start, i.subscription_id;

            select series, year, number, subscription_id, period_start, issued_on
            from dunning.credit_note
            where subscription_id = any(array(select id from dunning.subscription where account_id = @id)) order by year, number;

            select c.key, c.subscription_id, c.period_start, c.attempt, c.kind, c.method_id, c.method_generation, c.amount, c.currency, c.state, c.first_called_at,
                   c.last_called_at, c.stuck, c.code, c.refund_due, c.refunded, c.duplicate, {RefundAt} as refund_at,
                   (select a.reference from dunning.adopted_charge a where a.key = c.key) as reference
            from dunning.charge c left join dunning.receivable r using (subscription_id, period_start)
            where c.account_id = @id order by c.first_called_at, c.key;

            select mail_number, contact, mail_key, template, decided_at, facts::text as facts, coalesce(email, @erased) as email, locale, state,
                   tries, next_try_at, settled_at, detail
            from dunning.outbox where account_id = @id order by mail_number, contact;

            select subscription_id, period_start, kind, audience, posted_at, cleared_at
            from dunning.notice where account_id = @id order by seq;

            select pass, at from dunning.due where account_id = @id order by at, pass;
            """,
            new { id, erased = Erased.Text },
            cancellationToken: ct));
        var account = await read.ReadSingleOrDefaultAsync<AccountView>();
        return account is null ? null : new AccountSheet(
            account,
            (await read.ReadAsync<ContactView>()).AsList(),
            (await read.ReadAsync<MethodView>()).AsList(),
            (await read.ReadAsync<SubscriptionView>()).AsList(),
            (await read.ReadAsync<InvoiceView>()).AsList(),
            (await read.ReadAsync<CreditNoteView>()).AsList(),
            (await read.ReadAsync<ChargeView>()).AsList(),
            (await read.ReadAsync<MailView>()).AsList(),
            (await read.ReadAsync<NoticeView>()).AsList(),
            (await read.ReadAsync<DueView>()).AsList());
    }

    /// <summary>Who issued an invoice, by the fingerprint on it.</summary>
    public async Task<SellerIdentity?> SellerAsync(string fingerprint, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        var json = await connection.ExecuteScalarAsync<string?>(new CommandDefinition(
            "select identity::text from dunning.seller where fingerprint = @fingerprint", new { fingerprint }, cancellationToken: ct));
        return json is null ? null : SellerIdentity.FromJson(json);
    }

    /// <summary>Counts of the whole database; it reads all of it.</summary>
    public async Task<IReadOnlyList<CountRow>> SummaryAsync(CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return (await connection.QueryAsync<CountRow>(new CommandDefinition(
            """
            select 'accounts' as kind, case when purged_at is not null then 'purged' when closed then 'closed' else access end as state, count(*) as count
            from dunning.account group by 2
            union all
            select 'subscriptions', state, count(*) from dunning.subscription group by state
            union all
            select 'invoices', state, count(*) from dunning.receivable group by state
            union all
            select 'cases', case when state <> 'open' then 'over' when case_exhausted then 'exhausted' else 'open' end, count(*)
            from dunning.receivable where case_schedule is not null group by 2
            union all
            select 'charges', state, count(*) from dunning.charge group by state
            union all
            select 'mails ' || template, state, count(*) from dunning.outbox group by template, state
            order by 1, 2
            """,
            commandTimeout: 0,
            cancellationToken: ct))).AsList();
    }
}
