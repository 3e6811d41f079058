using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Text.Json;
using Dapper;
using Dunning.Hosting;
using Dunning.Ops;
using Dunning.Ops.Frame;
using Dunning.Ops.SignIn;
using NodaTime;

namespace Dunning.Commands.Bench;

/// <summary>How long each page of the operators' takes on a book with a year behind it: from the request to the last byte, of the real service, signed in.</summary>
internal sealed class PagesBench(BenchServer server, WorkerSettings settings, IConfiguration configuration, TimeProvider time, ProgressLine progress)
{
    private const string Name = "pages";

    /// <summary>Makes the book, starts the service on it and asks for each page so often.</summary>
    /// <param name="accounts">Accounts in the book.</param>
    /// <param name="requests">Requests of each page that count.</param>
    /// <param name="keepAlive">Whether to wait afterwards, for somebody to look at the pages.</param>
    /// <param name="ct">Gives up.</param>
    public async Task<PagesResult> RunAsync(int accounts, int requests, Func<string, Task>? keepAlive, CancellationToken ct)
    {
        var facts = await server.FactsAsync(ct);
        await server.CreateAsync(Name, null, ct);
        var mine = settings with
        {
            ConnectionString = server.ConnectionString(Name),
            // What is measured is pages: nothing else runs meanwhile.
            Jobs = settings.Jobs with { RunsAtStart = false, Cron = settings.Jobs.Cron.ToImmutableSortedDictionary(c => c.Key, _ => JobSettings.Off) },
        };
        await using var database = await Database.OpenAsync(mine, ct);
        await new PagesBook(mine).MakeAsync(database.Source, accounts, Instant.FromDateTimeOffset(time.GetUtcNow()).InUtc().Date, time, (share, what) => progress.Show(share, "making " + what), ct);
        await server.CheckpointAsync(ct);
        // Of this database alone, which is gone in a minute.
        var password = Convert.ToHexString(System.Security.Cryptography.RandomNumberGenerator.GetBytes(16));
        await new OpsUsers(database.Source, time).AddAsync(new Mandate("bench", "bench"), "bench", OpsRole.Operator, password, replaces: false, ct);
        await MigrateCommand.MigrateAsync(database, time, ct);
        await using var service = await Service.StartAsync(database, mine, configuration, time, ct);
        using var http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, CookieContainer = new CookieContainer() }) { BaseAddress = new Uri(service.Addresses.First()) };
        using (var signedIn = await http.PostAsync(new Uri("/ops/sign-in", UriKind.Relative), new FormUrlEncodedContent([new("name", "bench"), new("password", password), new("back", "")]), ct))
        {
            if (signedIn.StatusCode != HttpStatusCode.SeeOther)
            {
                throw new InvalidOperationException($"signing in was answered by {signedIn.StatusCode}");
            }
        }
        var result = new PagesResult(facts, MachineFacts.Now(), accounts, await CountsAsync(database, ct));
        var pages = await PathsAsync(database, ct);
        foreach (var (at, path) in pages.Index())
        {
            progress.Show(0.9 + (0.1 * at / pages.Count), path);
            // The first counts apart: nothing of it has been looked at since the start.
            var took = new List<double>();
            var bytes = 0;
            for (var run = 0; run <= requests; run++)
            {
                var began = time.GetTimestamp();
                using var answer = await http.GetAsync(new Uri(path, UriKind.Relative), ct);
                bytes = (await answer.Content.ReadAsByteArrayAsync(ct)).Length;
                took.Add(time.GetElapsedTime(began).TotalMilliseconds);
                if (answer.StatusCode != HttpStatusCode.OK)
                {
                    throw new InvalidOperationException($"{path} was answered by {answer.StatusCode}");
                }
            }
            result.Pages.Add(new PageTimes(path, took[0], took[1..], bytes));
        }
        if (keepAlive is not null)
        {
            await keepAlive($"{service.Addresses.First()}/ops as bench, password {password}");
        }
        return result;
    }

    private static async Task<string> CountsAsync(Database database, CancellationToken ct)
    {
        await using var connection = await database.Source.OpenConnectionAsync(ct);
        var counts = new List<string>();
        foreach (var table in new[] { "invoice", "charge", "event", "outbox" })
        {
            var count = await connection.ExecuteScalarAsync<long>(new CommandDefinition($"select count(*) from dunning.{table}", commandTimeout: 0, cancellationToken: ct));
            counts.Add(string.Create(CultureInfo.InvariantCulture, $"{count:N0} {(table == "outbox" ? "mail" : table)}s"));
        }
        var cases = await connection.ExecuteScalarAsync<long>(new CommandDefinition("select count(*) from dunning.receivable where case_schedule is not null", commandTimeout: 0, cancellationToken: ct));
        return string.Join(", ", counts.Append(string.Create(CultureInfo.InvariantCulture, $"{cases:N0} cases")));
    }

    private static async Task<IReadOnlyList<string>> PathsAsync(Database database, CancellationToken ct)
    {
        await using var connection = await database.Source.OpenConnectionAsync(ct);
        var (busy, suspended, mail) = (
            await connection.ExecuteScalarAsync<string>("select account_id from dunning.receivable where case_schedule is not null group by 1 order by count(*) desc, 1 limit 1"),
            await connection.ExecuteScalarAsync<string>("select id from dunning.account where access <> 'active' order by id limit 1"),
            await connection.ExecuteScalarAsync<int>("select max(mail_number) from dunning.outbox where account_id = (select min(id) from dunning.account)"));
        var first = await connection.ExecuteScalarAsync<string>("select min(id) from dunning.account");
        var invoice = await connection.ExecuteScalarAsync<string>("select series || '-' || year || '-' || lpad(number::text, 6, '0') from dunning.invoice limit 1");
        return
        [
            "/ops", "/ops?currency=USD", "/ops/cases", "/ops/cases?state=open&order=largest", "/ops/cases?state=&order=oldest", "/ops/cases?state=&order=largest", "/ops/cases?order=next",
            "/ops/cases?state=decided&first=insufficient_funds&currency=EUR", "/ops/cases?state=decided&first=none", "/ops/cases?state=paid&code=lost_card", "/ops/cases?state=written_off&currency=JPY", "/ops/cases?mark=held&state=",
            "/ops/cases?q=atelier", "/ops/cases?q=" + invoice, $"/ops/cases?q=owner@{busy}.example", $"/ops/account?id={busy}", $"/ops/account?id={suspended}&events=all", "/ops/charges", "/ops/passes", "/ops/passes?pass=dun",
            "/ops/mails", "/ops/mails?state=dead", "/ops/mails?state=accepted&template=receipt", "/ops/mails?template=purge_warning", $"/ops/mails/mail?account={first}&mail={mail}&contact=1", "/ops/forecast", "/ops/forecast?by=day",
            "/ops/audit", "/ops/audit?operator=operator3&act=pause", $"/ops/audit?account={busy}",
        ];
    }
}

