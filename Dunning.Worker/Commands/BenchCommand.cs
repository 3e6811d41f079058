using System.CommandLine;
using System.Globalization;
using Dunning.Commands.Bench;

namespace Dunning.Commands;

/// <summary><c>bench renewals</c>, <c>bench due-scan</c>, <c>bench mails</c>, <c>bench pages</c>: how fast this machine is, told as ratios to what the same server can do at all.</summary>
internal static class BenchCommand
{
    public static Command Create(CommandContext context) => new("bench",
        """
        Measure the engine on this machine, on data made for it and gone afterwards: on a private PostgreSQL with the settings of a real one, or,
        with a connection string, in a database of its own on that server.

          dunning bench renewals --accounts 20000 --baseline
          dunning bench due-scan --accounts 1000000 --due 1000
          dunning bench mails --count 10000
          dunning bench pages --accounts 50000
        """)
    {
        Renewals(context),
        DueScan(context),
        Mails(context),
        Pages(context),
    };

    private static Command Renewals(CommandContext context)
    {
        var accounts = Number("--accounts", "How many accounts, one due subscription each", 20_000, 1, 2_000_000);
        var latency = Number("--gateway-latency", "Milliseconds that the gateway takes to answer; above 0 runs without latency are made too, to compare with", 0, 0, 10_000);
        var workers = Number("--workers", "Passes at once, as so many servers would run them", 2, 1, 64);
        var concurrency = Number("--concurrency", "Gateway calls under way at once, in all workers together (default: Passes:Concurrency for each worker)", null, 1, 20_000);
        var batch = Number("--batch", "Accounts a commit (default: Passes:BatchSize)", null, 1, 2000);
        var runs = Number("--runs", "Runs of each kind, alternating; the median counts", 5, 1, 99);
        var naive = Number("--naive-accounts", "With --baseline: accounts in a run of the naive way, which is slow", 2000, 1, 1_000_000);
        var baseline = new Option<bool>("--baseline")
        {
            Description = "Also run, on the same server: the floor (plain set-based SQL that leaves the same rows, in batches of the same size) "
                + "and the naive way (one job and one chain of transactions per account, at its best of 1, 4 and 8 clients)",
        };
        var json = new Option<bool>("--json") { Description = "The result as JSON" };
        var command = new Command("renewals",
            """
            Renew accounts that are all due, and count renewals a second. Afterwards every account is checked: renewed and charged exactly once,
            nothing left in flight. Exit code 1 when that does not hold.

              dunning bench renewals --accounts 20000 --baseline
              dunning bench renewals --accounts 20000 --gateway-latency 200 --concurrency 500
            """)
        { accounts, latency, workers, concurrency, batch, runs, baseline, naive, json };
        command.SetAction(async (parsed, ct) =>
        {
            var settings = context.ReadSettings(parsed);
            var passes = parsed.GetValue(workers)!.Value;
            var plan = new RenewalsPlan
            {
                Accounts = parsed.GetValue(accounts)!.Value,
                GatewayLatency = TimeSpan.FromMilliseconds(parsed.GetValue(latency)!.Value),
                Workers = passes,
                Concurrency = parsed.GetValue(concurrency) ?? settings.Limits.Concurrency * passes,
                Batch = parsed.GetValue(batch) ?? settings.Limits.BatchSize,
                Runs = parsed.GetValue(runs)!.Value,
                WithBaseline = parsed.GetValue(baseline),
                NaiveAccounts = parsed.GetValue(naive)!.Value,
            };
            if (plan.Concurrency < plan.Workers)
            {
                throw new CommandException($"--concurrency is {plan.Concurrency}, but {plan.Workers} workers need a call each at least");
            }
            await using var server = await BenchServer.StartAsync(settings, ct);
            using var progress = new ProgressLine(context.Error, "bench", context.Time);
            var result = await ToTheEndAsync(() => new RenewalsBench(server, settings, plan, context.Time, progress).RunAsync(ct), ct);
            progress.Dispose();
            await context.Output.WriteLineAsync(parsed.GetValue(json) ? result.ToJson() : result.ToText());
            foreach (var fault in result.Faults)
            {
                await context.Error.WriteLineAsync(fault);
            }
            return result.Faults.Count == 0 ? CommandLine.Ok : CommandLine.Wanting;
        });
        return command;
    }

    private static Command DueScan(CommandContext context)
    {
        var accounts = Number("--accounts", "How many accounts there are", 1_000_000, 1, 20_000_000);
        var due = Number("--due", "How many of them are due", 1000, 1, 100_000);
        var small = Number("--small", "How many accounts there are in the book to compare with", 10_000, 1, 1_000_000);
        var runs = Number("--runs", "Runs of each; the median counts", 9, 1, 99);
        var json = new Option<bool>("--json") { Description = "The result as JSON" };
        var command = new Command("due-scan",
            """
            Find and lock what is due among many accounts, and as much among few: it should cost the same, in pages read and in time.

              dunning bench due-scan --accounts 1000000 --due 1000
            """)
        { accounts, due, small, runs, json };
        command.SetAction(async (parsed, ct) =>
        {
            var settings = context.ReadSettings(parsed);
            var (few, many, wanted) = (parsed.GetValue(small)!.Value, parsed.GetValue(accounts)!.Value, parsed.GetValue(due)!.Value);
            if (wanted > few || wanted > many)
            {
                throw new CommandException($"--due is {wanted}, but must not be above --small ({few}) and --accounts ({many})");
            }
            await using var server = await BenchServer.StartAsync(settings, ct);
            using var progress = new ProgressLine(context.Error, "bench", context.Time);
            var result = await ToTheEndAsync(
                () => new DueScanBench(server, settings, context.Time, progress).RunAsync(few, many, wanted, parsed.GetValue(runs)!.Value, ct), ct);
            progress.Dispose();
            await context.Output.WriteLineAsync(parsed.GetValue(json) ? result.ToJson() : result.ToText());
            return CommandLine.Ok;
        });
        return command;
    }

