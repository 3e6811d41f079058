using System.Globalization;
using Dapper;
using Dunning.Model;
using Dunning.Passes;
using NodaTime;
using Npgsql;
using NpgsqlTypes;

namespace Dunning.Postgres;

/// <summary>A new account with when it is due and a hash of the line that it came from.</summary>
public sealed record ImportedAccount(AccountFile File, DueTimes Due, string Hash);

/// <summary>
/// Writes new accounts: binary COPY, a thousand at a time so that memory stays flat, all of it in one transaction so that nothing is half in.
/// </summary>
public sealed class PostgresImporter(NpgsqlDataSource source)
{
    private const int BatchSize = 1000;

    /// <summary>Imports all of them or, when it throws, none. Returns how many.</summary>
    /// <exception cref="PostgresException">An id is there already, or an invariant is broken.</exception>
    public async Task<long> ImportAsync(IAsyncEnumerable<ImportedAccount> accounts, CancellationToken ct)
    {
        var done = 0L;
        await using var connection = await source.OpenConnectionAsync(ct);
        await using (var transaction = await connection.BeginTransactionAsync(ct))
        {
            var batch = new List<ImportedAccount>(BatchSize);
            await foreach (var account in accounts.WithCancellation(ct))
            {
                Check(account.File);
                batch.Add(account);
                if (batch.Count == BatchSize)
                {
                    await CopyAsync(connection, batch, ct);
                    done += batch.Count;
                    batch.Clear();
                }
            }
            if (batch.Count > 0)
            {
                await CopyAsync(connection, batch, ct);
                done += batch.Count;
            }
            await transaction.CommitAsync(ct);
        }
        await AnalyzeAsync(connection, ct);
        return done;
    }

    /// <summary>Which of these accounts are there already, with the hash of the line that they came from; null: erased since.</summary>
    public async Task<IReadOnlyDictionary<string, string?>> ExistingHashesAsync(IReadOnlyCollection<string> ids, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return (await connection.QueryAsync<(string Id, string? Hash)>(new CommandDefinition(
            "select id, import_hash from dunning.account where id = any(@ids)", new { ids = ids.ToArray() }, cancellationToken: ct)))
            .ToDictionary(r => r.Id, r => r.Hash, StringComparer.Ordinal);
    }

    /// <summary>Which of these subscription ids are taken, and by which account: they are unique among all accounts.</summary>
    public async Task<IReadOnlyDictionary<string, string>> ExistingSubscriptionsAsync(IReadOnlyCollection<string> ids, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return (await connection.QueryAsync<(string Id, string Account)>(new CommandDefinition(
            "select id, account_id from dunning.subscription where id = any(@ids)", new { ids = ids.ToArray() }, cancellationToken: ct)))
            .ToDictionary(r => r.Id, r => r.Account, StringComparer.Ordinal);
    }

