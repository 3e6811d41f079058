using System.Collections.Immutable;
using Dapper;
using Dunning.Events;
using Dunning.Hosting;
using Dunning.Model;
using Dunning.Options;
using Dunning.Passes;
using Dunning.Postgres;
using Dunning.Tests.Faults;
using Dunning.Tests.Gateways.StripeStandIn;
using Dunning.Tests.Postgres;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging.Abstractions;
using NodaTime;
using Npgsql;

namespace Dunning.Tests.Gateways;

/// <summary>A book of accounts that are due, charged by the real engine through a stand-in of Stripe, on a clock that the test moves.</summary>
internal sealed class LiveStripe : IAsyncDisposable
{
    private readonly List<IAsyncDisposable> _opened = [];
    private readonly string _folder = Directory.CreateTempSubdirectory("dunning-live-").FullName;

    private LiveStripe(StandIn stripe, SteppedTime time) => (Stripe, Time) = (stripe, time);

    public StandIn Stripe { get; }

    public SteppedTime Time { get; }

    public Instant Now => Instant.FromDateTimeOffset(Time.GetUtcNow());

    /// <summary>What the engines of this test have told, oldest first.</summary>
    public List<BookEvent> Events { get; } = [];

    /// <summary>The environment's file, as on one machine.</summary>
    public string EnvironmentFile => Path.Combine(_folder, "environment.json");

    public string MailFolder => Path.Combine(_folder, "mail");

    /// <summary>The database that <see cref="OpenAsync"/> opens, unless another is named.</summary>
    public string ConnectionString { get; private set; } = "";

    public static async Task<LiveStripe> NewAsync(int accounts, string token = "pm_card_visa")
    {
        var time = new SteppedTime();
        var live = new LiveStripe(await StandIn.StartAsync(() => Instant.FromDateTimeOffset(time.GetUtcNow())), time)
        {
            ConnectionString = await TestServer.NewDatabaseAsync(),
        };
        await using var source = PostgresSource.Create(live.ConnectionString);
        await Population.SettleAsync(
            source, new RuleOptions(), Enumerable.Range(0, accounts).Select(i => Population.Account(i, token) with { GatewayCustomer = $"cus_{i:D5}" }), isSimulation: false);
        await using var connection = await source.OpenConnectionAsync();
        await connection.ExecuteAsync("update dunning.setting set value = 'stripe test' where key = 'gateway'");
        return live;
    }

    /// <summary>An engine as a server has it, on this test's database or another. Its mails go nowhere unless asked for.</summary>
    public async Task<Engine> OpenAsync(string? connectionString = null, bool sendsMail = false, params (string Key, string Value)[] keys)
    {
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(
        [
            new("ConnectionStrings:Dunning", connectionString ?? ConnectionString), new("Payments:Gateway", "stripe"), new("Payments:Stripe:BaseUrl", Stripe.Url.ToString()),
            new("Payments:Stripe:SecretKey", StandIn.SecretKey), new("Payments:Stripe:PerSecond", "1000"), new("Environment:File", EnvironmentFile),
            new("Mail:Pickup", MailFolder),
        ]).AddInMemoryCollection(keys.Select(k => new KeyValuePair<string, string?>(k.Key, k.Value))).Build();
        var (settings, faults) = WorkerSettings.Read(configuration);
        Assert.Empty(faults);
        var database = await Database.OpenAsync(settings!, default);
        var engine = await Engine.OpenAsync(database, settings!, Time, NullLoggerFactory.Instance, takesOver: true, default, sendsMail: sendsMail);
        _opened.Insert(0, database);
        _opened.Insert(0, engine);
        return engine;
    }

    /// <summary>All phases of a pass, and then a while.</summary>
    public async Task<PassReport> PassAsync(Engine engine, TimeSpan then, PassKind kind = PassKind.All)
    {
        var report = await engine.RunAsync(kind, default, onSaved: decision =>
        {
            lock (Events)
            {
                Events.AddRange(decision.Events);
            }
        });
        Assert.Empty(report.Faults);
        Time.Advance(then);
        return report;
    }

    public int Count(string eventType) => Events.Count(e => e.Type == eventType);

    public async Task<T> ScalarAsync<T>(string sql, string? connectionString = null)
    {
        await using var source = PostgresSource.Create(connectionString ?? ConnectionString);
        await using var connection = await source.OpenConnectionAsync();
        return (await connection.ExecuteScalarAsync<T>(sql))!;
    }

    /// <summary>Closes what is open on the databases, so that they can be copied.</summary>
    public async Task CloseAsync()
    {
        foreach (var one in _opened)
        {
            await one.DisposeAsync();
        }
        _opened.Clear();
    }

    public async ValueTask DisposeAsync()
    {
        await CloseAsync();
        await Stripe.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }
}
