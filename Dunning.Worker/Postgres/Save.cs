using System.Globalization;
using Dunning.Model;
using Dunning.Time;
using NodaTime.Text;
using Npgsql;

namespace Dunning.Postgres;

using Mail = Model.Mail; // in here, as the namespace Dunning.Mail comes before what is imported outside

/// <summary>
/// Writes changes in one round trip, a statement for each kind of row. Numbers of invoices and credit notes are taken last: their series rows
/// are what concurrent batches wait for, and only until the commit that follows.
/// </summary>
internal static class Save
{
    public static async Task WriteAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, Changes changes, SellerIdentity seller, CancellationToken ct)
    {
        await using var batch = new NpgsqlBatch(connection, transaction) { Timeout = 120 };
        var expected = new List<(NpgsqlBatchCommand Command, int Rows)>();

        Add(Account(changes.Accounts), changes.Accounts.Count);
        Add(Identity(changes.Identities), changes.Identities.Count);
        Add(Contacts(changes.Contacts), changes.Contacts.Count);
        Add(MethodsChanged(changes.MethodsChanged), changes.MethodsChanged.Count);
        Add(MethodsNew(changes.MethodsNew), changes.MethodsNew.Count);
        Add(Subscriptions(changes.Subscriptions), changes.Subscriptions.Count);
        Add(SubscriptionsNew(changes.SubscriptionsNew), changes.SubscriptionsNew.Count);
        Add(Schedules(changes.Schedules), null);
        Add(Receivables(changes.Receivables), changes.Receivables.Count);
        Add(ChargesChanged(changes.ChargesChanged), changes.ChargesChanged.Count);
        Add(ChargesNew(changes.ChargesNew), changes.ChargesNew.Count);
        Add(Sent(changes.Sent), changes.Sent.Count);
        Add(Delivered(changes.Delivered), changes.Delivered.Count);
        Add(Events(changes.Events), changes.Events.Count);
        Add(NoticesPosted(changes.NoticesPosted), changes.NoticesPosted.Count);
        Add(NoticesCleared(changes.NoticesCleared), null);
        Add(Due(changes.Due), changes.Due.Count);
        Add(DueNoMore(changes.DueNoMore), null);
        Add(Erase(changes.Erased), null);
        Add(Seller(changes, seller), null);
        Add(Opened(changes.Issued), changes.Issued.Count);
        Add(Issued(changes.Issued, seller), changes.Issued.Count);
        Add(Voided(changes.Voided, seller), changes.Voided.Count);

        await batch.ExecuteNonQueryAsync(ct);
        foreach (var (command, rows) in expected)
        {
            // A row that is not there, or that another has changed although we hold the lock: nothing of this may be kept.
            if ((long)command.RecordsAffected != rows)
            {
                throw new InvalidOperationException(string.Create(CultureInfo.InvariantCulture,
                    $"broken invariant: {command.RecordsAffected} rows written instead of {rows} by: {command.CommandText.Trim()[..60]}…"));
            }
        }

        void Add(NpgsqlBatchCommand? command, int? rows)
        {
            if (command is null)
            {
                return;
            }
            batch.BatchCommands.Add(command);
            if (rows is { } count)
            {
                expected.Add((command, count));
            }
        }
    }

    /// <summary>Only the rows of <c>due</c>: what a rework writes.</summary>
    public static async Task WriteDueAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, Changes changes, CancellationToken ct)
    {
        await using var batch = new NpgsqlBatch(connection, transaction) { Timeout = 120 };
        foreach (var command in new[] { Due(changes.Due), DueNoMore(changes.DueNoMore) })
        {
            if (command is not null)
            {
                batch.BatchCommands.Add(command);
            }
        }
        if (batch.BatchCommands.Count > 0)
        {
            await batch.ExecuteNonQueryAsync(ct);
        }
    }

    private static NpgsqlBatchCommand? Account(List<Passes.Decision> rows) => rows.Count == 0 ? null : new RowSet<Passes.Decision>(rows)
        .Text("id", d => d.After.Id)
        .Long("version_before", d => d.Before.Version)
        .Long("version", d => d.After.Version)
        .Long("event_count", d => d.After.EventCount)
        .Long("lease_version", d => d.After.LeaseVersion)
        .Moment("lease_until", d => d.After.LeaseUntil)
        .Moment("last_event_at", d => d.After.LastEventAt)
        .Int("mail_count", d => d.After.MailCount)
        .Int("contact_count", d => d.After.ContactCount)
        .Long("credit", d => d.After.Credit)
        .Int("purge_reminders_sent", d => d.After.PurgeRemindersSent)
        .Text("access", d => Texts.Access[d.After.Access])
        .Flag("legal_hold", d => d.After.LegalHold)
        .Flag("exempt", d => d.After.Exempt)
        .Flag("closed", d => d.After.Closed)
        .Date("suspended_on", d => d.After.SuspendedOn)
        .Moment("suspended_at", d => d.After.SuspendedAt)
        .Date("purge_on", d => d.After.PurgeOn)
        .Moment("access_until", d => d.After.AccessUntil)
        .Moment("purged_at", d => d.After.PurgedAt)
        .Moment("erased_at", d => d.After.ErasedAt)
        .Long("carried", d => d.After.Carried)
        .Int("open_disputes", d => d.After.OpenDisputes)
        .Text("purge_warnings_left", d => string.Join(',', d.After.PurgeWarningsLeft.Select(LocalDatePattern.Iso.Format)))
        .Statement(
            """
            update dunning.account a set
                version = u.version, event_count = u.event_count, lease_version = u.lease_version, lease_until = u.lease_until,
                last_event_at = u.last_event_at, mail_count = u.mail_count, contact_count = u.contact_count, credit = u.credit,
                carried = u.carried, open_disputes = u.open_disputes, purge_reminders_sent = u.purge_reminders_sent, access = u.access, legal_hold = u.legal_hold, exempt = u.exempt, closed = u.closed,
                suspended_on = u.suspended_on, suspended_at = u.suspended_at, purge_on = u.purge_on, access_until = u.access_until,
                purged_at = u.purged_at, erased_at = u.erased_at, purge_warnings_left = string_to_array(u.purge_warnings_left, ',')::date[]
            from {rows}
            where a.id = u.id and a.version = u.version_before
            """);

    private static NpgsqlBatchCommand? Identity(List<AccountFile> rows) => rows.Count == 0 ? null : new RowSet<AccountFile>(rows)
        .Text("id", a => a.Id)
        .Text("name", a => a.Name)
        .Text("legal_name", a => a.LegalName)
        .Text("country", a => a.Country)
        .Text("time_zone", a => a.TimeZone)
        .Text("currency", a => a.Currency.Code)
        .Text("locale", a => a.Locale)
        .Text("line1", a => a.Address.Line1)
        .Text("line2", a => a.Address.Line2)
        .Text("postal_code", a => a.Address.PostalCode)
        .Text("city", a => a.Address.City)
        .Text("vat_number", a => a.VatNumber)
        .Text("gateway_customer", a => a.GatewayCustomer)
        .Statement(
            """
            update dunning.account a set
                name = u.name, legal_name = u.legal_name, country = u.country, time_zone = u.time_zone, currency = u.currency, locale = u.locale,
                line1 = u.line1, line2 = u.line2, postal_code = u.postal_code, city = u.city, vat_number = u.vat_number,
                gateway_customer = u.gateway_customer
            from {rows}
            where a.id = u.id
            """);

    private static NpgsqlBatchCommand? Contacts(List<Of<Contact>> rows) => rows.Count == 0 ? null : new RowSet<Of<Contact>>(rows)
        .Text("account_id", r => r.Account.Id)
        .Int("number", r => r.Thing.Number)
        .Text("email", r => r.Thing.Email)
        .Text("name", r => r.Thing.Name)
        .Text("role", r => Texts.Role[r.Thing.Role])
        .Text("locale", r => r.Thing.Locale)
        .Text("frequency", r => Texts.Frequency[r.Thing.Frequency])
        .Flag("removed", r => r.Thing.Removed)
        .Moment("bounced_at", r => r.Thing.Bounce?.At)
        .Text("bounce_reason", r => r.Thing.Bounce?.Reason)
        .Flag("bounce_reported", r => r.Thing.Bounce?.IsReported ?? false)
        .Statement(
            """
            insert into dunning.contact (account_id, number, email, name, role, locale, frequency, removed, bounced_at, bounce_reason, bounce_reported)
            select account_id, number, email, name, role, locale, frequency, removed, bounced_at, bounce_reason, bounce_reported from {rows}
            on conflict (account_id, number) do update set
                email = excluded.email, name = excluded.name, role = excluded.role, locale = excluded.locale, frequency = excluded.frequency,
                removed = excluded.removed, bounced_at = excluded.bounced_at, bounce_reason = excluded.bounce_reason,
                bounce_reported = excluded.bounce_reported
            """);

    private static NpgsqlBatchCommand? MethodsChanged(List<Of<PaymentMethod>> rows) => rows.Count == 0 ? null : Methods(rows).Statement(
        """
        update dunning.payment_method m set
            token = u.token, expires = u.expires, is_default = u.is_default, is_backup = u.is_backup, brand = u.brand, last4 = u.last4,
            state = u.state, authenticated = u.authenticated, known_at = u.known_at, expiry_reminder_sent = u.expiry_reminder_sent,
            retired = u.retired, tries = u.tries
        from {rows}
        where m.account_id = u.account_id and m.id = u.id and m.generation = u.generation
        """);

    private static NpgsqlBatchCommand? MethodsNew(List<Of<PaymentMethod>> rows) => rows.Count == 0 ? null : Methods(rows).Statement(
        """
        insert into dunning.payment_method (account_id, id, generation, token, expires, is_default, is_backup, brand, last4, state,
            authenticated, known_at, expiry_reminder_sent, retired, tries)
        select * from {rows}
        """);

    private static RowSet<Of<PaymentMethod>> Methods(List<Of<PaymentMethod>> rows) => new RowSet<Of<PaymentMethod>>(rows)
        .Text("account_id", r => r.Account.Id)
        .Text("id", r => r.Thing.Id)
        .Int("generation", r => r.Thing.Generation)
        .Text("token", r => r.Thing.Token)
        .Month("expires", r => r.Thing.Expires)
        .Flag("is_default", r => r.Thing.IsDefault)
        .Flag("is_backup", r => r.Thing.IsBackup)
        .Text("brand", r => r.Thing.Brand)
        .Text("last4", r => r.Thing.Last4)
        .Text("state", r => Texts.Method[r.Thing.State])
        .Flag("authenticated", r => r.Thing.Authenticated)
        .Moment("known_at", r => r.Thing.KnownAt)
        .Flag("expiry_reminder_sent", r => r.Thing.ExpiryReminderSent)
        .Flag("retired", r => r.Thing.IsRetired)
        .Text("tries", r => TryList.Write(r.Thing.Tries));

    private static NpgsqlBatchCommand? Subscriptions(List<Of<Subscription>> rows) => rows.Count == 0 ? null : SubscriptionRows(rows).Statement(
        """
        update dunning.subscription s set
            plan_code = u.plan_code, interval_unit = u.interval_unit, interval_count = u.interval_count, quantity = u.quantity,
            anchor = u.anchor, renews_on = u.renews_on, renews_on_known_at = u.renews_on_known_at, auto_renew = u.auto_renew,
            cancel_at_period_end = u.cancel_at_period_end, state = u.state, pending_plan = u.pending_plan,
            last_renewed_on = u.last_renewed_on, reminders_sent = u.reminders_sent, cancel_kept = u.cancel_kept
        from {rows}
        where s.id = u.id and s.account_id = u.account_id
        """);

    private static NpgsqlBatchCommand? SubscriptionsNew(List<Of<Subscription>> rows) => rows.Count == 0 ? null : SubscriptionRows(rows).Statement(
        """
        insert into dunning.subscription (id, account_id, plan_code, interval_unit, interval_count, quantity, anchor, renews_on,
            renews_on_known_at, auto_renew, cancel_at_period_end, state, pending_plan, last_renewed_on, reminders_sent, cancel_kept)
        select * from {rows}
        """);

    private static RowSet<Of<Subscription>> SubscriptionRows(List<Of<Subscription>> rows) => new RowSet<Of<Subscription>>(rows)
        .Text("id", r => r.Thing.Id)
        .Text("account_id", r => r.Account.Id)
        .Text("plan_code", r => r.Thing.PlanCode)
        .Text("interval_unit", r => Texts.Unit[r.Thing.Interval.Unit])
        .Int("interval_count", r => r.Thing.Interval.Count)
        .Int("quantity", r => r.Thing.Quantity)
        .Date("anchor", r => r.Thing.Anchor)
        .Date("renews_on", r => r.Thing.RenewsOn)
        .Moment("renews_on_known_at", r => r.Thing.RenewsOnKnownAt)
        .Flag("auto_renew", r => r.Thing.AutoRenew)
        .Flag("cancel_at_period_end", r => r.Thing.CancelAtPeriodEnd)
        .Text("state", r => Texts.Subscription[r.Thing.State])
        .Text("pending_plan", r => r.Thing.PendingPlan)
        .Date("last_renewed_on", r => r.Thing.LastRenewedOn)
        .Int("reminders_sent", r => r.Thing.RemindersSent)
        .Flag("cancel_kept", r => r.Thing.CancelKept);

    private static NpgsqlBatchCommand? Schedules(Dictionary<string, string> rows) => rows.Count == 0 ? null :
        new RowSet<KeyValuePair<string, string>>([.. rows.OrderBy(r => r.Key, StringComparer.Ordinal)])
        .Text("fingerprint", r => r.Key)
        .Text("steps", r => r.Value)
        .Statement("insert into dunning.dunning_schedule (fingerprint, steps) select fingerprint, steps from {rows} on conflict do nothing");

    private static NpgsqlBatchCommand? Receivables(List<Of<Invoice>> rows) => rows.Count == 0 ? null : ReceivableRows(rows).Statement(
        """
        update dunning.receivable r set
            state = u.state, settled_at = u.settled_at, attempts = u.attempts, attempted_at = u.attempted_at,
            reconciled_at = u.reconciled_at, recharge_due = u.recharge_due, case_schedule = u.case_schedule,
            case_opened_at = u.case_opened_at, case_day_zero = u.case_day_zero, case_last_step = u.case_last_step,
            case_last_step_on = u.case_last_step_on, case_warned_on = u.case_warned_on, case_warning_left_on = u.case_warning_left_on,
            case_exhausted = u.case_exhausted, case_has_notices = u.case_has_notices, case_announced_for = u.case_announced_for,
            not_before = u.not_before, disputed = u.disputed, paused_until = u.paused_until, exempt = u.exempt
        from {rows}
        where r.subscription_id = u.subscription_id and r.period_start = u.period_start and r.account_id = u.account_id
        """);

    private static NpgsqlBatchCommand? Opened(List<(Passes.Decision Decision, Invoice Invoice)> rows) => rows.Count == 0 ? null :
        ReceivableRows([.. rows.Select(r => new Of<Invoice>(r.Decision.After, r.Invoice))]).Statement(
        """
        insert into dunning.receivable (subscription_id, period_start, account_id, state, settled_at, attempts, attempted_at, reconciled_at,
            recharge_due, case_schedule, case_opened_at, case_day_zero, case_last_step, case_last_step_on, case_warned_on,
            case_warning_left_on, case_exhausted, case_has_notices, case_announced_for, not_before, disputed, paused_until, exempt)
        select * from {rows}
        """);

    private static RowSet<Of<Invoice>> ReceivableRows(IReadOnlyList<Of<Invoice>> rows) => new RowSet<Of<Invoice>>(rows)
        .Text("subscription_id", r => r.Thing.SubscriptionId)
        .Date("period_start", r => r.Thing.PeriodStart)
        .Text("account_id", r => r.Account.Id)
        .Text("state", r => Texts.Invoice[r.Thing.State])
        .Moment("settled_at", r => r.Thing.SettledAt)
        .Int("attempts", r => r.Thing.Attempts)
        .Moment("attempted_at", r => r.Thing.AttemptedAt)
        .Moment("reconciled_at", r => r.Thing.ReconciledAt)
        .Flag("recharge_due", r => r.Thing.RechargeDue)
        .Text("case_schedule", r => r.Thing.Case?.Schedule.Fingerprint)
        .Moment("case_opened_at", r => r.Thing.Case?.OpenedAt)
        .Date("case_day_zero", r => r.Thing.Case?.DayZero)
        .Int("case_last_step", r => r.Thing.Case?.LastStep)
        .Date("case_last_step_on", r => r.Thing.Case?.LastStepOn)
        .Date("case_warned_on", r => r.Thing.Case?.WarnedOn)
        .Date("case_warning_left_on", r => r.Thing.Case?.WarningLeftOn)
        .Flag("case_exhausted", r => r.Thing.Case?.Exhausted)
        .Flag("case_has_notices", r => r.Thing.Case?.HasNotices)
        .Date("case_announced_for", r => r.Thing.Case?.AnnouncedFor)
        .Moment("not_before", r => r.Thing.NotBefore)
        .Flag("disputed", r => r.Thing.Disputed)
        .Date("paused_until", r => r.Thing.PausedUntil)
        .Flag("exempt", r => r.Thing.Exempt);

    private static NpgsqlBatchCommand? ChargesChanged(List<Of<Charge>> rows) => rows.Count == 0 ? null : Charges(rows).Statement(
        """
        update dunning.charge c set
            kind = u.kind, state = u.state, first_called_at = u.first_called_at, last_called_at = u.last_called_at,
            looked_up_at = u.looked_up_at, stuck = u.stuck, method_updated_since = u.method_updated_since, code = u.code,
            refund_due = u.refund_due, missed_since = u.missed_since, resolution = u.resolution, refunded = u.refunded,
            duplicate = u.duplicate
        from {rows}
        where c.key = u.key and c.account_id = u.account_id
        """);

    // A first call that was refused is made again with the same key: its row is there already. No other key ever comes twice.
    private static NpgsqlBatchCommand? ChargesNew(List<Of<Charge>> rows) => rows.Count == 0 ? null : Charges(rows).Statement(
        """
        insert into dunning.charge as c (key, account_id, subscription_id, period_start, attempt, kind, method_id, method_generation, amount,
            currency, state, first_called_at, last_called_at, looked_up_at, stuck, method_updated_since, code, refund_due,
            missed_since, resolution, refunded, duplicate)
        select * from {rows}
        on conflict (key) do update set
            kind = excluded.kind, state = excluded.state, first_called_at = excluded.first_called_at,
            last_called_at = excluded.last_called_at, looked_up_at = excluded.looked_up_at, stuck = excluded.stuck,
            method_updated_since = excluded.method_updated_since, code = excluded.code, refund_due = excluded.refund_due,
            missed_since = excluded.missed_since, resolution = excluded.resolution, refunded = excluded.refunded,
            duplicate = excluded.duplicate
        where c.state = 'refused' and c.account_id = excluded.account_id and c.amount = excluded.amount
            and c.method_id = excluded.method_id and c.method_generation = excluded.method_generation
        """);

    private static RowSet<Of<Charge>> Charges(List<Of<Charge>> rows) => new RowSet<Of<Charge>>(rows)
        .Text("key", r => r.Thing.Key)
        .Text("account_id", r => r.Account.Id)
        .Text("subscription_id", r => r.Thing.SubscriptionId)
        .Date("period_start", r => r.Thing.PeriodStart)
        .Int("attempt", r => r.Thing.Attempt)
        .Text("kind", r => Texts.Attempt[r.Thing.Kind])
        .Text("method_id", r => r.Thing.Method.Id)
        .Int("method_generation", r => r.Thing.Method.Generation)
        .Long("amount", r => r.Thing.Amount.Minor)
        .Text("currency", r => r.Thing.Amount.Currency.Code)
        .Text("state", r => Texts.Charge[r.Thing.State])
        .Moment("first_called_at", r => r.Thing.FirstCalledAt)
        .Moment("last_called_at", r => r.Thing.LastCalledAt)
        .Moment("looked_up_at", r => r.Thing.LookedUpAt)
        .Flag("stuck", r => r.Thing.Stuck)
        .Flag("method_updated_since", r => r.Thing.MethodUpdatedSince)
        .Text("code", r => r.Thing.Code)
        .Flag("refund_due", r => r.Thing.RefundDue)
        .Moment("missed_since", r => r.Thing.MissedSince)
        .Text("resolution", r => Texts.Resolution[r.Thing.Resolution])
        .Long("refunded", r => r.Thing.Refunded)
        .Flag("duplicate", r => r.Thing.Duplicate);

    private static NpgsqlBatchCommand? Sent(List<(AccountFile Account, Model.Mail Mail, Recipient Recipient)> rows) => rows.Count == 0 ? null :
        new RowSet<(AccountFile Account, Model.Mail Mail, Recipient Recipient)>(rows)
        .Text("account_id", r => r.Account.Id)
        .Int("mail_number", r => r.Mail.Number)
        .Int("contact", r => r.Recipient.Contact)
        .Text("mail_key", r => MailKey.Of(r.Account.Id, r.Mail, r.Recipient.Contact))
        .Text("template", r => r.Mail.Template)
        .Moment("decided_at", r => r.Mail.DecidedAt)
        .Json("facts", r => Json.Facts(r.Mail.Facts))
        .Text("email", r => r.Recipient.Email)
        .Text("name", r => r.Recipient.Name)
        .Text("locale", r => r.Recipient.Locale)
        .Text("state", r => Texts.Delivery[r.Recipient.State])
        .Int("tries", r => r.Recipient.Tries)
        .Moment("next_try_at", r => r.Recipient.NextTryAt)
        .Moment("settled_at", r => r.Recipient.SettledAt)
        .Text("detail", r => r.Recipient.Detail)
        .Statement(
            """
            insert into dunning.outbox (account_id, mail_number, contact, mail_key, template, decided_at, facts, email, name, locale, state,
                tries, next_try_at, settled_at, detail)
            select * from {rows}
            """);

    private static NpgsqlBatchCommand? Delivered(List<(AccountFile Account, Model.Mail Mail, Recipient Recipient)> rows) => rows.Count == 0 ? null :
        new RowSet<(AccountFile Account, Model.Mail Mail, Recipient Recipient)>(rows)
        .Text("account_id", r => r.Account.Id)
        .Int("mail_number", r => r.Mail.Number)
        .Int("contact", r => r.Recipient.Contact)
        .Text("state", r => Texts.Delivery[r.Recipient.State])
        .Int("tries", r => r.Recipient.Tries)
        .Moment("next_try_at", r => r.Recipient.NextTryAt)
        .Moment("settled_at", r => r.Recipient.SettledAt)
        .Text("detail", r => r.Recipient.Detail)
        .Statement(
            """
            update dunning.outbox o set state = u.state, tries = u.tries, next_try_at = u.next_try_at, settled_at = u.settled_at,
                detail = u.detail
            from {rows}
            where o.account_id = u.account_id and o.mail_number = u.mail_number and o.contact = u.contact
            """);

    private static NpgsqlBatchCommand? Events(List<Numbered> rows) => rows.Count == 0 ? null : new RowSet<Numbered>(rows)
        .Text("account_id", r => r.Event.Account)
        .Long("seq", r => r.Seq)
        .Moment("at", r => r.Event.At)
        .Date("period_start", r => r.Event.PeriodStart)
        .Text("type", r => r.Event.Type)
        .Text("subscription_id", r => r.Event.Subscription)
        .Json("data", r => Json.Event(r.Event))
        .Statement("insert into dunning.event (account_id, seq, at, period_start, type, subscription_id, data) select * from {rows}");

    private static NpgsqlBatchCommand? NoticesPosted(List<Numbered> rows) => rows.Count == 0 ? null : new RowSet<Numbered>(rows)
        .Text("account_id", r => r.Event.Account)
        .Long("seq", r => r.Seq)
        .Text("subscription_id", r => r.Event.Subscription)
        .Date("period_start", r => r.Event.PeriodStart)
        .Text("kind", r => r.Event.Kind)
        .Text("audience", r => r.Event.Audience)
        .Moment("posted_at", r => r.Event.At)
        .Statement(
            """
            insert into dunning.notice (account_id, seq, subscription_id, period_start, kind, audience, posted_at)
            select * from {rows}
            """);

    private static NpgsqlBatchCommand? NoticesCleared(List<Numbered> rows) => rows.Count == 0 ? null : new RowSet<Numbered>(rows)
        .Text("account_id", r => r.Event.Account)
        .Long("seq", r => r.Seq)
        .Text("subscription_id", r => r.Event.Subscription)
        .Date("period_start", r => r.Event.PeriodStart)
        .Moment("at", r => r.Event.At)
        .Statement(
            """
            update dunning.notice n set cleared_at = u.at
            from {rows}
            where n.account_id = u.account_id and n.subscription_id = u.subscription_id and n.period_start = u.period_start
                and n.cleared_at is null and n.seq < u.seq
            """);

    private static NpgsqlBatchCommand? Due(List<(string Account, Passes.PassKind Pass, NodaTime.Instant At)> rows) => rows.Count == 0 ? null :
        new RowSet<(string Account, Passes.PassKind Pass, NodaTime.Instant At)>(rows)
        .Text("account_id", r => r.Account)
        .Text("pass", r => Texts.Pass[r.Pass])
        .Moment("at", r => r.At)
        .Statement(
            """
            insert into dunning.due (account_id, pass, at) select * from {rows}
            on conflict (account_id, pass) do update set at = excluded.at
            """);

    private static NpgsqlBatchCommand? DueNoMore(List<(string Account, Passes.PassKind Pass)> rows) => rows.Count == 0 ? null :
        new RowSet<(string Account, Passes.PassKind Pass)>(rows)
        .Text("account_id", r => r.Account)
        .Text("pass", r => Texts.Pass[r.Pass])
        .Statement("delete from dunning.due d using {rows} where d.account_id = u.account_id and d.pass = u.pass");

    private static NpgsqlBatchCommand? Erase(List<AccountFile> rows) => rows.Count == 0 ? null : new RowSet<AccountFile>(rows)
        .Text("id", r => r.Id)
        .Statement("select dunning.erase_account(u.id) from {rows}");

    private static NpgsqlBatchCommand? Seller(Changes changes, SellerIdentity seller) => changes.Issued.Count + changes.Voided.Count == 0 ? null :
        new RowSet<SellerIdentity>([seller])
        .Text("fingerprint", s => s.Fingerprint)
        .Json("identity", s => s.ToJson())
        .Statement("insert into dunning.seller (fingerprint, identity) select * from {rows} on conflict do nothing");

    private static NpgsqlBatchCommand? Issued(List<(Passes.Decision Decision, Invoice Invoice)> rows, SellerIdentity seller)
    {
        if (rows.Count == 0)
        {
            return null;
        }
        var (zone, fingerprint) = (ZoneData.Current[seller.TimeZone], seller.Fingerprint);
        return new RowSet<(Passes.Decision Decision, Invoice Invoice)>(rows)
            .Text("series", _ => seller.InvoiceSeries)
            .Date("issued_on", r => LocalClock.LocalDateOf(r.Decision.Now, zone))
            .Moment("issued_at", r => r.Invoice.IssuedAt)
            .Text("seller", _ => fingerprint)
            .Json("buyer", r => Json.Buyer(r.Decision.Before))
            .Text("account_id", r => r.Decision.After.Id)
            .Text("subscription_id", r => r.Invoice.SubscriptionId)
            .Date("period_start", r => r.Invoice.PeriodStart)
            .Date("period_end", r => r.Invoice.PeriodEnd)
            .Text("plan_code", r => r.Invoice.PlanCode)
            .Int("plan_version", r => r.Invoice.PlanVersion)
            .Int("quantity", r => r.Invoice.Quantity)
            .Text("currency", r => r.Invoice.AmountDue.Currency.Code)
            .Long("unit_price", r => r.Invoice.UnitPrice.Minor)
            .Long("subtotal", r => r.Invoice.Subtotal.Minor)
            .Text("tax_treatment", r => Texts.Tax[r.Invoice.TaxTreatment])
            .Int("tax_rate_bp", r => r.Invoice.TaxRateBp)
            .Long("tax", r => r.Invoice.Tax.Minor)
            .Long("credit_applied", r => r.Invoice.CreditApplied.Minor)
            .Long("carried_in", r => r.Invoice.CarriedIn)
            .Long("carried_out", r => r.Invoice.CarriedOut)
            .Long("amount_due", r => r.Invoice.AmountDue.Minor)
            .Statement(
                """
                with new as (
                    select *, extract(year from issued_on)::int as year from {rows}
                ), taken as (
                    insert into dunning.invoice_series as s (series, year, last_number)
                    select series, year, count(*) from new group by series, year order by series, year
                    on conflict (series, year) do update set last_number = s.last_number + excluded.last_number
                    returning series, year, last_number
                )
                insert into dunning.invoice (subscription_id, period_start, period_end, account_id, series, year, number, issued_at, issued_on,
                    plan_code, plan_version, quantity, currency, unit_price, subtotal, tax_treatment, tax_rate_bp, tax, credit_applied,
                    carried_in, carried_out, amount_due, seller, buyer)
                select subscription_id, period_start, period_end, account_id, series, year,
                    last_number - count(*) over (partition by series, year)
                        + row_number() over (partition by series, year order by issued_at, subscription_id, period_start),
                    issued_at, issued_on, plan_code, plan_version, quantity, currency, unit_price, subtotal, tax_treatment, tax_rate_bp, tax,
                    credit_applied, carried_in, carried_out, amount_due, seller, buyer
                from new join taken using (series, year)
                """);
    }

    private static NpgsqlBatchCommand? Voided(List<(Passes.Decision Decision, Invoice Invoice)> rows, SellerIdentity seller)
    {
        if (rows.Count == 0)
        {
            return null;
        }
        var (zone, fingerprint) = (ZoneData.Current[seller.TimeZone], seller.Fingerprint);
        return new RowSet<(Passes.Decision Decision, Invoice Invoice)>(rows)
            .Text("series", _ => seller.CreditNoteSeries)
            .Date("issued_on", r => LocalClock.LocalDateOf(r.Decision.Now, zone))
            .Moment("issued_at", r => r.Decision.Now)
            .Text("seller", _ => fingerprint)
            .Text("account_id", r => r.Decision.After.Id)
            .Text("subscription_id", r => r.Invoice.SubscriptionId)
            .Date("period_start", r => r.Invoice.PeriodStart)
            .Statement(
                """
                with new as (
                    select *, extract(year from issued_on)::int as year from {rows}
                ), taken as (
                    insert into dunning.invoice_series as s (series, year, last_number)
                    select series, year, count(*) from new group by series, year order by series, year
                    on conflict (series, year) do update set last_number = s.last_number + excluded.last_number
                    returning series, year, last_number
                )
                insert into dunning.credit_note (series, year, number, account_id, subscription_id, period_start, issued_at, issued_on, seller)
                select series, year,
                    last_number - count(*) over (partition by series, year)
                        + row_number() over (partition by series, year order by issued_at, subscription_id, period_start),
                    account_id, subscription_id, period_start, issued_at, issued_on, seller
                from new join taken using (series, year)
                """);
    }
}