    // The planner knows nothing of a table that was just filled.
    private static async Task AnalyzeAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        foreach (var table in new[] { "account", "contact", "payment_method", "subscription", "due" })
        {
            await connection.ExecuteAsync(new CommandDefinition($"analyze dunning.{table}", commandTimeout: 0, cancellationToken: ct));
        }
    }

    private static void Check(AccountFile file)
    {
        if (!file.Invoices.IsEmpty || !file.Charges.IsEmpty || !file.Mails.IsEmpty || file.EventCount != 0)
        {
            throw new ArgumentException($"account '{file.Id}' has a history: an import makes new accounts only", nameof(file));
        }
    }

    private static async Task CopyAsync(NpgsqlConnection connection, List<ImportedAccount> batch, CancellationToken ct)
    {
        await CopyAsync(
            connection,
            "account (id, name, legal_name, country, time_zone, currency, locale, line1, line2, postal_code, city, vat_number, gateway_customer, "
                + "legal_hold, credit, last_event_at, mail_count, contact_count, version, import_hash)",
            batch,
            (row, a) => row
                .Text(a.File.Id).Text(a.File.Name).Text(a.File.LegalName).Text(a.File.Country).Text(a.File.TimeZone).Text(a.File.Currency.Code)
                .Text(a.File.Locale).Text(a.File.Address.Line1).Text(a.File.Address.Line2).Text(a.File.Address.PostalCode).Text(a.File.Address.City)
                .Text(a.File.VatNumber).Text(a.File.GatewayCustomer).Flag(a.File.LegalHold).Long(a.File.Credit).Moment(a.File.LastEventAt)
                .Int(a.File.MailCount).Int(a.File.ContactCount).Long(a.File.Version).Text(a.Hash),
            ct);
        await CopyAsync(
            connection,
            "contact (account_id, number, email, name, role, locale, frequency)",
            batch.SelectMany(a => a.File.Contacts.Select(c => (a.File.Id, Contact: c))),
            (row, c) => row
                .Text(c.Id).Int(c.Contact.Number).Text(c.Contact.Email).Text(c.Contact.Name).Text(Texts.Role[c.Contact.Role]).Text(c.Contact.Locale)
                .Text(Texts.Frequency[c.Contact.Frequency]),
            ct);
        await CopyAsync(
            connection,
            "payment_method (account_id, id, generation, token, expires, is_default, is_backup, brand, last4, state, authenticated, known_at, expiry_reminder_sent)",
            batch.SelectMany(a => a.File.Methods.Select(m => (a.File.Id, Method: m))),
            (row, m) => row
                .Text(m.Id).Text(m.Method.Id).Int(m.Method.Generation).Text(m.Method.Token).Date(m.Method.Expires.FirstDay()).Flag(m.Method.IsDefault)
                .Flag(m.Method.IsBackup).Text(m.Method.Brand).Text(m.Method.Last4).Text(Texts.Method[m.Method.State]).Flag(m.Method.Authenticated)
                .Moment(m.Method.KnownAt).Flag(m.Method.ExpiryReminderSent),
            ct);
        await CopyAsync(
            connection,
            "subscription (id, account_id, plan_code, interval_unit, interval_count, quantity, anchor, renews_on, renews_on_known_at, auto_renew, "
                + "cancel_at_period_end, state, pending_plan, last_renewed_on, reminders_sent, cancel_kept)",
            batch.SelectMany(a => a.File.Subscriptions.Select(s => (a.File.Id, Subscription: s))),
            (row, s) => row
                .Text(s.Subscription.Id).Text(s.Id).Text(s.Subscription.PlanCode).Text(Texts.Unit[s.Subscription.Interval.Unit])
                .Int(s.Subscription.Interval.Count).Int(s.Subscription.Quantity).Date(s.Subscription.Anchor.Date()).Date(s.Subscription.RenewsOn.Date())
                .Moment(s.Subscription.RenewsOnKnownAt).Flag(s.Subscription.AutoRenew).Flag(s.Subscription.CancelAtPeriodEnd)
                .Text(Texts.Subscription[s.Subscription.State]).Text(s.Subscription.PendingPlan).Date(s.Subscription.LastRenewedOn.Date())
                .Int(s.Subscription.RemindersSent).Flag(s.Subscription.CancelKept),
            ct);
        await CopyAsync(
            connection,
            "due (account_id, pass, at)",
            batch.SelectMany(a => Texts.Pass.Values.Where(p => a.Due[p] is not null).Select(p => (a.File.Id, Pass: p, At: a.Due[p]!.Value))),
            (row, d) => row.Text(d.Id).Text(Texts.Pass[d.Pass]).Moment(d.At),
            ct);
    }

    private static async Task CopyAsync<T>(
        NpgsqlConnection connection, string into, IEnumerable<T> rows, Action<CopyRow, T> write, CancellationToken ct)
    {
        await using var copy = await connection.BeginBinaryImportAsync(
            string.Create(CultureInfo.InvariantCulture, $"copy dunning.{into} from stdin (format binary)"), ct);
        var row = new CopyRow(copy);
        foreach (var item in rows)
        {
            // Into the writer's buffer, which it flushes as it fills.
            copy.StartRow();
            write(row, item);
        }
        await copy.CompleteAsync(ct);
    }

    private sealed class CopyRow(NpgsqlBinaryImporter copy)
    {
        public CopyRow Text(string? value) => Write(value, NpgsqlDbType.Text);

        public CopyRow Int(int value) => Write(value, NpgsqlDbType.Integer);

        public CopyRow Long(long value) => Write(value, NpgsqlDbType.Bigint);

        public CopyRow Flag(bool value) => Write(value, NpgsqlDbType.Boolean);

        public CopyRow Moment(Instant value) => Write(value.Utc(), NpgsqlDbType.TimestampTz);

        public CopyRow Date(DateOnly? value)
        {
            if (value is { } date)
            {
                return Write(date, NpgsqlDbType.Date);
            }
            copy.WriteNull();
            return this;
        }

        private CopyRow Write<V>(V? value, NpgsqlDbType type)
        {
            if (value is null)
            {
                copy.WriteNull();
            }
            else
            {
                copy.Write(value, type);
            }
            return this;
        }
    }
}
