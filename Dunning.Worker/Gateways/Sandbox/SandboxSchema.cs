using Dapper;
using Npgsql;

namespace Dunning.Gateways.Sandbox;

/// <summary>
/// The sandbox's tables. They stand for another company's database: their schema is their own, nothing of ours refers to them, and no
/// transaction of ours touches them.
/// </summary>
public static class SandboxSchema
{
    // Any number that no other advisory lock of ours uses: the letters "sandbox".
    private const long LockKey = 0x73616e64626f78;

    /// <summary>Makes the tables where they are missing. Safe when several processes do so at once.</summary>
    public static async Task CreateAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        // "if not exists" asks for the right to create even where there is nothing to do, which a service's role need not have.
        if (await ExistsAsync(connection, ct))
        {
            return;
        }
        await using var transaction = await connection.BeginTransactionAsync(ct);
        await connection.ExecuteAsync(new CommandDefinition(
            "select pg_advisory_xact_lock(@LockKey)", new { LockKey }, transaction, cancellationToken: ct));
        await connection.ExecuteAsync(new CommandDefinition(Tables, transaction: transaction, cancellationToken: ct));
        await transaction.CommitAsync(ct);
    }

    private static async Task<bool> ExistsAsync(NpgsqlConnection connection, CancellationToken ct) =>
        await connection.QuerySingleAsync<bool>(new CommandDefinition(
            "select to_regclass('sandbox.fence') is not null and to_regclass('sandbox.hold') is not null", cancellationToken: ct));

    // Counts change at every call: the free space keeps their updates on the page (and out of the index).
    private const string Tables =
        """
        create schema if not exists sandbox;

        create table if not exists sandbox.method (
            account_id text    not null,
            id         text    not null,
            generation integer not null,
            calls      bigint  not null check (calls >= 0),
            detached   boolean not null default false,
            primary key (account_id, id, generation)
        ) with (fillfactor = 70);

        create table if not exists sandbox.call (
            key         text    primary key,
            account_id  text    not null,
            method_id   text    not null,
            generation  integer not null,
            amount      bigint  not null check (amount > 0),
            currency    text    not null,
            outcome     text    not null check (outcome in ('succeeded', 'declined')),
            code        text    check ((code is null) = (outcome = 'succeeded')),
            call_number bigint  not null check (call_number > 0),
            unique (account_id, method_id, generation, call_number)
        );

        create table if not exists sandbox.refund (
            key        text primary key,
            charge_key text not null unique references sandbox.call (key)
        );

        create table if not exists sandbox.fence (
            key text primary key
        );

        create table if not exists sandbox.card_session (
            id              text    primary key,
            account_id      text    not null,
            is_confirmation boolean not null,
            back            text    not null,
            state           text    not null check (state in ('open', 'given', 'confirmed', 'refused', 'canceled')),
            token           text
        );

        create table if not exists sandbox.hold (
            key        text    primary key,
            account_id text    not null,
            currency   text    not null,
            held       boolean not null
        );
        """;
}
