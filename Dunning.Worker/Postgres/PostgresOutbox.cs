using Dapper;
using NodaTime;
using Npgsql;

namespace Dunning.Postgres;

/// <summary>A mail to one recipient, as the outbox has it. Instants are UTC; no address: the account is erased.</summary>
public sealed record OutboxView(
    string AccountId, int MailNumber, int Contact, string Template, string? Email, string State, int Tries, DateTime DecidedAt, DateTime? NextTryAt, DateTime? SettledAt,
    string? Detail);

/// <summary>A contact that mail does not reach.</summary>
/// <param name="AccountId">The account.</param>
/// <param name="Number">The contact's number in it.</param>
/// <param name="Email">The address.</param>
/// <param name="BouncedAt">Since when it is known, UTC.</param>
/// <param name="BounceReason">The server's codes.</param>
/// <param name="IsLast">No other contact of the account gets its mails.</param>
public sealed record BouncingView(string AccountId, int Number, string Email, DateTime BouncedAt, string BounceReason, bool IsLast);

/// <summary>A mail that was sent to a contact.</summary>
/// <param name="AccountId">The account.</param>
/// <param name="Contact">The contact's number in it.</param>
/// <param name="Mail">The mail.</param>
public sealed record SentMail(string AccountId, int Contact, Model.Mail Mail);

/// <summary>The outbox for operators: what waits, what is dead, and sending again what is.</summary>
public sealed class PostgresOutbox(NpgsqlDataSource source)
{
    /// <summary>Mails in a state, or in any, of an account, or of all; the latest decided first.</summary>
    public async Task<IReadOnlyList<OutboxView>> ListAsync(string? state, string? account, int limit, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return (await connection.QueryAsync<OutboxView>(new CommandDefinition(
            """
            select account_id, mail_number, contact, template, email, state, tries, decided_at, next_try_at, settled_at, detail
            from dunning.outbox
            where (@state::text is null or state = @state) and (@account::text is null or account_id = @account)
            order by decided_at desc, account_id, mail_number, contact
            limit @limit
            """,
            new { state, account, limit }, cancellationToken: ct))).AsList();
    }

    /// <summary>Contacts in use that mail does not reach, of an account or of all: the latest first.</summary>
    public async Task<IReadOnlyList<BouncingView>> BouncingAsync(string? account, int limit, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return (await connection.QueryAsync<BouncingView>(new CommandDefinition(
            """
            select c.account_id, c.number, c.email, c.bounced_at, c.bounce_reason, not exists (
                select from dunning.contact o
                where o.account_id = c.account_id and not o.removed and o.role in ('owner', 'billing') and o.bounced_at is null) as is_last
            from dunning.contact c
            where c.bounced_at is not null and not c.removed and (@account::text is null or c.account_id = @account)
            order by c.bounced_at desc, c.account_id, c.number
            limit @limit
            """,
            new { account, limit }, cancellationToken: ct))).AsList();
    }

    /// <summary>What was sent to whoever has one of these addresses now: few mails, as one address is a contact of few accounts.</summary>
    public async Task<IReadOnlyList<SentMail>> SentToAsync(IEnumerable<string> addresses, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return [.. (await connection.QueryAsync<OutboxRow>(new CommandDefinition(
            """
            select o.account_id, o.mail_number, o.contact, o.template, o.decided_at, o.facts::text as facts, o.email, o.name, o.locale, o.state, o.tries,
                   o.next_try_at, o.settled_at, o.detail
            from dunning.contact c
            join dunning.outbox o on o.account_id = c.account_id and o.contact = c.number
            where lower(c.email) = any(@addresses) and not c.removed and o.email is not null
            """,
            new { addresses = addresses.Select(a => a.ToLowerInvariant()).ToArray() }, cancellationToken: ct)))
            .Select(r => new SentMail(r.AccountId, r.Contact, OutboxRow.ToMail([r])))];
    }

    /// <summary>The number of the contact in use with that address; null: there is none, or no such account.</summary>
    public async Task<int?> ContactAsync(string account, string email, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return await connection.QuerySingleOrDefaultAsync<int?>(new CommandDefinition(
            "select number from dunning.contact where account_id = @account and lower(email) = lower(@email) and not removed",
            new { account, email }, cancellationToken: ct));
    }

    /// <summary>
    /// Makes dead mails pending again, as if they had never been tried: of one account and number, or all there are. The Mail pass then sends those that
    /// are still true. Returns them; an erased account's have no address any more and stay as they are. What is to be noted of it is, in the same transaction.
    /// </summary>
    public async Task<IReadOnlyList<OutboxView>> ReviveAsync(
        string? account, int? number, Instant now, Func<NpgsqlConnection, NpgsqlTransaction, Task> note, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        const string dead = "o.state = 'dead' and o.email is not null and (@account::text is null or o.account_id = @account) and (@number::int is null or o.mail_number = @number)";
        // Whole seconds, as a pass counts: else one within the same second would not find them.
        var parameters = new { account, number, now = Instant.FromUnixTimeSeconds(now.ToUnixTimeSeconds()).ToDateTimeUtc() };
        // Under the accounts' locks, in the order in which passes take them.
        await connection.ExecuteAsync(new CommandDefinition(
            $"select a.id from dunning.account a where a.id in (select o.account_id from dunning.outbox o where {dead}) order by a.id for no key update",
            parameters, transaction, cancellationToken: ct));
        var revived = (await connection.QueryAsync<OutboxView>(new CommandDefinition(
            $"""
            update dunning.outbox o set state = 'pending', tries = 0, next_try_at = @now, settled_at = null, detail = null where {dead}
            returning account_id, mail_number, contact, template, email, state, tries, decided_at, next_try_at, settled_at, detail
            """,
            parameters, transaction, cancellationToken: ct))).AsList();
        await connection.ExecuteAsync(new CommandDefinition(
            """
            insert into dunning.due (account_id, pass, at) select distinct id, 'mail', @now from unnest(@ids) id
            on conflict (account_id, pass) do update set at = least(dunning.due.at, excluded.at)
            """,
            new { ids = revived.Select(r => r.AccountId).ToArray(), parameters.now }, transaction, cancellationToken: ct));
        if (revived.Count > 0)
        {
            await note(connection, transaction);
        }
        await transaction.CommitAsync(ct);
        return revived;
    }
}
