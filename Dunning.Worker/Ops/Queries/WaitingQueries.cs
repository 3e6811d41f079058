using Dapper;
using Dunning.Model;
using Dunning.Passes;
using Dunning.Postgres;
using Dunning.Rules;
using NodaTime;
using Npgsql;

namespace Dunning.Ops.Queries;

/// <summary>Something that waits for a guard.</summary>
/// <param name="Account">Of which account.</param>
/// <param name="Name">Its name.</param>
/// <param name="What">What would be done: <c>suspension</c>, <c>purge</c> or <c>erasure</c>; of a mail null.</param>
/// <param name="Template">Of a mail.</param>
/// <param name="Owed">What the account owes; of a mail null.</param>
internal sealed record WaitingRow(string Account, string Name, string? What, string? Template, Money? Owed);

/// <summary>What waits for a guard: how many, and the first of them.</summary>
internal sealed record Waiting(long Count, IReadOnlyList<WaitingRow> Rows);

/// <summary>
/// What would be done of a guard's kind if it let everything go on now. Candidates are found by <c>due</c>; whether they are any is said by the rules, on their
/// files as they stand. Nothing is locked or changed.
/// </summary>
internal sealed class WaitingQueries(NpgsqlDataSource source)
{
    private const int AtOnce = 500;

    // A page must come in time, and nobody reads more.
    private const int Candidates = 2000;

    /// <summary>How many, and at most so many of them, the longest due first.</summary>
    public async Task<Waiting> OfAsync(GuardKinds kind, Rulebook book, Instant now, int limit, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return kind switch
        {
            GuardKinds.Mails => await MailsAsync(connection, now, limit, ct),
            GuardKinds.Purges => await AccountsAsync(connection, PassKind.Purge, file => PurgeOf(file, now, book), now, limit, ct),
            _ => await AccountsAsync(connection, PassKind.Dun, file => SuspensionOf(file, now, book), now, limit, ct),
        };
    }

    private static async Task<Waiting> MailsAsync(NpgsqlConnection connection, Instant now, int limit, CancellationToken ct)
    {
        var values = new { until = (now + Forecast.GuardWait).Utc(), limit };
        var count = await connection.ExecuteScalarAsync<long>(new CommandDefinition(
            "select count(*) from dunning.outbox where state in ('pending', 'held') and state = 'pending' and coalesce(next_try_at, decided_at) <= @until", values, cancellationToken: ct));
        var rows = await connection.QueryAsync<(string Account, string Name, string Template)>(new CommandDefinition(
            """
            select o.account_id, a.name, o.template
            from (
                select account_id, mail_number, contact, template, decided_at from dunning.outbox
                where state in ('pending', 'held') and state = 'pending' and coalesce(next_try_at, decided_at) <= @until
                order by decided_at, account_id, mail_number, contact limit @limit) o
            join dunning.account a on a.id = o.account_id
            order by o.decided_at, o.account_id, o.mail_number, o.contact
            """,
            values, cancellationToken: ct));
        return new Waiting(count, [.. rows.Select(r => new WaitingRow(r.Account, r.Name, null, r.Template, null))]);
    }

    private async Task<Waiting> AccountsAsync(
        NpgsqlConnection connection, PassKind pass, Func<AccountFile, WaitingRow?> rowOf, Instant now, int limit, CancellationToken ct)
    {
        var ids = await connection.QueryAsync<string>(new CommandDefinition(
            "select account_id from dunning.due where pass = @pass and at <= @until order by at, account_id limit @Candidates",
            new { pass = Texts.Pass[pass], until = (now + Forecast.GuardWait).Utc(), Candidates }, cancellationToken: ct));
        var rows = new List<WaitingRow>();
        foreach (var some in ids.Chunk(AtOnce))
        {
            var files = await new PostgresFiles(source).FilesAsync(some, ct);
            rows.AddRange(some.Where(files.ContainsKey).Select(id => rowOf(files[id])).OfType<WaitingRow>());
        }
        return new Waiting(rows.Count, rows.Take(limit).ToList());
    }

    private static WaitingRow? SuspensionOf(AccountFile file, Instant now, Rulebook book) =>
        Forecast.Of(file, now, book).Any(p => p is { Kind: ProspectKind.Step, StepDoes.Suspend: true, Obstacles.IsEmpty: true } && p.At <= now)
            ? new WaitingRow(file.Id, file.Name, "suspension", null, file.Owed) : null;

    private static WaitingRow? PurgeOf(AccountFile file, Instant now, Rulebook book) =>
        PurgeForecast.Of(file, now, book) is { Does: PurgeAct.Purge or PurgeAct.EraseClosed, Obstacles.IsEmpty: true } ahead && ahead.At <= now
            ? new WaitingRow(file.Id, file.Name, ahead.Does == PurgeAct.Purge ? "purge" : "erasure", null, ahead.Unpaid) : null;
}
