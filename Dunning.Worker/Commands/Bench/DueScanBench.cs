using System.Globalization;
using System.Text.Json;
using Dapper;
using Dunning.Hosting;
using Dunning.Passes;
using Dunning.Postgres;
using NodaTime;
using Npgsql;

namespace Dunning.Commands.Bench;

/// <summary>
/// What it costs to find what is due and to claim it, in a large book and in a small one. A scan is what a claim begins with: the product's own
/// statement for one batch, under <c>explain</c> for the pages that it touches, and as a claim sends it for the time. Then all that is due is claimed,
/// batch by batch. As many accounts fall due on each of several days, so that each of these finds a set of its own.
/// </summary>
internal sealed class DueScanBench(BenchServer server, WorkerSettings settings, TimeProvider time, ProgressLine progress)
{
    private readonly BenchBook _bench = new(settings);

    /// <summary>Makes both books and looks for what is due in turn.</summary>
    public async Task<DueScanResult> RunAsync(int few, int many, int due, int runs, CancellationToken ct)
    {
        var facts = await server.FactsAsync(ct);
        var machine = MachineFacts.Now();
        // One claim that does not count, where there are accounts enough.
        var claims = Math.Min(runs + 1, few / due);
        await using var small = await MakeAsync("few", few, due, claims, 0, ct);
        await using var large = await MakeAsync("many", many, due, claims, 0.1, ct);
        await server.CheckpointAsync(ct);
        var result = new DueScanResult(facts, machine, due, new Scans(few), new Scans(many));
        // The first look reads from disk what the others find in memory: one each that does not count.
        for (var run = 0; run <= runs; run++)
        {
            progress.Show(0.8 + (0.1 * run / runs), "looking for what is due");
            foreach (var (source, scans) in new[] { (small, result.Few), (large, result.Many) })
            {
                var buffers = await ExplainAsync(source, Math.Min(due, settings.Limits.BatchSize), ct);
                var took = await ScanAsync(source, Math.Min(due, settings.Limits.BatchSize), ct);
                if (run > 0)
                {
                    scans.Buffers.Add(buffers);
                    scans.ScanMs.Add(took);
                }
            }
        }
        for (var day = 0; day < claims; day++)
        {
            progress.Show(0.9 + (0.1 * day / claims), "claiming what is due");
            foreach (var (source, scans) in new[] { (small, result.Few), (large, result.Many) })
            {
                // Each page's first change after a checkpoint is logged whole: the small book's pages should not have had theirs in the claim before.
                await server.CheckpointAsync(ct);
                var took = await ClaimAsync(source, due, BenchBook.Now + Duration.FromDays(day), ct);
                if (day > 0 || claims == 1)
                {
                    scans.ClaimMs.Add(took);
                }
            }
        }
        return result;
    }

