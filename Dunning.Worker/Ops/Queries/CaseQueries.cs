using System.Runtime.CompilerServices;
using Dapper;
using Dunning.Documents;
using Npgsql;

namespace Dunning.Ops.Queries;

/// <summary>Which cases are asked for; null asks for any.</summary>
/// <param name="State">One of <see cref="CaseQueries.States"/>.</param>
/// <param name="Step">The last step that was made.</param>
/// <param name="Currency">The currency.</param>
/// <param name="Code">Of the last decline.</param>
/// <param name="Mark">One of <see cref="CaseQueries.Marks"/>.</param>
/// <param name="Text">Of an account: its id, words of its name, a contact's address; or the number of an invoice.</param>
/// <param name="Order">One of <see cref="CaseQueries.Orders"/>.</param>
internal sealed record CaseFilter(
    string? State = null, int? Step = null, string? Currency = null, string? Code = null, string? Mark = null, string? Text = null, string? Order = null);

/// <summary>Where a page of cases ends: the next begins after it.</summary>
internal sealed record CaseCursor(DateTime OpenedAt, string Currency, long Amount, string Subscription, DateOnly PeriodStart);

#pragma warning disable CS1591 // rows for one page; their names say what they are

/// <summary>A dunning case and its invoice. Amounts are minor units.</summary>
internal sealed record CaseRow(
    string Account, string Name, string Subscription, DateOnly PeriodStart, string Series, int Year, long Count, string Currency, long Amount, string State, string Access,
    DateTime OpenedAt, int LastStep, DateOnly LastStepOn, bool Exhausted, DateOnly? PausedUntil, bool Exempt, bool Held, bool Disputed, DateTime? SettledAt, string? Code,
    DateTime? NextAt)
{
    public string Number => DocumentNumber.Of(Series, Year, Count);

    public CaseCursor Cursor => new(OpenedAt, Currency, Amount, Subscription, PeriodStart);
}

/// <summary>An account that was looked for.</summary>
internal sealed record FoundRow(string Id, string Name, string Access, bool Closed, bool Purged, long Unpaid);

#pragma warning restore CS1591

/// <summary>Dunning cases for the page, page by page by key, and for the export as a stream.</summary>
internal sealed class CaseQueries(NpgsqlDataSource source)
{
    // First which ones, in order and as many as are wanted; what is looked up one by one only for those.
    private const string Decline =
        """
        left join lateral (
            select c.code from dunning.charge c
            where c.state = 'failed' and c.subscription_id = r.subscription_id and c.period_start = r.period_start
            order by c.first_called_at desc limit 1) f on true
        """;

    /// <summary>Whose cases: <c>open</c> is also of suspended accounts.</summary>
    public static IReadOnlyList<string> States { get; } = ["open", "suspended", "paid", "written_off", "voided"];

    /// <summary>What can be said of a case beside its state.</summary>
    public static IReadOnlyList<string> Marks { get; } = ["exhausted", "paused", "exempt", "held", "disputed"];

    /// <summary>The first is the default. The largest are looked for among what is open, which is few: among all that ever was, each would be looked at.</summary>
    public static IReadOnlyList<string> Orders { get; } = ["latest", "oldest", "largest"];

    /// <summary>The cases after a cursor, one more than <paramref name="limit"/> where there are more.</summary>
    public async Task<IReadOnlyList<CaseRow>> ListAsync(CaseFilter filter, CaseCursor? after, int limit, CancellationToken ct)
    {
        if (await AccountsOfAsync(filter.Text, ct) is not var (accounts, number))
        {
            return [];
        }
        await using var connection = await source.OpenConnectionAsync(ct);
        return (await connection.QueryAsync<CaseRow>(new CommandDefinition(
            Sql(filter, after is not null, accounts is not null, number is not null, "limit @limit"), Values(filter, after, accounts, number, limit + 1), cancellationToken: ct))).AsList();
    }

