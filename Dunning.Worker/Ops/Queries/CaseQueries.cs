using System.Runtime.CompilerServices;
using Dapper;
using Dunning.Documents;
using Dunning.Model;
using Dunning.Options;
using Dunning.Postgres;
using Dunning.Rules;
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
/// <param name="First">Code of the first decline, or <see cref="CaseQueries.NoCode"/>.</param>
/// <param name="Since">The first day (UTC) on which it was opened.</param>
internal sealed record CaseFilter(
    string? State = null, int? Step = null, string? Currency = null, string? Code = null, string? Mark = null, string? Text = null, string? Order = null, string? First = null,
    DateOnly? Since = null);

/// <summary>Where a page of cases ends or begins: the next is after it, the one before is before it.</summary>
internal sealed record CaseCursor(DateTime OpenedAt, string Currency, long Amount, string Subscription, DateOnly PeriodStart, DateTime? NextAt = null);

/// <summary>A page of cases, and whether there are others.</summary>
internal sealed record CasePage(IReadOnlyList<CaseRow> Rows, bool HasPrevious, bool HasNext);

#pragma warning disable CS1591 // rows for one page; their names say what they are

/// <summary>A dunning case and its invoice. Amounts are minor units.</summary>
internal sealed record CaseRow(
    string Account, string Name, string Subscription, DateOnly PeriodStart, string Series, int Year, long Count, string Currency, long Amount, string State, string Access,
    DateTime OpenedAt, int LastStep, DateOnly LastStepOn, bool Exhausted, DateOnly? PausedUntil, bool Exempt, bool Held, bool Disputed, DateTime? SettledAt, string? Code,
    string Steps, DateOnly DayZero, DateOnly? WarnedOn, DateOnly? WarningLeftOn, DateTime? NotBefore, string Zone, bool Unknown)
{
    /// <summary>When the next step falls due; null: none does as things stand.</summary>
    public DateTime? NextAt { get; init; }

    public string Number => DocumentNumber.Of(Series, Year, Count);

    /// <summary>The state as people are told it: an unpaid one of an account without access is suspended.</summary>
    public string Standing => State == "open" && Access != "active" ? "suspended" : State;

    /// <summary>Of <see cref="CaseQueries.Marks"/>.</summary>
    public IEnumerable<string> Marks =>
        new[] { ("exhausted", Exhausted && State == "open"), ("paused", PausedUntil is not null), ("exempt", Exempt), ("held", Held), ("disputed", Disputed) }
            .Where(m => m.Item2).Select(m => m.Item1);

    public CaseCursor Cursor => new(OpenedAt, Currency, Amount, Subscription, PeriodStart, NextAt);
}

/// <summary>An account that was looked for.</summary>
internal sealed record FoundRow(string Id, string Name, string Access, bool Closed, bool Purged, long Unpaid);

#pragma warning restore CS1591

/// <summary>Dunning cases for the page, page by page by key, and for the export as a stream.</summary>
internal sealed class CaseQueries(NpgsqlDataSource source, Func<RuleOptions> rules)
{
    private const string LastDecline = "first_called_at desc";

    // What is counted is told up to there; nobody pages through more.
    private const int Most = 100_000;

    /// <summary>The state of cases that are over or whose account is suspended, not voided: of these is the rate of recovery.</summary>
    public const string Decided = "decided";

    /// <summary>The first decline of cases that have none with a code, such as those of accounts without a card.</summary>
    public const string NoCode = "none";

    /// <summary>Whose cases: <c>open</c> is also of suspended accounts.</summary>
    public static IReadOnlyList<string> States { get; } = ["open", "suspended", "paid", "written_off", "voided", Decided];

    /// <summary>What can be said of a case beside its state.</summary>
    public static IReadOnlyList<string> Marks { get; } = ["exhausted", "paused", "exempt", "held", "disputed"];

    /// <summary>The first is the default. By the next step only what is open can be sorted: nothing else has one.</summary>
    public static IReadOnlyList<string> Orders { get; } = ["latest", "oldest", "largest", "next"];

