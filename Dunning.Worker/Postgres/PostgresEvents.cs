using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Dunning.Events;
using Dunning.Model;
using NodaTime;
using Npgsql;

namespace Dunning.Postgres;

/// <summary>
/// Reads events back as they were told: numbers of contacts become addresses again, methods their tokens. What was erased is shown as
/// <see cref="Erased.Text"/>.
/// </summary>
public sealed class PostgresEvents(NpgsqlDataSource source)
{
    /// <summary>The events of one account in their order.</summary>
    public IAsyncEnumerable<BookEvent> OfAccountAsync(string account, CancellationToken ct) =>
        ReadAsync("where e.account_id = $1 order by e.seq", [new NpgsqlParameter<string> { TypedValue = account }], ct);

    /// <summary>All events by instant, account, and order within the account; memory stays flat however many.</summary>
    public IAsyncEnumerable<BookEvent> AllAsync(CancellationToken ct) =>
        ReadAsync("order by e.at, e.account_id, e.seq", [], ct);

    private async IAsyncEnumerable<BookEvent> ReadAsync(string which, NpgsqlParameter[] parameters, [EnumeratorCancellation] CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        await using var command = new NpgsqlCommand(
            $"""
            select e.at, e.account_id, e.type, e.subscription_id, e.period_start, e.data::text, m.token,
                (select array_agg(coalesce(c.email, '') order by t.position)
                    from jsonb_array_elements(e.data -> 'to') with ordinality t(number, position)
                    left join dunning.contact c on c.account_id = e.account_id and c.number = t.number::int)
            from dunning.event e
            left join dunning.payment_method m
                on m.account_id = e.account_id and m.id = e.data ->> 'method' and m.generation = (e.data ->> 'generation')::int
            {which}
            """,
            connection)
        {
            CommandTimeout = 0,
        };
        command.Parameters.AddRange(parameters);
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            var bare = new BookEvent(reader.GetFieldValue<DateTime>(0).Instant(), reader.GetString(1), reader.GetString(2))
            {
                Subscription = reader.IsDBNull(3) ? null : reader.GetString(3),
                PeriodStart = reader.IsDBNull(4) ? null : reader.GetFieldValue<DateOnly>(4).Local(),
            };
            var addresses = reader.IsDBNull(7) ? [] : reader.GetFieldValue<string[]>(7);
            var next = 0;
            var e = Json.Event(
                bare,
                reader.IsDBNull(5) ? null : reader.GetString(5),
                reader.IsDBNull(6) ? null : reader.GetString(6),
                number => new Recipient
                {
                    Contact = number,
                    Email = addresses[next++] is { Length: > 0 } address ? address : Erased.Text,
                    Name = "",
                    Locale = "",
                });
            yield return e.Method is not null && e.Token is null ? e with { Token = Erased.Text } : e;
        }
    }
}
