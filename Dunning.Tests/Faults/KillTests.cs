using System.Diagnostics;
using Dapper;
using Dunning.Options;
using Dunning.Postgres;
using Dunning.Postgres.Embedded;
using Dunning.Tests.Postgres;
using NodaTime;
using NodaTime.Text;
using Npgsql;
using Xunit.Abstractions;

namespace Dunning.Tests.Faults;

/// <summary>
/// The worker's process, killed with SIGKILL again and again in the middle of its work, on a durable server that goes on. Nothing may be
/// lost, and nobody charged twice.
/// </summary>
public sealed class KillTests(ITestOutputHelper output) : IDisposable
{
    private const int Kills = 10;
    private const string ProcessName = "killed-worker";

    // Longer than a call's timeout and its margin: what the killed one held is free at the next start.
    private static readonly Duration UntilRestart = Duration.FromMinutes(3);

    // Whatever is killed when: the end is the same.
    private static readonly (string Token, string? Backup, long Credit, string State)[] Kinds =
    [
        ("sandbox_ok", null, 0, "paid"),
        ("sandbox_ok", null, 0, "paid"),
        ("sandbox_ok", null, 0, "paid"),
        ("sandbox_timeout_x1", null, 0, "paid"),
        ("sandbox_ok", null, 0, "paid"),
        ("sandbox_drop_x1", null, 0, "paid"),
        ("sandbox_ok", null, 500, "paid"),
        ("sandbox_decline_insufficient_funds", null, 0, "open"),
        ("sandbox_ok", null, 5000, "paid"),
        ("sandbox_lost_decline_insufficient_funds_x1", null, 0, "open"),
        ("sandbox_ok", null, 0, "paid"),
        ("sandbox_decline_lost_card", null, 0, "open"),
    ];

    private readonly string _folder = Path.Combine(Path.GetTempPath(), "dk-" + Guid.NewGuid().ToString("N")[..8]);

    public void Dispose()
    {
        if (Directory.Exists(_folder))
        {
            Directory.Delete(_folder, recursive: true);
        }
    }

