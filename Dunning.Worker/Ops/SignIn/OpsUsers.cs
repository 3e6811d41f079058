using System.Text;
using System.Text.RegularExpressions;
using Dapper;
using Dunning.Ops.Frame;
using Dunning.Postgres;
using NodaTime;
using Npgsql;

namespace Dunning.Ops.SignIn;

/// <summary>One local user.</summary>
/// <param name="Name">In small letters.</param>
/// <param name="Role">One of <see cref="OpsRoles"/>.</param>
/// <param name="IsDisabled">May not sign in.</param>
/// <param name="MadeAt">Since when there is such a user.</param>
/// <param name="Sessions">That are open now.</param>
internal sealed record OpsUserRow(string Name, string Role, bool IsDisabled, DateTime MadeAt, int Sessions);

/// <summary>The local users. What changes one ends its sessions, in the same commit.</summary>
internal sealed partial class OpsUsers(NpgsqlDataSource source, TimeProvider time)
{
    /// <summary>A name as it is kept, in small letters so that nobody is there twice; null: it can't be one.</summary>
    public static string? NameOf(string? typed) => typed?.Trim().ToLowerInvariant() is { } name && Name().IsMatch(name) && !IsReserved(name) ? name : null;

    /// <summary>Whether the trail calls something else so than a person, or nearly so.</summary>
    public static bool IsReserved(string name) => Plain(name) is var plain
        && (plain.Equals(AuditAct.Itself, StringComparison.OrdinalIgnoreCase) || plain.Equals(OpsSessions.TokenName, StringComparison.OrdinalIgnoreCase));

    /// <summary>Adds one, or, with <paramref name="replaces"/>, gives the one that is there another role and password and lets it in again.</summary>
    /// <returns>False: there is one of that name.</returns>
    public async Task<bool> AddAsync(Mandate mandate, string name, OpsRole role, string password, bool replaces, CancellationToken ct)
    {
        var kept = Password.Hash(password);
        return await ChangeAsync(mandate, AuditAct.AddUser, name, (connection, transaction) => connection.ExecuteAsync(new CommandDefinition(
            $"""
            insert into dunning.ops_user (name, role, password, made_at, changed_at) values (@name, @role, @kept, @now, @now)
            on conflict (name) do {(replaces ? "update set role = excluded.role, password = excluded.password, is_disabled = false, changed_at = excluded.changed_at" : "nothing")}
            """,
            new { name, role = OpsRoles.NameOf(role), kept, now = Now() }, transaction, cancellationToken: ct)), ct);
    }

    /// <summary>Gives one another password.</summary>
    /// <returns>False: there is none of that name.</returns>
    public async Task<bool> ChangePasswordAsync(Mandate mandate, string name, string password, CancellationToken ct)
    {
        var kept = Password.Hash(password);
        return await ChangeAsync(mandate, AuditAct.ChangePassword, name, (connection, transaction) => connection.ExecuteAsync(new CommandDefinition(
            "update dunning.ops_user set password = @kept, changed_at = @now where name = @name", new { name, kept, now = Now() }, transaction, cancellationToken: ct)), ct);
    }

    /// <summary>Lets one in no more.</summary>
    /// <returns>False: there is none of that name.</returns>
    public Task<bool> DisableAsync(Mandate mandate, string name, CancellationToken ct) =>
        ChangeAsync(mandate, AuditAct.DisableUser, name, (connection, transaction) => connection.ExecuteAsync(new CommandDefinition(
            "update dunning.ops_user set is_disabled = true, changed_at = @now where name = @name", new { name, now = Now() }, transaction, cancellationToken: ct)), ct);

    /// <summary>Ends the sessions of one name, or of everybody: those of an identity provider's people, too, whom nothing else here ends.</summary>
    /// <returns>How many have ended.</returns>
    public async Task<int> SignOutAsync(Mandate mandate, string? name, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        var ended = await connection.ExecuteAsync(new CommandDefinition(
            "delete from dunning.ops_session where @name::text is null or name = @name", new { name }, transaction, cancellationToken: ct));
        await Audit.WriteAsync(connection, transaction, At(), mandate, AuditAct.EndSessions, name ?? "everybody", ct);
        await transaction.CommitAsync(ct);
        return ended;
    }

    /// <summary>Whether a name, in any case, is a local user's.</summary>
    public async Task<bool> IsLocalAsync(string name, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return await connection.ExecuteScalarAsync<bool>(new CommandDefinition(
            "select exists (select from dunning.ops_user where name = @name)", new { name = NameOf(Plain(name)) ?? "" }, cancellationToken: ct));
    }

    /// <summary>All of them, by name.</summary>
    public async Task<IReadOnlyList<OpsUserRow>> ListAsync(CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return [.. await connection.QueryAsync<OpsUserRow>(new CommandDefinition(
            """
            select u.name, u.role, u.is_disabled, u.made_at, (select count(*) from dunning.ops_session s where s.local_user = u.name and s.ends_at > @now)::int as sessions
            from dunning.ops_user u order by u.name
            """,
            new { now = Now() }, cancellationToken: ct))];
    }

    private async Task<bool> ChangeAsync(
        Mandate mandate, string act, string name, Func<NpgsqlConnection, NpgsqlTransaction, Task<int>> change, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        if (await change(connection, transaction) == 0)
        {
            return false;
        }
        // The first user closes the way in by token, for those who are in, too; and who was made to wait by somebody's guesses need not.
        await connection.ExecuteAsync(new CommandDefinition(
            """
            delete from dunning.ops_session where local_user = @name or kind = 'token';
            delete from dunning.ops_failure where subject = @subject;
            """,
            new { name, subject = SignInLimits.SubjectOf(name) }, transaction, cancellationToken: ct));
        await Audit.WriteAsync(connection, transaction, At(), mandate, act, name, ct);
        await transaction.CommitAsync(ct);
        return true;
    }

    private Instant At() => Instant.FromDateTimeOffset(time.GetUtcNow());

    private DateTime Now() => At().Utc();

    // Wide letters and the like as plain ones.
    private static string Plain(string name) => name.Normalize(NormalizationForm.FormKC).Trim();

    [GeneratedRegex("^[a-z0-9][a-z0-9._@-]{0,63}$", RegexOptions.CultureInvariant)]
    private static partial Regex Name();
}