    private static Command Mails(CommandContext context)
    {
        var count = Number("--count", "How many mails, one recipient each", 10_000, 1, 1_000_000);
        var connections = Number("--connections", "Connections to the mail server at once", 4, 1, 100);
        var runs = Number("--runs", "Runs of each kind, alternating; the median counts", 5, 1, 99);
        var json = new Option<bool>("--json") { Description = "The result as JSON" };
        var command = new Command("mails",
            """
            Write mails and send them to a mail server that takes everything, in this process, and beside it let the bare SMTP client send one message as
            often over as many connections.

              dunning bench mails --count 10000
            """)
        { count, connections, runs, json };
        command.SetAction(async (parsed, ct) =>
        {
            var settings = context.ReadSettings(parsed);
            using var progress = new ProgressLine(context.Error, "bench", context.Time);
            var result = await ToTheEndAsync(() => new MailsBench(settings, context.Time, progress).RunAsync(
                parsed.GetValue(count)!.Value, parsed.GetValue(connections)!.Value, parsed.GetValue(runs)!.Value, ct), ct);
            progress.Dispose();
            await context.Output.WriteLineAsync(parsed.GetValue(json) ? result.ToJson() : result.ToText());
            return CommandLine.Ok;
        });
        return command;
    }

    private static Command Pages(CommandContext context)
    {
        var accounts = Number("--accounts", "How many accounts, each with twelve months of invoices, charges, mails and events", 50_000, 100, 1_000_000);
        var requests = Number("--requests", "Requests of each page that count", 20, 10, 1000);
        var serve = new Option<bool>("--serve") { Description = "Afterwards keep the service up until Ctrl-C, to look at the pages; its address and password are told" };
        var json = new Option<bool>("--json") { Description = "The result as JSON" };
        var command = new Command("pages",
            """
            Make a book with a year behind it, start the service on it and ask for each of the operators' pages again and again. Exit code 1 when one takes
            more than 300 ms in more than one of twenty requests.

              dunning bench pages --accounts 50000
            """)
        { accounts, requests, serve, json };
        command.SetAction(async (parsed, ct) =>
        {
            var settings = context.ReadSettings(parsed);
            var given = (parsed.GetValue(context.Options.Set) ?? []).Select(pair => pair.Split('=')[0]).ToHashSet(StringComparer.OrdinalIgnoreCase);
            if (settings.ConnectionString is null && given.Contains("Database:Folder"))
            {
                throw new CommandException(
                    "bench makes a private server in a temporary folder (TMPDIR says where), never in Database:Folder: leave it out, or name a server in ConnectionStrings:Dunning");
            }
            // The service's own address may be taken by it: another only where it is asked for.
            settings = given.Contains("Http:Urls") ? settings : settings with { Urls = "http://127.0.0.1:0" };
            await using var server = await BenchServer.StartAsync(settings, ct);
            using var progress = new ProgressLine(context.Error, "bench", context.Time);
            var result = await ToTheEndAsync(() => new PagesBench(server, settings, context.Configure(parsed), context.Time, progress).RunAsync(
                parsed.GetValue(accounts)!.Value, parsed.GetValue(requests)!.Value, parsed.GetValue(serve) ? ServeAsync : null, ct), ct);
            progress.Dispose();
            await context.Output.WriteLineAsync(parsed.GetValue(json) ? result.ToJson() : result.ToText());
            return result.IsFast ? CommandLine.Ok : CommandLine.Wanting;

            async Task ServeAsync(string where)
            {
                await context.Error.WriteLineAsync("the pages are at " + where + "; Ctrl-C ends");
                await Task.Delay(Timeout.InfiniteTimeSpan, context.Time, ct).ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
            }
        });
        return command;
    }

    // "Stopped" is for whoever stopped it: a run that was given up for another reason has a stack to show.
    private static async Task<T> ToTheEndAsync<T>(Func<Task<T>> run, CancellationToken ct)
    {
        try
        {
            return await run();
        }
        catch (OperationCanceledException e) when (!ct.IsCancellationRequested)
        {
            throw new InvalidOperationException("a run was given up, and nobody had asked for it", e);
        }
    }

    private static Option<int?> Number(string name, string description, int? standard, int min, int max)
    {
        var option = new Option<int?>(name) { Description = description };
        if (standard is not null)
        {
            option.DefaultValueFactory = _ => standard;
        }
        option.Validators.Add(given =>
        {
            if (given.Tokens.Count == 1 && int.TryParse(given.Tokens[0].Value, NumberStyles.None, CultureInfo.InvariantCulture, out var value) && (value < min || value > max))
            {
                given.AddError(FormattableString.Invariant($"{name} is {value}, but must be from {min} to {max}"));
            }
        });
        return option;
    }
}