    [Fact]
    public async Task A_worker_killed_at_ten_moments_charges_each_invoice_once_and_loses_nothing()
    {
        var random = new Random(Seeds.Next(output, "kills"));
        var count = Seeds.Size("DUNNING_KILL_ACCOUNTS", 2000);
        await using var server = await EmbeddedServer.StartAsync(new EmbeddedOptions { Folder = Path.Combine(_folder, "pg") });
        await server.EnsureDatabaseAsync("dunning");
        await using var source = PostgresSource.Create(server.ConnectionString("dunning"));
        await using var connection = await source.OpenConnectionAsync();
        Assert.Equal("on", await connection.ExecuteScalarAsync<string>("show fsync"));
        await Population.SettleAsync(source, new RuleOptions(), Enumerable.Range(0, count).Select(Account), isSimulation: true);
        var worker = new NpgsqlConnectionStringBuilder(server.ConnectionString("dunning")) { ApplicationName = ProcessName }.ConnectionString;

        // The moments: by how far the work has come, and a little later by chance.
        var moments = Enumerable.Range(0, Kills).Select(_ => random.Next(count / 50, count * 8 / 10)).Order().ToArray();
        var now = Rig.Now;
        var (kills, killsBetween, unsavedMails) = (0, 0, 0L);
        foreach (var moment in moments)
        {
            using var process = Start(worker, now);
            // Not before it has made a call of its own: a program that starts has nothing to lose.
            var until = Math.Max(moment, 1 + await connection.ExecuteScalarAsync<long>("select count(*) from sandbox.call"));
            var delay = TimeSpan.FromMilliseconds(random.Next(0, 120));
            while (!process.HasExited && await connection.ExecuteScalarAsync<long>("select count(*) from sandbox.call") < until)
            {
                await Task.Delay(5);
            }
            await Task.Delay(delay);
            var wasRunning = !process.HasExited;
            process.Kill();
            await process.WaitForExitAsync();
            Assert.True(wasRunning, $"the worker had ended before the moment {moment}: {await process.StandardError.ReadToEndAsync()}");
            await IsGoneAsync(connection);
            kills++;
            var inFlight = await connection.ExecuteScalarAsync<long>("select count(*) from dunning.charge where state = 'in_flight'");
            var between = await connection.ExecuteScalarAsync<long>(
                "select count(*) from dunning.charge c join sandbox.call s using (key) where c.state = 'in_flight'");
            var lost = Files().Length - await connection.ExecuteScalarAsync<long>("select count(*) from dunning.outbox where state = 'accepted'");
            killsBetween += between > 0 ? 1 : 0;
            unsavedMails += lost;
            output.WriteLine(
                $"kill {kills} at {until} calls + {delay.TotalMilliseconds} ms: {inFlight} charges in flight, {between} of them between the call and the saving of its answer; " +
                $"{lost} mails between the delivery and its saving");
            now += UntilRestart;
        }

        for (var runs = 0; await connection.ExecuteScalarAsync<bool>(
            "select exists (select from dunning.due where at <= @now) or exists (select from dunning.charge where state in ('in_flight', 'unknown'))",
            new { now = now.ToDateTimeUtc() }); runs++)
        {
            Assert.True(runs < 10, "it does not come to rest");
            using var process = Start(worker, now);
            var (text, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
            await process.WaitForExitAsync();
            output.WriteLine($"{InstantPattern.General.Format(now)} {(await text).ReplaceLineEndings(" ")}");
            Assert.True(process.ExitCode == 0, await error);
            now += UntilRestart;
        }

        output.WriteLine($"{kills} kills, {killsBetween} of them between a call and the saving of its answer; {unsavedMails} mails delivered, but not saved as such");
        Assert.Equal(Kills, kills);
        Assert.True(killsBetween >= 3, $"only {killsBetween} kills fell between a call and the saving of its answer: nothing is shown");
        Assert.Equal("", await Auditor.FaultsAtRestAsync(source, now - UntilRestart));
        Assert.Equal("", await Auditor.CreditFaultsAsync(source, Enumerable.Range(0, count).Select(Account).ToDictionary(a => a.Id, a => a.Credit)));
        await EachHasItsInvoiceAsync(connection, count);
        await EachMailIsThereOnceAsync(connection);
    }

    private static Model.AccountFile Account(int number)
    {
        var kind = Kinds[number % Kinds.Length];
        return Population.Account(number, kind.Token, 0, kind.Backup, kind.Credit);
    }

    private static async Task EachHasItsInvoiceAsync(NpgsqlConnection connection, int count)
    {
        var states = (await connection.QueryAsync<(string Account, string State, string Start, bool HasCase)>(
            "select account_id, state, period_start::text, case_schedule is not null from dunning.receivable")).ToList();
        Assert.Equal(count, states.Count);
        Assert.Equal(count, states.DistinctBy(s => s.Account).Count());
        foreach (var (account, state, start, hasCase) in states)
        {
            Assert.Equal((account, Kinds[int.Parse(account[1..]) % Kinds.Length].State, "2026-03-01"), (account, state, start));
            Assert.Equal(state == "open", hasCase);
        }
    }

    // A mail delivered, but killed before that was saved, is delivered again: by its key it is the same file.
    private async Task EachMailIsThereOnceAsync(NpgsqlConnection connection)
    {
        var rows = await connection.QueryAsync<(string Email, string Template, long Count)>(
            "select email, template, count(*) from dunning.outbox where state = 'accepted' group by email, template");
        var decided = rows.ToDictionary(r => r.Email, r => (r.Template, r.Count));
        Assert.All(decided.Values, d => Assert.Equal(1, d.Count));
        var files = Files();
        var (ids, recipients) = (new HashSet<string>(StringComparer.Ordinal), new HashSet<string>(StringComparer.Ordinal));
        foreach (var file in files)
        {
            var headers = (await File.ReadAllLinesAsync(file)).TakeWhile(l => l.Length > 0).ToList();
            Assert.True(ids.Add(Header("Message-ID: ")), "a Message-ID is there twice");
            var to = Header("To: ");
            Assert.True(recipients.Add(to), $"{to} has two mails");

            string Header(string name)
            {
                var at = headers.FindIndex(l => l.StartsWith(name, StringComparison.Ordinal));
                return string.Concat(headers.Skip(at).Take(1).Concat(headers.Skip(at + 1).TakeWhile(l => l[0] == ' ')));
            }
        }
        Assert.Equal(decided.Count, files.Length);
        Assert.All(decided.Keys, email => Assert.Contains(recipients, to => to.Contains(email, StringComparison.Ordinal)));
    }

    private string[] Files() => Directory.Exists(Path.Combine(_folder, "mail")) ? Directory.GetFiles(Path.Combine(_folder, "mail"), "*.eml") : [];

    private Process Start(string connectionString, Instant now)
    {
        var start = new ProcessStartInfo("dotnet")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = _folder,
            ArgumentList =
            {
                Path.Combine(AppContext.BaseDirectory, "Dunning.Worker.dll"), "pass", "all", "--now", InstantPattern.General.Format(now),
                "--set", "Mail:Transport=pickup",
                "--set", "Mail:Pickup=" + Path.Combine(_folder, "mail"),
                "--set", "Payments:Sandbox:LatencyMs=50",
                "--set", "Passes:Concurrency=25",
                "--set", "Passes:BatchSize=25",
            },
        };
        start.Environment["ConnectionStrings__Dunning"] = connectionString;
        return Process.Start(start)!;
    }

    // The server notices a dead client only when it writes to it: what it was told to commit, it commits.
    private static async Task IsGoneAsync(NpgsqlConnection connection)
    {
        while (await connection.ExecuteScalarAsync<bool>(
            "select exists (select from pg_stat_activity where application_name = @ProcessName)", new { ProcessName }))
        {
            await Task.Delay(10);
        }
    }
}
