using Dapper;
using Dunning.Model;
using Dunning.Ports;
using Dunning.Postgres;
using NodaTime;
using Npgsql;

namespace Dunning.Gateways.Reconciling;

/// <summary>A charge that the gateway knew and this database did not.</summary>
public sealed record AdoptedCharge(
    string Key, string AccountId, string SubscriptionId, LocalDate PeriodStart, Money Amount, GatewayOutcome Outcome, string Reference, Instant CreatedAt);

/// <summary>
/// The outcomes that were adopted from the gateway. They stay for good: an attempt that is decided again from an older state of the database finds its
/// outcome here, however long ago the gateway has forgotten the key.
/// </summary>
public sealed class AdoptedCharges(NpgsqlDataSource source)
{
    /// <summary>Whether there are any.</summary>
    public async Task<bool> AnyAsync(CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return await connection.ExecuteScalarAsync<bool>(new CommandDefinition("select exists (select from dunning.adopted_charge)", cancellationToken: ct));
    }

    /// <summary>Those of an invoice.</summary>
    public async Task<IReadOnlyList<AdoptedCharge>> OfInvoiceAsync(string subscription, LocalDate periodStart, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return [.. (await connection.QueryAsync<Row>(new CommandDefinition(
            Row.Select
            // What has come to its end here tells no attempt anything any more.
            + """
            where a.subscription_id = @subscription and a.period_start = @date
                and not exists (select from dunning.charge c where c.key = a.key and c.state in ('failed', 'reversed'))
            """,
            new { subscription, date = periodStart.Date() }, cancellationToken: ct)))
            .Select(r => r.ToCharge())];
    }

    /// <summary>
    /// Successes, not told yet, whose invoice is here by now and open still, and is not being charged under the same key: paid by none of its attempts.
    /// </summary>
    public async Task<IReadOnlyList<AdoptedCharge>> UnclaimedAsync(CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return [.. (await connection.QueryAsync<Row>(new CommandDefinition(
            Row.Select
            + """
            join dunning.receivable r using (subscription_id, period_start)
            where a.outcome = 'succeeded' and a.told_at is null and r.state = 'open'
                and not exists (select from dunning.charge c where c.key = a.key and c.state not in ('abandoned', 'refused'))
            order by a.created_at, a.key
            """,
            cancellationToken: ct))).Select(r => r.ToCharge())];
    }

    /// <summary>The account was told of it: once, whether or not the money is what the invoice asks for.</summary>
    public async Task ToldAsync(string key, Instant now, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        await connection.ExecuteAsync(new CommandDefinition(
            "update dunning.adopted_charge set told_at = @now where key = @key", new { key, now = now.Utc() }, cancellationToken: ct));
    }

    /// <summary>Takes charges in; one that is here already takes the outcome that the gateway has now.</summary>
    public async Task AddAsync(IReadOnlyCollection<AdoptedCharge> charges, Instant now, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        await connection.ExecuteAsync(new CommandDefinition(
            """
            insert into dunning.adopted_charge (key, account_id, subscription_id, period_start, amount, currency, outcome, code, reference, created_at, adopted_at)
            select u.*, @now
            from unnest(@keys, @accounts, @subscriptions, @periods, @amounts, @currencies, @outcomes, @codes, @references, @createds)
                as u(key, account_id, subscription_id, period_start, amount, currency, outcome, code, reference, created_at)
            on conflict (key) do update set outcome = excluded.outcome, code = excluded.code
            """,
            new
            {
                now = now.Utc(),
                keys = charges.Select(c => c.Key).ToArray(),
                accounts = charges.Select(c => c.AccountId).ToArray(),
                subscriptions = charges.Select(c => c.SubscriptionId).ToArray(),
                periods = charges.Select(c => c.PeriodStart.Date()).ToArray(),
                amounts = charges.Select(c => c.Amount.Minor).ToArray(),
                currencies = charges.Select(c => c.Amount.Currency.Code).ToArray(),
                outcomes = charges.Select(c => Text(c.Outcome)).ToArray(),
                codes = charges.Select(c => (c.Outcome as GatewayOutcome.Declined)?.Code).ToArray(),
                references = charges.Select(c => c.Reference).ToArray(),
                createds = charges.Select(c => c.CreatedAt.Utc()).ToArray(),
            },
            cancellationToken: ct));
    }

    private static string Text(GatewayOutcome outcome) => outcome switch
    {
        GatewayOutcome.Succeeded => "succeeded",
        GatewayOutcome.Pending => "pending",
        GatewayOutcome.Declined => "declined",
        _ => throw new ArgumentException($"{outcome.GetType().Name} is no outcome to adopt", nameof(outcome)),
    };

    private sealed record Row(
        string Key, string AccountId, string SubscriptionId, DateOnly PeriodStart, long Amount, string Currency, string Outcome, string? Code, string Reference,
        DateTime CreatedAt)
    {
        public const string Select =
            """
            select a.key, a.account_id, a.subscription_id, a.period_start, a.amount, a.currency, a.outcome, a.code, a.reference, a.created_at
            from dunning.adopted_charge a

            """;

        public AdoptedCharge ToCharge() => new(
            Key, AccountId, SubscriptionId, PeriodStart.Local(), new Money(Amount, Model.Currency.Of(Currency)),
            Outcome switch
            {
                "succeeded" => new GatewayOutcome.Succeeded(),
                "pending" => new GatewayOutcome.Pending(),
                _ => new GatewayOutcome.Declined(Code!),
            },
            Reference, CreatedAt.Instant());
    }
}
