using Dapper;
using Dunning.Postgres;
using NodaTime;
using Npgsql;

namespace Dunning.Documents.EInvoices;

/// <summary>A document that is to be handed in.</summary>
/// <param name="Tries">This one included.</param>
internal sealed record EInvoiceTurn(string Series, int Year, long Number, string Kind, string SubscriptionId, DateOnly PeriodStart, string Locale, int Tries);

/// <summary>The table <c>dunning.einvoice</c>: what has to be handed in, what was.</summary>
internal sealed class EInvoiceQueue(NpgsqlDataSource source)
{
    // As long as one batch may take; after a crash its documents come again then.
    private static readonly Duration s_lease = Duration.FromMinutes(10);

    /// <summary>Lists what was issued since a date and is not listed yet, at most so many numbers of each series; false when there is no more.</summary>
    public async Task<bool> ListAsync(LocalDate since, Instant now, int batch, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return await connection.ExecuteAsync(new CommandDefinition(
            """
            with span as (
                select series, year, above, least(last_number, above + @batch) as upto
                from (
                    -- An earlier date than before: from the beginning again.
                    select s.series, s.year, s.last_number, case when c.since <= @since then c.last_number else 0 end as above
                    from dunning.invoice_series s left join dunning.einvoice_cursor c using (series, year)
                ) s
                where last_number > above
            ), listed as (
                insert into dunning.einvoice (series, year, number, kind, subscription_id, period_start, state, tries, next_try_at)
                select i.series, i.year, i.number, 'invoice', i.subscription_id, i.period_start, 'pending', 0, @now
                from span s join dunning.invoice i on (i.series, i.year) = (s.series, s.year) and i.number > s.above and i.number <= s.upto
                where i.issued_on >= @since
                union all
                select c.series, c.year, c.number, 'credit_note', c.subscription_id, c.period_start, 'pending', 0, @now
                from span s join dunning.credit_note c on (c.series, c.year) = (s.series, s.year) and c.number > s.above and c.number <= s.upto
                where c.issued_on >= @since
                on conflict do nothing
            )
            insert into dunning.einvoice_cursor as c (series, year, last_number, since) select series, year, upto, @since from span
            on conflict (series, year) do update set since = least(c.since, excluded.since),
                last_number = case when excluded.since < c.since then excluded.last_number else greatest(c.last_number, excluded.last_number) end
            """,
            new { since = since.Date(), now = now.Utc(), batch }, commandTimeout: 0, cancellationToken: ct)) > 0;
    }

    /// <summary>Takes a batch whose turn has come: final documents only. They are nobody else's until the lease ends.</summary>
    public async Task<IReadOnlyList<EInvoiceTurn>> ClaimAsync(Instant now, int batch, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return (await connection.QueryAsync<EInvoiceTurn>(new CommandDefinition(
            $"""
            update dunning.einvoice e set tries = e.tries + 1, next_try_at = @lease
            from (
                select e.series, e.year, e.number, a.locale
                from dunning.einvoice e
                join dunning.invoice i using (subscription_id, period_start)
                join dunning.receivable r using (subscription_id, period_start)
                join dunning.account a on a.id = i.account_id
                where e.state = 'pending' and e.next_try_at <= @now and (e.kind = 'credit_note' or {PostgresDocuments.IsFinal})
                order by e.next_try_at, e.series, e.year, e.number limit @batch
                for update of e skip locked
            ) d
            where (e.series, e.year, e.number) = (d.series, d.year, d.number)
            returning e.series, e.year, e.number, e.kind, e.subscription_id, e.period_start, d.locale, e.tries
            """,
            new { now = now.Utc(), lease = (now + s_lease).Utc(), patient = (now - PostgresDocuments.Patience).Utc(), batch }, cancellationToken: ct)))
            .OrderBy(t => t.Series, StringComparer.Ordinal).ThenBy(t => t.Year).ThenBy(t => t.Number).ToList();
    }

    /// <summary>It was handed in, or, with a fault, is one that the standard can't express.</summary>
    public Task SettleAsync(EInvoiceTurn turn, Instant now, string? fault, CancellationToken ct) =>
        SetAsync(turn, fault is null ? "handed_in" : "inexpressible", null, now, fault, ct);

    /// <summary>It could not be handed in.</summary>
    public Task PutOffAsync(EInvoiceTurn turn, Instant next, string fault, CancellationToken ct) => SetAsync(turn, "pending", next, null, fault, ct);

    private async Task SetAsync(EInvoiceTurn turn, string state, Instant? next, Instant? settled, string? fault, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        await connection.ExecuteAsync(new CommandDefinition(
            """
            update dunning.einvoice set state = @state, next_try_at = @next, settled_at = @settled, fault = @fault
            where (series, year, number) = (@Series, @Year, @Number) and state = 'pending'
            """,
            new { turn.Series, turn.Year, turn.Number, state, next = next.Utc(), settled = settled.Utc(), fault }, cancellationToken: ct));
    }
}
