using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Dunning.Commands.Bench;

/// <summary>What <c>bench renewals</c> found: every run, the medians, and the ratios that outlive the machine.</summary>
internal sealed class RenewalsResult(RenewalsPlan plan, ServerFacts server, MachineFacts machine, int connections)
{
    private static readonly JsonSerializerOptions Options = new() { WriteIndented = true };

    private IReadOnlyDictionary<string, TableState>? _product;

    /// <summary>Runs with a gateway that answers at once.</summary>
    public List<ProductRun> Product { get; } = [];

    /// <summary>Runs with the latency that was asked for.</summary>
    public List<ProductRun> ProductWithLatency { get; } = [];

    /// <summary>Renewals a second of each run.</summary>
    public List<double> Floor { get; } = [];

    /// <summary>Renewals a second of each run, by number of clients.</summary>
    public SortedDictionary<int, List<double>> Naive { get; } = [];

    /// <summary>Rows left in each table, by the first run of the product and of the floor.</summary>
    public Dictionary<string, IReadOnlyDictionary<string, TableState>> Rows { get; } = new(StringComparer.Ordinal);

    /// <summary>What was wrong with a run. None: the figures count.</summary>
    public List<string> Faults { get; } = [];

    /// <summary>Renewals a second of the product, gateway without latency: the median.</summary>
    public double Rate => Measures.Median(Product.Select(RateOf));

    /// <summary>Share of the floor that the product reaches.</summary>
    public double? ToFloor => Floor.Count == 0 ? null : Rate / Measures.Median(Floor);

    /// <summary>How many times the naive way, at its best, the product is.</summary>
    public double? ToNaive => Naive.Count == 0 ? null : Rate / Naive.Values.Max(runs => Measures.Median(runs));

    /// <summary>What the calls under way allow at that latency, or what the product does without any.</summary>
    public double? LatencyCeiling => ProductWithLatency.Count == 0 ? null : Math.Min(plan.Concurrency / plan.GatewayLatency.TotalSeconds, Rate);

    /// <summary>Share of that ceiling that the product reaches.</summary>
    public double? ToLatencyCeiling => LatencyCeiling is { } ceiling ? Measures.Median(ProductWithLatency.Select(RateOf)) / ceiling : null;

    /// <summary>Takes what a run has left; it must be what the product's first run left.</summary>
    public void Compare(string who, IReadOnlyDictionary<string, TableState> left)
    {
        Rows.TryAdd(who, left);
        var expected = _product ??= left;
        foreach (var (table, state) in left)
        {
            if (state.Rows != expected[table].Rows)
            {
                Faults.Add(FormattableString.Invariant($"{who}: {state.Rows} rows in {table}, and the first run left {expected[table].Rows}"));
            }
            else if (state.Digest != expected[table].Digest)
            {
                Faults.Add($"{who}: the rows in {table} are not those that the first run left");
            }
        }
    }

    /// <summary>For scripts.</summary>
    public string ToJson() => JsonSerializer.Serialize(new
    {
        server = new
        {
            version = server.Version, durable = server.IsDurable, fsync = server.Fsync, synchronous_commit = server.SynchronousCommit,
            full_page_writes = server.FullPageWrites, wal_sync_method = server.WalSyncMethod, shared_buffers = server.SharedBuffers,
            max_wal_size = server.MaxWalSize, @private = server.IsPrivate,
        },
        machine = new { cores = machine.Cores, runtime = machine.Runtime, gc = machine.GarbageCollector, load = machine.Load },
        accounts = plan.Accounts,
        workers = plan.Workers,
        concurrency = plan.Concurrency,
        batch = plan.Batch,
        gateway_latency_ms = plan.GatewayLatency.TotalMilliseconds,
        product = OfProduct(Product),
        product_with_latency = ProductWithLatency.Count == 0 ? null : OfProduct(ProductWithLatency),
        floor = Floor.Count == 0 ? null : new { connections, per_second = Round(Measures.Median(Floor)), runs = Floor.Select(Round) },
        naive = Naive.Count == 0 ? null : new
        {
            accounts = Math.Min(plan.NaiveAccounts, plan.Accounts),
            best = Round(Naive.Values.Max(runs => Measures.Median(runs))),
            clients = Naive.ToDictionary(
                n => n.Key.ToString(CultureInfo.InvariantCulture), n => new { per_second = Round(Measures.Median(n.Value)), runs = n.Value.Select(Round) }),
        },
        ratios = new
        {
            product_to_floor = Ratio(ToFloor), product_to_naive = Ratio(ToNaive), latency_ceiling = LatencyCeiling is { } c ? Round(c) : (double?)null,
            product_to_latency_ceiling = Ratio(ToLatencyCeiling),
        },
        rows = Rows.ToDictionary(r => r.Key, r => r.Value.ToDictionary(t => t.Key, t => t.Value.Rows)),
        faults = Faults,
    }, Options);

