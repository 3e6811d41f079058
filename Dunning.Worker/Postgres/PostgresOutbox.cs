using Dapper;
using NodaTime;
using Npgsql;

namespace Dunning.Postgres;

/// <summary>A mail to one recipient, as the outbox has it. Instants are UTC; no address: the account is erased.</summary>
public sealed record OutboxView(
    string AccountId, int MailNumber, int Contact, string Template, string? Email, string State, int Tries, DateTime DecidedAt, DateTime? NextTryAt, DateTime? SettledAt);

/// <summary>The outbox for operators: what waits, what is dead, and sending again what is.</summary>
public sealed class PostgresOutbox(NpgsqlDataSource source)
{
    /// <summary>Mails in a state, or in any, of an account, or of all; the latest decided first.</summary>
    public async Task<IReadOnlyList<OutboxView>> ListAsync(string? state, string? account, int limit, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return (await connection.QueryAsync<OutboxView>(new CommandDefinition(
            """
            select account_id, mail_number, contact, template, email, state, tries, decided_at, next_try_at, settled_at
            from dunning.outbox
            where (@state::text is null or state = @state) and (@account::text is null or account_id = @account)
            order by decided_at desc, account_id, mail_number, contact
            limit @limit
            """,
            new { state, account, limit }, cancellationToken: ct))).AsList();
    }

    /// <summary>
    /// Makes dead mails pending again, as if they had never been tried: of one account and number, or all there are. The Mail pass then sends those that
    /// are still true. Returns them; an erased account's have no address any more and stay as they are.
    /// </summary>
    public async Task<IReadOnlyList<OutboxView>> ReviveAsync(string? account, int? number, Instant now, CancellationToken ct)
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
            update dunning.outbox o set state = 'pending', tries = 0, next_try_at = @now, settled_at = null where {dead}
            returning account_id, mail_number, contact, template, email, state, tries, decided_at, next_try_at, settled_at
            """,
            parameters, transaction, cancellationToken: ct))).AsList();
        await connection.ExecuteAsync(new CommandDefinition(
            """
            insert into dunning.due (account_id, pass, at) select distinct id, 'mail', @now from unnest(@ids) id
            on conflict (account_id, pass) do update set at = least(dunning.due.at, excluded.at)
            """,
            new { ids = revived.Select(r => r.AccountId).ToArray(), parameters.now }, transaction, cancellationToken: ct));
        await transaction.CommitAsync(ct);
        return revived;
    }
}