/// <summary>One page's times in milliseconds.</summary>
internal sealed record PageTimes(string Path, double FirstMs, IReadOnlyList<double> Ms, int Bytes)
{
    /// <summary>The 95th of a hundred.</summary>
    public double P95 => Ms.Order().ElementAt((int)Math.Ceiling(Ms.Count * 0.95) - 1);
}

/// <summary>What <c>bench pages</c> found.</summary>
internal sealed record PagesResult(ServerFacts Server, MachineFacts Machine, int Accounts, string Counts)
{
    /// <summary>No page may take longer.</summary>
    public const double LimitMs = 300;

    private static readonly JsonSerializerOptions Options = new() { WriteIndented = true };

    /// <summary>Each page.</summary>
    public List<PageTimes> Pages { get; } = [];

    /// <summary>Whether none took longer.</summary>
    public bool IsFast => Pages.All(p => p.P95 <= LimitMs);

    /// <summary>For scripts.</summary>
    public string ToJson() => JsonSerializer.Serialize(new
    {
        accounts = Accounts, rows = Counts, pages = Pages.Select(p => new { path = p.Path, first_ms = p.FirstMs, median_ms = Measures.Median(p.Ms), p95_ms = p.P95, bytes = p.Bytes }),
    }, Options);

    /// <summary>For people.</summary>
    public string ToText() => string.Join(Environment.NewLine,
    [
        Machine.ToString(), Server.ToString(),
        FormattableString.Invariant($"{Accounts:N0} accounts, {Counts}; the whole request on the loopback, {Pages[0].Ms.Count} of each"), "",
        FormattableString.Invariant($"{"milliseconds",-64}{"first",8}{"median",8}{"p95",8}{"KB",6}"),
        .. Pages.Select(p => FormattableString.Invariant($"{p.Path,-64}{p.FirstMs,8:F0}{Measures.Median(p.Ms),8:F0}{p.P95,8:F0}{p.Bytes / 1024,6}") + (p.P95 > LimitMs ? "  over 300" : "")),
    ]);
}