    /// <summary>So many cases after a cursor, or before it.</summary>
    public async Task<CasePage> ListAsync(CaseFilter filter, CaseCursor? cursor, bool isBack, int limit, CancellationToken ct)
    {
        if (OrderOf(filter) == "next")
        {
            return PageOf(await ReadAsync(filter, ct).ToListAsync(ct), cursor, isBack, limit);
        }
        if (await AccountsOfAsync(filter.Text, ct) is not var (accounts, number))
        {
            return new CasePage([], false, false);
        }
        isBack &= cursor is not null;
        await using var connection = await source.OpenConnectionAsync(ct);
        var rows = (await connection.QueryAsync<CaseRow>(new CommandDefinition(
            Sql(filter, cursor is null ? null : isBack ? Way.Back : Way.On, accounts is not null, number is not null, "limit @limit"), Values(filter, cursor, accounts, number, limit + 1),
            cancellationToken: ct))).Select(Told(rules())).ToList();
        var hasMore = rows.Count > limit;
        rows = rows.Take(limit).ToList();
        if (isBack)
        {
            rows.Reverse();
        }
        return new CasePage(rows, isBack ? hasMore : cursor is not null, isBack || hasMore);
    }

    /// <summary>How many there are; one more than <see cref="Most"/>: more than so many.</summary>
    public async Task<(long Count, bool IsMore)> CountAsync(CaseFilter filter, CancellationToken ct)
    {
        if (await AccountsOfAsync(filter.Text, ct) is not var (accounts, number))
        {
            return (0, false);
        }
        await using var connection = await source.OpenConnectionAsync(ct);
        var count = await connection.ExecuteScalarAsync<long>(new CommandDefinition(
            $"select count(*) from (select 1 {FromOf(filter, null, accounts is not null, number is not null, isOrdered: false)} limit @limit) chosen",
            Values(filter, null, accounts, number, Most + 1), cancellationToken: ct));
        return (Math.Min(count, Most), count > Most);
    }

    /// <summary>
    /// All of them, as the server sends them: one is in memory. By the next step, which the server does not know but the rule, all that are open are: few of what
    /// there ever was.
    /// </summary>
    public IAsyncEnumerable<CaseRow> ReadAsync(CaseFilter filter, CancellationToken ct) =>
        OrderOf(filter) == "next" ? StreamAsync(filter, ct).Order(s_byNext) : StreamAsync(filter, ct);

