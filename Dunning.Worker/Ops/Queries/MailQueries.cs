using Dapper;
using Dunning.Postgres;
using NodaTime;
using Npgsql;

namespace Dunning.Ops.Queries;

#pragma warning disable CS1591 // rows for one page; their names say what they are

/// <summary>How many mails wait or are dead, by template.</summary>
internal sealed record MailCountRow(string Template, string State, long Count, DateTime Since);

/// <summary>Where a page of mails ends.</summary>
internal sealed record MailCursor(DateTime DecidedAt, string Account, int Mail, int Contact);

#pragma warning restore CS1591

/// <summary>The outbox for the page.</summary>
internal sealed class MailQueries(NpgsqlDataSource source)
{
    /// <summary>States that a mail may be in, those first that somebody should look at.</summary>
    public static IReadOnlyList<string> States { get; } = ["dead", "pending", "held", "accepted", "digested", "dropped"];

    /// <summary>A template that few got would be looked for among all mails that ever were: only so far back.</summary>
    public static readonly Duration Recent = Duration.FromDays(90);

    /// <summary>Whether a list of these goes back no further than <see cref="Recent"/>.</summary>
    public static bool IsRecent(string? state, string? account, string? template) => template is not null && account is null && state is not ("dead" or "pending" or "held");

    /// <summary>What has not left.</summary>
    public async Task<IReadOnlyList<MailCountRow>> CountAsync(CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return (await connection.QueryAsync<MailCountRow>(new CommandDefinition(
            """
            select template, state, count(*) as count, min(decided_at) as since from dunning.outbox where state in ('pending', 'held') group by template, state
            union all
            select template, state, count(*), min(decided_at) from dunning.outbox where state = 'dead' group by template, state
            order by 2, 3 desc, 1
            """,
            cancellationToken: ct))).AsList();
    }

    /// <summary>Mails, the latest decided first, one more than <paramref name="limit"/> where there are more.</summary>
    public async Task<IReadOnlyList<OutboxView>> ListAsync(string? state, string? account, string? template, MailCursor? after, Instant now, int limit, CancellationToken ct)
    {
        string?[] all =
        [
            // What waits is few, and has an index that says so.
            state is "pending" or "held" ? "state in ('pending', 'held')" : null,
            state switch { null => null, "dead" => "state = 'dead'", _ => "state = @state" },
            account is null ? null : "account_id = @account",
            template is null ? null : "template = @template",
            IsRecent(state, account, template) ? "decided_at >= @since" : null,
            after is null ? null : "decided_at <= @DecidedAt and (decided_at < @DecidedAt or (account_id, mail_number, contact) > (@AfterAccount, @Mail, @Contact))",
        ];
        var where = string.Join(" and ", all.OfType<string>());
        await using var connection = await source.OpenConnectionAsync(ct);
        return (await connection.QueryAsync<OutboxView>(new CommandDefinition(
            $"""
            select account_id, mail_number, contact, template, email, state, tries, decided_at, next_try_at, settled_at, detail
            from dunning.outbox {(where.Length == 0 ? "" : "where " + where)}
            order by decided_at desc, account_id, mail_number, contact limit @limit
            """,
            new { state, account, template, since = (now - Recent).Utc(), after?.DecidedAt, AfterAccount = after?.Account, after?.Mail, after?.Contact, limit = limit + 1 }, cancellationToken: ct))).AsList();
    }

    /// <summary>One mail to one recipient as it was decided; null: there is none, or its account is erased.</summary>
    public async Task<Model.Mail?> FindAsync(string account, int mail, int contact, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        var row = await connection.QuerySingleOrDefaultAsync<OutboxRow>(new CommandDefinition(
            """
            select account_id, mail_number, contact, template, decided_at, facts::text as facts, email, name, locale, state, tries, next_try_at, settled_at, detail
            from dunning.outbox where account_id = @account and mail_number = @mail and contact = @contact and email is not null
            """,
            new { account, mail, contact }, cancellationToken: ct));
        return row is null ? null : OutboxRow.ToMail([row]);
    }
}
