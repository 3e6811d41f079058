using System.Security.Cryptography;
using Dapper;
using Dunning.Ops.Frame;
using Dunning.Postgres;
using Microsoft.AspNetCore.WebUtilities;
using NodaTime;
using Npgsql;

namespace Dunning.Ops.SignIn;

/// <summary>One session that is open.</summary>
internal sealed record OpsSessionRow(
    string Name, string Role, string Kind, string Language, string? Flash, bool IsFault, DateTime BeganAt, DateTime SeenAt, DateTime EndsAt);

/// <summary>
/// Who is signed in, in the database: every server knows every session, and ending one ends it on all of them at once. A session's id is 256 random bits that
/// only the browser has.
/// </summary>
internal sealed class OpsSessions(NpgsqlDataSource source, OpsSettings settings, TimeProvider time)
{
    /// <summary>Who signs in by the one-time token has no name of their own.</summary>
    public const string TokenName = "one-time token";

    /// <summary>The reason in the audit for a sign-in, which asks for none.</summary>
    public const string SignedIn = "signed in";

    private const int IdBytes = 32;

    // A page of many parts is one look, not many writes.
    private static readonly Duration s_seenAgain = Duration.FromMinutes(1);

    /// <summary>Of an id that looks like one, its bytes.</summary>
    public static byte[]? IdOf(string? cookie)
    {
        if (cookie is not { Length: 43 })
        {
            return null;
        }
        try
        {
            return WebEncoders.Base64UrlDecode(cookie) is { Length: IdBytes } id ? id : null;
        }
        catch (FormatException)
        {
            return null;
        }
    }

    /// <summary>What the forms of a session hold. Who knows it does not know the id, nor what another session's forms hold.</summary>
    public static string FormTokenOf(byte[] id) => WebEncoders.Base64UrlEncode(HMACSHA256.HashData(id, "form"u8));