    private async Task<NpgsqlDataSource> MakeAsync(string name, int accounts, int due, int days, double share, CancellationToken ct)
    {
        await server.CreateAsync(name, null, ct);
        var source = PostgresSource.Create(server.ConnectionString(name));
        await _bench.PrepareAsync(source, time, ct);
        await using var connection = await source.OpenConnectionAsync(ct);
        var statements = new[]
        {
            // Those that are due lie all over the table, and their ids all over the index.
            $"""
            create temporary table made as
            select i, id, is_due, case when is_due then (place % @days)::int else @days + i % 28 end as day
            from generate_series(0, @accounts - 1) i
            cross join lateral (
                select {BenchBook.IdSql} as id, i::bigint * @due / @accounts as place,
                    i::bigint * @due / @accounts <> (i::bigint - 1) * @due / @accounts or i = 0 as is_due) of
            """,
            """
            insert into dunning.account (id, name, legal_name, country, time_zone, currency, locale, line1, postal_code, city, last_event_at,
                contact_count, import_hash)
            select id, 'Atelier ' || i, 'Atelier ' || i || ' SARL', 'FR', 'Europe/Paris', 'EUR', 'fr', i || ' rue de la République', '69002', 'Lyon',
                @known, 1, id
            from made
            """,
            """
            insert into dunning.subscription (id, account_id, plan_code, interval_unit, interval_count, quantity, anchor, renews_on,
                renews_on_known_at, auto_renew, cancel_at_period_end, state)
            select 'sub_' || substr(id, 5), id, 'team', 'month', 1, 1 + i % 5, r.renews_on - interval '14 months', r.renews_on, @known, true, false,
                'live'
            from made
            cross join lateral (select @today::date + day as renews_on) r
            """,
            """
            insert into dunning.contact (account_id, number, email, name, role) select id, 1, 'owner@' || id || '.example', 'Claire Martin', 'owner'
            from made where is_due
            """,
            """
            insert into dunning.payment_method (account_id, id, generation, token, expires, is_default, is_backup, brand, last4, state,
                authenticated, known_at, expiry_reminder_sent)
            select id, 'card_' || i, 0, 'sandbox_ok', '2028-06-01', true, false, 'visa', '4242', 'ok', false, @known, false from made where is_due
            """,
            """
            insert into dunning.due (account_id, pass, at)
            select s.account_id, 'renew', (s.renews_on + time '09:00') at time zone 'Europe/Paris' from dunning.subscription s
            union all
            select id, 'remind', timestamptz '2028-05-31 07:00Z' from made
            """,
            "drop table made",
            "vacuum analyze",
        };
        for (var i = 0; i < statements.Length; i++)
        {
            progress.Show(share + ((0.8 - share) * i / statements.Length), FormattableString.Invariant($"making {accounts:N0} accounts"));
            var parameters = new
            {
                accounts, days, due = (long)due * days, known = BenchBook.Now.Minus(Duration.FromDays(28)).ToDateTimeUtc(), today = BenchBook.RenewsOn.ToDateOnly(),
            };
            await connection.ExecuteAsync(new CommandDefinition(statements[i], parameters, commandTimeout: 0, cancellationToken: ct));
        }
        return source;
    }

    private static object Parameters(int limit) => new
    {
        pass = Texts.Pass[PassKind.Renew], now = BenchBook.Now.ToDateTimeUtc(), limit, paused = Array.Empty<string>(),
    };

    private static async Task<long> ExplainAsync(NpgsqlDataSource source, int limit, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        await connection.ExecuteAsync(new CommandDefinition(Files.OnlyProbes, transaction: transaction, cancellationToken: ct));
        var text = await connection.ExecuteScalarAsync<string>(new CommandDefinition(
            "explain (analyze, buffers, timing off, format json) " + PostgresBook.LockOnePass, Parameters(limit), transaction, cancellationToken: ct));
        await transaction.RollbackAsync(ct);
        using var json = JsonDocument.Parse(text!);
        var plan = json.RootElement[0].GetProperty("Plan");
        var rows = plan.GetProperty("Actual Rows").GetDouble();
        return rows < limit
            ? throw new InvalidOperationException(FormattableString.Invariant($"the statement found {rows} of {limit}"))
            : plan.GetProperty("Shared Hit Blocks").GetInt64() + plan.GetProperty("Shared Read Blocks").GetInt64();
    }

    private async Task<double> ScanAsync(NpgsqlDataSource source, int limit, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        var began = time.GetTimestamp();
        var found = (await connection.QueryAsync<string>(new CommandDefinition(
            Files.OnlyProbes + PostgresBook.LockOnePass, Parameters(limit), transaction, cancellationToken: ct))).AsList();
        var took = time.GetElapsedTime(began).TotalMilliseconds;
        await transaction.RollbackAsync(ct);
        return found.Count == limit ? took : throw new InvalidOperationException(FormattableString.Invariant($"{found.Count} found instead of {limit}"));
    }