    /// <summary>All of them, as the server sends them: one is in memory.</summary>
    public async IAsyncEnumerable<CaseRow> ReadAsync(CaseFilter filter, [EnumeratorCancellation] CancellationToken ct)
    {
        if (await AccountsOfAsync(filter.Text, ct) is not var (accounts, number))
        {
            yield break;
        }
        await using var connection = await source.OpenConnectionAsync(ct);
        var rows = connection.QueryUnbufferedAsync<CaseRow>(Sql(filter, false, accounts is not null, number is not null, ""), Values(filter, null, accounts, number, 0), commandTimeout: 0);
        await foreach (var row in rows.WithCancellation(ct))
        {
            yield return row;
        }
    }

    /// <summary>Accounts by what is known of them, also those without a case; at most so many.</summary>
    public async Task<IReadOnlyList<FoundRow>> FindAsync(string text, int limit, CancellationToken ct)
    {
        var (accounts, number) = await AccountsOfAsync(text, ct) ?? (null, null);
        await using var connection = await source.OpenConnectionAsync(ct);
        return (await connection.QueryAsync<FoundRow>(new CommandDefinition(
            $"""
            select a.id, a.name, a.access, a.closed, a.purged_at is not null as purged,
                   (select count(*) from dunning.receivable r where r.account_id = a.id and r.state = 'open') as unpaid
            from dunning.account a
            where a.id = any(array({(number is null ? "select unnest(@accounts::text[])" : NumberSql)}))
            order by a.id limit @limit
            """,
            new { accounts, number?.Series, number?.Year, number?.Count, limit }, cancellationToken: ct))).AsList();
    }

    /// <summary>The currencies that plans have prices in.</summary>
    public async Task<IReadOnlyList<string>> CurrenciesAsync(CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        return (await connection.QueryAsync<string>(new CommandDefinition(
            """
            select distinct jsonb_object_keys(prices) from dunning.plan_version order by 1
            """,
            cancellationToken: ct))).AsList();
    }

    private const string NumberSql =
        """
        select i.account_id from dunning.invoice i where (i.series, i.year, i.number) = (@Series, @Year, @Count)
        union all select c.account_id from dunning.credit_note c where (c.series, c.year, c.number) = (@Series, @Year, @Count)
        """;

    private static string OrderOf(CaseFilter filter) => filter is { Order: "largest", State: not ("open" or "suspended") } ? Orders[0] : filter.Order ?? Orders[0];