    /// <summary>Whether anybody is set up, and the session of that id if it is open.</summary>
    /// <param name="id">Of the session; null: there is none.</param>
    /// <param name="ct">Gives up.</param>
    /// <param name="isByItself">A page asks while nobody does anything: that keeps no session open.</param>
    public async Task<(bool HasUsers, OpsSessionRow? Session)> FindAsync(byte[]? id, CancellationToken ct, bool isByItself = false)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        var hasUsers = settings.Oidc is not null || await connection.ExecuteScalarAsync<bool>(new CommandDefinition(
            "select exists (select from dunning.ops_user)", cancellationToken: ct));
        if (id is null)
        {
            return (hasUsers, null);
        }
        var (now, hash) = (Now(), SHA256.HashData(id));
        var session = await connection.QuerySingleOrDefaultAsync<OpsSessionRow>(new CommandDefinition(
            """
            select s.name, coalesce(u.role, s.role) as role, s.kind, s.language, s.flash, s.is_fault, s.began_at, s.seen_at, s.ends_at
            from dunning.ops_session s left join dunning.ops_user u on u.name = s.local_user
            where s.id_hash = @hash and s.ends_at > @now and s.seen_at > @idle and s.began_at <= @ahead and u.is_disabled is not true
                and (s.kind <> 'token' or not @hasUsers) and (s.kind <> 'oidc' or @hasOidc)
            """,
            new
            {
                hash,
                now = now.Utc(),
                idle = (now - settings.Idle).Utc(),
                // A clock that was set back does not make a session younger than it can be.
                ahead = (now + settings.Lasts).Utc(),
                hasUsers,
                hasOidc = settings.Oidc is not null,
            },
            cancellationToken: ct));
        if (session is not null && !isByItself && now - session.SeenAt.Instant() > s_seenAgain)
        {
            await connection.ExecuteAsync(new CommandDefinition(
                "update dunning.ops_session set seen_at = @now where id_hash = @hash and seen_at < @now", new { hash, now = now.Utc() }, cancellationToken: ct));
        }
        return (hasUsers, session);
    }

    /// <summary>Opens one, with an id that is new whatever the browser sent, and notes in the audit who came in.</summary>
    /// <param name="kind">How they signed in.</param>
    /// <param name="name">As it stands in the trail of what they do.</param>
    /// <param name="localUser">The local user, and what was kept of the password that was right; null: another proves who they are.</param>
    /// <param name="role">What they may do.</param>
    /// <param name="language">Of their pages.</param>
    /// <param name="before">The session that the browser had; it ends.</param>
    /// <param name="ct">Gives up.</param>
    /// <returns>The cookie's value; null: the local user has got another password meanwhile, or may not sign in any more.</returns>
    public async Task<string?> OpenAsync(
        string kind, string name, (string Name, string Password)? localUser, OpsRole role, string language, byte[]? before, CancellationToken ct)
    {
        // The row's lock has whoever changes the user at this moment go first, or find the session and end it.
        var (id, now) = (RandomNumberGenerator.GetBytes(IdBytes), Now());
        await using var connection = await source.OpenConnectionAsync(ct);
        var isOpen = await connection.ExecuteScalarAsync<bool>(new CommandDefinition(
            """
            delete from dunning.ops_session where ends_at <= @now or seen_at <= @idle or id_hash = @before;
            with known as (
                select name from dunning.ops_user where name = @localUser and password = @verified and not is_disabled for share),
            opened as (
                insert into dunning.ops_session (id_hash, kind, name, local_user, role, language, began_at, seen_at, ends_at)
                select @hash, @kind, @name, @localUser, @role, @language, @now, @now, @ends where @localUser::text is null or exists (select from known)
                returning name)
            insert into dunning.audit (at, operator, act, subject, reason) select @now, name, @act, @kind, @reason from opened
            returning true;
            """,
            new
            {
                hash = SHA256.HashData(id),
                before = before is null ? null : SHA256.HashData(before),
                kind,
                name,
                localUser = localUser?.Name,
                verified = localUser?.Password,
                role = OpsRoles.NameOf(role),
                language,
                now = now.Utc(),
                idle = (now - settings.Idle).Utc(),
                ends = (now + settings.Lasts).Utc(),
                act = AuditAct.SignIn,
                reason = SignedIn,
            },
            cancellationToken: ct));
        return isOpen ? WebEncoders.Base64UrlEncode(id) : null;
    }

    /// <summary>Takes a form's own number: false when it was taken before.</summary>
    public async Task<bool> TakeFormAsync(byte[] id, byte[] form, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return await connection.ExecuteAsync(new CommandDefinition(
            "insert into dunning.ops_form (session, form) values (@hash, @form) on conflict do nothing", new { hash = SHA256.HashData(id), form }, cancellationToken: ct)) == 1;
    }

    /// <summary>Ends one.</summary>
    public Task EndAsync(byte[] id, CancellationToken ct) => ExecuteAsync("delete from dunning.ops_session where id_hash = @hash", new { hash = SHA256.HashData(id) }, ct);

    /// <summary>Ends all others of the same person.</summary>
    public Task EndOthersAsync(byte[] id, CancellationToken ct) => ExecuteAsync(
        """
        delete from dunning.ops_session o using dunning.ops_session s
        where s.id_hash = @hash and o.id_hash <> s.id_hash and o.kind = s.kind and o.name = s.name
        """,
        new { hash = SHA256.HashData(id) }, ct);

    /// <summary>Speaks another language from now on.</summary>
    public Task SpeakAsync(byte[] id, string language, CancellationToken ct) =>
        ExecuteAsync("update dunning.ops_session set language = @language where id_hash = @hash", new { hash = SHA256.HashData(id), language }, ct);

    /// <summary>Keeps what is to be told on the next page; null: it has been told.</summary>
    public Task KeepFlashAsync(byte[] id, OpsFlash? flash, CancellationToken ct) => ExecuteAsync(
        "update dunning.ops_session set flash = @text, is_fault = @isFault where id_hash = @hash",
        new { hash = SHA256.HashData(id), text = flash is { Text.Length: > 1000 } ? flash.Text[..1000] : flash?.Text, isFault = flash?.IsFault ?? false }, ct);

    /// <summary>Writes into the audit what somebody is about to do on pages that are not ours and ask for no reason.</summary>
    public async Task NoteAsync(Mandate mandate, string act, string subject, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        await Audit.WriteAsync(connection, null, Now(), mandate, act, subject, ct);
    }

    private async Task ExecuteAsync(string sql, object values, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        await connection.ExecuteAsync(new CommandDefinition(sql, values, cancellationToken: ct));
    }

    private Instant Now() => Instant.FromDateTimeOffset(time.GetUtcNow());
}