    // As a pass does it: in batches, with reading the files and saving what is decided.
    private async Task<double> ClaimAsync(NpgsqlDataSource source, int due, Instant now, CancellationToken ct)
    {
        var book = _bench.On(source);
        var run = new PassRun(now, PassKind.Renew);
        var (claimed, began) = (0, time.GetTimestamp());
        while (true)
        {
            var batch = await book.ClaimAsync(
                PassKind.Renew, now, settings.Limits.BatchSize, file => Pass.Begin(file, run, _bench.Rules), ct);
            if (batch.Decisions.Count == 0)
            {
                break;
            }
            claimed += batch.Decisions.Count;
        }
        var took = time.GetElapsedTime(began).TotalMilliseconds;
        return claimed == due ? took : throw new InvalidOperationException(FormattableString.Invariant($"{claimed} claimed instead of {due}"));
    }
}

/// <summary>The looks at one book.</summary>
internal sealed class Scans(int accounts)
{
    /// <summary>How large the book is.</summary>
    public int Accounts => accounts;

    /// <summary>Pages touched by a scan, in memory or read.</summary>
    public List<double> Buffers { get; } = [];

    /// <summary>Milliseconds of a scan, until the ids were here.</summary>
    public List<double> ScanMs { get; } = [];

    /// <summary>Milliseconds to claim everything due: found, locked, read, decided and saved, in batches.</summary>
    public List<double> ClaimMs { get; } = [];
}

/// <summary>What <c>bench due-scan</c> found.</summary>
internal sealed record DueScanResult(ServerFacts Server, MachineFacts Machine, int Due, Scans Few, Scans Many)
{
    private static readonly JsonSerializerOptions Options = new() { WriteIndented = true };

    /// <summary>Pages in the large book for each in the small one.</summary>
    public double BuffersRatio => Measures.Median(Many.Buffers) / Measures.Median(Few.Buffers);

    /// <summary>The same of a scan's time.</summary>
    public double TimeRatio => Measures.Median(Many.ScanMs) / Measures.Median(Few.ScanMs);

    private double ClaimRatio => Measures.Median(Many.ClaimMs) / Measures.Median(Few.ClaimMs);

    /// <summary>For scripts.</summary>
    public string ToJson() => JsonSerializer.Serialize(new
    {
        server = new { version = Server.Version, durable = Server.IsDurable, shared_buffers = Server.SharedBuffers },
        machine = new { cores = Machine.Cores, runtime = Machine.Runtime, load = Machine.Load },
        due = Due,
        few = Of(Few),
        many = Of(Many),
        ratios = new { buffers = Rounded(BuffersRatio), time = Rounded(TimeRatio), claim_time = Rounded(ClaimRatio) },
    }, Options);

    /// <summary>For people.</summary>
    public string ToText() => string.Join(Environment.NewLine,
    [
        Server.ToString(),
        Machine.ToString(),
        "",
        FormattableString.Invariant($"{"",-28}{"pages,",10}{"ms,",10}{"ms to claim",14}"),
        FormattableString.Invariant($"{"",-28}{"a scan",10}{"a scan",10}{"all that is due",16}   every claim"),
        Line(Few),
        Line(Many),
        FormattableString.Invariant($"{"ratio",-28}{BuffersRatio,10:F2}{TimeRatio,10:F2}{ClaimRatio,16:F2}   wanted: at most 1.5"),
    ]);

    private string Line(Scans s) => FormattableString.Invariant(
        $"{FormattableString.Invariant($"{Due:N0} due among {s.Accounts:N0}"),-28}{Measures.Median(s.Buffers),10:N0}{Measures.Median(s.ScanMs),10:F1}{Measures.Median(s.ClaimMs),16:F0}   ")
        + string.Join("  ", s.ClaimMs.Select(ms => ms.ToString("F0", CultureInfo.InvariantCulture)));

    private static object Of(Scans s) => new
    {
        accounts = s.Accounts, buffers = Measures.Median(s.Buffers), scan_ms = Measures.Median(s.ScanMs), claim_ms = Measures.Median(s.ClaimMs), runs_buffers = s.Buffers,
        runs_scan_ms = s.ScanMs, runs_claim_ms = s.ClaimMs,
    };

    private static double Rounded(double value) => Math.Round(value, 3, MidpointRounding.AwayFromZero);
}