    private static string Sql(CaseFilter filter, bool isAfter, bool isOfAccounts, bool isOfNumber, string limit)
    {
        // Conditions that were not asked for are left out: a plan made for "or null" reads everything.
        string?[] all =
        [
            filter.State switch
            {
                null => null,
                "suspended" => "r.state = 'open' and a.access <> 'active'",
                "open" => "r.state = 'open'",
                _ => "r.state = @State",
            },
            filter.Step is null ? null : "r.case_last_step = @Step",
            filter.Currency is null ? null : "i.currency = @Currency",
            filter.Code is null ? null : "f.code = @Code",
            filter.Mark switch
            {
                "exhausted" => "r.case_exhausted",
                "paused" => "r.paused_until is not null",
                "exempt" => "(r.exempt or a.exempt)",
                "held" => "a.legal_hold",
                "disputed" => "r.disputed",
                _ => null,
            },
            isOfAccounts ? "r.account_id = any(@accounts)" : null,
            isOfNumber ? $"r.account_id = any(array({NumberSql}))" : null,
            !isAfter ? null : OrderOf(filter) switch
            {
                "oldest" => "(r.case_opened_at, r.subscription_id, r.period_start) > (@OpenedAt, @AfterSubscription, @AfterStart)",
                "largest" => "(i.currency, i.amount_due, r.subscription_id, r.period_start) < (@AfterCurrency, @Amount, @AfterSubscription, @AfterStart)",
                _ => "(r.case_opened_at, r.subscription_id, r.period_start) < (@OpenedAt, @AfterSubscription, @AfterStart)",
            },
        ];
        // What neither chooses nor orders is looked up for the chosen alone.
        var asksInvoice = filter.Currency is not null || OrderOf(filter) == "largest";
        var asksAccount = filter.State == "suspended" || filter.Mark is "exempt" or "held";
        var order = OrderOf(filter) switch
        {
            "oldest" => "r.case_opened_at, r.subscription_id, r.period_start",
            "largest" => "i.currency desc, i.amount_due desc, r.subscription_id desc, r.period_start desc",
            _ => "r.case_opened_at desc, r.subscription_id desc, r.period_start desc",
        };
        return $"""
            with chosen as materialized (
                select r.*
                from dunning.receivable r
                {(asksInvoice ? "join dunning.invoice i using (subscription_id, period_start)" : "")}
                {(asksAccount ? "join dunning.account a on a.id = r.account_id" : "")}
                {(filter.Code is null ? "" : Decline)}
                where {(filter.State is "open" or "suspended" ? "r.case_opened_at is not null" : "r.case_schedule is not null")} {string.Concat(all.OfType<string>().Select(c => $"and {c} "))}
                order by {order} {limit})
            select r.account_id as account, a.name, r.subscription_id as subscription, r.period_start, i.series, i.year, i.number as count, i.currency, i.amount_due as amount,
                   r.state, a.access, r.case_opened_at as opened_at, r.case_last_step as last_step, r.case_last_step_on as last_step_on, r.case_exhausted as exhausted,
                   r.paused_until, r.exempt or a.exempt as exempt, a.legal_hold as held, r.disputed, r.settled_at, f.code,
                   case when r.state = 'open' then (select d.at from dunning.due d where d.account_id = r.account_id and d.pass = 'dun') end as next_at
            from chosen r
            join dunning.invoice i using (subscription_id, period_start)
            join dunning.account a on a.id = r.account_id
            {Decline}
            order by {order}
            """;
    }

    private static object Values(CaseFilter filter, CaseCursor? after, string[]? accounts, (string Series, int Year, long Count)? number, int limit) => new
    {
        filter.State, filter.Step, filter.Currency, filter.Code, accounts, number?.Series, number?.Year, number?.Count,
        after?.OpenedAt, AfterCurrency = after?.Currency, after?.Amount, AfterSubscription = after?.Subscription, AfterStart = after?.PeriodStart, limit,
    };

    /// <summary>Whose cases a text means, or the number of an invoice; (null, null): nobody's in particular.</summary>
    private async Task<(string[]? Accounts, (string Series, int Year, long Count)? Number)?> AccountsOfAsync(string? text, CancellationToken ct)
    {
        if (string.IsNullOrWhiteSpace(text))
        {
            return (null, null);
        }
        text = text.Trim();
        if (DocumentNumber.Parse(text) is { } number)
        {
            return (null, number);
        }
        await using var connection = await source.OpenConnectionAsync(ct);
        // Each branch has an index of its own. Words are taken as beginnings of words; what tsquery has as operators is left out.
        var words = string.Join(" & ", new string([.. text.Select(c => char.IsLetterOrDigit(c) ? c : ' ')]).Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(w => w + ":*"));
        return ((await connection.QueryAsync<string>(new CommandDefinition(
            $"""
            (select id from dunning.account where id >= @text and id < @text || {"'\uffff'"} limit @most)
            union (select account_id from dunning.contact where lower(email) = lower(@text) and not removed limit @most)
            {(words.Length == 0 ? "" : "union (select id from dunning.account where to_tsvector('simple', name || ' ' || legal_name) @@ to_tsquery('simple', @words) limit @most)")}
            """,
            new { text, words, most = 200 }, cancellationToken: ct))).ToArray(), null);
    }
}
