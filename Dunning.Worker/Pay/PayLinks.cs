using System.Security.Cryptography;
using Dapper;
using Dunning.Mail;
using Dunning.Model;
using Dunning.Postgres;
using NodaTime;
using Npgsql;

namespace Dunning.Pay;

/// <summary>
/// Signs the links in mails and checks those that come back. The keys stand in the database, so that every server signs alike and a copy made elsewhere
/// knows them all: a mail's link is the same however often the mail is rendered.
/// </summary>
public sealed class PayLinks(NpgsqlDataSource source, LinkSettings settings, TimeProvider time)
{
    private volatile Key? _current;

    /// <summary>Path of the pages that links open.</summary>
    public const string Path = "/pay/";

    /// <summary>Takes the newest key, which is made when there is none. Before mails are rendered: a key may have been added meanwhile.</summary>
    public async Task LoadAsync(CancellationToken ct)
    {
        if (settings.PublicUrl is not null)
        {
            _current = await NewestAsync(ct) ?? await AddKeyAsync(isFirst: true, dropsOthers: false, ct);
        }
    }

    /// <summary>The link of a mail's button; null where it is not ours to say, or there are no links.</summary>
    public string? LinkOf(AccountFile account, Model.Mail mail, Recipient recipient) => PurposeOf(mail) is { } purpose
        ? LinkOf(LinkFor(account, purpose, recipient.Contact, mail.DecidedAt)) : null;

    /// <summary>The address of a link; null where there are none.</summary>
    public string? LinkOf(PayLink link) => _current is { } key && settings.PageAt(Path + link.Sign(key.Number, key.Secret)) is { } page ? page.AbsoluteUri : null;

    /// <summary>What a contact needs: the method that waits for them, else another one.</summary>
    public static PayLink LinkFor(AccountFile account, LinkPurpose purpose, int contact, Instant at)
    {
        var method = purpose == LinkPurpose.Confirm ? Waiting(account) : account.DefaultMethod;
        // Seconds stand in the token.
        return new PayLink(account.Id, contact, method is null && purpose == LinkPurpose.Confirm ? LinkPurpose.Debt : purpose, method?.Ref,
            Instant.FromUnixTimeSeconds(at.ToUnixTimeSeconds()));
    }

    /// <summary>A method whose payments wait for the customer, the default before backups; null when none does.</summary>
    public static PaymentMethod? Waiting(AccountFile account) => account.Methods.Where(m => m is { State: MethodState.Waiting, IsRetired: false })
        .OrderByDescending(m => m.IsDefault).ThenBy(m => m.Id, StringComparer.Ordinal).FirstOrDefault();

    /// <summary>What a token says, or null when it is none of ours. Keys are read anew, so that one that was dropped is dead at once.</summary>
    public async Task<PayLink?> FindAsync(string token, CancellationToken ct)
    {
        if (PayLink.KeyNumberOf(token) is not { } number)
        {
            return null;
        }
        await using var connection = await source.OpenConnectionAsync(ct);
        var secret = await connection.ExecuteScalarAsync<byte[]?>(new CommandDefinition(
            "select secret from dunning.link_key where number = @number", new { number }, cancellationToken: ct));
        return secret is null ? null : PayLink.Check(token, secret);
    }

    /// <summary>Whether what an account was given at an instant is dead by now.</summary>
    public async Task<bool> IsRevokedAsync(string account, Instant given, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return await connection.ExecuteScalarAsync<bool>(new CommandDefinition(
            "select exists(select from dunning.link_revocation where account_id = @account and revoked_at >= @given)",
            new { account, given = given.Utc() }, cancellationToken: ct));
    }

    /// <summary>Ends every link that an account was given so far. False: there is no such account.</summary>
    public async Task<bool> RevokeAsync(string account, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return await connection.ExecuteAsync(new CommandDefinition(
            """
            insert into dunning.link_revocation (account_id, revoked_at) select id, @now from dunning.account where id = @account
            on conflict (account_id) do update set revoked_at = excluded.revoked_at
            """,
            new { account, now = Now().Utc() }, cancellationToken: ct)) > 0;
    }

    /// <summary>Adds a key, with which links are signed from then on. Those of older keys stay good unless these are dropped.</summary>
    public async Task<int> RotateAsync(bool dropsOthers, CancellationToken ct) => (await AddKeyAsync(isFirst: false, dropsOthers, ct)).Number;

    private async Task<Key> AddKeyAsync(bool isFirst, bool dropsOthers, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        // Servers that start at once make one key between them.
        await connection.ExecuteAsync(new CommandDefinition("lock table dunning.link_key in exclusive mode", transaction: transaction, cancellationToken: ct));
        if (isFirst && await NewestAsync(connection, ct) is { } made)
        {
            return made;
        }
        var key = await connection.QuerySingleAsync<Key>(new CommandDefinition(
            """
            insert into dunning.link_key (number, secret, made_at) select coalesce(max(number), 0) + 1, @secret, @now from dunning.link_key
            returning number, secret
            """,
            new { secret = RandomNumberGenerator.GetBytes(PayLink.KeyBytes), now = Now().Utc() }, transaction, cancellationToken: ct));
        if (dropsOthers)
        {
            await connection.ExecuteAsync(new CommandDefinition(
                "delete from dunning.link_key where number < @Number", new { key.Number }, transaction, cancellationToken: ct));
        }
        await transaction.CommitAsync(ct);
        return key;
    }

    private async Task<Key?> NewestAsync(CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return await NewestAsync(connection, ct);
    }

    private static Task<Key?> NewestAsync(NpgsqlConnection connection, CancellationToken ct) => connection.QuerySingleOrDefaultAsync<Key?>(
        new CommandDefinition("select number, secret from dunning.link_key order by number desc limit 1", cancellationToken: ct));

    private Instant Now() => Instant.FromDateTimeOffset(time.GetUtcNow());

    private static LinkPurpose? PurposeOf(Model.Mail mail) => MailActs.KeyOf(mail.Template, mail.Facts.Code) switch
    {
        "pay" when mail.Template == MailTemplates.CardExpiring => LinkPurpose.Card,
        "pay" or "add" => LinkPurpose.Debt,
        "authenticate" => LinkPurpose.Confirm,
        _ => null,
    };

    private sealed record Key(int Number, byte[] Secret);
}