    private async IAsyncEnumerable<CaseRow> StreamAsync(CaseFilter filter, [EnumeratorCancellation] CancellationToken ct)
    {
        if (await AccountsOfAsync(filter.Text, ct) is not var (accounts, number))
        {
            yield break;
        }
        await using var connection = await source.OpenConnectionAsync(ct);
        var rows = connection.QueryUnbufferedAsync<CaseRow>(Sql(filter, null, accounts is not null, number is not null, ""), Values(filter, null, accounts, number, 0), commandTimeout: 0);
        var told = Told(rules());
        await foreach (var row in rows.WithCancellation(ct))
        {
            yield return told(row);
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

    private static string OrderOf(CaseFilter filter) => filter is { Order: "next", State: not ("open" or "suspended") } ? Orders[0] : filter.Order ?? Orders[0];

    /// <summary>Adds when the next step falls due: by the rule itself, as the account's page has it.</summary>
    private static Func<CaseRow, CaseRow> Told(RuleOptions options)
    {
        var schedules = new Dictionary<string, StepSchedule>(StringComparer.Ordinal);
        return row => row.State != "open" ? row : row with { NextAt = Forecast.NextStepAt(StandingOf(row), options, row.Zone).Utc() };

        CaseStanding StandingOf(CaseRow row)
        {
            if (!schedules.TryGetValue(row.Steps, out var schedule))
            {
                schedules.Add(row.Steps, schedule = StepSchedule.Parse(row.Steps));
            }
            var dunningCase = new DunningCase
            {
                Schedule = schedule,
                OpenedAt = row.OpenedAt.Instant(),
                DayZero = row.DayZero.Local(),
                LastStep = row.LastStep,
                LastStepOn = row.LastStepOn.Local(),
                WarnedOn = row.WarnedOn.Local(),
                WarningLeftOn = row.WarningLeftOn.Local(),
                Exhausted = row.Exhausted,
            };
            return new CaseStanding(dunningCase, Texts.Access[row.Access], row.Exempt)
            {
                Waits = row.Disputed || row.Unknown,
                PausedUntil = row.PausedUntil.Local(),
                NotBefore = row.NotBefore.Instant(),
            };
        }
    }

    private static readonly Comparer<CaseRow> s_byNext = Comparer<CaseRow>.Create((x, y) => Compare(x.Cursor, y.Cursor));

    private static int Compare(CaseCursor x, CaseCursor y) =>
        (x.NextAt ?? DateTime.MaxValue).CompareTo(y.NextAt ?? DateTime.MaxValue) is var byNext and not 0 ? byNext
        : string.CompareOrdinal(x.Subscription, y.Subscription) is var bySubscription and not 0 ? bySubscription
        : x.PeriodStart.CompareTo(y.PeriodStart);

    private static CasePage PageOf(List<CaseRow> all, CaseCursor? cursor, bool isBack, int limit)
    {
        var (from, until) = (0, limit);
        if (cursor is not null)
        {
            var before = all.Count(r => Compare(r.Cursor, cursor) < 0);
            var after = all.Count(r => Compare(r.Cursor, cursor) <= 0);
            (from, until) = isBack ? (Math.Max(0, before - limit), before) : (after, after + limit);
        }
        until = Math.Min(all.Count, until);
        return new CasePage(all[from..until], from > 0, until < all.Count);
    }

    // Which cases, as a part of a statement.
    private static string FromOf(CaseFilter filter, Way? way, bool isOfAccounts, bool isOfNumber, bool isOrdered)
    {
        // Conditions that were not asked for are left out: a plan made for "or null" reads everything.
        string?[] all =
        [
            filter.State switch
            {
                null => null,
                "suspended" => "r.state = 'open' and a.access <> 'active'",
                "open" => "r.state = 'open'",
                Decided => "(r.state in ('paid', 'written_off') or (r.state = 'open' and a.access <> 'active'))",
                _ => "r.state = @State",
            },
            filter.Step is null ? null : "r.case_last_step = @Step",
            // An account's invoices are in its currency.
            filter.Currency is null ? null : "a.currency = @Currency",
            filter.Code is null ? null : "f.code = @Code",
            filter.First switch
            {
                null => null,
                NoCode => "not exists (select from dunning.charge c where c.state = 'failed' and c.subscription_id = r.subscription_id and c.period_start = r.period_start)",
                _ => "d.code = @First",
            },
            filter.Since is null ? null : "r.case_opened_at >= @Since",
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
            way is null ? null : OrderOf(filter) switch
            {
                "oldest" => $"(r.case_opened_at, r.subscription_id, r.period_start) {(way == Way.On ? ">" : "<")} (@OpenedAt, @CursorSubscription, @CursorStart)",
                "largest" => $"(i.currency, i.amount_due, i.subscription_id, i.period_start) {(way == Way.On ? "<" : ">")} (@CursorCurrency, @Amount, @CursorSubscription, @CursorStart)",
                _ => $"(r.case_opened_at, r.subscription_id, r.period_start) {(way == Way.On ? "<" : ">")} (@OpenedAt, @CursorSubscription, @CursorStart)",
            },
        ];
        // What neither chooses nor orders is looked up for the chosen alone.
        var asksAmount = isOrdered && OrderOf(filter) == "largest";
        var asksAccount = filter.Currency is not null || filter.State is "suspended" or Decided || filter.Mark is "exempt" or "held";
        var isOfMany = !isOrdered && !isOfAccounts && !isOfNumber;
        return $"""
            from dunning.receivable r
            {(asksAmount ? "join dunning.invoice i using (subscription_id, period_start)" : "")}
            {(asksAccount ? "join dunning.account a on a.id = r.account_id" : "")}
            {(filter.Code is null ? "" : Decline("f", LastDecline, isOfMany))}
            {(filter.First is null or NoCode ? "" : Decline("d", OverviewQueries.FirstDecline, isOfMany))}
            where {(filter.State is "open" or "suspended" ? "r.case_opened_at is not null" : "r.case_schedule is not null")} {string.Concat(all.OfType<string>().Select(c => $"and {c} "))}
            """;
    }

    /// <summary>A join with the code of one of the declines of <c>receivable r</c>.</summary>
    /// <param name="name">What the join is called.</param>
    /// <param name="order">By which that one comes first.</param>
    /// <param name="isOfMany">Many are looked through: all declines are read in one go, instead of one by one.</param>
    public static string Decline(string name, string order, bool isOfMany) => isOfMany
        ? $"""
        left join (
            select distinct on (subscription_id, period_start) subscription_id, period_start, code from dunning.charge
            where state = 'failed' order by subscription_id, period_start, {order}) {name}
            on {name}.subscription_id = r.subscription_id and {name}.period_start = r.period_start
        """
        : $"""
        left join lateral (
            select c.code from dunning.charge c
            where c.state = 'failed' and c.subscription_id = r.subscription_id and c.period_start = r.period_start
            order by {order} limit 1) {name} on true
        """;

    // First which ones, in order and as many as are wanted; what is looked up one by one only for those.
    private static string Sql(CaseFilter filter, Way? way, bool isOfAccounts, bool isOfNumber, string limit)
    {
        var (up, down) = way == Way.Back ? (" desc", "") : ("", " desc");
        var order = OrderOf(filter) switch
        {
            "oldest" => $"r.case_opened_at{up}, r.subscription_id{up}, r.period_start{up}",
            "largest" => $"i.currency{down}, i.amount_due{down}, i.subscription_id{down}, i.period_start{down}",
            _ => $"r.case_opened_at{down}, r.subscription_id{down}, r.period_start{down}",
        };
        return $"""
            with chosen as materialized (
                select r.* {FromOf(filter, way, isOfAccounts, isOfNumber, isOrdered: true)}
                order by {order} {limit})
            select r.account_id as account, a.name, r.subscription_id as subscription, r.period_start, i.series, i.year, i.number as count, i.currency, i.amount_due as amount,
                   r.state, a.access, r.case_opened_at as opened_at, r.case_last_step as last_step, r.case_last_step_on as last_step_on, r.case_exhausted as exhausted,
                   r.paused_until, r.exempt or a.exempt as exempt, a.legal_hold as held, r.disputed, r.settled_at, f.code,
                   s.steps, r.case_day_zero as day_zero, r.case_warned_on as warned_on, r.case_warning_left_on as warning_left_on, r.not_before, a.time_zone as zone,
                   exists (select from dunning.charge c where r.state = 'open' and c.account_id = r.account_id and c.subscription_id = r.subscription_id and c.period_start = r.period_start
                           and c.state in ('in_flight', 'unknown', 'pending')) as unknown
            from chosen r
            join dunning.invoice i using (subscription_id, period_start)
            join dunning.account a on a.id = r.account_id
            join dunning.dunning_schedule s on s.fingerprint = r.case_schedule
            {Decline("f", LastDecline, isOfMany: false)}
            order by {order}
            """;
    }

    private enum Way
    {
        On,
        Back,
    }

    private static object Values(CaseFilter filter, CaseCursor? cursor, string[]? accounts, (string Series, int Year, long Count)? number, int limit) => new
    {
        filter.State, filter.Step, filter.Currency, filter.Code, filter.First, Since = filter.Since?.ToDateTime(default, DateTimeKind.Utc), accounts, number?.Series, number?.Year, number?.Count,
        cursor?.OpenedAt, CursorCurrency = cursor?.Currency, cursor?.Amount, CursorSubscription = cursor?.Subscription, CursorStart = cursor?.PeriodStart, limit,
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
