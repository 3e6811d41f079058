using Dapper;
using Dunning.Postgres;
using NodaTime;
using Npgsql;

namespace Dunning.Ops;

/// <summary>Writes <c>dunning.audit</c>: what belongs to no account's trail.</summary>
internal static class Audit
{
    /// <summary>Adds a row, in the transaction of what it tells of, where there is one.</summary>
    /// <param name="connection">An open one.</param>
    /// <param name="transaction">Null: at once.</param>
    /// <param name="at">When.</param>
    /// <param name="mandate">Who, and why.</param>
    /// <param name="act">One of <see cref="AuditAct"/>.</param>
    /// <param name="subject">To what; nothing personal.</param>
    /// <param name="ct">Gives up.</param>
    public static Task WriteAsync(
        NpgsqlConnection connection, NpgsqlTransaction? transaction, Instant at, Mandate mandate, string act, string? subject, CancellationToken ct) =>
        connection.ExecuteAsync(new CommandDefinition(
            "insert into dunning.audit (at, operator, act, subject, reason) values (@at, @Operator, @act, @subject, @Reason)",
            new { at = at.Utc(), mandate.Operator, act, subject, mandate.Reason }, transaction, cancellationToken: ct));
}