    /// <summary>For people.</summary>
    public string ToText()
    {
        var text = new StringBuilder();
        Line($"{server}");
        Line($"{machine}");
        Line($"{plan.Accounts:N0} accounts due; {plan.Workers} workers, {plan.Batch} accounts a batch, {plan.Concurrency:N0} calls at once in all");
        Line($"");
        Line($"{"renewals a second",-32}{"median",9}   every run");
        Rates("product", Product.Select(RateOf));
        if (ProductWithLatency.Count > 0)
        {
            Rates($"product, gateway {plan.GatewayLatency.TotalMilliseconds:F0} ms", ProductWithLatency.Select(RateOf));
        }
        if (Floor.Count > 0)
        {
            Rates($"floor, {connections} connections", Floor);
        }
        foreach (var (clients, runs) in Naive)
        {
            Rates($"naive, {clients} {(clients == 1 ? "client" : "clients")}", runs);
        }
        Line($"");
        Ratios("product / floor", ToFloor, "at least 0.3");
        Ratios("product / naive at its best", ToNaive, "at least 5");
        Ratios($"slow gateway / {LatencyCeiling:N0} a second", ToLatencyCeiling, "at least 0.8");
        Details("product", Product);
        Details("slow gateway", ProductWithLatency);
        if (Rows.TryGetValue("product", out var rows))
        {
            Line($"");
            Line($"rows left: {string.Join(", ", rows.Where(r => r.Value.Rows > 0).Select(r => FormattableString.Invariant($"{r.Key} {r.Value.Rows:N0}")))}");
            Line($"{(Rows.ContainsKey("floor") ? "the floor's rows are the same, by number and content; " : "")}{(Faults.Count == 0 ? "every account was renewed, paid and charged once" : "FAULTS: see below")}");
        }
        return text.ToString().TrimEnd();

        void Rates(string what, IEnumerable<double> runs)
        {
            var all = runs.ToList();
            Line($"{what,-32}{Measures.Median(all),9:N0}   {string.Join("  ", all.Select(r => r.ToString("N0", CultureInfo.InvariantCulture)))}");
        }

        void Ratios(string what, double? ratio, string target)
        {
            if (ratio is { } value)
            {
                Line($"{what,-32}{value,9:F2}   wanted: {target}");
            }
        }

        void Details(string what, List<ProductRun> runs)
        {
            if (runs.Count > 0)
            {
                Line($"");
                Line($"{what}: {Measures.Median(runs.Select(r => (double)r.Commits)):N0} commits; ms at the median and at 99 %: claim {Pair(runs, r => r.ClaimMs)}, answers {Pair(runs, r => r.AnswerMs)}, claimed to answered {Pair(runs, r => r.RenewalMs)}");
                Line($"memory at most: {Mb(runs.Max(r => r.WorkingSet)):F0} MB of the process, {Mb(runs.Max(r => r.Heap)):F0} MB of them the managed heap");
            }
        }

        void Line(FormattableString line) => text.AppendLine(line.ToString(CultureInfo.InvariantCulture));
    }

    private static string Pair(List<ProductRun> runs, Func<ProductRun, (double P50, double P99)> of) =>
        FormattableString.Invariant($"{Measures.Median(runs.Select(r => of(r).P50)):F0} / {Measures.Median(runs.Select(r => of(r).P99)):F0}");

    private static double Mb(long bytes) => bytes / 1048576.0;

    private static double Round(double value) => Math.Round(value, 1, MidpointRounding.AwayFromZero);

    private static double? Ratio(double? value) => value is { } given ? Math.Round(given, 3, MidpointRounding.AwayFromZero) : null;

    private double RateOf(ProductRun run) => plan.Accounts / run.Seconds;

    private object OfProduct(List<ProductRun> runs) => new
    {
        per_second = Round(Measures.Median(runs.Select(RateOf))),
        runs = runs.Select(r => Round(RateOf(r))),
        commits = runs.Select(r => r.Commits),
        claim_ms = Times(runs, r => r.ClaimMs),
        answer_ms = Times(runs, r => r.AnswerMs),
        renewal_ms = Times(runs, r => r.RenewalMs),
        working_set_mb = Round(Mb(runs.Max(r => r.WorkingSet))),
        heap_mb = Round(Mb(runs.Max(r => r.Heap))),
    };

    private static object Times(List<ProductRun> runs, Func<ProductRun, (double P50, double P99)> of) => new
    {
        p50 = Round(Measures.Median(runs.Select(r => of(r).P50))),
        p99 = Round(Measures.Median(runs.Select(r => of(r).P99))),
    };
}
