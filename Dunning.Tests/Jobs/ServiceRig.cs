using System.Text.Json;
using Dapper;
using Dunning.Commands;
using Dunning.Hosting;
using Dunning.Postgres;
using Dunning.Tests.Postgres;
using Microsoft.Extensions.Configuration;
using NodaTime;
using Npgsql;

namespace Dunning.Tests.Jobs;

/// <summary>One service at a time in this process: Hangfire's configuration is static.</summary>
[CollectionDefinition(nameof(ServiceRig))]
public sealed class ServiceCollection;

/// <summary>The real service over a database of its own, on a free port, with due accounts.</summary>
internal sealed class ServiceRig : IAsyncDisposable
{
    private static readonly JsonSerializerOptions s_json = new() { DefaultIgnoreCondition = System.Text.Json.Serialization.JsonIgnoreCondition.WhenWritingNull };

    private readonly string _folder;

    private ServiceRig(string connectionString, string folder, Database database, WorkerSettings settings, IConfiguration configuration)
    {
        (ConnectionString, _folder, Database, Settings, Configuration) = (connectionString, folder, database, settings, configuration);
    }

    public string ConnectionString { get; }

    public Database Database { get; }

    public WorkerSettings Settings { get; }

    public IConfiguration Configuration { get; }

    public string MailFolder => Path.Combine(_folder, "mail");

    /// <summary>Migrated, with accounts whose subscriptions fell due some days ago.</summary>
    public static async Task<ServiceRig> NewAsync(int accounts, params (string Key, string Value)[] keys)
    {
        var connectionString = await TestServer.NewDatabaseAsync();
        var folder = Directory.CreateTempSubdirectory("dunning-run-").FullName;
        KeyValuePair<string, string?>[] usual =
        [
            new("ConnectionStrings:Dunning", connectionString), new("Http:Urls", "http://127.0.0.1:0"), new("Mail:Pickup", Path.Combine(folder, "mail")),
            new("Logging:LogLevel:Default", "None"),
        ];
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(usual)
            .AddInMemoryCollection(keys.Select(k => new KeyValuePair<string, string?>(k.Key, k.Value))).Build();
        var (settings, faults) = WorkerSettings.Read(configuration);
        Assert.Empty(faults);
        var database = await Database.OpenAsync(settings!, default);
        await MigrateCommand.MigrateAsync(database, TimeProvider.System, default);
        var rig = new ServiceRig(connectionString, folder, database, settings!, configuration);
        await WriteBookAsync(rig._folder, accounts, ofStripe: settings!.Payments.Stripe is not null);
        var (code, _, error) = await rig.CommandAsync(
            ["import", Path.Combine(folder, "book"), "--allow-overdue", .. keys.SelectMany(k => new[] { "--set", $"{k.Key}={k.Value}" })]);
        Assert.True(code == 0, error);
        return rig;
    }

    public Task<Service> StartAsync() => Service.StartAsync(Database, Settings, Configuration, TimeProvider.System, default);

    /// <summary>A command on the same database.</summary>
    public async Task<(int Code, string Output, string Error)> CommandAsync(params string[] args)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        var code = await CommandLine.RunAsync([.. args, "--set", "ConnectionStrings:Dunning=" + ConnectionString], output, error);
        return (code, output.ToString(), error.ToString());
    }

    public async Task<T> ScalarAsync<T>(string sql)
    {
        await using var connection = await Database.Source.OpenConnectionAsync();
        return (await connection.ExecuteScalarAsync<T>(sql))!;
    }

    /// <summary>Takes the database away.</summary>
    public async Task DropDatabaseAsync()
    {
        var builder = new NpgsqlConnectionStringBuilder(ConnectionString);
        var name = builder.Database;
        builder.Database = "postgres";
        await using var connection = new NpgsqlConnection(builder.ConnectionString);
        await connection.ExecuteAsync($"drop database \"{name}\" with (force)");
    }

    /// <summary>Waits until it is so, with the patience that a busy machine needs: a pass that finds an account with another comes back a minute later.</summary>
    public async Task WaitAsync(Func<Task<bool>> isSo)
    {
        var started = TimeProvider.System.GetTimestamp();
        while (!await isSo())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(started) < TimeSpan.FromMinutes(4), "waited four minutes in vain");
            await Task.Delay(100);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Database.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private static async Task WriteBookAsync(string folder, int accounts, bool ofStripe)
    {
        var book = Directory.CreateDirectory(Path.Combine(folder, "book")).FullName;
        var books = Path.Combine(AppContext.BaseDirectory, "books");
        File.Copy(Path.Combine(books, "tour", "plans.json"), Path.Combine(book, "plans.json"));
        File.Copy(Path.Combine(books, "tax.csv"), Path.Combine(book, "tax.csv"));
        // Some days ago, on a day that the month before has too.
        var today = Instant.FromDateTimeOffset(TimeProvider.System.GetUtcNow()).InUtc().Date;
        var renewsOn = Enumerable.Range(3, 5).Select(d => today.PlusDays(-d)).First(d => d.PlusMonths(-1).Day == d.Day);
        await File.WriteAllLinesAsync(Path.Combine(book, "accounts.jsonl"), Enumerable.Range(1, accounts).Select(n => JsonSerializer.Serialize(new
        {
            id = $"a{n}",
            name = "Atelier",
            legal_name = "Atelier SARL",
            country = "FR",
            time_zone = "Europe/Paris",
            currency = "EUR",
            locale = "fr",
            gateway_customer = ofStripe ? $"cus_a{n}" : null,
            address = new { line1 = "12 rue de la République", postal_code = "69002", city = "Lyon" },
            contacts = new[] { new { email = $"owner@a{n}.example", name = "Claire", role = "owner" } },
            payment_methods = new[] { new { id = $"a{n}-card", token = ofStripe ? "pm_sepa" : "sandbox_ok", exp = "2099-06", @default = true } },
            subscriptions = new[]
            {
                new
                {
                    id = $"a{n}-1", plan = "team-monthly", quantity = 1, anchor = Iso(renewsOn.PlusMonths(-1)), renews_on = Iso(renewsOn),
                },
            },
        }, s_json)));

        static string Iso(LocalDate date) => date.ToString("uuuu-MM-dd", null);
    }
}
